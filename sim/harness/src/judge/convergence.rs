//! `convergence`: at the end all reads of a key show the same.

use std::collections::BTreeMap;

use crate::judge::{Evidence, Finding, Judge, Reading};
use crate::observation::Key;

/// At the end all reads of a key show the same.
pub const CONVERGENCE: Judge =
    Judge { name: "convergence", meaning: "At the end all reads of a key show the same.", check };

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut first: BTreeMap<Key, &Reading<'_>> = BTreeMap::new();
    let mut differing: BTreeMap<Key, Finding> = BTreeMap::new();
    for reading in evidence.final_readings() {
        let other = *first.entry(reading.key).or_insert(reading);
        if other.shown != reading.shown {
            differing.entry(reading.key).or_insert_with(|| diverged(evidence, other, reading));
        }
    }
    differing.into_values().collect()
}

fn diverged(evidence: &Evidence<'_>, one: &Reading<'_>, other: &Reading<'_>) -> Finding {
    let token = one.shown.symmetric_difference(other.shown).next().copied();
    Finding {
        site: "replicas-diverged",
        at: other.answered,
        key: Some(other.key),
        token,
        message: format!(
            "Diverged: at the end {} shows {} of {}, expected what {} shows: {}.",
            evidence.names.host(other.host),
            evidence.list(other.shown),
            evidence.names.key(other.key),
            evidence.names.host(one.host),
            evidence.list(one.shown)
        ),
        with: vec![one.answered],
    }
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, PHONE, TABLET};

    #[test]
    fn two_readers_who_see_different_writes_have_diverged() {
        let mut case = Case::new();
        let one = case.writes(PHONE, &[]);
        let other = case.writes(TABLET, &[]);
        case.rests();
        case.reads(PHONE, &[one, other]);
        case.reads(TABLET, &[other]);
        assert_eq!(case.broken(), [("convergence", "replicas-diverged")]);
    }

    #[test]
    fn where_one_wins_it_is_the_same_for_all() {
        let mut case = Case::last_writer_wins();
        let one = case.writes(PHONE, &[]);
        let other = case.writes(TABLET, &[]);
        case.rests();
        case.reads(PHONE, &[one]);
        case.reads(TABLET, &[other]);
        assert_eq!(case.broken(), [("convergence", "replicas-diverged")]);
    }

    #[test]
    fn before_the_end_readers_may_differ() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[]);
        case.ends(&[write]).passes();
    }

    #[test]
    fn a_rest_before_more_writes_is_not_the_end() {
        let mut case = Case::new();
        case.rests();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[]);
        case.ends(&[write]).passes();
    }
}
