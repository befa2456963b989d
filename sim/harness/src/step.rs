//! A step of a plan, and the ids that all operations descend from.

use serde::Serialize;

use crate::observation::OpId;
use crate::time::Time;

/// Ids of the last reads begin here, above those of all steps.
const LAST_READS: u64 = 1 << 32;

/// Names a step for as long as its plan is printed, made smaller and replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StepId(pub u32);

/// One thing that users do or that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its name; the ids of a plan's steps rise.
    pub id: StepId,
    /// When.
    pub at: Time,
    /// What, by its word.
    pub word: &'static str,
    /// The values of the word's parameters.
    pub values: Vec<i64>,
}

impl StepId {
    /// The operation that the step asks for, if it asks for one.
    pub const fn op(self) -> OpId {
        OpId(self.0 as u64)
    }
}

/// The operation of a read after everything has come to rest.
pub const fn last_read(nth: u32) -> OpId {
    OpId(LAST_READS + nth as u64)
}

/// Which of the last reads an operation is, from 0, if it is one.
pub const fn nth_last_read(op: OpId) -> Option<u64> {
    op.0.checked_sub(LAST_READS)
}
