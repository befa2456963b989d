//! The phases of a run: faults, waiting for quiescence, rest, last reads.

use harness::random::Draw;
use harness::time::{Span, Time};

use super::action::{Action, Actions};
use super::event::Event;
use super::host::Host;
use super::owners::Owners;
use super::phase::Phase;
use super::quiescence::{Quiescence, owed_by};
use crate::history::Pending;
use crate::plan::Node;

/// What comes next in a run.
pub(super) enum Next {
    /// Quiescence has come that the script waits for.
    Quiet,
    /// The faults end.
    FaultsEnd,
    /// Everything has settled, or the time for it has passed with this still pending.
    Settled(Vec<Pending>),
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
    /// What kept the run from being settled when that was last asked.
    pending: Option<Pending>,
}

impl Settling {
    /// A run begins with its faults.
    pub(super) fn new(nature: u64) -> Self {
        Self { nature, phase: Phase::Faults, pending: None }
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
        Quiescence { owners, has_faults }.is_reached(&mut self.pending)
    }

    /// What has not settled.
    pub(super) fn pending(&self, owners: Owners<'_>) -> Vec<Pending> {
        Quiescence { owners, has_faults: self.has_faults() }.pending()
    }
}

/// Is nothing left of the last reads?
fn have_read(owners: Owners<'_>) -> bool {
    let reads = |host: &&Host| matches!(host.node(), Node::Device(_) | Node::Processor(_));
    let is_busy = |host: &Host| host.is_up() && (owed_by(host, owners) > 0 || host.is_working());
    !owners.hosts.all().iter().filter(reads).any(is_busy)
}
