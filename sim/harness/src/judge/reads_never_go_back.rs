//! `reads-never-go-back`: per session and key, what was shown or acknowledged stays shown until something
//! replaces it, and what was replaced before the eyes of the session does not come back.
//!
//! A read is held to what its session knew when it asked, so reads that overlap may be answered in any
//! order. A session forgets all when its host is restored, and what the plan destroyed at any place.
//! After Terry et al., *Session Guarantees for Weakly Consistent Replicated Data*, 1994.

use std::collections::BTreeMap;

use crate::judge::{Evidence, Finding, Judge, Reading, Written};
use crate::observation::{Event, HostId, Key, Life, Place, Session, Token};

/// What a session was shown or acknowledged stays shown until something replaces it.
pub const READS_NEVER_GO_BACK: Judge = Judge {
    name: "reads-never-go-back",
    meaning: "What a session was shown or acknowledged stays shown until something replaces it.",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut sessions = Sessions::default();
    let mut findings = Vec::new();
    for (_, step) in steps(evidence) {
        match step {
            Step::Asks(number) => sessions.ask(evidence, number),
            Step::Reads(number) => findings.extend(sessions.read(evidence, number)),
            Step::Wrote(written) => sessions.write(written),
            Step::Restored(host) => sessions.forget_host(host),
            Step::Undone(place, since) => sessions.forget_undone(evidence, place, since),
        }
    }
    findings
}

/// What changes or checks what a session knows.
#[derive(Clone, Copy, Debug)]
enum Step<'e, 'a> {
    Asks(usize),
    Reads(usize),
    Wrote(&'e Written<'a>),
    Restored(HostId),
    Undone(Place, usize),
}

fn steps<'e, 'a>(evidence: &'e Evidence<'a>) -> Vec<(usize, Step<'e, 'a>)> {
    let mut steps = Vec::new();
    for (number, reading) in evidence.readings().iter().enumerate() {
        steps.push((reading.asked, Step::Asks(number)));
        steps.push((reading.answered, Step::Reads(number)));
    }
    for written in evidence.writes() {
        steps.extend(written.acknowledged.first().map(|first| (first.0, Step::Wrote(written))));
    }
    for (at, seen) in evidence.observations.iter().enumerate() {
        match seen.event {
            Event::Life(Life::Restored) => steps.push((at, Step::Restored(seen.host))),
            Event::Undone { place, since } => steps.push((at, Step::Undone(place, since))),
            Event::Life(Life::Started | Life::Crashed | Life::Gone)
            | Event::Asked { .. }
            | Event::Answered { .. }
            | Event::Durable { .. }
            | Event::Alarm { .. }
            | Event::Effect { .. }
            | Event::QuietAsked { .. }
            | Event::QuietReached => {}
        }
    }
    steps.sort_by_key(|step| step.0);
    steps
}

/// What a session knows of a key: each write with the observation that told of it.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Values that have to be shown, and deletes that were acknowledged.
    holds: BTreeMap<Token, usize>,
    /// Values that were shown and then were not.
    left: BTreeMap<Token, usize>,
}

#[derive(Debug, Default)]
struct Sessions {
    known: BTreeMap<(Session, Key), (HostId, Known)>,
    /// What the session knew when it asked for a read that is not answered yet, by reading.
    open: BTreeMap<usize, Known>,
}

impl Sessions {
    fn ask(&mut self, evidence: &Evidence<'_>, number: usize) {
        let reading = &evidence.readings()[number];
        let known = self.known.get(&(reading.session, reading.key));
        self.open.insert(number, known.map(|known| known.1.clone()).unwrap_or_default());
    }

    fn read(&mut self, evidence: &Evidence<'_>, number: usize) -> Option<Finding> {
        let reading = &evidence.readings()[number];
        let then = self.open.remove(&number).unwrap_or_default();
        let finding =
            came_back(evidence, &then, reading).or_else(|| missing(evidence, &then, reading));
        let (_, known) = self.known_by(reading.session, reading.key, reading.host);
        let gone = then
            .holds
            .into_iter()
            .filter(|(token, _)| !reading.shown.contains(token) && !evidence.is_delete(*token));
        if finding.is_none() {
            for (token, at) in gone {
                known.holds.remove(&token);
                known.left.insert(token, at);
            }
        }
        for token in reading.shown {
            if !known.left.contains_key(token) {
                known.holds.insert(*token, reading.answered);
            }
        }
        finding
    }

