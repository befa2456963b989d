//! Hand-made histories for the judges' tests, told as stories.
//!
//! A case has a phone and a tablet of one user, a laptop of another and both remotes. Its own tiny
//! model (a copy is the set of writes that it was made from) keeps what is told consistent, so that
//! a story is right until it tells a lie on purpose: [`Case::holds`] makes a copy hold anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::device::{Presence, Timing};
use engine::id::{DeviceId, FieldId, Kind, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::record::Value;
use engine::remote::{CallId, Cursor, Order, Policy, Tag};
use engine::time::{Span, Time};

use super::{Brief, Invariant, Violation, judge};
use crate::history::{
    Answered, Asked, BlobId, Boot, Change, Contents, Entry, Fact, Letter, Refused, Shown, Trouble,
    WriteKind,
};
use crate::plan::{Node, Parcel};

pub(super) const PHONE: DeviceId = DeviceId(0);
pub(super) const TABLET: DeviceId = DeviceId(1);
pub(super) const LAPTOP: DeviceId = DeviceId(2);
pub(super) const MEAL: RecordId = RecordId { kind: Kind::Meal, key: 1 };
pub(super) const GOALS: RecordId = RecordId { kind: Kind::Goals, key: 1 };
pub(super) const KCAL: FieldId = FieldId(1);
pub(super) const PHOTO: FieldId = FieldId(5);
pub(super) const VAULT: VaultId = VaultId(0);

/// Numbers a write of a case.
pub(super) type W = usize;

#[derive(Clone, Debug)]
struct Told {
    token: Token,
    fields: Vec<FieldId>,
    seen: Vec<(FieldId, Token)>,
    clears: bool,
}

/// A copy: what it was made from, and what it holds if that is a lie.
#[derive(Clone, Debug, Default)]
struct Copy {
    made: BTreeSet<W>,
    lie: Option<Arc<Contents>>,
}

#[derive(Clone, Debug)]
struct StoredRow {
    pos: u64,
    tag: Tag,
    copy: Copy,
}

/// A history in the making.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) brief: Brief,
    pub(super) history: Vec<Entry>,
    now: u64,
    told: Vec<Told>,
    copies: BTreeMap<(DeviceId, RecordId), Copy>,
    rows: BTreeMap<(Remote, VaultId, RecordId), StoredRow>,
    cursors: BTreeMap<(DeviceId, Remote), u64>,
    commits: BTreeMap<DeviceId, u32>,
    incarnations: BTreeMap<DeviceId, u16>,
    counter: u32,
}

impl Case {
    pub(super) fn new() -> Self {
        let mut case = Self {
            brief: Brief {
                devices: vec![UserId(0), UserId(0), UserId(1)],
                remotes: Remote::ALL.to_vec(),
                timing: Timing {
                    pull_every: Span::from_secs(60),
                    relist_every: Span::from_secs(600),
                    login_patience: Span::from_secs(10),
                    timeout: Span::from_secs(5),
                    retry_base: Span::from_secs(1),
                    retry_cap: Span::from_secs(60),
                    page: 10,
                    batch: 10,
                },
                incurable: Vec::new(),
                at_end: Vec::new(),
                healed_at: Time(0),
            },
            history: Vec::new(),
            now: 0,
            told: Vec::new(),
            copies: BTreeMap::new(),
            rows: BTreeMap::new(),
            cursors: BTreeMap::new(),
            commits: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            counter: 0,
        };
        for device in [PHONE, TABLET, LAPTOP] {
            case.starts(device, Boot::First, 0, vec![Change::Key(true), Change::Meta]);
        }
        case
    }

    /// Adds a fact, ten milliseconds after the last.
    pub(super) fn fact(&mut self, node: impl Into<Node>, fact: Fact) -> usize {
        let node = node.into();
        self.now += 10;
        let incarnation = match node {
            Node::Device(device) => self.incarnations.get(&device).copied().unwrap_or_default(),
            Node::World | Node::Remote(_) | Node::Intruder => 0,
        };
        self.history.push(Entry { at: Time(self.now), node, incarnation, fact });
        self.history.len() - 1
    }

