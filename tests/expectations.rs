//! What a scenario can expect to be shown: a line that holds and one that fails for each kind.

use std::collections::BTreeSet;

use engine::flaw::Flaws;
use harness::pool::Pool;
use harness::stop::Stop;
use sim::capsule::readable;
use sim::invariant::Invariant;
use sim::plan::expectation::{Aspect, SubjectKind};
use sim::plan::{Expectation, Plan};
use sim::run::run;
use sim::scenario::{self, Code};
use sim::shrink::{Failing, shrink};

use crate::scenarios::{assert_same, read_back};

/// A world, and lines of which each holds.
const EVERYTHING: &str = include_str!("expectations/everything.toml");

/// What comes before the lines.
const LINES: &str = "at-end = [\n";

/// Lines of which each fails on its first host.
const FAIL: &[&str] = &[
    r#"on = "phone", row = "meal/1", field = "kcal", is = 350"#,
    r#"on = "phone", row = "meal/1", field = "name", is = "Soup""#,
    r#"on = "phone", row = "meal/1", field = "name", conflicts = "2..3""#,
    r#"on = "cloudkit", user = "anna", row = "meal/1", field = "name", is = "Stew""#,
    r#"on = "cloudkit", user = "anna", row = "meal/1", field = "name", conflicts = 0"#,
    r#"on = "cloudkit", user = "anna", row = "meal/1", field = "portions", is = 4"#,
    r#"on = "phone", row = "meal/1", field = "note", is = "x""#,
    r#"on = "phone", row = "meal/1", field = "kcal", empty = true"#,
    r#"on = "phone", row = "meal/1", gone = true"#,
    r#"on = "phone", row = "meal/2", exists = true"#,
    r#"on = "cloudkit", user = "anna", row = "meal/2", exists = true"#,
    r#"on = "phone", row = "meal/2", field = "name", is = "Rice""#,
    r#"on = "phone", row = "meal/99", exists = true"#,
    r#"on = "phone", row = "meal/99", field = "name", is = "Rice""#,
    r#"on = "phone", path = "plans/may.txt", is = "milk""#,
    r#"on = "phone", path = "plans/may.txt", is = "Tea ""#,
    r#"on = "phone", path = "plans/may.txt", size = "2KB""#,
    r#"on = "phone", path = "plans/may.txt", versions = 1"#,
    r#"on = "phone", path = "plans/may.txt", conflicts = 1"#,
    r#"on = "phone", path = "shared/list.txt", is = "eggs""#,
    r#"on = "phone", path = "plans/may.txt", gone = true"#,
    r#"on = "phone", path = "old.txt", exists = true"#,
    r#"on = "phone", path = "old.txt", is = "old""#,
    r#"on = "phone", path = "never.txt", versions = 1"#,
    r#"on = "phone", path = "plans", is = "milk""#,
    r#"on = "phone", folder = "plans", files = 2"#,
    r#"on = "phone", folder = "none", files = 0"#,
    r#"on = "phone", account = "email", is = "ben@example.org""#,
    r#"on = "phone", account = "email", empty = true"#,
    r#"on = "phone", account = "name", is = "Anna""#,
    r#"on = "phone", session = "own""#,
    r#"on = "reader", conversation = 7, state = "failed""#,
    r#"on = "reader", conversation = 7, messages = 6"#,
    r#"on = "reader", conversation = 7, versions = 2"#,
    r#"on = "reader", conversation = 7, gone = true"#,
    r#"on = "reader", conversation = 8, state = "pending""#,
    r#"on = "phone", at = "27s", row = "meal/1", field = "name", is = "Broth\nhot""#,
    r#"on = "cloudkit", user = "anna", at = "27s", row = "meal/1", field = "name", is = "Stew""#,
    r#"on = "fleet-001", at = "42s", row = "meal/1", field = "kcal", is = 320"#,
    r#"on = "phone", at = "27s", account = "email", empty = true"#,
];

