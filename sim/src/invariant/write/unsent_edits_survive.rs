//! INV-06 `unsent-edits-survive`: what no remote has yet leaves a device's copy only for a write
//! that had seen it, and is hidden only by a delete that had.

use std::cell::LazyCell;

use crate::invariant::Invariant::UnsentEditsSurvive;
use crate::invariant::evidence::{CopyChange, Evidence};
use crate::invariant::findings::{About, Findings};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for copy_change in &evidence.copy_changes {
        check(evidence, findings, copy_change);
    }
}

fn check(evidence: &Evidence<'_>, findings: &mut Findings, copy_change: &CopyChange) {
    let writes = &evidence.writes;
    let Some(before) = copy_change.before.as_deref() else { return };
    if copy_change.copy.contents == copy_change.before {
        return;
    }
    let after = copy_change.copy.contents.as_deref();
    // Most edits that go have been sent.
    let held = LazyCell::new(|| writes.held(copy_change.record_key, after));
    let hidden = before.live && !after.is_some_and(|after| after.live);
    for cell in writes.cells(copy_change.record_key, before) {
        let write = writes.author(copy_change.record_key, cell);
        let sent = |accepted: &Option<usize>| accepted.is_some_and(|taken| taken < copy_change.at);
        if write.accepted.iter().any(sent)
            || writes.records[copy_change.record_key].deletes.has(cell)
        {
            continue;
        }
        let lives = writes.lives_on(copy_change.record_key, cell, &held);
        let deleted =
            || writes.deleted_in(copy_change.record_key, cell, &copy_change.copy.made_from);
        let site = match (lives, hidden) {
            (false, _) if !deleted() => "edit-dropped",
            (true, true) if !deleted() => "edit-hidden",
            _ => continue,
        };
        let name = evidence.cell_name(copy_change.record_key, cell);
        let host = evidence.host_at(copy_change.at);
        let message = if lives {
            format!(
                "{host} shows the record as deleted, although no delete had observed {name}, which no \
                 remote has yet."
            )
        } else {
            format!(
                "{host} dropped {name}, which no remote has yet, and nothing that it holds had observed \
                 it."
            )
        };
        let id = writes.records[copy_change.record_key].id;
        let with = [Some(write.asked), write.saved].into_iter().flatten();
        let place = (UnsentEditsSurvive, site);
        let about = About::write(id, write.token);
        findings.report(evidence, place, copy_change.at, about, message, with);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::invariant::case::{Case, KCAL, MEAL, PHOTO};

    /// A pull takes the row as it is over an edit of the phone that no remote has.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.tablet().edits(MEAL, &[PHOTO]);
        case.tablet().pushes(MEAL);
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().wrongly().takes_rows_as_they_are(MEAL);
        case.phone().is_lost();
        case.ends()
    }

    #[test]
    fn a_row_that_replaces_an_unsent_edit_is_rejected() {
        let broken = broken();
        let violation = &broken.violations()[0];
        assert_eq!((violation.site, violation.evidence.len()), ("edit-dropped", 3));
    }

    #[test]
    fn a_delete_that_hides_an_edit_it_never_saw_is_rejected() {
        let mut case = Case::new();
        case.tablet().edits(MEAL, &[PHOTO]);
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        case.tablet().deletes(MEAL);
        case.tablet().pushes(MEAL);
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().wrongly().joins_as_dead(MEAL);
        assert!(case.violations().iter().any(|violation| violation.site == "edit-hidden"));
    }

    #[test]
    fn a_row_that_had_seen_the_unsent_edit_may_replace_it() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends().passes();
    }

    #[test]
    fn a_row_joins_an_unsent_edit() {
        let mut case = Case::new();
        case.tablet().edits(MEAL, &[PHOTO]);
        case.tablet().pushes(MEAL);
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pulls();
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends().passes();
    }
}
