//! What the log of a space keeps of files: the tree, the versions, the blobs and the jobs.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::blob::{Address, Manifest};
use crate::id::{Dot, NodeId};
use crate::message::{Intent, Item, JobId, Move, Place};
use crate::name::NameKey;
use crate::time::Time;

/// A place in the state of a space's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileKey {
    /// A file or a folder.
    Node(NodeId),
    /// Who has a name in a folder. Deleted nodes have none.
    Named(NodeId, NameKey),
    /// The nodes by their last change.
    Changed(u64, NodeId),
    /// A version of a file, from 1.
    Version(NodeId, u32),
    /// A blob that is being uploaded.
    Upload(Address),
    /// A blob of a version.
    Blob(Address),
    /// A blob that nobody wants any more, and the number it began under. Its objects are deleted
    /// while this stands, and no others: an upload of the same bytes has objects of its own.
    Doomed(Address, u64),
    /// A long batch.
    Job(JobId),
    /// One item of it.
    Item(JobId, u32),
    /// A long batch that has not ended.
    Unfinished(JobId),
}

/// What stands at such a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileDoc {
    /// At [`FileKey::Node`].
    Node(Node),
    /// At [`FileKey::Named`].
    Holder(NodeId),
    /// At [`FileKey::Version`].
    Version(Version),
    /// At [`FileKey::Upload`].
    Upload(Box<Upload>),
    /// At [`FileKey::Blob`]: with the version that it was published as.
    Blob(Stored, u32),
    /// At [`FileKey::Doomed`].
    Doomed(Stored),
    /// At [`FileKey::Job`].
    Job(Job),
    /// At [`FileKey::Item`]: what is to be done, and what became of it.
    Item(Move, Option<Item>),
    /// At [`FileKey::Changed`] and [`FileKey::Unfinished`].
    Mark,
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Where it is, or was when it was deleted.
    pub place: Place,
    /// What it is.
    pub kind: NodeKind,
    /// Is it deleted?
    pub deleted: bool,
    /// The commit of its last change.
    pub changed: u64,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// It has nodes in it.
    Folder,
    /// It has content.
    File {
        /// The number of the latest version.
        latest: u32,
        /// The versions that none replaces, in order.
        heads: Vec<u32>,
    },
}

/// What a file was at some time, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The content.
    pub blob: Address,
    /// The write that made it.
    pub write: Dot,
    /// What only devices can read.
    pub sealed: Bytes,
    /// The versions that it replaces.
    pub replaces: Vec<u32>,
    /// The version whose content it has again.
    pub restores: Option<u32>,
}

/// Where the pieces of a blob are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// What it consists of.
    pub manifest: Manifest,
    /// The commit that registered the upload.
    pub upload: u64,
    /// The file that it was made for.
    pub node: NodeId,
}

/// An upload under way: a lease on its pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its pieces.
    pub stored: Stored,
    /// From then on it may be given up, by a commit.
    pub until: Time,
    /// What it is for.
    pub intent: Intent,
}

/// A batch that is too long for one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// How many items.
    pub total: u32,
    /// How many have been dealt with, in order.
    pub done: u32,
}
