//! The scenario language: shipped files, the law of print and draw, and one bad file per code.

use std::path::{Path, PathBuf};

use engine::flaw::{Flaw, Flaws};
use engine::record::Value;
use sim::fault::FaultKind;
use sim::plan::{Act, Errand, Plan, UserOperation, When};
use sim::scenario::{self, Code, Scenario, Verb};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name")
}

fn load(path: &Path) -> Scenario {
    let bytes = std::fs::read(path).expect("it can be read");
    match scenario::read(stem(path), &path.display().to_string(), &bytes) {
        Ok((scenario, warnings)) => {
            assert_eq!(warnings, [], "{}", path.display());
            scenario
        }
        Err(problems) => {
            let text = String::from_utf8_lossy(&bytes);
            panic!("{}", scenario::render(&problems, stem(path), &text, false));
        }
    }
}

pub(crate) fn shipped() -> Vec<Scenario> {
    let all = files("scenarios");
    assert!(all.len() >= 8, "the shipped scenarios are there");
    all.iter().map(|path| load(path)).collect()
}

pub(crate) fn read_back(text: &str) -> Scenario {
    match scenario::read("printed", "printed.toml", text.as_bytes()) {
        Ok((scenario, _)) => scenario,
        Err(problems) => {
            panic!("{}", scenario::render(&problems, "printed.toml", text, false))
        }
    }
}

#[test]
fn shipped_scenarios_are_read_without_a_warning() {
    for scenario in shipped() {
        assert!(scenario.expected.verdicts.product.is_some(), "{} has a verdict", scenario.name);
        assert!(!scenario.about.tags.is_empty(), "{} has tags", scenario.name);
    }
}

#[test]
fn a_printed_plan_draws_itself_whatever_the_seed() {
    for scenario in shipped() {
        for seed in [0, 1, 42, u64::MAX] {
            let flaws = Flaws::NONE.with(Flaw::DeepSync001);
            let plan = scenario::draw(&scenario, seed, flaws);
            let text = scenario::print(&plan, None);
            let again = scenario::draw(&read_back(&text), seed ^ 99, plan.flaws);
            assert_same(&plan, &again);
            assert_eq!(text, scenario::print(&again, None), "printing is stable");
        }
    }
}

pub(crate) fn assert_same(plan: &Plan, again: &Plan) {
    for (one, other) in plan.steps.iter().zip(&again.steps) {
        assert_eq!(one, other, "{} seed {}", plan.scenario, plan.seed);
    }
    assert_eq!(plan, again, "{} seed {}", plan.scenario, plan.seed);
}

pub(crate) fn everyday(name: &str) -> Scenario {
    load(&root().join(format!("scenarios/everyday/{name}.toml")))
}

#[test]
fn every_storm_has_a_fault_but_a_counted_few() {
    let scenario = everyday("small-world");
    let calm = (0..300)
        .filter(|seed| scenario::is_fault_free(&scenario::draw(&scenario, *seed, Flaws::NONE)))
        .count();
    assert!((1..30).contains(&calm), "{calm} of 300 are calm");
}

#[test]
fn every_fault_of_the_language_is_drawn_every_day() {
    let scenarios = ["everyday", "volume-restored", "remote-restored", "mixed-builds"];
    let scenarios = scenarios.map(everyday);
    let mut seen = std::collections::BTreeSet::new();
    for (scenario, seed) in scenarios.iter().flat_map(|it| (0..100).map(move |seed| (it, seed))) {
        for step in scenario::draw(scenario, seed, Flaws::NONE).steps {
            if let Act::Fault(fault, _) = step.act {
                seen.insert(fault.kind());
            }
        }
    }
    let missing = FaultKind::ALL.iter().filter(|kind| !seen.contains(kind));
    let missing: Vec<&str> = missing.map(|kind| kind.word()).collect();
    assert_eq!(missing, [] as [&str; 0]);
}

