//! What a device holds: the tables in memory, and the batch that will make their changes durable.
//!
//! Every setter stages a put, so the tables never say more than the next commit does. What is
//! unsent is derived (`local ≠ mirror`) and kept as an index; there is no flag to forget.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::file::OwnWrite;
use super::{Batch, Snapshot, StoreKey, Stored};
use crate::Bytes;
use crate::id::{Dot, NodeId, RecordId, Remote, ReplicaId, UserId};
use crate::log::Position;
use crate::message::{FeedCursor, Shown};
use crate::record::{Encoded, Record};
use crate::remote::{Cursor, Tag};
use crate::seal::{Key, KeyName, Keyring, Memo};
use crate::time::Hlc;

/// Who writes here, how far they have counted, and who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The install that took `replica`.
    pub(super) install: u64,
    pub(super) replica: ReplicaId,
    /// The number of the next write.
    pub(super) next_n: u64,
    pub(super) hlc: Hlc,
    pub(super) session: Option<Session>,
    /// The device's name at the sync server, which a copy of this store has too.
    pub(super) device: u64,
    /// How many lives of it the sync server has heard of.
    pub(super) life: u32,
}

/// A login and how far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) user: UserId,
    /// Is the vault shown?
    pub(super) open: bool,
    /// Has the remote been listed to its head since the login?
    pub(super) merged: [bool; 2],
}

/// What a remote was last seen to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) tag: Tag,
    /// `None` if the stored bytes are damaged: then only the tag is known.
    pub(super) state: Option<Encoded>,
}

/// A row that cannot be opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SealedRow {
    /// `None` if the remote lost the row meanwhile: then this copy is put back as it is.
    pub(super) tag: Option<Tag>,
    pub(super) blob: Bytes,
}

/// One remote's tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) mirrors: BTreeMap<RecordId, Mirror>,
    pub(super) sealed: BTreeMap<RecordId, SealedRow>,
    pub(super) parked: BTreeMap<RecordId, Bytes>,
    pub(super) cursor: Option<Cursor>,
    unsent: BTreeSet<RecordId>,
}

/// All tables of a device.
#[derive(Clone, Debug)]
pub(super) struct Store {
    meta: Meta,
    records: BTreeMap<RecordId, Encoded>,
    sides: [Side; 2],
    nodes: BTreeMap<NodeId, Shown>,
    uploads: BTreeMap<Dot, OwnWrite>,
    feed: Option<FeedCursor>,
    keyring: Keyring,
    staged: BTreeMap<StoreKey, Option<Stored>>,
    sync: bool,
}

impl Store {
    /// Reads a store. What cannot be read is what this build never wrote, and is left out.
    pub(super) fn load(snapshot: &Snapshot, fresh: Meta, memo: Option<Memo>) -> Self {
        let mut store = Self {
            meta: fresh,
            records: BTreeMap::new(),
            sides: <[Side; 2]>::default(),
            nodes: BTreeMap::new(),
            uploads: BTreeMap::new(),
            feed: None,
            keyring: Keyring::new(BTreeMap::new(), memo),
            staged: BTreeMap::new(),
            sync: false,
        };
        for (key, stored) in snapshot {
            store.load_entry(*key, stored);
        }
        for remote in Remote::ALL {
            let ids: Vec<_> =
                store.records.keys().chain(store.side(remote).sealed.keys()).copied().collect();
            ids.into_iter().for_each(|id| store.refresh(remote, id));
        }
        store
    }

