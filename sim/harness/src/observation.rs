//! What a judge knows of a run: observations. A system derives them from its own facts; they are plain
//! data, and nothing in them depends on what the system is.
//!
//! A system of any kind is seen as keys that clients write, delete and read. Each write and each delete
//! has a token of its own, and names the tokens that its author had been shown: those it replaces.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::{Span, Time};

macro_rules! ids {
    ($($name:ident($number:ty), $prefix:literal, $doc:literal;)+) => {
        $(
            #[doc = $doc]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(pub $number);

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    write!(f, concat!($prefix, "{}"), self.0)
                }
            }
        )+
    };
}

ids! {
    HostId(u32), "host ", "A simulated machine.";
    Place(u32), "place ", "A durable store: the disk of a host, a service, a volume.";
    Session(u64), "session ", "A reader and writer that expects to see its own past. A system that promises this across crashes keeps the session over them.";
    Key(u64), "key ", "What is written and read as one.";
    Token(u64), "w", "A write or a delete, unique in a run.";
    OpId(u64), "operation ", "An operation, unique in a run.";
}

/// One observation, with where and when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Simulated time.
    pub at: Time,
    /// The host that it is about.
    pub host: HostId,
    /// Which incarnation of that host, from 0.
    pub incarnation: u32,
    /// The index of the fact that it comes from. Observations are in ascending order of it.
    pub fact: usize,
    /// What was observed.
    pub event: Event,
}

/// What can be observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client asked the host for an operation.
    Asked {
        /// The operation.
        op: OpId,
        /// Who asked.
        session: Session,
        /// What it is about.
        key: Key,
        /// What is to be done.
        ask: Ask,
    },
    /// The host answered an operation. A write may be acknowledged again, with a greater promise.
    Answered {
        /// The operation.
        op: OpId,
        /// The answer.
        answer: Answer,
    },
    /// A write or delete, or what it left of the key, became durable at a place.
    Durable {
        /// The place.
        place: Place,
        /// The write.
        token: Token,
    },
    /// The plan destroyed what a place had stored by facts from index `since` on. A store that is gone
    /// altogether is undone since 0.
    Undone {
        /// The place.
        place: Place,
        /// The first fact that is undone.
        since: usize,
    },
    /// An incarnation of the host began or ended.
    Life(Life),
    /// The machine went wrong by its own account.
    Alarm {
        /// How.
        alarm: Alarm,
        /// What it said.
        message: String,
    },
    /// The machine had an effect on the world: it sent a message or wrote to a store.
    Effect {
        /// What kind of effect, for messages to people.
        kind: &'static str,
    },
    /// No fault is active any more: the system has to come to rest.
    QuietAsked {
        /// How long it may take.
        within: Span,
    },
    /// The system is at rest, by the facts. Reads that are asked after the last such observation are
    /// the final reads.
    QuietReached,
}

/// What an operation is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Show the key.
    Read,
    /// Write or delete the key.
    Write(Write),
}

/// A write or a delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its token.
    pub token: Token,
    /// Does it delete the key?
    pub deletes: bool,
    /// The writes and deletes that its author had been shown, or had made, and that it replaces.
    pub replaces: BTreeSet<Token>,
}

/// What the host answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The write took effect, and this is promised of it.
    Acknowledged(Promise),
    /// The operation has no effect, ever.
    Refused,
    /// The writes that the key shows: none if it is absent, several if they are concurrent. Deletes are
    /// not shown.
    Shown(BTreeSet<Token>),
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The write is durable at this place.
    Saved(Place),
    /// The write is durable at this number of places, whichever they are. With 0, nothing is promised.
    Copies(usize),
}

/// The beginning or the end of an incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It began: for the first time, or after a stop or crash, with what the disk has.
    Started,
    /// It began with an earlier or a foreign state, by the plan. [`Event::Undone`] says what that cost.
    Restored,
    /// It ended without warning.
    Crashed,
    /// It ended for good, by the plan.
    Gone,
}

/// How a machine goes wrong by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// It panicked.
    Panic,
    /// It logged an error.
    Error,
}

/// What people call things, for messages. What has no name is called by its number.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Of hosts.
    pub hosts: BTreeMap<HostId, String>,
    /// Of places.
    pub places: BTreeMap<Place, String>,
    /// Of keys.
    pub keys: BTreeMap<Key, String>,
    /// Of writes and deletes.
    pub tokens: BTreeMap<Token, String>,
}

impl Names {
    /// The name of a host.
    pub fn host(&self, host: HostId) -> String {
        self.hosts.get(&host).cloned().unwrap_or_else(|| host.to_string())
    }

    /// The name of a place.
    pub fn place(&self, place: Place) -> String {
        self.places.get(&place).cloned().unwrap_or_else(|| place.to_string())
    }

    /// The name of a key.
    pub fn key(&self, key: Key) -> String {
        self.keys.get(&key).cloned().unwrap_or_else(|| key.to_string())
    }

    /// The name of a write or delete.
    pub fn token(&self, token: Token) -> String {
        self.tokens.get(&token).cloned().unwrap_or_else(|| token.to_string())
    }
}
