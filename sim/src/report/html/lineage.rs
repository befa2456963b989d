//! The way of a write: where it came to be held, and where no longer, beside what proves the violation.

use std::collections::BTreeSet;

use engine::id::{RecordId, Token};

use crate::history::{Change, Contents, Entry, Fact};
use crate::invariant::Violation;
use crate::plan::{Node, StepId};
use crate::report::story::Scene;

/// How many stops a way has beside the proof, which is never cut short.
const STOPS: usize = 12;

/// The stops of the write that a violation is about, in order; of one that is about no write, its proof.
pub(super) fn lineage(
    scene: &Scene<'_>,
    history: &[Entry],
    violation: &Violation,
    proof: &[usize],
) -> Vec<usize> {
    let mut stops = proof.to_vec();
    let write = violation.token.and_then(|token| scene.evidence().write(token));
    if let (Some(write), Some(token)) = (write, violation.token) {
        let last = proof.last().copied().unwrap_or(write.index);
        let told = history[..=last].iter().enumerate().skip(write.index);
        stops.extend(answer(history, write.index));
        if let Some(record) = violation.record {
            let mut way = Way { record, token, holders: BTreeSet::new() };
            let moves = told.filter(|(_, entry)| way.moves(entry)).map(|(index, _)| index);
            let moves: Vec<usize> = moves.take(STOPS).collect();
            stops.extend(moves);
            let page = |index: &usize| scene.evidence().page_before(*index, record);
            let pages: Vec<usize> = stops.iter().filter_map(page).collect();
            stops.extend(pages.into_iter().filter(|page| *page > write.index));
        }
    }
    stops.sort_unstable();
    stops.dedup();
    stops
}

/// The answer to what was asked at this place of the history.
fn answer(history: &[Entry], index: usize) -> Option<usize> {
    let asking = &history[index];
    let (asked, _) = asking.fact.asked()?;
    let is_answer = |entry: &Entry| {
        (entry.node, entry.incarnation) == (asking.node, asking.incarnation)
            && entry.fact.answered().is_some_and(|(op, _)| op == asked)
    };
    (index..history.len()).find(|&at| is_answer(&history[at]))
}

/// The steps of the plan in which these facts were asked for or answered.
pub(super) fn steps(history: &[Entry], facts: &[usize]) -> BTreeSet<StepId> {
    let op = |index: &usize| {
        let fact = &history[*index].fact;
        fact.asked().map(|(op, _)| op).or(fact.answered().map(|(op, _)| op))
    };
    facts.iter().filter_map(op).map(StepId::of).collect()
}

/// The places that hold a write of a record.
struct Way {
    record: RecordId,
    token: Token,
    holders: BTreeSet<Node>,
}

impl Way {
    /// Does a place begin or cease to hold the write?
    fn moves(&mut self, entry: &Entry) -> bool {
        match self.held_after(&entry.fact) {
            Some(true) => self.holders.insert(entry.node),
            Some(false) => self.holders.remove(&entry.node),
            None => false,
        }
    }

    /// Does its place hold the write after it, if it says so?
    fn held_after(&self, fact: &Fact) -> Option<bool> {
        if let Fact::Persisted { changes, .. } = fact {
            return changes.iter().find_map(|change| {
                let Change::Record(id, contents) = change else { return None };
                (*id == self.record).then(|| self.is_in(contents.as_deref()))
            });
        }
        if let Fact::Committed { id, contents, .. } = fact {
            return (*id == self.record).then(|| self.is_in(contents.as_deref()));
        }
        matches!(fact, Fact::Removed { id, .. } if *id == self.record).then_some(false)
    }

    fn is_in(&self, contents: Option<&Contents>) -> bool {
        contents.is_some_and(|it| it.cells.iter().any(|(_, token)| *token == self.token))
    }
}
