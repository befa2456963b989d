//! The tree: folders and files, their places, and the names that are taken.
//!
//! Names are unique among the live nodes of a folder, and no folder is inside itself. Both are
//! checked when a request is decided, on all commits before it, so concurrent moves cannot break
//! them together.

use std::collections::BTreeSet;

use super::{get, names_in, no_effect, put, remove, version_of};
use crate::flaw::{Flaw, Flaws};
use crate::id::{Dot, NodeId};
use crate::log::{Draft, FileDoc, FileKey, Node, NodeKind};
use crate::message::{FileRefusal, FileReply, Move, Place, Refusal, Reply};
use crate::name::NameKey;
use crate::point::Point;
use crate::worker::known::Stop;

pub(super) fn node<'d>(draft: &'d Draft<'_>, id: NodeId) -> Result<&'d Node, FileRefusal> {
    let Some(FileDoc::Node(node)) = get(draft, FileKey::Node(id)) else {
        return Err(FileRefusal::NoNode);
    };
    Ok(node)
}

/// A node that exists and is not deleted.
pub(super) fn live<'d>(draft: &'d Draft<'_>, id: NodeId) -> Result<&'d Node, FileRefusal> {
    node(draft, id).and_then(|node| if node.deleted { Err(FileRefusal::Deleted) } else { Ok(node) })
}

/// The node that has a name in a folder.
pub(super) fn holder(draft: &Draft<'_>, parent: NodeId, name: NameKey) -> Option<NodeId> {
    let Some(FileDoc::Holder(id)) = get(draft, FileKey::Named(parent, name)) else { return None };
    Some(*id)
}

/// May this node be at this place?
pub(super) fn check(draft: &Draft<'_>, id: NodeId, place: &Place) -> Result<(), FileRefusal> {
    let is_folder = |node: &Node| !node.deleted && node.kind == NodeKind::Folder;
    if place.parent != NodeId::ROOT && !node(draft, place.parent).is_ok_and(is_folder) {
        return Err(FileRefusal::NoFolder);
    }
    let holder = holder(draft, place.parent, place.name.key);
    tracing::debug!(node = id.0, parent = place.parent.0, ?holder, "checks that a name is free");
    match holder {
        Some(other) if other != id => Err(FileRefusal::NameTaken(other)),
        Some(_) | None => Ok(()),
    }
}

/// Puts a node at its place, and lists it as changed.
pub(super) fn settle(draft: &mut Draft<'_>, id: NodeId, node: Node) -> Result<(), FileRefusal> {
    assert!(!node.deleted, "a deleted node has no name");
    check(draft, id, &node.place)?;
    let (parent, name) = (node.place.parent, node.place.name.key);
    put(draft, FileKey::Named(parent, name), FileDoc::Holder(id));
    save(draft, id, node);
    assert_eq!(holder(draft, parent, name), Some(id), "a node that is put somewhere has the name");
    Ok(())
}

/// Stores a node, and lists it as changed.
pub(super) fn save(draft: &mut Draft<'_>, id: NodeId, mut changed: Node) {
    if let Ok(was) = node(draft, id).map(|was| was.changed) {
        remove(draft, FileKey::Changed(was, id));
    }
    changed.changed = draft.seq();
    put(draft, FileKey::Changed(changed.changed, id), FileDoc::Mark);
    let seq = changed.changed;
    put(draft, FileKey::Node(id), FileDoc::Node(changed));
    assert!(get(draft, FileKey::Changed(seq, id)).is_some(), "a node is listed at its last change");
}

/// Frees the name of a node.
fn leave(draft: &mut Draft<'_>, place: &Place) {
    remove(draft, FileKey::Named(place.parent, place.name.key));
    assert!(holder(draft, place.parent, place.name.key).is_none(), "a name that was left is free");
}

pub(super) fn is_named(place: &Place) -> Result<(), Refusal> {
    if place.name.sealed.is_empty() { Err(Refusal::Invalid) } else { Ok(()) }
}

pub(super) fn create_folder(
    draft: &mut Draft<'_>,
    id: NodeId,
    place: &Place,
) -> Result<FileReply, Stop> {
    is_named(place)?;
    tracing::debug!(node = id.0, parent = place.parent.0, "makes a folder");
    if let Ok(there) = node(draft, id) {
        no_effect(!there.deleted && there.kind == NodeKind::Folder && there.place == *place)?;
    } else if id == NodeId::ROOT {
        return Err(FileRefusal::NodeExists.into());
    } else {
        assert_ne!(id, NodeId::ROOT, "the root is no node");
        let place = place.clone();
        settle(draft, id, Node { place, kind: NodeKind::Folder, deleted: false, changed: 0 })?;
    }
    Ok(FileReply::Done)
}

