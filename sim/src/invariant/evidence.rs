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

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{DeviceId, FieldId, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::remote::{CallId, Cursor, Ending, Tag};
use engine::time::Time;

use super::set::Set;
use super::writes::{Draft, Writes};
use super::{Brief, Incurable};
use crate::history::{
    Answered, Asked, BlobId, Boot, Change, Contents, Entry, Fact, Refused, Shown, Trouble,
    WriteKind,
};
use crate::plan::Node;

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
    pub(super) records: BTreeMap<RecordId, Timeline<Copy>>,
    pub(super) mirrors: BTreeMap<(Remote, RecordId), Timeline<Booked>>,
    pub(super) sealed: BTreeMap<(Remote, RecordId), Timeline<Option<Tag>>>,
    /// When its store was replaced as a whole: installed, restored, cloned or wiped.
    pub(super) replaced: Vec<usize>,
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
    pub(super) rows: BTreeMap<(VaultId, RecordId), Vec<Version>>,
    /// Every commit by position: whose row, and when.
    pub(super) log: Vec<(u64, VaultId, RecordId)>,
}

impl Book {
    pub(super) fn versions(&self, vault: VaultId, id: RecordId) -> &[Version] {
        self.rows.get(&(vault, id)).map_or(&[], Vec::as_slice)
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
    pub(super) writes: Writes,
    pub(super) steps: Vec<Step>,
    pub(super) advances: Vec<Advance>,
    pub(super) looks: Vec<Look>,
    pub(super) ops: Vec<Op>,
    pub(super) disks: Vec<Disk>,
    pub(super) books: [Book; 2],
    pub(super) spells: Vec<Spell>,
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
        scribe.evidence
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
    pub(super) fn found(&self, remote: Remote) -> BTreeMap<(VaultId, RecordId), Found<'a>> {
        let mut rows = BTreeMap::new();
        for (at, entry) in self.history.iter().enumerate() {
            if let (Node::Remote(node), Fact::Found { vault, id, contents, values }) =
                (entry.node, &entry.fact)
                && node == remote
            {
                rows.insert((*vault, *id), Found { at, contents: contents.as_deref(), values });
            }
        }
        rows
    }

    /// Does a device durably hold a row as it stood, or a later state of it: joined, or sealed?
    pub(super) fn holds(&self, device: DeviceId, row: &Row<'_>, moment: usize) -> Held {
        let disk = self.disk(device);
        let key = (row.remote, row.id);
        let reaches = |tag: Tag| {
            let book = self.book(row.remote);
            book.tagged(row.vault, row.id, tag).is_some_and(|seen| seen.at >= row.version.at)
        };
        let sealed = disk.sealed.get(&key).and_then(|line| line.at(moment));
        if sealed.is_some_and(|entry| entry.is_some_and(reaches)) {
            return Held::Yes;
        }
        let mirror = disk.mirrors.get(&key).and_then(|line| line.at(moment));
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
        let copy = self.disk(device).records.get(&row.id).and_then(|line| line.at(moment));
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

/// A commit handed to a disk and not known to be durable.
#[derive(Clone, Debug, Default)]
struct Commit {
    number: u32,
    at: usize,
    records: Vec<(RecordId, Copy)>,
    mirrors: Vec<((Remote, RecordId), Booked)>,
    sealed: Vec<((Remote, RecordId), Option<Tag>)>,
    cursors: Vec<(Remote, Option<Cursor>)>,
    /// The device's own writes in it.
    wrote: Vec<usize>,
    wipe: bool,
}

/// What a device holds, durable or not.
#[derive(Clone, Debug, Default)]
struct Desk {
    records: BTreeMap<RecordId, Copy>,
    mirrors: BTreeMap<(Remote, RecordId), Booked>,
    pending: Vec<Commit>,
    /// The durable copies when a backup was made.
    image: BTreeMap<RecordId, Copy>,
    /// How the zone ended, as this device was told.
    zone_ended: Option<Ending>,
    /// Its last request to the zone.
    asked_zone: Option<CallId>,
    signing_out: bool,
}

/// Gathers the evidence.
struct Scribe<'a> {
    evidence: Evidence<'a>,
    desks: Vec<Desk>,
    /// What the sender of a blob had made it from.
    sent: BTreeMap<BlobId, Copy>,
    open: BTreeMap<(DeviceId, OpId), usize>,
}

impl<'a> Scribe<'a> {
    fn new(brief: &'a Brief, history: &'a [Entry]) -> Self {
        Self {
            evidence: Evidence {
                brief,
                history,
                writes: Writes::default(),
                steps: Vec::new(),
                advances: Vec::new(),
                looks: Vec::new(),
                ops: Vec::new(),
                disks: vec![Disk::default(); brief.devices.len()],
                books: [Book::default(), Book::default()],
                spells: Vec::new(),
                settled: None,
            },
            desks: vec![Desk::default(); brief.devices.len()],
            sent: BTreeMap::new(),
            open: BTreeMap::new(),
        }
    }

