//! The step of a plan by which a write is gone.

use super::Outcome;
use crate::invariant::Excused;
use crate::plan::{Act, Plan, StepId};

impl Outcome {
    /// The step of the plan that began the fault which took a write.
    pub fn step_of(&self, plan: &Plan, excused: &Excused) -> Option<StepId> {
        let mut steps = plan.steps.iter().zip(&self.moments);
        let step = steps.find(|(step, moment)| {
            **moment == Some(excused.at)
                && matches!(&step.act, Act::Fault(fault, _) if *fault == excused.fault)
        });
        step.map(|(step, _)| step.id)
    }
}
