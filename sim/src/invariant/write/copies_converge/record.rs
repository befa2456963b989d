//! INV-04 `copies-converge`: copies made from the same writes hold the same siblings at any time,
//! and at the end all copies of a record do.
//!
//! What a copy was made from is its provenance, not its version vector. What users are shown of the
//! siblings is compared in `views`.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::device::Presence;
use engine::id::{FieldId, Token};

use crate::history::Contents;
use crate::invariant::Invariant::CopiesConverge;
use crate::invariant::evidence::causes::is_beyond_reach;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::{Evidence, Observation};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::field_name;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    same_writes_same_siblings(evidence, findings);
    all_agree_at_the_end(evidence, findings);
}

fn same_writes_same_siblings(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut known: BTreeMap<(usize, &Set), (&Arc<Contents>, usize)> = BTreeMap::new();
    for copy_change in &evidence.copy_changes {
        let (Some(contents), true) = (&copy_change.copy.contents, copy_change.copy.certain) else {
            continue;
        };
        let key = (copy_change.record_key, &*copy_change.copy.made_from);
        let (first, at) = *known.entry(key).or_insert((contents, copy_change.at));
        if first == contents || are_alike(first, contents) {
            continue;
        }
        let id = evidence.writes.records[copy_change.record_key].id;
        let (field, token) = differing(first, contents).unzip();
        let message = match field {
            Some(field) => format!(
                "Replicas diverged on {id}.{}: made from the same writes, {} holds {} and {} holds {}.",
                field_name(id, field),
                evidence.host_at(at),
                evidence.held_in(first, field),
                evidence.host_at(copy_change.at),
                evidence.held_in(contents, field)
            ),
            None => format!(
                "Replicas diverged on {id}: made from the same writes, it is {} on {} and {} on {}.",
                presence(first.live),
                evidence.host_at(at),
                presence(contents.live),
                evidence.host_at(copy_change.at)
            ),
        };
        let about = About { record: Some(id), token };
        let place = (CopiesConverge, "same-writes-differ");
        findings.report(evidence, place, copy_change.at, about, message, [at]);
    }
}

/// Equal but for the headstones of purges, of which each device makes its own.
fn are_alike(one: &Contents, other: &Contents) -> bool {
    one.live == other.live && siblings(one) == siblings(other)
}

fn siblings(contents: &Contents) -> Vec<(FieldId, Token)> {
    let mut cells: Vec<_> =
        contents.cells.iter().copied().filter(|cell| cell.1 != Token::NONE).collect();
    cells.sort_unstable();
    cells
}

const fn presence(live: bool) -> &'static str {
    if live { "live" } else { "deleted" }
}

/// A cell that one has and the other lacks.
fn differing(one: &Contents, other: &Contents) -> Option<(FieldId, Token)> {
    let (one, other) = (siblings(one), siblings(other));
    let missing = |from: &[(FieldId, Token)], to: &[(FieldId, Token)]| {
        from.iter().find(|cell| !to.contains(cell)).copied()
    };
    missing(&one, &other).or_else(|| missing(&other, &one))
}

fn all_agree_at_the_end(evidence: &Evidence<'_>, findings: &mut Findings) {
    type Siblings = Vec<(FieldId, Token)>;
    let mut first: BTreeMap<usize, (&Observation, Siblings)> = BTreeMap::new();
    for observation in evidence.final_observations() {
        let record_key = &evidence.writes.records[observation.record_key];
        if is_beyond_reach(evidence, record_key.vault, record_key.id) {
            continue;
        }
        let mut shown: Vec<_> = observation.tokens().collect();
        shown.sort_unstable();
        let Some((other, expected)) = first.get(&observation.record_key) else {
            first.insert(observation.record_key, (observation, shown));
            continue;
        };
        let there = |observation: &Observation| observation.shown.presence == Presence::Live;
        if shown == *expected && there(observation) == there(other) {
            continue;
        }
        let odd = shown.iter().find(|cell| !expected.contains(cell));
        let odd = odd.or_else(|| expected.iter().find(|cell| !shown.contains(cell)));
        let about = About { record: Some(record_key.id), token: odd.map(|cell| cell.1) };
        let (one, two) = (other.device, observation.device);
        let (one, two) = (evidence.device_name(one), evidence.device_name(two));
        let id = record_key.id;
        let message = match odd.map(|cell| cell.0) {
            Some(field) => format!(
                "Replicas diverged on {id}.{}: at the end {one} shows {} and {two} shows {}.",
                field_name(id, field),
                evidence.write_names(expected.iter().copied(), field),
                evidence.write_names(shown.iter().copied(), field)
            ),
            None => format!(
                "Replicas diverged on {id}: at the end it is {} on {one} and {} on {two}.",
                presence(there(other)),
                presence(there(observation))
            ),
        };
        let place = (CopiesConverge, "devices-differ");
        findings.report(evidence, place, observation.at, about, message, [other.at]);
    }
}

#[cfg(test)]
mod tests {
    use crate::invariant::case::{Case, KCAL, MEAL};

    /// Phone and tablet wrote concurrently; the tablet keeps one of the two where the phone keeps
    /// both, and shows both at the end.
    fn differing() -> Case {
        let mut case = Case::new();
        let one = case.phone().edits(MEAL, &[KCAL]);
        let other = case.tablet().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        let lie = case.phone().holds(MEAL, &[other]);
        case.phone().persists(vec![lie]);
        let truth = case.phone().holds(MEAL, &[one, other]);
        case.phone().persists(vec![truth]);
        case.ends()
    }

    #[test]
    fn two_copies_of_the_same_writes_must_not_differ() {
        assert_eq!(differing().violations()[0].site, "same-writes-differ");
    }

    #[test]
    fn devices_that_show_different_siblings_at_the_end_are_rejected() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.tablet().edits(MEAL, &[KCAL]);
        let violations = case.ends().violations();
        assert!(violations.iter().any(|violation| violation.site == "devices-differ"));
    }

    #[test]
    fn siblings_taken_in_another_order_are_the_same() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.tablet().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        case.ends().passes();
    }
}
