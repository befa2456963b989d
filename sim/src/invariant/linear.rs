//! INV-11 `server-is-linearizable` and INV-26 `caches-are-coherent`: the log of a space has every
//! number once, and its order agrees with what people saw.
//!
//! What was acknowledged stands before all that was asked for later. A reading shows the account as
//! it was after some commit: none after its answer, and none older than what had been acknowledged
//! (INV-26), or shown to anybody, before it was asked for. The log leaves no choice: one sweep in the
//! order of time gives each reading the earliest commit that it can have seen.
//!
//! Source: Herlihy and Wing, *Linearizability*, 1990.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{AccountField, Token, UserId};

use super::Invariant::{CachesAreCoherent, ServerIsLinearizable};
use super::evidence::Evidence;
use super::evidence::server::{LogEffect, ServerRequest, Space, fingerprint};
use super::findings::{About, Findings};
use crate::history::Account;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, space) in evidence.epochs.spaces() {
        log_has_no_gap(evidence, findings, space);
        history_only_grows(evidence, findings, space);
    }
    orders_agree(evidence, findings);
}

fn log_has_no_gap(evidence: &Evidence<'_>, findings: &mut Findings, space: &Space) {
    let mut before = (None, 0);
    for &(at, seq) in &space.entries {
        if seq != before.1 + 1 {
            let message = format!("Commit {seq} follows commit {}.", before.1);
            let place = (ServerIsLinearizable, "log-gap");
            findings.report(evidence, place, at, About::default(), message, before.0);
        }
        before = (Some(at), seq);
    }
}

/// A commit adds versions to fields, and takes none away.
fn history_only_grows(evidence: &Evidence<'_>, findings: &mut Findings, space: &Space) {
    for effect in &space.effects {
        let LogEffect::Account { at, made, rewritten, .. } = effect else { continue };
        if let Some(field) = rewritten.first() {
            let message = format!("A commit rewrote the history of {}.", field.name());
            let about = About { record: None, token: made.first().map(|made| made.1) };
            let place = (ServerIsLinearizable, "history-rewritten");
            findings.report(evidence, place, *at, about, message, []);
        }
    }
}

/// How far an account is known to be.
#[derive(Clone, Debug, Default)]
struct Line {
    /// So many effects are in the log.
    logged: usize,
    /// This effect was acknowledged, or shown, since the volume is what it is.
    known: usize,
    /// The patches that were acknowledged, by number of errand.
    acknowledged: Vec<usize>,
}

/// What a line knew when something was asked.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    known: usize,
    acknowledged: usize,
}

