//! Scenarios: what QA writes, as plain data. Text becomes a [`Scenario`], a scenario and a seed
//! become a [`Plan`], and a plan is written back as a scenario in which nothing is left to draw.
//!
//! Knows nothing of the world that executes plans. `draw(read(print(plan)))` is that same plan,
//! whatever the seed: a capsule is an ordinary scenario file.

mod check;
mod draw;
mod estimate;
mod idle;
mod nominal;
mod print;
mod problem;
mod read;
mod setting;
mod shared;
mod words;

use engine::flaw::Flaw;
use engine::id::{Kind, RecordId, Remote, UserId};
use engine::record::Value;
use harness::random::Chance;
use harness::time::Span;

use crate::fault::FaultKind;
use crate::invariant::Invariant;
use crate::plan::{
    Act, Expectation, Given, GivenTalk, Limits, Node, Operation, ProcessorId, StepId, Trigger,
    WorkerId,
};

pub use draw::{count_odd_settings, draw, is_fault_free, with_plain_settings};
pub use harness::quantity::{Choice, Range, Unit};
pub use print::{print, print_step};
pub use problem::{Code, Problem, render};
pub use read::{MAX_PRINTED_BYTES, most_bytes, read};
pub use words::{Ingredient, Parameter, Verb, Who, events};

/// A scenario file as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The file's stem.
    pub name: String,
    /// What people read of it.
    pub about: About,
    /// How many seeds `run` takes.
    pub seeds: u64,
    /// What is expected of its runs.
    pub expected: Expected,
    /// Where a capsule came from.
    pub capsule: Option<CapsuleHead>,
    /// What a printed plan fixes beside its text: such a file leaves nothing to draw.
    pub fixed: Option<Fixed>,
    /// The people, by [`UserId`].
    pub users: Vec<String>,
    /// The remotes.
    pub remotes: Vec<RemoteSpec>,
    /// The devices, by their index in the plan.
    pub devices: Vec<DeviceSpec>,
    /// The sync server, if there is one. Its other parameters are among `settings`.
    pub server: Option<ServerSpec>,
    /// The processors, by [`crate::plan::ProcessorId`].
    pub processors: Vec<ProcessorSpec>,
    /// The conversations that are there before the start, in the old format.
    pub given_talks: Vec<GivenTalk>,
    /// The records that are there before the start.
    pub given: Vec<Given>,
    /// Records to make for every user, with drawn contents: a kind and its keys.
    pub make: Vec<Make>,
    /// The world's parameters, by [`Parameter`]; those of a server count only where there is one.
    pub settings: Vec<Choice>,
    /// Random use.
    pub mix: Option<Mix>,
    /// Random trouble.
    pub trouble: Vec<FaultFamily>,
    /// What happens, in order.
    pub script: Vec<Line>,
    /// How long the storm lasts.
    pub lasts: Span,
    /// How much a run may take.
    pub limits: Limits,
}

/// What people read of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What it is, in a line.
    pub title: String,
    /// What happens, in a few sentences.
    pub story: String,
    /// Where it was reported.
    pub ticket: Option<String>,
    /// By what it can be selected.
    pub tags: Vec<String>,
}

/// What is expected of the runs of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Of the product, and of the product with a flaw.
    pub verdicts: Verdicts,
    /// What must happen often enough for a green line to mean anything, and what must not.
    pub occurrences: Vec<Occurrence>,
    /// By when after the faults have ended everything must have settled.
    pub settle_within: Option<Span>,
    /// What the file is about. All invariants are always judged.
    pub always: Vec<Invariant>,
    /// What must be shown, at the end or at a moment.
    pub at_end: Vec<Expectation>,
}

impl Scenario {
    /// What each seed picks a parameter from.
    pub fn setting(&self, parameter: Parameter) -> &Choice {
        &self.settings[parameter as usize]
    }
}

/// The verdicts that a file expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// Of the product, on every seed.
    pub product: Option<Expect>,
    /// Of the product with a flaw, and the line that says so.
    pub with: Vec<(Flaw, Expect, u32)>,
}

/// One expected verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing is violated.
    Pass,
    /// Some seed violates this.
    Violates {
        /// Which.
        invariant: Invariant,
        /// Within this number of seeds.
        within: u32,
    },
}

/// Something that must happen, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// The name of a coverage point, of an event of the world, or of a fault.
    pub what: String,
    /// How often.
    pub bound: Bound,
    /// The line that says so.
    pub line: u32,
}

