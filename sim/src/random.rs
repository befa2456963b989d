//! All randomness of the simulator, in two kinds.
//!
//! A [`Stream`] is a long sequence under a name: it draws plans, and one concern's draws never shift
//! another's. A [`Draw`] is a function of a run's nature and of a thing's lineage, never of how many
//! draws came before: remove one step of a plan and every other draw stays the same.

use engine::time::Span;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::plan::{Chance, Node, SpanRange};

/// A named sequence of random values.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of this name, of this seed.
    pub fn named(seed: u64, name: &str) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(hash(name));
        Self(rng)
    }

    /// A random number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        scale(self.next_u64(), n)
    }

    /// Does something of this chance happen?
    pub fn happens(&mut self, chance: Chance) -> bool {
        self.below(MILLION) < u64::from(chance.0)
    }

    /// A span between two bounds, both included.
    pub fn span(&mut self, range: SpanRange) -> Span {
        let width = range.high.0.saturating_sub(range.low.0).saturating_add(1);
        Span(range.low.0 + self.below(width))
    }

    /// One of these; `None` of none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let len = u64::try_from(items.len()).expect("a length fits into 64 bits");
        (len > 0).then(|| &items[index(self.below(len))])
    }

    /// Brings these into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = index(self.below(last as u64 + 1));
            items.swap(last, other);
        }
    }
}

/// A random value that is a function of a lineage. Build it up with [`Draw::and`], then read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw(u64);

impl Draw {
    /// The root of all draws about one concern.
    pub const fn new(nature: u64, concern: &str) -> Self {
        Self(mix(nature ^ mix(hash(concern))))
    }

    /// Adds a word of lineage.
    #[must_use]
    pub const fn and(self, word: u64) -> Self {
        Self(mix(self.0.rotate_left(23) ^ mix(word.wrapping_add(GOLDEN))))
    }

    /// Adds a node to the lineage.
    #[must_use]
    pub fn at(self, node: Node) -> Self {
        self.and(match node {
            Node::World => 0,
            Node::Device(device) => 1 << 32 | u64::from(device.0),
            Node::Remote(remote) => 2 << 32 | remote.index() as u64,
            Node::Intruder => 3 << 32,
        })
    }

    /// The value.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// A number below `n`, which is not 0.
    pub fn below(self, n: u64) -> u64 {
        scale(self.0, n)
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

fn index(n: u64) -> usize {
    usize::try_from(n).expect("it is below a length")
}

#[cfg(test)]
mod tests {
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
    fn streams_of_different_names_are_different() {
        let mut one = Stream::named(5, "faults");
        let mut two = Stream::named(5, "workload");
        assert_ne!(one.next_u64(), two.next_u64());
        assert_eq!(Stream::named(5, "faults").next_u64(), Stream::named(5, "faults").next_u64());
    }
}
