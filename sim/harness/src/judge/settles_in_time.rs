//! `settles-in-time`: once no fault is active any more, the system comes to rest within its bound, has
//! answered what it was asked, and shows every key at the end.
//!
//! Judges that look at the end of a run see nothing if there is none. This judge says so.

use std::collections::BTreeMap;

use crate::judge::{Evidence, Finding, Judge, Rest};
use crate::observation::{Event, Key};

/// After the faults the system comes to rest within its bound, answers, and shows every key.
pub const SETTLES_IN_TIME: Judge = Judge {
    name: "settles-in-time",
    meaning: "After the faults the system comes to rest within its bound, answers, and shows every key.",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(never_asked(evidence));
    findings.extend(evidence.rests().iter().filter_map(|rest| restless(evidence, rest)));
    if evidence.end().is_some() {
        findings.extend(evidence.unanswered().map(|(op, asked)| {
            let message = format!(
                "{} never answered {op}, asked at {}, although it went on: expected an answer.",
                evidence.host_at(asked),
                evidence.time(asked)
            );
            finding("unanswered", asked, None, message, Vec::new())
        }));
        findings.extend(unread_keys(evidence));
    }
    findings
}

/// A run whose last writes are not followed by a time of rest proves nothing about its end.
fn never_asked(evidence: &Evidence<'_>) -> Option<Finding> {
    let last_write = evidence.writes().map(|written| written.asked).max();
    let is_followed = |rest: &Rest| rest.reached.is_none_or(|reached| last_write <= Some(reached));
    if evidence.rests().last().is_some_and(is_followed) {
        return None;
    }
    let at = evidence.observations.len().saturating_sub(1);
    let message =
        "The run was never at rest after the last write: expected quiet to be asked for, found \
                   the end of the run."
            .to_owned();
    Some(finding("no-end", at, None, message, last_write.into_iter().collect()))
}

fn restless(evidence: &Evidence<'_>, rest: &Rest) -> Option<Finding> {
    let due = evidence.time(rest.asked) + rest.within;
    let expected = format!("expected rest within {} of {}", rest.within, evidence.time(rest.asked));
    let Some(reached) = rest.reached else {
        let last = last_effect(evidence, rest.asked);
        let found = last.map_or_else(
            || "nothing going on".to_owned(),
            |(at, kind)| format!("“{kind}” of {} at {}", evidence.host_at(at), evidence.time(at)),
        );
        let message = format!("Not at rest: {expected}, last found {found}.");
        let with = last.map(|last| last.0).into_iter().collect();
        return Some(finding("not-quiet", rest.asked, None, message, with));
    };
    (evidence.time(reached) > due).then(|| {
        let message = format!("Late: {expected}, found it at {}.", evidence.time(reached));
        finding("late", reached, None, message, vec![rest.asked])
    })
}

/// What the system was doing last.
fn last_effect(evidence: &Evidence<'_>, since: usize) -> Option<(usize, &'static str)> {
    let after = evidence.observations.iter().enumerate().skip(since);
    after.rev().find_map(|(at, seen)| {
        if let Event::Effect { kind } = seen.event { Some((at, kind)) } else { None }
    })
}

/// Keys with an acknowledged write that no final read has read.
fn unread_keys(evidence: &Evidence<'_>) -> Vec<Finding> {
    let read = evidence.final_states();
    let mut unread: BTreeMap<Key, usize> = BTreeMap::new();
    for written in evidence.writes().filter(|written| !read.contains_key(&written.key)) {
        if let Some((acknowledged, _)) = evidence.binding(written) {
            let first = unread.entry(written.key).or_insert(acknowledged);
            *first = acknowledged.min(*first);
        }
    }
    unread
        .into_iter()
        .map(|(key, acknowledged)| {
            let message = format!(
                "No final read shows {}, of which a write was acknowledged at {}: expected one.",
                evidence.names.key(key),
                evidence.time(acknowledged)
            );
            finding("unread", acknowledged, Some(key), message, Vec::new())
        })
        .collect()
}

fn finding(
    site: &'static str,
    at: usize,
    key: Option<Key>,
    message: String,
    with: Vec<usize>,
) -> Finding {
    Finding { site, at, key, token: None, message, with }
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, HUB, NOTE, PHONE};
    use crate::observation::{Event, Promise};
    use crate::time::Span;

    fn unsettled(site: &'static str) -> Vec<(&'static str, &'static str)> {
        vec![("settles-in-time", site)]
    }

    fn asks_for_quiet(case: &mut Case, within: u64) {
        case.sees(HUB, Event::QuietAsked { within: Span::from_millis(within) });
    }

    #[test]
    fn a_run_without_an_end_is_reported() {
        assert_eq!(Case::new().broken(), unsettled("no-end"));
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        assert_eq!(case.broken(), unsettled("no-end"));
    }

    #[test]
    fn a_write_after_the_last_rest_needs_another_rest() {
        let mut case = Case::new();
        case.rests();
        let write = case.writes(PHONE, &[]);
        assert_eq!(case.broken(), unsettled("no-end"));
        case.ends(&[write]).passes();
    }

    #[test]
    fn a_write_while_quiet_is_awaited_is_before_the_end() {
        let mut case = Case::new();
        asks_for_quiet(&mut case, 1_000);
        let write = case.writes(PHONE, &[]);
        assert_eq!(case.broken(), unsettled("not-quiet"));
        case.sees(HUB, Event::QuietReached);
        case.reads(PHONE, &[write]);
        case.passes();
    }

    #[test]
    fn a_system_that_never_comes_to_rest_is_reported_with_what_it_does() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        asks_for_quiet(&mut case, 10);
        case.sends(PHONE);
        assert_eq!(case.broken(), unsettled("not-quiet"));
        let message = "Not at rest: expected rest within 0.010s of 0.003s, last found “push” of host 0 at 0.004s.";
        assert_eq!(case.violations()[0].message, message);
    }

    #[test]
    fn rest_may_take_as_long_as_its_bound_and_no_longer() {
        let late = |within| {
            let mut case = Case::new();
            asks_for_quiet(&mut case, within);
            case.sends(PHONE);
            case.sends(PHONE);
            case.sees(HUB, Event::QuietReached);
            case
        };
        assert_eq!(late(2).broken(), unsettled("late"));
        late(3).passes();
    }

    #[test]
    fn an_operation_is_answered_before_the_end() {
        let mut case = Case::new();
        case.asks(PHONE, NOTE, &[]);
        assert_eq!(case.ends(&[]).broken(), unsettled("unanswered"));
    }

    #[test]
    fn a_crashed_host_owes_no_answer() {
        let mut case = Case::new();
        case.asks(PHONE, NOTE, &[]);
        case.crashes(PHONE);
        case.ends(&[]).passes();
    }

    #[test]
    fn a_key_that_no_final_read_shows_is_reported() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        case.writes(PHONE, &[]);
        case.rests();
        assert_eq!(case.broken(), unsettled("unread"));
    }

    #[test]
    fn a_key_of_which_nothing_is_left_need_not_be_read() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        case.is_gone(PHONE);
        let accepted = case.asks(HUB, NOTE, &[]);
        case.acknowledges(HUB, accepted, Promise::Copies(0));
        case.rests();
        case.passes();
    }
}
