//! What the judges share, gathered from the facts in one pass: the writes, what every device held
//! and holds durably, what every remote stored, and which faults were about.
//!
//! *Provenance* is the set of cells that a copy has been made from: own operations and the rows
//! joined, where a row stands for what its sender's copy was made from when its blob was first
//! sent. It is never reckoned from version vectors, so a bug that inflates those cannot excuse
//! itself. It only grows, but for what the world does to a disk.
//!
//! Moments are indices into the history. What is durable is told by commit, since every prefix of
//! the commits is a state that a crash could leave.

pub(super) mod files;
pub(super) mod lives;
mod memory;
mod scribe;
pub(super) mod server;
pub(super) mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{DeviceId, Dot, FieldId, NodeId, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::message::FeedCursor;
use engine::remote::{Cursor, Tag};
use engine::time::Time;

use self::lives::{Life, Lives};
use self::scribe::Scribe;
use self::server::Server;
use self::work::Work;
use super::session::Sessions;
use super::set::Set;
use super::writes::{Write, Writes};
use super::{Brief, Incurable};
use crate::history::table::Table;
use crate::history::{Contents, Entry, NodeSeen, Shown, Trouble};

/// What was so from a moment on, and what from the next.
#[derive(Clone, Debug)]
pub(super) struct Timeline<T>(Vec<(usize, T)>);

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Timeline<T> {
    /// What held right after a moment.
    pub(super) fn at(&self, moment: usize) -> Option<&T> {
        let after = self.0.partition_point(|(from, _)| *from <= moment);
        after.checked_sub(1).map(|at| &self.0[at].1)
    }

    pub(super) fn last(&self) -> Option<&T> {
        self.0.last().map(|(_, value)| value)
    }

    /// Everything that it has been, each with the moment from which it was so.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().map(|(from, value)| (*from, value))
    }

    pub(super) fn push(&mut self, moment: usize, value: T) {
        self.0.push((moment, value));
    }
}

impl<T> Timeline<Option<T>> {
    /// The moments at which something took the place of what had become so and so by then.
    pub(super) fn turns(
        &self,
        had_become: impl Fn(usize, &T) -> bool,
    ) -> impl Iterator<Item = usize> {
        self.0.windows(2).filter_map(move |pair| match (&pair[0].1, pair[1].0) {
            (Some(before), at) if had_become(at, before) => Some(at),
            (Some(_) | None, _) => None,
        })
    }
}

/// A device's copy of a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Copy {
    pub(super) contents: Option<Arc<Contents>>,
    /// The cells that it was made from.
    pub(super) made_from: Arc<Set>,
    /// Is `made_from` known for certain?
    pub(super) certain: bool,
}

/// What a device has booked about a row of a remote.
pub(super) type Booked = Option<(Tag, Option<Arc<Contents>>)>;

/// What a device holds durably, over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) records: Table<RecordId, Timeline<Copy>>,
    pub(super) mirrors: Table<(Remote, RecordId), Timeline<Booked>>,
    pub(super) sealed: Table<(Remote, RecordId), Timeline<Option<Tag>>>,
    /// What it has of the server's files.
    pub(super) nodes: BTreeMap<NodeId, Timeline<Option<Arc<NodeSeen>>>>,
    /// Its own writes of files that the feed has not shown yet.
    pub(super) uploads: BTreeMap<Dot, Timeline<Option<(Token, NodeId)>>>,
    /// When an own write of a file was first durable.
    pub(super) filed: Table<Token, usize>,
    /// How far it has read the feed of files.
    pub(super) feed: Timeline<Option<FeedCursor>>,
    /// When its store was replaced as a whole: installed, restored, cloned or wiped.
    pub(super) replaced: Vec<usize>,
}

impl Disk {
    /// When its store was last replaced before a moment.
    pub(super) fn replaced_before(&self, moment: usize) -> usize {
        let mut earlier = self.replaced.iter().rev().filter(|at| **at < moment);
        earlier.next().copied().unwrap_or(0)
    }

