//! The seam: what a system brings in order to be simulated. Its hosts are state machines, and its words are
//! what users can do. A service that all hosts share, as a volume or a keychain, is a host too.

use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::{Image, Layout, Put};
use crate::judge::Claims;
use crate::observation::{self, HostId, Key, OpId, Token};
use crate::time::{Now, Span, Time};
use crate::word::{HostSpec, Values, Word};

/// A state machine that the harness can host. It has no clock, no I/O and no randomness of its own.
pub trait Machine<S: System>: Clone + Debug + Send {
    /// Takes an input.
    fn handle(&mut self, now: Now, input: Input<S>);

    /// The next thing that it does. Asked after each input until there is none.
    fn poll_output(&mut self) -> Option<Output<S>>;

    /// When it wants [`Input::Wakeup`], on the monotonic clock. Asked after each input.
    fn poll_wakeup(&self) -> Option<Time>;

    /// Asserts what must hold between two inputs. Called after each one.
    fn check(&self) {}
}

/// What reaches a machine.
#[derive(Clone, Debug)]
pub enum Input<S: System> {
    /// A user asks for something. It is answered by one [`Output::Answer`].
    Asked(OpId, S::Op),
    /// A message came from this host.
    Received(HostId, S::Message),
    /// Everything that the machine has put out is durable.
    Persisted,
    /// The moment that the machine wanted to be woken at has come.
    Wakeup,
}

/// What a machine does: the only ways in which it touches the world.
#[derive(Clone, Debug)]
pub enum Output<S: System> {
    /// Sends a message. It may be lost, arrive twice, or arrive after a later one.
    Send(HostId, S::Message),
    /// Writes to the disk of its host, all or nothing. With `sync`, later outputs wait, and the machine
    /// gets no input, until it is durable. Without, a crash may lose it, and all later ones with it.
    Persist {
        /// What is put or removed, each key at most once.
        puts: Vec<Put<S::Store>>,
        /// Must it be durable before anything else happens?
        sync: bool,
    },
    /// Answers a user.
    Answer(OpId, S::Answer),
}

/// What a machine starts from.
#[derive(Debug)]
pub struct Boot<'a, S: System> {
    /// The host that it runs on.
    pub host: HostId,
    /// How often that host has started before.
    pub incarnation: u32,
    /// What the clocks of the host show.
    pub now: Now,
    /// Everything that is on its disk.
    pub image: &'a Image<S::Store>,
    /// A random number of its own for each start.
    pub entropy: u64,
}

/// Something that users can ask for. Its word's first parameter is the host that is asked.
#[derive(Debug)]
pub struct Verb<S: System> {
    /// How it is written, drawn and told.
    pub word: Word,
    /// The operation that it asks for.
    pub op: fn(Values<'_>) -> S::Op,
}

/// What an operation is to judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Shows a key.
    Reads(Key),
    /// Writes a key; the token is [`token_of`] the operation.
    Writes(Key),
    /// Deletes a key.
    Deletes(Key),
}

impl Does {
    /// The key that it is about.
    pub const fn key(self) -> Key {
        let (Self::Reads(key) | Self::Writes(key) | Self::Deletes(key)) = self;
        key
    }
}

/// The token of what an operation writes.
pub const fn token_of(op: OpId) -> Token {
    Token(op.0)
}

/// A system under test. A value of it is its settings: the `[system]` table of a scenario.
pub trait System:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// A machine: an enum, where there are several kinds.
    type Machine: Machine<Self>;
    /// What machines send to each other.
    type Message: Clone + Debug + Send;
    /// What users ask for.
    type Op: Clone + Debug + Display + PartialEq + Serialize + Send;
    /// What they are answered.
    type Answer: Clone + Debug + Display + PartialEq + Serialize + Send;
    /// What disks hold.
    type Store: Layout<
            Key: Debug + PartialEq + Serialize + Send,
            Value: Debug + PartialEq + Serialize + Send,
        >;

    /// The system counts as at rest when it has neither stored nor answered anything for this long and
    /// owes nothing. Longer than any wait of a machine before it tries again.
    const REST: Span;

    /// What is wrong with the settings, in a sentence.
    fn check(&self) -> Result<(), String>;

    /// The hosts, by [`HostId`].
    fn hosts(&self) -> Vec<HostSpec>;

    /// Starts the machine of a host.
    fn boot(&self, boot: Boot<'_, Self>) -> Self::Machine;

    /// The kind of a message, as people name it, and about how many bytes it has.
    fn describe(message: &Self::Message) -> (&'static str, usize);

    /// What users can ask for.
    fn verbs() -> &'static [Verb<Self>];

    /// The reads after everything has come to rest: all that must be the same everywhere.
    fn final_reads(&self) -> Vec<(HostId, Self::Op)>;

    /// What an operation is to judges.
    fn does(op: &Self::Op) -> Does;

    /// What people call a key.
    fn name(key: Key) -> String {
        key.to_string()
    }

    /// What an answer of this host is to judges.
    fn says(host: HostId, answer: &Self::Answer) -> observation::Answer;

    /// The writes of which a stored value is what is left.
    fn holds(
        key: &<Self::Store as Layout>::Key,
        value: &<Self::Store as Layout>::Value,
    ) -> Vec<Token>;

    /// What the system claims of itself.
    fn claims(&self) -> Claims;
}
