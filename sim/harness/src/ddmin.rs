//! Delta debugging: which parts of a failing whole are needed for it to fail.
//!
//! Zeller & Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, 2002. A pure function;
//! what "fails" means is the caller's business, and so is how a round of candidates is tested.

/// A part of the items that still fails and is 1-minimal: without any one of its items it does
/// not. `first_failing` is given the candidates of a round and names the first of them that fails.
///
/// The whole must fail. If `first_failing` gives up and answers `None` from some moment on, the
/// smallest part known to fail is returned soon after.
pub fn minimise<T: Clone>(
    items: Vec<T>,
    mut first_failing: impl FnMut(&[Vec<T>]) -> Option<usize>,
) -> Vec<T> {
    if items.is_empty() || first_failing(&[Vec::new()]).is_some() {
        return Vec::new();
    }
    let mut best = items;
    let mut pieces = 2;
    while best.len() > 1 {
        let parts = split(&best, pieces);
        let mut candidates = parts.clone();
        // In two pieces, the complement of one is the other.
        if pieces > 2 {
            candidates.extend((0..parts.len()).map(|gone| without(&parts, gone)));
        }
        match first_failing(&candidates) {
            Some(at) => {
                best = candidates.swap_remove(at);
                pieces = if at < parts.len() { 2 } else { (pieces - 1).max(2) };
            }
            None if pieces >= best.len() => break,
            None => pieces = (pieces * 2).min(best.len()),
        }
    }
    best
}

/// So many pieces, as equal as can be.
fn split<T: Clone>(items: &[T], pieces: usize) -> Vec<Vec<T>> {
    let pieces = pieces.min(items.len());
    let edge = |piece: usize| piece * items.len() / pieces;
    (0..pieces).map(|piece| items[edge(piece)..edge(piece + 1)].to_vec()).collect()
}

fn without<T: Clone>(parts: &[Vec<T>], gone: usize) -> Vec<T> {
    let kept = parts.iter().enumerate().filter(|(at, _)| *at != gone);
    kept.flat_map(|(_, part)| part.iter().cloned()).collect()
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
        minimise((0..len).collect(), |parts| parts.iter().position(|part| fails(groups, part)))
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
            let left = minimise((0..40).collect(), |parts: &[Vec<u8>]| {
                rounds += 1;
                let tested = parts.iter().position(|part| fails(&groups, part));
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
