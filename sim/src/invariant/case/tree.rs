//! The files of a case as its log has them. A case keeps no rules of files: it tells what it is asked to
//! tell, and keeps names and numbers right.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::blob::Address;
use engine::id::{Dot, NodeId, OpId, Token};
use engine::log::{Doc, FileDoc, FileKey, Job, Key, Node as File, NodeKind, Stored, Version};
use engine::message::{Item, JobId, Move, Name, Place};

use crate::history::Change;
use crate::history::file::{Head, Listed, NodeSeen};

pub(crate) const ROOT: NodeId = NodeId::ROOT;
pub(crate) const LETTERS: NodeId = NodeId(0x1e);
pub(crate) const PHOTOS: NodeId = NodeId(0x9f);
pub(crate) const DRAFT: NodeId = NodeId(0xd1);
pub(crate) const NOTES: NodeId = NodeId(0xd2);

/// A write of a file as a case tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileWrite {
    pub(crate) op: OpId,
    pub(crate) token: Token,
    pub(crate) dot: Dot,
    pub(crate) node: NodeId,
}

/// The files of the phone's user, as told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToldFiles {
    pub(super) nodes: BTreeMap<NodeId, File>,
    pub(super) names: BTreeMap<NodeId, String>,
    pub(super) versions: BTreeMap<(NodeId, u32), Version>,
    pub(super) uploads: BTreeMap<Address, Stored>,
    pub(super) jobs: BTreeMap<JobId, Vec<(Move, Option<Item>)>>,
    /// The write that is uploaded or published next.
    pub(super) write: Option<Dot>,
}

pub(super) type Puts = Vec<(Key, Option<Doc>)>;

/// What an op puts at a place, of files.
pub(crate) fn put(key: FileKey, doc: Option<FileDoc>) -> (Key, Option<Doc>) {
    (Key::File(key), doc.map(Doc::File))
}

/// A name that the server tells apart by its bytes, as any server would that cannot read it.
pub(crate) fn name(of: &str) -> Name {
    let mut key = [0; 16];
    for (n, byte) in of.bytes().enumerate() {
        key[n % 16] ^= byte.rotate_left(u32::try_from(n / 16).expect("a name is short"));
    }
    let bytes = postcard::to_allocvec(&(key, format!("sealed {of}").as_bytes()));
    let bytes = bytes.expect("memory is the only limit");
    postcard::from_bytes(&bytes).expect("that is how a name is written down")
}

impl ToldFiles {
    /// Sets a node; what the log has to put for it.
    pub(super) fn settles(&mut self, id: NodeId, file: File, of: &str) -> Puts {
        let mut puts = Vec::new();
        if let Some(was) = self.nodes.get(&id) {
            puts.push(put(FileKey::Named(was.place.parent, was.place.name.key), None));
        }
        let Place { parent, name } = &file.place;
        puts.push(put(FileKey::Named(*parent, name.key), Some(FileDoc::Holder(id))));
        puts.push(put(FileKey::Node(id), Some(FileDoc::Node(file.clone()))));
        self.nodes.insert(id, file);
        self.names.insert(id, of.into());
        puts
    }

    /// What moves a node.
    pub(crate) fn moving(&mut self, id: NodeId, parent: NodeId, of: &str) -> Puts {
        let mut file = self.nodes[&id].clone();
        file.place = Place { parent, name: name(of) };
        self.settles(id, file, of)
    }

    /// What is uploaded or published next is this write.
    pub(crate) fn next_write_is(&mut self, dot: Dot) {
        self.write = Some(dot);
    }

    /// A node, with its heads and the writes that made them.
    pub(crate) fn node(&self, id: NodeId) -> (File, Vec<(u32, Dot)>) {
        let node = self.nodes[&id].clone();
        let heads = match &node.kind {
            NodeKind::Folder => Vec::new(),
            NodeKind::File { heads, .. } => heads.clone(),
        };
        let write = |n: u32| (n, self.versions[&(id, n)].write);
        (node, heads.into_iter().map(write).collect())
    }

    /// What a node is called.
    pub(crate) fn name_of(&self, id: NodeId) -> String {
        self.names[&id].clone()
    }

    /// What makes a version the latest of its file, with these heads.
    pub(crate) fn counts(&mut self, id: NodeId, latest: u32, heads: &[u32]) -> Puts {
        let file = self.nodes.get_mut(&id).expect("it was made");
        file.kind = NodeKind::File { latest, heads: heads.to_vec() };
        vec![put(FileKey::Node(id), Some(FileDoc::Node(file.clone())))]
    }

    /// What says how far a job is.
    pub(crate) fn so_far(&self, id: JobId, done: u32) -> (Key, Option<Doc>) {
        let total = u32::try_from(self.jobs[&id].len()).expect("a case is small");
        put(FileKey::Job(id), Some(FileDoc::Job(Job { total, done })))
    }

    /// What says what became of an item.
    pub(crate) fn became(&self, id: JobId, n: u32, item: Item) -> (Key, Option<Doc>) {
        let (one, _) = self.jobs[&id][n as usize].clone();
        put(FileKey::Item(id, n), Some(FileDoc::Item(one, Some(item))))
    }

    /// The change that keeps what the feed tells of a node.
    pub(crate) fn mirrored(&self, id: NodeId) -> Change {
        let (node, heads) = self.node(id);
        let seen = NodeSeen {
            parent: node.place.parent,
            is_folder: heads.is_empty(),
            deleted: node.deleted,
            changed: node.changed,
            heads,
        };
        Change::Node(id, Some(Arc::new(seen)))
    }

    /// A list of these files, as the log has them, with the labels of these writes.
    pub(crate) fn list_of(&self, nodes: &[NodeId], writes: &[FileWrite]) -> Vec<Listed> {
        let list = nodes.iter().map(|id| {
            let (node, heads) = self.node(*id);
            let token = |dot: Dot| writes.iter().find(|it| it.dot == dot).map(|it| it.token);
            let head =
                |(n, dot): (u32, Dot)| Head { version: Some(n), write: dot, token: token(dot) };
            Listed {
                node: *id,
                parent: node.place.parent,
                name: self.name_of(*id),
                is_folder: heads.is_empty(),
                deleted: node.deleted,
                latest: heads.iter().map(|head| head.0).max().unwrap_or(0),
                heads: heads.into_iter().map(head).collect(),
                copies: Vec::new(),
                sealed: false,
            }
        });
        list.collect()
    }
}
