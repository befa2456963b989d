//! The plan: one run, written out. Scenario and seed only generate it; it is what runs, what is
//! shrunk and what a capsule keeps. It is a module of its own, between the scenario that draws it and the
//! world that executes it, since neither may know the other.
//!
//! Every moment, parameter and value is fixed here. What is left to draw while it runs (a message's
//! delay, whether it is lost) is a function of [`Plan::nature`] and of the thing's own lineage, so
//! that removing one step leaves the others as they were.

mod effect;
pub mod expectation;
pub mod file;
mod limits;
pub mod operation;
mod pipeline;
mod server;
mod surroundings;
pub(crate) mod talk;

use std::fmt;

use engine::device::Timing;
use engine::flaw::Flaws;
use engine::id::{AccountField, DeviceId, FieldId, Kind, OpId, RecordId, Remote, UserId};
use engine::record::Value;
use harness::time::{Span, SpanRange, Time};

pub use self::effect::Effect;
pub use self::expectation::Expectation;
pub use self::file::FileOperation;
pub use self::limits::{Excess, Limits, MOST_FACTS, grouped};
pub use self::operation::Operation;
pub use self::pipeline::{
    Began, Day, Excerpt, GivenTalk, PipelinePlan, ProcessorCommand, ProcessorPlan, StepPlan,
    TalkId, TalkPart,
};
pub use self::server::{ServerPlan, VolumePlan, WorkerPlan};
pub use self::surroundings::{Disk, Network, SignIn};
pub use crate::fault::Fault;
use crate::fault::{FaultKind, Lasts, Names};
pub use crate::host::{Node, ProcessorId, WorkerId};

/// Everything that one run needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The scenario's name: its file's stem.
    pub scenario: String,
    /// The seed that it was drawn from.
    pub seed: u64,
    /// Decides every keyed draw of the run.
    pub nature: u64,
    /// The people, by [`UserId`].
    pub users: Vec<String>,
    /// The devices, by [`DeviceId`].
    pub devices: Vec<DevicePlan>,
    /// The remotes, at most one of each kind, in the order of [`Remote`].
    pub remotes: Vec<RemotePlan>,
    /// The sync server, if there is one.
    pub server: Option<ServerPlan>,
    /// What is stored on the remotes and on prepared devices before the start.
    pub given: Vec<Given>,
    /// How patient the devices are.
    pub timing: Timing,
    /// The links between devices and remotes.
    pub network: Network,
    /// The devices' disks.
    pub disk: Disk,
    /// How long a key takes to the user's other devices.
    pub keychain: SpanRange,
    /// How long the sign-in service takes for a credential, and how long that is valid.
    pub sign_in: SignIn,
    /// What users do and what goes wrong, in the order of the scenario.
    pub steps: Vec<Step>,
    /// When the storm ends: no step is later, and all faults that can end have ended.
    pub storm: Span,
    /// What must be shown, at the end or at a moment.
    pub at_end: Vec<Expectation>,
    /// By when after the storm everything must have settled, if the scenario says so; never more
    /// than the computed bound.
    pub settle_within: Option<Span>,
    /// How much the run may take.
    pub limits: Limits,
    /// Known bugs that are switched on.
    pub flaws: Flaws,
}

/// One device.
#[derive(Clone, Debug, PartialEq)]
pub struct DevicePlan {
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub user: UserId,
    /// When it is switched on, and with what on its disk.
    pub start: Start,
    /// How far its wall clock is off at the start, in milliseconds.
    pub clock_offset_ms: i64,
    /// How fast its wall clock runs away, in parts per million.
    pub clock_drift_ppm: i32,
}

/// How a device begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Signed in, with all given rows and both cursors at the head.
    Prepared(Time),
    /// Empty; nobody is signed in. It signs in at that moment.
    Fresh(Time),
    /// Not at all, until a [`CopyDisk`](crate::fault::CopyDisk) makes it.
    Cloned,
}

/// One remote.
#[derive(Clone, Debug, PartialEq)]
pub struct RemotePlan {
    /// What people call it.
    pub name: String,
    /// Which kind it is.
    pub kind: Remote,
    /// The most rows that it serves in one page.
    pub page: u16,
    /// The most rows that it takes in one save.
    pub batch: u16,
    /// How long a transaction takes from its start to its commit.
    pub commit: SpanRange,
}

