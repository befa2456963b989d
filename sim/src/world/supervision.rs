//! What ends a run before it is over: that it has used too much, or those who wait for it.

use harness::time::Time;
use harness::watch::{Call, Watch};

use super::budget::{Budget, Used};
use crate::plan::{Excess, Plan};

/// How a run ends that is not over.
pub(super) enum Early {
    /// It has used too much.
    Excess(Excess),
    /// It is known to hang in the work of the host at this place, in the next turn.
    Hangs(usize),
    /// Nobody waits for it.
    Left,
}

/// Who looks after a run, and what it may use.
#[derive(Clone, Debug)]
pub(super) struct Supervision {
    budget: Budget,
    watch: Watch,
}

impl Supervision {
    /// A run of this plan begins under a watch.
    pub(super) fn begin(plan: &Plan, watch: Watch) -> Self {
        watch.begin_run();
        Self { budget: Budget::of(plan), watch }
    }

    /// The same for a run that goes on by itself.
    pub(super) fn fork(&self) -> Self {
        Self { budget: self.budget, watch: Watch::default() }
    }

    /// A turn begins.
    pub(super) fn begin_turn(&self, now: Time) {
        self.watch.begin_turn(now);
    }

    /// The machine of the host at this place goes to work.
    pub(super) fn begin_work(&self, place: usize) {
        self.watch.begin_work(place);
    }

    /// All machines of a turn have worked.
    pub(super) fn end_work(&self) {
        self.watch.end_work();
    }

    /// Must the run end now, between two turns?
    pub(super) fn ends(&self, used: Used) -> Option<Early> {
        match (self.watch.call(), self.watch.hangs_at()) {
            (Call::GoOn, _) => self.budget.excess(used).map(Early::Excess),
            (Call::End, None) => Some(Early::Excess(Excess::Time)),
            (Call::End, Some(place)) => Some(Early::Hangs(place)),
            (Call::Leave, _) => Some(Early::Left),
        }
    }
}
