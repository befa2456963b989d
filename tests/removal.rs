//! "Remove one step": what does not descend from a step is as it was without it.
//!
//! A step is removed from a plan and both histories are compared, up to the end of the faults. A fact
//! descends from the step if it is of the users that the step concerns, from then on, or comes after a
//! remote has stored something for one of them: positions in a remote's log are shared by all users. A
//! fault of a remote or a link concerns everybody. Blobs are numbered over the whole run, so they are
//! numbered again in what is left.

use std::collections::{BTreeMap, BTreeSet};

use engine::flaw::Flaws;
use engine::id::{DeviceId, UserId};
use harness::time::Time;
use sim::fault::{Fault, FaultKind};
use sim::history::{Entry, Fact};
use sim::plan::{Act, Node, Plan, StepId};
use sim::run::{Driver, Outcome, run_with};
use sim::scenario::{self, Scenario};

const TWO_USERS: &str = r#"
[scenario]
title = "Two users who have nothing to do with each other"
lasts = "8s"

[remotes]
cloudkit = { kind = "cloudkit" }
supabase = { kind = "supabase" }

[devices]
phone  = { user = "anna" }
tablet = { user = "anna" }
watch  = { user = "ben" }
laptop = { user = "ben", clock = "-1m..+1m" }

[given]
make = [{ rows = "meal/1..2" }]

[network]
grain      = ["1ms", "200ms"]
latency    = "5ms..60ms"
loss       = "5%"
duplicates = "5%"

[disk]
commit = "1ms..40ms"

[timing]
pull-every = "2s..4s"

[mix]
for     = "8s"
every   = "3s"
weights = { edit = 20, overwrite = 5, increment = 10, delete = 4, undelete = 4, read = 10, sync = 4 }
rows    = "2"
bursts  = { share = "50%", of-devices = "2..4", within = "1ms..20ms" }

[trouble]
crash     = { every = "10s", for = "20ms..500ms", chance = "80%" }
pause     = { every = "10s", for = "20ms..500ms", chance = "50%" }
slow-disk = { every = "10s", times = "5", for = "1s..3s", chance = "50%" }

[script]
steps = [
  { at = "2s", device = ["watch", "laptop"], do = "edit", row = "meal/1", set = { kcal = 7 } },
  { at = "2s", device = ["watch", "laptop", "phone"], do = "crash", for = "20ms" },
  { at = "5s", device = ["watch", "laptop", "phone"], do = "pause", for = "300ms" },
]
"#;

fn two_users() -> Scenario {
    scenario::read("two-users", "two-users", TWO_USERS.as_bytes()).expect("it is well written").0
}

fn run(plan: &Plan) -> Outcome {
    run_with(plan, Driver::Bare)
}

/// The device that a fault happens to, if nobody else is the worse for it.
fn alone(fault: &Fault) -> Option<DeviceId> {
    let device = fault.host().device()?;
    let is_offline = fault.kind() == FaultKind::GoOffline;
    let others = [FaultKind::Destroy, FaultKind::CopyDisk, FaultKind::ExpireCredential];
    let is_own = is_offline || fault.is_of(device) && !others.contains(&fault.kind());
    is_own.then_some(device)
}

/// The users whom a step concerns; `None` for all.
fn concerns(plan: &Plan, act: &Act) -> Option<BTreeSet<UserId>> {
    let of = |device: DeviceId| plan.devices[usize::from(device.0)].user;
    let users = match act {
        Act::User(device, _) => vec![of(*device)],
        Act::Wait => Vec::new(),
        Act::Fault(fault, _) => vec![of(alone(fault)?)],
        Act::Processor(..) => return None,
    };
    Some(users.into_iter().collect())
}

/// When a remote first stored or removed something for one of these users, from a moment on.
fn tainted(plan: &Plan, histories: [&[Entry]; 2], users: &BTreeSet<UserId>, from: Time) -> Time {
    let is_theirs = |by: &Node| match by {
        Node::Device(device) => users.contains(&plan.devices[usize::from(device.0)].user),
        Node::World
        | Node::Remote(_)
        | Node::Worker(_)
        | Node::Volume
        | Node::Intruder
        | Node::Processor(_) => false,
    };
    let stores = |entry: &&Entry| {
        let (Fact::Committed { by, .. } | Fact::Removed { by, .. }) = &entry.fact else {
            return false;
        };
        entry.at >= from && is_theirs(by)
    };
    let first = |history: &[Entry]| history.iter().find(stores).map(|entry| entry.at);
    histories.into_iter().filter_map(first).min().unwrap_or(Time(u64::MAX))
}

