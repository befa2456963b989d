//! A machine that loops within one transition costs the one seed in which it does: it is named by its seed and its
//! host, and all other seeds are run.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::cli::run_command;
use harness::disk::Layout;
use harness::judge::{Allowance, Claims, Concurrent, Deletes};
use harness::observation::{self, HostId, Key, Token};
use harness::scenario::{Scenario, read};
use harness::system::{Boot, Does, Input, Machine, Output, System, Verb};
use harness::time::{Now, Span, Time};
use harness::word::{HostSpec, Parameter, Word};
use serde::{Deserialize, Serialize};

const SCENARIO: &str = r#"
title = "Lamps that are switched"
[system]
[time]
lasts = "10s"
rests-within = "10s"
[draw]
operations = "1..4"
[draw.weights]
switch = 1
"#;

/// Asked for this, a lamp never comes to an end.
const STUCK: u64 = 77;

/// The test has seen enough: threads that were left behind may end.
static OVER: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lamps {}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Switch(u64);

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Dark;

#[derive(Clone, Debug)]
struct Lamp(VecDeque<Output<Lamps>>);

impl Machine<Lamps> for Lamp {
    fn handle(&mut self, _: Now, input: Input<Lamps>) {
        let Input::Asked(op, Switch(number)) = input else { return };
        while number == STUCK && !OVER.load(Ordering::SeqCst) {
            spin_loop();
        }
        self.0.push_back(Output::Answer(op, Dark));
    }

    fn poll_output(&mut self) -> Option<Output<Lamps>> {
        self.0.pop_front()
    }

    fn poll_wakeup(&self) -> Option<Time> {
        None
    }
}

/// A lamp keeps nothing.
#[derive(Clone, Debug, PartialEq)]
struct Nothing;

impl Layout for Nothing {
    type Key = u64;
    type Value = u64;

    fn digest(key: &u64, value: &u64) -> u64 {
        key ^ value
    }
}

static VERBS: [Verb<Lamps>; 1] = [Verb {
    word: Word {
        name: "switch",
        sentence: "{on} is switched to {number}",
        parameters: &[Parameter::host_of("on", "lamp"), Parameter::number("number", 1, 100)],
    },
    op: |values| Switch(values.count(1)),
}];

impl System for Lamps {
    type Machine = Lamp;
    type Message = ();
    type Op = Switch;
    type Answer = Dark;
    type Store = Nothing;

    const REST: Span = Span::from_secs(1);

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn hosts(&self) -> Vec<HostSpec> {
        let lamp = |name: &str| HostSpec { name: name.to_owned(), role: "lamp" };
        vec![lamp("hall"), lamp("kitchen")]
    }

    fn boot(&self, _: Boot<'_, Self>) -> Lamp {
        Lamp(VecDeque::new())
    }

    fn describe((): &()) -> (&'static str, usize) {
        ("nothing", 0)
    }

    fn verbs() -> &'static [Verb<Self>] {
        &VERBS
    }

    fn final_reads(&self) -> Vec<(HostId, Switch)> {
        Vec::new()
    }

    fn does(Switch(number): &Switch) -> Does {
        Does::Reads(Key(*number))
    }

    fn says(_: HostId, _: &Dark) -> observation::Answer {
        observation::Answer::Shown(BTreeSet::new())
    }

    fn holds(_: &u64, _: &u64) -> Vec<Token> {
        Vec::new()
    }

    fn claims(&self) -> Claims {
        let at_rest = Allowance { effects: 1, each: Span::from_secs(1) };
        let (concurrent, deletes) = (Concurrent::OneWins, Deletes::Remove);
        Claims { judges: Vec::new(), concurrent, deletes, at_rest }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "switch to {}", self.0)
    }
}

impl fmt::Display for Dark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it stays dark")
    }
}

/// The first seed in which a lamp loops, and the number of that lamp.
fn first_stuck() -> (u64, usize) {
    let scenario: Scenario<Lamps> = read(SCENARIO).expect("it is right");
    let stuck = (0..).find_map(|seed| {
        let steps = scenario.draw(seed).steps;
        let step = steps.into_iter().find(|step| step.values[1] == STUCK as i64)?;
        Some((seed, usize::try_from(step.values[0]).expect("the number of a host")))
    });
    stuck.expect("one step in a hundred")
}

#[test]
fn a_machine_that_loops_costs_one_seed_and_is_named() {
    let (seed, lamp) = first_stuck();
    let host = ["hall", "kitchen"][lamp];
    let seeds = (seed + 20).to_string();
    let words = ["lamps", "sweep", "--seeds", &seeds, "--seed-timeout", "300ms"];
    let said = run_command::<Lamps>(SCENARIO, words.map(str::to_owned));
    OVER.store(true, Ordering::SeqCst);
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{}", said.out);
    assert!(said.out.contains(&format!("{seeds} seeds")), "{}", said.out);
    let named = format!("seed {seed} comes to no end: at ");
    let told = said.out.lines().find(|line| line.starts_with(&named));
    let told = told.unwrap_or_else(|| panic!("{named} is not in {}", said.out));
    assert!(told.ends_with(&format!(" in {host}")), "{told}");
}