    fn write(&mut self, written: &Written<'_>) {
        let (_, known) = self.known_by(written.session, written.key, written.host);
        for old in &written.write.replaces {
            if let Some(at) = known.holds.remove(old) {
                known.left.insert(*old, at);
            }
        }
        if let Some(&(at, _)) = written.acknowledged.first() {
            known.holds.insert(written.write.token, at);
        }
    }

    fn known_by(&mut self, session: Session, key: Key, host: HostId) -> &mut (HostId, Known) {
        let known = self.known.entry((session, key)).or_insert_with(|| (host, Known::default()));
        known.0 = host;
        known
    }

    fn forget_host(&mut self, host: HostId) {
        self.known.retain(|_, (on, _)| *on != host);
    }

    /// Forgets the writes that became durable at a place since a fact, and what they had replaced.
    fn forget_undone(&mut self, evidence: &Evidence<'_>, place: Place, since: usize) {
        let was_there = |written: &Written<'_>| {
            let mut durable = written.durable.iter();
            durable.any(|&(at, there)| there == place && evidence.observations[at].fact >= since)
        };
        let undone = |token: Token| evidence.written(token).is_some_and(was_there);
        let known = self.known.values_mut().map(|(_, known)| known).chain(self.open.values_mut());
        for known in known {
            known.holds.retain(|token, _| !undone(*token));
            known
                .left
                .retain(|token, _| !undone(*token) && !evidence.all_newer(*token).any(was_there));
        }
    }
}

/// A value that the session knows to be replaced is shown.
fn came_back(evidence: &Evidence<'_>, known: &Known, reading: &Reading<'_>) -> Option<Finding> {
    let may_be_back = |newer: &Written<'_>| {
        newer.write.deletes && !evidence.contradicts(reading.shown, newer.write.token)
    };
    reading.shown.iter().find_map(|token| {
        let replaced = evidence.all_newer(*token).find_map(|newer| {
            let shows_it_too = reading.shown.contains(&newer.write.token);
            let since = known.holds.get(&newer.write.token).copied();
            since.filter(|_| !shows_it_too && !may_be_back(newer))
        });
        let left = || known.left.get(token).copied();
        let since =
            replaced.or_else(|| left().filter(|_| !evidence.all_newer(*token).any(may_be_back)))?;
        let expected = "what replaced it";
        Some(finding(evidence, "came-back", (reading, *token), since, expected))
    })
}

/// A value that the session knows is not shown, and nothing has replaced it.
fn missing(evidence: &Evidence<'_>, known: &Known, reading: &Reading<'_>) -> Option<Finding> {
    let mut missing = known
        .holds
        .iter()
        .filter(|(token, _)| !evidence.agrees(reading.shown, **token, reading.answered));
    let (token, since) = missing.next()?;
    let expected = "it or what replaced it";
    Some(finding(evidence, "missing", (reading, *token), *since, expected))
}

