//! Capsules: one readable file per failure, from which it can be replayed, shrunk and edited.
//!
//! A capsule is a scenario that spells out its whole plan, under a `[capsule]` table that says
//! where it comes from. It is replayed by that plan and never by the generator, which dies with
//! the build.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use engine::id::OpId;
use harness::capsule::Folder;
use harness::fresh::fresh;

use crate::invariant::{Invariant, Violation};
use crate::plan::Plan;
use crate::report::Size;
use crate::report::story::Scene;
use crate::run::Outcome;
use crate::scenario::{CapsuleHead, MAX_PRINTED_BYTES, Origin, draw, print, read};
use crate::signature::Signature;

/// Where capsules go unless told otherwise.
pub const FOLDER: &str = ".seawall/capsules";

/// The commit that this binary was built from, or the version where that is not known.
pub const BUILD: &str = env!("SEAWALL_BUILD");

/// For which machines this binary was built.
pub fn machine() -> String {
    format!("{}-{}", env::consts::ARCH, env::consts::OS)
}

/// A folder that takes capsules, or why it takes none.
#[derive(Clone, Debug)]
pub struct Store(Result<Folder, String>);

impl Store {
    /// Makes the folder and proves that it takes files, before anything is worth keeping.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Folder::open(folder).map(|folder| Self(Ok(folder)))
    }

    /// The same for work that has a result also if nothing can be kept: whatever is to be kept will say why
    /// it is not.
    pub fn open_if_possible(folder: &Path) -> Self {
        let folder_shown = folder.display();
        Self(
            Folder::open(folder).map_err(|error| format!("{folder_shown} takes no files: {error}")),
        )
    }

    /// Why nothing can be kept, if nothing can.
    pub fn trouble(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }

    /// Keeps a failure. The same failure always gets the same name.
    pub fn keep(&self, plan: &Plan, found: &Found) -> io::Result<PathBuf> {
        self.keep_text(found, &readable(plan, found)?)
    }

    /// Keeps the capsule of a failure.
    pub fn keep_text(&self, found: &Found, text: &str) -> io::Result<PathBuf> {
        let folder = self.0.as_ref().map_err(|trouble| io::Error::other(trouble.clone()))?;
        folder.keep(short(found.violation.invariant), found.digest, text)
    }
}

/// What a capsule says of a failure, beside its plan: all that is left of a history that is not kept.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was violated.
    pub violation: Violation,
    /// The write that was lost, in words.
    lost: Option<String>,
    /// The digest of the failing run.
    digest: u128,
    /// What each write is called, by what it was asked for in.
    writes: BTreeMap<OpId, String>,
    /// What the plan was before it was shrunk, if it was.
    origin: Option<Origin>,
}

impl Found {
    /// What was found in a run.
    pub fn of(plan: &Plan, outcome: &Outcome, violation: &Violation) -> Self {
        let scene = Scene::new(plan, &outcome.history);
        let lost = violation.token.and_then(|token| scene.evidence().tell_write(token));
        let writes = scene.labels();
        Self { violation: violation.clone(), lost, digest: outcome.digest(), writes, origin: None }
    }

    /// The same, of a plan that was itself shrunk from another.
    pub fn with_origin(self, origin: Option<Origin>) -> Self {
        Self { origin, ..self }
    }

    /// The same, of a plan that was shrunk from that of `whole`: which of its writes are left, and what they are
    /// called now. What that one was shrunk from counts, if it was.
    pub fn shrunk_from(self, whole: &Self, size: Size) -> Self {
        let before = |op: &OpId| {
            let label = whole.writes.get(op)?;
            let Some(origin) = &whole.origin else { return Some(label.clone()) };
            let first = origin.writes.iter().find(|(now, _)| now == label);
            first.map(|(_, before)| before.clone())
        };
        let writes = self.writes.iter().filter_map(|(op, now)| Some((now.clone(), before(op)?)));
        let mut writes: Vec<(String, String)> = writes.collect();
        writes.sort_by_key(|(now, _)| (now.len(), now.clone()));
        let origin = match whole.origin.clone() {
            Some(origin) => Origin { writes, ..origin },
            None => {
                let (digest, Size { steps, faults, messages, .. }) = (hex(whole.digest), size);
                Origin { digest, steps, faults, messages, writes }
            }
        };
        self.with_origin(Some(origin))
    }
}

fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

/// The capsule of a failure, once it has been read back: what is read is this plan.
pub fn readable(plan: &Plan, found: &Found) -> io::Result<String> {
    let text = text(plan, found);
    if text.len() > MAX_PRINTED_BYTES {
        let (has, most) = (text.len(), MAX_PRINTED_BYTES);
        let message = format!("the plan has {has} bytes, and no file of more than {most} is read");
        return Err(io::Error::other(message));
    }
    let plan = plan.clone();
    let read = fresh(move || match read("capsule", "capsule.toml", text.as_bytes()) {
        Ok((scenario, _)) if draw(&scenario, plan.seed, plan.flaws) == plan => Ok(text),
        Ok(_) => Err("it is read back as another plan".to_owned()),
        Err(problems) => {
            let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
            Err(format!("it cannot be read back: {}", messages.join("; ")))
        }
    });
    read.and_then(|read| read).map_err(io::Error::other)
}

/// The capsule of a failure.
pub fn text(plan: &Plan, found: &Found) -> String {
    let signature = Signature::of(&found.violation);
    let head = CapsuleHead {
        seed: plan.seed,
        nature: plan.nature,
        flaws: plan.flaws.iter().collect(),
        build: BUILD.to_owned(),
        machine: Some(machine()),
        invariant: found.violation.invariant,
        site: signature.site,
        record_kind: found.violation.record.map(|record| record.kind),
        lost: found.lost.clone(),
        digest: hex(found.digest),
        scenario: plan.scenario.clone(),
        origin: found.origin.clone(),
    };
    print(plan, Some(&head))
}

impl From<&CapsuleHead> for Signature {
    fn from(head: &CapsuleHead) -> Self {
        Self { invariant: head.invariant, site: head.site.clone() }
    }
}

/// The beginning of a capsule's name.
const fn short(invariant: Invariant) -> &'static str {
    match invariant {
        Invariant::NoLostWrites => "lost",
        Invariant::NoPhantomValues => "phantom",
        Invariant::NoResurrectedDeletes => "resurrected",
        Invariant::CopiesConverge => "diverged",
        Invariant::CursorsAreSafe => "cursor",
        Invariant::UnsentEditsSurvive => "unsent",
        Invariant::VersionsAreImmutable => "version",
        Invariant::UploadsAreAtomic => "upload",
        Invariant::BatchesAreAtomic => "batch",
        Invariant::EffectsHappenOnce => "twice",
        Invariant::ServerIsLinearizable => "order",
        Invariant::SessionsAreExclusive => "session",
        Invariant::FencesHold => "fence",
        Invariant::CachesAreCoherent => "stale",
        Invariant::StatusesAreLegal => "status",
        Invariant::SummariesMatch => "sum",
        Invariant::ReadsAreExact => "exact",
        Invariant::DedupKeysAreStable => "key",
        Invariant::DatesRoundTrip => "date",
        Invariant::NoPlaintextLeaves => "plaintext",
        Invariant::RemotesAgree => "remotes",
        Invariant::SystemSettles => "unsettled",
        Invariant::RunEnds => "endless",
        Invariant::NothingPanics => "panic",
        Invariant::ReadsNeverGoBack => "unseen",
        Invariant::CrashesLoseNothing => "crash",
        Invariant::GrowthIsBounded => "growth",
        Invariant::NamesAreSane => "name",
        Invariant::OutcomesAreHonest => "dishonest",
        Invariant::UsersAreIsolated => "leak",
        Invariant::RefusalsHaveReasons => "refused",
        Invariant::LoginsAreWhole => "login",
        Invariant::ValuesAreAsExpected => "value",
        Invariant::RunsAreDeterministic => "random",
    }
}
