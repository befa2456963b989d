//! What results look like, in both formats.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::flaw::{Flaw, Flaws};
use harness::time::Time;
use sim::difference::Difference;
use sim::invariant::Invariant;
use sim::plan::Plan;
use sim::report::excused::{Excused, causes};
use sim::report::{
    Beast, Bug, Catches, Check, Counted, Demand, Detail, Failure, Focus, Kept, Likeness, Line,
    Mark, Met, Nondeterminism, Reached, Replay, Replays, Retold, Row, Shrunk, Size, Story, Sweep,
    Tamed, Told, Zoo, json, terminal,
};
use sim::run::Outcome;
use sim::signature::Signature;

use super::account;
use super::example::{MEAL, PHONE, outcome, plan};
use super::fields::check_lines;

/// Compares both renderings with those that are kept.
#[track_caller]
fn check(name: &str, told: &Told<'_>) {
    let text = anstream::adapter::strip_str(&terminal::render(told, 100)).to_string();
    let lines = json::render(told);
    assert!(lines.lines().all(|line| line.starts_with("{\"")), "each line is JSON: {lines}");
    check_lines(&lines);
    insta::with_settings!({
        snapshot_path => "../../snapshots", prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        insta::assert_snapshot!(name, format!("{text}\n{lines}"));
    });
}

fn failure(expected: bool) {
    let (plan, outcome) = (plan(), outcome());
    let failure = Failure {
        plan: &plan,
        outcome: &outcome,
        violation: &outcome.violations[0],
        again: "seawall replay lunch --seed 7 --flaw DEEP-SYNC-003".to_owned(),
        capsule: Some(".seawall/capsules/lost-k7q2.toml".to_owned()),
        expected,
    };
    check(if expected { "report_caught" } else { "report_failure" }, &Told::Failure(&failure));
}

#[test]
fn a_failure_names_the_lost_write_and_what_lost_it() {
    failure(false);
    failure(true);
}

#[test]
fn a_lost_update_of_an_account_is_told_like_a_lost_edit() {
    let (plan, outcome) = (account::plan(), account::outcome());
    let failure = Failure {
        plan: &plan,
        outcome: &outcome,
        violation: &outcome.violations[0],
        again: "seawall replay moving --seed 7 --flaw I42-RMW".to_owned(),
        capsule: None,
        expected: false,
    };
    check("report_account", &Told::Failure(&failure));
}

fn story(name: &str, focus: Focus) {
    told((plan(), outcome()), name, focus);
}

fn told((plan, outcome): (Plan, Outcome), name: &str, focus: Focus) {
    let promised = Signature::of(&outcome.violations[0]);
    let story = Story {
        plan: &plan,
        outcome: &outcome,
        focus,
        log: false,
        source: "replayed by plan (1 step, 1 fault) · build 7c1e9f2".to_owned(),
        promised: Some((promised, format!("{:032x}", outcome.digest()))),
        again: "seawall replay .seawall/capsules/lost-k7q2.toml".to_owned(),
        excused: excused()[..2].to_vec(),
        path: ".seawall/capsules/lost-k7q2.toml".to_owned(),
    };
    check(name, &Told::Story(&story));
}

#[test]
fn a_story_tells_what_is_worth_telling() {
    story("report_story", Focus::default());
}

#[test]
fn a_story_tells_of_errands_and_commits_of_the_server() {
    told((account::plan(), account::outcome()), "report_story_server", Focus::default());
}

#[test]
fn a_story_of_one_record_leaves_the_server_out() {
    let (mut plan, mut run) = (account::plan(), account::outcome());
    let mut both = outcome().history;
    both.append(&mut run.history);
    both.sort_by_key(|entry| entry.at);
    run.history = both;
    plan.flaws = Flaws::NONE;
    told(
        (plan, run),
        "report_story_server_narrowed",
        Focus { row: Some(MEAL), ..Focus::default() },
    );
}

#[test]
fn a_story_can_be_narrowed() {
    let until = Some(Time(10_300));
    story("report_story_narrowed", Focus { row: Some(MEAL), only: vec![PHONE], until });
}

fn signature() -> Signature {
    Signature::of(&outcome().violations[0])
}

fn shrunk(minimal: bool) -> Shrunk {
    Shrunk {
        signature: signature(),
        before: Size { steps: 200, faults: 31, devices: 4, given: 12, messages: 2_140 },
        after: Size { steps: 2, faults: 1, devices: 2, given: 0, messages: 9 },
        tries: 412,
        minimal,
        cut_short: (!minimal).then_some("its time budget"),
        file: ".seawall/capsules/lost-k7q2.toml".to_owned(),
    }
}

