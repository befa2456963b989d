//! One trial: a scenario under one seed and a set of flaws, run once or twice.
//!
//! What a trial keeps is small unless something is wrong: a sweep holds thousands of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::flaw::Flaws;
use harness::pool;
use harness::time::Time;

use crate::outcome::{Missed, missed};
use crate::parting::{Parting, parting};
use crate::plan::{Plan, StepId};
use crate::run::{Counts, Outcome, run};
use crate::scenario::{Scenario, draw, is_fault_free};

/// A scenario, and what to call it on a command line.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What was read.
    pub scenario: Arc<Scenario>,
    /// The shortest argument that names it: its stem, or its path.
    pub argument: String,
    /// Its file.
    pub path: String,
}

impl Chosen {
    /// The command that runs one seed of it again.
    pub fn again(&self, seed: u64, flaws: Flaws) -> String {
        let argument = quoted(&self.argument);
        let flaws: String = flaws.iter().map(|flaw| format!(" --flaw {}", flaw.id())).collect();
        let seed = if self.is_fixed() { String::new() } else { format!(" --seed {seed}") };
        format!("seawall replay {argument}{seed}{flaws}")
    }

    /// Is nothing left to draw, so that all seeds are one?
    pub fn is_fixed(&self) -> bool {
        self.scenario.fixed.is_some()
    }

    /// One seed of it.
    pub fn trial(&self, seed: u64, flaws: Flaws) -> Trial {
        let scenario = Arc::clone(&self.scenario);
        Trial { scenario, seed, flaws, twice: seed.is_multiple_of(ONE_IN) }
    }
}

/// One seed in this number is run twice.
const ONE_IN: u64 = 100;

/// An argument that a shell takes as one word.
pub fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+:@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Which scenario.
    pub scenario: Arc<Scenario>,
    /// Which seed.
    pub seed: u64,
    /// With which known bugs.
    pub flaws: Flaws,
    /// Is it run a second time, to compare?
    pub twice: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// Under which seed.
    pub seed: u64,
    /// Was nothing planned to go wrong?
    pub calm: bool,
    /// How often each thing was reached.
    pub coverage: BTreeMap<&'static str, u64>,
    /// Sizes.
    pub counts: Counts,
    /// The steps of its script that came to nothing.
    pub missed: Vec<(StepId, Missed)>,
    /// Plan and outcome, if something is violated.
    pub failed: Option<Box<(Plan, Outcome)>>,
    /// Was it run a second time, to compare?
    pub twice: bool,
    /// Where the two runs went different ways.
    pub parting: Option<Parting>,
}

impl Trial {
    /// Draws the plan and runs it, on this thread.
    pub fn run(&self) -> Tried {
        let plan = draw(&self.scenario, self.seed, self.flaws);
        // All that the other run took is given back, with its thread, before this one takes as much.
        let other = self.twice.then(|| elsewhere(&plan, |outcome| outcome.digest()));
        let outcome = run(&plan);
        let parting = other.and_then(|other| parted(&plan, other, &outcome));
        let (calm, counts) = (is_fault_free(&plan), outcome.counts);
        let coverage = outcome.coverage.clone();
        let missed = self.missed(&plan, &outcome);
        let failed = (!outcome.violations.is_empty()).then(|| Box::new((plan, outcome)));
        let Self { seed, twice, .. } = *self;
        Tried { seed, calm, coverage, counts, missed, failed, twice, parting }
    }

    /// The steps of the script that came to nothing; those that were drawn demand nothing.
    fn missed(&self, plan: &Plan, outcome: &Outcome) -> Vec<(StepId, Missed)> {
        let Some(last) = self.scenario.script.last() else { return Vec::new() };
        let of_script = |(step, _): &(StepId, Missed)| step.0 < last.next_id();
        missed(plan, outcome).into_iter().filter(of_script).collect()
    }

    /// What to call it on the way.
    pub fn label(&self) -> String {
        format!("{} seed {}", self.scenario.name, self.seed)
    }
}

/// Runs a plan on a thread of its own.
fn elsewhere<T: Send + 'static>(
    plan: &Plan,
    tell: impl FnOnce(Outcome) -> T + Send + 'static,
) -> Result<T, String> {
    let plan = plan.clone();
    pool::fresh(move || tell(run(&plan)))
}

/// Where a run parts from another one, of which there is the digest. Only if it does are two histories
/// needed at a time: a third run makes the second of them.
fn parted(plan: &Plan, other: Result<u128, String>, outcome: &Outcome) -> Option<Parting> {
    let other = match other {
        Ok(other) if other == outcome.digest() => return None,
        Ok(other) => other,
        Err(panic) => return Some(untold(format!("another run panicked: {panic}"))),
    };
    Some(match elsewhere(plan, |third| third) {
        Ok(third) => parting(outcome, &third).unwrap_or_else(|| {
            untold(format!("another run had the digest {other:032x}, and a third one has not"))
        }),
        Err(panic) => untold(format!("a third run panicked: {panic}")),
    })
}

/// Two runs went two ways, and there is no telling where.
fn untold(what: String) -> Parting {
    Parting { index: 0, at: Time(0), facts: [None, Some(what)] }
}