    fn load_entry(&mut self, key: StoreKey, stored: &Stored) {
        let tag = Tag(stored.tag);
        match key {
            StoreKey::Meta => {
                if let Ok(meta) = postcard::from_bytes(&stored.bytes) {
                    self.meta = meta;
                }
            }
            StoreKey::Key(name) => {
                if let Ok(key) = postcard::from_bytes(&stored.bytes) {
                    self.keyring.add(name, key);
                }
            }
            StoreKey::Record(id) => {
                if let Ok(record) = self.keyring.read(&stored.bytes) {
                    self.records.insert(id, record);
                }
            }
            StoreKey::Mirror(remote, id) => {
                let state = self.keyring.read(&stored.bytes).ok();
                self.sides[remote.index()].mirrors.insert(id, Mirror { tag, state });
            }
            StoreKey::Sealed(remote, id) => {
                let tag = (tag != Tag(0)).then_some(tag);
                let row = SealedRow { tag, blob: stored.bytes.clone() };
                self.sides[remote.index()].sealed.insert(id, row);
            }
            StoreKey::Parked(remote, id) => {
                self.sides[remote.index()].parked.insert(id, stored.bytes.clone());
            }
            StoreKey::Cursor(remote) => {
                self.sides[remote.index()].cursor = postcard::from_bytes(&stored.bytes).ok();
            }
            StoreKey::Node(id) => {
                if let Ok(shown) = postcard::from_bytes(&stored.bytes) {
                    self.nodes.insert(id, shown);
                }
            }
            StoreKey::Upload(dot) => {
                if let Ok(write) = postcard::from_bytes(&stored.bytes) {
                    self.uploads.insert(dot, write);
                }
            }
            StoreKey::Feed => self.feed = postcard::from_bytes(&stored.bytes).ok(),
        }
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.meta.session.as_ref()
    }

    pub(super) fn record(&self, id: RecordId) -> Option<&Encoded> {
        self.records.get(&id)
    }

    /// The local state, empty if there is none.
    pub(super) fn state(&self, id: RecordId) -> Record {
        self.records.get(&id).map(|encoded| encoded.record().clone()).unwrap_or_default()
    }

    pub(super) fn records(&self) -> &BTreeMap<RecordId, Encoded> {
        &self.records
    }

    pub(super) fn side(&self, remote: Remote) -> &Side {
        &self.sides[remote.index()]
    }

    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The records that a remote lacks, as far as is known.
    pub(super) fn unsent(&self, remote: Remote) -> &BTreeSet<RecordId> {
        &self.side(remote).unsent
    }

    /// All records whose state here a remote does not hold, also those that cannot be sent now: they
    /// are parked, or the remote's own row is sealed.
    pub(super) fn lacking(&self, remote: Remote) -> impl Iterator<Item = RecordId> {
        let side = self.side(remote);
        let held = |id| side.mirrors.get(id).and_then(|mirror| mirror.state.as_ref());
        let lacking = self.records.iter().filter(move |(id, local)| held(id) != Some(*local));
        let lost = side.sealed.iter().filter(|(_, row)| row.tag.is_none());
        lacking.map(|(id, _)| *id).chain(lost.map(|(id, _)| *id))
    }

    /// Changes the meta entry; it must be durable before what follows.
    pub(super) fn change_meta(&mut self, change: impl FnOnce(&mut Meta)) {
        let before = self.meta.clone();
        change(&mut self.meta);
        if self.meta != before {
            self.stage(StoreKey::Meta, Some(encode(&self.meta)));
            self.sync = true;
        }
    }

    /// Changes the meta entry without need for it to be durable soon.
    pub(super) fn touch_meta(&mut self, change: impl FnOnce(&mut Meta)) {
        let sync = self.sync;
        self.change_meta(change);
        self.sync = sync;
    }

    pub(super) fn set_record(&mut self, id: RecordId, record: Encoded) {
        if self.records.get(&id) == Some(&record) {
            return;
        }
        let stored = Stored { tag: 0, bytes: record.bytes().clone() };
        self.stage(StoreKey::Record(id), Some(stored));
        self.records.insert(id, record);
        self.sync = true;
        Remote::ALL.into_iter().for_each(|remote| self.refresh(remote, id));
    }

    /// Forgets the local state. The product never does so but at a sign-out.
    pub(super) fn drop_record(&mut self, id: RecordId) {
        if self.records.remove(&id).is_some() {
            self.stage(StoreKey::Record(id), None);
            self.sync = true;
            Remote::ALL.into_iter().for_each(|remote| self.refresh(remote, id));
        }
    }

