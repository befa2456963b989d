//! One plan has one history: under each driver, and in whatever order nodes work.

use std::collections::BTreeSet;

use engine::device::Timing;
use engine::flaw::Flaws;
use engine::id::{DeviceId, FieldId, Kind, RecordId, Remote, UserId};
use engine::record::Value;
use engine::remote::Ending;
use harness::random::{Chance, Stream, stream};
use harness::time::{Span, SpanRange, Time};
use sim::fault::*;
use sim::history::{Answered, Entry, Fact};
use sim::plan::{
    Act, Custom, DevicePlan, Disk, Given, Lasting, MessageKind, Network, Node, Plan, RemotePlan,
    SignIn, Start, Trigger, UserOperation, When,
};
use sim::run::{BareRun, Driver, Outcome, run_with};
use sim::time::ToEngine;

const NAME: FieldId = FieldId(0);
const KCAL: FieldId = FieldId(1);
const TAGS: FieldId = FieldId(2);
const PORTIONS: FieldId = FieldId(3);
const NOTE: FieldId = FieldId(4);

fn meal(key: u32) -> RecordId {
    RecordId { kind: Kind::Meal, key }
}

fn range(low: u64, high: u64) -> SpanRange {
    SpanRange { low: Span(low), high: Span(high) }
}

fn small(n: u64) -> u16 {
    u16::try_from(n).expect("it is drawn small")
}

/// A small installation without steps.
fn calm(nature: u64, devices: u16) -> Plan {
    let device = |n: u16| DevicePlan {
        name: format!("device-{n}"),
        user: UserId(u16::from(n + 1 == devices && devices > 2)),
        start: if n == 1 { Start::Fresh(Time(500)) } else { Start::Prepared(Time(u64::from(n))) },
        clock_offset_ms: i64::from(n) * 1_500 - 2_000,
        clock_drift_ppm: 100 - 70 * i32::from(n),
    };
    let remote = |kind, name: &str| RemotePlan {
        name: name.into(),
        kind,
        page: 5,
        batch: 4,
        commit: range(0, 30),
    };
    Plan {
        server: None,
        scenario: "determinism".into(),
        seed: nature,
        nature,
        users: vec!["anna".into(), "ben".into()],
        devices: (0..devices).map(device).collect(),
        remotes: vec![remote(Remote::Zone, "cloudkit"), remote(Remote::Rows, "supabase")],
        given: (0..12)
            .map(|key| Given {
                user: UserId(u16::from(key > 9)),
                id: meal(key),
                set: vec![
                    (NAME, Value::Text(format!("meal {key}"))),
                    (KCAL, Value::Int(i64::from(key))),
                    (NOTE, Value::Text("as given".into())),
                ],
            })
            .collect(),
        timing: Timing {
            pull_every: Span(8_000).to_engine(),
            relist_every: Span(60_000).to_engine(),
            feed_every: Span(8_000).to_engine(),
            login_patience: Span(10_000).to_engine(),
            timeout: Span(3_000).to_engine(),
            retry_base: Span(250).to_engine(),
            retry_cap: Span(8_000).to_engine(),
            page: 6,
            batch: 5,
        },
        network: Network {
            grain: Span(10),
            typical: Span(40),
            p99: Span(400),
            loss: Chance(20_000),
            duplicate: Chance(10_000),
            reply_loss: Chance(10_000),
            hint_loss: Chance(300_000),
        },
        disk: Disk { commit: range(1, 8), answer: range(1, 3) },
        keychain: range(200, 3_000),
        sign_in: SignIn {
            delay: range(50, 400),
            valid: Span(30_000),
            expired_first: Chance(200_000),
            foreign_first: Chance(200_000),
        },
        steps: Vec::new(),
        storm: Span(40_000),
        at_end: Vec::new(),
        settle_within: None,
        limits: sim::plan::Limits::default(),
        flaws: Flaws::NONE,
    }
}

/// Something that a user does to a meal or a device.
fn operation(draws: &mut Stream) -> UserOperation {
    let id = meal(u32::from(small(draws.below(12))));
    let n = i64::from(small(draws.below(1_000)));
    match draws.below(10) {
        0 => UserOperation::Edit(id, vec![(NOTE, Value::Text(format!("noted {n}")))]),
        1 => UserOperation::Increment(id, PORTIONS, n),
        2 => UserOperation::Delete(id),
        3 => UserOperation::Undelete(id),
        4 => UserOperation::Open(id),
        5 => UserOperation::Save(id, vec![(NAME, Value::Text(format!("saved {n}")))]),
        6 => UserOperation::Overwrite(id, vec![(TAGS, Value::Set([format!("tag {n}")].into()))]),
        7 => UserOperation::RotateKey,
        8 => UserOperation::Register(Kind::Meal, NAME, Custom::PanicsOnEmpty),
        _ => UserOperation::Edit(id, vec![(KCAL, Value::Int(n))]),
    }
}

