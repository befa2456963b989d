//! The history of a run: everything that was observed, in order, and its digest.

use serde::Serialize;

use crate::conditions::Lost;
use crate::digest::digest;
use crate::disk::Put;
use crate::observation::{HostId, OpId};
use crate::step::StepId;
use crate::system::System;
use crate::time::{Span, Time};

/// Stands for the run as a whole, where a fact is about no host.
pub const WORLD: HostId = HostId(u32::MAX);

/// The name of a message, unique in a run: what it descends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MessageId(pub u64);

/// One fact, with when and where it happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound = "")]
pub struct Entry<S: System> {
    /// Simulated time.
    pub at: Time,
    /// The host that it is about, or [`WORLD`].
    #[serde(serialize_with = "host_number")]
    pub host: HostId,
    /// Which incarnation of it, from 0.
    pub incarnation: u32,
    /// What happened.
    pub fact: Fact<S>,
}

fn host_number<T: serde::Serializer>(host: &HostId, to: T) -> Result<T::Ok, T::Error> {
    to.serialize_u32(host.0)
}

fn op_number<T: serde::Serializer>(op: &OpId, to: T) -> Result<T::Ok, T::Error> {
    to.serialize_u64(op.0)
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound = "")]
pub enum Fact<S: System> {
    /// A step could not be done, since its host was not running.
    Skipped(StepId),
    /// A user asked the host for something.
    Asked(#[serde(serialize_with = "op_number")] OpId, S::Op),
    /// The host answered.
    Answered(#[serde(serialize_with = "op_number")] OpId, S::Answer),
    /// The host sent a message.
    Sent {
        /// Its name.
        id: MessageId,
        /// To which host.
        #[serde(serialize_with = "host_number")]
        to: HostId,
        /// Of which kind.
        kind: &'static str,
        /// Of about how many bytes.
        size: usize,
    },
    /// The host received a message.
    Received {
        /// Its name.
        id: MessageId,
        /// From which host.
        #[serde(serialize_with = "host_number")]
        from: HostId,
        /// Of which kind.
        kind: &'static str,
    },
    /// A message that the host had sent was lost.
    Lost {
        /// Its name.
        id: MessageId,
        /// To which host.
        #[serde(serialize_with = "host_number")]
        to: HostId,
        /// Of which kind.
        kind: &'static str,
        /// Why.
        why: Lost,
    },
    /// The host handed a commit to its disk.
    Committed {
        /// Its number, from 1 in each incarnation.
        number: u32,
        /// What was put or removed.
        puts: Vec<Put<S::Store>>,
        /// Does the host wait until it is durable?
        sync: bool,
    },
    /// A commit, and all earlier ones of this incarnation, are durable.
    Durable(u32),
    /// The host started.
    Started,
    /// The host lost power; of the commits of its incarnation, only the first survive, by their count.
    Crashed {
        /// The last commit that survives.
        keeps: u32,
    },
    /// The host stands still.
    Paused,
    /// The host goes on.
    Resumed,
    /// The host and its disk are gone for good.
    Destroyed,
    /// The wall clock of the host jumped by this number of milliseconds.
    ClockJumped(i64),
    /// A fault that lasts began.
    FaultBegan(StepId),
    /// It ended.
    FaultEnded(StepId),
    /// The machine panicked, or an assertion of it failed.
    Panicked(String),
    /// The machine logged an error.
    Logged(String),
    /// All faults have ended. From now on everything has to come to rest.
    FaultsEnded {
        /// How long that may take.
        within: Span,
    },
    /// Everything is at rest.
    AtRest,
}

/// All facts of a run, in order.
#[derive(Clone, Debug)]
pub struct History<S: System> {
    entries: Vec<Entry<S>>,
}

impl<S: System> Default for History<S> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<S: System> History<S> {
    /// Writes a fact down.
    pub fn note(&mut self, entry: Entry<S>) {
        self.entries.push(entry);
    }

    /// The facts.
    pub fn entries(&self) -> &[Entry<S>] {
        &self.entries
    }

    /// The digest of all facts: two runs of one plan have the same.
    pub fn digest(&self) -> u128 {
        digest(&self.entries).0
    }
}
