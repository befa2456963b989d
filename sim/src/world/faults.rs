//! The faults of a run: which are active, what they make of the environment, and what they leave behind.

use engine::id::Remote;
use engine::time::{Span, Time};

use super::action::{Action, Actions};
use super::damage::Damage;
use super::event::Event;
use crate::fault::{self, Ongoing, Weather, lasting};
use crate::plan::{Fault, Lasting, StepId};
use crate::random::Draw;
use crate::remote::Control;

/// The faults of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    nature: u64,
    ongoing: Vec<Ongoing>,
    active: Weather,
    damage: Damage,
}

impl Faults {
    pub(super) fn new(nature: u64) -> Self {
        Self { nature, ..Self::default() }
    }

    /// What the active faults make of the environment.
    pub(super) fn active(&self) -> &Weather {
        &self.active
    }

    /// What faults leave behind.
    pub(super) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// A fault happens: it may leave something behind.
    pub(super) fn leave_damage(&mut self, fault: &Fault) {
        self.damage.leave(fault);
    }

    /// A fault is active from now on, if it is one that lasts.
    pub(super) fn begin(&mut self, now: Time, (step, fault): (StepId, &Fault), out: &mut Actions) {
        let Some(lasting) = lasting(fault) else { return };
        self.ongoing.push(Ongoing::new(step, fault.clone()));
        self.active = Weather::of(&self.ongoing);
        if let Lasting::For(span) = lasting {
            let order = Draw::new(self.nature, "fault ends").and(u64::from(step.0));
            let at = now + Span(span.0.max(1));
            out.push(Action::Schedule(at, order, Event::EndFault(step)));
        }
    }

    /// The fault that this step began ends, unless it has ended already. Returns it, with what a remote is
    /// to be told.
    pub(super) fn end(&mut self, step: StepId) -> Option<(Fault, Option<(Remote, Control)>)> {
        let at = self.ongoing.iter().position(|ongoing| ongoing.step == step)?;
        let Ongoing { fault, .. } = self.ongoing.remove(at);
        self.active = Weather::of(&self.ongoing);
        let control = fault::ending_control(&fault, &self.ongoing);
        Some((fault, control))
    }

    /// The steps whose faults end when the faults of a plan end.
    pub(super) fn that_can_end(&self) -> Vec<StepId> {
        let ends = |ongoing: &&Ongoing| !ongoing.outlasts_the_storm();
        self.ongoing.iter().filter(ends).map(|ongoing| ongoing.step).collect()
    }
}
