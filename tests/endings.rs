//! How runs end that do not end by themselves: what is said of them, and what is not.

use std::path::Path;
use std::sync::Arc;

use engine::flaw::Flaws;
use harness::pool::Pool;
use harness::stop::Stop;
use harness::time::{Span, Time};
use harness::watch::{Call, Place, Watch};
use sim::capsule::{Found, Store, readable};
use sim::history::Fact;
use sim::invariant::Invariant;
use sim::plan::{Excess, Limits, Node, Plan};
use sim::report::Detail;
use sim::run::{Driver, run, run_before, run_watched};
use sim::scenario::{self, Scenario};
use sim::signature::Signature;
use sim::sweep::{Wish, sweep};
use sim::trial::Chosen;
use tracing::Level;

fn plan(name: &str, seed: u64) -> Plan {
    let path = format!("{}/../scenarios/everyday/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).expect("it is shipped");
    let (scenario, _) = scenario::read(name, name, &bytes).expect("it is right");
    scenario::draw(&scenario, seed, Flaws::NONE)
}

/// Whatever is under way when a sound run is ended: nobody is accused of it.
#[test]
fn a_sound_run_that_is_ended_anywhere_is_accused_of_nothing_else() {
    for (name, seed) in [("small-world", 1), ("family", 2), ("volume-restored", 3), ("everyday", 4)]
    {
        let plan = plan(name, seed);
        let watch = Watch::default();
        run_watched(&plan, Driver::of(&plan), Level::ERROR, &watch)
            .expect("nobody tells it to leave");
        let turns = watch.place().turn;
        assert!(turns > 100, "{name} has {turns} turns");
        for part in 1..20 {
            let place = Place { turn: turns * part / 20, at: Time(0), host: None };
            let outcome = run_before(&plan, place);
            let broken: Vec<_> =
                outcome.violations.iter().map(|it| (it.invariant, &it.message)).collect();
            assert_eq!(broken.len(), 1, "{name} at turn {}: {broken:#?}", place.turn);
            assert_eq!(broken[0].0, Invariant::RunEnds);
        }
    }
}

#[test]
fn a_run_over_its_limits_is_told_and_its_capsule_shows_it_again() {
    let whole = run(&plan("small-world", 1));
    let facts = whole.counts.facts;
    let all = [
        Limits { facts: Some(facts / 2), ..Limits::default() },
        Limits { events: Some(whole.counts.events / 2), ..Limits::default() },
        Limits { bytes: Some(whole.counts.bytes / 2), ..Limits::default() },
        Limits { simulated: Some(Span(20_000)), ..Limits::default() },
    ];
    for limits in all {
        let plan = Plan { limits, ..plan("small-world", 1) };
        let outcome = run(&plan);
        let violation = &outcome.violations[0];
        assert_eq!((violation.invariant, violation.site), (Invariant::RunEnds, "exceeded"));
        assert!(outcome.counts.facts < facts, "it ended early");
        let text = readable(&plan, &Found::of(&plan, &outcome, violation)).expect("it is small");
        let (again, _) = scenario::read("again", "again", text.as_bytes()).expect("it is right");
        let again = scenario::draw(&again, 0, Flaws::NONE);
        assert_eq!(again, plan);
        let again = run(&again);
        assert_eq!(again.digest(), outcome.digest());
        assert!(Signature::of(violation).is_in(&again));
    }
}

/// A machine that loops in one turn is known by the place at which it hangs. The run before is reported, with what
/// the machine was given.
#[test]
fn a_run_that_hangs_is_told_up_to_there_with_the_host_and_what_it_was_given() {
    let plan = plan("small-world", 1);
    let whole = run(&plan);
    let place = Place { turn: 200, at: Time(0), host: Some(0) };
    let outcome = run_before(&plan, place);
    let last = outcome.history.last().expect("much has happened");
    assert!(matches!(last.fact, Fact::CutOff { excess: Excess::Turn, .. }), "{last:?}");
    assert!(matches!(last.node, Node::Device(_)));
    assert_eq!(
        (outcome.violations[0].invariant, outcome.violations[0].site),
        (Invariant::RunEnds, "hung")
    );
    assert!(outcome.violations[0].is_of_time());
    assert!(outcome.history.len() < whole.history.len());
    assert_eq!(run_before(&plan, place).digest(), outcome.digest());
}

#[test]
fn a_run_that_is_told_to_leave_has_no_outcome_and_one_over_its_time_has() {
    let plan = plan("small-world", 1);
    let watch = Watch::default();
    watch.tell(Call::End);
    let outcome =
        run_watched(&plan, Driver::of(&plan), Level::ERROR, &watch).expect("it is judged");
    assert_eq!(outcome.violations[0].site, "time");
    watch.tell(Call::Leave);
    assert!(run_watched(&plan, Driver::of(&plan), Level::ERROR, &watch).is_none());
}

/// A scenario that no reader lets through: its devices have no users. What was done before it stays, with the seed
/// that the harness panicked in.
#[test]
fn a_panic_of_the_harness_ends_a_sweep_and_leaves_its_table() {
    let chosen = |breaks: fn(&mut Scenario)| {
        let path = format!("{}/../scenarios/everyday/small-world.toml", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).expect("it is shipped");
        let mut scenario =
            scenario::read("small-world", "small-world", &bytes).expect("it is right").0;
        breaks(&mut scenario);
        Chosen { scenario: Arc::new(scenario), argument: "small-world".to_owned(), path }
    };
    let wish = Wish {
        chosen: vec![chosen(|_| {}), chosen(|scenario| scenario.users.clear())],
        flaws: Flaws::NONE,
        seeds: Some(7..9),
        time: None,
        stop_after: None,
        shrink: true,
        detail: Detail::Brief,
        judges_demands: true,
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("panics");
    let store = Store::open_if_possible(&folder);
    let (swept, panic) = sweep(&wish, &Pool::new(1, Stop::default()), &store, |_| {});
    let panic = panic.expect("every device has a user");
    assert!(panic.starts_with("the harness panicked: small-world seed 7: "), "{panic}");
    assert_eq!(swept.stopped, "the harness panicked");
    assert_eq!(swept.rows.iter().map(|row| row.seeds).collect::<Vec<_>>(), [1, 0]);
}