#[test]
fn a_shrunk_plan_says_whether_it_is_minimal() {
    check("report_shrunk", &Told::Shrunk(&shrunk(true)));
    check("report_shrunk_early", &Told::Shrunk(&shrunk(false)));
}

#[test]
fn verdict_lines_are_a_table() {
    let line = |of: &str, expected: &str, found: &str, mark| Line {
        scenario: "lunch".to_owned(),
        of: of.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
        seeds: 20,
        mark,
        again: (found != "pass").then(|| "seawall replay lunch --seed 3".to_owned()),
        demands: Vec::new(),
        excused: Vec::new(),
        path: "scenarios/lunch.toml".to_owned(),
    };
    let violates = "violates no-lost-writes";
    let lines = [
        line("product", "pass", "pass", Mark::Pass),
        line("with DEEP-SYNC-003", violates, "violates no-lost-writes at seed 3", Mark::Pass),
        line("with FB-01", violates, "pass", Mark::Fail),
    ];
    check("report_lines", &Told::Lines(&lines, Detail::Brief));
}

/// Six writes that are gone in three seeds: five with the volume, and one with the phone.
fn excused() -> Vec<Excused> {
    let one = |seed: u64, n: u64| Excused {
        seed,
        write: format!("w{n}"),
        object: "plans/menu.txt".to_owned(),
        host: "phone".to_owned(),
        asked: Time(1_000 * n),
        cause: "restored volume",
        fault: "the volume is set back to what it was 20h ago".to_owned(),
        at: Time(90_000),
        line: Some(36),
    };
    let mut all: Vec<Excused> =
        [(3, 2), (3, 4), (3, 5), (8, 2), (8, 3)].map(|(seed, n)| one(seed, n)).into();
    let device = ("destroyed device", "phone is gone for ever".to_owned());
    all.push(Excused { cause: device.0, fault: device.1, line: None, ..one(9, 1) });
    all
}

#[test]
fn a_verdict_names_the_writes_that_are_excused_and_what_took_them() {
    let line = |excused: Vec<Excused>, seeds| Line {
        scenario: "lunch".to_owned(),
        of: "product".to_owned(),
        expected: "pass".to_owned(),
        found: "pass".to_owned(),
        seeds,
        mark: Mark::Pass,
        again: None,
        demands: Vec::new(),
        excused,
        path: "scenarios/lunch.toml".to_owned(),
    };
    let lines = [line(excused(), 20), line(excused()[..2].to_vec(), 1)];
    check("report_excused", &Told::Lines(&lines, Detail::Brief));
    check("report_excused_in_full", &Told::Lines(&lines, Detail::Full));
}

