//! Why five incidents fail: the sentence, the path, what was needed and when it became certain, as people read it.

use engine::flaw::{Flaw, Flaws};
use harness::pool::Pool;
use harness::stop::Stop;
use sim::explain::{Case, complete, sentence};
use sim::report::explanation::{Explanation, mermaid};
use sim::report::{Told, json, terminal};
use sim::run::{Driver, run_logged};
use sim::scenario::draw;

use super::cli::fields::check_lines;
use super::scenarios::shipped;

fn case(incident: &str, flaw: Flaw) -> Case {
    let all = shipped();
    let scenario = all.iter().find(|it| it.name == incident).expect("it is shipped");
    let plan = draw(scenario, 0, Flaws::only(flaw));
    let outcome = run_logged(&plan, Driver::of(&plan), tracing::Level::DEBUG);
    let violation = outcome.violations.first().expect("the incident happens again").clone();
    Case { plan, outcome, violation }
}

fn explained(incident: &str, flaw: Flaw, jobs: usize) -> Explanation {
    let case = case(incident, flaw);
    let mut it = sentence(&case);
    assert!(complete(&Pool::new(jobs, Stop::default()), &case, &mut it, || {}), "it is whole");
    it
}

#[track_caller]
fn check(incident: &str, flaw: Flaw) {
    let it = explained(incident, flaw, 2);
    let parts = [Told::Sentence(&it), Told::Reasons(&it)];
    let text: String = parts.iter().map(|told| terminal::render(told, 100)).collect();
    let text = anstream::adapter::strip_str(&text).to_string();
    parts.iter().for_each(|told| check_lines(&json::render(told)));
    insta::with_settings!({
        snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        insta::assert_snapshot!(format!("explain-{incident}"), text);
    });
}

#[test]
fn an_overwritten_edit_is_explained() {
    check("deep-sync-003", Flaw::DeepSync003);
}

#[test]
fn a_row_that_does_not_open_is_explained() {
    check("deep-sync-002", Flaw::DeepSync002);
}

#[test]
fn a_login_that_pulls_both_remotes_at_once_is_explained() {
    check("deep-sync-001", Flaw::DeepSync001);
}

#[test]
fn a_history_that_is_rewritten_is_explained() {
    check("issue-42", Flaw::I42Rmw);
}

#[test]
fn a_batch_that_is_half_done_is_explained() {
    check("vaultfs-82445", Flaw::VfBatchHalf);
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let one = explained("deep-sync-003", Flaw::DeepSync003, 1);
    let two = explained("deep-sync-003", Flaw::DeepSync003, 2);
    let told = |it: &Explanation| json::render(&Told::Reasons(it));
    assert_eq!(told(&one), told(&two));
}

#[test]
fn a_path_is_a_diagram_with_its_hosts() {
    let it = sentence(&case("deep-sync-003", Flaw::DeepSync003));
    let diagram = mermaid(&it);
    assert!(diagram.starts_with("sequenceDiagram\n    participant h0 as tablet\n"), "{diagram}");
    let notes = diagram.lines().filter(|line| line.trim_start().starts_with("Note over")).count();
    assert_eq!(notes, it.path.len(), "{diagram}");
}
