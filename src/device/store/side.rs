//! What is known of one remote: its rows as last seen, rows that cannot be opened, rows that it
//! refuses, and how far its feed was read.
//!
//! Which records the remote lacks is derived from these tables and kept as an index. There is no dirty
//! flag that could be lost.

use std::collections::{BTreeMap, BTreeSet};

use super::super::io::{StoreKey, Stored};
use super::staged::{Staged, encode};
use crate::Bytes;
use crate::id::{RecordId, Remote};
use crate::record::Encoded;
use crate::remote::{Cursor, Tag};

/// What a remote was last seen to hold of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::device) struct Mirror {
    /// The remote's name for that state.
    pub(in crate::device) tag: Tag,
    /// `None` if the stored bytes are damaged: then only the tag is known.
    pub(in crate::device) state: Option<Encoded>,
}

/// A row that cannot be opened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::device) struct SealedRow {
    /// `None` if the remote lost the row meanwhile: then this copy is put back as it is.
    pub(in crate::device) tag: Option<Tag>,
    /// The row as it was served.
    pub(in crate::device) blob: Bytes,
}

/// The tables of one remote.
#[derive(Clone, Debug, Default)]
pub(in crate::device) struct Side {
    mirrors: BTreeMap<RecordId, Mirror>,
    sealed: BTreeMap<RecordId, SealedRow>,
    /// The states that the remote refused for good.
    parked: BTreeMap<RecordId, Bytes>,
    cursor: Option<Cursor>,
    /// Derived: the records that the remote lacks and that can be sent now.
    unsent: BTreeSet<RecordId>,
}

impl Side {
    /// The remote's rows as last seen.
    pub(in crate::device) fn mirrors(&self) -> &BTreeMap<RecordId, Mirror> {
        &self.mirrors
    }

    /// The remote's row of this record as last seen.
    pub(in crate::device) fn mirror(&self, id: RecordId) -> Option<&Mirror> {
        self.mirrors.get(&id)
    }

    /// The state that the remote's row was last seen to hold, if that could be read.
    pub(in crate::device) fn mirrored(&self, id: RecordId) -> Option<&Encoded> {
        self.mirrors.get(&id)?.state.as_ref()
    }

    /// The rows that cannot be opened yet.
    pub(in crate::device) fn sealed(&self) -> &BTreeMap<RecordId, SealedRow> {
        &self.sealed
    }

    /// The states that the remote refused for good.
    pub(in crate::device) fn parked(&self) -> &BTreeMap<RecordId, Bytes> {
        &self.parked
    }

    /// How far the feed was read.
    pub(in crate::device) fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// The records that the remote lacks, as far as is known, and that can be sent now.
    pub(in crate::device) fn unsent(&self) -> &BTreeSet<RecordId> {
        &self.unsent
    }

    /// Takes over a stored entry at start. The caller derives the index afterwards.
    pub(super) fn load_mirror(&mut self, id: RecordId, mirror: Mirror) {
        self.mirrors.insert(id, mirror);
    }

    pub(super) fn load_sealed(&mut self, id: RecordId, row: SealedRow) {
        self.sealed.insert(id, row);
    }

    pub(super) fn load_parked(&mut self, id: RecordId, state: Bytes) {
        self.parked.insert(id, state);
    }

    pub(super) fn load_cursor(&mut self, cursor: Option<Cursor>) {
        self.cursor = cursor;
    }

    /// Is this record to be sent, given its local state?
    fn is_unsent(&self, id: RecordId, local: Option<&Encoded>) -> bool {
        match (self.sealed.get(&id), local) {
            (Some(sealed), _) => sealed.tag.is_none() && self.parked.get(&id) != Some(&sealed.blob),
            (None, None) => false,
            (None, Some(local)) => {
                self.mirrored(id) != Some(local) && self.parked.get(&id) != Some(local.bytes())
            }
        }
    }

    /// Brings the index up to date after a change of this record, here or in the tables.
    pub(super) fn refresh(&mut self, id: RecordId, local: Option<&Encoded>) {
        if self.is_unsent(id, local) {
            self.unsent.insert(id);
        } else {
            self.unsent.remove(&id);
        }
    }

    /// Asserts that the index is what the tables say: linear in the number of records.
    pub(super) fn check_thoroughly(&self, records: &BTreeMap<RecordId, Encoded>) {
        let known = records.keys().chain(self.sealed.keys());
        let unsent = known.filter(|id| self.is_unsent(**id, records.get(id)));
        assert!(
            unsent.copied().collect::<BTreeSet<_>>() == self.unsent,
            "the index of unsent records follows every change of a table"
        );
    }
}

/// The tables of one remote, to be changed. Every change is staged for the next commit.
#[derive(Debug)]
pub(in crate::device) struct SideMut<'s> {
    pub(super) remote: Remote,
    pub(super) side: &'s mut Side,
    pub(super) records: &'s BTreeMap<RecordId, Encoded>,
    pub(super) staged: &'s mut Staged,
}

