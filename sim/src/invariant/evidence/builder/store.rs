//! What devices store: commits handed to a disk, made durable, or lost, and what each copy was made
//! from.

use std::sync::Arc;

use engine::id::{DeviceId, FieldId, RecordId, Remote, Token};
use engine::remote::Ending;

use super::super::{Copy, CopyChange, CursorAdvance, Disk, MirrorEntry};
use super::{Commit, EvidenceBuilder, current};
use crate::history::table::Table;
use crate::history::{Boot, Change, Contents, WriteKind};
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::writes::Draft;

/// What a commit does to a record of its device.
#[derive(Debug, Default)]
struct Joins {
    /// What it puts there, if it puts anything.
    put: Option<Option<Arc<Contents>>>,
    /// What the rows that it records were made from.
    made_from: Set,
    /// Is that not known for certain?
    is_unclear: bool,
}

/// The records that a commit is about, in order.
#[derive(Debug, Default)]
struct Touched(Vec<(RecordId, Joins)>);

impl Touched {
    fn record(&mut self, id: RecordId) -> &mut Joins {
        let place = self.0.binary_search_by_key(&id, |touched| touched.0).unwrap_or_else(|place| {
            self.0.insert(place, (id, Joins::default()));
            place
        });
        &mut self.0[place].1
    }
}

