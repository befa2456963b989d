//! Positions in the commit log of a space, and the fencing tokens that are such positions.

use serde::{Deserialize, Serialize};

/// The drawn id of an entry, by which a worker tells its own entry from another worker's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryId(pub u64);

/// A position in a log: one of its entries, by number and id, or the start of every log.
///
/// A number alone is ambiguous: after a restore from a backup, other entries get the numbers that
/// were used before. Ids are drawn, and a worker has read all entries before the one it makes, so
/// two logs that share one entry share all entries up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The entry's number; 0 for the start.
    pub seq: u64,
    /// The entry's id.
    pub entry: EntryId,
}

impl Position {
    /// The position before the first entry of any log.
    pub const START: Self = Self { seq: 0, entry: EntryId(0) };
}

/// A fencing token: the commit that granted a lease. In one log a newer grant has a larger token,
/// except for two incarnations of one replica that are granted in one commit; so a comparison of
/// tokens compares clients too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fence(pub Position);
