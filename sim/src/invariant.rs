//! The judges: each checks one invariant of a history, and knows nothing but the history.
//!
//! `evidence` reads all facts once. Each judge is a function of the evidence that reports what does not
//! hold. A judge never believes the product: what a write had observed is what its author was shown, and
//! what a copy contains is what was joined into it. An invariant is judged in one place, in the folder of
//! its subject.

mod answer;
mod conversation;
mod device;
mod evidence;
mod file;
mod findings;
mod log;
mod session;
mod system;
pub(crate) mod wording;
mod write;

#[cfg(test)]
mod case;
#[cfg(test)]
mod near_misses;
#[cfg(test)]
mod necessity;

use std::collections::BTreeMap;

use engine::device::Timing;
use engine::id::{DeviceId, RecordId, Remote, Token, UserId, VaultId};
use harness::time::Time;

use crate::history::{Entry, Fact, Fault};
use crate::plan::{Expectation, Node, Plan, ServerPlan, remote_name};

macro_rules! invariants {
    ($($name:ident = $number:literal, $text:literal, $doc:literal;)+) => {
        /// A property that must hold of every history.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Invariant { $(#[doc = $doc] $name,)+ }

        impl Invariant {
            /// Every invariant, in the order of tables.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name that people write.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// The number that tables use.
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)+ }
            }

            /// What it says, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $doc,)+ }
            }
        }
    };
}

// By number, which is also the order in which violations of one moment are reported: so what a scenario
// itself expects (0) comes last, after whatever explains it. 24 is `merges-are-algebraic`: a law of pure
// functions, which `tests/laws` checks and no judge of a history can.
invariants! {
    NoLostWrites = 1, "no-lost-writes", "Every acknowledged write is there at the end, or was replaced by one whose author had observed it.";
    NoPhantomValues = 2, "no-phantom-values", "Every value shown or stored comes from a write, and the fields of one write show together.";
    NoResurrectedDeletes = 3, "no-resurrected-deletes", "A record is there only by a write that no delete known at that place had seen.";
    CopiesConverge = 4, "copies-converge", "Copies that took the same writes hold the same siblings; at the end all copies do.";
    CursorsAreSafe = 5, "cursors-are-safe", "A durable cursor passes a row only if the row is durably applied or sealed.";
    UnsentEditsSurvive = 6, "unsent-edits-survive", "An edit that no remote has yet leaves a device only for a write that had seen it.";
    VersionsAreImmutable = 7, "versions-are-immutable", "A version of a file never changes, numbers count up and are never used again, and a restore has what it restores.";
    UploadsAreAtomic = 8, "uploads-are-atomic", "A version is there with all of its content or not at all, and what fails leaves no name behind.";
    BatchesAreAtomic = 9, "batches-are-atomic", "A batch is done in one commit or not at all; a job grows to its end, and each item says what became of it.";
    EffectsHappenOnce = 10, "effects-happen-once", "What is asked of the server once takes effect once, however often it is sent.";
    ServerIsLinearizable = 11, "server-is-linearizable", "What the server answers is what its log says, in an order that agrees with real time.";
    SessionsAreExclusive = 12, "sessions-are-exclusive", "A session lease has at most one holder, blocks no other device, and ends.";
    FencesHold = 13, "fences-hold", "Nothing is committed under a fencing token older than the newest one granted.";
    StatusesAreLegal = 14, "statuses-are-legal", "Work on a conversation is attempted three times at most, and succeeds or has visibly failed.";
    SummariesMatch = 15, "summaries-match", "The summary of a day is the sum of its conversations, at every commit.";
    ReadsAreExact = 16, "reads-are-exact", "A read shows the very object that was named, or that there is none.";
    DedupKeysAreStable = 17, "dedup-keys-are-stable", "A conversation has one key by whichever path it comes, and each of its messages is there once.";
    DatesRoundTrip = 18, "dates-round-trip", "A conversation is of the day on which it began, and a date with two readings is refused.";
    NoPlaintextLeaves = 19, "no-plaintext-leaves", "No byte of a value leaves a device unsealed.";
    RemotesAgree = 20, "remotes-agree", "At the end both remotes hold the join of all devices.";
    SystemSettles = 21, "system-settles", "After the faults end everything settles within the bound, and retries back off.";
    NothingPanics = 22, "nothing-panics", "No panic leaves a machine, and no error is logged.";
    ReadsNeverGoBack = 23, "reads-never-go-back", "A device goes on showing what it has shown or acknowledged, until it is replaced or deleted.";
    CrashesLoseNothing = 25, "crashes-lose-nothing", "After a restart all acknowledged commits are there, whole.";
    CachesAreCoherent = 26, "caches-are-coherent", "A read after an acknowledged write shows it, at whichever worker.";
    GrowthIsBounded = 27, "growth-is-bounded", "At rest nothing is queued, and syncing writes nothing.";
    NamesAreSane = 28, "names-are-sane", "Folders form a tree, every file system can store each name, and none takes two in a folder for one.";
    RunsAreDeterministic = 29, "runs-are-deterministic", "One plan has one history.";
    OutcomesAreHonest = 30, "outcomes-are-honest", "Refused has no effect, saved has one, and what a device has recorded about a remote is what the remote did.";
    UsersAreIsolated = 31, "users-are-isolated", "Nothing that one user wrote reaches another's device.";
    RefusalsHaveReasons = 32, "refusals-have-reasons", "Every refused, late or unanswered operation is explained by a fault on its path or by a rule.";
    LoginsAreWhole = 33, "logins-are-whole", "What a login first shows joins both remotes, or says that it is partial.";
    RunEnds = 34, "run-ends", "A run comes to its end within what it may use.";
    ValuesAreAsExpected = 0, "values-are-as-expected", "What the scenario names is shown, at the end or at its moment.";
}