impl EvidenceBuilder<'_> {
    pub(crate) fn persisted(
        &mut self,
        at: usize,
        device: DeviceId,
        number: u32,
        changes: &[Change],
    ) {
        let mut commit = Commit { number, at, ..Commit::default() };
        let mut touched = Touched::default();
        for change in changes {
            match change {
                Change::Record(id, contents) => {
                    touched.record(*id).put = Some(contents.clone());
                    commit.wipe |= contents.is_none();
                }
                Change::Mirror(remote, id, mirrored) => {
                    self.mirrored(at, device, *remote, *id, mirrored, &mut touched);
                    commit.mirrors.push(((*remote, *id), mirrored.clone()));
                }
                Change::Sealed(remote, id, entry) => {
                    commit.sealed.push(((*remote, *id), entry.map(|(tag, _)| tag)));
                }
                Change::Cursor(remote, cursor) => commit.cursors.push((*remote, *cursor)),
                Change::Node(..) | Change::Upload(..) | Change::Feed(_) => {
                    commit.files.push(change.clone());
                }
                Change::Parked(..) | Change::Key(_) | Change::Meta => {}
            }
        }
        commit.wipe &= self.state(device).signing_out;
        for (id, joins) in touched.0 {
            self.change_copy(device, id, joins, &mut commit);
        }
        self.state(device).pending.push_back(commit);
    }

    /// Notes a recorded row. It joins the device's copy; a zone mirror dropped because the user
    /// purged the zone is a delete of what that mirror held.
    fn mirrored(
        &mut self,
        at: usize,
        device: DeviceId,
        remote: Remote,
        id: RecordId,
        mirrored: &MirrorEntry,
        touched: &mut Touched,
    ) {
        let vault = self.evidence.vault(device);
        let state = &mut self.states[usize::from(device.0)];
        let Some((tag, contents)) = mirrored else {
            let dropped = state.mirrors.get_mut((remote, id)).and_then(Option::take);
            // Of a damaged row only the tag is known; what stood there is what is here.
            let local = || state.records.get(id).and_then(|copy| copy.contents.clone());
            let held = dropped.and_then(|(_, held)| held.or_else(local));
            if let (Some(held), Some(Ending::Purged), Remote::Zone) =
                (held, state.zone_ended, remote)
            {
                let cell = self.purge(at, device, id, &held);
                touched.record(id).made_from.insert(cell);
            }
            return;
        };
        state.mirrors.insert((remote, id), mirrored.clone());
        let Some(contents) = contents else { return };
        let record_key = self.evidence.writes.ensure_key(vault, id);
        let joins = touched.record(id);
        match self.evidence.remotes[remote.index()].tagged(vault, id, *tag) {
            Some(version) if version.contents.as_ref() == Some(contents) => {
                joins.made_from.union(&version.made_from);
                joins.is_unclear |= !version.certain;
            }
            Some(_) | None => {
                joins.is_unclear = true;
                let writes = &self.evidence.writes;
                writes.whole(record_key, writes.cells(record_key, contents), &mut joins.made_from);
            }
        }
    }

    fn purge(&mut self, at: usize, device: DeviceId, id: RecordId, held: &Contents) -> u32 {
        let vault = self.evidence.vault(device);
        let writes = &mut self.evidence.writes;
        let record_key = writes.ensure_key(vault, id);
        let seen: Vec<u32> = writes.cells(record_key, held).collect();
        let delete = writes.register(&Draft {
            token: Token::NONE,
            asked: at,
            device: Some(device),
            vault,
            id,
            kind: WriteKind::Delete,
            fields: &[FieldId::HEADSTONE],
            seen: &seen,
            clears: true,
        });
        writes.all[delete].cells[0].1
    }

    fn change_copy(&mut self, device: DeviceId, id: RecordId, joins: Joins, commit: &mut Commit) {
        let vault = self.evidence.vault(device);
        let record_key = self.evidence.writes.ensure_key(vault, id);
        let old = self.states[usize::from(device.0)].records.get(id).cloned();
        let old = old.unwrap_or_else(|| Copy { certain: true, ..Copy::default() });
        let copy = if commit.wipe {
            Copy { certain: true, ..Copy::default() }
        } else {
            let shown = joins.put.as_ref().and_then(Option::as_deref);
            let made_from = self.extended(record_key, &old.made_from, &joins.made_from, shown);
            self.note_own(device, record_key, &old.made_from, &made_from, commit);
            let contents = joins.put.unwrap_or_else(|| old.contents.clone());
            Copy { contents, made_from, certain: old.certain && !joins.is_unclear }
        };
        let (at, before, wipe) = (commit.at, old.contents, commit.wipe);
        self.evidence.copy_changes.push(CopyChange {
            at,
            record_key,
            before,
            copy: copy.clone(),
            wipe,
        });
        self.state(device).records.insert(id, copy.clone());
        commit.records.push((id, copy));
    }

    /// Notes the device's own writes that a commit is the first to hold.
    fn note_own(
        &mut self,
        device: DeviceId,
        record_key: usize,
        before: &Set,
        after: &Set,
        commit: &mut Commit,
    ) {
        let writes = &mut self.evidence.writes;
        for cell in after.beyond(before) {
            let number = writes.records[record_key].cells[cell as usize].write;
            let write = &mut writes.all[number];
            if write.device == Some(device) && !commit.wrote.contains(&number) {
                write.stored.get_or_insert(commit.at);
                commit.wrote.push(number);
            }
        }
    }

    /// A copy is made of what it was, what joined it and what it shows now for the first time.
    fn extended(
        &self,
        record_key: usize,
        was: &Arc<Set>,
        joined: &Set,
        shown: Option<&Contents>,
    ) -> Arc<Set> {
        let writes = &self.evidence.writes;
        let shown = shown.into_iter().flat_map(|contents| writes.cells(record_key, contents));
        let mut shown = shown.filter(|cell| !was.has(*cell) && !joined.has(*cell)).peekable();
        if shown.peek().is_none() && was.includes(joined) {
            return was.clone();
        }
        let mut made_from = Set::clone(was);
        made_from.union(joined);
        writes.whole(record_key, shown, &mut made_from);
        Arc::new(made_from)
    }

    pub(crate) fn durable(&mut self, at: usize, device: DeviceId, upto: u32) {
        while let Some(commit) = self.state(device).pending.pop_front_if(|it| it.number <= upto) {
            self.settle(at, device, commit);
        }
    }

    fn settle(&mut self, at: usize, device: DeviceId, commit: Commit) {
        let moment = commit.at;
        if commit.wipe {
            self.destroy_device((moment, at), device, &Table::default());
            self.evidence.disks[usize::from(device.0)].replaced.push(moment);
        }
        for write in commit.wrote {
            self.evidence.writes.all[write].durable.get_or_insert(at);
        }
        for (id, copy) in commit.records {
            let record_key = self.evidence.writes.record_key(self.evidence.vault(device), id);
            record_key.into_iter().for_each(|key| self.is_there(key, &copy.made_from));
            let disk = &mut self.evidence.disks[usize::from(device.0)];
            disk.records.or_default(id).push(moment, copy);
        }
        let disk = &mut self.evidence.disks[usize::from(device.0)];
        for (key, mirrored) in commit.mirrors {
            disk.mirrors.or_default(key).push(moment, mirrored);
        }
        for (key, entry) in commit.sealed {
            disk.sealed.or_default(key).push(moment, entry);
        }
        for change in commit.files {
            disk.file(moment, at, change);
        }
        for (remote, cursor) in commit.cursors {
            self.evidence.advances.push(CursorAdvance { at: moment, device, remote, cursor });
        }
    }

    /// A crash: later commits are gone.
    pub(crate) fn cut(&mut self, at: usize, device: DeviceId, keeps: u32) {
        self.durable(at, device, keeps);
        let disk = &self.evidence.disks[usize::from(device.0)];
        let state = &mut self.states[usize::from(device.0)];
        state.pending.clear();
        state.signing_out = false;
        state.records = current(&disk.records);
        state.mirrors = current(&disk.mirrors);
    }

    pub(crate) fn started(
        &mut self,
        at: usize,
        device: DeviceId,
        boot: Boot,
        commit: u32,
        holds: &[Change],
    ) {
        let image = match boot {
            Boot::Restart => return self.cut(at, device, commit),
            Boot::First => Table::default(),
            // A device can be set back to one image more than once.
            Boot::Restored | Boot::Cloned(_) => self.state(device).image.clone(),
        };
        self.replace(at, device, &image, holds);
    }

    /// The whole store is another one now.
    fn replace(
        &mut self,
        at: usize,
        device: DeviceId,
        image: &Table<RecordId, Copy>,
        holds: &[Change],
    ) {
        let vault = self.evidence.vault(device);
        let mut commit = Commit { at, ..Commit::default() };
        for change in holds {
            match change {
                Change::Record(id, contents) => {
                    let record_key = self.evidence.writes.ensure_key(vault, *id);
                    let known = image.get(*id).filter(|copy| copy.contents == *contents);
                    let mut copy = known.cloned().unwrap_or_else(|| Copy {
                        contents: contents.clone(),
                        made_from: Arc::default(),
                        certain: image.is_empty(),
                    });
                    let shown = contents.as_deref();
                    let joined = Set::default();
                    copy.made_from = self.extended(record_key, &copy.made_from, &joined, shown);
                    commit.records.push((*id, copy));
                }
                Change::Mirror(remote, id, mirrored) => {
                    commit.mirrors.push(((*remote, *id), mirrored.clone()));
                }
                Change::Sealed(remote, id, entry) => {
                    commit.sealed.push(((*remote, *id), entry.map(|(tag, _)| tag)));
                }
                Change::Cursor(remote, cursor) => commit.cursors.push((*remote, *cursor)),
                Change::Node(..) | Change::Upload(..) | Change::Feed(_) => {
                    commit.files.push(change.clone());
                }
                Change::Parked(..) | Change::Key(_) | Change::Meta => {}
            }
        }
        self.destroy_device((at, at), device, &commit.records.iter().cloned().collect());
        let disk = &mut self.evidence.disks[usize::from(device.0)];
        disk.replaced.push(at);
        disk.records.values_mut().for_each(|line| line.push(at, Copy::default()));
        disk.mirrors.values_mut().for_each(|line| line.push(at, None));
        disk.sealed.values_mut().for_each(|line| line.push(at, None));
        disk.nodes.values_mut().for_each(|line| line.push(at, None));
        disk.uploads.values_mut().for_each(|line| line.push(at, None));
        disk.feed.push(at, None);
        for (remote, cursor) in Remote::ALL.map(|remote| (remote, None)) {
            self.evidence.advances.push(CursorAdvance { at, device, remote, cursor });
        }
        self.settle(at, device, commit);
        self.cut(at, device, 0);
    }
}

impl Disk {
    /// A sign-out that was asked for is answered. A commit that removes no record is not recognised
    /// as its wipe, so the answer is what shows that wipe.
    pub(crate) fn wiped(&mut self, asked: usize, answered: usize) {
        if self.replaced_before(answered) < asked {
            self.replaced.push(answered);
        }
    }

    /// Takes what a commit says of files, which was handed over at a moment and durable at another.
    fn file(&mut self, moment: usize, durable: usize, change: Change) {
        match change {
            Change::Node(id, seen) => self.nodes.entry(id).or_default().push(moment, seen),
            Change::Upload(dot, own) => {
                if let Some((token, _)) = own {
                    self.filed.or_insert_with(token, || durable);
                }
                self.uploads.entry(dot).or_default().push(moment, own);
            }
            Change::Feed(cursor) => self.feed.push(moment, cursor),
            Change::Record(..)
            | Change::Mirror(..)
            | Change::Sealed(..)
            | Change::Parked(..)
            | Change::Cursor(..)
            | Change::Key(_)
            | Change::Meta => {}
        }
    }
}
