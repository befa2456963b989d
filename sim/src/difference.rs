//! Where two histories of one plan part: what must never be, and the first thing to know if it is.

use harness::time::Time;
use serde::{Deserialize, Serialize};

use crate::run::Outcome;

/// Where two histories of one plan part: the most serious failure there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The number of the first fact that differs.
    pub index: usize,
    /// When that was.
    pub at: Time,
    /// That fact in each run; `None` where the history had ended.
    pub facts: [Option<String>; 2],
}

/// Where two outcomes of the same plan part, if they do.
pub fn difference(one: &Outcome, two: &Outcome) -> Option<Difference> {
    if one.digest() == two.digest() {
        return None;
    }
    let shown = |outcome: &Outcome, at: usize| outcome.history.get(at).map(|e| format!("{e:?}"));
    let longest = one.history.len().max(two.history.len());
    let index = (0..longest).find(|&at| shown(one, at) != shown(two, at)).unwrap_or(longest);
    let entry = one.history.get(index).or(two.history.get(index)).or(one.history.last());
    let at = entry.map_or(Time(0), |entry| entry.at);
    Some(Difference { index, at, facts: [shown(one, index), shown(two, index)] })
}
