//! The commit log of one space: numbered objects, each created if absent and never changed.
//!
//! Creating an object if absent gives compare-and-swap (entry n can be created only by a worker
//! that has read all entries before it), a feed without gaps, fencing tokens (the number of the
//! entry that granted a lease) and atomic commits. Entries are never deleted: if a number were
//! trimmed, a late create of that number would commit.
//!
//! Sources: Delta Lake's storage protocol; SlateDB's manifest; S3 conditional writes.

mod check;
mod docs;
mod file;

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use self::docs::Docs;
pub use self::file::{FileDoc, FileKey, Job, Stored, Upload};
use crate::Bytes;
use crate::blob::Address;
use crate::id::{AccountField, ReplicaId, UserId};
use crate::job;
use crate::message::{Client, DeviceKey, Reply};
use crate::point::Point;
use crate::position::Fence;
pub use crate::position::{EntryId, Position};
use crate::record::Payload;
use crate::time::Time;
pub use crate::tree::{Node, NodeKind, Version};
use crate::volume;
use crate::volume::Part;
use crate::volume::Part::{Hex, Number, Ordered, Text};

/// One commit: the effects of several requests, in this order and as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// Its drawn id.
    pub id: EntryId,
    /// The effects of its requests, in order.
    pub ops: Vec<Op>,
}

/// The effect of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// The client and the number of its request; none if no receipt is kept.
    pub receipt: Option<(Client, u32)>,
    /// The documents that it writes; `None` deletes.
    pub puts: Vec<(Key, Option<Doc>)>,
    /// The reply that the client was given.
    pub reply: Reply,
}

/// A key of the state of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// The session of a device.
    Session(DeviceKey),
    /// The last reply to a replica, which has one request in flight at a time.
    Receipt(ReplicaId),
    /// The current value of a field of the account.
    Account(AccountField),
    /// An earlier value of a field, by version from 1.
    Was(AccountField, u32),
    /// A key of the work on conversations.
    Work(job::Place),
    /// A key of the files.
    File(FileKey),
}

/// A document of the state of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doc {
    /// At [`Key::Session`].
    Session(Session),
    /// At [`Key::Receipt`].
    Receipt(Receipt),
    /// At [`Key::Account`]: the number of the version, from 1, and the value.
    Field(u32, Payload),
    /// At [`Key::Was`].
    Version(Payload),
    /// At [`Key::Work`].
    Work(job::Stored),
    /// At [`Key::File`].
    File(FileDoc),
}

/// A session lease of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its holder.
    pub client: Client,
    /// The fencing token: the commit that granted it.
    pub fence: Fence,
    /// When another client may take it over, by the server's clocks. Safety depends on the fence
    /// alone.
    pub until: Time,
}

/// The last reply to a replica, and to which request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The incarnation of the client that sent the request.
    pub life: u32,
    /// The number of the request.
    pub n: u32,
    /// A hash of the action.
    pub asked: u64,
    /// The commit that had the effect.
    pub at: Position,
    /// The reply.
    pub reply: Reply,
}

/// The state of a space after a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The number of the last entry; 0 for none.
    pub seq: u64,
    /// The ids of the last entries, the newest last.
    names: VecDeque<EntryId>,
    docs: Docs,
}

/// The number of entry ids that a state keeps: a reader of the feed is seldom further behind.
const NAMES: usize = 64;

impl State {
    /// The position of the last entry.
    pub fn position(&self) -> Position {
        Position { seq: self.seq, entry: self.names.back().copied().unwrap_or_default() }
    }

    /// Is this entry part of the log? `None` if it is too old for the state to know its id.
    pub fn has(&self, at: Position) -> Option<bool> {
        if at == Position::START {
            return Some(true);
        }
        let Some(back) = self.seq.checked_sub(at.seq) else { return Some(false) };
        let back = usize::try_from(back).ok()?;
        self.names.iter().nth_back(back).map(|name| *name == at.entry)
    }

    /// The document under a key.
    pub fn get(&self, key: Key) -> Option<&Doc> {
        self.docs.get(&key)
    }

    /// The documents under these keys, in order.
    pub fn range(&self, keys: RangeInclusive<Key>) -> impl Iterator<Item = (&Key, &Doc)> {
        self.docs.range(keys)
    }

    /// The number of documents.
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// Are there no documents?
    pub fn is_empty(&self) -> bool {
        self.docs.len() == 0
    }

