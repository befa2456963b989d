//! Delta debugging: which parts of a failing whole are needed for it to fail.
//!
//! Zeller & Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, 2002. A pure function;
//! what "fails" means is the caller's business, and so is how a round of candidates is tested.

/// A part of the items that still fails and is 1-minimal: without any one of its items it does
/// not. `first_failing` is given what a round may try, and names the first that fails.
///
/// The whole must fail. If `first_failing` gives up and answers `None` from some moment on, the
/// smallest part known to fail is returned soon after.
///
/// Large pieces are cut out first, and what follows a piece that went is tried next: most of what was
/// needed a moment ago still is.
pub fn minimise<T: Clone>(
    items: Vec<T>,
    mut first_failing: impl FnMut(&Cuts<'_, T>) -> Option<usize>,
) -> Vec<T> {
    let mut best = items;
    let mut size = best.len();
    while size > 0 {
        let (before, mut from) = (best.len(), 0);
        while from < best.len() {
            let cuts = Cuts { items: &best, from, size };
            let Some(cut) = first_failing(&cuts) else { break };
            (best, from) = (cuts.without(cut), from + cut * size);
        }
        let settled = size > 1 || best.len() == before;
        size = if settled { size / 2 } else { 1 };
    }
    best
}

/// What a round may try: the items without one piece of them, for each piece from some place on.
#[derive(Debug)]
pub struct Cuts<'i, T> {
    items: &'i [T],
    from: usize,
    size: usize,
}

impl<T: Clone> Cuts<'_, T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        (self.items.len() - self.from).div_ceil(self.size)
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items without this piece.
    pub fn without(&self, piece: usize) -> Vec<T> {
        let begin = self.from + piece * self.size;
        let end = (begin + self.size).min(self.items.len());
        [&self.items[..begin], &self.items[end..]].concat()
    }

    /// The items without each of the pieces, in order.
    pub fn each(&self) -> impl Iterator<Item = Vec<T>> {
        (0..self.len()).map(|piece| self.without(piece))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    /// Fails if it holds all of some one group: several ways to fail, as real bugs have.
    fn fails(groups: &[BTreeSet<u8>], part: &[u8]) -> bool {
        groups.iter().any(|group| group.iter().all(|item| part.contains(item)))
    }

    fn minimised(groups: &[BTreeSet<u8>], len: u8) -> Vec<u8> {
        minimise((0..len).collect(), |cuts| cuts.each().position(|part| fails(groups, &part)))
    }

    proptest! {
        #[test]
        fn what_is_left_fails_and_is_1_minimal(
            groups in vec(btree_set(0..40_u8, 0..6), 1..4), len in 40..60_u8,
        ) {
            let left = minimised(&groups, len);
            prop_assert!(fails(&groups, &left));
            for gone in &left {
                let part: Vec<u8> = left.iter().copied().filter(|item| item != gone).collect();
                prop_assert!(!fails(&groups, &part), "{gone} was not needed in {left:?}");
            }
        }

        #[test]
        fn giving_up_keeps_the_best_so_far(
            group in btree_set(0..40_u8, 1..6), patience in 0..20_usize,
        ) {
            let groups = [group];
            let mut rounds = 0;
            let left = minimise((0..40).collect(), |cuts: &Cuts<'_, u8>| {
                rounds += 1;
                let tested = cuts.each().position(|part| fails(&groups, &part));
                tested.filter(|_| rounds <= patience)
            });
            prop_assert!(fails(&groups, &left));
            prop_assert!(rounds < patience + 60);
        }
    }

    #[test]
    fn an_empty_whole_that_fails_stays_empty() {
        assert_eq!(minimise(Vec::<u8>::new(), |_| Some(0)), Vec::<u8>::new());
        assert_eq!(minimise(vec![1, 2, 3], |_| Some(0)), Vec::<i32>::new());
    }
}
