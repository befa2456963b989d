//! Randomness of the simulator: the named streams from which plans are drawn.
//!
//! Every concern draws from its own stream of the seed (`plan/devices`, `workload/phone`), so that
//! one more draw in one concern moves nothing in another. Nothing here may be used while a plan
//! runs: what is left to chance then is keyed by lineage.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64;

/// All streams of one seed.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream of this name, from its beginning.
    pub fn stream(self, name: &str) -> Stream {
        stream(self.seed, name)
    }
}

/// The stream of this name of this seed, from its beginning.
pub fn stream(seed: u64, name: &str) -> Stream {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(xxh3_64(name.as_bytes()));
    Stream(generator)
}

/// A stream of random values.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// A random number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `n`, which must not be 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        self.next_u64() % n
    }

    /// A number between two bounds, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(i128::from(high) - i128::from(low) + 1)
            .expect("the bounds are in order and closer than all numbers");
        low.saturating_add_unsigned(self.below(width))
    }

    /// True in so many of a million cases.
    pub fn chance(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < u64::from(ppm)
    }

    /// One of these, of which there must be some.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).expect("an index is as small as a length")]
    }

    /// An index, each as likely as its weight. Not all weights may be 0.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u32> + Clone) -> usize {
        let total: u64 = weights.clone().map(u64::from).sum();
        let mut left = self.below(total);
        for (at, weight) in weights.enumerate() {
            match left.checked_sub(u64::from(weight)) {
                Some(rest) => left = rest,
                None => return at,
            }
        }
        unreachable!("the draw is below the sum of the weights")
    }

    /// A number between two bounds whose order of magnitude is uniform: small ones are as likely
    /// as large ones. With bounds of different sign, the sign is drawn first.
    pub fn magnitude(&mut self, low: i64, high: i64) -> i64 {
        if low < 0 && high > 0 {
            let (low, high) = if self.chance(500_000) { (low, 0) } else { (0, high) };
            return self.magnitude(low, high);
        }
        if high <= 0 && low < 0 {
            return -self.magnitude(-high, -low);
        }
        let bits = |n: i64| 64 - n.unsigned_abs().leading_zeros();
        let size = self.between(i64::from(bits(low)), i64::from(bits(high)));
        let floor = if size == 0 { 0 } else { 1 << (size - 1) };
        let ceiling = if size == 0 { 0 } else { (floor - 1) + floor };
        self.between(floor.max(low), ceiling.min(high))
    }

    /// Puts these into a random order.
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for at in (1..of.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).expect("below an index");
            of.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn streams_of_other_names_differ_and_of_the_same_name_agree() {
        let streams = Streams::new(7);
        let first = streams.stream("faults").next_u64();
        assert_eq!(first, streams.stream("faults").next_u64());
        assert_ne!(first, streams.stream("timing").next_u64());
        assert_ne!(first, Streams::new(8).stream("faults").next_u64());
    }

    proptest! {
        #[test]
        fn draws_stay_within_their_bounds(
            seed: u64,
            a in -1_000_000_000i64..1_000_000_000,
            b in -1_000_000_000i64..1_000_000_000,
        ) {
            let (low, high) = (a.min(b), a.max(b));
            let mut stream = stream(seed, "bounds");
            prop_assert!((low..=high).contains(&stream.between(low, high)));
            prop_assert!((low..=high).contains(&stream.magnitude(low, high)));
        }
    }
}
