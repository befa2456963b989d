//! INV-03 `no-resurrected-deletes`: a record is there only by a write that no delete known at that
//! place had seen; and a field that a user left out when writing a deleted record again does
//! not come back.
//!
//! What a place knows is what it was made from, so a tombstone that was thrown away still counts.

use engine::device::Presence;
use engine::id::{FieldId, Token};

use crate::invariant::Invariant::NoResurrectedDeletes;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::writes::RecordWrites;
use crate::invariant::findings::{About, Findings};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for copy_change in &evidence.copy_changes {
        let Some(contents) = copy_change.copy.contents.as_deref().filter(|held| held.live) else {
            continue;
        };
        check(
            evidence,
            findings,
            copy_change.at,
            copy_change.record_key,
            &contents.cells,
            &copy_change.copy.made_from,
        );
    }
    for observation in &evidence.observations {
        let id = evidence.writes.records[observation.record_key].id;
        let copy = evidence
            .disk(observation.device)
            .records
            .get(id)
            .and_then(|line| line.at(observation.at));
        if let (Presence::Live, Some(copy)) = (observation.shown.presence, copy) {
            let shown: Vec<_> = observation.tokens().collect();
            check(
                evidence,
                findings,
                observation.at,
                observation.record_key,
                &shown,
                &copy.made_from,
            );
        }
    }
}

fn check(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    number: usize,
    held: &[(FieldId, Token)],
    known: &Set,
) {
    let record_key = &evidence.writes.records[number];
    let Some(delete) = record_key.deletes.iter().find(|delete| known.has(*delete)) else { return };
    let told = |cell: u32| evidence.writes.author(number, cell).asked;
    let cells: Vec<u32> = held
        .iter()
        .filter_map(|&(field, token)| evidence.writes.cell(number, field, token))
        .collect();
    let uncovered = |&cell: &u32| is_uncovered(record_key, cell, known);
    if !cells.iter().any(uncovered) && !known.iter().any(|cell| uncovered(&cell)) {
        let shown = cells.iter().find(|cell| !record_key.deletes.has(**cell)).copied();
        let token = shown.map(|cell| evidence.writes.author(number, cell).token);
        let about = About { record: Some(record_key.id), token };
        let message = format!(
            "{} holds {} as live, although {} of {} had observed every write in it.",
            evidence.host_at(at),
            record_key.id,
            evidence.cell_name(number, delete),
            evidence.author_name(evidence.writes.author(number, delete).token)
        );
        let place = (NoResurrectedDeletes, "deleted-and-there");
        findings.report(evidence, place, at, about, message, [told(delete)]);
        return;
    }
    for &cell in cells.iter().filter(|cell| !record_key.deletes.has(**cell)) {
        let left_out = |by: &&u32| {
            known.has(**by)
                && !record_key.deletes.has(**by)
                && record_key.cells[**by as usize].field != record_key.cells[cell as usize].field
        };
        if let Some(&by) = record_key.cells[cell as usize].newer.iter().find(left_out) {
            let about = About::write(record_key.id, evidence.writes.author(number, cell).token);
            let message = format!(
                "{} shows {} again, which {} left out when it wrote the deleted record again.",
                evidence.host_at(at),
                evidence.cell_name(number, cell),
                evidence.write_name(evidence.writes.author(number, by).token)
            );
            let place = (NoResurrectedDeletes, "old-field-revived");
            findings.report(evidence, place, at, about, message, [told(cell), told(by)]);
        }
    }
}

/// Is this a value that nothing known here has replaced or deleted?
fn is_uncovered(record_key: &RecordWrites, cell: u32, known: &Set) -> bool {
    let is_value = !record_key.deletes.has(cell);
    is_value && !record_key.cells[cell as usize].newer.iter().any(|&newer| known.has(newer))
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::invariant::case::{Case, KCAL, MEAL, PHOTO};

    /// The phone keeps the headstone of a delete and goes on showing the record.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        let edit = case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.phone().wrongly().deletes_without_effect(MEAL, edit);
        case.ends()
    }

    #[test]
    fn a_record_whose_every_write_was_deleted_is_not_there() {
        assert_eq!(broken().violations()[0].site, "deleted-and-there");
    }

    #[test]
    fn a_field_left_out_when_writing_anew_stays_out() {
        let mut case = Case::new();
        let old = case.phone().edits(MEAL, &[PHOTO]);
        case.phone().deletes(MEAL);
        let new = case.phone().edits(MEAL, &[KCAL]);
        let lie = case.phone().holds(MEAL, &[old, new]);
        assert_eq!(case.broken(), []);
        case.phone().wrongly().revives(lie, old, PHOTO);
        assert!(case.violations().iter().any(|violation| violation.site == "old-field-revived"));
    }

    #[test]
    fn an_edit_that_the_delete_had_not_seen_keeps_the_record() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.tablet().edits(MEAL, &[KCAL]);
        case.phone().deletes(MEAL);
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends().passes();
    }
}
