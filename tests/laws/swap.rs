//! INV-20, the swap: which remote's pull finishes first must not matter.
//!
//! Two devices write, each to one remote only, and are gone. Then a third signs in and pulls both
//! remotes, once with a slow link to the one and once to the other. No write depends on what was
//! pulled, so both runs know the same writes and must end the same. The judge of INV-20 sees one
//! history; this law needs two.

use std::collections::{BTreeMap, BTreeSet};

use engine::device::Presence;
use engine::flaw::{Flaw, Flaws};
use engine::id::{DeviceId, FieldId, RecordId, Remote, Token};
use harness::time::{Span, Time};
use sim::fault::{SlowLink, Times};
use sim::history::{Answered, Asked, Entry, Fact};
use sim::plan::{Act, Lasting, MessageKind, Node, Plan, When};
use sim::run::run;
use sim::scenario::{self, Scenario};

const LOGIN: &str = r#"
[scenario]
title = "A login after two devices that each reached one remote"
lasts = "60s"

[remotes]
cloudkit = { kind = "cloudkit" }
supabase = { kind = "supabase" }

[devices]
phone  = { user = "anna" }
laptop = { user = "anna" }
tablet = { user = "anna", state = "fresh", start = "20s" }
watch  = { user = "anna", state = "fresh", start = "50s" }

[given]
make = [{ rows = "meal/1..3" }, { rows = "daily-log/1" }]

[network]
latency = "20ms..200ms"

[timing]
pull-every     = "5s"
relist-every   = "1h"
login-patience = "1m"
timeout        = "30s"

[mix]
for     = "12s"
every   = "3s"
weights = { edit = 40, open-save = 10, overwrite = 5, increment = 10, delete = 10, undelete = 5 }
rows    = "3"

[script]
steps = [
  { at = "0s",  do = "cut", from = "phone", to = "supabase" },
  { at = "0s",  do = "cut", from = "laptop", to = "cloudkit" },
  { at = "18s", device = ["phone", "laptop"], do = "destroy" },
]

[expect.verdict]
product = "pass"
"#;

const PLANS: u64 = 20;

const TABLET: DeviceId = DeviceId(2);

/// So many times as long do messages between the tablet and the slow remote take.
const SLOW: u16 = 20;

fn login() -> Scenario {
    scenario::read("login", "login", LOGIN.as_bytes()).expect("it is well written").0
}

/// A plan in which only the phone and the laptop write, and the tablet's pull of `slow` is the last.
fn plan(login: &Scenario, seed: u64, flaws: Flaws, slow: Remote) -> Plan {
    let mut plan = scenario::draw(login, seed, flaws);
    plan.steps.retain(|step| !matches!(step.act, Act::User(device, _) if device >= TABLET));
    let fault = SlowLink { device: TABLET, to: slow, times: Times(SLOW) };
    let lasting = Lasting::For(Span::from_secs(25));
    plan.add_step(When::At(Time(19_000)), Act::Fault(fault.into(), lasting));
    plan
}

/// What a record shows in one place: is it there, and which writes by field?
type Visible = (bool, BTreeSet<(FieldId, Token)>);

/// What is visible of each record in each place at the end.
fn ending(history: &[Entry]) -> BTreeMap<(Node, RecordId), Visible> {
    let mut ending = BTreeMap::new();
    let mut last = BTreeSet::new();
    for entry in history {
        if let Some((op, Asked::Read { last: true, .. })) = entry.fact.asked() {
            last.insert((entry.node, op));
        }
        if let Some((op, Answered::Read(shown))) = entry.fact.answered()
            && last.contains(&(entry.node, op))
        {
            let tokens = shown.fields.iter().flat_map(|(field, _, writes, conflicting)| {
                writes.iter().chain(conflicting).map(move |token| (*field, *token))
            });
            let visible = (shown.presence == Presence::Live, tokens.collect());
            ending.insert((entry.node, shown.id), visible);
        }
        if let Fact::Found { id, contents: Some(contents), .. } = &entry.fact {
            let values = contents.cells.iter().filter(|cell| cell.0 != FieldId::HEADSTONE);
            ending.insert((entry.node, *id), (contents.live, values.copied().collect()));
        }
    }
    ending
}

/// Whose first page did the tablet get first?
fn faster(history: &[Entry]) -> Option<Remote> {
    history.iter().find_map(|entry| {
        let Fact::Delivered { from: Node::Remote(remote), message_id, refused: None, .. } =
            &entry.fact
        else {
            return None;
        };
        let pulled =
            entry.node == Node::Device(TABLET) && message_id.message_kind == MessageKind::Pull;
        pulled.then_some(*remote)
    })
}

/// The plans that end otherwise when the pulls finish the other way round.
fn broken_by_a_swap(flaws: Flaws) -> Vec<u64> {
    let login = login();
    let broken = (0..PLANS).filter(|seed| {
        let [zone_last, rows_last] = Remote::ALL.map(|slow| {
            let outcome = run(&plan(&login, *seed, flaws, slow));
            let faster = faster(&outcome.history).expect("the tablet signs in and pulls");
            assert_ne!(faster, slow, "the slow remote is the last, in seed {seed}");
            ending(&outcome.history)
        });
        let places: BTreeSet<Node> = zone_last.keys().map(|key| key.0).collect();
        assert_eq!(places.len(), 4, "both remotes and both devices are looked at, in seed {seed}");
        zone_last != rows_last
    });
    broken.collect()
}

#[test]
fn a_login_ends_the_same_whichever_pull_finishes_first() {
    assert_eq!(broken_by_a_swap(Flaws::NONE), [] as [u64; 0]);
}

#[test]
fn a_login_whose_pulls_write_back_their_own_snapshots_breaks_the_law() {
    let broken = broken_by_a_swap(Flaws::only(Flaw::DeepSync001));
    assert!(!broken.is_empty(), "the law could not fail in any of {PLANS} plans");
}
