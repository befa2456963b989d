//! From facts to observations: what judges are given. The system translates its own words and values; what
//! an author had been shown is reckoned here, from the answers.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Entry, Fact, WORLD};
use crate::observation::{
    Alarm, Answer, Ask, Event, HostId, Key, Life, Names, Observation, OpId, Place, Session, Token,
    Write,
};
use crate::plan::Plan;
use crate::system::{Does, System, token_of};

/// The disk of a host, as a place.
pub const fn disk_of(host: HostId) -> Place {
    Place(host.0)
}

/// What hosts, their disks and the keys of a run are called.
pub fn names<S: System>(plan: &Plan<S>, history: &[Entry<S>]) -> Names {
    let mut names = Names::default();
    for (number, host) in (0..).zip(plan.system.hosts()) {
        names.places.insert(Place(number), format!("the disk of {}", host.name));
        names.hosts.insert(HostId(number), host.name);
    }
    names.hosts.insert(WORLD, "the run".to_owned());
    for entry in history {
        if let Fact::Asked(_, op) = &entry.fact {
            let key = S::does(op).key();
            names.keys.entry(key).or_insert_with(|| S::name(key));
        }
    }
    names
}

/// The observations of a run.
pub fn observe<S: System>(history: &[Entry<S>]) -> Vec<Observation> {
    let mut observer = Observer::default();
    for (fact, entry) in history.iter().enumerate() {
        observer.observe(fact, entry);
    }
    observer.seen
}

/// What is known on the way.
#[derive(Default)]
struct Observer {
    seen: Vec<Observation>,
    /// What each session was shown of a key, or wrote to it.
    known: BTreeMap<(Session, Key), BTreeSet<Token>>,
    /// The key that an operation is about.
    keys: BTreeMap<OpId, Key>,
    /// The writes in commits that are not durable yet, by host and number.
    pending: BTreeMap<(HostId, u32), Vec<Token>>,
}

impl Observer {
    fn observe<S: System>(&mut self, fact: usize, entry: &Entry<S>) {
        let Entry { at, host, incarnation, .. } = *entry;
        let seen = |event| Observation { at, host, incarnation, fact, event };
        match &entry.fact {
            Fact::Asked(op, what) => {
                let event = self.asked(host, *op, S::does(what));
                self.seen.push(seen(event));
            }
            Fact::Answered(op, answer) => {
                let answer = S::says(host, answer);
                self.learn(host, *op, &answer);
                self.seen.push(seen(Event::Answered { op: *op, answer }));
            }
            Fact::Committed { number, puts, .. } => {
                let values = puts.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
                let tokens = values.flat_map(|(key, value)| S::holds(key, value)).collect();
                self.seen.push(seen(Event::Effect { kind: "commit" }));
                self.pending.insert((host, *number), tokens);
            }
            Fact::Durable(number) => {
                let durable = self.pending.extract_if((host, 0)..=(host, *number), |_, _| true);
                for (_, tokens) in durable {
                    let place = disk_of(host);
                    let stored = tokens.into_iter().map(|token| Event::Durable { place, token });
                    self.seen.extend(stored.map(seen));
                }
            }
            Fact::Sent { kind, .. } => self.seen.push(seen(Event::Effect { kind })),
            Fact::Started => self.seen.push(seen(Event::Life(Life::Started))),
            Fact::Crashed { .. } => {
                self.seen.push(seen(Event::Life(Life::Crashed)));
                self.pending.retain(|(of, _), _| *of != host);
            }
            Fact::Destroyed => {
                self.seen.push(seen(Event::Life(Life::Gone)));
                self.seen.push(seen(Event::Undone { place: disk_of(host), since: 0 }));
                self.pending.retain(|(of, _), _| *of != host);
            }
            Fact::Panicked(message) => {
                self.seen
                    .push(seen(Event::Alarm { alarm: Alarm::Panic, message: message.clone() }));
            }
            Fact::Logged(message) => {
                self.seen
                    .push(seen(Event::Alarm { alarm: Alarm::Error, message: message.clone() }));
            }
            Fact::FaultsEnded { within } => {
                self.seen.push(seen(Event::QuietAsked { within: *within }));
            }
            Fact::AtRest => self.seen.push(seen(Event::QuietReached)),
            Fact::Skipped(_)
            | Fact::Received { .. }
            | Fact::Lost { .. }
            | Fact::Paused
            | Fact::Resumed
            | Fact::ClockJumped(_)
            | Fact::FaultBegan(_)
            | Fact::FaultEnded(_) => {}
        }
    }

    fn asked(&mut self, host: HostId, op: OpId, does: Does) -> Event {
        let key = does.key();
        let session = session_of(host);
        self.keys.insert(op, key);
        let ask = if does == Does::Reads(key) {
            Ask::Read
        } else {
            let token = token_of(op);
            let known = self.known.entry((session, key)).or_default();
            let replaces = known.clone();
            known.insert(token);
            Ask::Write(Write { token, deletes: does == Does::Deletes(key), replaces })
        };
        Event::Asked { op, session, key, ask }
    }

    fn learn(&mut self, host: HostId, op: OpId, answer: &Answer) {
        if let (Answer::Shown(shown), Some(key)) = (answer, self.keys.get(&op)) {
            self.known.entry((session_of(host), *key)).or_default().extend(shown);
        }
    }
}

/// The user of a host reads and writes through that host only.
const fn session_of(host: HostId) -> Session {
    Session(host.0 as u64)
}
