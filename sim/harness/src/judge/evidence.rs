//! All observations of a run, read once: writes with what became of them, reads, and rests.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::{Claims, Concurrent, Deletes};
use crate::observation::{
    Answer, Ask, Event, HostId, Key, Life, Names, Observation, OpId, Place, Promise, Session,
    Token, Write,
};
use crate::time::{Span, Time};

/// A run, indexed. Places in it are positions in [`Evidence::observations`].
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What the system claims of itself.
    pub claims: &'a Claims,
    /// What people call things.
    pub names: &'a Names,
    /// All observations, in order.
    pub observations: &'a [Observation],
    writes: BTreeMap<Token, Written<'a>>,
    /// The writes that replace a write, in the order in which they were asked.
    newer: BTreeMap<Token, Vec<Token>>,
    readings: Vec<Reading<'a>>,
    rests: Vec<Rest>,
    unanswered: BTreeMap<OpId, usize>,
    undone: Vec<Undone>,
}

/// A write or delete, and what became of it.
#[derive(Debug)]
pub struct Written<'a> {
    /// What was asked for.
    pub write: &'a Write,
    /// The key that it is about.
    pub key: Key,
    /// The host that was asked.
    pub host: HostId,
    /// Who asked.
    pub session: Session,
    /// Where it was asked for.
    pub asked: usize,
    /// Where it was acknowledged, with each promise.
    pub acknowledged: Vec<(usize, Promise)>,
    /// Where it was refused.
    pub refused: Option<usize>,
    /// Where it became durable, at each place.
    pub durable: Vec<(usize, Place)>,
    /// Where it was first shown to a reader.
    pub shown: Option<usize>,
}

/// A read that was answered.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The key that was read.
    pub key: Key,
    /// The host that was asked.
    pub host: HostId,
    /// Who asked.
    pub session: Session,
    /// Where it was asked for.
    pub asked: usize,
    /// Where it was answered.
    pub answered: usize,
    /// The writes that it showed.
    pub shown: &'a BTreeSet<Token>,
}

/// A time in which the system had to come to rest.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// Where quiet was asked for.
    pub asked: usize,
    /// How long it could take.
    pub within: Span,
    /// Where quiet was reached.
    pub reached: Option<usize>,
    /// Where something was done to the system again, or one after the last observation.
    pub until: usize,
}

/// The plan destroyed something.
#[derive(Clone, Copy, Debug)]
struct Undone {
    at: usize,
    place: Place,
    /// The first fact that is undone.
    since: usize,
}

/// An operation that is under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    asked: usize,
    session: Session,
    key: Key,
    token: Option<Token>,
}

impl<'a> Evidence<'a> {
    /// Reads all observations of a run.
    pub fn gather(claims: &'a Claims, names: &'a Names, observations: &'a [Observation]) -> Self {
        let mut evidence = Self {
            claims,
            names,
            observations,
            writes: BTreeMap::new(),
            newer: BTreeMap::new(),
            readings: Vec::new(),
            rests: Vec::new(),
            unanswered: BTreeMap::new(),
            undone: Vec::new(),
        };
        let mut open = BTreeMap::new();
        for (at, observation) in observations.iter().enumerate() {
            evidence.take(at, observation, &mut open);
        }
        evidence.link();
        evidence
    }

    fn take(&mut self, at: usize, seen: &'a Observation, open: &mut BTreeMap<OpId, Open>) {
        match &seen.event {
            Event::Asked { op, session, key, ask } => {
                self.end_rest(at);
                self.unanswered.insert(*op, at);
                let token = self.ask(at, seen.host, *session, *key, ask);
                open.insert(*op, Open { asked: at, session: *session, key: *key, token });
            }
            Event::Answered { op, answer } => {
                self.unanswered.remove(op);
                if let Some(open) = open.get(op) {
                    self.answer(at, seen, *open, answer);
                }
            }
            Event::Durable { place, token } => {
                if let Some(written) = self.writes.get_mut(token) {
                    written.durable.push((at, *place));
                }
            }
            Event::Undone { place, since } => {
                self.undone.push(Undone { at, place: *place, since: *since });
            }
            Event::Life(Life::Started | Life::Restored | Life::Crashed | Life::Gone) => {
                self.end_rest(at);
                let all = self.observations;
                self.unanswered.retain(|_, asked| all[*asked].host != seen.host);
            }
            Event::QuietAsked { within } => {
                self.end_rest(at);
                let until = self.observations.len();
                self.rests.push(Rest { asked: at, within: *within, reached: None, until });
            }
            Event::QuietReached => {
                if let Some(rest) = self.rests.last_mut() {
                    rest.reached.get_or_insert(at);
                }
            }
            Event::Alarm { .. } | Event::Effect { .. } => {}
        }
    }

