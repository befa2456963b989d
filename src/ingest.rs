//! Brings a conversation into the vault: reads what is stored, joins it with what has come, and
//! saves the result as the next version. If another writer saves first, it starts again from
//! reading.
//!
//! Both paths, an upload and the daily ingest, use this code. The server sees neither the messages
//! nor the merge: only a day, a count, and sealed bytes that are bound to the conversation's key.

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

/// The path by which a conversation comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Path {
    /// The user uploads it.
    Upload,
    /// It is fetched from its service once a day.
    Daily,
}

/// A conversation as it comes: all of it or a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The service that held it, and its name there.
    pub origin: Origin,
    /// Its title, which may change.
    pub title: String,
    /// When it began, as the service writes it.
    pub began: String,
    /// Its messages, in any order.
    pub messages: Vec<Message>,
}

/// What a device has to know of a vault to handle its conversations.
#[derive(Clone, Debug)]
pub struct Vault {
    /// The vault's id.
    pub id: VaultId,
    /// The secret of blind keys: one per vault, never changed.
    pub secret: Key,
    /// The keys to open and seal with.
    pub keyring: Keyring,
    /// The calendar of the vault's home zone.
    pub calendar: Calendar,
    /// Known bugs that are switched on.
    pub flaws: Flaws,
}

/// The content of a blob, as part of its binding.
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

    /// Opens the content of a version.
    pub fn open_thread(&self, found: &Found) -> Result<Thread, OpenError> {
        let binding = self.binding(found.name.key, found.name.version, Holds::Thread);
        let plain = self.keyring.open_bytes(&binding, &found.blob)?;
        Thread::decode(&plain).ok_or(OpenError::Corrupt)
    }

    /// Seals the result of the work on a version; `None` without a key.
    pub fn seal_result(
        &self,
        (key, version): (DedupKey, u32),
        result: &Payload,
        nonce: Nonce,
    ) -> Option<Bytes> {
        let plain = postcard::to_allocvec(result).expect("memory is the only limit");
        self.keyring.seal_bytes(&self.binding(key, version, Holds::Result), &plain, nonce)
    }

    /// Opens the result of the work on a version.
    pub fn open_result(&self, found: &Found) -> Result<Payload, OpenError> {
        let binding = self.binding(found.name.key, found.name.version, Holds::Result);
        let plain = self.keyring.open_bytes(&binding, &found.blob)?;
        postcard::from_bytes(&plain).map_err(|_| OpenError::Corrupt)
    }
}

/// A conversation that is being brought in.
#[derive(Clone, Debug)]
pub struct Ingest {
    key: DedupKey,
    thread: Thread,
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask this of the server.
    Ask(WorkAction),
    /// Nothing: this version holds all of the conversation.
    Done(u32),
}

/// Why a conversation could not be brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The stored version cannot be opened, and must not be overwritten.
    Sealed(OpenError),
    /// There is no key to seal with.
    Keyless,
    /// The server refused.
    Refused(Refusal),
}

impl Ingest {
    /// Takes a conversation as it comes. Fails if its day cannot be read.
    pub fn new(vault: &Vault, path: Path, conversation: Conversation) -> Result<Self, DateError> {
        let key = vault.key_of(&conversation, path);
        let day = vault.day_of(&conversation, path)?;
        let Conversation { origin, messages, .. } = conversation;
        tracing::debug!(%key, %day, ?path, messages = messages.len(), "takes a conversation");
        Ok(Self { key, thread: Thread::new(origin, day, messages) })
    }

    /// The key under which it is stored.
    pub const fn key(&self) -> DedupKey {
        self.key
    }

    /// The first action: reads the current version.
    pub fn begin(&self) -> WorkAction {
        WorkAction::Read(self.key, Part::Current)
    }

    /// Takes the answer to the last action.
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
                let (key, version) = (self.key, found.name.version);
                tracing::debug!(%key, version, "joins a conversation with the stored version");
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
            Err(Refusal::Changed(version)) => {
                tracing::debug!(key = %self.key, version, "another writer saved first; reading again");
                Ok(Step::Ask(self.begin()))
            }
            Err(refusal) => Err(Trouble::Refused(refusal)),
            // A worker that answers another question has a bug; it is refused like any failure of
            // the server.
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
        tracing::debug!(key = %self.key, version, "saves a version of a conversation");
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