#[test]
fn no_step_is_later_than_the_storm() {
    for scenario in shipped() {
        for seed in 0..20 {
            let plan = scenario::draw(&scenario, seed, Flaws::NONE);
            for step in &plan.steps {
                if let sim::plan::When::At(at) = step.when {
                    assert!(at.0 <= plan.storm.0, "{} seed {seed}: {step:?}", scenario.name);
                }
            }
        }
    }
}

/// Everything that a plan can hold of the server is in one of these.
const SERVED: &str = r#"
[scenario]
title = "Served"
story = "One line for each verb of the server."
lasts = "60s"

[remotes]
cloudkit = { kind = "cloudkit" }

[devices]
phone = { user = "anna" }
watch = { user = "ben" }

[server]
WORKERS

[processors]
reader = { user = "anna" }

[script]
steps = [
  { when = "phone got account from worker-1", device = "phone", do = "session-status" },
  { at = "1s", do = "cut", from = "phone", to = "worker-1", for = "1s" },
  { at = "1s", do = "slow-volume", times = 5 },
  { at = "1s", do = "late-lists", by = "2s" },
  { at = "2s", do = "heal-slow-volume" },
  { at = "2s", do = "heal-lists" },
  { at = "2s", worker = "all", do = "crash-worker", for = "1s" },
VERBS
]

[expect]
always = ["no-lost-writes"]
"#;

fn served(workers: &str, seed: u64) -> Plan {
    let verbs = Verb::all().filter(|verb| verb.needs_server() && verb.ends().is_none());
    let verbs: Vec<String> = verbs.map(|verb| format!("{},", verb.example())).collect();
    let text = SERVED.replace("WORKERS", workers).replace("VERBS", &verbs.join("\n"));
    let plan = scenario::draw(&read_back(&text), seed, Flaws::NONE);
    let again = scenario::draw(&read_back(&scenario::print(&plan, None)), 99, Flaws::NONE);
    assert_same(&plan, &again);
    plan
}

#[test]
fn every_verb_of_the_server_is_read_as_its_example_and_printed() {
    let plan = served("workers = 2", 1);
    let worker =
        |text: &str| plan.steps.iter().filter(|it| format!("{it:?}").contains(text)).count();
    assert_eq!(
        worker("CrashWorker { worker: WorkerId(1), effects: Effects(0) }), For(Span(1000))"),
        1,
        "all are named"
    );
    assert_eq!(worker("SlowVolume { times: Times(5) }), For(Span(1000))"), 1, "it was healed");
    assert_eq!(worker("LateLists { by: Age(Span(2000)) }), For(Span(1000))"), 1, "it was healed");
}

#[test]
fn workers_are_counted_or_named() {
    let names = |plan: Plan| -> Vec<String> {
        plan.server.expect("it has one").workers.into_iter().map(|worker| worker.name).collect()
    };
    let drawn: std::collections::BTreeSet<usize> =
        (0..40).map(|seed| names(served("workers = [1, \"3..5\"]", seed)).len()).collect();
    assert_eq!(drawn, [1, 3, 4, 5].into());
    let named = "clock = \"3s\"\nworkers = { worker-1 = {}, north = { clock = \"-1s\" } }";
    let plan = served(named, 0);
    let clocks = plan.server.iter().flat_map(|server| &server.workers);
    assert_eq!(clocks.map(|it| it.clock_offset_ms).collect::<Vec<_>>(), [3_000, -1_000]);
    assert_eq!(names(plan), ["worker-1", "north"]);
    assert_eq!(names(served("", 0)).len(), 4, "as many as any user has");
}

#[test]
fn without_the_heading_there_is_no_server() {
    assert_eq!(scenario::draw(&everyday("small-world"), 0, Flaws::NONE).server, None);
}