impl SideMut<'_> {
    /// Notes what the remote holds of a record.
    pub(in crate::device) fn set_mirror(&mut self, id: RecordId, mirror: Mirror) {
        if self.side.mirrors.get(&id) == Some(&mirror) {
            return;
        }
        let bytes = mirror.state.as_ref().map_or_else(|| Bytes::from([]), |s| s.bytes().clone());
        self.staged.put(StoreKey::Mirror(self.remote, id), Stored { tag: mirror.tag.0, bytes });
        self.side.mirrors.insert(id, mirror);
        self.refresh(id);
    }

    /// Forgets what the remote holds of a record.
    pub(in crate::device) fn drop_mirror(&mut self, id: RecordId) {
        if self.side.mirrors.remove(&id).is_some() {
            self.staged.remove(StoreKey::Mirror(self.remote, id));
            self.refresh(id);
        }
    }

    /// Keeps a row that cannot be opened. It may be the last copy, so it is durable before the cursor
    /// that passes it.
    pub(in crate::device) fn set_sealed(&mut self, id: RecordId, row: SealedRow) {
        if self.side.sealed.get(&id) == Some(&row) {
            return;
        }
        // Stored tags begin at 1: 0 stands for a row that the remote has lost.
        let stored = Stored { tag: row.tag.map_or(0, |tag| tag.0), bytes: row.blob.clone() };
        self.staged.put(StoreKey::Sealed(self.remote, id), stored);
        self.staged.require_sync();
        self.side.sealed.insert(id, row);
        self.refresh(id);
    }

    /// The flaw DEEP-SYNC-002e: keeps a sealed row in memory only.
    #[cfg(feature = "flaws")]
    pub(in crate::device) fn set_sealed_in_memory(&mut self, id: RecordId, row: SealedRow) {
        self.side.sealed.insert(id, row);
        self.refresh(id);
    }

    /// Drops a sealed row, since it was opened or is of no use any more; true if there was one.
    pub(in crate::device) fn drop_sealed(&mut self, id: RecordId) -> bool {
        let was_there = self.side.sealed.remove(&id).is_some();
        if was_there {
            self.staged.remove(StoreKey::Sealed(self.remote, id));
            self.refresh(id);
        }
        was_there
    }

    /// Drops all sealed rows.
    pub(in crate::device) fn drop_all_sealed(&mut self) {
        let sealed: Vec<_> = self.side.sealed.keys().copied().collect();
        for id in sealed {
            let was_there = self.drop_sealed(id);
            assert!(was_there, "its id was read from this table");
        }
    }

    /// Notes that the remote refuses what is sent of a record: a sealed row that is put back as it is, or
    /// the present state.
    pub(in crate::device) fn park(&mut self, id: RecordId) {
        let lost = self.side.sealed.get(&id).filter(|row| row.tag.is_none());
        let refused = lost.map(|row| &row.blob);
        let refused = refused.or_else(|| self.records.get(&id).map(Encoded::bytes));
        if let Some(bytes) = refused.cloned() {
            let stored = Stored { tag: 0, bytes: bytes.clone() };
            self.staged.put(StoreKey::Parked(self.remote, id), stored);
            self.side.parked.insert(id, bytes);
            self.refresh(id);
        }
    }

    /// Lets a parked record be sent again.
    pub(in crate::device) fn unpark(&mut self, id: RecordId) {
        if self.side.parked.remove(&id).is_some() {
            self.staged.remove(StoreKey::Parked(self.remote, id));
            self.refresh(id);
        }
    }

    /// Lets all parked records be sent again.
    pub(in crate::device) fn unpark_all(&mut self) {
        let parked: Vec<_> = self.side.parked.keys().copied().collect();
        parked.into_iter().for_each(|id| self.unpark(id));
        assert!(self.side.parked.is_empty(), "each of them was let go");
    }

    /// Sets how far the feed was read; `None` to read it from the start.
    pub(in crate::device) fn set_cursor(&mut self, cursor: Option<Cursor>) {
        if self.side.cursor != cursor {
            let key = StoreKey::Cursor(self.remote);
            match &cursor {
                Some(cursor) => self.staged.put(key, encode(cursor)),
                None => self.staged.remove(key),
            }
            self.side.cursor = cursor;
        }
    }

    /// Forgets what the remote was seen to hold. Sealed rows stay: they may be the last copy.
    pub(in crate::device) fn forget(&mut self) {
        let mirrored: Vec<_> = self.side.mirrors.keys().copied().collect();
        mirrored.into_iter().for_each(|id| self.drop_mirror(id));
        self.unpark_all();
        self.set_cursor(None);
        assert!(self.side.mirrors.is_empty(), "each of them was dropped");
    }

    fn refresh(&mut self, id: RecordId) {
        self.side.refresh(id, self.records.get(&id));
    }
}
