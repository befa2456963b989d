//! Exhaustive generation: runs a test once for every combination of choices that it can make.
//!
//! The idea is that of an odometer, as in Kladov's "Generate All the Things": a test asks for
//! numbers below bounds, and each round counts the last answer up that can still be counted up.

/// The answers of one round, and what could have been answered.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    taken: Vec<(usize, usize)>,
    next: usize,
}

impl Choices {
    /// Runs `test` once for every way to answer it; tells how many there were.
    pub(crate) fn each(mut test: impl FnMut(&mut Self)) -> usize {
        let mut choices = Self::default();
        let mut rounds = 0;
        loop {
            choices.next = 0;
            test(&mut choices);
            rounds += 1;
            while choices.taken.pop_if(|(answer, bound)| *answer + 1 == *bound).is_some() {}
            match choices.taken.last_mut() {
                Some((answer, _)) => *answer += 1,
                None => return rounds,
            }
        }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is nothing to choose from");
        if self.next == self.taken.len() {
            self.taken.push((0, bound));
        }
        let (answer, known) = self.taken[self.next];
        assert_eq!(bound, known, "a test may depend on nothing but its choices");
        self.next += 1;
        answer
    }

    /// One of `options`.
    pub(crate) fn one_of<'a, T>(&mut self, options: &'a [T]) -> &'a T {
        &options[self.below(options.len())]
    }
}

/// Every order of `items`.
pub(crate) fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    Choices::each(|choices| {
        let mut rest = items.to_vec();
        let order = (0..items.len()).map(|_| rest.remove(choices.below(rest.len()))).collect();
        all.push(order);
    });
    all
}

#[test]
fn every_combination_comes_once() {
    let mut seen = Vec::new();
    let rounds = Choices::each(|choices| {
        let length = choices.below(3);
        seen.push((0..length).map(|_| choices.below(2)).collect::<Vec<_>>());
    });
    assert_eq!(rounds, 1 + 2 + 4);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), rounds);
}

#[test]
fn every_order_comes_once() {
    let mut all = permutations(&[1, 2, 3]);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6);
    assert_eq!(permutations::<u8>(&[]), [Vec::<u8>::new()]);
}
