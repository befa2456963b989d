//! The order of an account's changes and readings, in one sweep in the order of time.
//!
//! What was acknowledged stands before all that was asked for later. A reading shows the account as it
//! was after some commit: none after its answer, and none older than what had been acknowledged, or
//! shown to any device, before it was asked for. The log leaves no choice: each reading is of the earliest
//! commit that it can have seen.
//!
//! Source: Herlihy and Wing, *Linearizability*, 1990.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{AccountField, Token, UserId};

use super::Evidence;
use super::server::{LogEffect, Space, fingerprint};
use super::server_request::ServerRequest;
use crate::history::Account;

/// Something wrong about the order. Requests are named by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountFault {
    /// A change was acknowledged before the commit that makes it.
    AcknowledgedTooSoon { number: usize, made: usize },
    /// A change stands in the log before one that was acknowledged or shown before it was asked for.
    OutOfOrder { number: usize, made: usize },
    /// A reading lacks a field of a change that was acknowledged before it was asked for.
    Stale { number: usize, patch: usize, field: AccountField },
    /// A reading shows the account as it cannot have been.
    Misread { number: usize, kind: Misread },
}

/// How a reading is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// The account never was so.
    NeverSo,
    /// It was so, and a device had been shown a later state before.
    GoesBack,
    /// It became so only later.
    NotYetSo,
}

/// How far an account is known to be.
#[derive(Clone, Debug, Default)]
struct AccountProgress {
    /// The number of effects in the log.
    logged: usize,
    /// This effect was acknowledged, or shown, since the volume is what it is.
    known: usize,
    /// The patches that were acknowledged, by number of errand.
    acknowledged: Vec<usize>,
}

/// What a line knew when something was asked.
#[derive(Clone, Copy, Debug, Default)]
struct AccountFloor {
    known: usize,
    acknowledged: usize,
}

/// What is wrong about the order of an account's changes and readings, in the order of time.
pub(crate) fn account_faults(evidence: &Evidence<'_>) -> Vec<AccountFault> {
    let mut faults = Vec::new();
    let server = &evidence.server;
    let mut lines: BTreeMap<UserId, AccountProgress> = BTreeMap::new();
    let mut floors: BTreeMap<usize, AccountFloor> = BTreeMap::new();
    for (at, event) in events(evidence) {
        match event {
            // What was known of a log that is no more says nothing of this one.
            AccountEvent::Restored => {
                let epoch = evidence.epochs.at(at);
                let line = |space: &Space| {
                    let effects = space
                        .effects
                        .iter()
                        .filter(|effect| account_effect_at(effect).is_some_and(|it| it < at));
                    AccountProgress { logged: effects.count(), ..AccountProgress::default() }
                };
                lines = epoch.spaces.iter().map(|(user, space)| (*user, line(space))).collect();
                floors.clear();
            }
            AccountEvent::Logged(user) => lines.entry(user).or_default().logged += 1,
            AccountEvent::Asked(number) => {
                let line = lines.entry(server.requests[number].user).or_default();
                let floor =
                    AccountFloor { known: line.known, acknowledged: line.acknowledged.len() };
                floors.insert(number, floor);
            }
            AccountEvent::Answered(number) => {
                let request = &server.requests[number];
                let floor = floors.get(&number).copied().unwrap_or_default();
                let line = lines.entry(request.user).or_default();
                if request.patched().is_some() {
                    line.acknowledge(evidence, &mut faults, number, floor);
                } else if let Some((_, shown)) = request.shown() {
                    let reading = Reading { number, request, shown, at, floor };
                    line.show(evidence, &mut faults, &reading);
                }
            }
        }
    }
    faults
}

#[derive(Clone, Copy, Debug)]
enum AccountEvent {
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

fn events(evidence: &Evidence<'_>) -> Vec<(usize, AccountEvent)> {
    let mut events = Vec::new();
    for epoch in evidence.epochs.iter() {
        for (user, space) in &epoch.spaces {
            let effects =
                space.effects.iter().filter_map(account_effect_at).filter(|at| *at >= epoch.from);
            events.extend(effects.map(|at| (at, AccountEvent::Logged(*user))));
        }
    }
    events.extend(evidence.epochs.restores().map(|at| (at, AccountEvent::Restored)));
    for (number, request) in evidence.server.requests.iter().enumerate() {
        events.push((request.asked, AccountEvent::Asked(number)));
        events.extend(request.answer.map(|(at, _)| (at, AccountEvent::Answered(number))));
    }
    events.sort_by_key(|event| event.0);
    events
}

/// An account that was shown.
#[derive(Clone, Copy, Debug)]
struct Reading<'e> {
    number: usize,
    request: &'e ServerRequest<'e>,
    shown: &'e Account,
    at: usize,
    floor: AccountFloor,
}

impl AccountProgress {
    fn acknowledge(
        &mut self,
        evidence: &Evidence<'_>,
        faults: &mut Vec<AccountFault>,
        number: usize,
        floor: AccountFloor,
    ) {
        let request = &evidence.server.requests[number];
        let Some(answered) = request.patched() else { return };
        let Some(place) = evidence.epochs.at(answered).places(request).first() else {
            return; // What was never made has no place in the order.
        };
        if place.at > answered {
            faults.push(AccountFault::AcknowledgedTooSoon { number, made: place.at });
        }
        if place.effect <= floor.known {
            faults.push(AccountFault::OutOfOrder { number, made: place.at });
        }
        self.known = self.known.max(place.effect);
        self.acknowledged.push(number);
    }

    fn show(
        &mut self,
        evidence: &Evidence<'_>,
        faults: &mut Vec<AccountFault>,
        reading: &Reading<'_>,
    ) {
        let Reading { number, request, shown, at, floor } = *reading;
        let print = fingerprint(shown);
        // What was on its way when the volume was restored is of the log that was.
        let mut gone = evidence.epochs.between(request.asked, at).rev().skip(1);
        if gone.any(|epoch| states(epoch.spaces.get(&request.user)).contains(&print)) {
            return;
        }
        let space = evidence.epochs.at(at).spaces.get(&request.user);
        if let Some((patch, field)) = self.lacks(evidence, space, reading) {
            faults.push(AccountFault::Stale { number, patch, field });
            return;
        }
        let states = states(space);
        let mut seen = (0..states.len()).filter(|state| states[*state] == print);
        let fits = |state: &usize| (floor.known..=self.logged).contains(state);
        if let Some(state) = seen.clone().find(fits) {
            self.known = self.known.max(state);
            return;
        }
        let kind = match seen.next() {
            None => Misread::NeverSo,
            Some(state) if state < floor.known => Misread::GoesBack,
            Some(_) => Misread::NotYetSo,
        };
        faults.push(AccountFault::Misread { number, kind });
    }

    /// What was acknowledged before an account was asked for, has not been taken out of the log,
    /// and is not shown.
    fn lacks(
        &self,
        evidence: &Evidence<'_>,
        space: Option<&Space>,
        reading: &Reading<'_>,
    ) -> Option<(usize, AccountField)> {
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
            missing.map(|field| (*number, field))
        })
    }
}

/// What an account was, effect by effect; before the first one it is empty.
fn states(space: Option<&Space>) -> &[u64] {
    space.map_or(&[0], |space| &space.states)
}
