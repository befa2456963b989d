//! What a seed adds to what is known of its scenario.

use std::borrow::Cow;
use std::time::Duration;

use crate::report::excused::{add, causes};
use crate::report::{Miss, Row, longer};
use crate::trial::Tried;

/// Adds a seed to what is known of its scenario.
pub fn tally(row: &mut Row, tried: &Tried, took: Duration) {
    row.seeds += 1;
    row.failed += u64::from(tried.failed.is_some());
    row.calm += u64::from(tried.calm);
    if row.slowest.is_none_or(|(_, slowest)| took > slowest) {
        row.slowest = Some((tried.seed, took));
    }
    row.longest = longer(row.longest, Some((tried.seed, tried.counts.events)));
    for (name, &times) in tried.coverage.iter().filter(|(_, times)| **times > 0) {
        let reached = row.coverage.entry(Cow::Borrowed(*name)).or_default();
        reached.least = if reached.seeds == 0 { times } else { reached.least.min(times) };
        reached.seeds += 1;
        reached.times += times;
        if times > reached.most {
            (reached.most, reached.most_at) = (times, tried.seed);
        }
    }
    add(&mut row.excused, &causes(&tried.excused));
    for &(step, why) in &tried.missed {
        let miss = row.missed.entry(step).or_insert(Miss { seeds: 0, first: tried.seed, why });
        miss.seeds += 1;
    }
}