/// A record that is there before the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub id: RecordId,
    /// What it holds.
    pub set: Vec<(FieldId, Value)>,
}

/// Names a step for as long as its plan is printed, shrunk and replayed. All draws that concern a step
/// are keyed by its id and not by its place, so that the removal of one step leaves those of the
/// others as they were.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct StepId(pub u32);

impl StepId {
    /// Ids are below this: what a step asks for is numbered in 32 bits, within the step in five.
    pub const END: u32 = 1 << 27;

    /// Is it no step of a plan, but what is asked for an expectation? Those come next.
    pub fn is_look(self) -> bool {
        (Self::END..2 * Self::END).contains(&self.0)
    }

    /// The step, or the look, in which this was asked for.
    pub(crate) fn of(op: OpId) -> Self {
        Self(op.0 / ASKS_PER_STEP)
    }

    /// The number of the first thing that is asked for in a step; the others follow.
    pub(crate) fn first_op(self) -> OpId {
        OpId(self.0 * ASKS_PER_STEP)
    }
}

/// A step has four numbers for what is asked for in it.
pub(crate) const ASKS_PER_STEP: u32 = 4;

/// One line of the script.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name; the ids of a plan's steps rise.
    pub id: StepId,
    /// When.
    pub when: When,
    /// What.
    pub act: Act,
}

/// When a step happens.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At this moment.
    At(Time),
    /// So long after the previous step has happened.
    After(Span),
    /// So long after the first occurrence, after the previous step, of an event.
    On(Trigger, Span),
}

/// An event that a step can wait for. It fires a millisecond after the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A message of this kind was delivered to `to` from `from`.
    Got(Node, MessageKind, Node),
    /// A message of this kind was sent by `from` to `to`.
    Sent(Node, MessageKind, Node),
    /// A message of this kind from `from` to `to` was lost.
    Lost(Node, MessageKind, Node),
    /// A commit of this device became durable.
    Committed(DeviceId),
    /// Nothing is unsent, sealed or behind, or this long has passed.
    Quiet(Span),
}

