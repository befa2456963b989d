//! What a device asks of the sync server, and what it may be answered.
//!
//! Any worker can answer any request. A request may arrive twice, and at two workers: what changes
//! something is named by its client and number, and takes effect once.

mod file;
mod work;

use serde::{Deserialize, Serialize};

pub use self::file::{
    FeedCursor, FileAction, FileRefusal, FileReply, Intent, Item, JobId, Move, Name, Piece, Place,
    Shown, Target,
};
pub use self::work::{Found, Part, WorkAction, WorkReply};
use crate::id::{AccountField, ReplicaId, UserId};
use crate::log::Position;
use crate::record::{Payload, Value};
use crate::remote::{CallId, Credential};
use crate::time::{Span, Time};

/// A device as the server knows it: drawn when it is installed and kept by every copy of its disk,
/// so that a clone and its original contend for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceKey(pub u64);

/// One life of one replica: who numbers its requests. Lives are counted durably, so that a request
/// of an earlier life is known for what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Client {
    /// Whose life.
    pub replica: ReplicaId,
    /// Which, from 1.
    pub life: u32,
}

/// The commit that granted a lease. In one log a newer grant has a larger one, but for two lives of
/// one replica that meet in one commit; a comparison of fences compares clients too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fence(pub Position);

/// What is done or read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Sets fields of the account, all in one commit. Other fields stay as they are.
    Patch(Vec<(AccountField, Payload)>),
    /// Shows the account with its history.
    ReadAccount,
    /// Does something about conversations and the work on them.
    Work(WorkAction),
    /// Does something about files.
    File(FileAction),
}

/// What a device asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Starts the session of this device. Its own session is no obstacle.
    Open,
    /// Ends the session.
    Close(Fence),
    /// Tells who has the session of this device.
    Status,
    /// Reads. That needs no session: nothing can come of it twice, or too late. [`Refusal::Invalid`]
    /// for what [changes something](Action::only_reads).
    Read(Action),
    /// Does something under the session, or reads while it lasts.
    Act {
        /// The session.
        fence: Fence,
        /// Numbers the actions of one client, from 1, each sent until it is answered.
        n: u32,
        /// What is to be done.
        action: Action,
    },
}

impl Action {
    /// Does it leave everything as it is?
    pub const fn only_reads(&self) -> bool {
        match self {
            Self::Patch(_) => false,
            Self::ReadAccount => true,
            Self::Work(action) => match action {
                WorkAction::Read(..) | WorkAction::ReadDay(_) => true,
                WorkAction::Save { .. }
                | WorkAction::Claim(_)
                | WorkAction::Finish { .. }
                | WorkAction::Reset(_) => false,
            },
            Self::File(action) => match action {
                FileAction::Uploaded(_)
                | FileAction::Lookup(..)
                | FileAction::ReadVersions(_)
                | FileAction::ReadPiece(..)
                | FileAction::Feed(..)
                | FileAction::ReadJob(_) => true,
                FileAction::CreateFolder(..)
                | FileAction::Move(_)
                | FileAction::Delete(..)
                | FileAction::Undelete(..)
                | FileAction::Begin(..)
                | FileAction::PutPiece(..)
                | FileAction::Publish(..)
                | FileAction::Restore { .. } => false,
            },
        }
    }
}

impl Command {
    /// What is to be done or read.
    pub const fn action(&self) -> Option<&Action> {
        match self {
            Self::Read(action) | Self::Act { action, .. } => Some(action),
            Self::Open | Self::Close(_) | Self::Status => None,
        }
    }
}

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which request, within one life of a device.
    pub id: CallId,
    /// 0 for the first try.
    pub attempt: u16,
    /// Who is asking. It cannot be forged.
    pub credential: Option<Credential>,
    /// Whose space is meant, as the device says.
    pub space: UserId,
    /// Which device, as it says.
    pub device: DeviceKey,
    /// Which life of which replica.
    pub client: Client,
    /// The newest commit that the asker has heard of. A worker that knows less reads on before it
    /// decides, and refuses as [`Refusal::AnotherLog`] if that commit is not in its log.
    pub heard: Position,
    /// What is asked.
    pub command: Command,
}

/// Every version of a field, the current one last.
pub type Versions = Vec<Payload>;

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Command::Open`].
    Opened(Fence),
    /// To [`Command::Close`]: the session is not this device's any more.
    Closed,
    /// To [`Command::Status`]: who has it and until when, by the server's clocks.
    Status(Option<(ReplicaId, Time)>),
    /// To [`Action::Patch`].
    Patched,
    /// To [`Action::ReadAccount`]: the fields that were ever set.
    Account(Vec<(AccountField, Versions)>),
    /// It had no effect.
    Refused(Refusal),
    /// To [`Action::Work`].
    Work(WorkReply),
    /// To [`Action::File`].
    File(FileReply),
}

impl Reply {
    /// Is it right for ever? A piece is named by its content.
    pub(crate) const fn lasts(&self) -> bool {
        matches!(self, Self::File(FileReply::Piece(_)))
    }
}

/// Why a worker did not do as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// Another owner has the session of this device, or the worker has too much to do: come back no
    /// sooner than this.
    Busy(Span),
    /// The session is not the asker's, or not any more: it may start it anew.
    Fenced,
    /// The commit that the asker has heard of is not in the log: the volume was restored from an older
    /// backup, and what the asker was told may be gone.
    AnotherLog,
    /// The number was used for something else, or is out of date.
    Misnumbered,
    /// No credential, or one that has expired.
    NotAuthenticated,
    /// The space is not the asker's.
    Forbidden,
    /// Never acceptable as it is.
    Invalid,
    /// Something went wrong inside.
    Internal,
    /// Another version is the current one: this.
    Changed(u32),
    /// The claim is not the asker's any more.
    LeaseLost,
    /// Something about files that is not so, or not any more.
    File(FileRefusal),
}

impl From<FileRefusal> for Refusal {
    fn from(refusal: FileRefusal) -> Self {
        Self::File(refusal)
    }
}

/// An answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Which request.
    pub id: CallId,
    /// Which try of it.
    pub attempt: u16,
    /// The commit that had this effect, or up to which the answer knows; the start if the answer comes
    /// from no log.
    pub at: Position,
    /// What is answered.
    pub reply: Reply,
}

impl Response {
    /// The newest commit that its reader has heard of, who had heard of this one. The log that answers
    /// has that one, or says that it has not.
    pub(crate) fn heard_after(&self, before: Position) -> Position {
        if self.reply == Reply::Refused(Refusal::AnotherLog) {
            return self.at;
        }
        let after = before.max(self.at);
        assert!(after >= before, "within one log, what was heard of does not go back");
        after
    }
}

/// May this value be put into a field of an account?
pub const fn takes(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}
