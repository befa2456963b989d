//! The shrinker on whole runs: what it changes on the way to a smaller plan, and how small it gets.

use engine::flaw::{Flaw, Flaws};
use harness::pool::Pool;
use harness::stop::Stop;
use harness::time::Span;
use sim::fault::{CrashWorker, Effects};
use sim::invariant::Invariant;
use sim::plan::{Act, Lasting, Plan, When, WorkerId};
use sim::run::run;
use sim::scenario::{self, with_plain_settings};
use sim::shrink::smaller::groups::{TRAITS, count, with_groups};
use sim::shrink::smaller::times::{sooner, squeezed};
use sim::shrink::smaller::{
    PLAINER, calmer, with_devices, with_early_starts, with_given, with_given_talks, with_moments,
    with_plainer_steps, with_processors, with_remotes, with_short_given, with_steps, with_workers,
    without_idle_users, without_server,
};
use sim::shrink::{Failing, shrink};

use super::scenarios::{everyday, read_back, shipped};

/// Anna's tablet loses an edit in a crash; that it waited for her phone has nothing to do with it.
const WAITING: &str = r#"
[scenario]
title = "Waiting"
story = "Steps that wait for others, and for messages."
lasts = "20s"

[remotes]
cloudkit = { kind = "zone" }
supabase = { kind = "rows" }

[devices]
phone = { user = "anna" }
tablet = { user = "anna" }

[given]
rows = [{ row = "meal/41", everywhere = { kcal = 320 } }]

[script]
steps = [
  { at = "2s", device = "phone", do = "edit", row = "meal/41", set = { kcal = 350 } },
  { when = "phone sent push to cloudkit", device = "tablet", do = "edit", row = "meal/41", set = { kcal = 370 } },
  { after = "20ms", device = "tablet", do = "crash", for = "5s" },
  { after = "1s", do = "wait-until-quiet", at-most = "5s" },
]
"#;

fn waiting() -> Plan {
    let (scenario, _) =
        scenario::read("waiting", "waiting.toml", WAITING.as_bytes()).expect("it is right");
    scenario::draw(&scenario, 0, Flaws::only(Flaw::WriteUnsynced))
}

#[test]
fn steps_that_are_given_their_moments_happen_as_before() {
    let plan = waiting();
    let outcome = run(&plan);
    let fixed = with_moments(&plan, &outcome.moments);
    assert!(fixed.steps.iter().all(|step| matches!(step.when, When::At(_))), "{fixed:?}");
    assert_eq!(run(&fixed).digest(), outcome.digest());
}

#[test]
fn a_step_is_kept_without_those_that_it_waited_for() {
    let plan = waiting();
    let outcome = run(&plan);
    let lost = outcome.violations.iter().find(|it| it.invariant == Invariant::CrashesLoseNothing);
    let lost = lost.expect("the edit is lost");
    let pool = Pool::new(2, Stop::default());
    let small = shrink(&pool, &Failing::of(&plan, &outcome, lost), None, || {});
    assert!(small.minimal);
    assert_eq!(small.plan.steps.len(), 2, "{:?}", small.plan.steps);
    assert!(small.plan.storm < Span(5_000), "nothing is waited for: {:?}", small.plan.storm);
}

/// Four workers, of which the second and the third are named.
const SERVED: &str = r#"
[scenario]
title = "Served"
story = "Steps that need a server, and one that does not."

[remotes]
cloudkit = { kind = "zone" }

[devices]
phone = { user = "anna" }

[server]
workers = 4

[script]
steps = [
  { at = "1s", device = "phone", do = "overwrite", row = "meal/1", set = { kcal = 1 } },
  { at = "2s", device = "phone", do = "update-account", set = { name = "Anna, and a long name it is that she has" } },
  { at = "3s", worker = "worker-3", do = "crash-worker", for = "1s" },
  { at = "4s", do = "cut", from = "worker-2", to = "phone", for = "1s" },
  { at = "5s", do = "volume-outage", for = "1s" },
  { at = "6s", device = "phone", do = "write-file", path = "a/b.txt", text = "milk", size = "9KB" },
  { at = "7s", device = "phone", do = "move-files", files = ["x", "y", "z"], to = "a" },
]
"#;

fn served() -> Plan {
    let (scenario, _) =
        scenario::read("served", "served.toml", SERVED.as_bytes()).expect("it is right");
    scenario::draw(&scenario, 0, Flaws::NONE)
}

#[test]
fn without_a_server_nothing_is_left_that_needs_it() {
    let plan = without_server(&served());
    assert_eq!(plan.server, None);
    assert_eq!(plan.steps, served().steps[..1]);
    assert_eq!(with_workers(&served(), &[]), plan, "no worker is no server");
}

#[test]
fn workers_who_stay_keep_their_names_and_their_steps() {
    let plan = with_workers(&served(), &[0, 2]);
    let names: Vec<&str> =
        plan.server.iter().flat_map(|it| &it.workers).map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["worker-1", "worker-3"]);
    let crash = CrashWorker { worker: WorkerId(1), effects: Effects(0) }.into();
    let crash = Act::Fault(crash, Lasting::For(Span(1_000)));
    assert_eq!(plan.steps[2].act, crash, "the third is the second now");
    assert_eq!(plan.steps.len(), 6, "the cut of the second is gone");
}