/// The world, with these lines in the place of those that hold.
pub(crate) fn world(lines: &[&str]) -> String {
    let (before, _) = EVERYTHING.split_once(LINES).expect("it has lines");
    let lines: Vec<String> = lines.iter().map(|line| format!("  {{ {line} }},\n")).collect();
    format!("{before}{LINES}{}]\n", lines.concat())
}

fn plan_of(text: &str, seed: u64) -> Plan {
    let (read, warnings) = match scenario::read("world", "world.toml", text.as_bytes()) {
        Ok(read) => read,
        Err(problems) => panic!("{}", scenario::render(&problems, "world.toml", text, false)),
    };
    assert_eq!(warnings, []);
    scenario::draw(&read, seed, Flaws::NONE)
}

fn plan(lines: &[&str], seed: u64) -> Plan {
    plan_of(&world(lines), seed)
}

#[test]
fn what_is_shown_is_as_expected() {
    for seed in 0..3 {
        let outcome = run(&plan_of(EVERYTHING, seed));
        let messages: Vec<&str> = outcome.violations.iter().map(|it| &*it.message).collect();
        assert_eq!(messages, [] as [&str; 0], "seed {seed}");
    }
}

#[test]
fn what_is_shown_otherwise_is_told_with_what_makes_the_difference() {
    let mut told = String::new();
    let first = world(&[]).lines().count();
    // A report has four violations of an invariant at most.
    for lines in FAIL.chunks(4) {
        let outcome = run(&plan(lines, 0));
        for (line, number) in lines.iter().zip(first..) {
            let place = format!("world.toml:{number}: ");
            let found = outcome.violations.iter().find(|it| it.message.starts_with(&place));
            let found = found.map_or("NOTHING", |it| &*it.message);
            told.push_str(&format!("{line}\n  {found}\n"));
        }
        let others = outcome.violations.iter();
        let others: Vec<_> =
            others.filter(|it| it.invariant != Invariant::ValuesAreAsExpected).collect();
        assert_eq!(others, [] as [&sim::invariant::Violation; 0]);
    }
    insta::with_settings!({
        snapshot_path => "../snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("expectations", told);
    });
}

#[test]
fn everything_that_can_be_expected_is_tried_and_printed_as_it_was_read() {
    let mut tried = BTreeSet::new();
    for plan in [plan_of(EVERYTHING, 5), plan(FAIL, 5)] {
        for it in &plan.at_end {
            tried.extend(
                it.claims.iter().map(|claim| {
                    (format!("{:?}", it.subject.kind()), format!("{:?}", claim.aspect))
                }),
            );
        }
        let text = scenario::print(&plan, None);
        let again = scenario::draw(&read_back(&text), 99, Flaws::NONE);
        assert_same(&plan, &again);
        assert_eq!(run(&plan).digest(), run(&again).digest());
    }
    for kind in SubjectKind::ALL {
        let aspects =
            kind.aspects().map(|aspect: Aspect| (format!("{kind:?}"), format!("{aspect:?}")));
        aspects.for_each(|it| assert!(tried.contains(&it), "{it:?}"));
    }
}

/// The names of the hosts of each expectation of a plan.
fn hosts(plan: &Plan) -> Vec<Vec<&str>> {
    let names = |it: &Expectation| it.on.iter().map(|node| plan.name(*node)).collect();
    plan.at_end.iter().map(names).collect()
}

#[test]
fn a_host_that_is_named_twice_is_asked_once() {
    let line = r#"on = ["tablet", "tablet", "all", "fleet", "fleet-{001..003}"], user = "anna", folder = "", files = 0"#;
    let plan = plan(&[line], 0);
    let all = ["tablet", "phone", "fleet-001", "fleet-002", "fleet-003"];
    assert_eq!(hosts(&plan), [all.to_vec()]);
}

