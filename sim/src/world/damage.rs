//! Permanent damage: what faults leave behind, and what nobody can repair.
//!
//! A damaged row can be repaired as long as a device that is served the damage knows the row's tag and
//! reaches the remote. Such a device saves the row again, and a run waits for that. Other devices see
//! nothing to repair.

use std::collections::BTreeSet;

use engine::device::StoreKey;
use engine::id::{DeviceId, RecordId, Remote, VaultId};

use super::owners::Owners;
use crate::fault::{self, lasting};
use crate::plan::{Fault, Lasting, Node};
use crate::remote::Control;

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
    pub(super) fn leave(&mut self, fault: &Fault) {
        let row = match fault::control(fault, true) {
            Some((remote, Control::Hide(vault, id, _) | Control::Reject(vault, id, _))) => {
                (remote, vault, id)
            }
            Some((remote, Control::Corrupt(vault, id, ..))) => {
                self.damaged.insert((remote, vault, id));
                (remote, vault, id)
            }
            Some(_) | None => return,
        };
        self.unlisted.insert((row.0, row.1));
        if lasting(fault) == Some(Lasting::Forever) {
            let is_mendable = matches!(fault, Fault::CorruptRow(..));
            let rows = if is_mendable { &mut self.mendable } else { &mut self.lost };
            rows.insert(row);
        }
    }

    /// Does a device have to list everything of a remote again, once the faults have ended?
    pub(super) fn is_unlisted(&self, remote: Remote, vault: VaultId) -> bool {
        self.unlisted.contains(&(remote, vault))
    }

    /// The rows that nobody can put right.
    pub(super) fn incurable_rows(&self, owners: Owners<'_>) -> BTreeSet<RowName> {
        let rows = [&self.lost, &self.damaged, &self.mendable].into_iter().flatten();
        rows.copied().filter(|row| self.is_incurable(*row, owners)).collect()
    }

    /// Is this a row that nobody can put right?
    pub(super) fn is_incurable(&self, row: RowName, owners: Owners<'_>) -> bool {
        self.lost.contains(&row)
            || self.damaged.contains(&row) && is_spoilt(row, owners)
            || self.mendable.contains(&row) && stays_damaged(row, owners)
    }
}

/// Are there devices that are served damaged bytes of this row, and none of them mends it? Those
/// that are served intact bytes have no reason to save the row.
fn stays_damaged((remote, vault, id): RowName, owners: Owners<'_>) -> bool {
    let mut served = owners.devices_left(vault);
    let Some(double) = owners.services.remotes.find(remote) else { return false };
    served.retain(|device| double.is_damaged_for(vault, id, *device));
    drop(double);
    !served.is_empty() && !is_mended_by(&served, (remote, vault, id), owners)
}

/// Is what is stored here damaged itself, and under a tag that nobody can put right?
fn is_spoilt((remote, vault, id): RowName, owners: Owners<'_>) -> bool {
    let row = owners.services.remotes.row(remote, vault, id);
    let keychain = owners.services.accounts.keychain();
    row.is_some_and(|row| keychain.open(vault, id, &row.row.blob).is_none())
        && !is_mended_by(&owners.devices_left(vault), (remote, vault, id), owners)
}

/// Is there a device among these that puts back what it knows a remote's tag of a record to stand
/// for, once it is served damaged bytes under that tag? One that never reaches the remote does not.
fn is_mended_by(devices: &[DeviceId], (remote, vault, id): RowName, owners: Owners<'_>) -> bool {
    let Some(row) = owners.services.remotes.row(remote, vault, id) else { return false };
    devices.iter().any(|device| {
        let storage = owners.hosts.get(Node::Device(*device)).storage();
        let mirror = storage.and_then(|it| it.contents().get(&StoreKey::Mirror(remote, id)));
        mirror.is_some_and(|held| held.tag == row.tag.0)
            && !owners.faults.active().isolates(*device, remote)
    })
}
