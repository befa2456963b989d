//! What the history says of files: what was asked of a device and answered, with the names and
//! contents that its user knows, and what a device keeps of them.

use engine::id::{Dot, NodeId, Token};
use engine::message::{Item, JobId};
use serde::Serialize;

/// A version of a file as it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Head {
    /// Its number; none for what was saved on that device and has none yet.
    pub version: Option<u32>,
    /// The write that made it.
    pub write: Dot,
    /// The label of that write; none for what cannot be opened yet.
    pub token: Option<Token>,
}

/// A file or a folder as it was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Which.
    pub node: NodeId,
    /// In which folder.
    pub parent: NodeId,
    /// Under which name.
    pub name: String,
    /// Is it a folder?
    pub is_folder: bool,
    /// Is it deleted?
    pub deleted: bool,
    /// The number of its latest version; 0 for none.
    pub latest: u32,
    /// The versions that none replaces: those of the server by number, then its device's own.
    pub heads: Vec<Head>,
    /// The names under which all heads but the first are shown.
    pub copies: Vec<String>,
    /// Can its name not be opened yet?
    pub sealed: bool,
}

/// What content there was, in short: who wrote it, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Print {
    /// The label of the write that it comes from.
    pub token: Token,
    /// A hash of it.
    pub hash: u64,
    /// How many bytes it has.
    pub size: u32,
}

/// Where content goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Goal {
    /// To a new file of this name in this folder.
    New(NodeId, String),
    /// To this file.
    Version(NodeId),
}

/// What was asked of a device about files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum FileAsked {
    /// To list all files and folders.
    List,
    /// To save content.
    Write {
        /// Where to.
        goal: Goal,
        /// What, under the unique label of this write.
        content: Print,
        /// The heads that the listing had shown, all of which this replaces.
        exposed: Vec<Head>,
    },
    /// To show the content of all heads of a file.
    Read(NodeId),
    /// To show all versions of a file.
    Versions(NodeId),
    /// To make a folder of this name in this folder.
    MakeFolder(NodeId, String),
    /// To move each to another folder or give it another name, all at once.
    Move(Vec<(NodeId, Option<NodeId>, Option<String>)>),
    /// To delete a file or a folder.
    Delete {
        /// Which.
        node: NodeId,
        /// The latest version that the listing had shown.
        seen: u32,
        /// The heads that the listing had shown.
        exposed: Vec<Head>,
    },
    /// To bring back what was deleted.
    Undelete(NodeId),
    /// To make an old version the current one again.
    Restore {
        /// Of which file.
        node: NodeId,
        /// Which version.
        version: u32,
        /// The unique label of this write.
        token: Token,
        /// The heads that the listing had shown, all of which this replaces.
        exposed: Vec<Head>,
    },
    /// To tell how far a long batch is.
    Job(JobId),
}

impl FileAsked {
    /// The names that it brings along.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let names: Vec<&str> = match self {
            Self::MakeFolder(_, name) | Self::Write { goal: Goal::New(_, name), .. } => vec![name],
            Self::Move(all) => all.iter().filter_map(|one| one.2.as_deref()).collect(),
            Self::Write { goal: Goal::Version(_), .. }
            | Self::List
            | Self::Read(_)
            | Self::Versions(_)
            | Self::Delete { .. }
            | Self::Undelete(_)
            | Self::Restore { .. }
            | Self::Job(_) => Vec::new(),
        };
        names.into_iter()
    }

    /// The label of a write, if it is one.
    pub fn token(&self) -> Option<Token> {
        match self {
            Self::Write { content, .. } => Some(content.token),
            Self::Restore { token, .. } => Some(*token),
            Self::List
            | Self::Read(_)
            | Self::Versions(_)
            | Self::MakeFolder(..)
            | Self::Move(_)
            | Self::Delete { .. }
            | Self::Undelete(_)
            | Self::Job(_) => None,
        }
    }

    /// Is this an answer to it? A write of content is answered in other words.
    pub fn is_answered_by(&self, done: &FileDone) -> bool {
        match self {
            Self::List | Self::Write { .. } => false,
            Self::Read(_) => matches!(done, FileDone::Content(_)),
            Self::Versions(_) => matches!(done, FileDone::Versions(_)),
            Self::MakeFolder(..) => matches!(done, FileDone::Created(_)),
            Self::Move(_) => matches!(done, FileDone::Moved | FileDone::Accepted(_)),
            Self::Delete { .. } | Self::Undelete(_) => matches!(done, FileDone::Done),
            Self::Restore { .. } => matches!(done, FileDone::Published(_)),
            Self::Job(_) => matches!(done, FileDone::Job(..)),
        }
    }

    /// Does the device answer it by itself, whatever hosts it can reach?
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::List | Self::Write { .. })
    }

    /// Does it change anything?
    pub fn changes(&self) -> bool {
        match self {
            Self::Write { .. }
            | Self::Restore { .. }
            | Self::MakeFolder(..)
            | Self::Move(_)
            | Self::Delete { .. }
            | Self::Undelete(_) => true,
            Self::List | Self::Read(_) | Self::Versions(_) | Self::Job(_) => false,
        }
    }
}

/// What a device answered about files, but for a list of them. To a write of content it answers
/// [`super::Answered::Saved`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum FileDone {
    /// It is so: deleted, or brought back.
    Done,
    /// The folder is this one.
    Created(NodeId),
    /// All of it was moved in one commit.
    Moved,
    /// It will be moved in parts.
    Accepted(JobId),
    /// The restored content is this version.
    Published(u32),
    /// Each head, and its content unless that cannot be had.
    Content(Vec<(Head, Option<Print>)>),
    /// All versions.
    Versions(Vec<Head>),
    /// What became of the items of a long batch so far, and how many there are.
    Job(Vec<Item>, u32),
}

/// What a device keeps of a node, as the server had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeSeen {
    /// In which folder it is, or was when it was deleted.
    pub parent: NodeId,
    /// Is it a folder?
    pub is_folder: bool,
    /// Is it deleted?
    pub deleted: bool,
    /// The commit of its last change.
    pub changed: u64,
    /// The versions that none replaces, with the writes that made them.
    pub heads: Vec<(u32, Dot)>,
}
