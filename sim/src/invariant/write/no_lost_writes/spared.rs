//! What of a record the plan lets be where nobody sees it at the end: on a device that cannot send it, or in
//! a row that nobody can put right. And what went with a zone that its user purged, which is a delete that
//! no user asked for on a device.
//!
//! Only what the fault reaches is spared. A device that lacks a key sends all that it can open. A row
//! beyond cure at one remote keeps no device from the other, by which all is to be had.

use engine::id::{DeviceId, FieldId, RecordId, Remote, Token, VaultId};
use engine::remote::Ending;

use crate::history::{Contents, Fault};
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::causes::{Stranded, beyond_cure, is_beyond_reach, last_fault};
use crate::invariant::evidence::writes::RecordWrites;

/// The cells of a record that faults account for, each with the fact that its fault began.
#[derive(Debug, Default)]
pub(super) struct Spared {
    /// Those that are still somewhere.
    pub(super) kept: Vec<(u32, usize)>,
    /// Those that were purged.
    pub(super) purged: Vec<(u32, usize)>,
    /// What is stored in rows beyond cure.
    pub(super) unread: Vec<(FieldId, Token)>,
    /// The devices that need not send what they hold.
    devices: Vec<DeviceId>,
}

impl Spared {
    pub(super) fn of(evidence: &Evidence<'_>, stranded: &[Stranded], record_key: usize) -> Self {
        let RecordWrites { vault, id, .. } = evidence.writes.records[record_key];
        let mut spared = Self::default();
        spared.take_rows(evidence, stranded, record_key);
        for it in stranded.iter().filter(|it| evidence.vault(it.device) == vault) {
            if it.is_mute || is_sealed(evidence, it.device, id) {
                spared.take_device(evidence, record_key, (it.device, it.by));
            }
        }
        spared.take_purged(evidence, record_key, vault);
        spared
    }

    /// Does nothing of the record need an excuse?
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.purged.is_empty() && self.unread.is_empty()
    }

    /// Can a device not send what it holds?
    pub(super) fn has(&self, device: DeviceId) -> bool {
        self.devices.contains(&device)
    }

    /// Takes what is stored in rows beyond cure. Where there is no other row, no device hears of what
    /// another one holds, whether that one has its keys or not.
    fn take_rows(&mut self, evidence: &Evidence<'_>, stranded: &[Stranded], record_key: usize) {
        let RecordWrites { vault, id, .. } = evidence.writes.records[record_key];
        let remotes = &evidence.context.remotes;
        let beyond_cure = |remote: &Remote| beyond_cure(evidence, (*remote, vault, id));
        let mut last = None;
        for (remote, by) in remotes.iter().filter_map(|it| Some((it, beyond_cure(it)?))) {
            last = last.max(Some(by));
            let row = evidence.found(*remote).get(&(vault, id)).and_then(|row| row.contents);
            if let Some(contents) = row.filter(|contents| contents.live) {
                self.keep(evidence, record_key, (contents, by));
                self.unread.extend(&contents.cells);
            }
        }
        let Some(by) = last.filter(|_| is_beyond_reach(evidence, vault, id)) else { return };
        for n in 0..evidence.context.devices.len() {
            let device = DeviceId(u16::try_from(n).expect("devices are numbered in 16 bits"));
            let is_there =
                evidence.is_core(device) || stranded.iter().any(|it| it.device == device);
            if evidence.vault(device) == vault && is_there {
                self.take_device(evidence, record_key, (device, by));
            }
        }
    }

    /// Takes what a device holds that need not send it.
    fn take_device(
        &mut self,
        evidence: &Evidence<'_>,
        record_key: usize,
        (device, by): (DeviceId, usize),
    ) {
        self.devices.push(device);
        let id = evidence.writes.records[record_key].id;
        let copy = evidence.disk(device).records.get(id).and_then(|line| line.last());
        if let Some(contents) = copy.and_then(|copy| copy.contents.as_deref()) {
            self.keep(evidence, record_key, (contents, by));
        }
    }

    fn keep(&mut self, evidence: &Evidence<'_>, record_key: usize, (held, by): (&Contents, usize)) {
        self.kept.extend(evidence.writes.cells(record_key, held).map(|cell| (cell, by)));
    }

    /// Takes what a device deleted since it learned that the zone was purged.
    fn take_purged(&mut self, evidence: &Evidence<'_>, record_key: usize, vault: VaultId) {
        let writes = &evidence.writes;
        let record = &writes.records[record_key];
        for delete in record.deletes.iter() {
            let purge = writes.author(record_key, delete);
            if purge.token != Token::NONE {
                continue;
            }
            let purges = |fault: &Fault| {
                matches!(fault, Fault::EndZone(it)
                    if it.how == Ending::Purged && VaultId::from(it.user) == vault)
            };
            let Some(by) = last_fault(&evidence.faults, (0, purge.asked), purges) else { continue };
            let cells = (0..).zip(&record.cells);
            let purged = cells.filter(|(_, cell)| cell.newer.contains(&delete));
            self.purged.extend(purged.map(|(number, _)| (number, by)));
        }
    }
}

/// Does a device hold what a remote has of a record sealed?
fn is_sealed(evidence: &Evidence<'_>, device: DeviceId, id: RecordId) -> bool {
    let sealed = &evidence.disk(device).sealed;
    let mut rows = Remote::ALL.iter().filter_map(|remote| sealed.get((*remote, id))?.last());
    rows.any(Option::is_some)
}
