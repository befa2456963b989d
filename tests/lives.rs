//! A machine may start as often as a plan says: nothing that names a message, an operation or a write
//! has too little room for the life that it comes from.

use std::collections::BTreeSet;

use engine::flaw::Flaws;
use sim::run::{Driver, run_with};
use sim::scenario;

/// More than fit into ten bits, and into eleven.
const LIVES: u32 = 2_100;

/// A plan in which one machine crashes so often, a tenth of a second apart, and then there is work.
fn outcome(crash: &str, world: &str, last: &str) -> sim::run::Outcome {
    let crashes: String = (1..=LIVES)
        .map(|n| format!("  {{ at = \"{}ms\", {crash}, for = \"20ms\" }},\n", n * 100))
        .collect();
    let text = format!(
        "[scenario]\ntitle = \"Thousands of lives\"\n\n\
         [remotes]\ncloudkit = {{ kind = \"cloudkit\" }}\n\n\
         [devices]\nphone = {{ user = \"anna\" }}\n\n{world}\
         [script]\nsteps = [\n{crashes}  {last},\n]\n",
    );
    let scenario = scenario::read("lives", "lives", text.as_bytes()).expect("it is well written").0;
    run_with(&scenario::draw(&scenario, 0, Flaws::NONE), Driver::Bare)
}

#[test]
fn a_device_that_has_started_thousands_of_times_is_not_accused() {
    let edit =
        r#"{ at = "4m", device = "phone", do = "edit", row = "meal/1", set = { kcal = 7 } }"#;
    let outcome = outcome(r#"device = "phone", do = "crash""#, "", edit);
    let lives = outcome.history.iter().map(|entry| entry.incarnation).max();
    assert_eq!(lives, Some(LIVES));
    assert_eq!(outcome.violations, []);
}

#[test]
fn a_processor_that_has_started_thousands_of_times_is_not_accused() {
    let world = "[server]\nworkers = 1\n\n[processors]\nreader = { user = \"anna\" }\n\n\
                 [given]\nconversations = [{ owner = \"anna\", conversation = 40, messages = 2, began = \"2024-04-03\" }]\n\n";
    let process = r#"{ at = "4m", processor = "reader", do = "process" }"#;
    let outcome = outcome(r#"processor = "reader", do = "crash-processor""#, world, process);
    let lives = outcome.history.iter().map(|entry| entry.incarnation).max();
    assert_eq!(lives, Some(LIVES));
    assert_eq!(outcome.violations, []);
}

/// In these runs a device starts again while an operation of its user's own waits for its answer, and
/// what follows from that answer has a lower number than what was asked in the meantime.
#[test]
fn no_two_operations_of_a_machine_have_one_number() {
    let seeds = [("everyday", 23_000_048), ("everyday", 23_000_093), ("family", 23_002_064)];
    for (name, seed) in seeds {
        let path = format!("{}/../scenarios/everyday/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).expect("it is shipped");
        let scenario = scenario::read(name, name, &bytes).expect("it is well written").0;
        let outcome = run_with(&scenario::draw(&scenario, seed, Flaws::NONE), Driver::Bare);
        let mut asked = BTreeSet::new();
        for entry in &outcome.history {
            if let Some((op, _)) = entry.fact.asked() {
                assert!(asked.insert((entry.node, op)), "{name}, seed {seed}: {op:?} at {entry:?}");
            }
        }
    }
}
