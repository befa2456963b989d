//! All randomness of a simulation, in two kinds.
//!
//! A [`Stream`] is a long sequence under a name (`plan/hosts`, `plan/faults`): it draws plans, and one
//! concern's draws never shift another's. A [`Draw`] is a function of a run's nature and of a thing's
//! lineage, never of how many draws came before: remove one step of a plan and every other draw stays
//! the same.

use rand::distr::Distribution as _;
use rand::distr::weighted::WeightedIndex;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::time::{Span, SpanRange};

/// A chance, in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chance(pub u32);

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
    generator.set_stream(hash(name));
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
        self.0.random_range(0..n)
    }

    /// A number between two bounds, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// True in this number of a million cases.
    pub fn chance(&mut self, ppm: u32) -> bool {
        self.0.random_ratio(ppm, 1_000_000)
    }

    /// One of these, of which there must be some.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.choose(&mut self.0).expect("there is something to pick from")
    }

    /// An index, each as likely as its weight. Not all weights may be 0.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u32>) -> usize {
        let index = WeightedIndex::new(weights.map(u64::from)).expect("not all weights are 0");
        index.sample(&mut self.0)
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
        of.shuffle(&mut self.0);
    }
}

/// Words of lineage, to be added to the roots of several concerns.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<const N: usize>([u64; N]);

impl<const N: usize> Lineage<N> {
    /// These words, in order.
    #[inline]
    pub const fn of(mut words: [u64; N]) -> Self {
        let mut nth = 0;
        while nth < N {
            words[nth] = mix(words[nth].wrapping_add(GOLDEN));
            nth += 1;
        }
        Self(words)
    }
}

/// A random value that is a function of a lineage. Build it up with [`Draw::and`], then read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u64);

impl Draw {
    /// The root of all draws about one concern.
    // Inlined, so that concerns are hashed when they are compiled.
    #[inline(always)]
    pub const fn new(nature: u64, concern: &str) -> Self {
        Self(mix(nature ^ mix(hash(concern))))
    }

    /// Adds a word of lineage.
    #[must_use]
    #[inline]
    pub const fn and(self, word: u64) -> Self {
        self.and_all(&Lineage::of([word]))
    }

    /// Adds words of lineage, in order.
    #[must_use]
    #[inline]
    pub const fn and_all<const N: usize>(self, lineage: &Lineage<N>) -> Self {
        let (mut value, mut nth) = (self.0, 0);
        while nth < N {
            value = mix(value.rotate_left(23) ^ lineage.0[nth]);
            nth += 1;
        }
        Self(value)
    }

    /// The value.
    #[inline]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// A number below `n`, which is not 0.
    pub fn below(self, n: u64) -> u64 {
        scale(self.0, n)
    }

    /// A number between two bounds, both included.
    pub fn between(self, low: i64, high: i64) -> i64 {
        let width = high.abs_diff(low);
        let above = if width == u64::MAX { self.0 } else { self.below(width + 1) };
        low.wrapping_add_unsigned(above)
    }

    /// Does something of this chance happen?
    pub fn happens(self, chance: Chance) -> bool {
        self.below(MILLION) < u64::from(chance.0)
    }

    /// A span between two bounds, both included.
    pub fn span(self, range: SpanRange) -> Span {
        let width = range.high.0.saturating_sub(range.low.0).saturating_add(1);
        Span(range.low.0 + self.below(width))
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut draw = self;
        for chunk in bytes.chunks_mut(8) {
            draw = draw.and(0);
            chunk.copy_from_slice(&draw.0.to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}

const MILLION: u64 = 1_000_000;
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64 (Steele et al., 2014).
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a: names are hashed at compile time where they are constants.
const fn hash(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325_u64, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

fn scale(value: u64, n: u64) -> u64 {
    u64::try_from((u128::from(value) * u128::from(n)) >> 64).expect("it is below n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_draw_depends_on_its_own_lineage_only() {
        let latency = |op: u64| Draw::new(7, "latency").and(op).value();
        let before: Vec<_> = (0..100).map(latency).collect();
        let without_one: Vec<_> = (0..100).filter(|op| *op != 20).map(latency).collect();
        let kept: Vec<_> = before
            .iter()
            .enumerate()
            .filter(|(op, _)| *op != 20)
            .map(|(_, value)| *value)
            .collect();
        assert_eq!(without_one, kept);
    }

    #[test]
    fn lineages_that_differ_in_order_nature_or_concern_draw_differently() {
        let base = Draw::new(1, "loss").and(2).and(3);
        for other in [
            Draw::new(1, "loss").and(3).and(2),
            Draw::new(2, "loss").and(2).and(3),
            Draw::new(1, "order").and(2).and(3),
            Draw::new(1, "loss").and(2),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn chances_come_true_about_as_often_as_they_say() {
        let hits = (0..100_000)
            .filter(|word| Draw::new(3, "loss").and(*word).happens(Chance(20_000)))
            .count();
        assert!((1_800..2_200).contains(&hits), "{hits} of 100,000 at 2 %");
    }

    #[test]
    fn spans_reach_both_of_their_bounds() {
        let range = SpanRange { low: Span(3), high: Span(5) };
        let mut seen: Vec<_> =
            (0..100).map(|n| Draw::new(9, "span").and(n).span(range).0).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [3, 4, 5]);
    }

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
            prop_assert!((low..=high).contains(&Draw::new(seed, "bounds").between(low, high)));
            prop_assert!((low..=high).contains(&stream.magnitude(low, high)));
        }
    }
}
