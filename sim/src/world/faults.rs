//! The faults of a run: which are active, what they make of the environment, and what they leave behind.

use std::collections::BTreeSet;

use engine::id::Remote;
use harness::random::Draw;
use harness::time::{Span, Time};

use super::action::{Action, Actions};
use super::damage::Damage;
use super::event::Event;
use super::planned::Planned;
use crate::fault::{self, Conditions, Control, Fault, Hit, Lasts};
use crate::plan::{Lasting, StepId};

/// The faults of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    nature: u64,
    active: Vec<Planned>,
    conditions: Conditions,
    damage: Damage,
    /// Those that have hit nothing so far, by the steps that began them.
    unstruck: Vec<(StepId, Fault)>,
    /// The steps whose faults have hit something.
    struck: BTreeSet<StepId>,
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

    /// A fault is about to begin: from now on it may hit something.
    pub(super) fn await_hit(&mut self, step: StepId, fault: Fault) {
        self.unstruck.push((step, fault));
    }

    /// Is there a fault that has hit nothing so far?
    pub(super) fn awaits_hit(&self) -> bool {
        !self.unstruck.is_empty()
    }

    /// Something was hit: returns the faults that have hit nothing before.
    pub(super) fn strike(&mut self, hit: Hit) -> Vec<(StepId, Fault)> {
        // Most of what happens is nothing to any of them.
        if !self.unstruck.iter().any(|(_, fault)| fault.strikes(hit)) {
            return Vec::new();
        }
        let (struck, unstruck): (Vec<_>, Vec<_>) =
            self.unstruck.drain(..).partition(|(_, fault)| fault.strikes(hit));
        self.unstruck = unstruck;
        self.struck.extend(struck.iter().map(|(step, _)| *step));
        struck
    }

    /// A fault has ended: it will hit nothing any more.
    pub(super) fn has_ended(&mut self, fault: &Fault) {
        if let Some(at) = self.unstruck.iter().position(|(_, unstruck)| unstruck == fault) {
            self.unstruck.remove(at);
        }
    }

    /// The steps whose faults have hit something.
    pub(super) fn into_struck(self) -> BTreeSet<StepId> {
        self.struck
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