#[test]
fn updates_of_accounts_differ_in_size_and_meet() {
    let scenario = everyday("everyday");
    let mut sizes = Vec::new();
    let mut close = 0;
    for seed in 0..40 {
        let plan = scenario::draw(&scenario, seed, Flaws::NONE);
        let mut last: Option<(u64, engine::id::DeviceId)> = None;
        for step in &plan.steps {
            let (When::At(at), Act::User(device, UserOperation::Errand(Errand::Patch(set)))) =
                (&step.when, &step.act)
            else {
                continue;
            };
            for (_, value) in set {
                let Value::Text(text) = value else { panic!("no text, but {value:?}") };
                sizes.push(text.len());
            }
            close += usize::from(last.is_some_and(|(was, by)| by != *device && at.0 - was < 100));
            last = Some((at.0, *device));
        }
    }
    assert!(sizes.iter().any(|size| *size < 8) && sizes.iter().any(|size| *size > 3_000));
    assert!(close > 100, "{close} of {} updates follow another device's closely", sizes.len());
}

/// One bad file for each code, named after it.
#[test]
fn bad_files_are_explained() {
    let all = files("tests/scenarios");
    let mut seen = std::collections::BTreeSet::new();
    for path in &all {
        let bytes = std::fs::read(path).expect("it can be read");
        let shown = format!("{}.toml", stem(path));
        let problems = match scenario::read(stem(path), &shown, &bytes) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        };
        let code = stem(path).split('-').next().expect("a code comes first").to_uppercase();
        assert!(
            problems.iter().any(|problem| problem.code.text() == code),
            "{shown} has {code}, not {problems:?}"
        );
        seen.insert(code);
        let text = String::from_utf8_lossy(&bytes);
        let rendered = scenario::render(&problems, &shown, &text, false);
        insta::with_settings!({
            snapshot_path => "../snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(format!("scenario-{}", stem(path)), rendered);
        });
    }
    // A file that is too large is made below; it would only fill the disk.
    seen.insert(Code::TooLarge.text().to_owned());
    let missing: Vec<&str> =
        Code::ALL.iter().map(|code| code.text()).filter(|code| !seen.contains(*code)).collect();
    assert_eq!(missing, [] as [&str; 0], "every code has a file");
}

/// A printed plan may be as large as its run was long; what people write may not.
#[test]
fn only_a_printed_plan_may_be_large() {
    let small = load(&root().join("scenarios/everyday/small-world.toml"));
    let printed = scenario::print(&scenario::draw(&small, 0, Flaws::NONE), None);
    let filled = |text: &str| text.to_owned() + &"# much more\n".repeat(400_000);
    assert_eq!(read_back(&filled(&printed)), read_back(&printed));
    let written = filled(&printed.replace("[capsule]", "[other]"));
    let problems = scenario::read("large", "large.toml", written.as_bytes());
    assert_eq!(problems.expect_err("it is too large")[0].code, Code::TooLarge);
}

#[test]
fn more_people_than_there_can_be_are_refused() {
    let crowd = |n: u32| format!("c{n} = {{ count = 1, users = 500 }}\n");
    let devices: String = (0..132).map(crowd).collect();
    let text = format!("[remotes]\na = {{ kind = \"zone\" }}\n[devices]\n{devices}");
    let problems = scenario::read("crowd", "crowd.toml", text.as_bytes());
    let problems = problems.expect_err("no scenario has that number of people");
    assert!(problems.iter().any(|it| it.code == Code::OutOfBounds), "{problems:?}");
}

/// A shipped file with one line changed, and what is said of it.
const TOO_MUCH: &[(&str, &str, &str, Option<Code>)] = &[
    ("everyday/small-world", "every", "\"1ms\"", Some(Code::TooMuch)),
    ("scale/one-vault", "every", "\"1ms\"", Some(Code::TooMuch)),
    ("scale/one-vault", "make", "[{ rows = \"meal/1..60000\" }]", Some(Code::TooMuch)),
    ("everyday/everyday", "lasts", "\"36600d\"", Some(Code::OutOfBounds)),
    ("everyday/everyday", "latency", "\"1d\"", Some(Code::TooLate)),
    ("everyday/everyday", "latency", "\"5s\"", Some(Code::TooLate)),
    ("everyday/everyday", "lasts", "\"2h\"", None),
];