/// What a judge may know beside the history.
#[derive(Clone, Debug)]
pub struct JudgeContext {
    /// Whose device each is, by [`DeviceId`].
    pub devices: Vec<UserId>,
    /// The remotes that there are.
    pub remotes: Vec<Remote>,
    /// The sync server, if there is one.
    pub server: Option<ServerPlan>,
    /// The spans and sizes that devices promised to keep to.
    pub timing: Timing,
    /// What the plan made incurable: records at places that need not settle or agree.
    pub incurable: Vec<Incurable>,
    /// What the scenario expects to be shown.
    pub at_end: Vec<Expectation>,
    /// The texts that the plan has written to files, by the hashes of the contents made of them; of plans that
    /// expect anything of texts.
    pub texts: BTreeMap<u64, String>,
    /// When the storm ended.
    pub healed_at: Time,
    /// What people call users and hosts, for messages.
    pub names: HostNames,
}

/// What people call the scenario, users, devices and remotes. Workers and processors are named in their plans.
#[derive(Clone, Debug, Default)]
pub struct HostNames {
    /// The scenario, which is the name of its file.
    pub scenario: String,
    /// By [`UserId`].
    pub users: Vec<String>,
    /// By [`DeviceId`].
    pub devices: Vec<String>,
    /// Each with its kind.
    pub remotes: Vec<(Remote, String)>,
}

impl HostNames {
    /// The names that a plan gives.
    pub fn of(plan: &Plan) -> Self {
        Self {
            scenario: plan.scenario.clone(),
            users: plan.users.clone(),
            devices: plan.devices.iter().map(|device| device.name.clone()).collect(),
            remotes: plan.remotes.iter().map(|remote| (remote.kind, remote.name.clone())).collect(),
        }
    }
}

impl JudgeContext {
    /// What a host is called.
    fn name(&self, host: Node) -> &str {
        let server = self.server.as_ref();
        let name = match host {
            Node::Device(device) => self.names.devices.get(usize::from(device.0)),
            Node::Remote(remote) => {
                let named = self.names.remotes.iter().find(|(kind, _)| *kind == remote);
                return named.map_or(remote_name(remote), |(_, name)| name);
            }
            Node::Worker(worker) => server
                .and_then(|server| server.workers.get(usize::from(worker.0)))
                .map(|worker| &worker.name),
            Node::Processor(processor) => server
                .and_then(|server| server.pipeline.processors.get(usize::from(processor.0)))
                .map(|processor| &processor.name),
            Node::World | Node::Volume | Node::Intruder => None,
        };
        let unnamed = match host {
            Node::World => "world",
            Node::Device(_) => "a device",
            Node::Remote(_) => "a remote",
            Node::Worker(_) => "a worker",
            Node::Processor(_) => "a processor",
            Node::Volume => "volume",
            Node::Intruder => "intruder",
        };
        name.map_or(unnamed, String::as_str)
    }
}

/// Something that the plan made incurable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Incurable {
    /// A device is gone, or signed out at the end.
    Device(DeviceId),
    /// A device lacks a key for ever.
    Keyless(DeviceId),
    /// This row of this remote is damaged or refused for ever.
    Row(Remote, VaultId, RecordId),
}

