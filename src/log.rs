//! The commit log of one space: numbered objects, each created if absent and never changed.
//!
//! One primitive gives compare-and-swap (number n is free only for who knows all before), a feed
//! without gaps, fencing tokens (the number of a grant) and commits that are whole or not there.
//! Entries are never deleted: a late creation of a number that was trimmed would commit.
//!
//! Sources: Delta Lake's storage protocol; SlateDB's manifest; S3 conditional writes.

mod check;
mod docs;
mod file;

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use self::docs::Docs;
pub use self::file::{FileDoc, FileKey, Job, Node, NodeKind, Stored, Upload, Version};
use crate::Bytes;
use crate::blob::Address;
use crate::id::{AccountField, ReplicaId, UserId};
use crate::job;
use crate::message::{Client, DeviceKey, Fence, Reply};
use crate::point::Point;
use crate::record::Payload;
use crate::time::Time;
use crate::volume;
use crate::volume::Part::{Hex, Number, Ordered, Text};

/// Names an entry, so that whoever is unsure can tell their own from another's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub u64);

/// A moment of a log: one of its entries, by number and name, or the beginning of every log.
///
/// A number alone names nothing for good: a volume that is restored from a backup gets other entries
/// under the numbers that it had. Names are drawn, and an entry is made by a worker that has read all
/// before it, so two logs that both have an entry have the same entries up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The entry's number; 0 for the beginning.
    pub seq: u64,
    /// The entry's name.
    pub entry: EntryId,
}

impl Position {
    /// Before the first entry of any log.
    pub const START: Self = Self { seq: 0, entry: EntryId(0) };
}

/// One commit: what several requests did, together and in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// Its name.
    pub id: EntryId,
    /// What was done.
    pub ops: Vec<Op>,
}

/// What one request did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Who asked, and under which number; none for what needs no receipt.
    pub receipt: Option<(Client, u32)>,
    /// What it changed.
    pub puts: Vec<(Key, Option<Doc>)>,
    /// What was answered.
    pub reply: Reply,
}

/// A place in the state of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// The session of a device.
    Session(DeviceKey),
    /// The last answer to a replica. It has one request under way at a time.
    Receipt(ReplicaId),
    /// A field of the account as it is.
    Account(AccountField),
    /// A field as it was, by version from 1.
    Was(AccountField, u32),
    /// Of the work on conversations.
    Work(job::Place),
    /// Something about files.
    File(FileKey),
}

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doc {
    /// At [`Key::Session`].
    Session(Session),
    /// At [`Key::Receipt`].
    Receipt(Receipt),
    /// At [`Key::Account`]: the number of this version, and the value.
    Field(u32, Payload),
    /// At [`Key::Was`].
    Version(Payload),
    /// At [`Key::Work`].
    Work(job::Stored),
    /// At [`Key::File`].
    File(FileDoc),
}

/// A lease on the conversation of one device with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Whose it is.
    pub client: Client,
    /// The commit that granted it.
    pub fence: Fence,
    /// When others may try to take it over. Not what makes it safe: that is the fence.
    pub until: Time,
}

/// What was answered, and to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which life asked.
    pub life: u32,
    /// Under which number.
    pub n: u32,
    /// A fingerprint of what was asked.
    pub asked: u64,
    /// The commit.
    pub at: Position,
    /// The answer.
    pub reply: Reply,
}

/// All of a space after a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The number of that commit; 0 for none.
    pub seq: u64,
    /// The names of the last entries, the newest last.
    names: VecDeque<EntryId>,
    docs: Docs,
}

/// A state knows so many names of entries: a reader of the feed is seldom further behind.
const NAMES: usize = 64;

impl State {
    /// The last commit.
    pub fn position(&self) -> Position {
        Position { seq: self.seq, entry: self.names.back().copied().unwrap_or_default() }
    }

    /// Is that commit part of this log? `None` if it is too old for this state to know its name.
    pub fn has(&self, at: Position) -> Option<bool> {
        if at == Position::START {
            return Some(true);
        }
        let Some(back) = self.seq.checked_sub(at.seq) else { return Some(false) };
        let back = usize::try_from(back).ok()?;
        self.names.iter().nth_back(back).map(|name| *name == at.entry)
    }