    pub(super) fn set_mirror(&mut self, remote: Remote, id: RecordId, mirror: Mirror) {
        if self.side(remote).mirrors.get(&id) == Some(&mirror) {
            return;
        }
        let bytes = mirror.state.as_ref().map_or_else(|| Bytes::from([]), |s| s.bytes().clone());
        let stored = Stored { tag: mirror.tag.0, bytes };
        self.stage(StoreKey::Mirror(remote, id), Some(stored));
        self.sides[remote.index()].mirrors.insert(id, mirror);
        self.refresh(remote, id);
    }

    pub(super) fn drop_mirror(&mut self, remote: Remote, id: RecordId) {
        if self.sides[remote.index()].mirrors.remove(&id).is_some() {
            self.stage(StoreKey::Mirror(remote, id), None);
            self.refresh(remote, id);
        }
    }

    pub(super) fn set_sealed(&mut self, remote: Remote, id: RecordId, row: SealedRow) {
        if self.side(remote).sealed.get(&id) == Some(&row) {
            return;
        }
        let stored = Stored { tag: row.tag.map_or(0, |tag| tag.0), bytes: row.blob.clone() };
        self.stage(StoreKey::Sealed(remote, id), Some(stored));
        self.sync = true;
        self.sides[remote.index()].sealed.insert(id, row);
        self.refresh(remote, id);
    }

    /// Keeps a sealed row in memory and nowhere else.
    pub(super) fn set_sealed_in_memory(&mut self, remote: Remote, id: RecordId, row: SealedRow) {
        self.sides[remote.index()].sealed.insert(id, row);
        self.refresh(remote, id);
    }

    pub(super) fn drop_sealed(&mut self, remote: Remote, id: RecordId) {
        if self.sides[remote.index()].sealed.remove(&id).is_some() {
            self.stage(StoreKey::Sealed(remote, id), None);
            self.refresh(remote, id);
        }
    }

    /// Notes that a remote refuses the present state of a record.
    pub(super) fn park(&mut self, remote: Remote, id: RecordId) {
        let Some(state) = self.records.get(&id) else { return };
        let bytes = state.bytes().clone();
        self.stage(StoreKey::Parked(remote, id), Some(Stored { tag: 0, bytes: bytes.clone() }));
        self.sides[remote.index()].parked.insert(id, bytes);
        self.refresh(remote, id);
    }

    pub(super) fn unpark(&mut self, remote: Remote, id: RecordId) {
        if self.sides[remote.index()].parked.remove(&id).is_some() {
            self.stage(StoreKey::Parked(remote, id), None);
            self.refresh(remote, id);
        }
    }

    pub(super) fn set_cursor(&mut self, remote: Remote, cursor: Option<Cursor>) {
        if self.side(remote).cursor != cursor {
            self.stage(StoreKey::Cursor(remote), cursor.map(|cursor| encode(&cursor)));
            self.sides[remote.index()].cursor = cursor;
        }
    }

    /// What the sync server was last seen to hold of files.
    pub(super) fn nodes(&self) -> &BTreeMap<NodeId, Shown> {
        &self.nodes
    }

    /// The own writes of files that the feed has not shown yet.
    pub(super) fn uploads(&self) -> &BTreeMap<Dot, OwnWrite> {
        &self.uploads
    }

    /// The newest commit at which an own write is known to be published. All of these are of one log.
    pub(super) fn newest_publication(&self) -> Position {
        let published = self.uploads.values().filter_map(|write| write.published);
        published.map(|published| published.at).max().unwrap_or(Position::START)
    }

    /// How far the sync server's feed has been taken.
    pub(super) fn feed(&self) -> Option<FeedCursor> {
        self.feed
    }

    pub(super) fn set_node(&mut self, shown: Shown) {
        if self.nodes.get(&shown.id) != Some(&shown) {
            self.stage(StoreKey::Node(shown.id), Some(encode(&shown)));
            self.sync = true;
            self.nodes.insert(shown.id, shown);
        }
    }

    pub(super) fn drop_node(&mut self, id: NodeId) {
        if self.nodes.remove(&id).is_some() {
            self.stage(StoreKey::Node(id), None);
            self.sync = true;
        }
    }

