//! The state of known bugs that keep something. None of this is in a build without the feature `flaws`.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{NodeId, RecordId, Remote};
use crate::record::Encoded;

/// The state of known bugs.
#[derive(Clone, Debug, Default)]
pub(super) struct Flawed {
    /// DEEP-SYNC-001, -001b: the snapshots that pulls work on, by remote.
    pub(super) private: [Option<Private>; 2],
    /// DEEP-SYNC-002c: how often a sealed row was tried in vain.
    pub(super) sealed_tries: BTreeMap<(Remote, RecordId), u32>,
    /// DEEP-SYNC-003b: what was unsent when a page was asked for, by remote.
    pub(super) unsent_before: [Option<BTreeSet<RecordId>>; 2],
    /// DEEP-SYNC-003b: the remote whose page is being taken.
    page_of: Option<Remote>,
    /// FB-03: rows to remove, by remote.
    pub(super) removals: [BTreeSet<RecordId>; 2],
    /// FB-09: files in conflict, of which copies are to be made.
    pub(super) to_copy: BTreeSet<NodeId>,
    /// FB-12: a row refused for good that is tried before all others.
    pub(super) blocker: Option<RecordId>,
    /// FB-12: has it just been refused?
    rests: bool,
}

/// A snapshot that a flawed pull works on and writes back whole.
#[derive(Clone, Debug)]
pub(super) struct Private {
    pub(super) records: BTreeMap<RecordId, Encoded>,
    pub(super) replace: bool,
}

impl Private {
    pub(super) fn take(&mut self, id: RecordId, theirs: &Encoded) {
        let merged = match self.records.get(&id).filter(|_| !self.replace) {
            Some(ours) => {
                let mut merged = ours.record().clone();
                merged.join(theirs.record());
                Encoded::new(merged)
            }
            None => theirs.clone(),
        };
        self.records.insert(id, merged);
    }
}

impl Flawed {
    pub(super) fn private_snapshot(&mut self, remote: Remote) -> Option<&mut Private> {
        self.private[remote.index()].as_mut()
    }

    pub(super) fn drop_private_snapshots(&mut self) {
        self.private = [None, None];
    }

    pub(super) fn begin_page(&mut self, remote: Remote) {
        self.page_of = Some(remote);
    }

    pub(super) fn end_page(&mut self) {
        self.page_of = None;
    }

    pub(super) fn page_overwrites(&self, remote: Remote, id: RecordId) -> bool {
        let unsent = &self.unsent_before[remote.index()];
        self.page_of == Some(remote) && unsent.as_ref().is_some_and(|unsent| !unsent.contains(&id))
    }

    pub(super) fn take_removals(&mut self, remote: Remote) -> Option<Vec<RecordId>> {
        let removals = &mut self.removals[remote.index()];
        (!removals.is_empty()).then(|| std::mem::take(removals).into_iter().collect())
    }

    pub(super) fn block_on(&mut self, id: RecordId) {
        (self.blocker, self.rests) = (Some(id), true);
    }

    pub(super) fn takes_rest(&mut self) -> bool {
        std::mem::take(&mut self.rests)
    }

    pub(super) fn sign_out(&mut self) {
        self.removals = <[BTreeSet<RecordId>; 2]>::default();
        self.to_copy.clear();
    }
}
