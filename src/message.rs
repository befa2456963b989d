//! Requests to the sync server, and responses.
//!
//! Any worker can answer any request. A request may arrive twice, and at two workers: a request
//! that changes something carries its client and a number, and takes effect once. A client has one request
//! in flight, so the server keeps one receipt for each replica; a request of an earlier incarnation is
//! refused, since its receipt may be gone.
//!
//! Devices are updated one after the other, so a worker hears from clients of the build before its own as well.
//! A request names its build, and the answer is [in the form that this build reads](Reply::for_build).

mod file;
mod work;

use serde::{Deserialize, Serialize};

pub use self::file::{
    FeedCursor, FileAction, FileRefusal, FileReply, Intent, Item, JobId, Move, Piece, Shown, Target,
};
pub use self::work::{Found, Part, WorkAction, WorkReply};
use crate::id::{AccountField, Build, ReplicaId, UserId};
pub use crate::position::Fence;
use crate::position::Position;
use crate::record::{Payload, Value};
use crate::remote::{CallId, Credential};
use crate::time::{Span, Time};
pub use crate::tree::{Name, Place};

/// A device as the server knows it. It is drawn when the device is installed and copied with its
/// disk, so that a clone and its original contend for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeviceKey(pub u64);

/// One incarnation of one replica: the client that numbers its requests. Incarnations are counted
/// durably, so that a request of an earlier one is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Client {
    /// The replica.
    pub replica: ReplicaId,
    /// The incarnation, from 1.
    pub life: u32,
}

/// An operation of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Sets fields of the account, all in one commit. Other fields stay as they are.
    Patch(Vec<(AccountField, Payload)>),
    /// Shows the account with its history.
    ReadAccount,
    /// Saves, claims, finishes or reads conversations.
    Work(WorkAction),
    /// Changes or reads files.
    File(FileAction),
}

/// The command of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Opens a session of this device. A session that the client holds already is no obstacle.
    Open,
    /// Closes the session.
    Close(Fence),
    /// Asks who holds the session of this device.
    Status,
    /// Reads, without a session: a read that comes twice or late does no harm. [`Refusal::Invalid`]
    /// for an action that [changes something](Action::only_reads).
    Read(Action),
    /// Changes or reads something under a session.
    Act {
        /// The session's fencing token.
        fence: Fence,
        /// The number of the action within its client, from 1. The client sends it until it is
        /// answered.
        n: u32,
        /// The operation.
        action: Action,
    },
}

impl Action {
    /// Does it leave the state as it is?
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
    /// The operation, if the command has one.
    pub const fn action(&self) -> Option<&Action> {
        match self {
            Self::Read(action) | Self::Act { action, .. } => Some(action),
            Self::Open | Self::Close(_) | Self::Status => None,
        }
    }
}

/// A request to the sync server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number of the request within one incarnation.
    pub id: CallId,
    /// The number of the attempt, from 0.
    pub attempt: u16,
    /// The credential of the user. It cannot be forged.
    pub credential: Option<Credential>,
    /// The space that the device names. It may be another user's.
    pub space: UserId,
    /// The device's key, as the device says.
    pub device: DeviceKey,
    /// The client that sent it.
    pub client: Client,
    /// The build of the client.
    pub build: Build,
    /// The newest commit that the client has heard of. A worker that knows less reads on before it
    /// decides, and refuses with [`Refusal::AnotherLog`] if that commit is not in its log.
    pub heard: Position,
    /// What is asked.
    pub command: Command,
}

/// Every version of a field, the current one last.
pub type Versions = Vec<Payload>;

/// What a worker replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Command::Open`]: the fencing token.
    Opened(Fence),
    /// To [`Command::Close`]: the client does not hold the session any more.
    Closed,
    /// To [`Command::Status`]: the holder and when others may take over, by the server's clocks.
    Status(Option<(ReplicaId, Time)>),
    /// To [`Action::Patch`].
    Patched,
    /// To [`Action::ReadAccount`]: the fields that were ever set, with all their versions.
    Account(Vec<(AccountField, Versions)>),
    /// The request was refused and had no effect.
    Refused(Refusal),
    /// To [`Action::Work`].
    Work(WorkReply),
    /// To [`Action::File`].
    File(FileReply),
}

impl Reply {
    /// The reply in the form that a client of this build reads.
    #[must_use]
    pub fn for_build(self, build: Build) -> Self {
        match (self, build) {
            (Self::Refused(Refusal::File(refusal)), Build::Previous) => {
                Self::Refused(refusal.for_build(build).into())
            }
            (Self::File(FileReply::Job(items, total)), Build::Previous) => {
                let told = |item: Item| item.map_err(|refusal| refusal.for_build(build));
                Self::File(FileReply::Job(items.into_iter().map(told).collect(), total))
            }
            (reply, Build::Previous | Build::Current) => reply,
        }
    }

    /// Can a client of this build read the reply?
    pub(crate) fn is_for_build(&self, build: Build) -> bool {
        build == Build::Current || *self == self.clone().for_build(build)
    }

    /// Can no later commit make this reply wrong? A piece is addressed by its content.
    pub(crate) const fn lasts(&self) -> bool {
        matches!(self, Self::File(FileReply::Piece(_)))
    }
}

/// Why a worker refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// Another client holds the session or the claim, or the worker's queue is full. The client
    /// waits at least this long.
    Busy(Span),
    /// The client does not hold the session, or not any more. It may open a new one.
    Fenced,
    /// The commit that the client has heard of is not in the log: the volume was restored from an
    /// older backup, and what the client received may be gone.
    AnotherLog,
    /// The number was used for another action, or a later one was used since.
    Misnumbered,
    /// There is no credential, or it has expired.
    NotAuthenticated,
    /// The space belongs to another user.
    Forbidden,
    /// The request is malformed and will always be refused.
    Invalid,
    /// The worker found what should not be.
    Internal,
    /// Another version is current: this one.
    Changed(u32),
    /// The client does not hold the claim any more.
    LeaseLost,
    /// The request is about files and cannot be done now.
    File(FileRefusal),
}

impl From<FileRefusal> for Refusal {
    fn from(refusal: FileRefusal) -> Self {
        Self::File(refusal)
    }
}

/// A response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The request's number.
    pub id: CallId,
    /// The attempt that it answers.
    pub attempt: u16,
    /// The commit that had the effect, or up to which the reply is current; the start if no log was
    /// read.
    pub at: Position,
    /// The reply.
    pub reply: Reply,
}

impl Response {
    /// The newest commit that the client has heard of once it has this response. The log that it
    /// comes from has the commit that the client had heard of before, or the reply says that it has
    /// not.
    pub(crate) fn heard_after(&self, before: Position) -> Position {
        if self.reply == Reply::Refused(Refusal::AnotherLog) {
            return self.at;
        }
        let after = before.max(self.at);
        assert!(after >= before, "within one log, what was heard of does not go back");
        after
    }
}

/// May a field of an account hold this value?
pub const fn takes(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}