/// What the judges say of a history.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// What does not hold: that a run comes to no end first, then by time, a cause before its effect.
    pub violations: Vec<Violation>,
    /// The writes that are gone and are nobody's fault, by the time at which they were asked for.
    pub excused: Vec<Excused>,
}

/// A write that is gone, or is where nobody sees it, as the plan will have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excused {
    /// What stories call it, such as `w3`.
    pub write: String,
    /// What it was about: a record, the path of a file, an account, a conversation.
    pub object: String,
    /// The host that it was asked of, or the remote that had it before the start.
    pub node: Node,
    /// When it was asked for.
    pub asked: Time,
    /// The fault that took it.
    pub fault: Fault,
    /// When the fault began.
    pub at: Time,
}

impl Excused {
    /// Why it is gone, in two words.
    pub fn cause(&self) -> &'static str {
        self.fault.excuse().expect("only a fault that justifies a loss excuses one")
    }
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The invariant that does not hold.
    pub invariant: Invariant,
    /// When it was first seen not to hold.
    pub at: Time,
    /// The host that the proving fact is about.
    pub node: Node,
    /// The record that it is about, if it is about one.
    pub record: Option<RecordId>,
    /// The write that it is about, if it is about one.
    pub token: Option<Token>,
    /// The place in the judge that found it, part of the violation's signature.
    pub site: &'static str,
    /// What is wrong, in a sentence: the host, the object, the write, what was expected and what was
    /// found.
    pub message: String,
    /// The facts that prove it, as indices into the history, ascending.
    pub evidence: Vec<usize>,
}

impl Violation {
    /// Was a run ended by the processor time that it took? Another machine may see nothing of that, or at
    /// another moment, and it takes long to see it again.
    pub fn is_of_time(&self) -> bool {
        self.invariant == Invariant::RunEnds && matches!(self.site, "time" | "hung" | "died")
    }
}

/// A judge: reports what does not hold of one invariant.
type Judge = fn(&evidence::Evidence<'_>, &mut findings::Findings);

/// Judges of what shows at a moment, whatever comes after it. They speak of every history, in the order of
/// the numbers of their invariants.
const OF_MOMENTS: &[Judge] = &[
    write::no_resurrected_deletes::judge,
    device::cursors_are_safe::judge,
    write::unsent_edits_survive::judge,
    log::server_is_linearizable::judge,
    session::fences_hold::judge,
    conversation::statuses_are_legal::judge,
    conversation::summaries_match::judge,
    conversation::dedup_keys_are_stable::judge,
    conversation::dates_round_trip::judge,
    system::no_plaintext_leaves::judge,
    system::nothing_panics::judge,
    file::names_are_sane::judge,
    system::users_are_isolated::judge,
    system::run_ends::judge,
];

/// Judges of what holds at the end, or of what must follow. They are silent about a run that was ended before
/// it was over.
const OF_WHOLE_RUNS: &[Judge] = &[
    write::no_lost_writes::judge,
    write::no_phantom_values::judge,
    write::copies_converge::judge,
    file::versions_are_immutable::judge,
    file::uploads_are_atomic::judge,
    file::batches_are_atomic::judge,
    log::effects_happen_once::judge,
    session::sessions_are_exclusive::judge,
    conversation::reads_are_exact::judge,
    write::remotes_agree::judge,
    system::system_settles::judge,
    device::reads_never_go_back::judge,
    device::crashes_lose_nothing::judge,
    log::caches_are_coherent::judge,
    system::growth_is_bounded::judge,
    answer::outcomes_are_honest::judge,
    answer::refusals_have_reasons::judge,
    device::logins_are_whole::judge,
    write::values_are_as_expected::judge,
];

/// Judges a history by every invariant.
pub fn judge(context: &JudgeContext, history: &[Entry]) -> Judgement {
    let evidence = evidence::Evidence::gather(context, history);
    let is_cut_off = history.iter().rev().any(|entry| matches!(entry.fact, Fact::CutOff { .. }));
    let of_whole_runs = if is_cut_off { &[] } else { OF_WHOLE_RUNS };
    let mut findings = findings::Findings::default();
    for judge in OF_MOMENTS.iter().chain(of_whole_runs) {
        judge(&evidence, &mut findings);
    }
    let mut judgement = findings.into_judgement();
    judgement.violations.sort_by_key(|violation| violation.invariant != Invariant::RunEnds);
    judgement
}
