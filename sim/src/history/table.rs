//! Values by key, for keys that are looked up far more often than anything else is done with them.
//!
//! No hash decides an order: a walk through a table meets the keys as they came, or sorted.

use std::hash::Hash;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

/// What can be found.
pub(crate) trait Key: Copy + Ord + Hash {}

impl<T: Copy + Ord + Hash> Key for T {}

/// Finds the value of a key.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V>(IndexMap<K, V, FixedState>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(IndexMap::default())
    }
}

impl<K: Key, V> Table<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.0.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.0.get_mut(&key)
    }

    /// The value of a key, which has this one from now on if it had none.
    pub(crate) fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(value)
    }

    /// Gives a key its value; the last one given counts.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    /// All values, in the order in which their keys came.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.values()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut()
    }

    /// All keys with their values, by key.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (K, &V)> {
        let mut rows: Vec<(K, &V)> = self.0.iter().map(|(key, value)| (*key, value)).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows.into_iter()
    }
}

impl<K: Key, V: Default> Table<K, V> {
    /// The value of a key, which has the usual one from now on if it had none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V {
        self.0.entry(key).or_default()
    }
}

impl<K: Key, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}
