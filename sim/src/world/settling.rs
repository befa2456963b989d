//! The phases of a run: faults, waiting for quiescence, rest, last reads.

use engine::time::{Span, Time};

use super::action::{Action, Actions};
use super::event::Event;
use super::owners::Owners;
use super::quiescence::Quiescence;
use crate::plan::Node;
use crate::random::Draw;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything may happen.
    Faults,
    /// The faults have ended; everything comes to rest.
    Settling,
    /// Nothing is to do, and so nothing must be done.
    Resting,
    /// Users look at everything for the last time.
    Reading,
    /// The history is complete.
    Over,
}

/// The phase that a run is in, and when it ends.
#[derive(Clone, Debug)]
pub(super) struct Settling {
    nature: u64,
    phase: Phase,
    /// A device that kept the run from being settled when that was last asked.
    pending_at: Option<usize>,
}

impl Settling {
    /// A run begins with its faults.
    pub(super) fn new(nature: u64) -> Self {
        Self { nature, phase: Phase::Faults, pending_at: None }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// May faults still happen?
    pub(super) fn has_faults(&self) -> bool {
        self.phase == Phase::Faults
    }

    /// A phase begins, which lasts so long unless what it waits for comes sooner.
    pub(super) fn enter(&mut self, phase: Phase, (now, at_most): (Time, Span), out: &mut Actions) {
        self.phase = phase;
        let order = Draw::new(self.nature, "phase");
        let at = now + Span(at_most.0.max(1));
        out.push(Action::Schedule(at, order, Event::EndPhase(phase)));
    }

    /// The history is complete.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Over;
    }

    /// Has everything settled?
    pub(super) fn has_settled(&mut self, owners: Owners<'_>) -> bool {
        let has_faults = self.has_faults();
        Quiescence { owners, has_faults }.is_reached(&mut self.pending_at)
    }

    /// What has not settled, a line each.
    pub(super) fn pending(&self, owners: Owners<'_>) -> Vec<String> {
        Quiescence { owners, has_faults: self.has_faults() }.pending()
    }
}

/// Is nothing left of the last reads?
pub(super) fn have_read(owners: Owners<'_>) -> bool {
    let is_busy = |host: &super::host::Host| {
        let mailbox = host.mailbox();
        let owes = match host.node() {
            Node::Device(_) => mailbox.standing.as_ref().is_some_and(|standing| standing.owed > 0),
            Node::Processor(_) => host.unanswered() > 0,
            Node::Remote(_) | Node::Worker(_) | Node::World | Node::Volume | Node::Intruder => {
                return false;
            }
        };
        host.is_up() && (owes || mailbox.has_events())
    };
    !owners.hosts.all().iter().any(is_busy)
}