/// How often something must happen, or may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At least this number of times over all seeds.
    AtLeast(u64),
    /// At least this number of times in each seed.
    AtLeastInEach(u64),
    /// At least once in this share of the seeds.
    AtLeastInShare(Chance),
    /// At most this number of times in each seed.
    AtMostInEach(u64),
    /// In at most this share of the seeds.
    AtMostInShare(Chance),
}

/// Where a capsule came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapsuleHead {
    /// The seed that the plan was drawn from.
    pub seed: u64,
    /// What decides the keyed draws.
    pub nature: u64,
    /// The flaws that were on.
    pub flaws: Vec<Flaw>,
    /// The build that failed.
    pub build: String,
    /// For which machines it was built, if it says so.
    pub machine: Option<String>,
    /// What was violated.
    pub invariant: Invariant,
    /// Where in the judge.
    pub site: String,
    /// The kind of the record concerned.
    pub record_kind: Option<Kind>,
    /// The write that was lost, in words.
    pub lost: Option<String>,
    /// The digest of the failing run.
    pub digest: String,
    /// The scenario that it was drawn from.
    pub scenario: String,
    /// What it was shrunk from, if it was.
    pub origin: Option<Origin>,
}

/// What the plan of a capsule was before it was shrunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The digest of its run.
    pub digest: String,
    /// What users did in it.
    pub steps: usize,
    /// What went wrong in it.
    pub faults: usize,
    /// How many messages were delivered.
    pub messages: u64,
    /// What the writes that are left are called, and what they were called there.
    pub writes: Vec<(String, String)>,
}

/// What a printed plan fixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The name of the scenario that it was drawn from.
    pub scenario: String,
    /// The seed that it was drawn from.
    pub seed: u64,
    /// What decides the keyed draws.
    pub nature: u64,
}

/// A remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSpec {
    /// Its name.
    pub name: String,
    /// Which kind.
    pub kind: Remote,
    /// The most rows in a page.
    pub page: Choice,
    /// The most rows in a save.
    pub batch: Choice,
    /// How long a transaction takes; drawn each time.
    pub commit: Choice,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    /// Its name.
    pub name: String,
    /// Whose it is; each seed picks one.
    pub users: Vec<UserId>,
    /// How it begins; each seed picks one.
    pub states: Vec<State>,
    /// When it begins.
    pub start: Choice,
    /// How far its clock is off, small and large alike.
    pub clock: Choice,
    /// How fast its clock runs away, in parts per million.
    pub drift: Choice,
}

/// The workers of the sync server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// How many of them there are; it is the first of them that count.
    pub count: Choice,
    /// All that there can be.
    pub workers: Vec<WorkerSpec>,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSpec {
    /// Its name.
    pub name: String,
    /// How far its clock is off, small and large alike.
    pub clock: Choice,
    /// How fast its clock runs away, in parts per million.
    pub drift: Choice,
}

/// A processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorSpec {
    /// Its name.
    pub name: String,
    /// Whose conversations it works on.
    pub user: UserId,
    /// How far its clock is off, small and large alike.
    pub clock: Choice,
    /// How fast its clock runs away, in parts per million.
    pub drift: Choice,
}

impl ServerSpec {
    /// The workers that every seed has; only these can be named.
    pub fn in_every_seed(&self) -> &[WorkerSpec] {
        &self.workers[..usize::try_from(self.count.low()).unwrap_or(0).min(self.workers.len())]
    }
}

/// How a device begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Signed in, with all given rows.
    Prepared,
    /// Empty; signs in at its start.
    Fresh,
    /// Made by a clone; left out if nothing clones it.
    Cloned,
}

/// Records of one kind for every user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Make {
    /// Which kind.
    pub kind: Kind,
    /// The first key.
    pub low: u32,
    /// The last key.
    pub high: u32,
}

/// Random use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// From the start for so long.
    pub lasts: Span,
    /// About one operation per device in this time.
    pub every: Span,
    /// How often each operation.
    pub weights: Vec<(Ingredient, u32)>,
    /// How often each kind of record.
    pub kinds: Vec<(Kind, u32)>,
    /// How many records each user has, over all kinds.
    pub rows: Choice,
    /// This share of operations falls on the hot rows.
    pub hot_share: Choice,
    /// How many rows are hot.
    pub hot_rows: Choice,
    /// Bytes of a text.
    pub size: Choice,
    /// This share of operations starts a burst.
    pub burst_share: Choice,
    /// So many devices take part in it, each once or twice.
    pub burst_devices: Choice,
    /// Within so long.
    pub burst_within: Choice,
    /// Between open and save, and between logout and login.
    pub pause: Choice,
    /// What is done with files.
    pub files: Option<FileMix>,
}