    fn ask(
        &mut self,
        asked: usize,
        host: HostId,
        session: Session,
        key: Key,
        ask: &'a Ask,
    ) -> Option<Token> {
        let Ask::Write(write) = ask else { return None };
        self.writes.entry(write.token).or_insert_with(|| Written {
            write,
            key,
            host,
            session,
            asked,
            acknowledged: Vec::new(),
            refused: None,
            durable: Vec::new(),
            shown: None,
        });
        Some(write.token)
    }

    fn answer(&mut self, at: usize, seen: &Observation, open: Open, answer: &'a Answer) {
        let written = open.token.and_then(|token| self.writes.get_mut(&token));
        match (answer, written) {
            (Answer::Acknowledged(promise), Some(written)) => {
                written.acknowledged.push((at, *promise));
            }
            (Answer::Refused, Some(written)) => {
                written.refused.get_or_insert(at);
            }
            (Answer::Shown(shown), None) => {
                for token in shown {
                    if let Some(written) = self.writes.get_mut(token) {
                        written.shown.get_or_insert(at);
                    }
                }
                self.readings.push(Reading {
                    key: open.key,
                    host: seen.host,
                    session: open.session,
                    asked: open.asked,
                    answered: at,
                    shown,
                });
            }
            // A read that is refused, or acknowledged, shows nothing; a write is no read.
            (Answer::Refused | Answer::Acknowledged(_), None) | (Answer::Shown(_), Some(_)) => {}
        }
    }

    fn end_rest(&mut self, at: usize) {
        if let Some(rest) = self.rests.last_mut()
            && rest.reached.is_some()
        {
            rest.until = rest.until.min(at);
        }
    }

    fn link(&mut self) {
        let mut in_order: Vec<&Written<'_>> = self.writes.values().collect();
        in_order.sort_by_key(|written| written.asked);
        for written in in_order.into_iter().filter(|written| written.refused.is_none()) {
            for old in &written.write.replaces {
                self.newer.entry(*old).or_default().push(written.write.token);
            }
        }
    }
}

