//! Capsules: one readable file per failure, from which it can be replayed, shrunk and edited.
//!
//! A capsule is a scenario that spells out its whole plan, under a `[capsule]` table that says
//! where it comes from. It is replayed by that plan and never by the generator, which dies with
//! the build.

use std::io;
use std::path::{Path, PathBuf};

use harness::capsule::Folder;

use crate::invariant::{Invariant, Violation};
use crate::plan::Plan;
use crate::report::story::Scene;
use crate::run::Outcome;
use crate::scenario::{CapsuleHead, print};
use crate::signature::Signature;

/// Where capsules go unless told otherwise.
pub const FOLDER: &str = ".seawall/capsules";

/// The commit that this binary was built from, or the version where that is not known.
pub const BUILD: &str = env!("SEAWALL_BUILD");

/// A folder that takes capsules.
#[derive(Clone, Debug)]
pub struct Store(Folder);

impl Store {
    /// Makes the folder and proves that it takes files, before anything is worth keeping.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Folder::open(folder).map(Self)
    }

    /// Keeps a failure. The same failure always gets the same name.
    pub fn keep(&self, plan: &Plan, outcome: &Outcome, found: &Violation) -> io::Result<PathBuf> {
        let text = text(plan, outcome, found);
        self.0.keep(short(found.invariant), outcome.digest(), &text)
    }
}

/// The capsule of a failure.
pub fn text(plan: &Plan, outcome: &Outcome, found: &Violation) -> String {
    let signature = Signature::of(found);
    let scene = Scene::new(plan, &outcome.history);
    let head = CapsuleHead {
        seed: plan.seed,
        nature: plan.nature,
        flaws: plan.flaws.iter().collect(),
        build: BUILD.to_owned(),
        invariant: found.invariant,
        site: signature.site,
        record_kind: signature.kind,
        lost: found.token.and_then(|token| scene.evidence().tell_write(token)),
        digest: format!("{:032x}", outcome.digest()),
        scenario: plan.scenario.clone(),
    };
    print(plan, Some(&head))
}

impl From<&CapsuleHead> for Signature {
    fn from(head: &CapsuleHead) -> Self {
        Self { invariant: head.invariant, kind: head.record_kind, site: head.site.clone() }
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
