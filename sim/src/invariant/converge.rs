//! INV-04 `copies-converge`: copies made from the same writes hold the same siblings at any time,
//! and at the end all copies of a record do.
//!
//! What a copy was made from is its provenance, not its version vector. What users are shown of the
//! siblings is compared in `views`.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::device::Presence;
use engine::id::{FieldId, Token};

use super::Invariant::CopiesConverge;
use super::evidence::{Evidence, Look};
use super::findings::{About, Findings};
use super::set::Set;
use crate::history::Contents;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    same_writes_same_siblings(evidence, findings);
    all_agree_at_the_end(evidence, findings);
}

fn same_writes_same_siblings(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut known: BTreeMap<(usize, &Set), (&Arc<Contents>, usize)> = BTreeMap::new();
    for step in &evidence.steps {
        let (Some(contents), true) = (&step.copy.contents, step.copy.certain) else { continue };
        let key = (step.topic, &*step.copy.made_from);
        let (first, at) = *known.entry(key).or_insert((contents, step.at));
        if first == contents || are_alike(first, contents) {
            continue;
        }
        let id = evidence.writes.topics[step.topic].id;
        let message = format!("{id} was made from the same writes twice and differs.");
        let token = differing(first, contents);
        let about = About { record: Some(id), token };
        let place = (CopiesConverge, "same-writes-differ");
        findings.report(evidence, place, step.at, about, message, [at]);
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

fn differing(one: &Contents, other: &Contents) -> Option<Token> {
    let (one, other) = (siblings(one), siblings(other));
    let missing = |from: &[(FieldId, Token)], to: &[(FieldId, Token)]| {
        from.iter().find(|cell| !to.contains(cell)).map(|cell| cell.1)
    };
    missing(&one, &other).or_else(|| missing(&other, &one))
}

fn all_agree_at_the_end(evidence: &Evidence<'_>, findings: &mut Findings) {
    type Siblings = Vec<(FieldId, Token)>;
    let mut first: BTreeMap<usize, (&Look, Siblings)> = BTreeMap::new();
    for look in evidence.last_looks() {
        let topic = &evidence.writes.topics[look.topic];
        if evidence.is_incurable(None, topic.vault, topic.id) {
            continue;
        }
        let mut shown: Vec<_> = look.tokens().collect();
        shown.sort_unstable();
        let Some((other, expected)) = first.get(&look.topic) else {
            first.insert(look.topic, (look, shown));
            continue;
        };
        let there = |look: &Look| look.shown.presence == Presence::Live;
        if shown == *expected && there(look) == there(other) {
            continue;
        }
        let odd = shown.iter().find(|cell| !expected.contains(cell));
        let odd = odd.or_else(|| expected.iter().find(|cell| !shown.contains(cell)));
        let about = About { record: Some(topic.id), token: odd.map(|cell| cell.1) };
        let message = format!("{} is not the same on two devices at the end.", topic.id);
        let place = (CopiesConverge, "devices-differ");
        findings.report(evidence, place, look.at, about, message, [other.at]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::{Case, KCAL, MEAL, PHONE, TABLET};

    /// Phone and tablet wrote concurrently; the tablet keeps one of the two where the phone keeps
    /// both, and shows both at the end.
    fn differing() -> Case {
        let mut case = Case::new();
        let one = case.edits(PHONE, MEAL, &[KCAL]);
        let other = case.edits(TABLET, MEAL, &[KCAL]);
        case.pushes(PHONE, MEAL);
        case.pulls(TABLET);
        case.pushes(TABLET, MEAL);
        case.pulls(PHONE);
        let lie = case.holds(PHONE, MEAL, &[other]);
        case.persists(PHONE, vec![lie]);
        let truth = case.holds(PHONE, MEAL, &[one, other]);
        case.persists(PHONE, vec![truth]);
        case.ends()
    }

    #[test]
    fn two_copies_of_the_same_writes_must_not_differ() {
        assert_eq!(differing().violations()[0].site, "same-writes-differ");
    }

    #[test]
    fn devices_that_show_different_siblings_at_the_end_are_rejected() {
        let mut case = Case::new();
        case.edits(PHONE, MEAL, &[KCAL]);
        case.edits(TABLET, MEAL, &[KCAL]);
        let violations = case.ends().violations();
        assert!(violations.iter().any(|violation| violation.site == "devices-differ"));
    }

    #[test]
    fn siblings_taken_in_another_order_are_the_same() {
        let mut case = Case::new();
        case.edits(PHONE, MEAL, &[KCAL]);
        case.edits(TABLET, MEAL, &[KCAL]);
        case.pushes(PHONE, MEAL);
        case.pulls(TABLET);
        case.pushes(TABLET, MEAL);
        case.pulls(PHONE);
        case.ends().passes();
    }
}
