//! What was measured of known bugs, and what became of their capsules.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::flaw::Flaw;

use super::{Shrunk, Size};
use crate::invariant::Invariant;

/// The kill matrix.
#[derive(Debug)]
pub struct Zoo {
    /// What measured it.
    pub build: String,
    /// Which scenarios the first columns were measured on.
    pub on: Vec<String>,
    /// Most seeds per flaw.
    pub seeds: u64,
    /// After how many catches a flaw was left.
    pub enough: u64,
    /// By flaw.
    pub rows: Vec<Beast>,
}

/// What was measured of one flaw.
#[derive(Clone, Debug)]
pub struct Beast {
    /// Which.
    pub flaw: Flaw,
    /// Who must catch it.
    pub expected: &'static [Invariant],
    /// On the general scenarios.
    pub general: Catches,
    /// On scenarios that name the flaw, if there are any.
    pub named: Option<Catches>,
    /// What became of one caught plan.
    pub shrunk: Option<Tamed>,
}

/// How often something was caught.
#[derive(Clone, Debug, Default)]
pub struct Catches {
    /// Seeds run.
    pub seeds: u64,
    /// The places, from 1, of the seeds in which a named judge caught it, ascending.
    pub at: Vec<u64>,
    /// In how many seeds each judge found something.
    pub by: BTreeMap<Invariant, u64>,
    /// In how many seeds the history differs from the one without the flaw, and no judge found anything.
    pub not_seen: u64,
    /// In how many seeds the history is the one without the flaw.
    pub not_reached: u64,
}

/// A caught plan, shrunk.
#[derive(Clone, Debug)]
pub struct Tamed {
    /// Its sizes.
    pub size: Size,
    /// Is it proved that no step can go?
    pub minimal: bool,
    /// Does the same plan pass with the flaw off?
    pub passes_without: bool,
}

/// Known bugs, each found, shrunk, kept and replayed by another process.
#[derive(Debug)]
pub struct Replays {
    /// What did it.
    pub build: String,
    /// By flaw.
    pub rows: Vec<Replay>,
}

/// What became of the first catch of a flaw.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Which flaw.
    pub flaw: Flaw,
    /// Its first catch; nothing, if there was none.
    pub caught: Option<Kept>,
    /// As how many bugs it is counted; nothing, if it was not caught.
    pub counted: Option<Counted>,
}

/// As how many bugs a short sweep with one known bug counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Seeds run.
    pub seeds: u64,
    /// In how many something was violated.
    pub failed: u64,
    /// How many bugs that was counted as: one, if all went well; none, if no seed failed.
    pub bugs: usize,
}

/// A catch, shrunk and kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// In which scenario it was caught.
    pub scenario: String,
    /// Under which seed.
    pub seed: u64,
    /// What shrinking did, and the file.
    pub shrunk: Shrunk,
    /// How long that took.
    pub took: Duration,
    /// What another process made of the file; `Err` says why nothing.
    pub replayed: Result<Retold, String>,
    /// Does the sentence of `explain` name the place in the engine where the bug is?
    pub named: bool,
}

/// What another process made of a capsule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retold {
    /// How like its run is to the recorded one.
    pub likeness: Likeness,
    /// How many lines its story has.
    pub lines: usize,
}

impl Replays {
    /// What became of each flaw that was caught.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.rows.iter().filter_map(|row| row.caught.as_ref())
    }

    /// The median and the 90th percentile of something, over the flaws that were caught.
    pub fn usual(&self, of: impl Fn(&Kept) -> usize) -> [usize; 2] {
        let mut all: Vec<usize> = self.kept().map(of).collect();
        all.sort_unstable();
        [50, 90].map(|percent| at_rank(&all, percent).copied().unwrap_or_default())
    }
}

/// The value at the nearest rank.
fn at_rank<T>(sorted: &[T], percent: usize) -> Option<&T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1))
}

impl Replay {
    /// Was it caught, and did another process see it again in the file?
    pub fn is_reproduced(&self) -> bool {
        let retold = self.caught.as_ref().and_then(|kept| kept.replayed.as_ref().ok());
        retold.is_some_and(|it| it.likeness != Likeness::Different)
    }
}

/// How like the run of a capsule is to the one that it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The history is the recorded one.
    Exact,
    /// The history is another one, and the same is violated.
    Similar,
    /// What was recorded is not violated.
    Different,
}

impl Likeness {
    /// All, in their order.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Similar, Self::Different];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Similar => "similar",
            Self::Different => "different",
        }
    }
}

impl Catches {
    /// Seeds to the first catch, and the median and the 95th percentile over the disjoint windows
    /// that each end in a catch.
    pub fn seeds_to_catch(&self) -> [Option<u64>; 3] {
        let before = std::iter::once(&0).chain(&self.at);
        let mut windows: Vec<u64> =
            self.at.iter().zip(before).map(|(at, last)| at - last).collect();
        windows.sort_unstable();
        let at = |percent| at_rank(&windows, percent).copied();
        [self.at.first().copied(), at(50), at(95)]
    }
}

impl Beast {
    /// Did a judge that is named for the flaw catch it, and only because of the flaw?
    pub fn is_caught(&self) -> bool {
        let somewhere = !self.general.at.is_empty()
            || self.named.as_ref().is_some_and(|named| !named.at.is_empty());
        somewhere && self.shrunk.as_ref().is_some_and(|tamed| tamed.passes_without)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_end_in_catches() {
        let catches = Catches { seeds: 100, at: vec![2, 3, 13, 14, 40], ..Catches::default() };
        assert_eq!(catches.seeds_to_catch(), [Some(2), Some(2), Some(26)]);
        assert_eq!(Catches::default().seeds_to_catch(), [None, None, None]);
    }
}
