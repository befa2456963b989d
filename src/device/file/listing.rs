//! What a user is shown of files: the mirror, and over it the own writes that the feed lacks.

use std::collections::BTreeMap;

use super::super::ask::{Head, Listed};
use super::super::core::Core;
use super::super::store::OwnWrite;
use super::sealed::{open_label, open_own_name};
use crate::id::{Dot, NodeId};
use crate::log::{NodeKind, Version};
use crate::message::Shown;
use crate::name;
use crate::record::Vv;

/// The name of a file whose own one is not known.
const RECOVERED: &str = "recovered";

/// All files and folders, by their ids.
pub(in crate::device) fn list(core: &Core) -> Vec<Listed> {
    list_some(core, core.store.files().nodes().values(), |_| true)
}

/// One of them.
pub(super) fn look_up(core: &Core, node: NodeId) -> Option<Listed> {
    let mut listed = list_some(core, core.store.files().node(node), |it| it == node);
    assert!(listed.len() <= 1, "one id is one node");
    listed.pop()
}

/// What is shown of these nodes of the mirror, and of own writes of nodes like them.
fn list_some<'s>(
    core: &Core,
    mirror: impl IntoIterator<Item = &'s Shown>,
    is_meant: impl Fn(NodeId) -> bool,
) -> Vec<Listed> {
    let mirror = mirror.into_iter().map(|shown| (shown.id, listed(core, shown)));
    let mut all: BTreeMap<NodeId, Listed> = mirror.collect();
    let own = core.store.files().writes_in_order();
    for (dot, write) in own.filter(|(_, write)| is_meant(write.node)) {
        if let Some((parent, name)) = &write.place {
            let new = || {
                let name = name::shown(name.clone(), write.node, core.boot.flaws);
                unsent(write.node, *parent, name)
            };
            all.entry(write.node).or_insert_with(new);
        }
        // A version of a file that a restored log has lost is shown once it is aimed at a new file.
        if let Some(listed) = all.get_mut(&write.node) {
            overlay(listed, dot, write);
        }
    }
    let mut all: Vec<Listed> = all.into_values().collect();
    for it in all.iter_mut().filter(|it| !it.sealed) {
        let copies = it.heads.iter().skip(1);
        it.copies = copies.map(|head| name::of_copy(&it.name, head.write)).collect();
    }
    all
}

fn listed(core: &Core, shown: &Shown) -> Listed {
    let (node, place) = (shown.id, &shown.node.place);
    let name = open_own_name(core, node, &place.name);
    let head = |(n, version): &(u32, Version)| {
        let label = open_label(core, node, version).ok();
        Head { version: Some(*n), write: version.write, token: label.map(|label| label.token) }
    };
    Listed {
        node,
        parent: place.parent,
        sealed: name.is_err(),
        name: name.unwrap_or_default(),
        is_folder: shown.node.kind == NodeKind::Folder,
        deleted: shown.node.deleted,
        latest: match &shown.node.kind {
            NodeKind::File { latest, .. } => *latest,
            NodeKind::Folder => 0,
        },
        heads: shown.heads.iter().map(head).collect(),
        copies: Vec::new(),
        seen: seen(&shown.heads),
    }
}

/// The writes that made these versions, and all that they were built on.
fn seen(heads: &[(u32, Version)]) -> Vv {
    let mut seen = Vv::default();
    for (_, version) in heads {
        seen.join(&version.seen);
        seen.add(version.write);
    }
    seen
}

/// A file that only this device knows.
fn unsent(node: NodeId, parent: NodeId, name: String) -> Listed {
    Listed {
        node,
        parent,
        name,
        is_folder: false,
        deleted: false,
        latest: 0,
        heads: Vec::new(),
        copies: Vec::new(),
        seen: Vv::default(),
        sealed: false,
    }
}

/// Shows an own write: it beats a delete, and stands in the place of what it was built on. A log that was
/// set back may have what was built on this one, before it has this one again.
fn overlay(listed: &mut Listed, write: Dot, own: &OwnWrite) {
    assert_eq!(listed.node, own.node, "a write is shown at its own file");
    if listed.seen.covers(write) {
        return;
    }
    listed.heads.retain(|head| !own.seen.covers(head.write));
    listed.seen.join(&own.seen);
    listed.seen.add(write);
    listed.deleted = false;
    let version = own.published.map(|published| published.version);
    let token = Some(own.content.token);
    listed.heads.push(Head { version, write, token });
}

/// Where a node is, or was, and under which name. Before the feed has shown it, the own write
/// that made it knows.
pub(in crate::device) fn last_place(core: &Core, node: NodeId) -> (NodeId, String) {
    let files = core.store.files();
    if let Some(shown) = files.node(node) {
        let name = open_own_name(core, node, &shown.node.place.name);
        return (shown.node.place.parent, name.unwrap_or_else(|_| RECOVERED.to_owned()));
    }
    let made = files.writes_in_order().filter(|(_, write)| write.node == node);
    let place = made.filter_map(|(_, write)| write.place.clone()).last();
    place.unwrap_or((NodeId::ROOT, RECOVERED.to_owned()))
}