    /// Given rows are on prepared devices before any remote is heard of.
    fn note_given(&mut self) {
        for (at, entry) in self.evidence.history.iter().enumerate() {
            if let Fact::Committed {
                vault, id, by: Node::World, contents: Some(contents), ..
            } = &entry.fact
            {
                self.note_given_row(at, *vault, *id, contents);
            }
        }
    }

    fn note_given_row(&mut self, at: usize, vault: VaultId, id: RecordId, contents: &Contents) {
        for &(_, token) in &contents.cells {
            if token == Token::NONE || self.evidence.writes.find(token).is_some() {
                continue;
            }
            let fields: Vec<_> =
                contents.cells.iter().filter(|cell| cell.1 == token).map(|cell| cell.0).collect();
            let kind =
                if fields == [FieldId::HEADSTONE] { WriteKind::Delete } else { WriteKind::Set };
            let device = None;
            let (seen, clears) = (&[][..], false);
            let draft =
                Draft { token, asked: at, device, vault, id, kind, fields: &fields, seen, clears };
            self.evidence.writes.register(&draft);
        }
    }

    fn hear(&mut self, at: usize, entry: &'a Entry) {
        match (&entry.fact, entry.node) {
            (Fact::Asked(op, asked), Node::Device(device)) => self.asked(at, device, *op, asked),
            (Fact::Answered(op, answer), Node::Device(device)) => {
                self.answered(at, device, *op, answer);
            }
            (Fact::Persisted { commit, changes, .. }, Node::Device(device)) => {
                self.persisted(at, device, *commit, changes);
            }
            (Fact::Durable(commit), Node::Device(device)) => self.durable(at, device, *commit),
            (Fact::PersistFailed(commit), Node::Device(device)) => {
                self.desk(device).pending.retain(|pending| pending.number < *commit);
            }
            (Fact::Started { boot, commit, holds, .. }, Node::Device(device)) => {
                self.started(at, device, *boot, *commit, holds);
            }
            (Fact::Killed { keeps, .. }, Node::Device(device)) => self.cut(at, device, *keeps),
            (Fact::Sent { rows, to, letter, .. }, Node::Device(device)) => {
                if *to == Node::Remote(Remote::Zone) {
                    self.desk(device).asked_zone = Some(letter.call);
                }
                self.sent(device, rows);
            }
            // An answer to a request that the device has given up is no answer.
            (
                Fact::Delivered { refused, from: Node::Remote(Remote::Zone), letter, .. },
                Node::Device(device),
            ) if self.desk(device).asked_zone == Some(letter.call) => {
                self.desk(device).zone_ended = match refused {
                    Some(Refused::ZoneNotFound(ending)) => Some(*ending),
                    Some(_) | None => None,
                };
            }
            (Fact::Committed { vault, id, pos, tag, blob, contents, .. }, Node::Remote(remote)) => {
                let version = self.version(at, *pos, *tag, *blob, *vault, *id, contents.as_ref());
                self.committed(remote, *vault, *id, version);
            }
            (Fact::Removed { vault, id, pos, by }, Node::Remote(remote)) => {
                let by_device = matches!(by, Node::Device(_));
                self.remove_row(at, remote, *vault, *id, Some(*pos), by_device);
            }
            (Fact::Faulted(trouble), _) => self.faulted(at, trouble),
            (Fact::Ended(trouble), _) => {
                let spells = &mut self.evidence.spells;
                let open = |spell: &&mut Spell| spell.to.is_none() && spell.trouble == *trouble;
                if let Some(spell) = spells.iter_mut().find(open) {
                    spell.to = Some(at);
                }
            }
            (Fact::Settled { .. }, _) => self.evidence.settled = Some(at),
            (
                Fact::Asked(..)
                | Fact::Answered(..)
                | Fact::Skipped(_)
                | Fact::Persisted { .. }
                | Fact::Durable(_)
                | Fact::PersistFailed(_)
                | Fact::Started { .. }
                | Fact::Killed { .. }
                | Fact::Sent { .. }
                | Fact::Delivered { .. }
                | Fact::Lost { .. }
                | Fact::Committed { .. }
                | Fact::Removed { .. }
                | Fact::Served { .. }
                | Fact::Declined(..)
                | Fact::Healed
                | Fact::Panicked(_)
                | Fact::Found { .. },
                _,
            ) => {}
        }
    }

