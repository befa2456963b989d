//! A set of small numbers, as bits. Two sets with the same members are equal, so a set can be a
//! key: no trailing word of `rest` is ever zero.

/// A set of small numbers. The numbers below 64 need no memory of their own: most sets have no
/// others.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Set {
    first: u64,
    rest: Vec<u64>,
}

impl Set {
    pub(crate) fn has(&self, n: u32) -> bool {
        self.word(n as usize / 64) >> (n % 64) & 1 == 1
    }

    pub(crate) fn insert(&mut self, n: u32) {
        let bit = 1 << (n % 64);
        match (n as usize / 64).checked_sub(1) {
            None => self.first |= bit,
            Some(at) => {
                if at >= self.rest.len() {
                    self.rest.resize(at + 1, 0);
                }
                self.rest[at] |= bit;
            }
        }
    }

    pub(crate) fn union(&mut self, other: &Self) {
        self.first |= other.first;
        if other.rest.len() > self.rest.len() {
            self.rest.resize(other.rest.len(), 0);
        }
        for (word, more) in self.rest.iter_mut().zip(&other.rest) {
            *word |= more;
        }
    }

    pub(crate) fn includes(&self, other: &Self) -> bool {
        other.beyond(self).next().is_none()
    }

    /// The members, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..=self.rest.len()).flat_map(|at| bits(at, self.word(at)))
    }

    /// The members that `other` lacks, ascending.
    pub(crate) fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        (0..=self.rest.len()).flat_map(|at| bits(at, self.word(at) & !other.word(at)))
    }

    fn word(&self, at: usize) -> u64 {
        match at.checked_sub(1) {
            None => self.first,
            Some(at) => self.rest.get(at).copied().unwrap_or_default(),
        }
    }
}

fn bits(at: usize, mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros())?;
        word &= word - 1;
        Some(u32::try_from(at * 64).expect("a record has far fewer than 2^32 writes") + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::Set;

    fn set(members: &[u32]) -> Set {
        let mut set = Set::default();
        members.iter().for_each(|&n| set.insert(n));
        set
    }

    #[test]
    fn members_come_back_in_order_and_decide_equality() {
        let all = set(&[200, 0, 63, 64]);
        assert_eq!(all.iter().collect::<Vec<_>>(), [0, 63, 64, 200]);
        assert_eq!(all.beyond(&set(&[63, 200])).collect::<Vec<_>>(), [0, 64]);
        let mut grown = set(&[0, 64]);
        assert!(all.includes(&grown) && !grown.includes(&all));
        grown.union(&set(&[200, 63]));
        assert_eq!(grown, all);
        assert!(grown.has(200) && !grown.has(199) && !grown.has(9_999));
    }
}