    /// What stands at a place.
    pub fn get(&self, key: Key) -> Option<&Doc> {
        self.docs.get(&key)
    }

    /// What stands at these places, in order.
    pub fn range(&self, keys: RangeInclusive<Key>) -> impl Iterator<Item = (&Key, &Doc)> {
        self.docs.range(keys)
    }

    /// How much there is.
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.docs.len() == 0
    }

    /// Takes the next entry.
    ///
    /// # Panics
    ///
    /// If it has another number than the next.
    pub fn apply(&mut self, entry: Entry) {
        assert_eq!(entry.seq, self.seq + 1, "entries are applied in order and without a gap");
        let at = Position { seq: entry.seq, entry: entry.id };
        self.seq = entry.seq;
        if self.names.len() == NAMES {
            self.names.pop_front();
        }
        self.names.push_back(entry.id);
        for (key, doc) in entry.ops.into_iter().flat_map(|op| op.puts) {
            self.docs.put(key, doc);
        }
        assert_eq!(self.has(at), Some(true), "an entry that was just applied is the newest");
    }
}

/// A commit in the making: what was decided so far, on top of a state.
#[derive(Debug)]
pub(crate) struct Draft<'s> {
    state: &'s State,
    name: EntryId,
    puts: Vec<Put>,
    /// Which of those is the latest at a place.
    changed: BTreeMap<Key, usize>,
    /// So many of those are of requests that were decided.
    decided: usize,
    ops: Vec<Decided>,
    points: Vec<Point>,
    /// What was known when the request that is decided arrived.
    #[cfg(feature = "flaws")]
    arrival: Option<&'s State>,
}

/// A change in the making, and which one was the latest at its place before.
#[derive(Debug)]
struct Put {
    key: Key,
    doc: Option<Doc>,
    before: Option<usize>,
}

/// A request that was decided, with the number of its changes.
#[derive(Debug)]
struct Decided {
    receipt: Option<(Client, u32)>,
    puts: usize,
    reply: Reply,
}

impl<'s> Draft<'s> {
    /// The entry after this state, of this name.
    pub(crate) fn new(state: &'s State, name: EntryId) -> Self {
        let (puts, changed) = (Vec::new(), BTreeMap::new());
        Self {
            state,
            name,
            puts,
            changed,
            decided: 0,
            ops: Vec::new(),
            points: Vec::new(),
            #[cfg(feature = "flaws")]
            arrival: None,
        }
    }

    /// The next decision is about a request that arrived when this was known.
    #[cfg(feature = "flaws")]
    pub(crate) fn arrived_at(&mut self, arrival: Option<&'s State>) {
        self.arrival = arrival;
    }