impl<'a> Evidence<'a> {
    /// All writes and deletes, by token.
    pub fn writes(&self) -> impl Iterator<Item = &Written<'a>> {
        self.writes.values()
    }

    /// The write or delete with this token, if one was asked for.
    pub fn written(&self, token: Token) -> Option<&Written<'a>> {
        self.writes.get(&token)
    }

    /// All reads that were answered, in the order of their answers.
    pub fn readings(&self) -> &[Reading<'a>] {
        &self.readings
    }

    /// All times in which the system had to come to rest, in order.
    pub fn rests(&self) -> &[Rest] {
        &self.rests
    }

    /// Operations that were never answered, although the incarnation that was asked went on.
    pub fn unanswered(&self) -> impl Iterator<Item = (OpId, usize)> + '_ {
        self.unanswered.iter().map(|(op, asked)| (*op, *asked))
    }

    /// Where the system came to rest for the last time, if nothing was written since.
    pub fn end(&self) -> Option<usize> {
        let reached = self.rests.last()?.reached?;
        self.writes.values().all(|written| written.asked < reached).then_some(reached)
    }

    /// The reads after the system came to rest for the last time, in the order of their answers.
    pub fn final_readings(&self) -> impl Iterator<Item = &Reading<'a>> {
        let end = self.end();
        self.readings.iter().filter(move |reading| end.is_some_and(|end| end < reading.asked))
    }

    /// What the final reads show of each key that they read, together, with the last of them.
    pub fn final_states(&self) -> BTreeMap<Key, (BTreeSet<Token>, usize)> {
        let mut states: BTreeMap<Key, (BTreeSet<Token>, usize)> = BTreeMap::new();
        for reading in self.final_readings() {
            let state = states.entry(reading.key).or_default();
            state.0.extend(reading.shown);
            state.1 = reading.answered;
        }
        states
    }

    /// The writes and deletes that replace this one directly and were not refused, as asked.
    pub fn newer(&self, token: Token) -> impl Iterator<Item = &Written<'a>> {
        let newer = self.newer.get(&token).into_iter().flatten();
        newer.filter_map(|newer| self.writes.get(newer))
    }

    /// The writes and deletes that replace this one, directly or not, nearest first.
    pub fn all_newer(&self, token: Token) -> impl Iterator<Item = &Written<'a>> {
        let mut seen = BTreeSet::from([token]);
        let mut next = vec![token];
        let mut at = 0;
        std::iter::from_fn(move || {
            let token = *next.get(at)?;
            at += 1;
            for newer in self.newer.get(&token).into_iter().flatten() {
                if seen.insert(*newer) {
                    next.push(*newer);
                }
            }
            Some(token)
        })
        .skip(1)
        .filter_map(|token| self.writes.get(&token))
    }

    /// Does one write replace another, directly or not?
    pub fn replaces(&self, newer: Token, older: Token) -> bool {
        self.all_newer(older).any(|written| written.write.token == newer)
    }

    /// Does a reading of `shown` agree with `token` having taken effect, by what was asked for before
    /// `before`? It shows the write, or something has replaced it, or may have won over it. With a delete
    /// it agrees if it shows nothing that the delete has replaced.
    pub fn agrees(&self, shown: &BTreeSet<Token>, token: Token, before: usize) -> bool {
        if self.is_delete(token) {
            return !self.contradicts(shown, token);
        }
        shown.contains(&token)
            || self.newer(token).any(|newer| newer.asked < before)
            || self.may_have_won(shown, token, before)
    }

    /// Is this the token of a delete?
    pub fn is_delete(&self, token: Token) -> bool {
        self.written(token).is_some_and(|written| written.write.deletes)
    }

    /// Does a reading show what may not be shown once this delete is known?
    pub fn contradicts(&self, shown: &BTreeSet<Token>, delete: Token) -> bool {
        let mut replaced = shown.iter().map(|shown| self.replaces(delete, *shown));
        match self.claims.deletes {
            Deletes::Remove => replaced.any(|replaced| replaced),
            Deletes::Hide => !shown.is_empty() && replaced.all(|replaced| replaced),
        }
    }

    /// Where one of several concurrent writes wins: may what is shown have won over `token`? It may not
    /// if `token` replaced it.
    pub fn may_have_won(&self, shown: &BTreeSet<Token>, token: Token, before: usize) -> bool {
        let Some(lost) = self.writes.get(&token) else { return false };
        let may_win = |other: &Written<'_>| {
            other.asked < before
                && other.refused.is_none()
                && other.key == lost.key
                && !self.replaces(token, other.write.token)
        };
        self.claims.concurrent == Concurrent::OneWins
            && if shown.is_empty() {
                self.writes.values().any(|other| other.write.deletes && may_win(other))
            } else {
                shown.iter().filter_map(|shown| self.writes.get(shown)).any(may_win)
            }
    }

    /// The places that had a write: those that still have it, and those where the plan destroyed it.
    pub fn places(&self, written: &Written<'_>) -> (BTreeSet<Place>, BTreeSet<Place>) {
        let (mut held, mut destroyed) = (BTreeSet::new(), BTreeSet::new());
        for &(at, place) in &written.durable {
            let gone = self.undone_at(place, at).is_some();
            if gone {
                destroyed.insert(place)
            } else {
                held.insert(place)
            };
        }
        (held, destroyed)
    }

    /// Where the plan destroyed what had become durable at a place at this position.
    pub fn undone_at(&self, place: Place, durable: usize) -> Option<usize> {
        let fact = self.observations[durable].fact;
        let mut undone = self.undone.iter();
        undone
            .find(|undone| undone.place == place && undone.at > durable && undone.since <= fact)
            .map(|undone| undone.at)
    }

    /// Has the plan destroyed a write wherever it was?
    pub fn is_destroyed(&self, written: &Written<'_>) -> bool {
        let (held, destroyed) = self.places(written);
        held.is_empty() && !destroyed.is_empty()
    }

    /// The acknowledgement of a write that still binds the system at the end: the plan has left a copy,
    /// or has destroyed fewer than the promise allows for.
    pub fn binding(&self, written: &Written<'_>) -> Option<(usize, Promise)> {
        if written.refused.is_some() {
            return None;
        }
        let (held, destroyed) = self.places(written);
        let is_excused = |promise: Promise| match promise {
            Promise::Copies(0) => true,
            Promise::Copies(count) => held.is_empty() && destroyed.len() >= count,
            Promise::Saved(place) => held.is_empty() && destroyed.contains(&place),
        };
        written.acknowledged.iter().copied().find(|(_, promise)| !is_excused(*promise))
    }

    /// Did a write take effect? Of a delete that was not answered nobody knows, since deletes are never
    /// shown: it may have.
    pub fn took_effect(&self, written: &Written<'_>) -> bool {
        written.refused.is_none()
            && (written.write.deletes
                || !written.acknowledged.is_empty()
                || !written.durable.is_empty()
                || written.shown.is_some())
    }

    /// The time of an observation.
    pub fn time(&self, at: usize) -> Time {
        self.observations[at].at
    }

    /// The name of the host that an observation is about.
    pub fn host_at(&self, at: usize) -> String {
        self.names.host(self.observations[at].host)
    }

    /// A write in words: its name, its kind, its author's host.
    pub fn describe(&self, written: &Written<'_>) -> String {
        let kind = if written.write.deletes { "delete" } else { "write" };
        format!(
            "{kind} {} of {} on {}",
            self.names.token(written.write.token),
            self.names.key(written.key),
            self.names.host(written.host)
        )
    }

    /// The names of writes, as in `w1, w2`; `nothing` for none.
    pub fn list(&self, tokens: &BTreeSet<Token>) -> String {
        if tokens.is_empty() {
            return "nothing".to_owned();
        }
        let names: Vec<String> = tokens.iter().map(|token| self.names.token(*token)).collect();
        names.join(", ")
    }
}
