//! What came of a run, as plain data.

mod excused;
mod missed;

use std::collections::{BTreeMap, BTreeSet};

use harness::digest::digest;
use harness::time::{Span, Time};
use tracing::Level;

pub use self::missed::{Missed, missed};
use crate::history::{Entry, Incarnation};
use crate::invariant::{Excused, Violation};
use crate::plan::{Node, StepId};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// In a word.
    pub verdict: Verdict,
    /// What does not hold, by time; a cause before its effect.
    pub violations: Vec<Violation>,
    /// The writes that are gone as the plan will have it.
    pub excused: Vec<Excused>,
    /// How often each fault, fact and coverage point was reached, by name.
    pub coverage: BTreeMap<&'static str, u64>,
    /// Sizes of the run.
    pub counts: Counts,
    /// When each step of the plan happened, unless it was skipped.
    pub moments: Vec<Option<Time>>,
    /// The steps whose faults did something to something.
    pub struck: BTreeSet<StepId>,
    /// Everything that happened.
    pub history: Vec<Entry>,
    /// What machines logged, down to the level that was asked for. No part of the history.
    pub log: Vec<LogLine>,
}

/// An event that a machine logged with `tracing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How many facts of the history came before it.
    pub after: usize,
    /// The simulated time.
    pub at: Time,
    /// The host.
    pub node: Node,
    /// The incarnation of the host.
    pub incarnation: Incarnation,
    /// The level.
    pub level: Level,
    /// The module that logged it.
    pub target: &'static str,
    /// The line of its source.
    pub line: u32,
    /// Spans, message and fields.
    pub text: String,
}

impl Outcome {
    /// The digest of the canonical bytes of all facts. Most runs are never asked for it, and it costs
    /// a twentieth of a run.
    pub fn digest(&self) -> u128 {
        digest(&self.history).0
    }

    /// How many canonical bytes all facts have.
    pub fn fact_bytes(&self) -> u64 {
        digest(&self.history).1
    }
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
    /// About how many bytes they keep.
    pub bytes: u64,
    /// Rows sealed.
    pub sealed: u64,
    /// Blobs really opened.
    pub opened: u64,
    /// When everything had settled.
    pub settled_at: Time,
}
