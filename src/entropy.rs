//! The engine's only source of randomness: nonces, keys, replica ids and jitter.
//!
//! The caller draws a new seed for every incarnation: a fixed seed would repeat nonces after a
//! crash.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::time::Span;

/// A stream of random values.
#[derive(Clone, Debug)]
pub struct Entropy(ChaCha8Rng);

impl Entropy {
    /// The stream with this seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// A random number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A span between `low` and `high`, both included.
    pub fn span(&mut self, low: Span, high: Span) -> Span {
        let width = high.0.saturating_sub(low.0).saturating_add(1);
        let drawn = Span(low.0 + self.next_u64() % width);
        assert!(low <= drawn && drawn <= low.max(high), "a span is drawn between its limits");
        drawn
    }

    /// The wait after `failures` failures, counted from 0: it doubles with each up to `cap`, and is
    /// drawn between half of that and all of it, so that hosts that failed together do not come
    /// back together.
    pub fn backoff(&mut self, base: Span, cap: Span, failures: u32) -> Span {
        let factor = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
        let full = Span(base.0.saturating_mul(factor).min(cap.0));
        assert!(full <= cap, "no wait is longer than its limit");
        let wait = self.span(Span(full.0.div_ceil(2)), full);
        tracing::trace!(failures, ms = wait.0, "waits before it tries again");
        wait
    }
}
