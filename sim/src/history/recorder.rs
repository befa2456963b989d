//! The recorder: writes facts down, numbers blobs, and decodes what was persisted or stored, each
//! byte object once per run.
//!
//! Its memories are keyed by address. That is sound only because an entry keeps its object alive and
//! because they are never walked.

use std::sync::Arc;

use engine::Bytes;
use engine::device::{OwnWrite, StoreKey, Stored};
use engine::log::NodeKind;
use engine::message;
use engine::record::{Encoded, Record};
use engine::remote::{Cursor, Tag};
use engine::seal::Memo;
use harness::time::Time;

use super::table::Table;
use super::{BlobId, Change, Contents, Entry, Fact, Incarnation, NodeSeen};
use crate::plan::Node;

/// Everything that is known about the objects of a run, and all that happened to them.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) entries: Vec<Entry>,
    /// About how many bytes they and the blobs keep.
    bytes: u64,
    canary: [u8; 8],
    /// What devices store is what they seal, and the oracle opens.
    memo: Memo,
    blobs: Table<usize, Blob>,
    records: Table<usize, (Bytes, Arc<Contents>)>,
}

#[derive(Clone, Debug)]
struct Blob {
    id: BlobId,
    has_plaintext: bool,
    _object: Bytes,
}

/// Most runs of a few devices, and most of many devices for each of these, make no more facts. Room that
/// is never written to costs nothing; a history that moves to a larger one leaves as much behind.
const FACTS: usize = 16_384;
const FACTS_OF_DEVICE: usize = 512;

impl Recorder {
    pub(crate) fn new(canary: [u8; 8], memo: Memo, devices: usize) -> Self {
        Self {
            entries: Vec::with_capacity(FACTS.max(devices * FACTS_OF_DEVICE)),
            bytes: 0,
            canary,
            memo,
            blobs: Table::default(),
            records: Table::default(),
        }
    }

    #[inline]
    pub(crate) fn note(&mut self, at: Time, node: Node, incarnation: Incarnation, fact: Fact) {
        let entry = Entry { at, node, incarnation, fact };
        self.bytes += entry.weight();
        self.entries.push(entry);
    }

    /// About how many bytes the history keeps.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many different blobs have been seen.
    pub(crate) fn blobs(&self) -> u64 {
        self.blobs.len() as u64
    }

    /// The number of a blob, and whether a token's prefix stands in it in clear.
    pub(crate) fn blob(&mut self, blob: &Bytes) -> (BlobId, bool) {
        let id = BlobId(u32::try_from(self.blobs.len()).expect("a run has fewer blobs"));
        let canary = self.canary;
        let bytes = &mut self.bytes;
        let entry = self.blobs.or_insert_with(address(blob), || {
            *bytes += blob.len() as u64;
            let has_plaintext = holds(blob, canary);
            Blob { id, has_plaintext, _object: blob.clone() }
        });
        (entry.id, entry.has_plaintext)
    }

    /// Does a token's prefix stand in these bytes in clear?
    pub(crate) fn shows(&self, bytes: &[u8]) -> bool {
        holds(bytes, self.canary)
    }

    /// What an opened record holds.
    pub(crate) fn contents(&mut self, record: &Encoded) -> Arc<Contents> {
        let bytes = record.bytes();
        let kept = &mut self.bytes;
        let known = || {
            *kept += bytes.len() as u64;
            (bytes.clone(), Arc::new(contents(record.record())))
        };
        self.records.or_insert_with(address(bytes), known).1.clone()
    }

    /// What a stored record holds.
    fn decode(&mut self, bytes: &Bytes) -> Arc<Contents> {
        if let Some((_, known)) = self.records.get(address(bytes)) {
            return known.clone();
        }
        match self.memo.decode(bytes.clone()) {
            Ok(record) => self.contents(&record),
            // Bytes that are no record hold nothing; the judges then miss what should be there.
            Err(_) => Arc::new(Contents { live: false, cells: Vec::new() }),
        }
    }

