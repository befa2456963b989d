//! `crashes-lose-nothing`: what a host has acknowledged as saved is there after its crash: it is durable
//! when the host crashes, and the first read of its key on that host afterwards agrees with it.

use std::collections::BTreeSet;

use crate::judge::{Evidence, Finding, Judge, Reading, Written};
use crate::observation::{Event, HostId, Key, Life, Place, Promise, Token};

/// What a host has acknowledged as saved is there after its crash.
pub const CRASHES_LOSE_NOTHING: Judge = Judge {
    name: "crashes-lose-nothing",
    meaning: "What a host has acknowledged as saved is there after its crash.",
    check,
};

/// A write that its host has acknowledged as saved.
#[derive(Clone, Copy, Debug)]
struct Saved<'e, 'a> {
    written: &'e Written<'a>,
    acknowledged: usize,
    place: Place,
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let saved = saved(evidence);
    let observations = evidence.observations.iter().enumerate();
    let crashes = observations.filter(|(_, seen)| seen.event == Event::Life(Life::Crashed));
    let mut findings = Vec::new();
    let mut missed: BTreeSet<Token> = BTreeSet::new();
    for (crash, seen) in crashes {
        let first = first_readings(evidence, crash, seen.host);
        for saved in &saved {
            if saved.written.host == seen.host && saved.acknowledged < crash {
                let lost = lost(evidence, *saved, crash, &first);
                findings.extend(lost.filter(|_| missed.insert(saved.written.write.token)));
            }
        }
    }
    findings
}

fn saved<'e, 'a>(evidence: &'e Evidence<'a>) -> Vec<Saved<'e, 'a>> {
    let saved = evidence.writes().filter_map(|written| {
        let mut promises = written.acknowledged.iter();
        promises.find_map(|&(acknowledged, promise)| match promise {
            Promise::Saved(place) => Some(Saved { written, acknowledged, place }),
            Promise::Copies(_) => None,
        })
    });
    saved.collect()
}

/// The first reading of each key on a host after it crashed and before it crashed again.
fn first_readings<'e, 'a>(
    evidence: &'e Evidence<'a>,
    crash: usize,
    host: HostId,
) -> Vec<&'e Reading<'a>> {
    let next = evidence.observations.iter().enumerate().skip(crash + 1).find(|(_, seen)| {
        seen.host == host && matches!(seen.event, Event::Life(Life::Crashed | Life::Gone))
    });
    let until = next.map_or(usize::MAX, |(at, _)| at);
    let mut seen: BTreeSet<Key> = BTreeSet::new();
    let after = evidence
        .readings()
        .iter()
        .filter(move |reading| reading.host == host && (crash..until).contains(&reading.asked));
    after.filter(|reading| seen.insert(reading.key)).collect()
}

fn lost(
    evidence: &Evidence<'_>,
    saved: Saved<'_, '_>,
    crash: usize,
    first: &[&Reading<'_>],
) -> Option<Finding> {
    let token = saved.written.write.token;
    let reading = first.iter().find(|reading| reading.key == saved.written.key);
    let until = reading.map_or(crash, |reading| reading.answered);
    if is_undone(evidence, saved, until) {
        return None;
    }
    let (site, at, found) = if !is_durable(evidence, saved, crash) {
        ("not-durable", crash, "it was not durable when the host crashed".to_owned())
    } else {
        let reading = reading?;
        if evidence.agrees(reading.shown, token, reading.answered) {
            return None;
        }
        let found = format!("the first read after it showed {}", evidence.list(reading.shown));
        ("not-there", reading.answered, found)
    };
    Some(Finding {
        site,
        at,
        key: Some(saved.written.key),
        token: Some(token),
        message: format!(
            "Lost in a crash: expected that {}, acknowledged at {} as saved at {}, survives the crash of {} at \
             {}; {found}.",
            evidence.describe(saved.written),
            evidence.time(saved.acknowledged),
            evidence.names.place(saved.place),
            evidence.host_at(crash),
            evidence.time(crash)
        ),
        with: vec![saved.written.asked, saved.acknowledged, crash],
    })
}

/// Had the place stored the write, or one that replaced it, before the crash?
fn is_durable(evidence: &Evidence<'_>, saved: Saved<'_, '_>, crash: usize) -> bool {
    let stored = |written: &Written<'_>| {
        written.durable.iter().any(|&(at, place)| at < crash && place == saved.place)
    };
    let token = saved.written.write.token;
    stored(saved.written) || evidence.all_newer(token).any(stored)
}

