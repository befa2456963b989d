//! The shrinker on whole runs: what it changes on the way to a smaller plan, and how small it gets.

use engine::flaw::{Flaw, Flaws};
use sim::invariant::Invariant;
use sim::plan::{Plan, When};
use sim::pool::{Pool, Stop};
use sim::run::run;
use sim::scenario;
use sim::shrink::shrink;
use sim::shrink::smaller::with_moments;
use sim::trial::Signature;

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
    assert_eq!(run(&fixed).digest, outcome.digest);
}

#[test]
fn a_step_is_kept_without_those_that_it_waited_for() {
    let plan = waiting();
    let violations = run(&plan).violations;
    let lost = violations.iter().find(|it| it.invariant == Invariant::CrashesLoseNothing);
    let lost = lost.expect("the edit is lost");
    let pool = Pool { jobs: 2, stop: Stop::default() };
    let small = shrink(&pool, &plan, &Signature::of(lost), None, || {}).unwrap();
    assert!(small.minimal);
    assert_eq!(small.plan.steps.len(), 2, "{:?}", small.plan.steps);
}