/// What does not descend from a step that happened at a moment, in order.
fn unconcerned(
    plan: &Plan,
    history: &[Entry],
    users: &BTreeSet<UserId>,
    (from, tainted): (Time, Time),
) -> Vec<String> {
    let theirs: Vec<String> = (0..)
        .zip(&plan.devices)
        .filter(|(_, device)| users.contains(&device.user))
        .map(|(n, _)| format!("Device(DeviceId({n}))"))
        .collect();
    let end = tainted.min(Time(plan.storm.0));
    let mut numbers = BTreeMap::new();
    let kept = history.iter().filter(|entry| entry.at < end).filter_map(|entry| {
        let text = format!("{entry:?}");
        // A crash of what is down already is skipped.
        let skips = |step| {
            let place = plan.place_of(step).expect("the step is in the plan");
            concerns(plan, &plan.steps[place].act).is_none_or(|of| !of.is_disjoint(users))
        };
        let theirs = theirs.iter().any(|device| text.contains(device))
            || matches!(entry.fact, Fact::Skipped(step, _) | Fact::Struck(step) if skips(step));
        let descends = entry.at >= from && theirs;
        (!descends).then(|| renumbered(&text, &mut numbers))
    });
    kept.collect()
}

/// A fact with its blobs numbered by their first appearance here.
fn renumbered(text: &str, numbers: &mut BTreeMap<String, usize>) -> String {
    let mut parts = text.split("BlobId(");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(')').expect("a number is closed");
        let next = numbers.len();
        let number = *numbers.entry(number.to_owned()).or_insert(next);
        out.push_str(&format!("BlobId({number}){rest}"));
    }
    out
}

/// How many facts after the step were compared, and the first that differs, without the step at this
/// place.
fn removal(
    plan: &Plan,
    whole: &Outcome,
    place: usize,
    without: &Plan,
) -> (usize, Option<[String; 2]>) {
    let Some(from) = whole.moments[place] else { return (0, None) };
    let Some(users) = concerns(plan, &plan.steps[place].act) else { return (0, None) };
    let less = run(without);
    let tainted = tainted(plan, [&whole.history, &less.history], &users, from);
    let facts = |outcome: &Outcome| unconcerned(plan, &outcome.history, &users, (from, tainted));
    let (with, without) = (facts(whole), facts(&less));
    let before = whole.history.iter().filter(|entry| entry.at < from).count();
    let differs = with.iter().zip(&without).find(|(one, other)| one != other);
    let differs = differs.map(|(one, other)| [one.clone(), other.clone()]);
    let more = |one: &[String], other: &[String]| one.get(other.len()).cloned();
    let longer = [more(&with, &without), more(&without, &with)];
    let longer = longer.iter().any(Option::is_some).then(|| longer.map(Option::unwrap_or_default));
    (with.len().saturating_sub(before), differs.or(longer))
}

fn without(plan: &Plan, place: usize) -> Plan {
    let mut less = plan.clone();
    less.steps.remove(place);
    less
}

#[test]
fn without_a_step_only_what_descends_from_it_differs() {
    let scenario = two_users();
    let (mut compared, mut steps) = (0, 0);
    for seed in 0..50 {
        let plan = scenario::draw(&scenario, seed, Flaws::NONE);
        let whole = run(&plan);
        for place in 0..plan.steps.len() {
            let (facts, differs) = removal(&plan, &whole, place, &without(&plan, place));
            assert_eq!(differs, None, "seed {seed} without step {place}");
            compared += facts;
            steps += 1;
        }
    }
    assert!(steps > 50 * 20 && compared > steps * 5, "{compared} facts after {steps} steps");
}

#[test]
fn the_comparison_sees_steps_that_are_named_by_their_place() {
    let scenario = two_users();
    let differ = (0..50).filter(|seed| {
        let plan = scenario::draw(&scenario, *seed, Flaws::NONE);
        let mut less = without(&plan, 0);
        for (n, step) in (0..).zip(&mut less.steps) {
            step.id = StepId(n);
        }
        removal(&plan, &run(&plan), 0, &less).1.is_some()
    });
    assert!(differ.count() > 10);
}