    /// Was its own copy of a record made from this write, at a moment?
    fn has(&self, id: RecordId, write: &Write, moment: usize) -> bool {
        let copy = self.records.get(id).and_then(|line| line.at(moment));
        copy.is_some_and(|copy| write.cells.iter().all(|(_, cell)| copy.made_from.has(*cell)))
    }

    /// Did it hold this own write of a file at a moment, and was that not in the feed yet?
    pub(super) fn has_upload(&self, token: Token, moment: usize) -> bool {
        let mut lines = self.uploads.values();
        lines.any(|line| line.at(moment).copied().flatten().is_some_and(|own| own.0 == token))
    }
}

/// One change of a device's copy of a record, as handed to its disk.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) at: usize,
    pub(super) topic: usize,
    pub(super) before: Option<Arc<Contents>>,
    pub(super) copy: Copy,
    /// Is it part of a sign-out?
    pub(super) wipe: bool,
}

/// A durable cursor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advance {
    pub(super) at: usize,
    pub(super) device: DeviceId,
    pub(super) remote: Remote,
    pub(super) cursor: Option<Cursor>,
}

/// A state of a row on a remote, until the next of that row.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) at: usize,
    pub(super) pos: u64,
    /// None once the row is gone.
    pub(super) tag: Option<Tag>,
    pub(super) contents: Option<Arc<Contents>>,
    pub(super) made_from: Arc<Set>,
    certain: bool,
}

/// All states of all rows of a remote.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    pub(super) rows: Table<(VaultId, RecordId), Vec<Version>>,
    /// Every commit by position: whose row, and when.
    pub(super) log: Vec<(u64, VaultId, RecordId)>,
}

impl Book {
    pub(super) fn versions(&self, vault: VaultId, id: RecordId) -> &[Version] {
        self.rows.get((vault, id)).map_or(&[], Vec::as_slice)
    }

    /// The row as it stood right after a moment.
    pub(super) fn row(&self, vault: VaultId, id: RecordId, moment: usize) -> Option<&Version> {
        let versions = self.versions(vault, id);
        let after = versions.partition_point(|version| version.at <= moment);
        after.checked_sub(1).map(|at| &versions[at]).filter(|version| version.tag.is_some())
    }

    /// Was the row there all the time between two moments, whatever its state?
    pub(super) fn stood(&self, vault: VaultId, id: RecordId, from: usize, to: usize) -> bool {
        self.row(vault, id, from).is_some()
            && self
                .versions(vault, id)
                .iter()
                .all(|version| version.tag.is_some() || !(from..=to).contains(&version.at))
    }

    /// The latest state under a tag.
    pub(super) fn tagged(&self, vault: VaultId, id: RecordId, tag: Tag) -> Option<&Version> {
        self.versions(vault, id).iter().rev().find(|version| version.tag == Some(tag))
    }
}

/// One request of a user.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) device: DeviceId,
    pub(super) asked: usize,
    pub(super) answered: Option<usize>,
}

/// Every request of every user to a device, in order.
#[derive(Debug, Default)]
pub(super) struct Ops {
    all: Vec<Op>,
    by_name: Table<(DeviceId, OpId), usize>,
}

impl Ops {
    fn ask(&mut self, device: DeviceId, op: OpId, asked: usize) {
        self.by_name.insert((device, op), self.all.len());
        self.all.push(Op { device, asked, answered: None });
    }

    /// Notes an answer, of which the first one counts.
    fn answer(&mut self, device: DeviceId, op: OpId, at: usize) -> Option<&Op> {
        let op = &mut self.all[*self.by_name.get((device, op))?];
        op.answered.get_or_insert(at);
        Some(op)
    }

    /// The request that an answer names.
    pub(super) fn named(&self, device: DeviceId, op: OpId) -> Option<&Op> {
        self.by_name.get((device, op)).map(|number| &self.all[*number])
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Op> {
        self.all.iter()
    }
}

/// A record as a user was shown it.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) at: usize,
    pub(super) device: DeviceId,
    pub(super) topic: usize,
    pub(super) shown: Arc<Shown>,
    pub(super) last: bool,
}

