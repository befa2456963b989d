//! What machines log: an error is a violation, other levels are for people, and none of it changes a
//! run.

use std::path::Path;

use engine::flaw::{Flaw, Flaws};
use sim::history::Fact;
use sim::invariant::Invariant;
use sim::plan::{Node, Plan};
use sim::run::{Driver, run, run_logged};
use sim::scenario;
use tracing::Level;

fn plan(path: &str, seed: u64, flaws: Flaws) -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(path);
    let bytes = std::fs::read(file).expect("it is shipped");
    scenario::draw(&scenario::read(path, path, &bytes).expect("it is right").0, seed, flaws)
}

#[test]
fn an_error_that_a_machine_logs_is_a_violation_and_the_machine_goes_on() {
    let torn = plan("incidents/cloudvault-sessions.toml", 0, Flaws::only(Flaw::CvStateTorn));
    let outcome = run(&torn);
    let judged = |it: &&sim::invariant::Violation| it.invariant == Invariant::NothingPanics;
    let violation = outcome.violations.iter().find(judged).expect("the error is a violation");
    let entry = &outcome.history[violation.evidence[0]];
    assert_eq!((violation.at, violation.node), (entry.at, entry.node));
    assert!(matches!(violation.node, Node::Worker(_)), "{violation:?}");
    let text = "a request is refused as an internal error";
    assert!(violation.message.contains(text), "{}", violation.message);
    assert!(matches!(&entry.fact, Fact::ErrorLogged(said) if said.contains(text)), "{entry:?}");
    let after = &outcome.history[violation.evidence[0] + 1..];
    assert!(
        after.iter().any(|it| (it.node, it.incarnation) == (entry.node, entry.incarnation)),
        "the worker answers in the same incarnation"
    );
    let sound = run(&Plan { flaws: Flaws::NONE, ..torn });
    assert!(sound.violations.is_empty() && sound.log.is_empty(), "{:?}", sound.violations);
}

#[test]
fn the_level_of_the_log_changes_nothing_of_a_run() {
    for path in ["everyday/everyday.toml", "everyday/volume-restored.toml"] {
        let plan = plan(path, 1, Flaws::NONE);
        let silent = run(&plan);
        assert_eq!(silent.log, []);
        let drivers = [Driver::of(&plan), Driver::Madsim { seed: 99 }, Driver::Bare];
        let spoken = drivers.map(|driver| run_logged(&plan, driver, Level::TRACE));
        for outcome in &spoken {
            assert_eq!(outcome.digest(), silent.digest());
            assert_eq!(outcome.log, spoken[0].log, "the log does not depend on the driver");
        }
        let log = &spoken[0].log;
        assert!(log.iter().any(|line| line.text.contains("waits before it tries again")));
        assert!(log.is_sorted_by_key(|line| (line.after, line.at)), "a log is in order");
        for line in log {
            let next = outcome_time(&silent.history, line.after);
            assert!(next.is_none_or(|next| line.at <= next), "{line:?}");
        }
    }
}

fn outcome_time(history: &[sim::history::Entry], at: usize) -> Option<harness::time::Time> {
    history.get(at).map(|entry| entry.at)
}
