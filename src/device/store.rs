//! What a device holds: the tables in memory, and the commit that will make their changes durable.
//!
//! Every change of a table stages a put, so the tables never say more than the next commit does. There is no
//! dirty flag: what a remote lacks is derived from record and mirror (`local ≠ mirror`), and what the server
//! lacks of files from own writes and the feed.

mod files;
mod side;
mod staged;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::files::OwnWrite;
pub(super) use self::files::{FileTables, FilesMut, Published};
pub(super) use self::side::{Mirror, SealedRow, Side, SideMut};
use self::staged::{Staged, encode};
use super::io::{Batch, Snapshot, StoreKey, Stored};
use crate::id::{RecordId, Remote, ReplicaId, UserId};
use crate::record::{Encoded, Record};
use crate::remote::{Cursor, Tag};
use crate::seal::{Key, KeyName, Keyring, Memo};
use crate::time::Hlc;

/// The replica's name, its counters, and the login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The install that took `replica`.
    pub(super) install: u64,
    /// The name under which this store writes.
    pub(super) replica: ReplicaId,
    /// The number of the next write, from 1.
    pub(super) next_n: u64,
    /// The clock of the last write, or the furthest that was heard of.
    pub(super) hlc: Hlc,
    /// `None` while no user is signed in.
    pub(super) session: Option<Session>,
    /// The device's name at the sync server, which a copy of this store has too.
    pub(super) device: u64,
    /// How many lives of this replica the sync server has heard of.
    pub(super) life: u32,
}

impl Meta {
    /// The entry of a store that has not been written to.
    pub(super) fn fresh(install: u64, replica: ReplicaId) -> Self {
        Self {
            install,
            replica,
            next_n: 1,
            hlc: Hlc::default(),
            session: None,
            device: install,
            life: 0,
        }
    }
}

/// A login and how far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// The user that is signed in.
    pub(super) user: UserId,
    /// Is the vault shown?
    pub(super) open: bool,
    /// By remote: has it been listed to its head since the login?
    pub(super) merged: [bool; 2],
}

/// All tables of a device.
#[derive(Clone, Debug)]
pub(super) struct Store {
    meta: Meta,
    records: BTreeMap<RecordId, Encoded>,
    sides: [Side; 2],
    files: FileTables,
    keyring: Keyring,
    staged: Staged,
}