fn finding(
    evidence: &Evidence<'_>,
    site: &'static str,
    (reading, token): (&Reading<'_>, Token),
    since: usize,
    expected: &str,
) -> Finding {
    let written = evidence.written(token);
    Finding {
        site,
        at: reading.answered,
        key: Some(reading.key),
        token: Some(token),
        message: format!(
            "Went back: after {} a read of {} on {} showed {}; of {}, expected {expected}.",
            evidence.time(since),
            evidence.names.key(reading.key),
            evidence.names.host(reading.host),
            evidence.list(reading.shown),
            written.map_or_else(|| evidence.names.token(token), |it| evidence.describe(it))
        ),
        with: written.map(|written| written.asked).into_iter().chain([since]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, HUB, NOTE, PHONE, TABLET};

    const BACK: &str = "reads-never-go-back";

    #[test]
    fn what_was_shown_stays_shown() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write]);
        case.reads(TABLET, &[]);
        assert_eq!(case.ends(&[write]).broken(), [(BACK, "missing")]);
    }

    #[test]
    fn what_was_acknowledged_is_shown_to_its_author() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[]);
        case.reads(PHONE, &[]);
        assert_eq!(case.ends(&[write]).broken(), [(BACK, "missing")]);
    }

    #[test]
    fn a_replaced_write_does_not_come_back() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        let new = case.writes(PHONE, &[old]);
        case.reads(TABLET, &[new]);
        case.reads(TABLET, &[old]);
        assert_eq!(case.ends(&[new]).broken(), [(BACK, "came-back")]);
    }

    #[test]
    fn what_its_author_deleted_does_not_come_back() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write]);
        case.deletes(TABLET, &[write]);
        case.reads(TABLET, &[write]);
        assert_eq!(case.ends(&[]).broken(), [(BACK, "came-back")]);
    }

    #[test]
    fn what_another_session_deleted_does_not_come_back_to_one_that_saw_it_go() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write]);
        case.deletes(PHONE, &[write]);
        case.reads(TABLET, &[write]);
        case.reads(TABLET, &[]);
        case.reads(TABLET, &[write]);
        assert_eq!(case.ends(&[]).broken(), [(BACK, "came-back")]);
    }

    #[test]
    fn where_deletes_hide_a_concurrent_write_brings_back_the_others_to_all() {
        let mut case = Case::hiding();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write]);
        case.deletes(TABLET, &[write]);
        case.reads(TABLET, &[]);
        let concurrent = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write, concurrent]);
        case.clone().ends(&[write, concurrent]).passes();
        case.reads(TABLET, &[write]);
        let broken = case.ends(&[write, concurrent]).only(super::READS_NEVER_GO_BACK).broken();
        assert_eq!(broken, [(BACK, "came-back")]);
    }

    #[test]
    fn another_session_may_be_behind() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        let new = case.writes(PHONE, &[old]);
        case.reads(PHONE, &[new]);
        case.reads(TABLET, &[old]);
        case.reads(TABLET, &[new]);
        case.ends(&[new]).passes();
    }

    #[test]
    fn what_was_replaced_meanwhile_may_go() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        case.reads(TABLET, &[old]);
        let new = case.asks(PHONE, NOTE, &[old]);
        case.reads(TABLET, &[new]);
        case.acknowledges(PHONE, new, crate::observation::Promise::Copies(1));
        case.ends(&[new]).passes();
    }

    #[test]
    fn reads_that_overlap_may_be_answered_in_any_order() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        let first = case.begins_to_read(TABLET);
        let second = case.begins_to_read(TABLET);
        let new = case.writes(PHONE, &[old]);
        case.shows(TABLET, second, &[new]);
        case.shows(TABLET, first, &[old]);
        case.reads(TABLET, &[new]);
        case.ends(&[new]).passes();
    }

    #[test]
    fn a_restored_host_may_go_back() {
        let mut case = Case::new();
        let image = case.now();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write]);
        case.is_restored(TABLET, image);
        case.reads(TABLET, &[]);
        case.ends(&[write]).passes();
    }

    #[test]
    fn a_crash_does_not_excuse() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write]);
        case.crashes(TABLET);
        case.reads(TABLET, &[]);
        assert_eq!(case.ends(&[write]).broken(), [(BACK, "missing")]);
    }

    #[test]
    fn what_the_plan_destroyed_at_a_place_may_go_for_all() {
        let mut case = Case::new();
        let old = case.writes(PHONE, &[]);
        case.stores(HUB, old);
        let image = case.now();
        let new = case.writes(PHONE, &[old]);
        case.stores(HUB, new);
        case.reads(TABLET, &[new]);
        case.is_restored(HUB, image);
        case.reads(TABLET, &[old]);
        case.stores(HUB, new);
        case.reads(TABLET, &[new]);
        case.ends(&[new]).passes();
    }

    #[test]
    fn what_the_plan_left_at_that_place_may_not_go() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.stores(HUB, write);
        case.reads(TABLET, &[write]);
        let image = case.now();
        case.is_restored(HUB, image);
        case.reads(TABLET, &[]);
        assert_eq!(case.ends(&[write]).broken(), [(BACK, "missing")]);
    }

    #[test]
    fn where_one_wins_it_may_win_over_what_was_shown_but_not_give_way_again() {
        let mut case = Case::last_writer_wins();
        let one = case.writes(PHONE, &[]);
        let other = case.writes(TABLET, &[]);
        case.reads(PHONE, &[other]);
        case.reads(PHONE, &[one]);
        assert_eq!(case.ends(&[other]).broken(), [(BACK, "came-back")]);
    }
}
