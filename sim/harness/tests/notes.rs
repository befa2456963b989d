//! The toy system of the example shows that the harness fits any system: it is swept, its planted bug is
//! found, made small and replayed, and no judge was written for it.

use std::fs;
use std::path::PathBuf;

use harness::cli::{Said, run_command};
use harness::fresh::cores;
use harness::plan::Plan;
use harness::pool::Pool;
use harness::run::{Run, run};
use harness::scenario::{Scenario, capsule, read};
use harness::shrink::{Smaller, shrink};
use harness::signature::Signature;
use harness::stop::Stop;
use harness::sweep::{Bug, sweep};

#[path = "../examples/notes.rs"]
#[expect(dead_code, reason = "the example is a program of its own")]
mod notes;

use notes::Notes;

const SCENARIO: &str = include_str!("../examples/notes.toml");

fn scenario() -> Scenario<Notes> {
    read(SCENARIO).expect("the scenario of the example is read")
}

fn with_bug() -> Scenario<Notes> {
    scenario().with_setting("stale-stamps", "true").expect("it is a setting")
}

fn pool() -> Pool {
    Pool::new(cores(), Stop::default())
}

fn shrunk(bug: &Bug<Notes>) -> Smaller<Notes> {
    shrink(&pool(), &bug.plan, &bug.signature, None).expect("the harness is sound")
}

/// A folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn command(words: &[&str]) -> Said {
    run_command::<Notes>(SCENARIO, ["notes"].iter().chain(words).copied().map(str::to_owned))
}

#[test]
fn without_its_bug_the_toy_holds() {
    let sweep = sweep(&scenario(), 0..500, &pool(), |_, _| {}).expect("the harness is sound");
    let bugs: Vec<String> = sweep.bugs.iter().map(|bug| bug.signature.to_string()).collect();
    assert_eq!((sweep.seeds, bugs), (500, Vec::new()));
}

#[test]
fn the_lost_update_is_found_made_small_and_replayed_to_the_byte() {
    let found = sweep(&with_bug(), 0..100, &pool(), |_, _| {}).expect("the harness is sound");
    let mut shown = Vec::new();
    for bug in &found.bugs {
        let small = shrunk(bug);
        assert!(small.minimal && small.plan.steps.len() <= 3, "{:?}", small.plan.steps);
        shown.extend(small.outcome.violations.iter().map(|it| it.invariant));

        let text = capsule("A lost update", &small.plan, &small.outcome, &small.violation);
        let capsule: Scenario<Notes> = read(&text).expect("a capsule is read back");
        let again = capsule.draw(0);
        assert_eq!(again, small.plan);
        assert_eq!(run(&again).history.digest(), small.outcome.history.digest());
    }
    assert!(shown.contains(&"no-lost-writes"), "{shown:?}");
}

#[test]
fn a_shrunk_plan_needs_each_of_its_steps() {
    let found = sweep(&with_bug(), 0..20, &pool(), |_, _| {}).expect("the harness is sound");
    let bug = found.bugs.first().expect("the bug is found");
    let small = shrunk(bug);
    for gone in 0..small.plan.steps.len() {
        let mut plan = small.plan.clone();
        plan.steps.remove(gone);
        assert_eq!(bug.signature.find(&run(&plan)), None, "step {gone} is not needed");
    }
}

#[test]
fn ten_forks_have_the_digest_of_the_straight_run() {
    let plan = scenario().draw(3);
    let straight = run(&plan);
    let mut rehearsal = Run::start(&plan);
    let turns = std::iter::from_fn(|| rehearsal.turn().then_some(())).count();
    assert!(turns > 100, "{turns} turns");
    let mut run = Run::start(&plan);
    let mut forks = Vec::new();
    for turn in 1..=turns {
        assert!(run.turn());
        if turn % (turns / 10) == 0 && forks.len() < 10 {
            forks.push(run.clone());
        }
    }
    assert_eq!(forks.len(), 10);
    for mut fork in forks {
        while fork.turn() {}
        assert_eq!(fork.end().history.digest(), straight.history.digest());
    }
    assert_eq!(run.end().history.digest(), straight.history.digest());
}

#[test]
fn the_faults_that_are_drawn_happen() {
    let plans = (0..100).map(|seed| scenario().draw(seed));
    let mut words: Vec<&str> = plans.flat_map(|plan| plan.steps).map(|step| step.word).collect();
    words.sort_unstable();
    words.dedup();
    let all = [
        "clock-jump",
        "crash",
        "cut",
        "delete",
        "offline",
        "pause",
        "read",
        "slow-disk",
        "slow-link",
        "write",
    ];
    assert_eq!(words, all);
}