impl Store {
    /// Reads a store. An entry that cannot be read was not written by this build, and is left out.
    pub(super) fn load(snapshot: &Snapshot, fresh: Meta, memo: Option<Memo>) -> Self {
        let mut store = Self {
            meta: fresh,
            records: BTreeMap::new(),
            sides: <[Side; 2]>::default(),
            files: FileTables::default(),
            keyring: Keyring::new(BTreeMap::new(), memo),
            staged: Staged::default(),
        };
        for (key, stored) in snapshot {
            store.load_entry(*key, stored);
        }
        for side in &mut store.sides {
            let ids: Vec<_> = store.records.keys().chain(side.sealed().keys()).copied().collect();
            ids.into_iter().for_each(|id| side.refresh(id, store.records.get(&id)));
        }
        assert!(store.staged.is_empty(), "what was just read is durable already");
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
                self.sides[remote.index()].load_mirror(id, Mirror { tag, state });
            }
            StoreKey::Sealed(remote, id) => {
                let tag = (tag != Tag(0)).then_some(tag);
                let row = SealedRow { tag, blob: stored.bytes.clone() };
                self.sides[remote.index()].load_sealed(id, row);
            }
            StoreKey::Parked(remote, id) => {
                self.sides[remote.index()].load_parked(id, stored.bytes.clone());
            }
            StoreKey::Cursor(remote) => {
                self.sides[remote.index()].load_cursor(postcard::from_bytes(&stored.bytes).ok());
            }
            StoreKey::Node(id) => {
                if let Ok(shown) = postcard::from_bytes(&stored.bytes) {
                    self.files.load_node(id, shown);
                }
            }
            StoreKey::Upload(dot) => {
                if let Ok(write) = postcard::from_bytes(&stored.bytes) {
                    self.files.load_write(dot, write);
                }
            }
            StoreKey::Feed => self.files.load_feed(postcard::from_bytes(&stored.bytes).ok()),
            StoreKey::Author => self.files.load_author(postcard::from_bytes(&stored.bytes).ok()),
        }
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The login; `None` while no user is signed in.
    pub(super) fn session(&self) -> Option<&Session> {
        self.meta.session.as_ref()
    }

    pub(super) fn records(&self) -> &BTreeMap<RecordId, Encoded> {
        &self.records
    }

    pub(super) fn record(&self, id: RecordId) -> Option<&Encoded> {
        self.records.get(&id)
    }

    /// The local state, empty if there is none.
    pub(super) fn state(&self, id: RecordId) -> Record {
        self.records.get(&id).map(|encoded| encoded.record().clone()).unwrap_or_default()
    }

    /// What is known of a remote.
    pub(super) fn side(&self, remote: Remote) -> &Side {
        &self.sides[remote.index()]
    }

    /// The same, to be changed.
    pub(super) fn side_mut(&mut self, remote: Remote) -> SideMut<'_> {
        SideMut {
            remote,
            side: &mut self.sides[remote.index()],
            records: &self.records,
            staged: &mut self.staged,
        }
    }

    /// What is known of files.
    pub(super) fn files(&self) -> &FileTables {
        &self.files
    }

    /// The same, to be changed.
    pub(super) fn files_mut(&mut self) -> FilesMut<'_> {
        FilesMut { tables: &mut self.files, staged: &mut self.staged }
    }

    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// All records whose state here a remote does not hold, also those that cannot be sent now: they
    /// are parked, or the remote's own row is sealed.
    pub(super) fn lacking(&self, remote: Remote) -> impl Iterator<Item = RecordId> {
        let side = self.side(remote);
        let lacking =
            self.records.iter().filter(move |(id, local)| side.mirrored(**id) != Some(*local));
        let lost = side.sealed().iter().filter(|(_, row)| row.tag.is_none());
        lacking.map(|(id, _)| *id).chain(lost.map(|(id, _)| *id))
    }

    /// Changes the meta entry; it must be durable before what follows.
    pub(super) fn change_meta(&mut self, change: impl FnOnce(&mut Meta)) {
        if self.stage_meta(change) {
            self.staged.require_sync();
        }
    }

    /// Changes the meta entry without need for it to be durable soon.
    pub(super) fn touch_meta(&mut self, change: impl FnOnce(&mut Meta)) {
        self.stage_meta(change);
    }

    fn stage_meta(&mut self, change: impl FnOnce(&mut Meta)) -> bool {
        let before = self.meta.clone();
        change(&mut self.meta);
        let after = &self.meta;
        if *after == before {
            return false;
        }
        assert!(
            after.replica != before.replica || after.next_n >= before.next_n,
            "one replica never uses a number twice: two writes under one dot are merged as one"
        );
        assert!(after.life >= before.life, "a life is not lived again");
        self.staged.put(StoreKey::Meta, encode(&self.meta));
        true
    }

    /// Sets the local state of a record, durable before what follows.
    pub(super) fn set_record(&mut self, id: RecordId, record: Encoded) {
        if self.records.get(&id) == Some(&record) {
            return;
        }
        let stored = Stored { tag: 0, bytes: record.bytes().clone() };
        self.staged.put(StoreKey::Record(id), stored);
        self.staged.require_sync();
        self.records.insert(id, record);
        self.refresh(id);
    }

    /// Forgets the local state. The product does so only at a sign-out.
    pub(super) fn drop_record(&mut self, id: RecordId) {
        if self.records.remove(&id).is_some() {
            self.staged.remove(StoreKey::Record(id));
            self.staged.require_sync();
            self.refresh(id);
        }
    }

    fn refresh(&mut self, id: RecordId) {
        let local = self.records.get(&id);
        self.sides.iter_mut().for_each(|side| side.refresh(id, local));
    }

    /// Adds a key; true if it is new.
    pub(super) fn add_key(&mut self, name: KeyName, key: Key) -> bool {
        let stored = encode(&key);
        let new = self.keyring.add(name, key);
        if new {
            self.staged.put(StoreKey::Key(name), stored);
            self.staged.require_sync();
        }
        new
    }

    /// Forgets everything but the meta entry.
    pub(super) fn wipe(&mut self) {
        let ids: Vec<_> = self.records.keys().copied().collect();
        ids.into_iter().for_each(|id| self.drop_record(id));
        for remote in Remote::ALL {
            let mut side = self.side_mut(remote);
            side.forget();
            side.drop_all_sealed();
            assert!(side.side.unsent().is_empty(), "nothing is here that a remote could lack");
        }
        self.files_mut().wipe();
        for name in self.keyring.names().collect::<Vec<_>>() {
            self.staged.remove(StoreKey::Key(name));
        }
        self.keyring.clear();
        assert!(self.records.is_empty(), "each of them was dropped");
    }

    /// Lets the staged commit go without waiting for it.
    pub(super) fn without_sync(&mut self) {
        self.staged.without_sync();
    }

    /// The staged changes as one commit; `None` if there are none.
    pub(super) fn take_batch(&mut self) -> Option<Batch> {
        self.staged.take()
    }

    /// Asserts what must hold between two inputs, in constant time.
    pub(super) fn check(&self) {
        assert!(self.staged.is_empty(), "every transition ends with a commit of what it staged");
    }

    /// Asserts what takes time linear in the size of the tables.
    pub(super) fn check_thoroughly(&self) {
        self.sides.iter().for_each(|side| side.check_thoroughly(&self.records));
    }
}

/// Who is signed in on the device with this disk.
pub fn signed_in(disk: &Snapshot) -> Option<UserId> {
    let meta: Meta = postcard::from_bytes(&disk.get(&StoreKey::Meta)?.bytes).ok()?;
    meta.session.map(|session| session.user)
}

/// The disk of a device on which `user` is signed in and which holds these records, each as every
/// remote holds it under the tag given.
pub fn prepared(
    user: UserId,
    install: u64,
    keys: &BTreeMap<KeyName, Key>,
    rows: &[(RecordId, Encoded, [Option<Tag>; 2])],
    cursors: [Option<Cursor>; 2],
) -> Snapshot {
    let session = Session { user, open: true, merged: [true; 2] };
    let mut store = Store::load(&Snapshot::new(), Meta::fresh(install, ReplicaId(install)), None);
    store.change_meta(|meta| meta.session = Some(session));
    for (name, key) in keys {
        store.add_key(*name, key.clone());
    }
    for (id, record, tags) in rows {
        store.set_record(*id, record.clone());
        for (remote, tag) in Remote::ALL.into_iter().zip(tags) {
            if let Some(tag) = *tag {
                let mirror = Mirror { tag, state: Some(record.clone()) };
                store.side_mut(remote).set_mirror(*id, mirror);
            }
        }
    }
    for (remote, cursor) in Remote::ALL.into_iter().zip(cursors) {
        store.side_mut(remote).set_cursor(cursor);
    }
    let batch = store.take_batch().expect("the session is new");
    batch.puts.into_iter().filter_map(|(key, stored)| Some((key, stored?))).collect()
}
