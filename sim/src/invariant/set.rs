//! A set of small numbers, as bits. Two sets with the same members are equal, so a set can be a
//! key: no trailing word is ever zero.

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set(Vec<u64>);

impl Set {
    pub(super) fn has(&self, n: u32) -> bool {
        self.0.get(n as usize / 64).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, n: u32) {
        let at = n as usize / 64;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (n % 64);
    }

    pub(super) fn union(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    pub(super) fn includes(&self, other: &Self) -> bool {
        other.0.len() <= self.0.len()
            && self.0.iter().zip(&other.0).all(|(word, part)| part & !word == 0)
    }

    /// The members, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().enumerate().flat_map(|(at, &word)| bits(at, word))
    }

    /// The members that `other` lacks, ascending.
    pub(super) fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> + 'a {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(at, &word)| bits(at, word & !other.0.get(at).copied().unwrap_or_default()))
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