    fn desk(&mut self, device: DeviceId) -> &mut Desk {
        &mut self.desks[usize::from(device.0)]
    }

    fn asked(&mut self, at: usize, device: DeviceId, op: OpId, asked: &Asked) {
        let ops = &mut self.evidence.ops;
        self.open.insert((device, op), ops.len());
        ops.push(Op { device, asked: at, answered: None });
        match asked {
            Asked::Write { id, token, set, kind, exposed, saw_deleted } => {
                let draft =
                    Asking { id: *id, token: *token, kind: *kind, exposed, saw: *saw_deleted };
                self.wrote(at, device, &draft, set.iter().map(|(field, _)| *field).collect());
            }
            Asked::SignOut => self.desk(device).signing_out = true,
            Asked::Read { .. }
            | Asked::List
            | Asked::SignIn
            | Asked::RotateKey
            | Asked::Register(..)
            | Asked::Sync
            | Asked::Status => {}
        }
    }

    fn wrote(&mut self, at: usize, device: DeviceId, ask: &Asking<'_>, mut fields: Vec<FieldId>) {
        let vault = self.evidence.vault(device);
        let topic = self.evidence.writes.topic_of(vault, ask.id);
        let writes = &self.evidence.writes;
        let mut seen: Vec<u32> = ask
            .exposed
            .iter()
            .filter_map(|&(field, token)| writes.cell(topic, field, token))
            .collect();
        let clears = ask.saw || ask.kind == WriteKind::Delete;
        seen.sort_unstable();
        seen.dedup();
        if ask.kind == WriteKind::Delete {
            fields = vec![FieldId::HEADSTONE];
        }
        let (token, id, kind, device) = (ask.token, ask.id, ask.kind, Some(device));
        let draft = Draft {
            token,
            asked: at,
            device,
            vault,
            id,
            kind,
            fields: &fields,
            seen: &seen,
            clears,
        };
        self.evidence.writes.register(&draft);
    }

    fn answered(&mut self, at: usize, device: DeviceId, op: OpId, answer: &Answered) {
        let Some(&number) = self.open.get(&(device, op)) else { return };
        let op = &mut self.evidence.ops[number];
        op.answered.get_or_insert(at);
        let Fact::Asked(_, asked) = &self.evidence.history[op.asked].fact else { return };
        match (asked, answer) {
            (Asked::Write { token, .. }, Answered::Saved) => {
                if let Some(write) = self.evidence.writes.find(*token) {
                    self.evidence.writes.all[write].saved.get_or_insert(at);
                }
            }
            (Asked::Write { token, .. }, Answered::Refused(_)) => {
                if let Some(write) = self.evidence.writes.find(*token) {
                    self.evidence.writes.all[write].refused.get_or_insert(at);
                }
            }
            (Asked::Read { last, .. }, Answered::Read(shown)) => {
                self.looked(at, device, shown, *last);
            }
            (Asked::SignOut, _) => self.desk(device).signing_out = false,
            _ => {}
        }
    }

    fn looked(&mut self, at: usize, device: DeviceId, shown: &Arc<Shown>, last: bool) {
        let vault = self.evidence.vault(device);
        let writes = &mut self.evidence.writes;
        let topic = writes.topic_of(vault, shown.id);
        for (_, token) in tokens(shown) {
            if let Some(write) = writes.find(token) {
                writes.all[write].shown.get_or_insert(at);
            }
        }
        self.evidence.looks.push(Look { at, device, topic, shown: shown.clone(), last });
    }

