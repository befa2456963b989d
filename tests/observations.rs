//! The judges that know no system, over this system's histories of records: sound runs are never accused,
//! and known bugs are caught.

mod adapter;

use engine::flaw::{Flaw, Flaws};
use harness::judge::{
    Allowance, BOUNDED_GROWTH, CONVERGENCE, CRASHES_LOSE_NOTHING, Claims, Concurrent, Deletes,
    NO_LOST_WRITES, NO_PHANTOMS, NO_RESURRECTION, NOTHING_PANICS, READS_NEVER_GO_BACK,
    SETTLES_IN_TIME, Violation, judge,
};
use sim::run::run;
use sim::scenario::{self, Scenario};

/// All but linearizability: devices write while they are offline.
fn claims() -> Claims {
    let judges = vec![
        NO_LOST_WRITES,
        NO_PHANTOMS,
        NO_RESURRECTION,
        CONVERGENCE,
        READS_NEVER_GO_BACK,
        CRASHES_LOSE_NOTHING,
        SETTLES_IN_TIME,
        NOTHING_PANICS,
        BOUNDED_GROWTH,
    ];
    let (concurrent, deletes) = (Concurrent::Kept, Deletes::Hide);
    Claims { judges, concurrent, deletes, at_rest: Allowance::default() }
}

fn everyday() -> Scenario {
    let bytes = include_bytes!("../scenarios/everyday/everyday.toml");
    scenario::read("everyday", "everyday", bytes).expect("the shipped file is right").0
}

fn violations(scenario: &Scenario, seed: u64, flaws: Flaws) -> Vec<Violation> {
    let plan = scenario::draw(scenario, seed, flaws);
    let (names, observations) = adapter::observe(&plan, &run(&plan).history);
    judge(&claims(), &names, &observations)
}

#[test]
fn a_sound_run_is_not_accused() {
    let scenario = everyday();
    let lines: Vec<String> = (0..60)
        .flat_map(|seed| {
            let violations = violations(&scenario, seed, Flaws::NONE).into_iter();
            violations.map(move |it| format!("seed {seed}: {}: {}", it.invariant, it.message))
        })
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Known bugs, and which judge catches each.
const CAUGHT: [(Flaw, &str); 5] = [
    (Flaw::DeepSync001, "no-lost-writes"),
    (Flaw::DeepSync003b, "reads-never-go-back"),
    (Flaw::WriteUnsynced, "crashes-lose-nothing"),
    (Flaw::CvNilmapStrategy, "nothing-panics"),
    (Flaw::CvSessionStuck, "settles-in-time"),
];

#[test]
fn known_bugs_are_caught_by_judges_that_know_no_records() {
    let scenario = everyday();
    for (flaw, invariant) in CAUGHT {
        let is_caught = |seed| {
            let mut violations = violations(&scenario, seed, Flaws::only(flaw)).into_iter();
            violations.any(|violation| violation.invariant == invariant)
        };
        assert!((0..20).any(is_caught), "{} is not caught by {invariant}", flaw.id());
    }
}
