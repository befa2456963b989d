//! How a conversation comes into the vault: what is there is read, joined with what has come, and
//! saved as the next version, from the start again whenever somebody else was faster.
//!
//! Both paths, an upload and the daily ingest, go through this one. The server sees neither the
//! messages nor the merge: a day, a count, and sealed bytes bound to the conversation's key.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::date::{Calendar, DateError, DateKey};
use crate::dedup::{DedupKey, Message, Origin, Thread};
use crate::flaw::{Flaw, Flaws};
use crate::id::VaultId;
use crate::job::BlobHash;
use crate::message::{Found, Part, Refusal, WorkAction, WorkReply};
use crate::record::Payload;
use crate::seal::{Key, Keyring, OpenError};

/// A nonce of the sealing cipher.
type Nonce = [u8; 24];

/// The way by which a conversation comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Path {
    /// The user hands it over.
    Upload,
    /// It is fetched from its service once a day.
    Daily,
}

/// A conversation as it comes: all of it or a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Where it was held.
    pub origin: Origin,
    /// What it is called; titles change.
    pub title: String,
    /// When it began, as written there.
    pub began: String,
    /// Its messages, in any order.
    pub messages: Vec<Message>,
}

/// What a device has to know of a vault to handle its conversations.
#[derive(Clone, Debug)]
pub struct Vault {
    /// Which vault.
    pub id: VaultId,
    /// The secret of blind keys: one per vault, never changed.
    pub secret: Key,
    /// The keys to open and seal with.
    pub keyring: Keyring,
    /// Days in its home zone.
    pub calendar: Calendar,
    /// Known bugs that are switched on.
    pub flaws: Flaws,
}

/// What a blob holds: a part of what it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Thread,
    Result,
}

impl Vault {
    /// The key of a conversation.
    pub fn key(&self, origin: &Origin) -> DedupKey {
        DedupKey::new(&self.secret, origin)
    }

    fn key_of(&self, conversation: &Conversation, path: Path) -> DedupKey {
        let origin = &conversation.origin;
        match path {
            #[cfg(feature = "flaws")]
            Path::Daily if self.flaws.has(Flaw::BpDedupSplit) => {
                crate::dedup::key_by_title(&self.secret, origin, &conversation.title)
            }
            Path::Upload | Path::Daily => self.key(origin),
        }
    }

    fn day_of(&self, conversation: &Conversation, path: Path) -> Result<DateKey, DateError> {
        match (self.calendar.day(&conversation.began), path) {
            (Err(DateError::Ambiguous { month_first, day_first }), path)
                if self.flaws.has(Flaw::BpDateLocale) =>
            {
                Ok(if path == Path::Upload { day_first } else { month_first })
            }
            (told, Path::Upload | Path::Daily) => told,
        }
    }

    fn binding(&self, key: DedupKey, version: u32, holds: Holds) -> Vec<u8> {
        let kind: &[u8] = match holds {
            Holds::Thread => b"conversation",
            Holds::Result => b"result",
        };
        [kind, &self.id.0.to_be_bytes(), &key.to_bytes(), &version.to_be_bytes()].concat()
    }

    /// Opens what a version says.
    pub fn open_thread(&self, found: &Found) -> Result<Thread, OpenError> {
        let binding = self.binding(found.name.key, found.name.version, Holds::Thread);
        let plain = self.keyring.open_bytes(&binding, &found.blob)?;
        Thread::decode(&plain).ok_or(OpenError::Corrupt)
    }

    /// Seals what came of the work on a version; `None` without a key.
    pub fn seal_result(
        &self,
        (key, version): (DedupKey, u32),
        result: &Payload,
        nonce: Nonce,
    ) -> Option<Bytes> {
        let plain = postcard::to_allocvec(result).expect("memory is the only limit");
        self.keyring.seal_bytes(&self.binding(key, version, Holds::Result), &plain, nonce)
    }

    /// Opens what came of the work on a version.
    pub fn open_result(&self, found: &Found) -> Result<Payload, OpenError> {
        let binding = self.binding(found.name.key, found.name.version, Holds::Result);
        let plain = self.keyring.open_bytes(&binding, &found.blob)?;
        postcard::from_bytes(&plain).map_err(|_| OpenError::Corrupt)
    }
}

/// A conversation on its way in.
#[derive(Clone, Debug)]
pub struct Ingest {
    key: DedupKey,
    thread: Thread,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// This is to be asked of the server.
    Ask(WorkAction),
    /// All of it is in this version.
    Done(u32),
}

/// Why a conversation did not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// What is there cannot be opened, and must not be written over.
    Sealed(OpenError),
    /// There is no key to seal with.
    Keyless,
    /// The server refused.
    Refused(Refusal),
}

impl Ingest {
    /// Takes a conversation as it comes.
    pub fn new(vault: &Vault, path: Path, conversation: Conversation) -> Result<Self, DateError> {
        let key = vault.key_of(&conversation, path);
        let day = vault.day_of(&conversation, path)?;
        let Conversation { origin, messages, .. } = conversation;
        Ok(Self { key, thread: Thread::new(origin, day, messages) })
    }

    /// Under which key it is kept.
    pub const fn key(&self) -> DedupKey {
        self.key
    }

    /// What is to be asked first.
    pub fn begin(&self) -> WorkAction {
        WorkAction::Read(self.key, Part::Current)
    }

    /// Takes the answer to what was asked last.
    pub fn take(
        &self,
        vault: &Vault,
        answer: Result<WorkReply, Refusal>,
        nonce: Nonce,
    ) -> Result<Step, Trouble> {
        match answer {
            Ok(WorkReply::Item(None)) => self.save(vault, None, &self.thread, nonce),
            Ok(WorkReply::Item(Some(found))) => {
                let theirs = vault.open_thread(&found).map_err(Trouble::Sealed)?;
                let mut merged = theirs.clone();
                merged.join(&self.thread);
                #[cfg(feature = "flaws")]
                if vault.flaws.has(Flaw::BpMergeDup) {
                    merged.clone_from(&theirs);
                    merged.append(&self.thread);
                }
                assert!(
                    merged.messages().len() >= self.thread.messages().len(),
                    "a merged conversation lacks no message of its copies"
                );
                if merged == theirs {
                    return Ok(Step::Done(found.name.version));
                }
                self.save(vault, Some((found.name.version, found.name.hash)), &merged, nonce)
            }
            Ok(WorkReply::Saved(version)) => Ok(Step::Done(version)),
            Err(Refusal::Changed(_)) => Ok(Step::Ask(self.begin())),
            Err(refusal) => Err(Trouble::Refused(refusal)),
            // An answer to another question.
            Ok(
                WorkReply::Claimed(_)
                | WorkReply::Finished
                | WorkReply::WasReset
                | WorkReply::Day(..),
            ) => Err(Trouble::Refused(Refusal::Internal)),
        }
    }

    fn save(
        &self,
        vault: &Vault,
        expected: Option<(u32, BlobHash)>,
        thread: &Thread,
        nonce: Nonce,
    ) -> Result<Step, Trouble> {
        let version = expected.map_or(1, |(version, _)| version.saturating_add(1));
        assert!(version > 0, "versions are numbered from 1");
        let binding = vault.binding(self.key, version, Holds::Thread);
        let blob = vault.keyring.seal_bytes(&binding, &thread.encode(), nonce);
        Ok(Step::Ask(WorkAction::Save {
            key: self.key,
            expected,
            day: thread.day,
            messages: u32::try_from(thread.messages().len()).unwrap_or(u32::MAX),
            blob: blob.ok_or(Trouble::Keyless)?,
        }))
    }
}
