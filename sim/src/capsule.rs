//! Capsules: one readable file per failure, from which it can be replayed, shrunk and edited.
//!
//! A capsule is a scenario that spells out its whole plan, under a `[capsule]` table that says
//! where it comes from. It is replayed by that plan and never by the generator, which dies with
//! the build.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{fs, io};

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

/// Bytes of a usual capsule.
const CAPSULE: usize = 32 << 10;

/// The letters of a file's name: none that can be taken for another (RFC 4648, lower case).
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A folder that takes capsules.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

impl Store {
    /// Makes the folder and proves that it takes files, before anything is worth keeping.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            write(&ignore, "# Capsules found here are kept by moving them elsewhere.\n*\n")?;
        }
        probe(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// Keeps a failure. The same failure always gets the same name.
    pub fn keep(&self, plan: &Plan, outcome: &Outcome, found: &Violation) -> io::Result<PathBuf> {
        let text = text(plan, outcome, found);
        let code = base32(outcome.digest());
        let short = short(found.invariant);
        for letters in 4..=code.len() {
            let path = self.0.join(format!("{short}-{}.toml", &code[..letters]));
            match fs::read_to_string(&path) {
                Ok(there) if there != text => {}
                Ok(_) => return Ok(path),
                Err(_) => return write(&path, &text).map(|()| path),
            }
        }
        Err(io::Error::other(format!("every name for {short}-{code} is taken")))
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
        lost: found.token.and_then(|token| scene.tell_write(token)),
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

/// Proves that a folder takes files as large as a capsule.
pub fn probe(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    write(&probe, &" ".repeat(CAPSULE))?;
    fs::remove_file(&probe)
}

/// Writes a file so that it is there whole or not at all.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| io::Error::other("the path names no file"))?;
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create(&draft)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

fn base32(digest: u128) -> String {
    let letter = |at: u32| char::from(BASE32[(digest >> (128 - 5 * (at + 1))) as usize & 31]);
    (0..24).map(letter).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_the_top_of_the_digest() {
        assert_eq!(&base32(0)[..4], "aaaa");
        assert_eq!(&base32(u128::MAX)[..4], "7777");
        assert_eq!(&base32(1 << 123)[..4], "baaa");
        assert_eq!(base32(u128::MAX).len(), 24);
    }
}
