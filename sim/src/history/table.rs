//! Values by key, for keys that are looked up far more often than anything else is done with them:
//! open addressing, with a slot for at most every second one.
//!
//! A key's bits only say where to look for it first. Nothing is ever removed.

use engine::id::{DeviceId, NodeId, OpId, RecordId, Remote, Token, VaultId};
use engine::remote::CallId;

use super::BlobId;

/// What can be found by its bits.
pub(crate) trait Key: Copy + Ord {
    /// Bits that few other keys have.
    fn bits(self) -> u64;
}

/// Finds the value of a key.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    rows: Vec<(K, V)>,
    /// The number of the row that is found here, or of none. There is a power of two of them.
    slots: Vec<u32>,
}

/// A slot where no row is found.
const VACANT: u32 = u32::MAX;

/// 2^64 over the golden ratio: spreads keys that differ in a few bits only.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// So many slots there are once there is a row.
const FEWEST: usize = 64;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), slots: Vec::new() }
    }
}

impl<K: Key, V> Table<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        Some(&self.rows.get(self.row(key)?)?.1)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let row = self.row(key)?;
        Some(&mut self.rows.get_mut(row)?.1)
    }

    /// The value of a key, which has this one from now on if it had none.
    pub(crate) fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let row = self.row(key).unwrap_or_else(|| self.add(key, value()));
        &mut self.rows[row].1
    }

    /// Gives a key its value; the last one given counts.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.row(key) {
            Some(row) => self.rows[row].1 = value,
            None => {
                self.add(key, value);
            }
        }
    }

    /// All values, in the order in which their keys came.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.rows.iter_mut().map(|(_, value)| value)
    }

    /// All keys with their values, by key.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (K, &V)> {
        let mut rows: Vec<(K, &V)> = self.rows.iter().map(|(key, value)| (*key, value)).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows.into_iter()
    }

    fn row(&self, key: K) -> Option<usize> {
        for place in Self::places(key) {
            let row = *self.slots.get(place & self.slots.len().wrapping_sub(1))? as usize;
            if self.rows.get(row)?.0 == key {
                return Some(row);
            }
        }
        None
    }

    fn add(&mut self, key: K, value: V) -> usize {
        self.rows.push((key, value));
        if self.rows.len() * 2 > self.slots.len() {
            self.slots = vec![VACANT; (self.slots.len() * 2).max(FEWEST)];
            (0..self.rows.len()).for_each(|row| self.show(row));
        } else {
            self.show(self.rows.len() - 1);
        }
        self.rows.len() - 1
    }

    /// Lets a row be found.
    fn show(&mut self, row: usize) {
        let last = self.slots.len() - 1;
        let mut places = Self::places(self.rows[row].0).map(|place| place & last);
        let place = places.find(|place| self.slots[*place] == VACANT);
        let place = place.expect("every second slot is vacant");
        self.slots[place] = u32::try_from(row).expect("a run has far fewer than 2^32 of anything");
    }

    /// Where to look for a key, one after the other; of these numbers the last bits count.
    fn places(key: K) -> impl Iterator<Item = usize> {
        (key.bits().wrapping_mul(SPREAD) >> 32) as usize..
    }
}

impl<K: Key, V: Default> Table<K, V> {
    /// The value of a key, which has the usual one from now on if it had none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V {
        self.or_insert_with(key, V::default)
    }
}

impl<K: Key, V> FromIterator<(K, V)> for Table<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(rows: I) -> Self {
        let mut table = Self::default();
        rows.into_iter().for_each(|(key, value)| table.insert(key, value));
        table
    }
}

impl Key for usize {
    fn bits(self) -> u64 {
        self as u64
    }
}

impl Key for CallId {
    fn bits(self) -> u64 {
        self.0.into()
    }
}

impl Key for BlobId {
    fn bits(self) -> u64 {
        self.0.into()
    }
}

impl Key for NodeId {
    fn bits(self) -> u64 {
        self.0
    }
}

impl Key for RecordId {
    fn bits(self) -> u64 {
        (self.kind as u64) << 32 | u64::from(self.key)
    }
}

impl Key for (Remote, RecordId) {
    fn bits(self) -> u64 {
        (self.0 as u64) << 48 | self.1.bits()
    }
}

impl Key for (VaultId, RecordId) {
    fn bits(self) -> u64 {
        u64::from(self.0.0) << 48 | self.1.bits()
    }
}

impl Key for (usize, VaultId, RecordId) {
    fn bits(self) -> u64 {
        self.0.bits() ^ (self.1, self.2).bits()
    }
}

impl Key for (DeviceId, OpId) {
    fn bits(self) -> u64 {
        u64::from(self.0.0) << 32 | u64::from(self.1.0)
    }
}

/// Its last bytes tell writes apart.
impl Key for Token {
    fn bits(self) -> u64 {
        let (_, label) = self.0.split_last_chunk::<8>().expect("a token has sixteen bytes");
        u64::from_be_bytes(*label)
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn every_key_has_the_value_that_it_was_last_given() {
        let keys = || (0..1_000usize).map(|n| (n << 32) | (n % 7));
        let mut table = Table::default();
        assert_eq!((table.get(3), table.len()), (None, 0));
        keys().rev().enumerate().for_each(|(n, key)| table.insert(key, n));
        keys().rev().enumerate().for_each(|(n, key)| assert_eq!(table.get(key), Some(&n)));
        assert!(table.sorted().map(|(key, _)| key).eq(keys()));
        table.insert(0, 9);
        assert_eq!((*table.or_insert_with(0, || 8), *table.or_default(5)), (9, 0));
        assert_eq!((table.get(0), table.get(5), table.get(1 << 60)), (Some(&9), Some(&0), None));
        assert_eq!(table.len(), 1_001);
    }
}
