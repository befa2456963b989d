//! Files on a device: a mirror of the server's tree, as its feed tells it, and own writes that the
//! feed has not shown yet. What is unsent follows from these two.
//!
//! A write is saved here first and then sent until the server has it, whatever stands in its way:
//! no clash loses what was saved. The tree itself is changed by errands, and changes here when the
//! feed says so.

mod copies;
mod download;
mod feed;
mod listing;
mod sealed;
mod tree;
mod upload;

use serde::{Deserialize, Serialize};

pub(super) use self::download::{Download, Purpose};
pub(super) use self::feed::Pull;
pub use self::sealed::open_name;
pub(super) use self::upload::Upload;
use super::{Answer, Device, FileTarget, Reason};
use crate::Bytes;
use crate::flaw::Flaw;
use crate::id::{Dot, NodeId, OpId};
use crate::log::{NodeKind, Position};
use crate::message::{FileRefusal, Shown};
use crate::name;
use crate::record::Payload;
use crate::time::Now;

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
    /// What it has become.
    pub published: Option<Published>,
}

/// An own write that is a version on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The number of the version.
    pub version: u32,
    /// A commit of a log that has it.
    pub at: Position,
}

impl Device {
    /// Saves the content of a file here. All else follows by itself.
    pub(super) fn write_file(&mut self, now: Now, op: OpId, target: FileTarget, content: Payload) {
        match self.aim(target) {
            Ok((node, target)) => {
                self.save_write(now, node, target, content);
                self.answer(op, Answer::Saved);
            }
            Err(reason) => self.answer(op, Answer::Refused(reason)),
        }
    }

    fn save_write(&mut self, now: Now, node: NodeId, target: FileTarget, content: Payload) {
        let orders = self.store.uploads().values().map(|write| write.order + 1);
        let order = orders.max().unwrap_or(0);
        let (dot, _) = self.next_write(now);
        let (blob, published) = (None, None);
        self.keep_write(dot, OwnWrite { order, node, target, content, blob, published });
    }

    /// Keeps what is known of an own write.
    fn keep_write(&mut self, dot: Dot, write: OwnWrite) {
        self.store.set_upload(dot, write);
        if self.boot.flaws.has(Flaw::VfNoFsync) {
            self.store.without_sync();
        }
    }

    /// What a write is for, in terms of what is known here.
    fn aim(&mut self, target: FileTarget) -> Result<(NodeId, FileTarget), Reason> {
        if !self.boot.server {
            return Err(Reason::NoServer);
        }
        match target {
            FileTarget::New { parent, name } => {
                name::check(&name).map_err(Reason::BadName)?;
                // A folder that is not known yet may have been made a moment ago.
                let closed = |it: &Shown| it.node.deleted || it.node.kind != NodeKind::Folder;
                if self.store.nodes().get(&parent).is_some_and(closed) {
                    return Err(Reason::File(FileRefusal::NoFolder));
                }
                Ok((self.new_node(), FileTarget::New { parent, name }))
            }
            FileTarget::Version { node, replaces } => {
                let shown = self.store.nodes().get(&node);
                match shown.map(|shown| &shown.node.kind) {
                    Some(NodeKind::Folder) => return Err(Reason::File(FileRefusal::NoFile)),
                    Some(NodeKind::File { .. }) => {}
                    None if self.store.uploads().values().any(|write| write.node == node) => {}
                    None => return Err(Reason::File(FileRefusal::NoNode)),
                }
                Ok((node, FileTarget::Version { node, replaces }))
            }
        }
    }

    fn new_node(&mut self) -> NodeId {
        NodeId(self.entropy.next_u64().max(NodeId::ROOT.0 + 1))
    }

    /// Has the server all that was written here? What cannot be sealed yet is another matter.
    pub(super) fn is_done_with_files(&self) -> bool {
        self.store.uploads().is_empty() || self.store.keyring().current().is_none()
    }
}

/// The number of the latest version.
fn latest(shown: &Shown) -> u32 {
    match &shown.node.kind {
        NodeKind::File { latest, .. } => *latest,
        NodeKind::Folder => 0,
    }
}
