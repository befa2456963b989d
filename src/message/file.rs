//! What a device asks about files, and what it may be answered.
//!
//! A device keeps files as it keeps records: the feed tells what has changed since a cursor, and
//! what the feed lacks is what remains to be sent. Nodes and versions are named by their makers, so
//! what was sent twice is there once.

use serde::{Deserialize, Serialize};

use super::Client;
use crate::Bytes;
use crate::blob::{Address, Manifest};
use crate::id::{Dot, NodeId, UserId};
use crate::log::{Node, Position, Version};
use crate::name::NameKey;

/// A name: what the server compares, and what only devices can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// Unique among siblings.
    pub key: NameKey,
    /// Opaque; not empty.
    pub sealed: Bytes,
}

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// In which folder.
    pub parent: NodeId,
    /// Under which name.
    pub name: Name,
}

/// Puts a node somewhere else, or names it anew, or both. What is left out stays as it is then, so
/// that a rename and a move by two devices at once both last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// What is moved.
    pub node: NodeId,
    /// To which folder.
    pub parent: Option<NodeId>,
    /// Its new name.
    pub name: Option<Name>,
}

/// What an upload is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The first version of a file that is not there yet.
    New(NodeId, Place),
    /// Another version, in place of what these writes have become. Replacing all heads resolves a
    /// conflict. Writes and not numbers: a log that was restored has others under the same numbers.
    Version(NodeId, Vec<Dot>),
}

impl Target {
    /// Which file.
    pub const fn node(&self) -> NodeId {
        match self {
            Self::New(node, _) | Self::Version(node, _) => *node,
        }
    }
}

/// What becomes of a blob once all of it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What it is for.
    pub target: Target,
    /// The write that it is.
    pub write: Dot,
    /// What only devices can read: the key of the content, a hash of it, and the like.
    pub sealed: Bytes,
}

/// A long batch, named by who asked for it and under which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId {
    /// Who asked.
    pub client: Client,
    /// Under which number.
    pub n: u32,
}

/// How far a feed was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FeedCursor {
    /// Whose feed.
    pub space: UserId,
    /// The commit that the last page was taken from: a log without it is not the log that was read.
    pub at: Position,
    /// All changes up to this one were in a page: its commit, and the node within it.
    pub upto: (u64, NodeId),
}

/// A piece of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The number that the upload began under.
    pub upload: u64,
    /// Which piece, from 0.
    pub n: u32,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What is done about files, or read of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileAction {
    /// Makes a folder.
    CreateFolder(NodeId, Place),
    /// Moves all of these at once, as if in one instant: what is where before does not stand in the
    /// way of what is where afterwards. Too many for one commit become a job.
    Move(Vec<Move>),
    /// Removes a file of which the asker has seen what these writes made, or an empty folder.
    Delete(NodeId, Vec<Dot>),
    /// Brings a node back to where it was, or elsewhere.
    Undelete(NodeId, Option<Place>),
    /// Registers an upload or renews it: its pieces are kept for a while.
    Begin(Manifest, Intent),
    /// Brings a piece of a blob.
    PutPiece(Address, Piece),
    /// Tells which pieces are there.
    Uploaded(Address),
    /// Makes the version that was intended, name and all, in one commit. Brings the last piece, unless
    /// that is there already.
    Publish(Address, Option<Piece>),
    /// Makes a new version with the content of an old one.
    Restore {
        /// Of which file.
        node: NodeId,
        /// The old one.
        version: u32,
        /// The content that it has.
        blob: Address,
        /// The writes whose versions the new one replaces.
        replaces: Vec<Dot>,
        /// The write that it is.
        write: Dot,
        /// What only devices can read of the new one.
        sealed: Bytes,
    },
    /// Finds what is at a place.
    Lookup(NodeId, NameKey),
    /// Lists all versions of a file.
    ReadVersions(NodeId),
    /// Brings a piece of the content of a version, which is known by its address. The device checks it.
    ReadPiece(Address, u32),
    /// Brings what has changed since, in order, so many nodes at the most.
    Feed(Option<FeedCursor>, u16),
    /// Tells how far a job is.
    ReadJob(JobId),
}

/// A node with what is needed to show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Which one.
    pub id: NodeId,
    /// As it is.
    pub node: Node,
    /// The versions that none replaces, by number. The first one has the name; the others are
    /// virtual copies, see [`crate::name::of_copy`].
    pub heads: Vec<(u32, Version)>,
}

/// What became of one item of a job: the commit that it was done in, or why it was not.
pub type Item = Result<u64, FileRefusal>;

/// What a worker answers about files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileReply {
    /// To what changes the tree and has nothing to tell: it is so.
    Done,
    /// To [`FileAction::Move`]: all of it, in this commit.
    Moved,
    /// To [`FileAction::Move`]: it will be done in parts.
    Accepted(JobId),
    /// To [`FileAction::Begin`]: under this number, until then by the server's clocks.
    Begun(u64, crate::time::Time),
    /// To [`FileAction::PutPiece`]: it is durable.
    PieceKept,
    /// To [`FileAction::Uploaded`]: the number of the upload, and the pieces that are there.
    /// Some that came lately may be missing here.
    Pieces(u64, Vec<u32>),
    /// To all that is about a blob that became, or had become, this version.
    Published(u32),
    /// To [`FileAction::Lookup`].
    Found(Option<Box<Shown>>),
    /// To [`FileAction::ReadVersions`]: every version, from 1.
    Versions(Vec<Version>),
    /// To [`FileAction::ReadPiece`].
    Piece(Bytes),
    /// To [`FileAction::Feed`].
    Page {
        /// What has changed, by its last change. Deleted nodes are among them.
        changed: Vec<Shown>,
        /// To ask with the next time.
        next: FeedCursor,
        /// Is there more already?
        more: bool,
    },
    /// To [`FileAction::ReadJob`]: what became of the items so far, and how many there are.
    Job(Vec<Item>, u32),
}

/// Why a worker did not do as asked about files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileRefusal {
    /// Another node has the name.
    NameTaken(NodeId),
    /// No such node.
    NoNode,
    /// The node is there already, and is another one.
    NodeExists,
    /// The node is deleted.
    Deleted,
    /// The place is in no folder, or in one that is deleted.
    NoFolder,
    /// The node is a folder, and not a file.
    NoFile,
    /// The folder is not empty.
    NotEmpty,
    /// A folder would be inside of itself.
    Cycle,
    /// There is a version that the asker has not seen.
    Outdated,
    /// No such version.
    NoVersion,
    /// No such piece.
    NoPiece,
    /// No such upload, or not any more: begin it anew.
    NoUpload,
    /// This piece, and maybe others, is not there yet.
    Incomplete(u32),
    /// The pieces do not make up the blob: seal it anew.
    Damaged,
    /// The cursor is of another log: read from the start.
    CursorExpired,
    /// No such job.
    NoJob,
}
