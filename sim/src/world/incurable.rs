//! The rows of remotes that nobody can put right.
//!
//! A damaged row can be repaired as long as a device that is served the damage knows the row's tag and
//! reaches the remote. Such a device saves the row again, and a run waits for that. Other devices see
//! nothing to repair.

use std::collections::BTreeSet;

use engine::device::StoreKey;
use engine::id::DeviceId;

use super::damage::RowName;
use super::owners::Owners;
use crate::plan::Node;

/// All of them.
pub(super) fn rows(owners: Owners<'_>) -> BTreeSet<RowName> {
    let damage = owners.faults.damage();
    let rows = [damage.lost(), damage.damaged(), damage.mendable()].into_iter().flatten();
    rows.copied().filter(|row| contains(*row, owners)).collect()
}

/// Is this one of them?
pub(super) fn contains(row: RowName, owners: Owners<'_>) -> bool {
    let damage = owners.faults.damage();
    damage.lost().contains(&row)
        || damage.damaged().contains(&row) && is_spoilt(row, owners)
        || damage.mendable().contains(&row) && stays_damaged(row, owners)
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
            && !owners.faults.conditions().isolates(*device, remote)
    })
}
