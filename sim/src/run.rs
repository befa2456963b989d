//! One run, from plan to outcome: the only door to a simulation.

use std::collections::BTreeMap;

use engine::time::{Span, Time};

use crate::history::Entry;
use crate::invariant::Violation;
use crate::plan::Plan;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// In a word.
    pub verdict: Verdict,
    /// What does not hold, by time.
    pub violations: Vec<Violation>,
    /// The digest of the canonical bytes of all facts.
    pub digest: u128,
    /// How often each fault, fact and coverage point was reached, by name.
    pub coverage: BTreeMap<&'static str, u64>,
    /// Sizes of the run.
    pub counts: Counts,
    /// Everything that happened.
    pub history: Vec<Entry>,
}

/// An outcome in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything holds.
    Held,
    /// Something does not.
    Violated,
}

/// Sizes of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Simulated time from start to settled.
    pub simulated: Span,
    /// Events taken from the agenda.
    pub events: u64,
    /// Messages delivered.
    pub messages: u64,
    /// Facts.
    pub facts: u64,
    /// Bytes of the canonical facts.
    pub fact_bytes: u64,
    /// Rows sealed.
    pub sealed: u64,
    /// Blobs really opened.
    pub opened: u64,
    /// When everything had settled.
    pub settled_at: Time,
}

/// Runs a plan on madsim. Panics never; what panics inside becomes a violation.
pub fn run(plan: &Plan) -> Outcome {
    let _ = plan;
    unreachable!("the stage is being built")
}
