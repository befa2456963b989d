//! What known bugs do, where one expression at the decision point is not enough. None of this is in a
//! build without the feature `flaws`.

use std::collections::BTreeMap;

use super::ask::{Answer, FileAnswer, FileTarget};
use super::core::Core;
use super::errand::{Errand, Then, Wanted};
use super::file::{FileErrand, FileTask, aim, last_place, read_file, save};
use super::flawed::Private;
use super::store::Mirror;
use crate::flaw::Flaw;
use crate::id::{Dot, FieldId, RecordId, Remote};
use crate::message::{Action, FileRefusal, Refusal, Reply, Shown};
use crate::record::{Cell, Encoded, Record};
use crate::remote::Served;
use crate::time::Hlc;
use crate::view::{View, first_to_arrive};

impl Core {
    #[track_caller]
    pub(super) fn begin_private_snapshots(&mut self) {
        let snapshot = |replace| Private { records: self.store.records().clone(), replace };
        self.flawed.private = if self.has(Flaw::DeepSync001) {
            [Some(snapshot(true)), Some(snapshot(true))]
        } else if self.has(Flaw::DeepSync001b) {
            [None, Some(snapshot(false))]
        } else {
            [None, None]
        };
    }

    #[track_caller]
    pub(super) fn write_back_snapshot(&mut self, remote: Remote) {
        if !self.has(Flaw::DeepSync001) && !self.has(Flaw::DeepSync001b) {
            return;
        }
        let Some(private) = self.flawed.private[remote.index()].take() else { return };
        let records = self.store.records().keys();
        let gone: Vec<_> =
            records.filter(|id| !private.records.contains_key(id)).copied().collect();
        gone.into_iter().for_each(|id| self.store.drop_record(id));
        for (id, record) in private.records {
            self.store.set_record(id, record);
        }
    }

    /// DEEP-SYNC-002c: does the row count as failed for good?
    #[track_caller]
    pub(super) fn flawed_gives_up(&mut self, remote: Remote, id: RecordId) -> bool {
        if !self.has(Flaw::DeepSync002c) {
            return false;
        }
        let tries = self.flawed.sealed_tries.entry((remote, id)).or_default();
        *tries += 1;
        *tries >= 3
    }

    #[track_caller]
    pub(super) fn look_for_unsent(&mut self, remote: Remote) {
        let unsent = self.has(Flaw::DeepSync003b).then(|| self.store.side(remote).unsent().clone());
        self.flawed.unsent_before[remote.index()] = unsent;
    }

    /// SEAL-OVERWRITE and FB-12: which rows are saved.
    #[track_caller]
    pub(super) fn choose_rows(
        &self,
        remote: Remote,
        mut ids: Vec<RecordId>,
        limit: usize,
    ) -> Vec<RecordId> {
        if self.has(Flaw::SealOverwrite) {
            let side = self.store.side(remote);
            let edited = |id: &&RecordId| {
                let (mirrored, parked) = (side.mirrored(**id), side.parked().get(id));
                let local = self.store.record(**id);
                local.is_some_and(|it| mirrored != Some(it) && parked != Some(it.bytes()))
            };
            ids.extend(side.sealed().keys().filter(edited));
        }
        if let Some(blocker) = self.flawed.blocker.filter(|blocker| ids.contains(blocker)) {
            ids = vec![blocker];
        }
        ids.truncate(limit);
        ids
    }

    /// CV-STRATEGY-ORDER: the view that depends on who looks.
    #[track_caller]
    pub(super) fn view_by_arrival(&self, cells: &[Cell]) -> Option<View> {
        let own = self.store.meta().replica;
        self.has(Flaw::CvStrategyOrder).then(|| first_to_arrive(own, cells))
    }

    /// FB-25: takes over the version vector and the tag, and leaves the content to the next pull.
    pub(super) fn inflate(&mut self, remote: Remote, id: RecordId, served: &Served) -> bool {
        let row = &served.row;
        let Ok(theirs) = self.store.keyring().open(row.vault, row.id, &row.blob) else {
            return false;
        };
        let mut ours = self.store.state(id);
        ours.see(theirs.record());
        self.store.set_record(id, Encoded::new(ours));
        let mirror = Mirror { tag: served.tag, state: None };
        self.store.side_mut(remote).set_mirror(id, mirror);
        true
    }

    /// FB-06: clears the local copy.
    pub(super) fn forget_records(&mut self) {
        let ids: Vec<_> = self.store.records().keys().copied().collect();
        ids.into_iter().for_each(|id| self.forget_record(id));
    }