/// The same in a storm in which everything that can happen does.
fn stormy(nature: u64) -> Plan {
    let mut plan = calm(nature, 4);
    plan.devices.push(DevicePlan {
        name: "copy".into(),
        start: Start::Cloned,
        ..plan.devices[0].clone()
    });
    let mut draws = stream(nature, "determinism");
    for _ in 0..120 {
        let at = When::At(Time(1_000 + draws.below(38_000)));
        let device = DeviceId(small(draws.below(4)));
        let operation = operation(&mut draws);
        plan.add_step(at, Act::User(device, operation));
    }
    let (phone, other) = (DeviceId(0), DeviceId(2));
    let anna = UserId(0);
    let for_a_while = Lasting::For(Span(3_000));
    let node = Node::Device(phone);
    let (zone, rows) = (Remote::Zone, Remote::Rows);
    let (times, span) = (Times, |ms| Lasting::For(Span(ms)));
    let crash = Crash { device: phone, effects: Effects(0) };
    let damage = BreakDecryption { remote: zone, row: meal(2), user: anna, seen_by: None };
    let at_once = Lasting::AtOnce;
    let faults: [(Fault, Lasting); 29] = [
        (SaveImage { device: other }.into(), at_once),
        (crash.into(), span(700)),
        (Cut { from: node, to: zone.into() }.into(), for_a_while),
        (GoOffline { device: other }.into(), for_a_while),
        (SlowLink { device: phone, to: rows, times: times(5) }.into(), for_a_while),
        (LoseReplies { remote: zone }.into(), for_a_while),
        (LoseHints { remote: rows }.into(), Lasting::Storm),
        (Pause { device: DeviceId(1) }.into(), span(1_500)),
        (ClockJump { device: other, by: Shift(-90_000) }.into(), at_once),
        (FillDisk { device: DeviceId(1) }.into(), span(300)),
        (SlowDisk { device: phone, times: times(20) }.into(), for_a_while),
        (HoldKeys { device: other }.into(), for_a_while),
        (ExpireCredential { device: phone }.into(), at_once),
        (Outage { remote: rows }.into(), for_a_while),
        (Throttle { remote: zone, wait: Wait(Span(900)) }.into(), for_a_while),
        (ExpireCursors { remote: zone }.into(), at_once),
        (ExpireCursors { remote: rows }.into(), at_once),
        (RestoreRemote { remote: rows, by: Age(Span(9_000)) }.into(), at_once),
        (HideRow { user: anna, row: meal(1) }.into(), for_a_while),
        (damage.into(), for_a_while),
        (RejectRow { remote: rows, row: meal(3), user: anna }.into(), for_a_while),
        (EndZone { user: anna, how: Ending::EncryptedDataReset }.into(), at_once),
        (DropPolicy {}.into(), for_a_while),
        (SlowCommits { taking: Wait(Span(1_000)) }.into(), for_a_while),
        (Intrude { remote: rows, user: anna }.into(), at_once),
        (Intrude { remote: zone, user: anna }.into(), at_once),
        (RestoreImage { device: other }.into(), span(400)),
        (CopyDisk { device: phone, to: Spare(DeviceId(4)) }.into(), at_once),
        (Destroy { device: other }.into(), at_once),
    ];
    for (n, (fault, lasting)) in faults.into_iter().enumerate() {
        let at = Time(3_000 + 1_200 * n as u64 + draws.below(1_000));
        plan.add_step(When::At(at), Act::Fault(fault, lasting));
    }
    let got = Trigger::Got(node, MessageKind::Pull, Node::Remote(Remote::Rows));
    plan.add_step(When::On(got, Span(1)), Act::User(phone, UserOperation::Sync));
    let quiet = When::On(Trigger::Quiet(Span(500)), Span(0));
    plan.add_step(quiet, Act::User(phone, UserOperation::Read(meal(0))));
    plan
}

fn madsim(plan: &Plan, seed: u64) -> Outcome {
    run_with(plan, Driver::Madsim { seed })
}

/// Where two histories part, for a failure that someone has to read.
fn difference(one: &Outcome, two: &Outcome) -> String {
    let lines = |outcome: &Outcome| -> Vec<String> {
        outcome.history.iter().map(|entry| format!("{entry:?}")).collect()
    };
    let (one, two) = (lines(one), lines(two));
    let at = one.iter().zip(&two).position(|(one, two)| one != two);
    let at = at.unwrap_or(one.len().min(two.len()));
    format!("fact {at}:\n  {:?}\n  {:?}", one.get(at), two.get(at))
}