/// What descends from one client's own reads is about that client alone, so their removal changes nothing
/// else: not a delay, not an order.
#[test]
fn without_one_read_all_else_stays_as_it_was() {
    let mut compared = 0;
    for seed in 0..20 {
        let plan = scenario().draw(seed);
        for (at, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.word == "read") {
            let mut steps = plan.steps.clone();
            steps.remove(at);
            let without = Plan { steps, ..plan.clone() };
            let facts = |plan: &Plan<Notes>| -> Vec<String> {
                let history = run(plan).history;
                let facts = history.entries().iter().map(|entry| format!("{entry:?}"));
                let op = format!("({:?},", step.id.op());
                facts.filter(|fact| !fact.contains(&op)).collect()
            };
            // A crash that counts effects counts the answer to this read too.
            let counts = |step: &harness::step::Step| step.word == "crash" && step.values[2] > 0;
            if !plan.steps.iter().any(counts) {
                let skipped = format!("Skipped({:?})", step.id);
                let mut whole = facts(&plan);
                whole.retain(|fact| !fact.contains(&skipped));
                assert_eq!(whole, facts(&without), "seed {seed}, without step {:?}", step.id);
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "{compared}");
}

#[test]
fn the_command_finds_keeps_and_replays() {
    let keep = folder("finds");
    let keep = keep.to_str().expect("the path is a text");
    let held = command(&["sweep", "--seeds", "30", "--keep", keep]);
    assert_eq!((held.code, held.err.as_str()), (0, ""));
    assert!(held.out.contains("30 seeds") && held.out.contains("0 distinct bugs"), "{}", held.out);

    let set = "stale-stamps=true";
    let found = command(&["sweep", "--seeds", "30", "--keep", keep, "--set", set]);
    assert_eq!((found.code, found.err.as_str()), (1, ""));
    let (_, path) = found.out.split_once("replay ").expect("it says how to replay");
    let path = path.lines().next().expect("a path");
    let replayed = command(&["replay", path]);
    assert_eq!(replayed.code, 1, "{}", replayed.err);
    assert!(replayed.out.contains("Replayed to the byte"), "{}", replayed.out);
    assert_eq!(command(&["replay", path]), replayed);

    let text = fs::read_to_string(path).expect("the capsule was kept");
    let sound = folder("sound").with_extension("toml");
    fs::write(&sound, text.replace("stale-stamps = true", "stale-stamps = false"))
        .expect("the folder takes files");
    let differs = command(&["replay", sound.to_str().expect("the path is a text")]);
    assert_eq!(differs.code, 3);
    assert!(differs.out.contains("It no longer shows"), "{}", differs.out);
}

#[test]
fn one_seed_is_told() {
    let told = command(&["run", "--seed", "1", "--set", "stale-stamps=true"]);
    assert_eq!(told.code, 1);
    let plan = with_bug().draw(1);
    let outcome = run(&plan);
    let first = Signature::of(&outcome.violations[0]);
    for part in ["is asked to write note", "saved", "all faults end", "◀", &first.to_string()] {
        assert!(told.out.contains(part), "{part} is not in {}", told.out);
    }
}

#[test]
fn a_wrong_command_or_file_is_code_2_and_says_what_to_do() {
    let file = folder("wrong").with_extension("toml");
    let path = file.to_str().expect("the path is a text").to_owned();
    let of_file = |from: &str, to: &str| {
        assert!(SCENARIO.contains(from), "{from} is in the scenario");
        fs::write(&file, SCENARIO.replacen(from, to, 1)).expect("the folder takes files");
        command(&["run", "--scenario", &path])
    };
    let step = |step: &str| of_file("[draw]", &format!("[script]\nsteps = [{{ {step} }}]\n[draw]"));
    let wrong = [
        (command(&[]), "Usage"),
        (command(&["sweeep"]), "sweep"),
        (command(&["sweep", "--seeds", "many"]), "invalid value"),
        (command(&["sweep", "--set", "clients"]), "NAME=VALUE"),
        (command(&["sweep", "--set", "cleints=3"]), "did you mean \"clients\"?"),
        (command(&["sweep", "--set", "clients=0"]), "1 to 50 clients"),
        (command(&["sweep", "--set", "clients=many"]), "no value of TOML"),
        (command(&["replay", "nowhere.toml"]), "cannot read nowhere.toml"),
        (of_file("[draw]", "[drwa]"), "unknown field `drwa`"),
        (of_file("\"3%\"", "\"3\""), "write \"3%\""),
        (of_file("\"40ms\"", "\"40ms..2s\""), "one value is needed here"),
        (of_file("\"30s\"", "\"30d\""), "at most a day"),
        (of_file("\"10..40\"", "\"10..4000000\""), "at most 100000 steps"),
        (of_file("\"0..4\"", "\"4..0\""), "begins with its lower bound"),
        (of_file("crash = 3", "crahs = 3"), "did you mean \"crash\"?"),
        (of_file("clients = 3", "clients = 300"), "invalid value"),
        (of_file("title =", "title = 3 #"), "expected a string"),
        (step("at = \"1s\""), "`do` is missing"),
        (step("do = \"write\""), "`at` is missing"),
        (step("at = \"1s\", do = \"wirte\""), "did you mean \"write\"?"),
        (step("at = \"1s\", do = \"write\""), "`on` is missing"),
        (step("at = \"1s\", do = \"write\", on = \"hub\""), "there is no client `hub`"),
        (step("at = \"1s\", do = \"read\", on = \"client-1\""), "`note` is missing"),
        (step("at = \"1s\", do = \"read\", on = \"client-1\", note = 3"), "from 1 to 2"),
        (
            step("at = \"1s\", do = \"crash\", on = \"hub\", bakc = \"1s\""),
            "did you mean \"back\"?",
        ),
        (step("at = \"1s\", do = \"crash\", on = \"hub\", back = 5"), "a text in quotes"),
        (step("at = \"1s..2s\", do = \"read\", on = \"client-1\""), "one value, not a range"),
        (step("at = \"99s\", do = \"read\", on = \"client-1\", note = 1"), "later than the end"),
        (step("id = -1, at = \"1s\", do = \"read\", on = \"client-1\""), "whole number from 0"),
    ];
    for (said, expected) in wrong {
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{expected}");
        assert!(said.err.contains(expected), "{expected} is not in {}", said.err);
    }
    fs::write(&file, SCENARIO).expect("the folder takes files");
    assert!(command(&["replay", &path]).err.contains("is no capsule"));
    assert_eq!(command(&["--help"]).code, 0);
}

#[test]
fn a_problem_shows_its_line() {
    let problem = read::<Notes>(&SCENARIO.replace("\"3%\"", "\"3\"")).expect_err("it has no unit");
    assert_eq!((problem.line, problem.column), (10, 8));
}
