//! Settling: has everything come to rest? Decided from facts only; no machine is asked.
//!
//! A run is at rest if every host that is not gone runs, every operation is answered, every synced commit is
//! durable, and for a while nothing was stored or answered. A machine that has given up, where it should
//! try again, is at rest too: what it then lacks is found by the last reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Entry, Fact};
use crate::observation::{HostId, OpId};
use crate::system::System;
use crate::time::Time;

/// What keeps a run from being at rest.
#[derive(Clone, Debug, Default)]
pub struct Settling {
    /// When something was last stored, answered, started or stopped.
    changed: Time,
    unanswered: BTreeMap<OpId, HostId>,
    /// The synced commit that each host waits for.
    waiting: BTreeMap<HostId, u32>,
    stopped: BTreeSet<HostId>,
}

impl Settling {
    /// Takes a fact into account.
    pub fn watch<S: System>(&mut self, entry: &Entry<S>) {
        let host = entry.host;
        match &entry.fact {
            Fact::Asked(op, _) => {
                self.unanswered.insert(*op, host);
            }
            Fact::Answered(op, _) => {
                self.unanswered.remove(op);
            }
            Fact::Committed { number, sync: true, .. } => {
                self.waiting.insert(host, *number);
            }
            Fact::Durable(number) => {
                self.waiting.retain(|of, waits_for| *of != host || *waits_for > *number);
            }
            Fact::Started | Fact::Resumed => {
                self.stopped.remove(&host);
            }
            Fact::Paused => {
                self.stopped.insert(host);
            }
            Fact::Crashed { .. } => {
                self.forget(host);
                self.stopped.insert(host);
            }
            Fact::Destroyed => {
                self.forget(host);
                self.stopped.remove(&host);
            }
            Fact::Committed { sync: false, .. } => {}
            Fact::Skipped(_)
            | Fact::Sent { .. }
            | Fact::Received { .. }
            | Fact::Lost { .. }
            | Fact::ClockJumped(_)
            | Fact::FaultBegan(_)
            | Fact::FaultEnded(_)
            | Fact::Panicked(_)
            | Fact::Logged(_)
            | Fact::FaultsEnded { .. }
            | Fact::AtRest => return,
        }
        self.changed = entry.at;
    }

    /// Nothing that the last incarnation of a host owed is owed any more.
    fn forget(&mut self, host: HostId) {
        self.unanswered.retain(|_, of| *of != host);
        self.waiting.remove(&host);
    }

    /// Is every operation answered?
    pub fn owes_no_answer(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Since when nothing has changed and nothing is owed; `None` if something is owed.
    pub fn still_since(&self) -> Option<Time> {
        let is_still = self.owes_no_answer() && self.waiting.is_empty() && self.stopped.is_empty();
        is_still.then_some(self.changed)
    }
}
