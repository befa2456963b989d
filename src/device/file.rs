//! Files on a device: a mirror of the server's tree, and own writes that it does not have yet.

use serde::{Deserialize, Serialize};

use super::FileTarget;
use crate::Bytes;
use crate::id::NodeId;
use crate::record::Payload;

/// An own write of a file, kept until the feed shows a version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnWrite {
    /// Its place among own writes: they are sent in this order.
    pub order: u64,
    /// Which file; a new one has been named here.
    pub node: NodeId,
    /// What it is for, as far as that is known by now.
    pub target: FileTarget,
    /// What the file says.
    pub content: Payload,
    /// The same, sealed: once an upload has begun it is this blob that is uploaded.
    pub blob: Option<Bytes>,
    /// The version that it has become.
    pub published: Option<u32>,
}