#[test]
fn one_plan_has_one_history_under_every_madsim_seed_and_under_the_bare_loop() {
    for nature in 0..6 {
        let plan = stormy(nature);
        let bare = run_with(&plan, Driver::Bare);
        for seed in [0, 1, 77] {
            let other = madsim(&plan, seed);
            assert!(bare.digest() == other.digest(), "{}", difference(&bare, &other));
            assert_eq!(bare.coverage, other.coverage);
        }
    }
}

#[test]
fn every_fault_of_the_storm_begins_and_is_counted_under_its_verb_once_it_hits() {
    let mut missing = BTreeSet::new();
    for nature in 0..20 {
        let plan = stormy(nature);
        let Outcome { coverage, history, .. } = run_with(&plan, Driver::Bare);
        for step in &plan.steps {
            let Act::Fault(fault, _) = &step.act else { continue };
            let begins = |entry: &Entry| matches!(&entry.fact, Fact::Faulted(it) if it == fault);
            assert!(history.iter().any(begins), "{} did not happen", fault.word());
            if nature == 0 {
                missing.insert(fault.word());
            }
            if coverage.contains_key(fault.word()) {
                missing.remove(fault.word());
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "of 20 storms none has them hit anything");
}

#[test]
fn runs_settle_and_everyone_has_the_last_look() {
    for nature in 0..6 {
        for plan in [calm(nature, 4), stormy(nature)] {
            let outcome = run_with(&plan, Driver::Bare);
            let settled = outcome.history.iter().find_map(|entry| {
                let Fact::Settled { pending } = &entry.fact else { return None };
                Some(pending.as_slice())
            });
            assert_eq!(settled, Some(&[][..]), "nature {nature}");
            let lists = outcome
                .history
                .iter()
                .filter(|entry| matches!(entry.fact.answered(), Some((_, Answered::Listed(_)))));
            assert!(lists.count() >= 3);
        }
    }
}

/// The digests of ten forks of a run, taken at turns that are evenly spread, and of the run itself.
fn forked(plan: &Plan) -> [Vec<u128>; 2] {
    let mut run = BareRun::start(plan);
    let mut turns = 0;
    while run.turn() {
        turns += 1;
    }
    let mut again = BareRun::start(plan);
    let mut forks = Vec::new();
    for turn in 0..turns {
        if turn % (turns / 10) == 0 && forks.len() < 10 {
            forks.push(again.clone());
        }
        again.turn();
    }
    let ends = forks.into_iter().map(|mut fork| {
        while fork.turn() {}
        fork.end().digest()
    });
    [ends.collect(), vec![run.end().digest(); 10]]
}

#[test]
fn a_fork_goes_on_as_the_run_that_it_was_taken_from() {
    for nature in 0..3 {
        let [forks, straight] = forked(&stormy(nature));
        assert_eq!(forks, straight, "nature {nature}");
    }
    for name in ["everyday", "volume-restored"] {
        let path = format!("scenarios/everyday/{name}.toml");
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let bytes = std::fs::read(root.join(path)).expect("it is shipped");
        let scenario = sim::scenario::read(name, name, &bytes).expect("it is good").0;
        let [forks, straight] = forked(&sim::scenario::draw(&scenario, 1, Flaws::NONE));
        assert_eq!(forks, straight, "{name}");
    }
}

/// The histories of forks taken in the middle of a run, each redrawn with a nature, and how many facts there were.
fn redrawn(plan: &Plan, natures: &[u64]) -> (usize, Vec<Outcome>) {
    let mut run = BareRun::start(plan);
    while run.next_due().is_some_and(|due| due.0 < plan.storm.0 / 2) {
        run.turn();
    }
    let facts = run.clone().end().history.len();
    let ends = natures.iter().map(|&nature| {
        let mut fork = run.clone();
        fork.redraw(nature);
        while fork.turn() {}
        fork.end()
    });
    (facts, ends.collect())
}

#[test]
fn a_redrawn_fork_keeps_what_has_happened_and_draws_the_rest_anew() {
    let plan = stormy(1);
    let straight = run_with(&plan, Driver::Bare).digest();
    let (facts, ends) = redrawn(&plan, &[plan.nature, 11, 12, 11]);
    let digests: Vec<u128> = ends.iter().map(Outcome::digest).collect();
    assert_eq!(digests[0], straight, "with its own nature it goes on as it would have");
    assert_eq!(digests[1], digests[3], "one nature has one continuation");
    assert!(digests[1] != straight && digests[2] != straight && digests[1] != digests[2]);
    let beginning = |end: &Outcome| harness::digest::digest(&end.history[..facts]);
    assert!(ends.iter().all(|end| beginning(end) == beginning(&ends[0])), "the past stays");
}
