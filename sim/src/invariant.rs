//! The judges: properties of a history. They hear testimony and were not at the scene.
//!
//! `evidence` hears all facts once; each judge is a function of it that reports what does not hold.
//! A judge never believes the product: what a write had seen is what its author was shown, and what
//! a copy contains is what was joined into it.

mod account;
mod agree;
mod answers;
mod batches;
mod converge;
mod crash;
mod cursor;
mod dates;
mod dedup;
mod deeds;
mod errands;
mod evidence;
mod exact;
mod exclusive;
mod expected;
mod fences;
mod filed;
mod findings;
mod growth;
mod isolation;
mod kept;
mod late;
mod linear;
mod listed;
mod login;
mod lost;
mod mirror;
mod names;
mod once;
mod outcomes;
mod panic;
mod phantom;
mod pipeline;
mod plaintext;
mod reads;
mod reasons;
mod restored;
mod resurrected;
mod session;
mod set;
mod settle;
mod status;
mod statuses;
mod summaries;
mod unsent;
mod uploads;
mod versions;
mod views;
mod writes;

#[cfg(test)]
mod case;
#[cfg(test)]
mod nearly;
#[cfg(test)]
mod necessity;

use engine::device::Timing;
use engine::id::{DeviceId, RecordId, Remote, Token, UserId, VaultId};
use engine::time::Time;

use crate::history::Entry;
use crate::plan::{AtEnd, Node, ServerPlan};

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

invariants! {
    NoLostWrites = 1, "no-lost-writes", "Every acknowledged write is there at the end, or was replaced by one that had seen it.";
    NoPhantomValues = 2, "no-phantom-values", "Every value shown or stored was written by somebody, and the fields of one write show together.";
    NoResurrectedDeletes = 3, "no-resurrected-deletes", "A record is there only by a write that no delete known at that place had seen.";
    CopiesConverge = 4, "copies-converge", "Copies that took the same writes hold the same siblings; at the end all copies do.";
    CursorsAreSafe = 5, "cursors-are-safe", "A durable cursor passes a row only if the row is durably applied or sealed.";
    UnsentEditsSurvive = 6, "unsent-edits-survive", "An edit that no remote has yet leaves a device only for a write that had seen it.";
    VersionsAreImmutable = 7, "versions-are-immutable", "A version of a file never changes, numbers count up and are never used again, and a restore has what it restores.";
    UploadsAreAtomic = 8, "uploads-are-atomic", "A version is there with all of its content or not at all, and what fails leaves no name behind.";
    BatchesAreAtomic = 9, "batches-are-atomic", "A batch is done in one commit or not at all; a job grows to its end, and each item says what became of it.";
    EffectsHappenOnce = 10, "effects-happen-once", "What is asked of the server once takes effect once, however often it is sent.";
    ServerIsLinearizable = 11, "server-is-linearizable", "What the server answers is what its log says, in an order that agrees with real time.";
    SessionsAreExclusive = 12, "sessions-are-exclusive", "A session has one owner at a time, is nobody else's business, and ends.";
    FencesHold = 13, "fences-hold", "Nothing is committed under a lease that has been granted anew.";
    StatusesAreLegal = 14, "statuses-are-legal", "Work waits, is tried three times at most, and is done or has visibly failed.";
    SummariesMatch = 15, "summaries-match", "The sum of a day is what its conversations amount to, at every commit.";
    ReadsAreExact = 16, "reads-are-exact", "Whoever reads is shown the very object that was named.";
    DedupKeysAreStable = 17, "dedup-keys-are-stable", "A conversation has one key by whichever path it comes, and each of its messages is there once.";
    DatesRoundTrip = 18, "dates-round-trip", "A conversation is of the day on which it began, and a date with two readings is refused.";
    NoPlaintextLeaves = 19, "no-plaintext-leaves", "No byte of a value leaves a device unsealed.";
    RemotesAgree = 20, "remotes-agree", "At the end both remotes hold the join of all devices.";
    SystemSettles = 21, "system-settles", "After the faults end everything settles within the bound, and retries back off.";
    NothingPanics = 22, "nothing-panics", "No panic leaves a machine, and no error is logged.";
    ReadsNeverGoBack = 23, "reads-never-go-back", "A device never un-sees what it has shown or acknowledged.";
    CrashesLoseNothing = 25, "crashes-lose-nothing", "After a restart all acknowledged commits are there, whole.";
    CachesAreCoherent = 26, "caches-are-coherent", "A read after an acknowledged write shows it, at whichever worker.";
    GrowthIsBounded = 27, "growth-is-bounded", "At rest nothing is queued, and syncing writes nothing.";
    NamesAreSane = 28, "names-are-sane", "Folders form a tree, and no two names in one of them can be taken for each other.";
    OutcomesAreHonest = 30, "outcomes-are-honest", "Refused has no effect, saved has one, and books agree with what remotes did.";
    UsersAreIsolated = 31, "users-are-isolated", "Nothing that one user wrote reaches another's device.";
    RefusalsHaveReasons = 32, "refusals-have-reasons", "What does not end well has a fault on its path, or is wrong by the rules.";
    LoginsAreWhole = 33, "logins-are-whole", "What a login first shows joins both remotes, or says that it is partial.";
    ValuesAreAsExpected = 0, "values-are-as-expected", "At the end the values are those that the scenario names.";
    RunsAreDeterministic = 29, "runs-are-deterministic", "One plan has one history.";
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
    /// Values that the scenario expects.
    pub at_end: Vec<AtEnd>,
    /// When the storm ended.
    pub healed_at: Time,
}