    #[cfg(feature = "flaws")]
    pub(crate) fn arrival(&self) -> Option<&'s State> {
        self.arrival
    }

    /// What was there before this commit.
    pub(crate) fn base(&self) -> &'s State {
        self.state
    }

    /// The number that this commit will have.
    pub(crate) fn seq(&self) -> u64 {
        self.state.seq + 1
    }

    /// This commit.
    pub(crate) fn position(&self) -> Position {
        Position { seq: self.seq(), entry: self.name }
    }

    /// The commit up to which a decision without effect knows.
    pub(crate) fn seen(&self) -> Position {
        if self.ops.is_empty() { self.state.position() } else { self.position() }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Doc> {
        match self.changed.get(&key) {
            Some(at) => self.puts[*at].doc.as_ref(),
            None => self.state.get(key),
        }
    }

    /// Has the request changed anything?
    pub(crate) fn has_effect(&self) -> bool {
        self.puts.len() > self.decided
    }

    /// What stands at these places, in no order.
    pub(crate) fn range(&self, keys: RangeInclusive<Key>) -> impl Iterator<Item = (&Key, &Doc)> {
        let untouched = self.state.range(keys.clone());
        let untouched = untouched.filter(|(key, _)| !self.changed.contains_key(key));
        let changed = self.changed.range(keys);
        untouched.chain(changed.filter_map(|(key, at)| Some((key, self.puts[*at].doc.as_ref()?))))
    }

    pub(crate) fn put(&mut self, key: Key, doc: Option<Doc>) {
        if let Some(doc) = &doc {
            assert!(docs::fits(&key, doc), "each kind of place holds its own kind of document");
        }
        let before = self.changed.insert(key, self.puts.len());
        assert!(
            before.is_none_or(|at| at < self.puts.len() && self.puts[at].key == key),
            "the latest change at a place is an earlier change of that place"
        );
        self.puts.push(Put { key, doc, before });
    }

    /// Ends the decision about one request.
    pub(crate) fn end_op(&mut self, receipt: Option<(Client, u32)>, reply: &Reply) {
        assert!(self.decided <= self.puts.len(), "only changes that were made can be decided");
        if self.has_effect() {
            let puts = self.puts.len() - self.decided;
            self.decided = self.puts.len();
            self.ops.push(Decided { receipt, puts, reply: reply.clone() });
        }
    }

    /// The decision comes to nothing: what it has changed so far is as it was.
    pub(crate) fn abandon_op(&mut self) {
        assert!(self.decided <= self.puts.len(), "only changes that were made can be decided");
        for put in self.puts.drain(self.decided..).rev() {
            let latest = match put.before {
                Some(at) => self.changed.insert(put.key, at),
                None => self.changed.remove(&put.key),
            };
            assert!(
                latest.is_some_and(|at| put.before.is_none_or(|before| before < at)),
                "changes are taken back from the last to the first"
            );
        }
        assert!(!self.has_effect(), "an abandoned decision leaves no change");
    }

    /// Notes a coverage point, which counts once the decision holds.
    pub(crate) fn reach(&mut self, point: Point) {
        self.points.push(point);
    }

    /// What was decided.
    pub(crate) fn end(self) -> (Vec<Op>, Vec<Point>) {
        assert!(!self.has_effect(), "every decision was ended or abandoned");
        let decided: usize = self.ops.iter().map(|op| op.puts).sum();
        assert_eq!(decided, self.puts.len(), "every change belongs to one decision");
        let mut all = self.puts.into_iter().map(|put| (put.key, put.doc));
        let op = |Decided { receipt, puts, reply }| Op {
            receipt,
            puts: all.by_ref().take(puts).collect(),
            reply,
        };
        (self.ops.into_iter().map(op).collect(), self.points)
    }
}

/// Most of what is encoded is not longer than this.
const USUAL_SIZE: usize = 512;

/// The object of an entry.
pub fn entry_key(space: UserId, seq: u64) -> volume::Key {
    volume::name(&[Text("log/"), Number(space.0.into()), Text("/"), Ordered(seq)])
}

/// The object of the state after an entry.
pub fn snapshot_key(space: UserId, seq: u64) -> volume::Key {
    volume::name(&[Text(&snapshots_of(space)), Ordered(seq)])
}

/// What all pieces of a blob begin with. The number of its upload sets them apart from those of an
/// earlier upload of the same bytes, which somebody may still be about to delete.
pub fn pieces_of(space: UserId, blob: Address, upload: u64) -> volume::Key {
    let (space, blob) = (Number(space.0.into()), blob.to_bytes());
    volume::name(&[
        Text("blob/"),
        space,
        Text("/"),
        Hex(&blob),
        Text("/"),
        Number(upload),
        Text("/"),
    ])
}

/// What all snapshots of a space begin with.
pub(crate) fn snapshots_of(space: UserId) -> volume::Key {
    volume::name(&[Text("snapshot/"), Number(space.0.into()), Text("/")])
}

/// The bytes of an entry or a state.
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    let buffer = Vec::with_capacity(USUAL_SIZE);
    postcard::to_extend(value, buffer).expect("memory is the only limit").into()
}

impl Entry {
    /// Reads an entry's object.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

impl State {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}
