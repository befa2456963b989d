//! The comparison of what a device durably holds of its records with what a remote stores of them. The oracle
//! opens the rows; what the device believes the remote to hold is not asked for.

use engine::id::{DeviceId, RecordId, Remote, VaultId};
use engine::remote::Served;
use engine::seal::KeyName;

use super::incurable;
use super::owners::Owners;
use super::storage::Storage;
use crate::remote::Double;

/// A device and a remote.
#[derive(Clone, Copy)]
pub(super) struct Comparison<'w> {
    owners: Owners<'w>,
    device: DeviceId,
    storage: &'w Storage,
    remote: Remote,
    vault: VaultId,
}

impl<'w> Comparison<'w> {
    pub(super) fn of(
        owners: Owners<'w>,
        (device, storage): (DeviceId, &'w Storage),
        (remote, vault): (Remote, VaultId),
    ) -> Self {
        Self { owners, device, storage, remote, vault }
    }

    /// The first record of which the two hold different states, though one of them could get that of the
    /// other. A row that the device keeps sealed, as it was served while it was damaged, the device does not have.
    pub(super) fn first_difference(self) -> Option<RecordId> {
        let mut differing = {
            let double = self.owners.services.remotes.find(self.remote)?;
            let rows = double.stored_of(self.vault);
            let agrees = |row: &&Served| self.agrees(&**double, row.row.id, Some(row));
            let differing = rows.iter().filter(|row| !agrees(row)).map(|row| row.row.id);
            let has_row = |id: &RecordId| rows.binary_search_by_key(id, |row| row.row.id).is_ok();
            let without_row = self.storage.records().filter(|id| !has_row(id));
            let sealed = self.storage.sealed(self.remote).filter(has_row);
            differing.chain(without_row).chain(sealed).collect::<Vec<_>>()
        };
        differing.sort_unstable();
        differing.into_iter().find(|id| !self.is_spared(*id))
    }

    /// Do the two hold different states of this record, though one of them could get that of the other?
    pub(super) fn differs(self, id: RecordId) -> bool {
        let agrees = self.owners.services.remotes.find(self.remote).is_some_and(|double| {
            let row = double.row(self.vault, id);
            let is_sealed = row.is_some() && self.storage.sealed(self.remote).any(|it| it == id);
            !is_sealed && self.agrees(&**double, id, row.as_ref())
        });
        !agrees && !self.is_spared(id)
    }

    /// What a device cannot open it does not have, even if it holds the same state from elsewhere. A row that
    /// is served to the device in another form than it is stored in has to be mended.
    fn agrees(self, double: &dyn Double, id: RecordId, row: Option<&Served>) -> bool {
        match (row, self.storage.record(id)) {
            (Some(row), Some(record)) => {
                let keychain = self.owners.services.accounts.keychain();
                let state = keychain.open(self.vault, id, &row.row.blob);
                state.is_some_and(|state| state.bytes() == record)
                    && !self.is_sealed(row)
                    && !double.is_damaged_for(self.vault, id, self.device)
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// What the device has no key for stays sealed to it; without any key it can send nothing. And there are
    /// rows that nobody can put right.
    fn is_spared(self, id: RecordId) -> bool {
        let Owners { services, faults, .. } = self.owners;
        let keyless = faults.conditions().holds_keys(self.device);
        let row = || services.remotes.row(self.remote, self.vault, id);
        keyless && (!self.storage.has_any_key() || row().is_some_and(|row| self.is_sealed(&row)))
            || incurable::contains((self.remote, self.vault, id), self.owners)
    }

    /// Does the device lack the key of a row?
    fn is_sealed(self, row: &Served) -> bool {
        KeyName::of_blob(&row.row.blob).is_none_or(|name| !self.storage.has_key(name))
    }
}