    fn forget_record(&mut self, id: RecordId) {
        Remote::ALL.into_iter().for_each(|side| self.store.side_mut(side).drop_mirror(id));
        self.store.drop_record(id);
    }

    /// FB-21 and AUTH-RESTORE-RACE: what a listing lacks is taken for deleted.
    #[track_caller]
    pub(super) fn believe_missing(&mut self, id: RecordId) {
        if self.has(Flaw::Fb21) {
            let handle = self.store.state(id).handle();
            self.erase(id, &handle);
        }
        if self.has(Flaw::AuthRestoreRace) && self.is_at_login() {
            self.forget_record(id);
        }
    }

    /// FB-03: forgets deleted records after a while, here and on the remotes.
    pub(super) fn collect_tombstones(&mut self) {
        let age = self.boot.timing.pull_every.0.saturating_mul(4);
        let old = |record: &Record| {
            let headstone = record.field(FieldId::HEADSTONE).iter().map(|cell| cell.hlc.wall).max();
            !record.is_live() && headstone.is_some_and(|wall| wall + age < self.now.wall.0)
        };
        let records = self.store.records().iter();
        let ids: Vec<_> =
            records.filter(|(_, encoded)| old(encoded.record())).map(|(id, _)| *id).collect();
        for id in ids {
            self.store.drop_record(id);
            for remote in self.boot.remotes.clone() {
                self.store.side_mut(remote).drop_mirror(id);
                self.flawed.removals[remote.index()].insert(id);
            }
        }
    }

    /// FB-09: notes a conflict that was not there before.
    #[track_caller]
    pub(super) fn note_conflict(&mut self, shown: &Shown) {
        let before = self.store.files().node(shown.id).map_or(0, |before| before.heads.len());
        if self.has(Flaw::Fb09) && shown.heads.len() > before.max(1) {
            self.flawed.to_copy.insert(shown.id);
        }
    }

    /// FB-09: reads a file in conflict.
    pub(super) fn next_copy(&mut self) -> Option<FileErrand> {
        let node = self.flawed.to_copy.first().copied()?;
        let errand = read_file(self, node).ok();
        if errand.is_none() {
            self.flawed.to_copy.remove(&node);
        }
        errand
    }

    /// FB-09: makes a file of every head but the first, named from this device and its clock.
    pub(super) fn copy_losers(&mut self, answer: Answer) {
        let Some(node) = self.flawed.to_copy.pop_first() else { return };
        let Answer::File(FileAnswer::Content(heads)) = answer else { return };
        let (parent, name) = last_place(self, node);
        for content in heads.into_iter().skip(1).filter_map(|(_, content)| content.ok()) {
            let (device, wall) = (self.boot.device.0, self.now.wall.0);
            let name = format!("{name} (conflict {device}-{wall})");
            let target = FileTarget::New { parent, name };
            if let Ok(new) = aim(self, &target) {
                save(self, new, target, content);
            }
        }
    }
}

/// CV-DELETE-NILERR: is this a delete that was refused, for what the bug takes for no reason?
pub(super) fn has_no_cause(errand: &Errand, answer: &Result<Reply, Refusal>) -> bool {
    let refused = matches!(
        answer,
        Err(Refusal::Internal | Refusal::File(FileRefusal::NoNode | FileRefusal::Deleted))
    );
    refused && matches!(errand.then, Then::File(FileTask::Deleted(_)))
}

/// CV-DELETE-NILERR: the answer to an errand that waits behind such a delete.
pub(super) fn taken_for_done(errand: &Errand) -> Option<Answer> {
    match (&errand.wanted, &errand.then) {
        (Wanted::Act(Action::Patch(_)), _) => Some(Answer::Patched),
        (_, Then::File(FileTask::Tree(made))) => {
            Some(Answer::File(made.map_or(FileAnswer::Done, FileAnswer::Created)))
        }
        (_, Then::File(FileTask::Deleted(_))) => Some(Answer::File(FileAnswer::Done)),
        (_, _) => None,
    }
}

/// FB-01: of the siblings of a field only the latest stays.
pub(super) fn latest_wins(record: &mut Record) {
    let latest: BTreeMap<FieldId, (Hlc, Dot)> = record
        .fields()
        .filter_map(|(field, cells)| Some((field, cells.iter().map(|c| (c.hlc, c.dot)).max()?)))
        .collect();
    record.retain(|field, cell| latest.get(&field) == Some(&(cell.hlc, cell.dot)));
}
