//! The stops that the page numbers: the path of the lost write and what proves the violation, with the pages that
//! brought what devices then believed.

use std::collections::BTreeSet;

use crate::history::Entry;
use crate::invariant::Violation;
use crate::plan::StepId;
use crate::report::story::{Scene, Stop};

/// How many stops of a path are numbered beside the proof, which is never cut short.
const STOPS: usize = 14;

/// The stops of a violation, in order.
pub(super) fn lineage(
    scene: &Scene<'_>,
    violation: &Violation,
    proof: &[usize],
    path: &[Stop],
) -> Vec<usize> {
    let mut stops = proof.to_vec();
    stops.extend(path.iter().take(STOPS).map(|stop| stop.fact));
    if let Some(record) = violation.record {
        let page = |index: &usize| scene.evidence().page_before(*index, record);
        let begin = stops.iter().min().copied();
        let pages: Vec<usize> = stops.iter().filter_map(page).collect();
        stops.extend(pages.into_iter().filter(|page| Some(*page) > begin));
    }
    stops.sort_unstable();
    stops.dedup();
    stops
}

/// The steps of the plan in which these facts were asked for or answered.
pub(super) fn steps(history: &[Entry], facts: &[usize]) -> BTreeSet<StepId> {
    let op = |index: &usize| {
        let fact = &history[*index].fact;
        fact.asked().map(|(op, _)| op).or(fact.answered().map(|(op, _)| op))
    };
    facts.iter().filter_map(op).map(StepId::of).collect()
}
