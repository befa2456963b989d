//! The sentence of `explain` names the place in the engine where a known bug went wrong: for twenty of them, each
//! with a capsule that was kept of it.

use std::path::Path;

use sim::scenario;
use sim::signature::Signature;
use sim::zoo::named;

/// Each with the module that its capsule's sentence has to name.
const FLAWS: [(&str, &str); 20] = [
    ("bp-409-done", "engine::processor::work"),
    ("bp-lock-ttl", "engine::worker::job"),
    ("bp-merge-dup", "engine::ingest"),
    ("cv-nilmap-pending", "engine::device::server"),
    ("cv-nilmap-strategy", "engine::view"),
    ("cv-session-per-user", "engine::worker::session"),
    ("cv-strategy-order", "engine::device::records"),
    ("deep-sync-002", "engine::device::intake"),
    ("fb-04", "engine::device::lane::push"),
    ("fb-21", "engine::device::lane::pull"),
    ("fb-28", "engine::device::lane"),
    ("fixed-retry", "engine::device::core"),
    ("i42-retry-stale", "engine::worker::space"),
    ("i42-rmw", "engine::worker::account"),
    ("login-exposes-first", "engine::device::login"),
    ("vf-batch-half", "engine::worker::file::tree"),
    ("vf-partial-move", "engine::worker::file::upload"),
    ("vf-restore-index", "engine::worker::file::version"),
    ("vf-state-two-files", "engine::device::file::feed"),
    ("write-unsynced", "engine::device::records"),
];

#[test]
fn the_sentence_names_the_place_that_a_flaw_marks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/named");
    let found = FLAWS.map(|(flaw, module)| {
        let bytes = std::fs::read(folder.join(format!("{flaw}.toml"))).expect("it is kept");
        let (capsule, _) = scenario::read(flaw, flaw, &bytes).expect("it is right");
        let head = capsule.capsule.clone().expect("it is a capsule");
        let flaws = head.flaws.iter().fold(engine::flaw::Flaws::NONE, |all, it| all.with(*it));
        let plan = scenario::draw(&capsule, head.seed, flaws);
        let named = named(&plan, &Signature::from(&head)).expect("it fails as it was kept");
        let says = named.decision.map(|it| it.module);
        (flaw, says.as_deref() == Some(module) && named.is_marked, says)
    });
    let other: Vec<_> = found.iter().filter(|(_, is_named, _)| !is_named).collect();
    assert!(other.is_empty(), "these are not named, but what stands beside them: {other:#?}");
}
