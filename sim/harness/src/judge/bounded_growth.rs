//! `bounded-growth`: at rest a host sends and writes no more than it is allowed to.
//!
//! A rest lasts from the moment at which the system has become quiet until something is done to it again:
//! an operation, or the start or end of a host.

use std::collections::BTreeMap;

use crate::judge::{Evidence, Finding, Judge, Rest};
use crate::observation::{Event, HostId};

/// At rest a host sends and writes no more than it is allowed to.
pub const BOUNDED_GROWTH: Judge = Judge {
    name: "bounded-growth",
    meaning: "At rest a host sends and writes no more than it is allowed to.",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let rests = evidence.rests().iter();
    rests.flat_map(|rest| restless_hosts(evidence, rest)).collect()
}

fn restless_hosts(evidence: &Evidence<'_>, rest: &Rest) -> Vec<Finding> {
    let Some(reached) = rest.reached else { return Vec::new() };
    let mut effects: BTreeMap<HostId, Vec<(usize, &str)>> = BTreeMap::new();
    for (at, observation) in evidence.observations.iter().enumerate().take(rest.until).skip(reached)
    {
        if let Event::Effect { kind } = observation.event {
            effects.entry(observation.host).or_default().push((at, kind));
        }
    }
    let last = rest.until.min(evidence.observations.len() - 1);
    let span = evidence.time(last) - evidence.time(reached);
    let allowed = evidence.claims.at_rest.within(span);
    let too_many = effects.into_iter().filter_map(|(host, effects)| {
        let first_beyond = effects.get(usize::try_from(allowed).unwrap_or(usize::MAX))?;
        let message = format!(
            "{} had {} effects within {span} of rest since {}, the latest “{}”: expected at most {allowed}.",
            evidence.names.host(host),
            effects.len(),
            evidence.time(reached),
            effects.last().map_or("", |effect| effect.1)
        );
        let at = first_beyond.0;
        let with = vec![reached];
        Some(Finding { site: "restless", at, key: None, token: None, message, with })
    });
    too_many.collect()
}

#[cfg(test)]
mod tests {
    use crate::judge::Allowance;
    use crate::judge::case::{Case, HUB, PHONE};
    use crate::time::Span;

    #[test]
    fn a_host_that_goes_on_at_rest_is_restless() {
        let mut case = Case::new();
        case.rests();
        case.sends(PHONE);
        case.sends(PHONE);
        case.reads(PHONE, &[]);
        assert_eq!(case.broken(), [("bounded-growth", "restless")]);
    }

    #[test]
    fn what_is_allowed_at_rest_is_allowed_to_each_host() {
        let mut case = Case::new();
        case.rests();
        case.sends(PHONE);
        case.sends(HUB);
        case.reads(PHONE, &[]);
        case.passes();
    }

    #[test]
    fn before_rest_and_for_an_operation_a_host_may_do_as_it_likes() {
        let mut case = Case::new();
        case.sends(PHONE);
        case.sends(PHONE);
        case.rests();
        let read = case.begins_to_read(PHONE);
        case.sends(PHONE);
        case.sends(PHONE);
        case.shows(PHONE, read, &[]);
        case.passes();
    }

    #[test]
    fn an_allowance_is_of_each_span() {
        let allowance = Allowance { effects: 2, each: Span::from_secs(1) };
        assert_eq!(allowance.within(Span::ZERO), 2);
        assert_eq!(allowance.within(Span::from_millis(2_500)), 6);
        assert_eq!(Allowance::default().within(Span::from_secs(60)), 0);
    }
}
