//! What a user asks of a device, and what they are answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::date::DateError;
use crate::dedup::DedupKey;
use crate::id::{AccountField, Dot, FieldId, Kind, NodeId, RecordId, Token};
use crate::ingest::{Conversation, Path};
use crate::message::{FileRefusal, FileReply, Item, JobId, Refusal, Reply, Versions};
use crate::name::BadName;
use crate::record::{Handle, Payload, Value, Vv};
use crate::seal::{KeyName, OpenError};
use crate::view::Strategy;

/// What a user asks.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Show a record.
    Read(RecordId),
    /// Name the records that are there, deleted ones included.
    List,
    /// Set fields, all under one dot, replacing what the handle covers.
    Write {
        /// The record to change.
        id: RecordId,
        /// The read that this builds on.
        handle: Handle,
        /// New values by field.
        changes: Vec<(FieldId, Value)>,
        /// The application's label.
        token: Token,
    },
    /// Count up or down. Replaces only this replica's own earlier count.
    Increment {
        /// The record to count in.
        id: RecordId,
        /// The read that this builds on: it tells only whether the record was seen deleted.
        handle: Handle,
        /// The counter.
        field: FieldId,
        /// By how much.
        by: i64,
        /// The application's label.
        token: Token,
    },
    /// Delete what the handle covers.
    Delete {
        /// The record to delete.
        id: RecordId,
        /// The read that this builds on.
        handle: Handle,
        /// The application's label.
        token: Token,
    },
    /// Sign in, as an app start with a saved session does too: pull both remotes, then open.
    SignIn,
    /// Sign out and wipe the device; refused while edits are unsent.
    SignOut,
    /// Make a new key, as soon as nothing is sealed and both remotes are pulled to their heads.
    RotateKey,
    /// Show a field by another strategy.
    Register {
        /// Of which kind.
        kind: Kind,
        /// The field.
        field: FieldId,
        /// The strategy that shows it from now on.
        strategy: Arc<dyn Strategy>,
    },
    /// Set fields of the account, which the sync server keeps.
    Patch(Vec<(AccountField, Payload)>),
    /// Show the account, as the sync server has it now.
    ReadAccount,
    /// Tell whose this device's session with the sync server is.
    SessionStatus,
    /// Name all files and folders, deleted ones included, as they are known here.
    ListFiles,
    /// Set the content of a file. It is saved here, and uploaded as soon as that can be.
    WriteFile {
        /// Of which file.
        target: FileTarget,
        /// The new content.
        content: Payload,
    },
    /// Show the content of a file: of every head, own ones that are not sent yet included.
    ReadFile(NodeId),
    /// Show the content of one version.
    ReadVersion(NodeId, u32),
    /// Name all versions of a file.
    ReadVersions(NodeId),
    /// Make a folder in this one, under this name.
    CreateFolder(NodeId, String),
    /// Move and rename, all of it or nothing. Too many for one commit become a job.
    MoveFiles(Vec<Relocation>),
    /// Delete a file, or an empty folder.
    DeleteFile {
        /// The file or folder.
        node: NodeId,
        /// The latest version in the listing that this builds on. One that came later beats it.
        seen: u32,
    },
    /// Bring a deleted file or folder back to where it was.
    UndeleteFile(NodeId),
    /// Make a new version with the content of an old one.
    RestoreVersion {
        /// Of which file.
        node: NodeId,
        /// The old one.
        version: u32,
        /// What the user was shown of the file, which the new one takes the place of: [`Listed::seen`].
        seen: Vv,
        /// The application's label of the new one.
        token: Token,
    },
    /// Tell how far a job is.
    ReadJob(JobId),
    /// Bring a conversation in, or a part of it.
    Ingest {
        /// By which way it comes.
        path: Path,
        /// As it comes.
        conversation: Box<Conversation>,
    },
    /// Pull and push now.
    Sync,
    /// Tell how things stand.
    Status,
}

/// Which file a write is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileTarget {
    /// One that is not there yet. A clash of names ends with both: see [`crate::name::of_copy`].
    New {
        /// In which folder.
        parent: NodeId,
        /// Under which name.
        name: String,
    },
    /// Another version of one that is there, or will be once an own write is sent.
    Version {
        /// The file.
        node: NodeId,
        /// What the user was shown of the file, which it takes the place of: [`Listed::seen`].
        seen: Vv,
    },
}

/// Puts a node somewhere else, or renames it, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relocation {
    /// The file or folder.
    pub node: NodeId,
    /// To which folder, if it leaves its own.
    pub parent: Option<NodeId>,
    /// Its new name, if it gets one.
    pub name: Option<String>,
}

/// What a user is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Read`].
    Read(Reading),
    /// To [`Ask::List`].
    Listed(Vec<RecordId>),
    /// To a write, increment or delete, and to [`Ask::WriteFile`]: it survives a crash of this device.
    Saved,
    /// To [`Ask::SignIn`]: the gate is open. `partial` if one remote was silent.
    SignedIn {
        /// Is one remote not merged yet?
        partial: bool,
    },
    /// To [`Ask::SignOut`]: nothing is left on the device.
    SignedOut,
    /// To [`Ask::RotateKey`]: new rows are sealed under this key.
    Rotated(KeyName),
    /// To [`Ask::Register`].
    Registered,
    /// To [`Ask::Patch`]: the sync server committed it.
    Patched,
    /// To [`Ask::ReadAccount`]: every field that was ever set, with all its versions.
    Account(Vec<(AccountField, Versions)>),
    /// To [`Ask::SessionStatus`]: is there a session, and is it this device's own?
    Session(Option<bool>),
    /// To [`Ask::ListFiles`]: by their ids.
    Files(Vec<Listed>),
    /// To what is asked about files, but for listing and writing.
    File(FileAnswer),
    /// To [`Ask::Ingest`]: all of the conversation is in this version.
    Ingested(DedupKey, u32),
    /// To [`Ask::Sync`]: the request was taken.
    Syncing,
    /// To [`Ask::Status`].
    Status(Status),
    /// The request had no effect and never will.
    Refused(Reason),
}