    /// One entry of a store, or its removal, as the history has it.
    pub(crate) fn change(&mut self, key: &StoreKey, stored: Option<&Stored>) -> Change {
        match *key {
            StoreKey::Meta | StoreKey::Author => Change::Meta,
            StoreKey::Key(_) => Change::Key(stored.is_some()),
            StoreKey::Record(id) => {
                Change::Record(id, stored.map(|stored| self.decode(&stored.bytes)))
            }
            StoreKey::Mirror(remote, id) => {
                let held = stored.map(|stored| {
                    let known = !stored.bytes.is_empty();
                    (Tag(stored.tag), known.then(|| self.decode(&stored.bytes)))
                });
                Change::Mirror(remote, id, held)
            }
            StoreKey::Sealed(remote, id) => {
                let held = stored.map(|stored| (Tag(stored.tag), self.blob(&stored.bytes).0));
                Change::Sealed(remote, id, held)
            }
            StoreKey::Parked(remote, id) => Change::Parked(remote, id, stored.is_some()),
            StoreKey::Cursor(remote) => {
                let cursor =
                    stored.and_then(|stored| postcard::from_bytes::<Cursor>(&stored.bytes).ok());
                Change::Cursor(remote, cursor)
            }
            StoreKey::Node(id) => {
                let shown = stored.and_then(|stored| postcard::from_bytes(&stored.bytes).ok());
                Change::Node(id, shown.map(|shown| Arc::new(seen(&shown))))
            }
            StoreKey::Upload(dot) => {
                let write = stored.and_then(|it| postcard::from_bytes::<OwnWrite>(&it.bytes).ok());
                Change::Upload(dot, write.map(|write| (write.content.token, write.node)))
            }
            StoreKey::Feed => {
                let cursor = stored.and_then(|stored| postcard::from_bytes(&stored.bytes).ok());
                Change::Feed(cursor)
            }
        }
    }
}

fn seen(shown: &message::Shown) -> NodeSeen {
    NodeSeen {
        parent: shown.node.place.parent,
        is_folder: matches!(shown.node.kind, NodeKind::Folder),
        deleted: shown.node.deleted,
        changed: shown.node.changed,
        heads: shown.heads.iter().map(|(n, version)| (*n, version.write)).collect(),
    }
}

fn contents(record: &Record) -> Contents {
    Contents {
        live: record.is_live(),
        cells: record.cells().map(|(field, cell)| (field, cell.payload.token)).collect(),
    }
}

fn holds(bytes: &[u8], canary: [u8; 8]) -> bool {
    let [head, .., tail] = canary;
    let Some(tails) = bytes.get(canary.len() - 1..) else { return false };
    // A pass without branches, many bytes at a time, rules out nearly all that is sealed.
    let fits = |found, (first, last): (&u8, &u8)| found | (*first == head) & (*last == tail);
    bytes.iter().zip(tails).fold(false, fits)
        && bytes.windows(canary.len()).any(|window| window == canary)
}

fn address(bytes: &Bytes) -> usize {
    bytes.as_ptr() as usize
}

#[cfg(test)]
mod tests {
    use engine::id::{DeviceId, Remote};
    use harness::digest::digest;

    use super::*;

    #[test]
    fn a_blob_keeps_its_number_and_is_searched_for_plaintext() {
        let mut recorder = Recorder::new(*b"canary!!", Memo::default(), 1);
        let sealed: Bytes = b"nothing to see".as_slice().into();
        let leaked: Bytes = b"here is canary!! in clear".as_slice().into();
        assert_eq!(recorder.blob(&sealed), (BlobId(0), false));
        assert_eq!(recorder.blob(&leaked), (BlobId(1), true));
        assert_eq!(recorder.blob(&sealed.clone()), (BlobId(0), false));
    }

    #[test]
    fn the_digest_covers_time_place_life_fact_and_order() {
        let entry = |at, device, incarnation, commit| Entry {
            at: Time(at),
            node: Node::Device(DeviceId(device)),
            incarnation,
            fact: Fact::Durable(commit),
        };
        let base = [entry(1, 2, 3, 4), entry(5, 6, 7, 8)];
        let digest_of = |history: &[Entry]| digest(history).0;
        assert_eq!(digest_of(&base), digest_of(&base.clone()));
        for other in [
            [entry(2, 2, 3, 4), entry(5, 6, 7, 8)],
            [entry(1, 3, 3, 4), entry(5, 6, 7, 8)],
            [entry(1, 2, 4, 4), entry(5, 6, 7, 8)],
            [entry(1, 2, 3, 5), entry(5, 6, 7, 8)],
            [entry(5, 6, 7, 8), entry(1, 2, 3, 4)],
        ] {
            assert_ne!(digest_of(&base), digest_of(&other));
        }
    }

    #[test]
    fn an_empty_mirror_is_a_damaged_row() {
        let mut recorder = Recorder::new(*b"canary!!", Memo::default(), 1);
        let id = engine::id::RecordId { kind: engine::id::Kind::Meal, key: 1 };
        let stored = Stored { tag: 9, bytes: [].into() };
        let change = recorder.change(&StoreKey::Mirror(Remote::Zone, id), Some(&stored));
        assert_eq!(change, Change::Mirror(Remote::Zone, id, Some((Tag(9), None))));
    }
}
