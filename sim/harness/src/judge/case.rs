//! Histories made by hand, for the tests of judges: a phone, a tablet and a hub with a disk each, of which
//! each is a session of its own, and one key unless another is named.

use std::collections::BTreeSet;

use crate::judge::{Allowance, Claims, Concurrent, Deletes, JUDGES, Judge, Violation, judge};
use crate::observation::{
    Alarm, Answer, Ask, Event, HostId, Key, Life, Names, Observation, OpId, Place, Promise,
    Session, Token, Write,
};
use crate::time::{Span, Time};

pub(super) const PHONE: HostId = HostId(0);
pub(super) const TABLET: HostId = HostId(1);
pub(super) const HUB: HostId = HostId(2);
pub(super) const NOTE: Key = Key(0);
pub(super) const OTHER: Key = Key(1);

/// A read that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun(OpId);

/// A history that grows. Each observation is a millisecond and a fact after the one before.
#[derive(Clone, Debug)]
pub(super) struct Case {
    observations: Vec<Observation>,
    incarnations: [u32; 3],
    ops: u64,
    claims: Claims,
}

impl Case {
    pub(super) fn new() -> Self {
        let judges = JUDGES.into_iter().filter(|judge| judge.name != "linearizability").collect();
        let at_rest = Allowance { effects: 1, each: Span::from_secs(1) };
        let (concurrent, deletes) = (Concurrent::Kept, Deletes::Remove);
        let claims = Claims { judges, concurrent, deletes, at_rest };
        Self { observations: Vec::new(), incarnations: [0; 3], ops: 0, claims }
    }

    /// A history of a system in which one of several concurrent writes wins.
    pub(super) fn last_writer_wins() -> Self {
        let mut case = Self::new();
        case.claims.concurrent = Concurrent::OneWins;
        case
    }

    /// A history of a system whose deletes hide what they observed.
    pub(super) fn hiding() -> Self {
        let mut case = Self::new();
        case.claims.deletes = Deletes::Hide;
        case
    }

    /// Judged by this judge alone.
    pub(super) fn only(mut self, judge: Judge) -> Self {
        self.claims.judges = vec![judge];
        self
    }

    pub(super) fn sees(&mut self, host: HostId, event: Event) {
        let fact = self.observations.len();
        self.observations.push(Observation {
            at: Time(fact as u64),
            host,
            incarnation: self.incarnations[host.0 as usize],
            fact,
            event,
        });
    }

    /// The fact that comes next.
    pub(super) fn now(&self) -> usize {
        self.observations.len()
    }

    fn begins(&mut self, host: HostId, key: Key, ask: impl FnOnce(u64) -> Ask) -> OpId {
        let op = OpId(self.ops);
        let ask = ask(self.ops);
        self.ops += 1;
        self.sees(host, Event::Asked { op, session: Session(u64::from(host.0)), key, ask });
        op
    }

    /// Asks for a write; its operation has the number of its token.
    pub(super) fn asks(&mut self, host: HostId, key: Key, replaces: &[Token]) -> Token {
        let replaces = replaces.iter().copied().collect();
        let write = |op| Ask::Write(Write { token: Token(op), deletes: false, replaces });
        Token(self.begins(host, key, write).0)
    }

    /// Asks for a delete.
    pub(super) fn asks_to_delete(&mut self, host: HostId, replaces: &[Token]) -> Token {
        let replaces = replaces.iter().copied().collect();
        let write = |op| Ask::Write(Write { token: Token(op), deletes: true, replaces });
        Token(self.begins(host, NOTE, write).0)
    }

    pub(super) fn acknowledges(&mut self, host: HostId, token: Token, promise: Promise) {
        self.sees(
            host,
            Event::Answered { op: OpId(token.0), answer: Answer::Acknowledged(promise) },
        );
    }

    pub(super) fn refuses(&mut self, host: HostId, token: Token) {
        self.sees(host, Event::Answered { op: OpId(token.0), answer: Answer::Refused });
    }

    /// The disk of a host has stored a write.
    pub(super) fn stores(&mut self, host: HostId, token: Token) {
        self.sees(host, Event::Durable { place: Place(host.0), token });
    }

    fn saves(&mut self, host: HostId, token: Token) -> Token {
        self.stores(host, token);
        self.acknowledges(host, token, Promise::Saved(Place(host.0)));
        token
    }

    /// Writes the note, stores it, and acknowledges it as saved.
    pub(super) fn writes(&mut self, host: HostId, replaces: &[Token]) -> Token {
        let token = self.asks(host, NOTE, replaces);
        self.saves(host, token)
    }

    /// Deletes the note, stores that, and acknowledges it as saved.
    pub(super) fn deletes(&mut self, host: HostId, replaces: &[Token]) -> Token {
        let token = self.asks_to_delete(host, replaces);
        self.saves(host, token)
    }

    pub(super) fn begins_to_read(&mut self, host: HostId) -> Begun {
        Begun(self.begins(host, NOTE, |_| Ask::Read))
    }

    pub(super) fn shows(&mut self, host: HostId, read: Begun, shown: &[Token]) {
        let shown: BTreeSet<Token> = shown.iter().copied().collect();
        self.sees(host, Event::Answered { op: read.0, answer: Answer::Shown(shown) });
    }

    /// Reads the note, which shows this.
    pub(super) fn reads(&mut self, host: HostId, shown: &[Token]) {
        let read = self.begins_to_read(host);
        self.shows(host, read, shown);
    }

    pub(super) fn crashes(&mut self, host: HostId) {
        self.sees(host, Event::Life(Life::Crashed));
        self.incarnations[host.0 as usize] += 1;
        self.sees(host, Event::Life(Life::Started));
    }

    /// The host and its disk are gone for good.
    pub(super) fn is_gone(&mut self, host: HostId) {
        self.sees(host, Event::Life(Life::Gone));
        self.is_undone(host, 0);
    }

    /// The host is set back to where it was before a fact.
    pub(super) fn is_restored(&mut self, host: HostId, since: usize) {
        self.is_undone(host, since);
        self.incarnations[host.0 as usize] += 1;
        self.sees(host, Event::Life(Life::Restored));
    }

    pub(super) fn is_undone(&mut self, host: HostId, since: usize) {
        self.sees(host, Event::Undone { place: Place(host.0), since });
    }

    pub(super) fn warns(&mut self, host: HostId, alarm: Alarm) {
        self.sees(host, Event::Alarm { alarm, message: "out of ideas".to_owned() });
    }

    pub(super) fn sends(&mut self, host: HostId) {
        self.sees(host, Event::Effect { kind: "push" });
    }

    pub(super) fn rests(&mut self) {
        self.sees(HUB, Event::QuietAsked { within: Span::from_secs(1) });
        self.sees(HUB, Event::QuietReached);
    }

    /// Comes to rest; then all hosts but the hub show this of the note.
    pub(super) fn ends(mut self, shown: &[Token]) -> Self {
        self.rests();
        self.reads(PHONE, shown);
        self.reads(TABLET, shown);
        self
    }

    /// As [`Self::ends`], and the phone is gone.
    pub(super) fn ends_without_phone(mut self, shown: &[Token]) -> Self {
        self.rests();
        self.reads(TABLET, shown);
        self
    }

    pub(super) fn violations(&self) -> Vec<Violation> {
        judge(&self.claims, &Names::default(), &self.observations)
    }

    /// Which rules are broken: each as invariant and site.
    pub(super) fn broken(&self) -> Vec<(&'static str, &'static str)> {
        let violations = self.violations().into_iter();
        violations.map(|violation| (violation.invariant, violation.site)).collect()
    }

    pub(super) fn passes(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }
}