impl Look {
    /// Every token shown, with its field.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (FieldId, Token)> + '_ {
        tokens(&self.shown)
    }
}

/// Every token of a reading, with its field.
pub(super) fn tokens(shown: &Shown) -> impl Iterator<Item = (FieldId, Token)> + '_ {
    shown.fields.iter().flat_map(|(field, _, of, beside)| {
        of.iter().chain(beside).map(move |&token| (*field, token))
    })
}

/// A fault and how long it was about.
#[derive(Clone, Debug)]
pub(super) struct Spell {
    pub(super) trouble: Trouble,
    pub(super) from: usize,
    pub(super) to: Option<usize>,
}

impl Spell {
    /// Was it about at some moment of this interval?
    pub(super) fn overlaps(&self, from: usize, to: usize) -> bool {
        self.from <= to && self.to.is_none_or(|end| end >= from)
    }
}

/// All that the judges share.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) brief: &'a Brief,
    pub(super) history: &'a [Entry],
    /// The facts that are not of messages, by their moments: a third of all.
    pub(super) off_wire: Vec<(usize, &'a Entry)>,
    pub(super) writes: Writes,
    pub(super) steps: Vec<Step>,
    pub(super) advances: Vec<Advance>,
    pub(super) looks: Vec<Look>,
    pub(super) ops: Ops,
    pub(super) disks: Vec<Disk>,
    pub(super) books: [Book; 2],
    pub(super) spells: Vec<Spell>,
    pub(super) server: Server<'a>,
    /// What the volume held.
    pub(super) lives: Lives<'a>,
    pub(super) work: Work<'a>,
    pub(super) sessions: Sessions,
    found: [BTreeMap<(VaultId, RecordId), Found<'a>>; 2],
    /// When everything had settled, or was given up.
    pub(super) settled: Option<usize>,
}

impl<'a> Evidence<'a> {
    /// Hears the whole history.
    pub(super) fn gather(brief: &'a Brief, history: &'a [Entry]) -> Self {
        let mut scribe = Scribe::new(brief, history);
        scribe.note_given();
        for (at, entry) in history.iter().enumerate() {
            scribe.hear(at, entry);
        }
        scribe.evidence.server = Server::gather(&scribe.evidence);
        scribe.evidence.lives = Lives::of(&scribe.evidence);
        scribe.evidence.work = Work::gather(&scribe.evidence);
        scribe.evidence
    }

    /// Did a write of a file go with a volume that was set back: is it not in what came after, nor did
    /// one of `owing`, the disks of those who would have to publish it again, still have it?
    pub(super) fn went_with_the_volume(&self, by: usize, owing: &[Disk], token: Token) -> bool {
        // A device that is set back later on may publish it once more, in the same life.
        let had = |life: &Life<'_>| life.archive.published(token).any(|it| it.at <= by);
        let lost = self.lives.lost(by, had);
        lost.is_some_and(|lost| !owing.iter().any(|disk| disk.has_upload(token, lost)))
    }

    /// Does a device answer for a saved write, whose store was last replaced at `since`? It does if
    /// it saved the write after that, or if the write is in what took the place of its store, by any
    /// device. What a replacement destroyed is not in either.
    pub(super) fn answers_for(&self, device: DeviceId, write: &Write, since: usize) -> bool {
        let topic = &self.writes.topics[write.topic];
        let own = write.device == Some(device) && write.saved.is_some_and(|saved| saved > since);
        own || self.vault(device) == topic.vault && self.disk(device).has(topic.id, write, since)
    }

    pub(super) fn user(&self, device: DeviceId) -> UserId {
        self.brief.devices[usize::from(device.0)]
    }

    pub(super) fn vault(&self, device: DeviceId) -> VaultId {
        self.user(device).into()
    }

    pub(super) fn time(&self, at: usize) -> Time {
        self.history[at].at
    }

    pub(super) fn book(&self, remote: Remote) -> &Book {
        &self.books[remote.index()]
    }

    pub(super) fn disk(&self, device: DeviceId) -> &Disk {
        &self.disks[usize::from(device.0)]
    }

    /// Must this device agree with the others at the end?
    pub(super) fn is_core(&self, device: DeviceId) -> bool {
        !self.brief.incurable.iter().any(|incurable| {
            matches!(incurable, Incurable::Device(gone) | Incurable::Keyless(gone) if *gone == device)
        })
    }

    /// Is this row of any remote, or of this one, beyond cure?
    pub(super) fn is_incurable(
        &self,
        remote: Option<Remote>,
        vault: VaultId,
        id: RecordId,
    ) -> bool {
        self.brief.incurable.iter().any(|incurable| {
            matches!(incurable, Incurable::Row(at, whose, which)
                if *whose == vault && *which == id && remote.is_none_or(|remote| remote == *at))
        })
    }

    /// The final reads of devices that must agree.
    pub(super) fn last_looks(&self) -> impl Iterator<Item = &Look> {
        self.looks.iter().filter(|look| look.last && self.is_core(look.device))
    }

    /// What was found on a remote at the end, by vault and record.
    pub(super) fn found(&self, remote: Remote) -> &BTreeMap<(VaultId, RecordId), Found<'a>> {
        &self.found[remote.index()]
    }

    /// Does a device durably hold a row as it stood, or a later state of it: joined, or sealed?
    pub(super) fn holds(&self, device: DeviceId, row: &Row<'_>, moment: usize) -> Held {
        let disk = self.disk(device);
        let key = (row.remote, row.id);
        let reaches = |tag: Tag| {
            let book = self.book(row.remote);
            book.tagged(row.vault, row.id, tag).is_some_and(|seen| seen.at >= row.version.at)
        };
        let sealed = disk.sealed.get(key).and_then(|line| line.at(moment));
        if sealed.is_some_and(|entry| entry.is_some_and(reaches)) {
            return Held::Yes;
        }
        let mirror = disk.mirrors.get(key).and_then(|line| line.at(moment));
        match mirror {
            Some(Some((tag, contents))) if reaches(*tag) => {
                if contents.is_none() {
                    Held::Yes
                } else {
                    self.joined(device, row, moment)
                }
            }
            _ => Held::Unbooked,
        }
    }

    /// Does a device's durable copy show a row's cells, or newer ones in their place?
    pub(super) fn joined(&self, device: DeviceId, row: &Row<'_>, moment: usize) -> Held {
        let (Some(topic), Some(contents)) =
            (self.writes.topic(row.vault, row.id), &row.version.contents)
        else {
            return Held::Yes;
        };
        let copy = self.disk(device).records.get(row.id).and_then(|line| line.at(moment));
        let held = copy.and_then(|copy| copy.contents.as_ref());
        if held == Some(contents) {
            return Held::Yes;
        }
        let held = self.writes.held(topic, held.map(|held| &**held));
        let missing = self.writes.cells(topic, contents).find(|&cell| {
            // A purge's own headstone has no token to be found by.
            let purged = |copy: &Copy| self.writes.deleted_in(topic, cell, &copy.made_from);
            !self.writes.lives_on(topic, cell, &held) && !copy.is_some_and(purged)
        });
        missing.map_or(Held::Yes, Held::NotJoined)
    }
}

/// A row found on a remote at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) at: usize,
    pub(super) contents: Option<&'a Contents>,
    pub(super) values: &'a [(FieldId, engine::record::Value)],
}

/// A row of a remote as it stood at some moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) remote: Remote,
    pub(super) vault: VaultId,
    pub(super) id: RecordId,
    pub(super) version: &'a Version,
}

/// Does a device hold a row?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Joined or sealed.
    Yes,
    /// It knows of no such state.
    Unbooked,
    /// It has booked the row, but its copy lacks this cell.
    NotJoined(u32),
}