    pub(super) fn set_upload(&mut self, dot: Dot, write: OwnWrite) {
        if self.uploads.get(&dot) != Some(&write) {
            self.stage(StoreKey::Upload(dot), Some(encode(&write)));
            self.sync = true;
            self.uploads.insert(dot, write);
        }
    }

    pub(super) fn drop_upload(&mut self, dot: Dot) {
        if self.uploads.remove(&dot).is_some() {
            self.stage(StoreKey::Upload(dot), None);
        }
    }

    pub(super) fn set_feed(&mut self, cursor: Option<FeedCursor>) {
        if self.feed != cursor {
            self.stage(StoreKey::Feed, cursor.map(|cursor| encode(&cursor)));
            self.feed = cursor;
        }
    }

    /// Adds a key; true if it is new.
    pub(super) fn add_key(&mut self, name: KeyName, key: Key) -> bool {
        let stored = encode(&key);
        let new = self.keyring.add(name, key);
        if new {
            self.stage(StoreKey::Key(name), Some(stored));
            self.sync = true;
        }
        new
    }

    /// Forgets everything but who writes here and how far they have counted.
    pub(super) fn wipe(&mut self) {
        let ids: Vec<_> = self.records.keys().copied().collect();
        ids.into_iter().for_each(|id| self.drop_record(id));
        for remote in Remote::ALL {
            self.forget_side(remote);
            let sealed: Vec<_> = self.side(remote).sealed.keys().copied().collect();
            sealed.into_iter().for_each(|id| self.drop_sealed(remote, id));
        }
        for id in std::mem::take(&mut self.nodes).into_keys() {
            self.stage(StoreKey::Node(id), None);
        }
        for dot in std::mem::take(&mut self.uploads).into_keys() {
            self.stage(StoreKey::Upload(dot), None);
        }
        self.set_feed(None);
        for name in self.keyring.names().collect::<Vec<_>>() {
            self.stage(StoreKey::Key(name), None);
        }
        self.keyring.clear();
    }

    /// Forgets what a remote was seen to hold. Sealed rows stay: they may be the last copy.
    pub(super) fn forget_side(&mut self, remote: Remote) {
        let mirrored: Vec<_> = self.side(remote).mirrors.keys().copied().collect();
        mirrored.into_iter().for_each(|id| self.drop_mirror(remote, id));
        let parked: Vec<_> = self.side(remote).parked.keys().copied().collect();
        parked.into_iter().for_each(|id| self.unpark(remote, id));
        self.set_cursor(remote, None);
    }

    /// Takes what is staged as a batch. `None` if nothing is.
    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        let sync = std::mem::take(&mut self.sync);
        if self.staged.is_empty() {
            return None;
        }
        let puts = std::mem::take(&mut self.staged).into_iter().collect();
        Some(Batch { puts, sync })
    }

    /// Lets the staged batch go without waiting for it.
    pub(super) fn without_sync(&mut self) {
        self.sync = false;
    }

    fn stage(&mut self, key: StoreKey, stored: Option<Stored>) {
        self.staged.insert(key, stored);
    }

    /// Is this record unsent? Derived from what is here and what the remote was seen to hold.
    fn refresh(&mut self, remote: Remote, id: RecordId) {
        let side = &self.sides[remote.index()];
        let unsent = match (side.sealed.get(&id), self.records.get(&id)) {
            (Some(sealed), _) => sealed.tag.is_none(),
            (None, None) => false,
            (None, Some(local)) => {
                let mirrored = side.mirrors.get(&id).and_then(|mirror| mirror.state.as_ref());
                mirrored != Some(local) && side.parked.get(&id) != Some(local.bytes())
            }
        };
        let index = &mut self.sides[remote.index()].unsent;
        if unsent {
            index.insert(id)
        } else {
            index.remove(&id)
        };
    }
}

pub(super) fn encode(value: &impl Serialize) -> Stored {
    Stored { tag: 0, bytes: crate::log::encode(value) }
}
