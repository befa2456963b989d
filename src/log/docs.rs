//! The documents of a space: one table for each kind of key. Most lookups are about one kind, and
//! most kinds have few documents or none.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Doc, FileDoc, FileKey, Key};
use crate::job::{Place, Stored};

/// The tables, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Docs([BTreeMap<Key, Doc>; KINDS]);

const KINDS: usize = 15;

/// The kind of a key. Kinds are in the order of keys.
const fn kind(key: &Key) -> usize {
    match key {
        Key::Session(_) => 0,
        Key::Receipt(_) => 1,
        Key::Account(_) => 2,
        Key::Was(..) => 3,
        Key::Work(_) => 4,
        Key::File(FileKey::Node(_)) => 5,
        Key::File(FileKey::Named(..)) => 6,
        Key::File(FileKey::Changed(..)) => 7,
        Key::File(FileKey::Version(..)) => 8,
        Key::File(FileKey::Upload(_)) => 9,
        Key::File(FileKey::Blob(_)) => 10,
        Key::File(FileKey::Doomed(..)) => 11,
        Key::File(FileKey::Job(_)) => 12,
        Key::File(FileKey::Item(..)) => 13,
        Key::File(FileKey::Unfinished(_)) => 14,
    }
}

/// Does this kind of document belong under this kind of key? Every writer keeps to it. What is read
/// from the volume may not, so readers take a document of another kind for none.
pub(super) const fn fits(key: &Key, doc: &Doc) -> bool {
    match (key, doc) {
        (Key::File(key), Doc::File(doc)) => file_fits(key, doc),
        (Key::Session(_), Doc::Session(_))
        | (Key::Receipt(_), Doc::Receipt(_))
        | (Key::Account(_), Doc::Field(..))
        | (Key::Was(..), Doc::Version(_))
        | (Key::Work(Place::Item(_)), Doc::Work(Stored::Item(_) | Stored::Old(_)))
        | (Key::Work(Place::Was(..)), Doc::Work(Stored::Item(_)))
        | (Key::Work(Place::Day(_)), Doc::Work(Stored::Day(_))) => true,
        (
            Key::Session(_)
            | Key::Receipt(_)
            | Key::Account(_)
            | Key::Was(..)
            | Key::Work(_)
            | Key::File(_),
            _,
        ) => false,
    }
}

const fn file_fits(key: &FileKey, doc: &FileDoc) -> bool {
    match key {
        FileKey::Node(_) => matches!(doc, FileDoc::Node(_)),
        FileKey::Named(..) => matches!(doc, FileDoc::Holder(_)),
        FileKey::Version(..) => matches!(doc, FileDoc::Version(_)),
        FileKey::Upload(_) => matches!(doc, FileDoc::Upload(_)),
        FileKey::Blob(_) => matches!(doc, FileDoc::Blob(..)),
        FileKey::Doomed(..) => matches!(doc, FileDoc::Doomed(_)),
        FileKey::Job(_) => matches!(doc, FileDoc::Job(_)),
        FileKey::Item(..) => matches!(doc, FileDoc::Item(..)),
        FileKey::Changed(..) | FileKey::Unfinished(_) => matches!(doc, FileDoc::Mark),
    }
}

impl Docs {
    pub(super) fn get(&self, key: &Key) -> Option<&Doc> {
        self.0[kind(key)].get(key)
    }

    pub(super) fn range(&self, keys: RangeInclusive<Key>) -> impl Iterator<Item = (&Key, &Doc)> {
        let (first, last) = (kind(keys.start()), kind(keys.end()));
        assert!(first <= last, "keys are ranged over in their order");
        let tables = &self.0[first..=last];
        tables.iter().flat_map(move |table| table.range(keys.clone()))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Key, &Doc)> {
        self.0.iter().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(BTreeMap::len).sum()
    }

    /// Stores a document, or deletes the one that is there.
    pub(super) fn put(&mut self, key: Key, doc: Option<Doc>) {
        let table = &mut self.0[kind(&key)];
        match doc {
            Some(doc) => table.insert(key, doc),
            None => table.remove(&key),
        };
    }
}

/// Encodes as one map, in the order of keys.
impl Serialize for Docs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (key, doc) in self.0.iter().flatten() {
            map.serialize_entry(key, doc)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Docs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Docs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what stands at the places of a space")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Docs, A::Error> {
        let mut docs = Docs::default();
        while let Some((key, doc)) = map.next_entry()? {
            docs.put(key, Some(doc));
        }
        Ok(docs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;
    use crate::blob::Address;
    use crate::id::{AccountField, NodeId, ReplicaId, Token};
    use crate::log::encode;
    use crate::message::{Client, DeviceKey, JobId};
    use crate::record::{Payload, Value};

    /// A key of each kind.
    fn keys() -> [Key; KINDS] {
        let job = JobId { client: Client { replica: ReplicaId(1), life: 1 }, n: 1 };
        [
            Key::Session(DeviceKey(1)),
            Key::Receipt(ReplicaId(1)),
            Key::Account(AccountField::ALL[0]),
            Key::Was(AccountField::ALL[0], 1),
            Key::Work(Place::Item(postcard::from_bytes(&[7; 16]).expect("a key"))),
            Key::File(FileKey::Node(NodeId(1))),
            Key::File(FileKey::Named(NodeId(1), postcard::from_bytes(&[7; 16]).expect("a key"))),
            Key::File(FileKey::Changed(1, NodeId(1))),
            Key::File(FileKey::Version(NodeId(1), 1)),
            Key::File(FileKey::Upload(Address::FIRST)),
            Key::File(FileKey::Blob(Address::FIRST)),
            Key::File(FileKey::Doomed(Address::FIRST, 1)),
            Key::File(FileKey::Job(job)),
            Key::File(FileKey::Item(job, 1)),
            Key::File(FileKey::Unfinished(job)),
        ]
    }

    #[test]
    fn kinds_are_in_the_order_of_keys() {
        assert!(keys().is_sorted());
        assert_eq!(keys().map(|key| kind(&key)), std::array::from_fn(|n| n));
    }

    #[test]
    fn the_tables_are_ranged_over_and_encoded_like_one_map() {
        let value = Value::Text("Acme".into());
        let doc = Doc::Version(Payload { token: Token([1; 16]), value });
        let map = BTreeMap::from(keys().map(|key| (key, doc.clone())));
        let mut docs = Docs::default();
        keys().into_iter().rev().for_each(|key| docs.put(key, Some(doc.clone())));
        let encoded: Bytes = encode(&map);
        assert_eq!(encode(&docs), encoded);
        assert_eq!(postcard::from_bytes(&encoded), Ok(docs.clone()));
        for (first, last) in [(0, KINDS - 1), (3, 9), (4, 4)] {
            let range = keys()[first]..=keys()[last];
            assert!(docs.range(range.clone()).eq(map.range(range)));
        }
        docs.put(keys()[4], None);
        assert_eq!((docs.get(&keys()[4]), docs.len()), (None, KINDS - 1));
    }
}