#[test]
fn each_device_shows_what_is_its_own_users() {
    let plan = plan(&[r#"on = "all", account = "name", empty = true"#], 0);
    let anna = ["phone", "tablet", "fleet-001", "fleet-002", "fleet-003"];
    assert_eq!(hosts(&plan), [anna.to_vec(), vec!["watch"]]);
    // A device that may be of several users is asked in the seeds in which it is the one's.
    let text = world(&[r#"on = "watch", user = "anna", row = "meal/2", gone = true"#]);
    let text =
        text.replace("watch  = { user = \"ben\" }", "watch  = { user = [\"anna\", \"ben\"] }");
    let scenario = read_back(&text);
    let owned = (0..20).map(|seed| scenario::draw(&scenario, seed, Flaws::NONE)).map(|plan| {
        let watch = plan.devices.last().expect("it has devices");
        assert_eq!(plan.at_end.len(), usize::from(plan.users[usize::from(watch.user.0)] == "anna"));
        plan.at_end.len()
    });
    assert!((1..20).contains(&owned.sum::<usize>()), "some of both");
}

#[test]
fn more_than_can_be_asked_is_refused() {
    let line = r#"on = ["phone", "tablet"], path = "photo-{1..1000}.jpg", exists = true"#;
    let text = world(&[line; 60]);
    let problems =
        scenario::read("much", "much.toml", text.as_bytes()).expect_err("it is too much");
    assert!(problems.iter().all(|it| it.code == Code::TooMuch), "{problems:?}");
}

#[test]
fn looking_changes_nothing_but_what_is_looked_at() {
    let silent = run(&plan(&[r#"on = "phone", row = "meal/1", exists = true"#], 1));
    let looked = run(&plan(
        &[r#"on = "cloudkit", user = "anna", at = "27s", row = "meal/1", exists = true"#],
        1,
    ));
    assert_eq!(silent.history.len() + 1, looked.history.len());
}

/// What is left of the world when a line fails: devices, steps, and expectations.
fn shrunk(line: &str) -> (usize, usize, usize) {
    let others = [
        r#"on = "phone", row = "meal/1", exists = true"#,
        r#"on = "tablet", folder = "plans", files = 3"#,
    ];
    let plan = plan(&[others[0], line, others[1]], 0);
    let outcome = run(&plan);
    let [violation] = &outcome.violations[..] else { panic!("{:?}", outcome.violations) };
    let pool = Pool::new(1, Stop::default());
    let failing = Failing::of(&plan, &outcome, violation);
    let small = shrink(&pool, &failing, None, || {});
    assert!(small.minimal);
    let text = readable(&small.plan, &small.found).expect("it is read back");
    let again = scenario::draw(&read_back(&text), 99, Flaws::NONE);
    let outcome = run(&again);
    assert!(failing.signature().is_in(&outcome), "{text}");
    assert_eq!(outcome.digest(), run(&small.plan).digest());
    (again.devices.len(), again.steps.len(), again.at_end.len())
}

#[test]
fn a_line_that_fails_is_kept_as_a_small_capsule() {
    // Another value stays one: nothing in its place would be another mistake.
    let content = r#"on = "phone", path = "plans/may.txt", is = "milk""#;
    assert_eq!(shrunk(content), (1, 1, 1), "the write that it shows");
    let absent = r#"on = "phone", path = "old.txt", is = "old""#;
    assert_eq!(shrunk(absent), (1, 0, 1));
    let conflict = r#"on = "fleet-001", path = "shared/list.txt", conflicts = "2..3""#;
    assert_eq!(shrunk(conflict).2, 1);
    let moment = r#"on = "phone", at = "27s", row = "meal/1", field = "name", is = "Soup""#;
    assert_eq!(shrunk(moment), (1, 1, 1), "the edit, and the moment after it");
    let account = r#"on = "phone", account = "email", is = "ben@example.org""#;
    assert_eq!(shrunk(account), (1, 1, 1));
}