    pub(super) fn wait(&mut self, millis: u64) {
        self.now += millis;
    }

    pub(super) fn fresh(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    // Users.

    pub(super) fn asks(&mut self, device: DeviceId, asked: Asked) -> OpId {
        let op = OpId(self.fresh());
        self.fact(device, Fact::Asked(op, asked));
        op
    }

    pub(super) fn answers(&mut self, device: DeviceId, op: OpId, answer: Answered) {
        self.fact(device, Fact::Answered(op, answer));
    }

    /// A device is asked for a record and shows its copy.
    pub(super) fn reads(&mut self, device: DeviceId, id: RecordId) -> Arc<Shown> {
        let shown = Arc::new(self.shown(device, id));
        self.shows(device, shown.clone(), false);
        shown
    }

    pub(super) fn shows(&mut self, device: DeviceId, shown: Arc<Shown>, last: bool) {
        let op = self.asks(device, Asked::Read { id: shown.id, last });
        self.answers(device, op, Answered::Read(shown));
    }

    pub(super) fn shown(&self, device: DeviceId, id: RecordId) -> Shown {
        let copy = self.copies.get(&(device, id)).cloned().unwrap_or_default();
        let contents = self.contents(&copy);
        let mut fields: BTreeMap<FieldId, Vec<Token>> = BTreeMap::new();
        for &(field, token) in &contents.cells {
            if field != FieldId::HEADSTONE {
                fields.entry(field).or_default().push(token);
            }
        }
        let presence = match (contents.live, contents.cells.is_empty()) {
            (true, _) => Presence::Live,
            (false, true) => Presence::Absent,
            (false, false) => Presence::Deleted,
        };
        let fields = fields
            .into_iter()
            .map(|(field, mut of)| {
                let beside = of.split_off(1);
                (field, Value::Int(1), of, beside)
            })
            .collect();
        Shown { id, presence, fields, sealed: false, partial: false }
    }

    /// A user reads and writes; the device saves it durably and says so.
    pub(super) fn edits(&mut self, device: DeviceId, id: RecordId, fields: &[FieldId]) -> W {
        let shown = self.reads(device, id);
        self.writes(device, id, fields, super::evidence::tokens(&shown).collect())
    }

    /// A write without any reading, which wrongly replaces all that the copy holds.
    pub(super) fn overwrites(&mut self, device: DeviceId, id: RecordId, fields: &[FieldId]) -> W {
        let (op, write) = self.asks_to_write(device, id, fields, Vec::new());
        let lie = self.holds(device, id, &[write]);
        self.persists(device, vec![lie]);
        self.answers(device, op, Answered::Saved);
        write
    }

    pub(super) fn deletes(&mut self, device: DeviceId, id: RecordId) -> W {
        self.edits(device, id, &[])
    }

    fn writes(
        &mut self,
        device: DeviceId,
        id: RecordId,
        fields: &[FieldId],
        seen: Vec<(FieldId, Token)>,
    ) -> W {
        let (op, write) = self.asks_to_write(device, id, fields, seen);
        self.makes(device, id, write);
        self.answers(device, op, Answered::Saved);
        write
    }

    pub(super) fn asks_to_write(
        &mut self,
        device: DeviceId,
        id: RecordId,
        fields: &[FieldId],
        seen: Vec<(FieldId, Token)>,
    ) -> (OpId, W) {
        let op = self.fresh() + 1;
        let token = self.label(device, op);
        let kind = if fields.is_empty() { WriteKind::Delete } else { WriteKind::Set };
        let set = fields.iter().map(|&field| (field, Value::Int(1))).collect();
        let saw_deleted = kind == WriteKind::Set
            && self.copies.get(&(device, id)).is_some_and(|copy| {
                let held = self.contents(copy);
                !held.live && !held.cells.is_empty() && !seen.is_empty()
            });
        let asked = Asked::Write { id, token, set, kind, exposed: seen.clone(), saw_deleted };
        let op = self.asks(device, asked);
        let delete = kind == WriteKind::Delete;
        let fields = if delete { vec![FieldId::HEADSTONE] } else { fields.to_vec() };
        self.told.push(Told { token, fields, seen, clears: saw_deleted });
        (op, self.told.len() - 1)
    }

    fn label(&self, device: DeviceId, op: u32) -> Token {
        let user = self.brief.devices[usize::from(device.0)];
        let mut token = [b'#'; 16];
        token[8..10].copy_from_slice(&user.0.to_be_bytes());
        token[10..12].copy_from_slice(&device.0.to_be_bytes());
        token[12..].copy_from_slice(&op.to_be_bytes());
        Token(token)
    }

    // Devices.

    /// A device's copy takes a write, durably.
    pub(super) fn makes(&mut self, device: DeviceId, id: RecordId, write: W) {
        let copy = self.copies.entry((device, id)).or_default();
        copy.made.insert(write);
        copy.lie = None;
        let change = self.record(device, id);
        self.persists(device, vec![change]);
    }

    /// From now on a device's copy holds these writes, whatever it was made from: the lie.
    pub(super) fn holds(&mut self, device: DeviceId, id: RecordId, writes: &[W]) -> Change {
        let made: BTreeSet<W> = writes.iter().copied().collect();
        let lie = Arc::new(self.contents(&Copy { made: made.clone(), lie: None }));
        let copy = self.copies.entry((device, id)).or_default();
        copy.made.extend(made);
        copy.lie = Some(lie);
        self.record(device, id)
    }

    pub(super) fn record(&self, device: DeviceId, id: RecordId) -> Change {
        let contents = self.contents(&self.copies[&(device, id)]);
        Change::Record(id, (!contents.cells.is_empty()).then(|| Arc::new(contents)))
    }

    /// A commit that is durable at once.
    pub(super) fn persists(&mut self, device: DeviceId, changes: Vec<Change>) -> usize {
        let commit = self.hands_over(device, changes);
        self.fact(device, Fact::Durable(commit))
    }

    /// A commit handed to the disk.
    pub(super) fn hands_over(&mut self, device: DeviceId, changes: Vec<Change>) -> u32 {
        let commit = self.commits.entry(device).or_default();
        *commit += 1;
        let commit = *commit;
        let hash = u64::from(device.0) << 32 | u64::from(commit);
        self.fact(device, Fact::Persisted { commit, sync: true, hash, changes });
        commit
    }

    pub(super) fn starts(&mut self, device: DeviceId, boot: Boot, commit: u32, holds: Vec<Change>) {
        let hash = u64::from(device.0) << 32 | u64::from(commit);
        if boot != Boot::First {
            *self.incarnations.entry(device).or_default() += 1;
        }
        self.commits.insert(device, 0);
        self.fact(device, Fact::Started { boot, hash, commit, holds });
    }

    /// A device loses power, keeping its commits up to this, and starts again.
    pub(super) fn crashes(&mut self, device: DeviceId, keeps: u32) {
        self.fact(device, Fact::Faulted(Trouble::Crash(device)));
        self.fact(device, Fact::Killed { keeps, between: false });
        self.starts(device, Boot::Restart, keeps, Vec::new());
        self.fact(device, Fact::Ended(Trouble::Crash(device)));
    }

    /// A device is gone for ever, by the plan.
    pub(super) fn is_lost(&mut self, device: DeviceId) {
        self.fact(device, Fact::Faulted(Trouble::Destroy(device)));
        self.brief.incurable.push(super::Incurable::Device(device));
    }

    /// A device pushes its copy to both remotes.
    pub(super) fn pushes(&mut self, device: DeviceId, id: RecordId) {
        for remote in Remote::ALL {
            self.pushes_to(remote, device, id);
        }
    }

    pub(super) fn pushes_to(&mut self, remote: Remote, device: DeviceId, id: RecordId) {
        let tag = self.saves(remote, device, id);
        let contents = Arc::new(self.contents(&self.copies[&(device, id)]));
        let mirror = Change::Mirror(remote, id, Some((tag, Some(contents))));
        self.persists(device, vec![mirror]);
    }

    /// A remote stores a device's copy; the device does not hear of it.
    pub(super) fn saves(&mut self, remote: Remote, device: DeviceId, id: RecordId) -> Tag {
        let vault = VaultId::from(self.brief.devices[usize::from(device.0)]);
        let blob = BlobId(self.fresh());
        let letter = self.letter();
        let to = Node::Remote(remote);
        self.fact(
            device,
            Fact::Sent { to, letter, size: 9, rows: vec![(id, blob)], plaintext: false },
        );
        let copy = self.copies[&(device, id)].clone();
        let contents = Some(Arc::new(self.contents(&copy)));
        let rows = self.rows.keys().filter(|key| key.0 == remote).count() as u64;
        let pos = self.rows.iter().filter(|(key, _)| key.0 == remote).map(|(_, row)| row.pos);
        let pos = pos.max().unwrap_or(rows) + 1;
        let tag = Tag(u64::from(self.fresh()));
        let (by, policy) = (Node::Device(device), Policy::IfUnchanged);
        self.fact(to, Fact::Committed { vault, id, pos, tag, blob, by, contents, policy });
        self.rows.insert((remote, vault, id), StoredRow { pos, tag, copy });
        tag
    }

    fn letter(&mut self) -> Letter {
        let call = CallId(self.fresh());
        Letter { call, attempt: 0, parcel: Parcel::Push, answer: false }
    }

    /// A device pulls both remotes to their heads.
    pub(super) fn pulls(&mut self, device: DeviceId) {
        for remote in Remote::ALL {
            self.pulls_from(remote, device);
        }
    }

    pub(super) fn pulls_from(&mut self, remote: Remote, device: DeviceId) {
        let (ids, next) = self.is_served(remote, device);
        let mut changes = Vec::new();
        for id in ids {
            changes.push(self.mirrors(remote, device, id));
            changes.push(self.joins(remote, device, id));
        }
        changes.push(Change::Cursor(remote, Some(next)));
        self.persists(device, changes);
    }

    /// A remote serves a page; the device has not kept anything of it yet.
    pub(super) fn is_served(
        &mut self,
        remote: Remote,
        device: DeviceId,
    ) -> (Vec<RecordId>, Cursor) {
        let vault = VaultId::from(self.brief.devices[usize::from(device.0)]);
        let floor = self.cursors.get(&(device, remote)).copied().unwrap_or_default();
        let news: Vec<_> = self
            .rows
            .iter()
            .filter(|((at, whose, _), row)| *at == remote && *whose == vault && row.pos > floor)
            .map(|((.., id), row)| (vault, *id, row.tag, row.pos))
            .collect();
        let head = news.iter().map(|row| row.3).max().unwrap_or(floor);
        self.cursors.insert((device, remote), head);
        let next = Cursor::Token(head);
        let served = Fact::Served {
            to: device.into(),
            call: CallId(self.fresh()),
            vault,
            order: Order::Token,
            since: (floor > 0).then_some(Cursor::Token(floor)),
            rows: news.clone(),
            next: Some(next),
            never_again_below: head,
            end: true,
        };
        self.fact(remote, served);
        (news.into_iter().map(|row| row.1).collect(), next)
    }

    /// The change that books a row.
    pub(super) fn mirrors(&self, remote: Remote, device: DeviceId, id: RecordId) -> Change {
        let vault = VaultId::from(self.brief.devices[usize::from(device.0)]);
        let row = &self.rows[&(remote, vault, id)];
        Change::Mirror(remote, id, Some((row.tag, Some(Arc::new(self.contents(&row.copy))))))
    }

    /// The change that keeps a row sealed.
    pub(super) fn seals(&self, remote: Remote, device: DeviceId, id: RecordId) -> Change {
        let vault = VaultId::from(self.brief.devices[usize::from(device.0)]);
        Change::Sealed(remote, id, Some((self.rows[&(remote, vault, id)].tag, BlobId(0))))
    }

    /// The change that joins a row.
    pub(super) fn joins(&mut self, remote: Remote, device: DeviceId, id: RecordId) -> Change {
        let vault = VaultId::from(self.brief.devices[usize::from(device.0)]);
        let row = self.rows[&(remote, vault, id)].copy.clone();
        let copy = self.copies.entry((device, id)).or_default();
        if copy.made != row.made || row.lie.is_some() {
            copy.lie = row.lie;
        }
        copy.made.extend(row.made);
        self.record(device, id)
    }

    /// A device pulls, and takes the rows of one record as they are instead of joining them.
    pub(super) fn takes_rows_as_they_are(&mut self, device: DeviceId, id: RecordId) {
        for remote in Remote::ALL {
            let (_, next) = self.is_served(remote, device);
            let mirror = self.mirrors(remote, device, id);
            self.joins(remote, device, id);
            let Change::Mirror(_, _, Some((_, row))) = mirror.clone() else {
                unreachable!("a mirror was just made");
            };
            self.copies.entry((device, id)).or_default().lie = row;
            let record = self.record(device, id);
            self.persists(device, vec![mirror, record, Change::Cursor(remote, Some(next))]);
        }
    }

    /// A device joins the rows of one record and takes the record for deleted.
    pub(super) fn joins_as_dead(&mut self, device: DeviceId, id: RecordId) {
        self.joins(Remote::Zone, device, id);
        let contents = self.contents(&self.copies[&(device, id)]);
        let dead = Contents { live: false, ..contents };
        self.copies.entry((device, id)).or_default().lie = Some(Arc::new(dead));
        let changes = vec![self.mirrors(Remote::Zone, device, id), self.record(device, id)];
        self.persists(device, changes);
    }

    /// A device takes a delete of its record, durably, goes on showing it, and crashes before it
    /// can say so.
    pub(super) fn keeps_a_delete_without_effect(&mut self, device: DeviceId, id: RecordId, of: W) {
        let seen = self.told[of].fields.iter().map(|&field| (field, self.told[of].token)).collect();
        let (_, delete) = self.asks_to_write(device, id, &[], seen);
        let copy = self.copies.entry((device, id)).or_default();
        copy.made.insert(delete);
        let lie = Contents { live: true, ..self.contents(&self.copies[&(device, id)]) };
        self.copies.entry((device, id)).or_default().lie = Some(Arc::new(lie));
        let record = self.record(device, id);
        let commit = self.hands_over(device, vec![record]);
        self.crashes(device, commit);
    }

    /// A device's record changes, and shows a field of an old write besides.
    pub(super) fn revives(&mut self, device: DeviceId, record: Change, old: W, field: FieldId) {
        let Change::Record(id, Some(contents)) = record else {
            unreachable!("only a record that is there can show a field again");
        };
        let mut contents = Contents::clone(&contents);
        contents.cells.push((field, self.told[old].token));
        self.persists(device, vec![Change::Record(id, Some(Arc::new(contents)))]);
    }

    /// A device signs out and is empty.
    pub(super) fn signs_out(&mut self, device: DeviceId) {
        let op = self.asks(device, Asked::SignOut);
        let keys: Vec<_> = self.copies.keys().filter(|key| key.0 == device).copied().collect();
        let mut changes = vec![Change::Key(false), Change::Meta];
        for (_, id) in keys {
            self.copies.remove(&(device, id));
            changes.push(Change::Record(id, None));
            changes.extend(Remote::ALL.map(|remote| Change::Mirror(remote, id, None)));
        }
        for remote in Remote::ALL {
            self.cursors.remove(&(device, remote));
            changes.push(Change::Cursor(remote, None));
        }
        self.persists(device, changes);
        self.answers(device, op, Answered::SignedOut);
    }

    // Remotes.

    /// The blob that was saved last.
    pub(super) fn last_blob(&self) -> BlobId {
        let mut blob = None;
        for entry in &self.history {
            if let Fact::Committed { blob: saved, .. } = &entry.fact {
                blob = Some(*saved);
            }
        }
        blob.expect("something was saved")
    }

    /// A device sends a try of its one request that never succeeds.
    pub(super) fn sends_try(&mut self, remote: Remote, device: DeviceId, attempt: u16) -> Letter {
        let letter = Letter { call: CallId(1), attempt, parcel: Parcel::Pull, answer: false };
        let to = Node::Remote(remote);
        self.fact(device, Fact::Sent { to, letter, size: 9, rows: Vec::new(), plaintext: false });
        letter
    }

    pub(super) fn refuses(
        &mut self,
        remote: Remote,
        device: DeviceId,
        letter: Letter,
        why: Refused,
    ) {
        let letter = Letter { answer: true, ..letter };
        let refused = Some(why);
        let from = Node::Remote(remote);
        self.fact(device, Fact::Delivered { from, letter, refused, rows_refused: Vec::new() });
    }

    // The end.

    /// Everything settles; every device shows every record and the remotes are opened.
    pub(super) fn ends(mut self) -> Self {
        self.fact(Node::World, Fact::Healed);
        self.fact(Node::World, Fact::Settled { pending: Vec::new() });
        self.is_read_at_the_end();
        self
    }

    pub(super) fn is_read_at_the_end(&mut self) {
        let gone: Vec<_> = self.brief.incurable.clone();
        let keys: BTreeSet<_> = self.copies.keys().copied().collect();
        for (device, id) in keys {
            if !gone.contains(&super::Incurable::Device(device)) {
                let shown = Arc::new(self.shown(device, id));
                self.shows(device, shown, true);
            }
        }
        for ((remote, vault, id), row) in self.rows.clone() {
            let contents = Some(Arc::new(self.contents(&row.copy)));
            self.fact(remote, Fact::Found { vault, id, contents, values: Vec::new() });
        }
    }

    // Judgement.

    pub(super) fn violations(&self) -> Vec<Violation> {
        judge(&self.brief, &self.history)
    }

    /// The invariants that reject this history, each once.
    pub(super) fn broken(&self) -> Vec<Invariant> {
        let broken: BTreeSet<_> =
            self.violations().iter().map(|violation| violation.invariant).collect();
        broken.into_iter().collect()
    }

    #[track_caller]
    pub(super) fn passes(&self) {
        assert_eq!(self.violations(), [], "of {} facts", self.history.len());
    }

    /// What a copy holds, by the rules: cells that no write in it replaced.
    fn contents(&self, copy: &Copy) -> Contents {
        if let Some(lie) = &copy.lie {
            return Contents::clone(lie);
        }
        let mut cells = Vec::new();
        let mut live = false;
        for &write in &copy.made {
            let told = &self.told[write];
            for &field in &told.fields {
                let covers = |other: &&W| self.told[**other].seen.contains(&(field, told.token));
                let by: Vec<_> = copy.made.iter().filter(covers).collect();
                let is_delete = |other: &&W| self.told[**other].fields == [FieldId::HEADSTONE];
                let replaced = by.iter().any(|other| {
                    !is_delete(other)
                        && (self.told[**other].clears || self.told[**other].fields.contains(&field))
                });
                if !replaced {
                    cells.push((field, told.token));
                    live |= field != FieldId::HEADSTONE && !by.iter().any(is_delete);
                }
            }
        }
        cells.sort_unstable();
        Contents { live, cells }
    }
}

impl From<DeviceId> for Node {
    fn from(device: DeviceId) -> Self {
        Self::Device(device)
    }
}

impl From<Remote> for Node {
    fn from(remote: Remote) -> Self {
        Self::Remote(remote)
    }
}
