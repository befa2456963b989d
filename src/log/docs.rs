//! What stands at the places of a space: one table for each kind of place. Most questions are about
//! one kind, and of most kinds there is little or nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Doc, FileKey, Key};

/// The tables, in the order of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Docs([BTreeMap<Key, Doc>; KINDS]);

const KINDS: usize = 15;

/// Which kind of place it is. Kinds are in the order of keys.
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

impl Docs {
    pub(super) fn get(&self, key: &Key) -> Option<&Doc> {
        self.0[kind(key)].get(key)
    }

    pub(super) fn range(&self, keys: RangeInclusive<Key>) -> impl Iterator<Item = (&Key, &Doc)> {
        let tables = &self.0[kind(keys.start())..=kind(keys.end())];
        tables.iter().flat_map(move |table| table.range(keys.clone()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(BTreeMap::len).sum()
    }

    /// Puts something there, or takes away what is.
    pub(super) fn put(&mut self, key: Key, doc: Option<Doc>) {
        let table = &mut self.0[kind(&key)];
        match doc {
            Some(doc) => table.insert(key, doc),
            None => table.remove(&key),
        };
    }
}

/// As one map, in the order of keys.
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
