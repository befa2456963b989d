//! The phases of a run: faults, waiting for quiescence, rest, last reads.

use harness::random::Draw;
use harness::time::{Span, Time};

use super::action::{Action, Actions};
use super::event::Event;
use super::owners::Owners;
use super::phase::Phase;
use super::quiescence::Quiescence;
use crate::plan::Node;

/// What comes next in a run.
pub(super) enum Next {
    /// Quiescence has come that the script waits for.
    Quiet,
    /// The faults end.
    FaultsEnd,
    /// Everything has settled, or the time for it has passed with this still pending, a line each.
    Settled(Vec<String>),
    /// Users look at everything for the last time.
    LastReads,
    /// The run is over.
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

    /// What comes next: what this phase waits for has come, or the time that it may take has passed.
    pub(super) fn next(
        &mut self,
        owners: Owners<'_>,
        awaits_quiet: bool,
        is_late: bool,
    ) -> Option<Next> {
        match self.phase {
            Phase::Faults if is_late => Some(Next::FaultsEnd),
            Phase::Faults => (awaits_quiet && self.has_settled(owners)).then_some(Next::Quiet),
            Phase::Settling if is_late => Some(Next::Settled(self.pending(owners))),
            Phase::Settling => self.has_settled(owners).then(|| Next::Settled(Vec::new())),
            Phase::Resting => is_late.then_some(Next::LastReads),
            Phase::Reading => (is_late || have_read(owners)).then_some(Next::Over),
            Phase::Over => None,
        }
    }

    /// Has everything settled?
    fn has_settled(&mut self, owners: Owners<'_>) -> bool {
        let has_faults = self.has_faults();
        Quiescence { owners, has_faults }.is_reached(&mut self.pending_at)
    }

    /// What has not settled, a line each.
    pub(super) fn pending(&self, owners: Owners<'_>) -> Vec<String> {
        Quiescence { owners, has_faults: self.has_faults() }.pending()
    }
}

/// Is nothing left of the last reads?
fn have_read(owners: Owners<'_>) -> bool {
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
