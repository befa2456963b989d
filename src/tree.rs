//! The tree of a user's files: nodes at places, and the versions of files. The server's log keeps it, and
//! devices replicate it.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::blob::Address;
use crate::id::{Dot, NodeId};
use crate::name::NameKey;
use crate::record::Vv;

/// A name: a part that the server compares, and a part that only devices can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// The blind key, unique among siblings.
    pub key: NameKey,
    /// The sealed name; not empty.
    pub sealed: Bytes,
}

/// The place of a node in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The folder.
    pub parent: NodeId,
    /// The name in that folder.
    pub name: Name,
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its place, or the place it had when it was deleted.
    pub place: Place,
    /// Folder or file.
    pub kind: NodeKind,
    /// Whether it is deleted.
    pub deleted: bool,
    /// The number of the commit that changed it last.
    pub changed: u64,
}

/// The two kinds of nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// The number of the latest version; 0 for none.
        latest: u32,
        /// The versions that none was built on, in order.
        heads: Vec<u32>,
    },
}

/// A version of a file. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The address of its content.
    pub blob: Address,
    /// The write that made it.
    pub write: Dot,
    /// Metadata that only devices can read.
    pub sealed: Bytes,
    /// The writes that it was built on: all that its author had been shown, and what those were built on.
    /// It takes the place of them, also of one that the log gets later. They are named as writes and all of
    /// them, because a restored log lacks some versions and has others under the same numbers.
    pub seen: Vv,
    /// The version whose content it restores, if it does.
    pub restores: Option<u32>,
}
