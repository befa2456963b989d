//! The documents of a space's files: the tree, the versions, the blobs and the jobs.

use serde::{Deserialize, Serialize};

use crate::blob::{Address, Manifest};
use crate::id::NodeId;
use crate::message::{Intent, Item, JobId, Move};
use crate::name::NameKey;
use crate::time::Time;
use crate::tree::{Node, Version};

/// A key of the state of a space, for files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileKey {
    /// A file or a folder.
    Node(NodeId),
    /// The node that has a name in a folder. Deleted nodes have none.
    Named(NodeId, NameKey),
    /// A node under the number of the commit that changed it last.
    Changed(u64, NodeId),
    /// A version of a file, from 1.
    Version(NodeId, u32),
    /// A blob that is being uploaded.
    Upload(Address),
    /// A blob that is the content of a version.
    Blob(Address),
    /// A blob whose upload was given up, and the number of that upload. Its objects are deleted
    /// while this document exists, and no others: a later upload of the same bytes has objects of
    /// its own.
    Doomed(Address, u64),
    /// A job: a batch of moves that is too long for one commit.
    Job(JobId),
    /// One move of a job, from 0.
    Item(JobId, u32),
    /// A mark for each job that has moves left.
    Unfinished(JobId),
}

/// A document of the state of a space, for files.
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
    /// At [`FileKey::Blob`]: with the number of the version.
    Blob(Stored, u32),
    /// At [`FileKey::Doomed`].
    Doomed(Stored),
    /// At [`FileKey::Job`].
    Job(Job),
    /// At [`FileKey::Item`]: the move, and its outcome once it is done.
    Item(Move, Option<Item>),
    /// At [`FileKey::Changed`] and [`FileKey::Unfinished`].
    Mark,
}

/// The pieces of a blob in the volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The hashes of the pieces.
    pub manifest: Manifest,
    /// The number of the commit that registered the upload. It is part of the pieces' keys.
    pub upload: u64,
    /// The file that it is uploaded for.
    pub node: NodeId,
}

/// An upload in progress: a lease on its pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Its pieces.
    pub stored: Stored,
    /// When a worker may give it up, by the server's clocks.
    pub until: Time,
    /// What the blob is for.
    pub intent: Intent,
}

/// A job: a batch of moves that is too long for one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The number of moves.
    pub total: u32,
    /// The number of moves that are done or refused, in order.
    pub done: u32,
}