    /// Applies the next entry.
    ///
    /// # Panics
    ///
    /// If the entry does not have the next number.
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

/// An entry that is being decided, on top of a state.
#[derive(Clone, Debug)]
pub(crate) struct Draft<'s> {
    state: &'s State,
    name: EntryId,
    puts: Vec<Put>,
    /// The index of the latest change of each key.
    changed: BTreeMap<Key, usize>,
    /// The number of changes that belong to decided requests.
    decided: usize,
    ops: Vec<Decided>,
    points: Vec<Point>,
    /// The state when the request that is being decided arrived.
    #[cfg(feature = "flaws")]
    arrival: Option<&'s State>,
}

/// A change, and the index of the change of the same key before it.
#[derive(Clone, Debug)]
struct Put {
    key: Key,
    doc: Option<Doc>,
    before: Option<usize>,
}

/// A decided request, with the number of its changes.
#[derive(Clone, Debug)]
struct Decided {
    receipt: Option<(Client, u32)>,
    puts: usize,
    reply: Reply,
}

impl<'s> Draft<'s> {
    /// The entry after this state, with this id.
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

    /// Sets the state that the next request arrived at.
    #[cfg(feature = "flaws")]
    pub(crate) fn arrived_at(&mut self, arrival: Option<&'s State>) {
        self.arrival = arrival;
    }

    #[cfg(feature = "flaws")]
    pub(crate) fn arrival(&self) -> Option<&'s State> {
        self.arrival
    }

    /// The state before this entry.
    pub(crate) fn base(&self) -> &'s State {
        self.state
    }

    /// The number of this entry.
    pub(crate) fn seq(&self) -> u64 {
        self.state.seq + 1
    }

    /// The position of this entry.
    pub(crate) fn position(&self) -> Position {
        Position { seq: self.seq(), entry: self.name }
    }

    /// The position that a reply without effect reflects.
    pub(crate) fn seen(&self) -> Position {
        if self.ops.is_empty() { self.state.position() } else { self.position() }
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Doc> {
        match self.changed.get(&key) {
            Some(at) => self.puts[*at].doc.as_ref(),
            None => self.state.get(key),
        }
    }

    /// Has the request that is being decided changed anything?
    pub(crate) fn has_effect(&self) -> bool {
        self.puts.len() > self.decided
    }

    /// The documents under these keys, in no order.
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

    /// Drops the changes of the request that is being decided.
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

    /// Notes a coverage point, which is reported once the decision holds.
    pub(crate) fn reach(&mut self, point: Point) {
        self.points.push(point);
    }

    /// The decided requests and the coverage points.
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

/// The usual size of an encoded entry or state, in bytes.
const USUAL_SIZE: usize = 512;

/// The key of an entry's object.
pub fn entry_key(space: UserId, seq: u64) -> volume::Key {
    volume::name(&[Text("log/"), Number(space.0.into()), Text("/"), Ordered(seq)])
}

/// The key of the object that holds the state after an entry.
pub fn snapshot_key(space: UserId, seq: u64) -> volume::Key {
    volume::name(&[Text(&snapshots_of(space)), Ordered(seq)])
}

/// The prefix of the pieces of a blob. The number of the upload sets them apart from the pieces of
/// an earlier upload of the same bytes, which another worker may still be about to delete.
pub fn pieces_of(space: UserId, blob: Address, upload: u64) -> volume::Key {
    name_of_piece(space, blob, upload, Text(""))
}

/// The key of a piece's object.
pub(crate) fn piece_key(space: UserId, blob: Address, upload: u64, n: u32) -> volume::Key {
    name_of_piece(space, blob, upload, Number(n.into()))
}

fn name_of_piece(space: UserId, blob: Address, upload: u64, piece: Part<'_>) -> volume::Key {
    let (space, blob) = (Number(space.0.into()), blob.to_bytes());
    volume::name(&[
        Text("blob/"),
        space,
        Text("/"),
        Hex(&blob),
        Text("/"),
        Number(upload),
        Text("/"),
        piece,
    ])
}

/// The prefix of all snapshots of a space.
pub(crate) fn snapshots_of(space: UserId) -> volume::Key {
    volume::name(&[Text("snapshot/"), Number(space.0.into()), Text("/")])
}

/// Encodes an entry or a state.
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    let buffer = Vec::with_capacity(USUAL_SIZE);
    postcard::to_extend(value, buffer).expect("memory is the only limit").into()
}

impl Entry {
    /// Decodes an entry; `None` if the bytes are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

impl State {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}
