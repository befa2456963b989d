//! The faults of a run: which are active, what they make of the environment, and what they leave behind.

use engine::id::Remote;
use harness::random::Draw;
use harness::time::{Span, Time};

use super::action::{Action, Actions};
use super::damage::Damage;
use super::event::Event;
use super::planned::Planned;
use crate::fault::{self, Conditions, Control, Fault, Lasts};
use crate::plan::{Lasting, StepId};

/// The faults of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    nature: u64,
    active: Vec<Planned>,
    conditions: Conditions,
    damage: Damage,
}

impl Faults {
    pub(super) fn new(nature: u64) -> Self {
        Self { nature, ..Self::default() }
    }

    /// What the active faults make of the environment.
    pub(super) fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// What faults leave behind.
    pub(super) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// A fault has begun: it may leave something behind, and is active from now on, if it is one that lasts.
    pub(super) fn begin(&mut self, now: Time, planned: Planned, out: &mut Actions) {
        self.damage.leave(&planned.fault, planned.lasting);
        if !matches!(planned.fault.kind().lasts(), Lasts::Until(..)) {
            return;
        }
        self.active.push(planned);
        self.update_conditions();
        if let Lasting::For(span) = planned.lasting {
            let order = Draw::new(self.nature, "fault ends").and(u64::from(planned.step.0));
            let at = now + Span(span.0.max(1));
            out.push(Action::Schedule(at, order, Event::EndFault(planned.step)));
        }
    }

    /// The fault that this step began ends, unless it has ended already. Returns it, with what a remote is
    /// to be told.
    pub(super) fn end(&mut self, step: StepId) -> Option<(Planned, Option<(Remote, Control)>)> {
        let at = self.active.iter().position(|active| active.step == step)?;
        let ended = self.active.remove(at);
        self.update_conditions();
        let others: Vec<&Fault> = self.active.iter().map(|active| &active.fault).collect();
        let control = fault::control_at_end(&ended.fault, &others);
        Some((ended, control))
    }

    /// The steps whose faults end when the faults of a plan end.
    pub(super) fn that_can_end(&self) -> Vec<StepId> {
        let ends = |active: &&Planned| !active.stays();
        self.active.iter().filter(ends).map(|active| active.step).collect()
    }

    fn update_conditions(&mut self) {
        self.conditions = Conditions::of(self.active.iter().map(|active| &active.fault));
    }
}
