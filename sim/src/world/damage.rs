//! Permanent damage: the rows to which faults leave something behind.

use std::collections::BTreeSet;

use engine::id::{RecordId, Remote, VaultId};

use crate::fault::{Control, Fault};
use crate::plan::Lasting;

/// A row of a remote.
pub(super) type RowName = (Remote, VaultId, RecordId);

/// What faults leave behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage {
    /// Where rows were hidden, damaged or refused for a time: they do not come back into a feed, so
    /// a device has to list everything once more.
    unlisted: BTreeSet<(Remote, VaultId)>,
    /// Rows that nobody can put right.
    lost: BTreeSet<RowName>,
    /// Rows damaged for good, for all devices or for one. The next save ends the damage, and a device
    /// that is served it and still knows what the row's tag stands for makes that save.
    mendable: BTreeSet<RowName>,
    /// Rows that were damaged, for however long. A device that could not open one may have put the
    /// damaged copy back after the remote had lost it.
    damaged: BTreeSet<RowName>,
}

impl Damage {
    /// A fault begins: it may leave something behind.
    pub(super) fn leave(&mut self, fault: &Fault, lasting: Lasting) {
        let (row, is_mendable) = match fault.control(true) {
            Some((remote, Control::Hide(vault, id, _) | Control::Reject(vault, id, _))) => {
                ((remote, vault, id), false)
            }
            Some((remote, Control::Corrupt(vault, id, ..) | Control::Swap(vault, id, ..))) => {
                self.damaged.insert((remote, vault, id));
                ((remote, vault, id), true)
            }
            Some(_) | None => return,
        };
        self.unlisted.insert((row.0, row.1));
        if lasting == Lasting::Forever {
            let rows = if is_mendable { &mut self.mendable } else { &mut self.lost };
            rows.insert(row);
        }
    }

    /// Does a device have to list everything of a remote again, once the faults have ended?
    pub(super) fn is_unlisted(&self, remote: Remote, vault: VaultId) -> bool {
        self.unlisted.contains(&(remote, vault))
    }

    /// The rows that nobody can put right, whatever becomes of them.
    pub(super) fn lost(&self) -> &BTreeSet<RowName> {
        &self.lost
    }

    /// Rows damaged for good, for all devices or for one.
    pub(super) fn mendable(&self) -> &BTreeSet<RowName> {
        &self.mendable
    }

    /// Rows that were damaged, for however long.
    pub(super) fn damaged(&self) -> &BTreeSet<RowName> {
        &self.damaged
    }
}
