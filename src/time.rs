//! Time, which the caller passes in with every input. No code of the engine can read a clock.

use serde::{Deserialize, Serialize};

/// A moment, in whole milliseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

/// A length of time, in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `n` milliseconds.
    pub const fn from_millis(n: u64) -> Self {
        Self(n)
    }

    /// `n` seconds.
    pub const fn from_secs(n: u64) -> Self {
        Self(n * 1_000)
    }
}

impl std::fmt::Display for Span {
    /// In seconds, as in `1.250s`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1000, self.0 % 1000)
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Span(self.0).fmt(f)
    }
}

impl std::ops::Add<Span> for Time {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl std::ops::Sub for Time {
    type Output = Span;
    /// The span since `earlier`; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// The readings of a host's clocks at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never goes backwards and is never adjusted: deadlines are measured with it.
    pub mono: Time,
    /// The date as the host believes it; wrong, drifting and jumping as clocks do.
    pub wall: Time,
}

/// A hybrid logical clock reading: orders siblings for display, never for causality.
///
/// Kulkarni et al., *Logical Physical Clocks*, 2014.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hlc {
    /// Milliseconds of the wall clock, or of the furthest clock that was received.
    pub wall: u64,
    /// Counts writes within one value of `wall`.
    pub count: u32,
}

impl Hlc {
    /// A received reading that is further ahead of the own wall clock than this is ignored
    /// (Couchbase Lite uses the same distance).
    pub const MAX_AHEAD: Span = Span::from_secs(120);

    /// The reading for the next local write: later than this one, whatever was received before.
    #[must_use]
    pub fn tick(self, wall: Time) -> Self {
        if wall.0 > self.wall {
            return Self { wall: wall.0, count: 0 };
        }
        let next = match self.count.checked_add(1) {
            Some(count) => Self { wall: self.wall, count },
            None => Self { wall: self.wall.saturating_add(1), count: 0 },
        };
        assert!(next > self || self.wall == u64::MAX, "a write is later than the one before it");
        next
    }

    /// The reading after `other` was received: the later of the two, unless `other` is further
    /// ahead of the own wall clock than [`Self::MAX_AHEAD`].
    #[must_use]
    pub fn hear(self, other: Self, wall: Time) -> Self {
        if other.wall > wall.0.saturating_add(Self::MAX_AHEAD.0) { self } else { self.max(other) }
    }
}