/// Something that cannot be mended, by the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Incurable {
    /// A device is gone, or signed out at the end.
    Device(DeviceId),
    /// A device lacks a key for ever.
    Keyless(DeviceId),
    /// This row of this remote is damaged or refused for ever.
    Row(Remote, VaultId, RecordId),
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When it was first seen not to hold.
    pub at: Time,
    /// Where.
    pub node: Node,
    /// About which record.
    pub record: Option<RecordId>,
    /// About which write.
    pub token: Option<Token>,
    /// The place in the judge that found it, part of the violation's signature.
    pub site: &'static str,
    /// What is wrong, in a sentence that uses the names `{node}` and `{token}` never: those are
    /// filled in by the reports from the fields above.
    pub message: String,
    /// The facts that prove it, as indices into the history, ascending.
    pub evidence: Vec<usize>,
}

/// A judge: reports what does not hold.
type Judge = fn(&evidence::Evidence<'_>, &mut findings::Findings);

const JUDGES: &[Judge] = &[
    lost::judge,
    phantom::judge,
    resurrected::judge,
    converge::judge,
    views::judge,
    cursor::judge,
    unsent::judge,
    plaintext::judge,
    agree::judge,
    settle::judge,
    panic::judge,
    reads::judge,
    crash::judge,
    growth::judge,
    outcomes::judge,
    answers::judge,
    isolation::judge,
    reasons::judge,
    restored::judge,
    late::judge,
    login::judge,
    account::judge,
    once::judge,
    linear::judge,
    exclusive::judge,
    status::judge,
    fences::judge,
    errands::judge,
    statuses::judge,
    summaries::judge,
    exact::judge,
    dedup::judge,
    dates::judge,
    pipeline::judge,
    deeds::judge,
    filed::judge,
    listed::judge,
    mirror::judge,
    versions::judge,
    uploads::judge,
    batches::judge,
    names::judge,
    expected::judge,
];

/// Judges a history by every invariant. Violations are sorted by time.
pub fn judge(context: &JudgeContext, history: &[Entry]) -> Vec<Violation> {
    let evidence = evidence::Evidence::gather(context, history);
    let mut findings = findings::Findings::default();
    for judge in JUDGES {
        judge(&evidence, &mut findings);
    }
    findings.into_violations()
}
