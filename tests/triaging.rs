//! Which failures of a sweep are one bug.

use std::path::Path;
use std::sync::Arc;

use engine::flaw::{Flaw, Flaws};
use harness::pool::Pool;
use harness::stop::Stop;
use sim::capsule::Store;
use sim::invariant::Invariant;
use sim::report::{Bug, Detail};
use sim::sweep::{Wish, sweep};
use sim::trial::Chosen;

use super::scenarios::shipped;

/// The bugs of a short sweep of an incident with these known bugs on.
fn bugs(name: &str, flaws: &[Flaw], shrink: bool) -> Vec<Bug> {
    let scenario = shipped().into_iter().find(|it| it.name == name).expect("it is shipped");
    let path = format!("scenarios/incidents/{name}.toml");
    let wish = Wish {
        chosen: vec![Chosen { scenario: Arc::new(scenario), argument: name.to_owned(), path }],
        flaws: flaws.iter().fold(Flaws::NONE, |all, flaw| all.with(*flaw)),
        seeds: Some(0..3),
        time: None,
        stop_after: None,
        shrink,
        detail: Detail::Brief,
        judges_demands: true,
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("triaging");
    let store = Store::open_if_possible(&folder);
    let (swept, trouble) = sweep(&wish, &Pool::new(2, Stop::default()), &store, |_| {});
    assert_eq!(trouble, None);
    swept.bugs
}

/// The judges that saw a bug.
fn judges(bug: &Bug) -> Vec<Invariant> {
    std::iter::once(&bug.signature).chain(&bug.also).map(|it| it.invariant).collect()
}

#[test]
fn what_one_known_bug_does_is_one_bug_in_several_ways() {
    for shrink in [true, false] {
        let bugs = bugs("deep-sync-003", &[Flaw::DeepSync003], shrink);
        assert_eq!(bugs.len(), 1, "{bugs:#?}");
        assert!(judges(&bugs[0]).contains(&Invariant::NoLostWrites), "{bugs:#?}");
        assert!(!bugs[0].also.is_empty(), "{bugs:#?}");
    }
}

#[test]
fn two_known_bugs_are_told_apart() {
    let bugs = bugs("deep-sync-003", &[Flaw::DeepSync003, Flaw::FixedRetry], true);
    let of = |judge| bugs.iter().position(|bug| judges(bug).contains(&judge));
    let (lost, unsettled) = (of(Invariant::NoLostWrites), of(Invariant::SystemSettles));
    assert!(lost.is_some() && unsettled.is_some() && lost != unsettled, "{bugs:#?}");
}