fn row(scenario: &str, seeds: u64, failed: u64) -> Row {
    let demand = |what: &str, measured: &str, met| Demand {
        what: what.to_owned(),
        measured: measured.to_owned(),
        demanded: "50 %".to_owned(),
        met,
        why: None,
        place: format!("{scenario}.toml:20"),
    };
    let step = |met| Demand {
        why: Some("what it waits for had not come when the faults ended".to_owned()),
        demanded: "in a seed".to_owned(),
        ..demand(r#"{ device = "phone", do = "crash" }"#, "in 0 of 20 seeds", met)
    };
    let reached = Reached { seeds, times: 3 * seeds, least: 1, most: 9, most_at: 4 };
    Row {
        scenario: scenario.to_owned(),
        seeds,
        failed,
        bugs: (0..failed.min(1) as usize).collect::<BTreeSet<_>>(),
        calm: seeds / 10,
        missed: BTreeMap::new(),
        slowest: Some((17, Duration::from_millis(212))),
        longest: Some((17, 9_000)),
        coverage: engine::point::Point::ALL[2..]
            .iter()
            .map(|it| (it.name().into(), reached))
            .collect(),
        demands: vec![
            demand("conflict", "61 % of seeds", Met::Yes),
            demand("token expired", "43 % of seeds", Met::TooFewSeeds),
            demand("batch failed in part", "0 % of seeds", Met::No),
            demand("versions in conflict", "at most 2 in each seed", Met::Exceeded(4)),
            step(Met::No),
            step(Met::Sometimes),
        ],
        excused: if failed > 0 { causes(&excused()) } else { BTreeMap::new() },
    }
}

fn sweep(failed: u64) -> Sweep {
    let bug = Bug {
        signature: signature(),
        scenario: "lunch".to_owned(),
        also: vec![Signature {
            invariant: Invariant::CopiesConverge,
            site: "states-differ".to_owned(),
        }],
        seeds: failed,
        of: 400,
        cheapest: "seawall replay lunch --seed 41".to_owned(),
        examples: vec!["seawall replay lunch --seed 7".to_owned()],
        message: "An acknowledged write is nowhere.".to_owned(),
        capsule: Some(".seawall/capsules/lost-k7q2.toml".to_owned()),
        shrunk: Some(shrunk(true)),
    };
    Sweep {
        build: "7c1e9f2".to_owned(),
        stopped: "all seeds done".to_owned(),
        rows: vec![row("everyday", 300, 0), row("lunch", 100, failed)],
        bugs: if failed > 0 { vec![bug] } else { Vec::new() },
        twice: 4,
        nondeterministic: 0,
        took: Some(Duration::from_millis(2_500)),
        cpu: Some(Duration::from_secs(4)),
        simulated_ms: 24_000_000,
        detail: Detail::Brief,
    }
}

#[test]
fn a_sweep_says_what_it_means_and_no_more() {
    check("report_sweep", &Told::Sweep(&sweep(0)));
    check("report_sweep_with_a_bug", &Told::Sweep(&Sweep { detail: Detail::Full, ..sweep(12) }));
}

#[test]
fn two_histories_of_one_plan_are_shown_side_by_side() {
    let difference =
        Difference { index: 118, at: Time(10_412), facts: [Some("Durable(3)".to_owned()), None] };
    let again = "seawall replay lunch --seed 7".to_owned();
    let nondeterministic =
        Nondeterminism { scenario: "lunch", seed: 7, difference: &difference, again };
    check("report_nondeterministic", &Told::Nondeterministic(&nondeterministic));
}

#[test]
fn the_zoo_is_a_table_in_markdown() {
    let catches = |at: Vec<u64>, seeds| Catches {
        seeds,
        by: BTreeMap::from([(Invariant::NoLostWrites, at.len() as u64)]),
        not_seen: seeds / 10,
        not_reached: seeds / 2,
        at,
    };
    let size = Size { steps: 2, faults: 1, ..Size::default() };
    let beast = |flaw, general, tamed: bool| Beast {
        flaw,
        expected: sim::zoo::expected(flaw),
        general,
        named: tamed.then(|| catches(vec![1, 2, 4], 20)),
        shrunk: tamed.then_some(Tamed { size, minimal: true, passes_without: true }),
    };
    let zoo = Zoo {
        build: "7c1e9f2".to_owned(),
        on: vec!["everyday".to_owned(), "family".to_owned()],
        seeds: 2_000,
        enough: 60,
        rows: vec![
            beast(Flaw::DeepSync003, catches(vec![3, 10, 11, 40], 100), true),
            beast(
                Flaw::Fb01,
                Catches { seeds: 2_000, not_reached: 2_000, ..Catches::default() },
                false,
            ),
        ],
    };
    check("report_zoo", &Told::Zoo(&zoo));
}

#[test]
fn replays_of_all_flaws_are_a_table_in_markdown() {
    let kept = |minimal, replayed: Result<Likeness, &str>| Kept {
        scenario: "everyday".to_owned(),
        seed: 7,
        shrunk: shrunk(minimal),
        took: Duration::from_millis(1_200),
        replayed: replayed.map(|likeness| Retold { likeness, lines: 31 }).map_err(str::to_owned),
        named: minimal,
    };
    let replay = |flaw, kept, bugs| Replay {
        flaw,
        caught: Some(kept),
        counted: Some(Counted { seeds: 40, failed: 3, bugs }),
    };
    let replays = Replays {
        build: "7c1e9f2".to_owned(),
        rows: vec![
            replay(Flaw::DeepSync003, kept(true, Ok(Likeness::Exact)), 1),
            replay(Flaw::Fb01, kept(false, Ok(Likeness::Different)), 2),
            replay(Flaw::Fb02, kept(true, Err("it cannot be read")), 1),
            Replay { flaw: Flaw::Fb03, caught: None, counted: None },
        ],
    };
    check("report_replays", &Told::Replays(&replays));
}

#[test]
fn the_doctor_says_whether_it_is_content() {
    let check_of = |what, mark, note: &str| Check { what, mark, note: note.to_owned() };
    let checks = [
        check_of("build", Mark::Pass, "7c1e9f2, the simulator's cfg is on"),
        check_of("speed", Mark::Inconclusive, "a debug build"),
        check_of("determinism", Mark::Fail, "two processes disagree"),
    ];
    check("report_health", &Told::Health(&checks));
}
