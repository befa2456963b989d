//! Versions of files: numbered from 1 in each file, never changed, and no number is used twice.
//!
//! Each names the writes that it was built on, and replaces the versions of those. The versions that no other
//! replaces are the heads. Several heads are a conflict, which devices show until a version replaces them all.
//! A log that was set back gets versions again, in any order: one that comes after what was built on it is no
//! head.

use super::tree::{live, node, save};
use super::{put, version_of};
use crate::Bytes;
use crate::blob::Address;
use crate::flaw::{Flaw, Flaws};
use crate::id::{Dot, NodeId};
use crate::log::{Draft, FileDoc, FileKey, Node, NodeKind, Version};
use crate::message::{FileRefusal, FileReply, Refusal, Shown};
use crate::point::Point;
use crate::record::Vv;
use crate::worker::known::Stop;

/// The number of the latest version, and the heads.
fn content(node: &Node) -> Result<(u32, &Vec<u32>), FileRefusal> {
    match &node.kind {
        NodeKind::File { latest, heads } => Ok((*latest, heads)),
        NodeKind::Folder => Err(FileRefusal::NoFile),
    }
}

fn all<'d>(draft: &'d Draft<'_>, id: NodeId) -> impl Iterator<Item = (u32, &'d Version)> {
    let latest = node(draft, id).and_then(content).map_or(0, |(latest, _)| latest);
    (1..=latest).filter_map(move |n| Some((n, version_of(draft, id, n).ok()?)))
}

/// The version that a write has become. A device sends a write again if it lost the response, and a
/// copy of the device sends it as well.
pub(super) fn of_write(draft: &Draft<'_>, id: NodeId, write: Dot) -> Option<u32> {
    all(draft, id).find(|(_, version)| version.write == write).map(|(n, _)| n)
}

/// Does a version take the place of that of this write? FB-29 counts the last write of each author alone.
fn replaces(version: &Version, write: Dot, flaws: Flaws) -> bool {
    let seen = &version.seen;
    if flaws.has(Flaw::Fb29) {
        return seen.count_of(write.replica) == write.n;
    }
    seen.covers(write)
}

/// Was a version of this file built on this write?
fn is_replaced(draft: &Draft<'_>, id: NodeId, write: Dot, flaws: Flaws) -> bool {
    all(draft, id).any(|(_, version)| replaces(version, write, flaws))
}

/// May this write become a version of this file? A deleted file has to be brought back first, since an
/// edit beats a delete; but not for a write that was replaced before the delete.
pub(super) fn check(
    draft: &Draft<'_>,
    id: NodeId,
    write: Dot,
    flaws: Flaws,
) -> Result<(), FileRefusal> {
    content(node(draft, id)?)?;
    tracing::debug!(node = id.0, ?write, "checks that a write may become a version");
    if is_replaced(draft, id, write, flaws) { Ok(()) } else { live(draft, id).map(|_| ()) }
}

/// Adds a version to a file; returns its number.
pub(super) fn add(
    draft: &mut Draft<'_>,
    id: NodeId,
    version: Version,
    flaws: Flaws,
) -> Result<u32, FileRefusal> {
    check(draft, id, version.write, flaws)?;
    let mut node = node(draft, id)?.clone();
    let (latest, heads) = content(&node)?;
    let replaced = |(_, it): &(u32, &Version)| replaces(&version, it.write, flaws);
    let replaced: Vec<u32> = all(draft, id).filter(replaced).map(|(n, _)| n).collect();
    let n = if flaws.has(Flaw::VfVersionRace) {
        replaced.iter().max().map_or(1, |known| known + 1)
    } else {
        latest + 1
    };
    let before = heads.len();
    let kept = heads.iter().copied().filter(|head| !replaced.contains(head) && *head != n);
    let mut heads: Vec<u32> = kept.collect();
    let joined = before - heads.len() > 1;
    #[cfg(feature = "flaws")]
    if flaws.has(Flaw::VfNestedBorrow) && latest > 0 {
        borrow_twice(&mut heads);
    }
    if is_replaced(draft, id, version.write, flaws) {
        draft.reach(Point::ReplacedBefore);
    } else {
        heads.push(n);
    }
    heads.sort_unstable();
    assert!(n > latest || flaws.has(Flaw::VfVersionRace), "a version's number is never used again");
    assert!(heads.is_sorted_by(|one, next| one < next), "a version is a head once");
    if heads.len() > 1 {
        draft.reach(Point::HeadsApart);
    } else if joined {
        draft.reach(Point::HeadsJoined);
    }
    node.kind = NodeKind::File { latest: latest.max(n), heads };
    save(draft, id, node);
    put(draft, FileKey::Version(id, n), FileDoc::Version(version));
    tracing::debug!(node = id.0, version = n, ?replaced, "added a version");
    Ok(n)
}

/// Adds a version with the content of an old one.
pub(super) fn restore(
    draft: &mut Draft<'_>,
    id: NodeId,
    (n, blob): (u32, Address),
    (seen, write, sealed): (&Vv, Dot, &Bytes),
    flaws: Flaws,
) -> Result<FileReply, Stop> {
    if let Some(there) = of_write(draft, id, write) {
        return Ok(FileReply::Published(there));
    }
    tracing::debug!(node = id.0, version = n, ?write, "restores a version");
    let old = if flaws.has(Flaw::VfRestoreIndex) {
        // By its index in the list without the versions that are restorations.
        let list = all(draft, id).map(|(_, version)| version);
        let mut list = list.filter(|version| version.restores.is_none());
        list.nth(n.saturating_sub(1) as usize).ok_or(FileRefusal::NoVersion)?
    } else {
        Some(version_of(draft, id, n)?)
            .filter(|old| old.blob == blob)
            .ok_or(FileRefusal::NoVersion)?
    };
    let (blob, seen, sealed) = (old.blob, seen.clone(), sealed.clone());
    let restored = Version { blob, write, sealed, seen, restores: Some(n) };
    let n = add(draft, id, restored, flaws)?;
    draft.reach(Point::VersionRestored);
    Ok(FileReply::Published(n))
}

/// Lists all versions. A damaged log may lack one, so their number is checked.
pub(super) fn list(draft: &Draft<'_>, id: NodeId) -> Result<FileReply, Stop> {
    let (latest, _) = content(node(draft, id)?)?;
    let list: Vec<Version> = all(draft, id).map(|(_, version)| version.clone()).collect();
    assert!(list.len() <= latest as usize, "a version has a number up to the latest");
    if list.len() == latest as usize {
        Ok(FileReply::Versions(list))
    } else {
        tracing::warn!(node = id.0, latest, there = list.len(), "the log lacks versions of a file");
        Err(Refusal::Internal.into())
    }
}

/// A node with its heads.
pub(super) fn shown(draft: &Draft<'_>, id: NodeId) -> Option<Box<Shown>> {
    let node = node(draft, id).ok()?.clone();
    let heads = content(&node).map_or(&[][..], |(_, heads)| heads);
    // A damaged log may lack a version: the other heads are shown.
    let heads = heads.iter().filter_map(|n| Some((*n, version_of(draft, id, *n).ok()?.clone())));
    Some(Box::new(Shown { id, heads: heads.collect(), node }))
}

/// VF-NESTED-BORROW: while the list is borrowed, what keeps it in order borrows it too.
#[cfg(feature = "flaws")]
fn borrow_twice(heads: &mut Vec<u32>) {
    let list = std::cell::RefCell::new(heads);
    let versions = list.borrow_mut();
    list.borrow_mut().sort_unstable();
    drop(versions);
}
