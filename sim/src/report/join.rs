//! How the results of parts of a sweep become those of the whole. It does not matter in which order parts are joined,
//! nor in which groups.

use std::cmp::Reverse;

use super::excused::add;
use super::{Miss, Reached, Row};

impl Row {
    /// Adds what became of other seeds of the same scenario. The order in which rows are joined does not matter.
    pub fn join(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.failed += other.failed;
        self.calm += other.calm;
        self.longest = longer(self.longest, other.longest);
        for (name, reached) in &other.coverage {
            self.coverage.entry(name.clone()).or_default().join(reached);
        }
        for (step, miss) in &other.missed {
            self.missed.entry(*step).and_modify(|own| own.join(miss)).or_insert(*miss);
        }
        add(&mut self.excused, &other.excused);
    }
}

impl Reached {
    fn join(&mut self, other: &Self) {
        let both = self.seeds > 0 && other.seeds > 0;
        self.least = if both { self.least.min(other.least) } else { self.least.max(other.least) };
        let (most, Reverse(most_at)) =
            (self.most, Reverse(self.most_at)).max((other.most, Reverse(other.most_at)));
        (self.most, self.most_at) = (most, most_at);
        self.seeds += other.seeds;
        self.times += other.times;
    }
}

impl Miss {
    fn join(&mut self, other: &Self) {
        if (other.first, other.why) < (self.first, self.why) {
            (self.first, self.why) = (other.first, other.why);
        }
        self.seeds += other.seeds;
    }
}

/// The seed with more events; of two with the same number, the first.
pub fn longer(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> Option<(u64, u64)> {
    one.into_iter().chain(other).max_by_key(|(seed, events)| (*events, Reverse(*seed)))
}
