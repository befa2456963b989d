//! Saving the content of a file on this device. Everything else follows by itself.

use super::super::ask::{Answer, FileTarget, Reason};
use super::super::core::Core;
use super::super::store::OwnWrite;
use crate::flaw::Flaw;
use crate::id::{Dot, NodeId, ReplicaId};
use crate::log::NodeKind;
use crate::message::{FileRefusal, Shown};
use crate::name;
use crate::record::{Payload, Vv};

/// Saves the content of a file.
pub(in crate::device) fn write_file(
    core: &mut Core,
    target: FileTarget,
    content: Payload,
) -> Answer {
    match aim(core, &target) {
        Ok(node) => {
            save(core, node, target, content);
            Answer::Saved
        }
        Err(reason) => Answer::Refused(reason),
    }
}

pub(in crate::device) fn save(core: &mut Core, node: NodeId, target: FileTarget, content: Payload) {
    let (place, seen) = match target {
        FileTarget::New { parent, name } => (Some((parent, name)), Vv::default()),
        FileTarget::Version { seen, .. } => (None, seen),
    };
    let orders = core.store.files().writes().values().map(|write| write.order + 1);
    let order = orders.max().unwrap_or(0);
    let replica = author(core, node, &seen);
    let dot = Dot { replica, ..core.next_write().0 };
    assert!(core.store.files().write(dot).is_none(), "no two writes have one dot");
    keep(core, dot, OwnWrite { order, node, place, seen, content, blob: None, published: None });
}

/// The author of a write to a file that was built on these. An author builds each of its writes to a file
/// on all that it wrote there before, so that one number for each author says exactly what a version was
/// built on. A write on a listing that lacked an earlier one is the first of another author:
///
/// ```text
/// phone:  writes 1 | lists the file (1) ........ writes 3 on that list: not built on 2
///                        writes 2, built on 1
/// tablet:                   reads 3 without 2, writes 4: built on 1 and 3, and not on 2
/// ```
fn author(core: &mut Core, node: NodeId, seen: &Vv) -> ReplicaId {
    let files = core.store.files();
    let author = files.author().unwrap_or(core.store.meta().replica);
    let own = files.writes().iter().filter(|(_, write)| write.node == node).map(|(dot, _)| *dot);
    let own = own.filter(|dot| dot.replica == author).map(|dot| dot.n);
    let heads = files.node(node).into_iter().flat_map(|shown| &shown.heads);
    let there = heads.map(|(_, version)| {
        let made = (version.write.replica == author).then_some(version.write.n);
        version.seen.count_of(author).max(made.unwrap_or(0))
    });
    let written = own.chain(there).max().unwrap_or(0);
    if written > seen.count_of(author) { change_author(core) } else { author }
}

/// What is written from now on has another author.
pub(super) fn change_author(core: &mut Core) -> ReplicaId {
    let author = ReplicaId(core.entropy.next_u64());
    core.store.files_mut().set_author(Some(author));
    author
}

/// Keeps what is known of an own write.
pub(super) fn keep(core: &mut Core, dot: Dot, write: OwnWrite) {
    let published = write.published.map(|it| it.version);
    tracing::debug!(node = write.node.0, ?dot, published, "keeps an own write");
    core.store.files_mut().set_write(dot, write);
    if core.has(Flaw::VfNoFsync) {
        core.store.without_sync();
    }
}

/// The file that a write is for, in terms of what is known here.
pub(in crate::device) fn aim(core: &mut Core, target: &FileTarget) -> Result<NodeId, Reason> {
    if !core.boot.server {
        return Err(Reason::NoServer);
    }
    let files = core.store.files();
    match target {
        FileTarget::New { parent, name } => {
            name::check(name, core.boot.flaws).map_err(Reason::BadName)?;
            // A folder that is not known yet may have been made a moment ago.
            let closed = |it: &Shown| it.node.deleted || it.node.kind != NodeKind::Folder;
            if files.node(*parent).is_some_and(closed) {
                return Err(Reason::File(FileRefusal::NoFolder));
            }
            Ok(new_node(core))
        }
        FileTarget::Version { node, .. } => {
            match files.node(*node).map(|shown| &shown.node.kind) {
                Some(NodeKind::Folder) => return Err(Reason::File(FileRefusal::NoFile)),
                Some(NodeKind::File { .. }) => {}
                None if files.writes().values().any(|write| write.node == *node) => {}
                None => return Err(Reason::File(FileRefusal::NoNode)),
            }
            Ok(*node)
        }
    }
}

/// Draws the id of a new file or folder.
pub(super) fn new_node(core: &mut Core) -> NodeId {
    let node = NodeId(core.entropy.next_u64().max(NodeId::ROOT.0 + 1));
    assert!(node != NodeId::ROOT, "the root is never made");
    node
}