/// Random use of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMix {
    /// About one operation per device in this time.
    pub every: Span,
    /// How often each operation.
    pub weights: Vec<(Operation, u32)>,
    /// How many names of files each user has.
    pub paths: Choice,
    /// Bytes of a content.
    pub size: Choice,
    /// This share of operations happens in bursts on one file.
    pub bursts: Choice,
}

/// A family of random faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultFamily {
    /// Which.
    pub kind: FaultKind,
    /// A seed has this family at all.
    pub chance: Chance,
    /// One per device, remote, worker or user, as its target is, in this time on average.
    pub every: Span,
    /// How long it lasts.
    pub lasts: Choice,
    /// It lasts for ever.
    pub forever: Chance,
    /// How strong it is: `times`, `wait`, `by` or `taking`, as its declaration has it.
    pub strength: Choice,
    /// For `end-zone`: how.
    pub how: Vec<engine::remote::Ending>,
}

/// A line of the script.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The id of its first step; those after it have the next ones.
    pub id: u32,
    /// When.
    pub when: Moment,
    /// What, and how long that lasts, once for each that the line names.
    pub acts: Vec<(Act, Lasts)>,
    /// Is nothing wrong if its steps come to nothing?
    pub optional: bool,
    /// The line of the file, from 1.
    pub line: u32,
}

impl Line {
    /// The id after those of its steps.
    pub fn next_id(&self) -> u32 {
        self.id.saturating_add(u32::try_from(self.acts.len()).unwrap_or(u32::MAX))
    }
}

impl Scenario {
    /// The line of the file that a step comes from; none if it was drawn.
    pub fn line_of(&self, step: StepId) -> Option<u32> {
        let line = self.script.iter().find(|it| (it.id..it.next_id()).contains(&step.0))?;
        Some(line.line)
    }
}

/// When a line happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At a moment since the start.
    At(Choice),
    /// So long after the previous line.
    After(Choice),
    /// So long after an event.
    On(Trigger, Choice),
}

/// How long what a line begins lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// It says so itself, or nothing lasts.
    AsWritten,
    /// A drawn span.
    For(Choice),
    /// Until the line of this index, which heals it.
    Until(usize),
}

/// A summary for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The name.
    pub name: String,
    /// The title.
    pub title: String,
    /// By what it can be selected.
    pub tags: Vec<String>,
    /// How many devices it has.
    pub devices: usize,
    /// How long its storm lasts.
    pub lasts: Span,
    /// How many seeds `run` takes.
    pub seeds: u64,
}

impl Scenario {
    /// What a list shows.
    pub fn summary(&self) -> Summary {
        Summary {
            name: self.name.clone(),
            title: self.about.title.clone(),
            tags: self.about.tags.clone(),
            devices: self.devices.len(),
            lasts: self.lasts,
            seeds: self.seeds,
        }
    }

    /// The node of this name.
    pub(crate) fn node(&self, name: &str) -> Option<Node> {
        if let Some(at) = self.devices.iter().position(|device| device.name == name) {
            let id = u16::try_from(at).expect("the reader limits the number of devices");
            return Some(Node::Device(engine::id::DeviceId(id)));
        }
        if let Some(remote) = self.remotes.iter().find(|remote| remote.name == name) {
            return Some(Node::Remote(remote.kind));
        }
        if let Some(at) = self.processors.iter().position(|it| it.name == name) {
            let id = u16::try_from(at).expect("processors are few");
            return Some(Node::Processor(ProcessorId(id)));
        }
        let at = self.workers().iter().position(|worker| worker.name == name)?;
        Some(Node::Worker(WorkerId(u16::try_from(at).expect("workers are few"))))
    }

    /// The workers that can be named.
    pub(crate) fn workers(&self) -> &[WorkerSpec] {
        self.server.as_ref().map_or(&[], ServerSpec::in_every_seed)
    }
}

/// Values as a scenario sets them: of one record.
pub(crate) type Fields = Vec<(engine::id::FieldId, Value)>;

/// The rows that a scenario's text names, for the lint.
pub(crate) type Rows = std::collections::BTreeSet<RecordId>;
