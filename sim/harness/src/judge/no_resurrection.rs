//! `no-resurrection`: what was deleted by an author who had observed it is not there at the end, and no
//! read shows a write together with one that replaced it. A concurrent write of the same key may be
//! there: the delete never observed it. Where deletes hide, it may bring back the others.

use crate::judge::{Evidence, Finding, Judge, Reading, Written};
use crate::observation::Token;

/// What was deleted or replaced by an author who had observed it does not come back.
pub const NO_RESURRECTION: Judge = Judge {
    name: "no-resurrection",
    meaning: "What was deleted or replaced by an author who had observed it does not come back.",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let beside = evidence.readings().iter().filter_map(|reading| {
        reading.shown.iter().find_map(|token| replaced_beside(evidence, reading, *token))
    });
    let deleted = evidence.final_readings().filter_map(|reading| {
        reading.shown.iter().find_map(|token| deleted_and_there(evidence, reading, *token))
    });
    beside.chain(deleted).collect()
}

fn replaced_beside(
    evidence: &Evidence<'_>,
    reading: &Reading<'_>,
    token: Token,
) -> Option<Finding> {
    if reading.shown.len() < 2 {
        return None;
    }
    let newer = evidence.all_newer(token).find(|newer| {
        let shown = newer.write.token;
        shown != token && reading.shown.contains(&shown)
    })?;
    let why = format!("beside {}, which had replaced it", evidence.describe(newer));
    Some(finding(evidence, "replaced-and-there", (reading, token), newer, &why))
}

fn deleted_and_there(
    evidence: &Evidence<'_>,
    reading: &Reading<'_>,
    token: Token,
) -> Option<Finding> {
    let mut newer = evidence.all_newer(token);
    let delete = newer.find(|by| {
        by.write.deletes
            && evidence.binding(by).is_some()
            && evidence.contradicts(reading.shown, by.write.token)
    })?;
    let why =
        format!("although {}, acknowledged before, had observed it", evidence.describe(delete));
    Some(finding(evidence, "deleted-and-there", (reading, token), delete, &why))
}

fn finding(
    evidence: &Evidence<'_>,
    site: &'static str,
    (reading, token): (&Reading<'_>, Token),
    by: &Written<'_>,
    why: &str,
) -> Finding {
    let written = evidence.written(token).map(|written| written.asked);
    Finding {
        site,
        at: reading.answered,
        key: Some(reading.key),
        token: Some(token),
        message: format!(
            "Resurrected: {} showed {} of {} {why}; found {}.",
            evidence.names.host(reading.host),
            evidence.names.token(token),
            evidence.names.key(reading.key),
            evidence.list(reading.shown)
        ),
        with: written.into_iter().chain([by.asked]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, PHONE, TABLET};

    const BACK: &str = "no-resurrection";

    #[test]
    fn what_was_deleted_by_one_who_saw_it_does_not_come_back() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.deletes(TABLET, &[write]);
        case.rests();
        case.reads(PHONE, &[write]);
        assert_eq!(case.broken(), [(BACK, "deleted-and-there")]);
    }

    #[test]
    fn what_was_replaced_before_the_delete_does_not_come_back() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        let new = case.writes(PHONE, &[old]);
        case.deletes(TABLET, &[new]);
        assert_eq!(case.ends(&[old]).only(super::NO_RESURRECTION).broken().len(), 2);
    }

    #[test]
    fn a_concurrent_write_may_win_over_a_delete() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        case.deletes(TABLET, &[old]);
        let new = case.writes(PHONE, &[old]);
        case.ends(&[new]).passes();
    }

    #[test]
    fn where_deletes_hide_only_a_concurrent_write_brings_back_the_others() {
        let mut case = Case::hiding();
        let write = case.writes(PHONE, &[]);
        case.deletes(TABLET, &[write]);
        let hidden = case.clone().ends(&[write]).only(super::NO_RESURRECTION);
        assert_eq!(hidden.broken(), [(BACK, "deleted-and-there"); 2]);
        let concurrent = case.writes(PHONE, &[]);
        case.ends(&[write, concurrent]).passes();
    }

    #[test]
    fn where_deletes_remove_a_concurrent_write_brings_nothing_back() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.deletes(TABLET, &[write]);
        let concurrent = case.writes(PHONE, &[]);
        let case = case.ends(&[write, concurrent]).only(super::NO_RESURRECTION);
        assert_eq!(case.broken(), [(BACK, "deleted-and-there"); 2]);
    }

    #[test]
    fn a_delete_that_observed_nothing_deletes_nothing() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.deletes(TABLET, &[]);
        case.ends(&[write]).passes();
    }

    #[test]
    fn a_write_after_the_delete_is_no_resurrection() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        let delete = case.deletes(TABLET, &[old]);
        let new = case.writes(TABLET, &[delete]);
        case.ends(&[new]).passes();
    }

    #[test]
    fn a_read_before_the_end_may_not_know_of_the_delete() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.deletes(TABLET, &[write]);
        case.reads(PHONE, &[write]);
        case.ends(&[]).passes();
    }

    #[test]
    fn a_delete_that_died_with_its_only_place_is_undone() {
        let mut case = Case::new();
        let write = case.writes(TABLET, &[]);
        case.deletes(PHONE, &[write]);
        case.is_gone(PHONE);
        case.ends_without_phone(&[write]).passes();
    }

    #[test]
    fn no_read_shows_a_write_beside_the_one_that_replaced_it() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        let new = case.writes(PHONE, &[old]);
        case.reads(TABLET, &[old, new]);
        assert_eq!(case.ends(&[new]).broken(), [(BACK, "replaced-and-there")]);
    }
}