/// Has the plan destroyed what the place had stored since the acknowledgement?
fn is_undone(evidence: &Evidence<'_>, saved: Saved<'_, '_>, until: usize) -> bool {
    let stored = saved.written.durable.iter().filter(|(_, place)| *place == saved.place);
    let first = stored.map(|(at, _)| *at).min().unwrap_or(saved.acknowledged);
    evidence.undone_at(saved.place, first).is_some_and(|undone| undone < until)
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, HUB, NOTE, PHONE, TABLET};
    use crate::observation::{Place, Promise};

    const LOST: &str = "crashes-lose-nothing";

    #[test]
    fn what_was_acknowledged_before_it_was_durable_is_missed() {
        let mut case = Case::new();
        let write = case.asks(PHONE, NOTE, &[]);
        case.acknowledges(PHONE, write, Promise::Saved(Place(PHONE.0)));
        case.crashes(PHONE);
        let case = case.ends(&[]).only(super::CRASHES_LOSE_NOTHING);
        assert_eq!(case.broken(), [(LOST, "not-durable")]);
    }

    #[test]
    fn what_is_durable_elsewhere_only_is_missed() {
        let mut case = Case::new();
        let write = case.asks(PHONE, NOTE, &[]);
        case.stores(HUB, write);
        case.acknowledges(PHONE, write, Promise::Saved(Place(PHONE.0)));
        case.crashes(PHONE);
        assert_eq!(case.ends(&[write]).broken(), [(LOST, "not-durable")]);
    }

    #[test]
    fn what_the_first_read_after_the_crash_does_not_show_is_missed() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.crashes(PHONE);
        case.reads(PHONE, &[]);
        case.reads(PHONE, &[write]);
        case.crashes(PHONE);
        case.reads(PHONE, &[]);
        let case = case.ends(&[write]).only(super::CRASHES_LOSE_NOTHING);
        assert_eq!(case.broken(), [(LOST, "not-there")]);
    }

    #[test]
    fn what_was_not_acknowledged_may_go() {
        let mut case = Case::new();
        case.asks(PHONE, NOTE, &[]);
        case.crashes(PHONE);
        case.reads(PHONE, &[]);
        case.ends(&[]).passes();
    }

    #[test]
    fn a_newer_write_may_be_there_in_its_place() {
        let mut case = Case::new();
        let old = case.asks(PHONE, NOTE, &[]);
        let new = case.asks(PHONE, NOTE, &[old]);
        case.stores(PHONE, new);
        case.acknowledges(PHONE, old, Promise::Saved(Place(PHONE.0)));
        case.acknowledges(PHONE, new, Promise::Saved(Place(PHONE.0)));
        case.crashes(PHONE);
        case.reads(PHONE, &[new]);
        case.ends(&[new]).passes();
    }

    #[test]
    fn a_delete_is_there_if_what_it_deleted_is_not() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.deletes(PHONE, &[write]);
        case.crashes(PHONE);
        case.reads(PHONE, &[]);
        case.clone().ends(&[]).passes();
        case.crashes(PHONE);
        case.reads(PHONE, &[write]);
        let case = case.ends(&[]).only(super::CRASHES_LOSE_NOTHING);
        assert_eq!(case.broken(), [(LOST, "not-there")]);
    }

    #[test]
    fn what_the_plan_destroyed_is_not_missed() {
        let mut case = Case::new();
        let image = case.now();
        case.writes(PHONE, &[]);
        case.crashes(PHONE);
        case.is_restored(PHONE, image);
        case.reads(PHONE, &[]);
        case.ends(&[]).passes();
    }

    #[test]
    fn an_older_image_does_not_excuse_what_it_has() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        let image = case.now();
        case.crashes(PHONE);
        case.is_restored(PHONE, image);
        case.reads(PHONE, &[]);
        let case = case.ends(&[]).only(super::CRASHES_LOSE_NOTHING);
        assert_eq!(case.broken(), [(LOST, "not-there")]);
    }

    #[test]
    fn the_crash_of_another_host_is_no_matter() {
        let mut case = Case::new();
        let write = case.asks(PHONE, NOTE, &[]);
        case.acknowledges(PHONE, write, Promise::Saved(Place(PHONE.0)));
        case.crashes(TABLET);
        case.reads(TABLET, &[]);
        case.stores(PHONE, write);
        case.ends(&[write]).passes();
    }
}
