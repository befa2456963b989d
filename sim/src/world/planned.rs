//! A fault as the plan wants it.

use crate::fault::Fault;
use crate::plan::{Lasting, StepId};

/// A fault of a step of the plan, and how long it lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) step: StepId,
    pub(super) fault: Fault,
    pub(super) lasting: Lasting,
}

impl Planned {
    /// Does it go on when the faults of the plan end?
    pub(super) fn stays(&self) -> bool {
        self.lasting == Lasting::Forever && self.fault.kind().can_stay()
    }
}
