//! Numbers by key, for keys that are looked up far more often than anything else that a judge does:
//! open addressing, with a slot for at most every second one. It is never walked.

/// Finds the number of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    slots: Vec<Option<(u64, u32)>>,
    taken: usize,
}

/// 2^64 over the golden ratio: spreads keys that differ in a few bits only.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Index {
    pub(super) fn get(&self, key: u64) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        self.slots[self.place(key)].map(|(_, number)| number)
    }

    /// Gives a key its number; the last one given counts.
    pub(super) fn insert(&mut self, key: u64, number: u32) {
        if self.taken * 2 >= self.slots.len() {
            let slots = vec![None; (self.slots.len() * 2).max(64)];
            let old = std::mem::replace(self, Self { slots, taken: 0 });
            old.slots.into_iter().flatten().for_each(|(key, number)| self.insert(key, number));
        }
        let place = self.place(key);
        self.taken += usize::from(self.slots[place].is_none());
        self.slots[place] = Some((key, number));
    }

    /// Where a key is, or would be.
    fn place(&self, key: u64) -> usize {
        let last = self.slots.len() - 1; // There is a power of two of them.
        let mut place = (key.wrapping_mul(SPREAD) >> 32) as usize & last;
        while self.slots[place].is_some_and(|(other, _)| other != key) {
            place = (place + 1) & last;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::Index;

    #[test]
    fn every_key_has_the_number_that_it_was_last_given() {
        let keys = || (0..1_000u64).map(|n| (n << 32) | (n % 7));
        let mut index = Index::default();
        assert_eq!(index.get(3), None);
        keys().zip(0..).for_each(|(key, number)| index.insert(key, number));
        keys().zip(0..).for_each(|(key, number)| assert_eq!(index.get(key), Some(number)));
        index.insert(0, 9);
        assert_eq!(index.get(0), Some(9));
        assert_eq!(index.get(1 << 60), None);
    }
}