impl Answer {
    /// What the server answered, as the user is shown it.
    pub(super) fn told(answer: Result<Reply, Refusal>) -> Self {
        match answer {
            Ok(Reply::Patched) => Self::Patched,
            Ok(Reply::Account(fields)) => Self::Account(fields),
            Ok(Reply::File(FileReply::Done)) => Self::File(FileAnswer::Done),
            Ok(Reply::File(FileReply::Moved)) => Self::File(FileAnswer::Moved),
            Ok(Reply::File(FileReply::Accepted(id))) => Self::File(FileAnswer::Accepted(id)),
            Ok(Reply::File(FileReply::Published(n))) => Self::File(FileAnswer::Published(n)),
            Ok(Reply::File(FileReply::Job(items, all))) => Self::File(FileAnswer::Job(items, all)),
            Err(Refusal::Invalid) => Self::Refused(Reason::WrongField),
            Err(Refusal::File(refusal)) => Self::Refused(Reason::File(refusal)),
            // What failed inside. Hostile, or broken: an answer to another question.
            Ok(_) | Err(_) => Self::Refused(Reason::Internal),
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// Nobody is signed in.
    SignedOut,
    /// So many records have edits that a remote lacks.
    Unsent(u32),
    /// The field does not exist in this kind, or does not hold this kind of value.
    WrongField,
    /// There is no sync server.
    NoServer,
    /// The sync server failed inside.
    Internal,
    /// Something about files is not so, or not any more.
    File(FileRefusal),
    /// Something is no name.
    BadName(BadName),
    /// No day can be told for a conversation.
    Date(DateError),
    /// What this would build on cannot be opened.
    Sealed(OpenError),
    /// There is no key yet to seal with.
    Keyless,
}

/// A file or a folder as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The file or folder.
    pub node: NodeId,
    /// In which folder it is, or was when it was deleted.
    pub parent: NodeId,
    /// Its name; empty while that cannot be opened.
    pub name: String,
    /// Is it a folder?
    pub is_folder: bool,
    /// Is it deleted?
    pub deleted: bool,
    /// The number of the latest version that the server has shown; 0 for none.
    pub latest: u32,
    /// The versions that none replaces, oldest first. The first one has the name.
    pub heads: Vec<Head>,
    /// The names of the virtual copies: of all heads but the first.
    pub copies: Vec<String>,
    /// The writes that are shown here, and all that they were built on: names this listing in a write
    /// that builds on it. Such a write resolves a conflict.
    pub seen: Vv,
    /// Can the name not be opened yet?
    pub sealed: bool,
}

/// A version as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number; none as long as it is an own write that has not been sent.
    pub version: Option<u32>,
    /// The write that made it.
    pub write: Dot,
    /// The label of that write; none while that cannot be opened.
    pub token: Option<Token>,
}

/// An answer about files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileAnswer {
    /// It is so.
    Done,
    /// To [`Ask::CreateFolder`]: as this one.
    Created(NodeId),
    /// To [`Ask::MoveFiles`]: all of it, at once.
    Moved,
    /// To [`Ask::MoveFiles`]: it will be done in parts.
    Accepted(JobId),
    /// To [`Ask::RestoreVersion`]: as this version.
    Published(u32),
    /// To [`Ask::ReadFile`] and [`Ask::ReadVersion`]: what each of them says, or why that cannot be
    /// opened.
    Content(Vec<(Head, Result<Payload, OpenError>)>),
    /// To [`Ask::ReadVersions`]: every version, from 1.
    Versions(Vec<Head>),
    /// To [`Ask::ReadJob`]: what became of the items so far, and how many there are.
    Job(Vec<Item>, u32),
}

/// How things stand on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Is the login gate open?
    pub open: bool,
    /// Is one remote not merged since the login?
    pub partial: bool,
    /// Records that a remote lacks, by remote, without those parked.
    pub unsent: [u32; 2],
    /// Rows that cannot be opened yet, by remote.
    pub sealed: [u32; 2],
    /// Rows refused for good, by remote.
    pub parked: [u32; 2],
}

/// A record as shown to the user: every sibling of every field, and a handle on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The record.
    pub id: RecordId,
    /// Is it there?
    pub presence: Presence,
    /// The fields that hold something, by number. Of a deleted record: what can be restored.
    pub fields: Vec<FieldReading>,
    /// The deletes that are part of it: of a live record, those that an edit has beaten.
    pub deletes: Vec<Token>,
    /// Does a remote hold a state of it that cannot be opened yet?
    pub sealed: bool,
    /// Is one remote not merged since the login?
    pub partial: bool,
    /// Names this read in a write that builds on it.
    pub handle: Handle,
}

/// Is a record there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Presence {
    /// Never written, as far as this device knows.
    Absent,
    /// There.
    Live,
    /// Deleted.
    Deleted,
}

/// A field as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldReading {
    /// The field.
    pub field: FieldId,
    /// The value shown.
    pub value: Value,
    /// The writes that it accounts for.
    pub contributors: Vec<Token>,
    /// The writes that it does not account for.
    pub conflicts: Vec<Payload>,
    /// Of a counter: what was last counted here, which the next increment replaces.
    pub counted: Option<Token>,
}
