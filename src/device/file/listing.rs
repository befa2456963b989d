//! What a user is shown of files: the mirror, and over it the own writes that the feed lacks.

use std::collections::BTreeMap;

use super::super::{Device, FileTarget, Head, Listed};
use super::{OwnWrite, latest};
use crate::id::{Dot, NodeId};
use crate::log::NodeKind;
use crate::message::Shown;
use crate::name;

impl Device {
    /// All files and folders, by their ids.
    pub(in crate::device) fn list_files(&self) -> Vec<Listed> {
        self.list(self.store.nodes().values(), |_| true)
    }

    /// One of them.
    pub(super) fn look_up(&self, node: NodeId) -> Option<Listed> {
        self.list(self.store.nodes().get(&node), |it| it == node).pop()
    }

    /// What is shown of these nodes of the mirror, and of own writes of nodes like them.
    fn list<'s>(
        &self,
        mirror: impl IntoIterator<Item = &'s Shown>,
        is_meant: impl Fn(NodeId) -> bool,
    ) -> Vec<Listed> {
        let mirror = mirror.into_iter().map(|shown| (shown.id, self.listed(shown)));
        let mut listed: BTreeMap<NodeId, Listed> = mirror.collect();
        for (dot, write) in self.own_writes().filter(|(_, write)| is_meant(write.node)) {
            if let FileTarget::New { parent, name } = &write.target {
                let new = || unsent(write.node, *parent, name.clone());
                listed.entry(write.node).or_insert_with(new);
            }
            if let Some(listed) = listed.get_mut(&write.node) {
                overlay(listed, dot, write);
            }
        }
        let mut listed: Vec<Listed> = listed.into_values().collect();
        for it in listed.iter_mut().filter(|it| !it.sealed) {
            let copies = it.heads.iter().skip(1);
            it.copies = copies.map(|head| name::of_copy(&it.name, head.write)).collect();
        }
        listed
    }

    /// The own writes that the feed has not shown, oldest first.
    pub(super) fn own_writes(&self) -> impl Iterator<Item = (Dot, &OwnWrite)> {
        let mut own: Vec<_> =
            self.store.uploads().iter().map(|(dot, write)| (*dot, write)).collect();
        own.sort_unstable_by_key(|(dot, write)| (write.order, *dot));
        own.into_iter()
    }

    /// The own writes that the server lacks, oldest first.
    pub(super) fn unsent(&self) -> impl Iterator<Item = (Dot, &OwnWrite)> {
        self.own_writes().filter(|(_, write)| write.published.is_none())
    }

    fn listed(&self, shown: &Shown) -> Listed {
        let (node, place) = (shown.id, &shown.node.place);
        let name = self.open_name(node, &place.name);
        let head = |(n, version): &(u32, crate::log::Version)| {
            let label = self.open_label(node, version).ok();
            Head { version: Some(*n), write: version.write, token: label.map(|label| label.token) }
        };
        Listed {
            node,
            parent: place.parent,
            sealed: name.is_err(),
            name: name.unwrap_or_default(),
            is_folder: shown.node.kind == NodeKind::Folder,
            deleted: shown.node.deleted,
            latest: latest(shown),
            heads: shown.heads.iter().map(head).collect(),
            copies: Vec::new(),
        }
    }
}

/// A file that nobody else knows of.
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
        sealed: false,
    }
}

/// Shows an own write: it beats a delete, and stands in the place of what it names.
fn overlay(listed: &mut Listed, write: Dot, own: &OwnWrite) {
    if let FileTarget::Version { replaces, .. } = &own.target {
        listed.heads.retain(|head| !replaces.contains(&head.write));
    }
    listed.deleted = false;
    let version = own.published.map(|published| published.version);
    let token = Some(own.content.token);
    listed.heads.push(Head { version, write, token });
}