/// Is the batch well-formed? Each node is moved once, and to somewhere.
pub(super) fn is_batch(moves: &[Move]) -> Result<(), Refusal> {
    let distinct: BTreeSet<NodeId> = moves.iter().map(|it| it.node).collect();
    let void = |it: &Move| match &it.name {
        Some(name) => name.sealed.is_empty(),
        None => it.parent.is_none(),
    };
    if moves.is_empty() || distinct.len() < moves.len() || moves.iter().any(void) {
        return Err(Refusal::Invalid);
    }
    Ok(())
}

/// Moves all nodes or none.
pub(super) fn move_all(draft: &mut Draft<'_>, moves: &[Move], flaws: Flaws) -> Result<Reply, Stop> {
    if flaws.has(Flaw::VfBatchHalf) {
        for one in moves {
            if let Err(refusal) = relocate(draft, std::slice::from_ref(one), flaws) {
                return Ok(Reply::Refused(refusal.into()));
            }
        }
    } else {
        relocate(draft, moves, flaws)?;
    }
    if moves.len() > 1 {
        draft.reach(Point::BatchMoved);
    }
    Ok(Reply::File(FileReply::Moved))
}

/// First all nodes leave their places, then all arrive: two nodes can swap. If it fails, half of it
/// may have been decided, and the caller abandons the decision.
pub(super) fn relocate(
    draft: &mut Draft<'_>,
    moves: &[Move],
    flaws: Flaws,
) -> Result<(), FileRefusal> {
    assert!(!moves.is_empty(), "a batch moves something");
    for one in moves {
        let place = live(draft, one.node)?.place.clone();
        leave(draft, &place);
    }
    for one in moves {
        let mut node = live(draft, one.node)?.clone();
        node.place.parent = one.parent.unwrap_or(node.place.parent);
        tracing::debug!(node = one.node.0, parent = node.place.parent.0, "moves a node");
        if let Some(name) = &one.name {
            node.place.name = name.clone();
        }
        settle(draft, one.node, node)?;
    }
    let lost = |one: &Move| !flaws.has(Flaw::Fb10) && is_inside_itself(draft, one.node);
    if moves.iter().any(lost) {
        tracing::debug!("a folder would be inside itself");
        draft.reach(Point::CycleRefused);
        return Err(FileRefusal::Cycle);
    }
    Ok(())
}

fn is_inside_itself(draft: &Draft<'_>, id: NodeId) -> bool {
    let above = |id: &NodeId| node(draft, *id).ok().map(|node| node.place.parent);
    let mut seen = BTreeSet::new();
    // The path ends at the root, which is no node, or it runs in a circle.
    !std::iter::successors(Some(id), above).all(|id| seen.insert(id))
}

/// Deletes what the client has seen. A head that the client has not seen beats the delete.
pub(super) fn delete(
    draft: &mut Draft<'_>,
    id: NodeId,
    seen: &[Dot],
    flaws: Flaws,
) -> Result<FileReply, Stop> {
    let mut node = node(draft, id)?.clone();
    tracing::debug!(node = id.0, ?seen, deleted = node.deleted, "deletes a node");
    if node.deleted && flaws.has(Flaw::CvDeleteNilErr) {
        return Err(Refusal::Internal.into());
    }
    if node.deleted {
        return Ok(FileReply::Done);
    }
    match &node.kind {
        NodeKind::Folder if draft.range(names_in(id)).next().is_some() => {
            return Err(FileRefusal::NotEmpty.into());
        }
        NodeKind::Folder => {}
        NodeKind::File { heads, .. } => {
            let is_seen = |n: &u32| Ok(seen.contains(&version_of(draft, id, *n)?.write));
            if !heads
                .iter()
                .map(is_seen)
                .collect::<Result<Vec<_>, FileRefusal>>()?
                .into_iter()
                .all(|it| it)
            {
                return Err(FileRefusal::Outdated.into());
            }
        }
    }
    leave(draft, &node.place);
    node.deleted = true;
    save(draft, id, node);
    assert!(live(draft, id).is_err(), "a node that was deleted is not there");
    Ok(FileReply::Done)
}

/// Brings a deleted node back. If another node has taken its name since, the client has to give
/// another place.
pub(super) fn undelete(
    draft: &mut Draft<'_>,
    id: NodeId,
    place: Option<&Place>,
) -> Result<FileReply, Stop> {
    let mut node = node(draft, id)?.clone();
    tracing::debug!(node = id.0, deleted = node.deleted, "brings a node back");
    if node.deleted {
        if let Some(place) = place {
            is_named(place)?;
            node.place = place.clone();
        }
        node.deleted = false;
        settle(draft, id, node)?;
        assert!(live(draft, id).is_ok(), "a node that was brought back is there");
    } else {
        no_effect(place.is_none_or(|place| *place == node.place))?;
    }
    Ok(FileReply::Done)
}