fn orders_agree(evidence: &Evidence<'_>, findings: &mut Findings) {
    let server = &evidence.server;
    let mut lines: BTreeMap<UserId, Line> = BTreeMap::new();
    let mut floors: BTreeMap<usize, Floor> = BTreeMap::new();
    for (at, event) in events(evidence) {
        match event {
            // What was known of a log that is no more says nothing of this one.
            Event::Restored => {
                let epoch = evidence.epochs.at(at);
                let line = |space: &Space| {
                    let effects = space
                        .effects
                        .iter()
                        .filter(|effect| account_effect_at(effect).is_some_and(|it| it < at));
                    Line { logged: effects.count(), ..Line::default() }
                };
                lines = epoch.spaces.iter().map(|(user, space)| (*user, line(space))).collect();
                floors.clear();
            }
            Event::Logged(user) => lines.entry(user).or_default().logged += 1,
            Event::Asked(number) => {
                let line = lines.entry(server.requests[number].user).or_default();
                let floor = Floor { known: line.known, acknowledged: line.acknowledged.len() };
                floors.insert(number, floor);
            }
            Event::Answered(number) => {
                let request = &server.requests[number];
                let floor = floors.get(&number).copied().unwrap_or_default();
                let line = lines.entry(request.user).or_default();
                if request.patched().is_some() {
                    line.acknowledge(evidence, findings, number, floor);
                } else if let Some((_, shown)) = request.shown() {
                    let reading = Reading { request, shown, at, floor };
                    line.show(evidence, findings, &reading);
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Restored,
    Logged(UserId),
    Asked(usize),
    Answered(usize),
}

/// When an effect was made.
fn account_effect_at(effect: &LogEffect) -> Option<usize> {
    match effect {
        LogEffect::Account { at, .. } => Some(*at),
        LogEffect::Session { .. } | LogEffect::Action { .. } => None,
    }
}

fn events(evidence: &Evidence<'_>) -> Vec<(usize, Event)> {
    let mut events = Vec::new();
    for epoch in evidence.epochs.iter() {
        for (user, space) in &epoch.spaces {
            let effects =
                space.effects.iter().filter_map(account_effect_at).filter(|at| *at >= epoch.from);
            events.extend(effects.map(|at| (at, Event::Logged(*user))));
        }
    }
    events.extend(evidence.epochs.restores().map(|at| (at, Event::Restored)));
    for (number, request) in evidence.server.requests.iter().enumerate() {
        events.push((request.asked, Event::Asked(number)));
        events.extend(request.answer.map(|(at, _)| (at, Event::Answered(number))));
    }
    events.sort_by_key(|event| event.0);
    events
}

/// An account that was shown.
#[derive(Clone, Copy, Debug)]
struct Reading<'e> {
    request: &'e ServerRequest<'e>,
    shown: &'e Account,
    at: usize,
    floor: Floor,
}

impl Line {
    fn acknowledge(
        &mut self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        number: usize,
        floor: Floor,
    ) {
        let request = &evidence.server.requests[number];
        let about = About { record: None, token: request.token };
        let Some(answered) = request.patched() else { return };
        let Some(place) = evidence.epochs.at(answered).places(request).first() else {
            return; // What was never made has no place in the order.
        };
        if place.at > answered {
            let message = "A change of the account was acknowledged before it was made.".into();
            let site = (ServerIsLinearizable, "acknowledged-too-soon");
            findings.report(evidence, site, place.at, about, message, [request.asked, answered]);
        }
        if place.effect <= floor.known {
            let message = "A change stands in the log before one that was made earlier.".into();
            let site = (ServerIsLinearizable, "out-of-order");
            findings.report(evidence, site, answered, about, message, [request.asked, place.at]);
        }
        self.known = self.known.max(place.effect);
        self.acknowledged.push(number);
    }

    fn show(&mut self, evidence: &Evidence<'_>, findings: &mut Findings, reading: &Reading<'_>) {
        let Reading { request, shown, at, floor } = *reading;
        let print = fingerprint(shown);
        // What was on its way when the volume was restored is of the log that was.
        let mut gone = evidence.epochs.between(request.asked, at).rev().skip(1);
        if gone.any(|epoch| states(epoch.spaces.get(&request.user)).contains(&print)) {
            return;
        }
        let space = evidence.epochs.at(at).spaces.get(&request.user);
        if let Some((patch, missing)) = self.lacks(evidence, space, reading) {
            let message = format!(
                "The account was shown without a change of {} that had been acknowledged.",
                missing.name()
            );
            let about = About { record: None, token: patch.token };
            let with = [request.asked, patch.asked].into_iter().chain(patch.patched());
            findings.report(evidence, (CachesAreCoherent, "stale-read"), at, about, message, with);
            return;
        }
        let states = states(space);
        let mut seen = (0..states.len()).filter(|state| states[*state] == print);
        let fits = |state: &usize| (floor.known..=self.logged).contains(state);
        if let Some(state) = seen.clone().find(fits) {
            self.known = self.known.max(state);
            return;
        }
        let (site, what) = match seen.next() {
            None => ("never-so", "as it never was"),
            Some(state) if state < floor.known => ("goes-back", "older than it had been shown"),
            Some(_) => ("not-yet-so", "before that was committed"),
        };
        let message = format!("The account was shown {what}.");
        let site = (ServerIsLinearizable, site);
        findings.report(evidence, site, at, About::default(), message, [request.asked]);
    }

    /// What was acknowledged before an account was asked for, has not been taken out of the log,
    /// and is not shown.
    fn lacks<'e>(
        &self,
        evidence: &'e Evidence<'_>,
        space: Option<&Space>,
        reading: &Reading<'_>,
    ) -> Option<(&'e ServerRequest<'e>, AccountField)> {
        let space = space?;
        let shown: BTreeSet<(AccountField, Token)> = reading
            .shown
            .iter()
            .flat_map(|(field, versions)| versions.iter().map(|version| (*field, version.0)))
            .collect();
        self.acknowledged[..reading.floor.acknowledged].iter().find_map(|number| {
            let patch = &evidence.server.requests[*number];
            let token = patch.token?;
            let missing = patch.fields().iter().map(|(field, _)| *field).find(|field| {
                let held = space.held.get(&(*field, token));
                !shown.contains(&(*field, token))
                    && held.is_some_and(|(_, gone)| gone.is_none_or(|gone| gone > self.logged))
            });
            missing.map(|field| (patch, field))
        })
    }
}

/// What an account was, effect by effect; before the first one it is empty.
fn states(space: Option<&Space>) -> &[u64] {
    space.map_or(&[0], |space| &space.states)
}

#[cfg(test)]
pub(super) mod tests {
    use engine::id::AccountField::{Email, Phone};
    use engine::id::UserId;

    use super::super::case::{Case, PHONE, TABLET};
    use crate::history::{Answered, Done};

    /// What one device was shown, another is not shown later; nobody had acknowledged it.
    pub(in super::super) fn broken() -> Case {
        let mut case = Case::served();
        case.opens(PHONE);
        let (op, token) = case.asks_to_patch(PHONE, &[Email]);
        let before = case.account(PHONE);
        case.commits_patch(PHONE, token, &[Email]);
        case.reads_account(TABLET);
        case.shows_account(PHONE, before, false);
        case.answers(PHONE, op, Answered::Done(Done::Patched));
        case.ends()
    }

    /// A worker shows what it knew before a change was acknowledged.
    pub(in super::super) fn broken_cache() -> Case {
        let mut case = Case::served();
        case.opens(PHONE);
        let before = case.account(TABLET);
        case.patches(PHONE, &[Email]);
        case.shows_account(TABLET, before, false);
        case.ends()
    }

    #[track_caller]
    fn rejects(case: &Case, site: &str) {
        let violations = case.violations();
        assert!(violations.iter().any(|violation| violation.site == site), "{violations:#?}");
    }

    #[test]
    fn what_was_shown_to_one_is_shown_to_all() {
        rejects(&broken(), "goes-back");
    }

    #[test]
    fn what_was_acknowledged_is_shown_at_every_worker() {
        rejects(&broken_cache(), "stale-read");
    }

    #[test]
    fn a_log_has_no_gap() {
        let mut case = Case::served();
        case.opens(PHONE);
        case.skips_a_number(UserId(0));
        case.patches(PHONE, &[Email]);
        rejects(&case, "log-gap");
    }

    #[test]
    fn a_commit_takes_no_version_away() {
        let mut case = Case::served();
        case.opens(PHONE);
        case.patches(PHONE, &[Email]);
        case.patches(PHONE, &[Email]);
        case.sets_back(UserId(0), Email, 1);
        rejects(&case, "history-rewritten");
    }

    #[test]
    fn what_is_shown_was_once_so() {
        let mut case = Case::served();
        case.opens(PHONE);
        let (_, first) = case.asks_to_patch(PHONE, &[Email]);
        let (_, second) = case.asks_to_patch(PHONE, &[Phone]);
        case.commits_patch(PHONE, first, &[Email]);
        case.commits_patch(PHONE, second, &[Phone]);
        let mut odd = case.account(TABLET);
        odd.remove(0);
        case.shows_account(TABLET, odd, false);
        rejects(&case, "never-so");
    }

    #[test]
    fn nothing_is_shown_or_acknowledged_before_it_is_committed() {
        let mut case = Case::served();
        case.opens(PHONE);
        let (op, token) = case.asks_to_patch(PHONE, &[Email]);
        case.answers(PHONE, op, Answered::Done(Done::Patched));
        case.commits_patch(PHONE, token, &[Email]);
        rejects(&case, "acknowledged-too-soon");
    }

    #[test]
    fn a_reading_that_overlaps_a_change_shows_it_or_not() {
        let mut case = Case::served();
        case.opens(PHONE);
        let (op, token) = case.asks_to_patch(PHONE, &[Email]);
        case.reads_account(TABLET);
        case.commits_patch(PHONE, token, &[Email]);
        case.reads_account(TABLET);
        case.answers(PHONE, op, Answered::Done(Done::Patched));
        case.ends().passes();
    }
}