#[test]
fn what_cannot_be_run_is_said_before_it_is_drawn() {
    for (file, key, value, expected) in TOO_MUCH {
        let path = root().join(format!("scenarios/{file}.toml"));
        let text = std::fs::read_to_string(path).expect("it is shipped");
        let changed = |line: &str| match line.split_once('=') {
            Some((name, _)) if name.trim() == *key => format!("{key} = {value}"),
            Some(_) | None => line.to_owned(),
        };
        let text: Vec<String> = text.lines().map(changed).collect();
        let problems = match scenario::read("much", "much.toml", text.join("\n").as_bytes()) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        };
        let codes: Vec<Code> = problems.iter().map(|it| it.code).collect();
        assert_eq!(codes.first(), expected.as_ref(), "{file} with {key} = {value}: {problems:?}");
    }
}

/// The same slip over and over, in the text itself and in what it says.
#[test]
fn a_slip_that_is_made_many_times_is_told_a_hundred_times() {
    let line = "  { at = \"1s\", device = \"nobody\", do = \"read\", row = \"meal/1\" },\n";
    let head = "[remotes]\na = { kind = \"zone\" }\n[devices]\nb = { user = \"c\" }\n[script]\n";
    let steps = format!("{head}steps = [\n{}]\n", line.repeat(20_000));
    let pieces = format!("[{}", "/a".repeat(20_000));
    for text in [steps, pieces] {
        let problems =
            scenario::read("slip", "slip.toml", text.as_bytes()).expect_err("it is wrong");
        assert!(problems.len() <= 101, "{}", problems.len());
        assert_eq!(problems.last().map(|it| it.code), Some(Code::TooMany), "{problems:?}");
    }
}

#[test]
fn a_file_of_ten_megabytes_is_refused_at_once() {
    let bytes = vec![b'#'; 10_000_000];
    let problems =
        scenario::read("huge", "huge.toml", &bytes).expect_err("no scenario is so large");
    assert_eq!(problems[0].code, Code::TooLarge);
    assert!(scenario::render(&problems, "huge.toml", "", false).contains("10000000"));
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    /// Cuts, doubles, swaps and overwrites pieces of a text.
    fn mutate(text: &str, changes: &[(usize, usize, u8, String)]) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for (at, len, how, new) in changes {
            if text.is_empty() {
                break;
            }
            let at = at % text.len();
            let end = (at + len % 40).min(text.len());
            let piece: Vec<char> = text[at..end].to_vec();
            match how % 4 {
                0 => drop(text.drain(at..end)),
                1 => drop(text.splice(at..at, piece)),
                2 => drop(text.splice(at..end, new.chars())),
                _ => {
                    let to = (at * 7 + 13) % text.len();
                    drop(text.splice(to..to, piece));
                }
            }
        }
        text.into_iter().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 150, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn mutated_files_never_panic_and_problems_lie_inside(
            which in 0usize..11,
            changes in proptest::collection::vec(
                (any::<usize>(), any::<usize>(), any::<u8>(), "[a-z0-9\"={}\\[\\].,#%\n äß-]{0,12}"),
                1..6,
            ),
        ) {
            let mut paths = files("scenarios");
            paths.truncate(10);
            paths.extend(files("tests/expectations"));
            let path = &paths[which];
            let text = mutate(&std::fs::read_to_string(path).expect("it can be read"), &changes);
            let problems = match scenario::read("mutant", "mutant.toml", text.as_bytes()) {
                Ok((scenario, warnings)) => {
                    let plan = scenario::draw(&scenario, 3, Flaws::NONE);
                    let printed = scenario::print(&plan, None);
                    prop_assert_eq!(&scenario::draw(&read_back(&printed), 4, Flaws::NONE), &plan);
                    warnings
                }
                Err(problems) => {
                    prop_assert!(!problems.is_empty());
                    problems
                }
            };
            for problem in &problems {
                prop_assert!(problem.span.start <= problem.span.end);
                prop_assert!(problem.span.end <= text.len());
            }
            scenario::render(&problems, "mutant.toml", &text, false);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = scenario::read("noise", "noise.toml", &bytes);
        }
    }
}
