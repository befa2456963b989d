//! Saving the content of a file on this device. Everything else follows by itself.

use super::super::ask::{Answer, FileTarget, Reason};
use super::super::core::Core;
use super::super::store::OwnWrite;
use crate::flaw::Flaw;
use crate::id::{Dot, NodeId};
use crate::log::NodeKind;
use crate::message::{FileRefusal, Shown};
use crate::name;
use crate::record::Payload;

/// Saves the content of a file.
pub(in crate::device) fn write_file(
    core: &mut Core,
    target: FileTarget,
    content: Payload,
) -> Answer {
    match aim(core, target) {
        Ok((node, target)) => {
            save(core, node, target, content);
            Answer::Saved
        }
        Err(reason) => Answer::Refused(reason),
    }
}

pub(in crate::device) fn save(core: &mut Core, node: NodeId, target: FileTarget, content: Payload) {
    let orders = core.store.files().writes().values().map(|write| write.order + 1);
    let order = orders.max().unwrap_or(0);
    let (dot, _) = core.next_write();
    assert!(core.store.files().write(dot).is_none(), "no two writes have one dot");
    keep(core, dot, OwnWrite { order, node, target, content, blob: None, published: None });
}

/// Keeps what is known of an own write.
pub(super) fn keep(core: &mut Core, dot: Dot, write: OwnWrite) {
    core.store.files_mut().set_write(dot, write);
    if core.has(Flaw::VfNoFsync) {
        core.store.without_sync();
    }
}

/// What a write is for, in terms of what is known here.
pub(in crate::device) fn aim(
    core: &mut Core,
    target: FileTarget,
) -> Result<(NodeId, FileTarget), Reason> {
    if !core.boot.server {
        return Err(Reason::NoServer);
    }
    let files = core.store.files();
    match target {
        FileTarget::New { parent, name } => {
            name::check(&name).map_err(Reason::BadName)?;
            // A folder that is not known yet may have been made a moment ago.
            let closed = |it: &Shown| it.node.deleted || it.node.kind != NodeKind::Folder;
            if files.node(parent).is_some_and(closed) {
                return Err(Reason::File(FileRefusal::NoFolder));
            }
            Ok((new_node(core), FileTarget::New { parent, name }))
        }
        FileTarget::Version { node, replaces } => {
            match files.node(node).map(|shown| &shown.node.kind) {
                Some(NodeKind::Folder) => return Err(Reason::File(FileRefusal::NoFile)),
                Some(NodeKind::File { .. }) => {}
                None if files.writes().values().any(|write| write.node == node) => {}
                None => return Err(Reason::File(FileRefusal::NoNode)),
            }
            Ok((node, FileTarget::Version { node, replaces }))
        }
    }
}

/// Draws the id of a new file or folder.
pub(super) fn new_node(core: &mut Core) -> NodeId {
    let node = NodeId(core.entropy.next_u64().max(NodeId::ROOT.0 + 1));
    assert!(node != NodeId::ROOT, "the root is never made");
    node
}