    fn persisted(&mut self, at: usize, device: DeviceId, number: u32, changes: &[Change]) {
        let mut commit = Commit { number, at, ..Commit::default() };
        let mut joined: BTreeMap<RecordId, (Set, bool)> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Record(id, contents) => {
                    joined.entry(*id).or_insert_with(|| (Set::default(), true));
                    commit.wipe |= contents.is_none();
                    commit
                        .records
                        .push((*id, Copy { contents: contents.clone(), ..Copy::default() }));
                }
                Change::Mirror(remote, id, booked) => {
                    self.booked(at, device, *remote, *id, booked, &mut joined);
                    commit.mirrors.push(((*remote, *id), booked.clone()));
                }
                Change::Sealed(remote, id, entry) => {
                    commit.sealed.push(((*remote, *id), entry.map(|(tag, _)| tag)));
                }
                Change::Cursor(remote, cursor) => commit.cursors.push((*remote, *cursor)),
                Change::Parked(..) | Change::Key(_) | Change::Meta => {}
            }
        }
        commit.wipe &= self.desk(device).signing_out;
        for (id, (made_from, certain)) in joined {
            self.step(device, id, &made_from, certain, &mut commit);
        }
        self.desk(device).pending.push(commit);
    }

    /// Notes a booked row. It joins the device's copy; a zone mirror dropped because the user
    /// purged the zone is a delete of what that mirror held.
    fn booked(
        &mut self,
        at: usize,
        device: DeviceId,
        remote: Remote,
        id: RecordId,
        booked: &Booked,
        joined: &mut BTreeMap<RecordId, (Set, bool)>,
    ) {
        let vault = self.evidence.vault(device);
        let desk = &mut self.desks[usize::from(device.0)];
        let Some((tag, contents)) = booked else {
            let dropped = desk.mirrors.remove(&(remote, id)).flatten();
            // Of a damaged row only the tag is known; what stood there is what is here.
            let local = || desk.records.get(&id).and_then(|copy| copy.contents.clone());
            let held = dropped.and_then(|(_, held)| held.or_else(local));
            if let (Some(held), Some(Ending::Purged), Remote::Zone) =
                (held, desk.zone_ended, remote)
            {
                let cell = self.purge(at, device, id, &held);
                let entry = joined.entry(id).or_insert_with(|| (Set::default(), true));
                entry.0.insert(cell);
            }
            return;
        };
        desk.mirrors.insert((remote, id), booked.clone());
        let Some(contents) = contents else { return };
        let topic = self.evidence.writes.topic_of(vault, id);
        let (made_from, certain) = joined.entry(id).or_insert_with(|| (Set::default(), true));
        match self.evidence.books[remote.index()].tagged(vault, id, *tag) {
            Some(version) if version.contents.as_ref() == Some(contents) => {
                made_from.union(&version.made_from);
                *certain &= version.certain;
            }
            Some(_) | None => *certain = false,
        }
        let writes = &self.evidence.writes;
        writes.whole(topic, writes.cells(topic, contents), made_from);
    }

    fn purge(&mut self, at: usize, device: DeviceId, id: RecordId, held: &Contents) -> u32 {
        let vault = self.evidence.vault(device);
        let writes = &mut self.evidence.writes;
        let topic = writes.topic_of(vault, id);
        let seen: Vec<u32> = writes.cells(topic, held).collect();
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

    fn step(
        &mut self,
        device: DeviceId,
        id: RecordId,
        joined: &Set,
        certain: bool,
        commit: &mut Commit,
    ) {
        let vault = self.evidence.vault(device);
        let topic = self.evidence.writes.topic_of(vault, id);
        let old = self.desks[usize::from(device.0)].records.get(&id).cloned();
        let old = old.unwrap_or_else(|| Copy { certain: true, ..Copy::default() });
        let place = commit.records.iter().position(|(record, _)| *record == id);
        let contents = match place {
            Some(place) => commit.records[place].1.contents.clone(),
            None => old.contents.clone(),
        };
        let mut copy = Copy { contents: None, made_from: Arc::default(), certain: true };
        if !commit.wipe {
            let made_from = old.made_from.clone();
            copy = Copy { contents, made_from, certain: old.certain && certain };
            self.extend(topic, joined, &mut copy);
            self.note_own(device, topic, &old.made_from, &copy.made_from, commit);
        }
        let (at, before, wipe) = (commit.at, old.contents, commit.wipe);
        self.evidence.steps.push(Step { at, topic, before, copy: copy.clone(), wipe });
        self.desk(device).records.insert(id, copy.clone());
        match place {
            Some(place) => commit.records[place].1 = copy,
            None => commit.records.push((id, copy)),
        }
    }

    /// Notes the device's own writes that a commit is the first to hold.
    fn note_own(
        &mut self,
        device: DeviceId,
        topic: usize,
        before: &Set,
        after: &Set,
        commit: &mut Commit,
    ) {
        let writes = &mut self.evidence.writes;
        for cell in after.beyond(before) {
            let number = writes.topics[topic].cells[cell as usize].write;
            let write = &mut writes.all[number];
            if write.device == Some(device) && !commit.wrote.contains(&number) {
                write.stored.get_or_insert(commit.at);
                commit.wrote.push(number);
            }
        }
    }

    /// A copy is made of what it was, what joined it and what it shows.
    fn extend(&self, topic: usize, joined: &Set, copy: &mut Copy) {
        let writes = &self.evidence.writes;
        let shown = copy.contents.iter().flat_map(|contents| writes.cells(topic, contents));
        let is_new = |cell: &u32| !copy.made_from.has(*cell) && !joined.has(*cell);
        let shown: Vec<u32> = shown.filter(is_new).collect();
        if shown.is_empty() && copy.made_from.includes(joined) {
            return;
        }
        let mut made_from = Set::clone(&copy.made_from);
        made_from.union(joined);
        writes.whole(topic, shown.into_iter(), &mut made_from);
        copy.made_from = Arc::new(made_from);
    }

    fn durable(&mut self, at: usize, device: DeviceId, upto: u32) {
        let pending = &mut self.desk(device).pending;
        let count = pending.partition_point(|commit| commit.number <= upto);
        let commits: Vec<Commit> = pending.drain(..count).collect();
        for commit in commits {
            self.settle(at, device, commit);
        }
    }

    fn settle(&mut self, at: usize, device: DeviceId, commit: Commit) {
        let moment = commit.at;
        if commit.wipe {
            self.destroy_device(moment, device, &BTreeMap::new());
            self.evidence.disks[usize::from(device.0)].replaced.push(moment);
        }
        for write in commit.wrote {
            self.evidence.writes.all[write].durable.get_or_insert(at);
        }
        let disk = &mut self.evidence.disks[usize::from(device.0)];
        for (id, copy) in commit.records {
            disk.records.entry(id).or_default().push(moment, copy);
        }
        for (key, booked) in commit.mirrors {
            disk.mirrors.entry(key).or_default().push(moment, booked);
        }
        for (key, entry) in commit.sealed {
            disk.sealed.entry(key).or_default().push(moment, entry);
        }
        for (remote, cursor) in commit.cursors {
            self.evidence.advances.push(Advance { at: moment, device, remote, cursor });
        }
    }

    /// A crash: later commits are gone.
    fn cut(&mut self, at: usize, device: DeviceId, keeps: u32) {
        self.durable(at, device, keeps);
        let disk = &self.evidence.disks[usize::from(device.0)];
        let desk = &mut self.desks[usize::from(device.0)];
        desk.pending.clear();
        desk.signing_out = false;
        desk.records = current(&disk.records);
        desk.mirrors = disk
            .mirrors
            .iter()
            .filter_map(|(key, line)| Some((*key, line.last()?.clone())))
            .collect();
    }

    fn started(&mut self, at: usize, device: DeviceId, boot: Boot, commit: u32, holds: &[Change]) {
        let image = match boot {
            Boot::Restart => return self.cut(at, device, commit),
            Boot::First => BTreeMap::new(),
            Boot::Restored => std::mem::take(&mut self.desk(device).image),
            Boot::Cloned(from) => current(&self.evidence.disk(from).records),
        };
        self.replace(at, device, &image, holds);
    }

    /// The whole store is another one now.
    fn replace(
        &mut self,
        at: usize,
        device: DeviceId,
        image: &BTreeMap<RecordId, Copy>,
        holds: &[Change],
    ) {
        let vault = self.evidence.vault(device);
        let mut commit = Commit { at, ..Commit::default() };
        for change in holds {
            match change {
                Change::Record(id, contents) => {
                    let topic = self.evidence.writes.topic_of(vault, *id);
                    let known = image.get(id).filter(|copy| copy.contents == *contents);
                    let mut copy = known.cloned().unwrap_or_else(|| Copy {
                        contents: contents.clone(),
                        made_from: Arc::default(),
                        certain: image.is_empty(),
                    });
                    self.extend(topic, &Set::default(), &mut copy);
                    commit.records.push((*id, copy));
                }
                Change::Mirror(remote, id, booked) => {
                    commit.mirrors.push(((*remote, *id), booked.clone()));
                }
                Change::Sealed(remote, id, entry) => {
                    commit.sealed.push(((*remote, *id), entry.map(|(tag, _)| tag)));
                }
                Change::Cursor(remote, cursor) => commit.cursors.push((*remote, *cursor)),
                Change::Parked(..) | Change::Key(_) | Change::Meta => {}
            }
        }
        self.destroy_device(at, device, &commit.records.iter().cloned().collect());
        let disk = &mut self.evidence.disks[usize::from(device.0)];
        disk.replaced.push(at);
        disk.records.values_mut().for_each(|line| line.push(at, Copy::default()));
        disk.mirrors.values_mut().for_each(|line| line.push(at, None));
        disk.sealed.values_mut().for_each(|line| line.push(at, None));
        for (remote, cursor) in Remote::ALL.map(|remote| (remote, None)) {
            self.evidence.advances.push(Advance { at, device, remote, cursor });
        }
        self.settle(at, device, commit);
        self.cut(at, device, 0);
    }

    fn sent(&mut self, device: DeviceId, rows: &[(RecordId, BlobId)]) {
        let desk = &self.desks[usize::from(device.0)];
        for (id, blob) in rows {
            if let Some(copy) = desk.records.get(id) {
                self.sent.entry(*blob).or_insert_with(|| copy.clone());
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "these are the fields of one fact")]
    fn version(
        &self,
        at: usize,
        pos: u64,
        tag: Tag,
        blob: BlobId,
        vault: VaultId,
        id: RecordId,
        contents: Option<&Arc<Contents>>,
    ) -> Version {
        let writes = &self.evidence.writes;
        let sender = self.sent.get(&blob).filter(|copy| copy.contents.as_ref() == contents);
        let given =
            matches!(&self.evidence.history[at].fact, Fact::Committed { by: Node::World, .. });
        let certain = sender.map_or(given, |copy| copy.certain);
        let mut made_from = sender.map(|copy| Set::clone(&copy.made_from)).unwrap_or_default();
        if let (Some(topic), Some(contents)) = (writes.topic(vault, id), contents) {
            writes.whole(topic, writes.cells(topic, contents), &mut made_from);
        }
        let (tag, made_from, contents) = (Some(tag), Arc::new(made_from), contents.cloned());
        Version { at, pos, tag, contents, made_from, certain }
    }

    fn committed(&mut self, remote: Remote, vault: VaultId, id: RecordId, version: Version) {
        let topic = self.evidence.writes.topic_of(vault, id);
        let book = &mut self.evidence.books[remote.index()];
        let versions = book.rows.entry((vault, id)).or_default();
        let before = versions.last().map(|old| old.made_from.clone()).unwrap_or_default();
        let writes = &mut self.evidence.writes;
        for cell in version.made_from.beyond(&before) {
            let write = writes.topics[topic].cells[cell as usize].write;
            writes.all[write].accepted[remote.index()].get_or_insert(version.at);
            writes.all[write].stored.get_or_insert(version.at);
        }
        let place = book.log.partition_point(|entry| entry.0 <= version.pos);
        book.log.insert(place, (version.pos, vault, id));
        versions.push(version);
    }

    fn remove_row(
        &mut self,
        at: usize,
        remote: Remote,
        vault: VaultId,
        id: RecordId,
        pos: Option<u64>,
        by_device: bool,
    ) {
        let book = &mut self.evidence.books[remote.index()];
        let Some(versions) = book.rows.get_mut(&(vault, id)) else { return };
        let Some(last) = versions.last().filter(|last| last.tag.is_some()).cloned() else { return };
        let pos = pos.unwrap_or(last.pos);
        let made_from = if by_device { last.made_from.clone() } else { Arc::default() };
        versions.push(Version { at, pos, tag: None, contents: None, made_from, certain: true });
        if !by_device {
            self.destroy(at, vault, id, &last.made_from);
        }
    }

    fn faulted(&mut self, at: usize, trouble: &Trouble) {
        let from = at;
        self.evidence.spells.push(Spell { trouble: trouble.clone(), from, to: None });
        match trouble {
            Trouble::Destroy(device) => {
                self.destroy_device(at, *device, &BTreeMap::new());
                let disk = &mut self.evidence.disks[usize::from(device.0)];
                disk.records.values_mut().for_each(|line| line.push(at, Copy::default()));
                disk.replaced.push(at);
            }
            Trouble::SaveImage(device) => {
                self.desk(*device).image = current(&self.evidence.disk(*device).records);
            }
            Trouble::EndZone(vault, _) => {
                let book = &self.evidence.books[Remote::Zone.index()];
                let rows: Vec<RecordId> =
                    book.rows.keys().filter(|key| key.0 == *vault).map(|key| key.1).collect();
                for id in rows {
                    self.remove_row(at, Remote::Zone, *vault, id, None, false);
                }
            }
            Trouble::CorruptRow(remote, vault, id, None) => {
                let book = &mut self.evidence.books[remote.index()];
                let row =
                    book.rows.get_mut(&(*vault, *id)).and_then(|versions| versions.last_mut());
                if let Some(row) = row {
                    let made_from = row.made_from.clone();
                    self.destroy(at, *vault, *id, &made_from);
                }
            }
            Trouble::Cut(..)
            | Trouble::Offline(_)
            | Trouble::SlowLink(..)
            | Trouble::LoseReplies(_)
            | Trouble::LoseHints(_)
            | Trouble::Crash(_)
            | Trouble::Pause(_)
            | Trouble::RestoreImage(_)
            | Trouble::Clone(..)
            | Trouble::ClockJump(..)
            | Trouble::DiskFull(_)
            | Trouble::DiskSlow(_)
            | Trouble::HoldKeys(_)
            | Trouble::ExpireCredential(_)
            | Trouble::Outage(_)
            | Trouble::Throttle(..)
            | Trouble::ExpireCursors(_)
            | Trouble::HideRow(..)
            | Trouble::CorruptRow(..)
            | Trouble::RejectRow(..)
            | Trouble::DropPolicy
            | Trouble::SlowCommits
            | Trouble::Intrude(..) => {}
        }
    }

    /// All that a device held, but for what it holds from now on, is gone from there.
    fn destroy_device(&mut self, at: usize, device: DeviceId, keeps: &BTreeMap<RecordId, Copy>) {
        let vault = self.evidence.vault(device);
        let held = current(&self.evidence.disk(device).records);
        for (id, copy) in held {
            let rest = keeps.get(&id).cloned().unwrap_or_default();
            let disk = &mut self.evidence.disks[usize::from(device.0)];
            disk.records.entry(id).or_default().push(at, rest);
            self.destroy(at, vault, id, &copy.made_from);
        }
    }

    /// One place lost these cells. What no other holds need not be there at the end.
    fn destroy(&mut self, at: usize, vault: VaultId, id: RecordId, lost: &Set) {
        let Some(topic) = self.evidence.writes.topic(vault, id) else { return };
        let mut rest = Set::default();
        for (disk, user) in self.evidence.disks.iter().zip(&self.evidence.brief.devices) {
            let copy = disk.records.get(&id).and_then(Timeline::last);
            if let (Some(copy), true) = (copy, VaultId::from(*user) == vault) {
                rest.union(&copy.made_from);
            }
        }
        for book in &self.evidence.books {
            if let Some(row) = book.versions(vault, id).last() {
                rest.union(&row.made_from);
            }
        }
        let gone: Vec<u32> = lost.beyond(&rest).collect();
        for cell in gone {
            let write = self.evidence.writes.topics[topic].cells[cell as usize].write;
            self.evidence.writes.all[write].destroyed.get_or_insert(at);
        }
    }
}

/// A write as asked for.
struct Asking<'a> {
    id: RecordId,
    token: Token,
    kind: WriteKind,
    exposed: &'a [(FieldId, Token)],
    saw: bool,
}

fn current(lines: &BTreeMap<RecordId, Timeline<Copy>>) -> BTreeMap<RecordId, Copy> {
    lines.iter().filter_map(|(id, line)| Some((*id, line.last()?.clone()))).collect()
}
