//! The incident documents, sentence by sentence: each failure that they tell of is played with its
//! bug on, and caught by the judge named for it, and then with the bug off, and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use engine::flaw::{Flaw, Flaws};
use serde::Deserialize;
use sim::invariant::Invariant;
use sim::plan::Plan;
use sim::run::run;
use sim::scenario::{self, Scenario};

/// The most seeds that are tried until a bug is caught.
const SEEDS: u64 = 120;

#[derive(Deserialize)]
struct Map {
    document: Vec<Document>,
}

#[derive(Deserialize)]
struct Document {
    name: String,
    failures: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    says: String,
    scenario: String,
    flaw: String,
    invariant: String,
}

fn map() -> Map {
    toml::from_str(include_str!("incidents/failures.toml")).expect("it is a map")
}

fn load(name: &str) -> Scenario {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let folders = ["incidents", "everyday", "scale"];
    let files = folders.map(|folder| root.join(folder).join(name).with_extension("toml"));
    let file = files.iter().find(|file| file.exists());
    let bytes = std::fs::read(file.unwrap_or_else(|| panic!("there is no scenario {name}")));
    scenario::read(name, name, &bytes.expect("it can be read")).expect("it is right").0
}

/// A pair as it is tried: scenario, bug and judge, and the first sentence that asks for it.
type Pair<'m> = (&'m str, &'m str, &'m str);

fn pairs(documents: &[Document]) -> BTreeMap<Pair<'_>, &str> {
    let failures = documents.iter().flat_map(|document| &document.failures);
    failures.map(|it| ((&*it.scenario, &*it.flaw, &*it.invariant), &*it.says)).collect()
}

/// What is wrong about a pair; nothing if the bug is caught, and the same plan passes without it.
fn wrong((name, flaw, invariant): Pair<'_>) -> Option<String> {
    let scenario = load(name);
    let Ok(flaw) = flaw.parse::<Flaw>() else { return Some(format!("{flaw} is no bug")) };
    let named = Invariant::ALL.iter().copied().find(|judge| judge.name() == invariant);
    let Some(judge) = named else { return Some(format!("{invariant} is no invariant")) };
    let caught = (0..SEEDS).find_map(|seed| {
        let plan = scenario::draw(&scenario, seed, Flaws::only(flaw));
        let violations = run(&plan).violations;
        violations.iter().any(|it| it.invariant == judge).then_some(plan)
    });
    let Some(plan) = caught else {
        return Some(format!("{invariant} does not catch {flaw:?} in {name}"));
    };
    let sound = run(&Plan { flaws: Flaws::NONE, ..plan });
    (!sound.violations.is_empty())
        .then(|| format!("{name} fails without {flaw:?}: {:?}", sound.violations[0].message))
}

#[track_caller]
fn holds(document: &str) {
    let mut map = map();
    map.document.retain(|it| it.name.contains(document));
    assert_eq!(map.document.len(), 1, "one document is called {document}");
    let wrong: Vec<String> = pairs(&map.document)
        .into_iter()
        .filter_map(|(pair, says)| Some(format!("{says:?}: {}", wrong(pair)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_failure_of_cloudvault_is_caught_with_its_bug_and_passes_without() {
    holds("CloudVault");
}

#[test]
fn every_failure_of_vaultfs_is_caught_with_its_bug_and_passes_without() {
    holds("VaultFS");
}

#[test]
fn every_failure_of_the_pipeline_is_caught_with_its_bug_and_passes_without() {
    holds("blob storage and AI processing");
}

#[test]
fn every_failure_of_the_dual_sync_race_is_caught_with_its_bug_and_passes_without() {
    holds("dual-sync race");
}

#[test]
fn every_failure_of_issue_42_is_caught_with_its_bug_and_passes_without() {
    holds("Issue 42");
}

#[test]
fn every_document_is_mapped_and_no_sentence_twice() {
    let map = map();
    assert_eq!(map.document.len(), 5, "there are five");
    for document in &map.document {
        let says: BTreeSet<&str> = document.failures.iter().map(|it| &*it.says).collect();
        assert!(says.len() >= 10, "{} tells of more failures", document.name);
        assert_eq!(says.len(), document.failures.len(), "{}: each once", document.name);
    }
}

/// Bugs of the incidents that no sentence asks for would be inventions.
#[test]
fn every_bug_of_an_incident_is_asked_for_by_a_sentence() {
    let map = map();
    let mapped: BTreeSet<&str> =
        pairs(&map.document).into_keys().map(|(_, flaw, _)| flaw).collect();
    let missing: Vec<&str> = Flaw::ALL
        .iter()
        .filter(|flaw| flaw.incident() != "field" && !mapped.contains(flaw.id()))
        .map(|flaw| flaw.id())
        .collect();
    assert_eq!(missing, [] as [&str; 0]);
}
