//! Requests about files, and replies.
//!
//! A device replicates files as it replicates records: the feed brings what has changed since a
//! cursor, and what the feed lacks remains to be sent. Devices name the nodes and versions that
//! they create, so what is sent twice is created once.

use serde::{Deserialize, Serialize};

use super::Client;
use crate::Bytes;
use crate::blob::{Address, Manifest};
use crate::id::{Build, Dot, NodeId, UserId};
use crate::name::NameKey;
use crate::position::Position;
use crate::record::Vv;
use crate::tree::{Name, Node, Place, Version};

/// Moves a node, renames it, or both. What is left out stays as it is when the move is decided, so
/// that a concurrent rename and move both last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The node.
    pub node: NodeId,
    /// The new folder.
    pub parent: Option<NodeId>,
    /// The new name.
    pub name: Option<Name>,
}

/// The file that an upload is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// A new file: its first version.
    New(NodeId, Place),
    /// Another version of a file.
    Version(NodeId),
}

impl Target {
    /// The file.
    pub const fn node(&self) -> NodeId {
        match self {
            Self::New(node, _) | Self::Version(node) => *node,
        }
    }
}

/// What a blob is published as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The file that it is for.
    pub target: Target,
    /// The write that the version is.
    pub write: Dot,
    /// The writes that it was built on. If these are all heads, it resolves a conflict.
    pub seen: Vv,
    /// What only devices can read: the key of the content, its hash, and the like.
    pub sealed: Bytes,
}

/// The id of a job: the client that asked for it, and the number of the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId {
    /// The client.
    pub client: Client,
    /// The number of its action.
    pub n: u32,
}

/// A cursor of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedCursor {
    /// The space that was read.
    pub space: UserId,
    /// The commit that the last page was taken from. A log without it is not the log that was read.
    pub at: Position,
    /// The last change that a page has brought: the number of its commit, and the node.
    pub upto: (u64, NodeId),
}

/// A piece of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The number of the upload, as [`FileReply::Begun`] gave it.
    pub upload: u64,
    /// The index of the piece, from 0.
    pub n: u32,
    /// Its bytes.
    pub bytes: Bytes,
}

/// An operation on files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileAction {
    /// Creates a folder.
    CreateFolder(NodeId, Place),
    /// Moves all of these nodes as one: nodes can swap places. A batch that is too long for one
    /// commit becomes a job.
    Move(Vec<Move>),
    /// Deletes a file whose heads are all among the versions that these writes became, or an empty
    /// folder.
    Delete(NodeId, Vec<Dot>),
    /// Brings a deleted node back to its old place, or to another.
    Undelete(NodeId, Option<Place>),
    /// Registers an upload or renews it: the server keeps its pieces for the length of a lease.
    Begin(Manifest, Intent),
    /// Uploads one piece of a blob.
    PutPiece(Address, Piece),
    /// Asks which pieces are there.
    Uploaded(Address),
    /// Publishes a blob: its version and its name become visible in one commit. Carries the last
    /// piece, unless that is there already.
    Publish(Address, Option<Piece>),
    /// Creates a version with the content of an old one.
    Restore {
        /// The file.
        node: NodeId,
        /// The number of the old version.
        version: u32,
        /// The content of the old version.
        blob: Address,
        /// The writes that the new version was built on.
        seen: Vv,
        /// The write that the new version is.
        write: Dot,
        /// The metadata of the new version, which only devices can read.
        sealed: Bytes,
    },
    /// Looks up the node at a place.
    Lookup(NodeId, NameKey),
    /// Lists all versions of a file.
    ReadVersions(NodeId),
    /// Reads a piece of the content of a version. The device checks it against the address.
    ReadPiece(Address, u32),
    /// Reads the nodes that have changed since a cursor, in order, this many at most.
    Feed(Option<FeedCursor>, u16),
    /// Asks how far a job is.
    ReadJob(JobId),
}

/// A node, and its heads if it is a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The node's id.
    pub id: NodeId,
    /// The node.
    pub node: Node,
    /// The heads by number. The first one has the name; the others are shown as virtual copies, see
    /// [`crate::name::of_copy`].
    pub heads: Vec<(u32, Version)>,
}

/// The outcome of one move of a job: the number of its commit, or why it was refused.
pub type Item = Result<u64, FileRefusal>;

/// What a worker replies about files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileReply {
    /// The tree is as it was asked for.
    Done,
    /// To [`FileAction::Move`]: all nodes were moved, in this commit.
    Moved,
    /// To [`FileAction::Move`]: the batch became a job.
    Accepted(JobId),
    /// To [`FileAction::Begin`]: the number of the upload, and when its lease ends, by the server's
    /// clocks.
    Begun(u64, crate::time::Time),
    /// To [`FileAction::PutPiece`]: the piece is durable.
    PieceKept,
    /// To [`FileAction::Uploaded`]: the number of the upload, and the pieces that are there. Pieces
    /// that came lately may be missing.
    Pieces(u64, Vec<u32>),
    /// The blob is the content of this version, now or since before.
    Published(u32),
    /// To [`FileAction::Lookup`].
    Found(Option<Box<Shown>>),
    /// To [`FileAction::ReadVersions`]: every version, from 1.
    Versions(Vec<Version>),
    /// To [`FileAction::ReadPiece`].
    Piece(Bytes),
    /// To [`FileAction::Feed`].
    Page {
        /// The nodes that have changed, by their last change. Deleted nodes are among them.
        changed: Vec<Shown>,
        /// The cursor for the next page.
        next: FeedCursor,
        /// Whether there are more changes already.
        more: bool,
    },
    /// To [`FileAction::ReadJob`]: the outcomes of the moves so far, and the number of all moves.
    Job(Vec<Item>, u32),
}

/// Why a worker refused a request about files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileRefusal {
    /// Another node has the name.
    NameTaken(NodeId),
    /// There is no such node.
    NoNode,
    /// The node exists and differs.
    NodeExists,
    /// The node is deleted.
    Deleted,
    /// The place is in no folder, or in a deleted one.
    NoFolder,
    /// The node is a folder.
    NoFile,
    /// The folder is not empty.
    NotEmpty,
    /// A folder would be inside itself.
    Cycle,
    /// The file has a version that the client has not seen.
    Outdated,
    /// There is no such version.
    NoVersion,
    /// There is no such piece.
    NoPiece,
    /// There is no such upload, or it was given up. The client may begin it again.
    NoUpload,
    /// This piece, and maybe others, is missing.
    Incomplete(u32),
    /// The pieces do not make up the blob. The client has to seal it again.
    Damaged,
    /// The cursor is of another log. The client has to read from the start.
    CursorExpired,
    /// There is no such job.
    NoJob,
}

impl FileRefusal {
    /// The refusal as this build knows it. The previous one lacks two, and knows others in their place: a
    /// folder inside itself is in no folder, and one that is not empty has what the client may not have seen.
    #[must_use]
    pub const fn for_build(self, build: Build) -> Self {
        match (self, build) {
            (Self::Cycle, Build::Previous) => Self::NoFolder,
            (Self::NotEmpty, Build::Previous) => Self::Outdated,
            (refusal, Build::Previous | Build::Current) => refusal,
        }
    }
}
