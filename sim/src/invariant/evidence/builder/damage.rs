//! What faults destroy: stores of devices, and rows of remotes; and the writes of which no other place has
//! a copy. A write that turns up again, as in a message that was under way, is destroyed no more.

use engine::id::{DeviceId, RecordId, Remote, VaultId};

use super::super::{Copy, FaultInterval, Timeline};
use super::{EvidenceBuilder, current};
use crate::fault::Loss;
use crate::history::table::Table;
use crate::history::{Boot, Entry, Fact, Fault};
use crate::invariant::evidence::causes::last_fault;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::writes::Write;
use crate::plan::Node;

impl EvidenceBuilder<'_> {
    pub(super) fn faulted(&mut self, at: usize, fault: &Fault) {
        self.evidence.faults.push(FaultInterval { kind: *fault, from: at, to: None });
        match fault.loss() {
            Some(Loss::Device(device)) => {
                self.destroy_device((at, at), device, &Table::default());
                // A commit that the power cut finds on its way survives on no disk.
                self.state(device).pending.clear();
                let disk = &mut self.evidence.disks[usize::from(device.0)];
                disk.records.values_mut().for_each(|line| line.push(at, Copy::default()));
                disk.uploads.values_mut().for_each(|line| line.push(at, None));
                disk.replaced.push(at);
            }
            Some(Loss::Image(from, to)) => self.save_image(from, to),
            Some(Loss::Zone(user)) => {
                let vault = VaultId::from(user);
                let stored = &self.evidence.remotes[Remote::Zone.index()];
                let rows = stored.rows.sorted().map(|(row, _)| row).filter(|row| row.0 == vault);
                for (_, id) in rows.collect::<Vec<_>>() {
                    self.remove_row(at, Remote::Zone, vault, id, None, false);
                }
            }
            None => {}
        }
    }

    /// A later start of `to` may be on what `from` holds durably now.
    fn save_image(&mut self, from: DeviceId, to: DeviceId) {
        self.state(to).image = current(&self.evidence.disk(from).records);
    }

    /// All that a device held, but for what it holds from a moment on, is gone from there. That is certain at a later
    /// one: a remote may lose the same while a wipe is on its way to the disk.
    pub(super) fn destroy_device(
        &mut self,
        (moment, at): (usize, usize),
        device: DeviceId,
        keeps: &Table<RecordId, Copy>,
    ) {
        let vault = self.evidence.vault(device);
        let held = current(&self.evidence.disk(device).records);
        for (id, copy) in held.sorted() {
            let rest = keeps.get(id).cloned().unwrap_or_default();
            let disk = &mut self.evidence.disks[usize::from(device.0)];
            disk.records.or_default(id).push(moment, rest);
            self.destroy(at, vault, id, &copy.made_from);
        }
    }

    /// One place lost these cells. What no other holds need not be there at the end.
    pub(super) fn destroy(&mut self, at: usize, vault: VaultId, id: RecordId, lost: &Set) {
        let Some(record_key) = self.evidence.writes.record_key(vault, id) else { return };
        let mut rest = Set::default();
        for (disk, user) in self.evidence.disks.iter().zip(&self.evidence.context.devices) {
            let copy = disk.records.get(id).and_then(Timeline::last);
            if let (Some(copy), true) = (copy, VaultId::from(*user) == vault) {
                rest.union(&copy.made_from);
            }
        }
        for stored in &self.evidence.remotes {
            if let Some(row) = stored.versions(vault, id).last() {
                rest.union(&row.made_from);
            }
        }
        let gone: Vec<u32> = lost.beyond(&rest).collect();
        for cell in gone {
            let write = self.evidence.writes.records[record_key].cells[cell as usize].write;
            let Write { asked, destroyed, .. } = self.evidence.writes.all[write];
            let destroys = |fault: &Fault| destroys(&self.evidence.history[at], vault, fault);
            let cause = || last_fault(&self.evidence.faults, (asked, at), destroys);
            self.evidence.writes.all[write].destroyed = destroyed.or_else(cause);
            self.has_destroyed = true;
        }
    }

    /// A place has these cells, for the first time or again.
    pub(super) fn is_there(&mut self, record_key: usize, cells: &Set) {
        if !self.has_destroyed {
            return; // As in most runs.
        }
        for cell in cells.iter() {
            let write = self.evidence.writes.records[record_key].cells[cell as usize].write;
            self.evidence.writes.all[write].destroyed = None;
        }
    }
}

/// Can a place have lost what is a user's by this fault, when this fact says that it has it no more? A sign-out
/// destroys nothing, but for what a remote has lost meanwhile.
fn destroys(told: &Entry, vault: VaultId, fault: &Fault) -> bool {
    match (&told.fact, told.node) {
        (Fact::Faulted(it), _) => it == fault,
        (Fact::Started { boot: Boot::Restored, .. }, Node::Device(device)) => {
            matches!(fault, Fault::RestoreImage(it) if it.device == device)
        }
        (_, Node::Remote(remote)) => {
            matches!(fault, Fault::RestoreRemote(it) if it.remote == remote)
        }
        (_, Node::Device(_)) => {
            matches!(fault, Fault::EndZone(it) if VaultId::from(it.user) == vault)
                || matches!(fault, Fault::RestoreRemote(_))
        }
        (_, Node::World | Node::Worker(_) | Node::Processor(_) | Node::Volume | Node::Intruder) => {
            false
        }
    }
}
