//! Bugs that the product once had, each as a scenario that tells its story: none may come back.

use std::path::{Path, PathBuf};

use engine::flaw::Flaws;
use sim::run::run;
use sim::scenario::{self, Expect, Scenario};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/regressions");
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it is listed").path()).collect();
    files.sort();
    files
}

fn load(path: &Path) -> Scenario {
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
    let bytes = std::fs::read(path).expect("it can be read");
    scenario::read(name, name, &bytes).expect("shipped files are right").0
}

/// What the scenario's own seeds violate, a line each.
fn violated(scenario: &Scenario) -> Vec<String> {
    let seeds = if scenario.fixed.is_some() { 1 } else { scenario.seeds };
    let outcomes = (0..seeds).map(|seed| (seed, run(&scenario::draw(scenario, seed, Flaws::NONE))));
    let lines = outcomes.flat_map(|(seed, outcome)| {
        let line = move |violation: &sim::invariant::Violation| {
            let (name, invariant) = (&scenario.name, violation.invariant.name());
            format!("{name} seed {seed}: {invariant}: {}", violation.message)
        };
        outcome.violations.iter().map(line).collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn bugs_of_the_past_stay_in_the_past() {
    let violated: Vec<String> = files().iter().flat_map(|path| violated(&load(path))).collect();
    assert!(violated.is_empty(), "is back:\n  {}", violated.join("\n  "));
}

#[test]
fn each_past_bug_can_be_selected_and_must_pass() {
    let files = files();
    assert!(files.len() >= 10, "the shipped cases are there");
    for scenario in files.iter().map(|path| load(path)) {
        let name = &scenario.name;
        assert!(
            scenario.about.tags.iter().any(|tag| tag == "regression"),
            "{name} can be selected"
        );
        assert_eq!(scenario.expected.verdicts.product, Some(Expect::Pass), "{name} must pass");
    }
}