macro_rules! message_kinds {
    ($($(#[doc = $meaning:literal])+ $name:ident = $word:literal,)+) => {
        /// Kinds of messages, as people name them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        pub enum MessageKind { $($(#[doc = $meaning])+ $name,)+ }

        impl MessageKind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word in scenarios and stories.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

message_kinds! {
    /// A request for a page, or the page.
    Pull = "pull",
    /// A request to save, or its result.
    Push = "push",
    /// A request for single rows, or those.
    Fetch = "fetch",
    /// Anything else that is asked or answered: making a zone, removing rows.
    Other = "request",
    /// A session with the sync server: its start, its end, and whose it is.
    Session = "session",
    /// A change of the account, or the account.
    Account = "account",
    /// A hint that something is new.
    Hint = "hint",
    /// A change of the tree of files, or what is asked about it.
    File = "file",
    /// A part of an upload.
    Upload = "upload",
    /// A page of what is new about files.
    Feed = "feed",
    /// A conversation, or the work on one.
    Work = "work",
}

impl MessageKind {
    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A user does something on a device.
    User(DeviceId, UserOperation),
    /// A processor is commanded to do something.
    Processor(ProcessorId, ProcessorCommand),
    /// Something goes wrong, for so long.
    Fault(Fault, Lasting),
    /// Nothing; other steps can be timed by it.
    Wait,
}

/// What a user does. The texts of drafts are given as [`Value::Text`]: what they were edited from
/// is what the user read.
#[derive(Clone, Debug, PartialEq)]
pub enum UserOperation {
    /// Reads a record and at once writes these fields.
    Edit(RecordId, Vec<(FieldId, Value)>),
    /// Reads a record and keeps it open.
    Open(RecordId),
    /// Writes these fields on top of what was last opened.
    Save(RecordId, Vec<(FieldId, Value)>),
    /// Writes these fields without having read anything.
    Overwrite(RecordId, Vec<(FieldId, Value)>),
    /// Reads a record and counts a field up or down.
    Increment(RecordId, FieldId, i64),
    /// Reads a record and deletes it.
    Delete(RecordId),
    /// Reads a deleted record and writes all its fields back.
    Undelete(RecordId),
    /// Reads a record.
    Read(RecordId),
    /// Asks to sync now.
    Sync,
    /// Signs in, or starts the app again with its saved session.
    SignIn,
    /// Signs out.
    SignOut,
    /// Makes a new key.
    RotateKey,
    /// Shows a field by a custom strategy from now on.
    Register(Kind, FieldId, Custom),
    /// Wants something of the sync server.
    Errand(Errand),
    /// Hands a conversation over, as far as it is known.
    Upload(Excerpt),
    /// Does something with files.
    File(FileOperation),
}

/// What a user wants of the sync server.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Errand {
    /// To set fields of the account.
    Patch(Vec<(AccountField, Value)>),
    /// To see the account.
    ReadAccount,
    /// To know whose the device's session is.
    SessionStatus,
}

/// The custom strategies that an application brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Custom {
    /// Shows the longest text, or the largest of anything else.
    Longest,
    /// Shows the first sibling and takes all others as settled by it.
    First,
    /// Joins texts; panics where one is empty (the bug of an application, not of the engine).
    PanicsOnEmpty,
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It is over at once.
    AtOnce,
    /// This long, or until the storm ends. A host that is down or stands still is back after it.
    For(Span),
    /// Until the storm ends.
    Storm,
    /// For ever: what it makes incurable is exempt from what it makes impossible.
    Forever,
}

impl Plan {
    /// Adds a step after all others, under the next id.
    pub fn add_step(&mut self, when: When, act: Act) {
        let id = StepId(self.steps.last().map_or(0, |last| last.id.0 + 1));
        assert!(id.0 < StepId::END, "a plan has fewer steps than there are ids");
        self.steps.push(Step { id, when, act });
    }

    /// The place of a step among all.
    pub fn place_of(&self, step: StepId) -> Option<usize> {
        self.steps.binary_search_by_key(&step, |it| it.id).ok()
    }

    /// The processors that there are.
    pub fn processors(&self) -> &[ProcessorPlan] {
        self.server.as_ref().map_or(&[], |server| &server.pipeline.processors)
    }

    /// What people call a node.
    pub fn name(&self, node: Node) -> &str {
        match node {
            Node::World => "world",
            Node::Device(device) => &self.devices[usize::from(device.0)].name,
            Node::Remote(remote) => self
                .remotes
                .iter()
                .find(|plan| plan.kind == remote)
                .map_or(remote_name(remote), |plan| plan.name.as_str()),
            Node::Worker(worker) => self
                .server
                .as_ref()
                .and_then(|server| server.workers.get(usize::from(worker.0)))
                .map_or("worker", |worker| worker.name.as_str()),
            Node::Volume => "volume",
            Node::Processor(processor) => self
                .processors()
                .get(usize::from(processor.0))
                .map_or("processor", |processor| processor.name.as_str()),
            Node::Intruder => "intruder",
        }
    }
}

impl Names for Plan {
    fn host(&self, host: Node) -> &str {
        self.name(host)
    }

    fn user(&self, user: UserId) -> &str {
        self.users.get(usize::from(user.0)).map_or("an unknown user", String::as_str)
    }
}

impl Lasting {
    /// How long a fault of this kind lasts where nothing is said.
    pub fn usual(kind: FaultKind) -> Self {
        match kind.lasts() {
            Lasts::AtOnce => Self::AtOnce,
            Lasts::UntilBack => Self::For(Span::ZERO),
            Lasts::Until(..) => Self::Storm,
        }
    }

    /// Makes it last this long, if it lasts at all.
    pub fn set(&mut self, span: Span) {
        if *self != Self::AtOnce {
            *self = Self::For(span);
        }
    }

    /// For how long, as far as it says so.
    pub fn span(self) -> Span {
        if let Self::For(span) = self { span } else { Span::ZERO }
    }
}

/// The name of a kind of remote.
pub const fn remote_name(remote: Remote) -> &'static str {
    match remote {
        Remote::Zone => "zone",
        Remote::Rows => "rows",
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