/// Everything about it that can be plainer is, but for a part of each kind.
fn plainer(plan: &Plan, kept: &[usize]) -> Plan {
    let plan = with_plain_settings(plan, kept);
    let plan = with_short_given(&with_early_starts(&plan, kept), kept);
    PLAINER.iter().fold(plan, |plan, change| with_plainer_steps(&plan, *change, kept))
}

#[test]
fn a_plainer_plan_says_less() {
    let printed = scenario::print(&plainer(&served(), &[]), None);
    for text in [
        "set = { name = \"Anna, and a long name it\" }",
        "path = \"b.txt\", text = \"milk\", id = ",
        "files = [\"x\", \"y\"]",
    ] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    for heading in ["[network]", "[disk]", "[timing]", "[keychain]", "[sign-in]", "volume."] {
        assert!(!printed.contains(heading), "{heading}: {printed}");
    }
    let clocks = calmer(&served());
    let on_time = |plan: &Plan| {
        plan.server.iter().flat_map(|it| &it.workers).all(|it| it.clock_offset_ms == 0)
    };
    assert!(clocks.iter().any(on_time));
}

/// Smaller plans of all kinds, one after another until nothing is left.
fn smaller(plan: &Plan) -> Vec<Plan> {
    let without: [fn(&Plan) -> Plan; 9] = [
        |plan| with_remotes(plan, &[0]),
        |plan| with_remotes(plan, &[plan.remotes.len() - 1]),
        |plan| with_processors(plan, &[]),
        |plan| with_devices(plan, &[]),
        |plan| with_steps(plan, &[]),
        |plan| with_given(plan, &[]),
        |plan| with_given_talks(plan, &[]),
        without_idle_users,
        without_server,
    ];
    let mut plans: Vec<Plan> = without.iter().map(|without| without(plan)).collect();
    let steps: Vec<usize> = (0..plan.steps.len()).step_by(3).collect();
    plans.push(with_steps(plan, &steps));
    let mut left = plan.clone();
    for without in without {
        left = without(&left);
        plans.push(left.clone());
    }
    for of in TRAITS {
        let half: Vec<usize> = (0..count(plan, of)).step_by(2).collect();
        plans.push(with_groups(plan, of, &half));
    }
    plans.extend(calmer(plan));
    let sooner = sooner(plan);
    plans.extend(sooner.iter().step_by(sooner.len() / 3 + 1).cloned());
    plans.extend([plainer(plan, &[]), plainer(plan, &[0, 2])]);
    plans
}

#[test]
fn whatever_is_left_of_a_plan_can_be_written_and_read() {
    // Those of `scale/` have nothing that others have not.
    for scenario in shipped().into_iter().filter(|it| it.devices.len() < 20) {
        let plan = scenario::draw(&scenario, 3, Flaws::NONE);
        for small in smaller(&plan) {
            let again = scenario::draw(&read_back(&scenario::print(&small, None)), 0, Flaws::NONE);
            assert!(again == small, "{}: {small:#?}", scenario.name);
        }
    }
}

/// When each step begins and ends, if that is known.
fn moments(plan: &Plan) -> Vec<(u64, u64)> {
    let moments = plan.steps.iter().filter_map(|step| {
        let When::At(at) = step.when else { return None };
        let lasts = if let Act::Fault(_, lasting) = &step.act { lasting.span() } else { Span(0) };
        Some((at.0, (at + lasts).0))
    });
    moments.collect()
}

#[test]
fn moments_that_move_together_keep_their_order_and_what_overlaps() {
    for name in ["everyday", "offline-for-days"] {
        let plan = scenario::draw(&everyday(name), 1, Flaws::NONE);
        let before = moments(&plan);
        let squeezed = squeezed(&plan);
        let sooner = sooner(&plan);
        assert!(squeezed[0].storm < plan.storm, "{name} is shorter");
        for shorter in squeezed.iter().chain(sooner.iter().step_by(20)) {
            let after = moments(shorter);
            assert_eq!(before.len(), after.len());
            for (n, (begins, ends)) in before.iter().enumerate().step_by(3) {
                assert!(after[n].0 <= *begins && after[n].1 <= *ends, "none is later");
                for (m, (other, _)) in before.iter().enumerate() {
                    assert_eq!(begins.cmp(other), after[n].0.cmp(&after[m].0));
                    assert_eq!(ends.cmp(other), after[n].1.cmp(&after[m].0));
                }
            }
        }
    }
}

#[test]
fn steps_that_are_alike_go_together() {
    let plan = served();
    let words: Vec<usize> = TRAITS.iter().map(|of| count(&plan, *of)).collect();
    assert_eq!(words, [3, 3, 4, 3], "faults, their hosts, operations and objects");
    let [faults, ..] = TRAITS;
    let without = with_groups(&plan, faults, &[]);
    assert_eq!(without.steps.len(), 4, "what is no fault stays: {:?}", without.steps);
}
