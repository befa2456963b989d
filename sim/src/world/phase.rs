//! The phases of a run, in order.

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything may happen.
    Faults,
    /// The faults have ended; everything comes to rest.
    Settling,
    /// Nothing is to do, and so nothing must be done.
    Resting,
    /// Users look at everything for the last time.
    Reading,
    /// The history is complete.
    Over,
}
