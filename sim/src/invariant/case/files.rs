//! What becomes of files in a case: uploads, versions, moves and jobs, as the log and the volume tell
//! it. A case keeps no rules: it tells what it is asked to tell, and keeps names and numbers right.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::blob::{Address, Manifest};
use engine::id::{DeviceId, Dot, NodeId, OpId};
use engine::log::{
    Doc, FileDoc, FileKey, Job, Key, Node as File, NodeKind, Op, Stored, Upload, Version, pieces_of,
};
use engine::message::{FileReply, Intent, Item, JobId, Move, Name, Place, Reply, Target};
use harness::time::Time;

use super::Case;
use super::server::WORKER;
use crate::history::file::{FileAsked, FileDone};
use crate::history::{Answered, Fact};
use crate::time::ToEngine;

pub(crate) const ROOT: NodeId = NodeId::ROOT;
pub(crate) const LETTERS: NodeId = NodeId(0x1e);
pub(crate) const PHOTOS: NodeId = NodeId(0x9f);
pub(crate) const DRAFT: NodeId = NodeId(0xd1);
pub(crate) const NOTES: NodeId = NodeId(0xd2);

/// The files of the phone's user, as told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct ToldFiles {
    nodes: BTreeMap<NodeId, File>,
    names: BTreeMap<NodeId, String>,
    versions: BTreeMap<(NodeId, u32), Version>,
    uploads: BTreeMap<Address, Stored>,
    jobs: BTreeMap<JobId, Vec<(Move, Option<Item>)>>,
    /// The write that is uploaded or published next.
    write: Option<Dot>,
}

type Puts = Vec<(Key, Option<Doc>)>;

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

impl Case {
    /// The next entry of the log does one thing for a device, under its next number.
    pub(crate) fn does(&mut self, device: DeviceId, mut puts: Puts, reply: Reply) -> usize {
        let seq = self.next_seq(self.user(device));
        for (key, doc) in &mut puts {
            if let (Key::File(FileKey::Node(id)), Some(Doc::File(FileDoc::Node(node)))) = (key, doc)
            {
                node.changed = seq;
                if let Some(told) = self.told_files.nodes.get_mut(id) {
                    told.changed = seq;
                }
            }
        }
        let client = self.client(device);
        let receipt = Some((client, self.next_number(client)));
        let session = (self.user(device), self.key(device), client);
        self.acts(session, Op { receipt, puts, reply })
    }

    /// Tells what a node is called since the last entry.
    pub(crate) fn tells_name(&mut self, device: DeviceId, node: NodeId, of: Option<&str>) {
        let (space, name) = (self.user(device), of.map(Arc::from));
        self.fact(WORKER, Fact::Named { space, node, name });
    }

    fn tells_names(&mut self, device: DeviceId, nodes: &[NodeId]) {
        for node in nodes {
            let name = self.told_files.names[node].clone();
            self.tells_name(device, *node, Some(&name));
        }
    }

    /// A node as it is told to be; the places that it takes.
    fn settles(&mut self, id: NodeId, file: File, of: &str) -> Puts {
        let mut puts = Vec::new();
        if let Some(was) = self.told_files.nodes.get(&id) {
            puts.push(put(FileKey::Named(was.place.parent, was.place.name.key), None));
        }
        let Place { parent, name } = &file.place;
        puts.push(put(FileKey::Named(*parent, name.key), Some(FileDoc::Holder(id))));
        puts.push(put(FileKey::Node(id), Some(FileDoc::Node(file.clone()))));
        self.told_files.nodes.insert(id, file);
        self.told_files.names.insert(id, of.into());
        puts
    }

    // The tree.

    /// A user wants a node to be there, under this name.
    fn wants(&mut self, device: DeviceId, (id, parent, of): (NodeId, NodeId, &str)) -> OpId {
        self.asks_of_files(device, FileAsked::Move(vec![(id, Some(parent), Some(of.into()))]))
    }

    fn gets(&mut self, device: DeviceId, op: OpId) {
        self.answers(device, op, Answered::File(FileDone::Moved));
    }

    /// Makes a folder.
    pub(crate) fn makes_folder(&mut self, device: DeviceId, id: NodeId, parent: NodeId, of: &str) {
        let op = self.wants(device, (id, parent, of));
        let place = Place { parent, name: name(of) };
        let folder = File { place, kind: NodeKind::Folder, deleted: false, changed: 0 };
        let puts = self.settles(id, folder, of);
        self.does(device, puts, Reply::File(FileReply::Done));
        self.tells_names(device, &[id]);
        self.gets(device, op);
    }

    /// What moves a node.
    pub(crate) fn moving(&mut self, id: NodeId, parent: NodeId, of: &str) -> Puts {
        let mut file = self.told_files.nodes[&id].clone();
        file.place = Place { parent, name: name(of) };
        self.settles(id, file, of)
    }

    /// Moves nodes, all in one commit.
    pub(crate) fn moves(&mut self, device: DeviceId, all: &[(NodeId, NodeId, &str)]) {
        let wanted = all.iter().map(|(id, to, of)| (*id, Some(*to), Some((*of).to_owned())));
        let op = self.asks_of_files(device, FileAsked::Move(wanted.collect()));
        let puts = all.iter().flat_map(|(id, to, of)| self.moving(*id, *to, of));
        let mut puts: Puts = puts.collect();
        // First all leave, then all arrive.
        puts.sort_by_key(|(_, doc)| doc.is_some());
        self.does(device, puts, Reply::File(FileReply::Moved));
        let nodes: Vec<NodeId> = all.iter().map(|moved| moved.0).collect();
        self.tells_names(device, &nodes);
        self.gets(device, op);
    }

    /// A user who has seen all of it deletes a node, whatever is in it.
    pub(crate) fn deletes_node(&mut self, device: DeviceId, id: NodeId) {
        let seen = self.node_as_told(id).1.iter().map(|head| head.0).max().unwrap_or(0);
        let asked = FileAsked::Delete { node: id, seen, exposed: Vec::new() };
        let op = self.asks_of_files(device, asked);
        self.is_deleted(device, id);
        self.answers(device, op, Answered::File(FileDone::Done));
    }

    /// The log has it that a node is deleted.
    pub(crate) fn is_deleted(&mut self, device: DeviceId, id: NodeId) {
        let file = self.told_files.nodes.get_mut(&id).expect("it was made");
        file.deleted = true;
        let place = file.place.clone();
        let puts = vec![
            put(FileKey::Named(place.parent, place.name.key), None),
            put(FileKey::Node(id), Some(FileDoc::Node(file.clone()))),
        ];
        self.does(device, puts, Reply::File(FileReply::Done));
    }

    // Content.

    /// Begins an upload of some words, for a new file or a new version; its blob.
    pub(crate) fn begins(&mut self, device: DeviceId, target: Target, words: &str) -> Address {
        let (manifest, upload) = (manifest(words), self.next_seq(self.user(device)));
        let (blob, node) = (manifest.address, target.node());
        let stored = Stored { manifest, upload, node };
        self.told_files.uploads.insert(blob, stored.clone());
        let (write, until) = (self.dot(device), Time(self.now + 60_000).to_engine());
        let intent = Intent { target, write, sealed: [1][..].into() };
        let doc = FileDoc::Upload(Upload { stored, until, intent }.into());
        let puts = vec![put(FileKey::Upload(blob), Some(doc))];
        self.does(device, puts, Reply::File(FileReply::Begun(upload, until)));
        blob
    }

    /// What is uploaded or published next is this write.
    pub(crate) fn write_as(&mut self, dot: Dot) {
        self.told_files.write = Some(dot);
    }

    /// A node, with its heads and the writes that made them.
    pub(crate) fn node_as_told(&self, id: NodeId) -> (File, Vec<(u32, Dot)>) {
        let node = self.told_files.nodes[&id].clone();
        let heads = match &node.kind {
            NodeKind::Folder => Vec::new(),
            NodeKind::File { heads, .. } => heads.clone(),
        };
        let write = |n: u32| (n, self.told_files.versions[&(id, n)].write);
        (node, heads.into_iter().map(write).collect())
    }

    pub(crate) fn name_as_told(&self, id: NodeId) -> String {
        self.told_files.names[&id].clone()
    }

    fn dot(&mut self, device: DeviceId) -> Dot {
        if let Some(dot) = self.told_files.write.take() {
            return dot;
        }
        Dot { replica: self.client(device).replica, n: u64::from(self.fresh()) }
    }

    /// The volume keeps the pieces of a blob.
    pub(crate) fn keeps(&mut self, device: DeviceId, blob: Address) {
        for piece in self.told_files.uploads[&blob].manifest.pieces.clone() {
            self.keeps_piece(device, blob, Some(piece));
        }
    }

    /// The volume keeps a piece, or bytes of this hash in its place, or nothing any more.
    pub(crate) fn keeps_piece(&mut self, device: DeviceId, blob: Address, hash: Option<Address>) {
        let (space, upload) = (self.user(device), self.told_files.uploads[&blob].upload);
        let key = format!("{}0", pieces_of(space, blob, upload)).into();
        self.fact(WORKER, Fact::Kept { space, key, hash: hash.map(Box::new) });
    }

    /// Publishes the blob as a new file of this name.
    pub(crate) fn publishes_new(
        &mut self,
        device: DeviceId,
        (id, parent, of): (NodeId, NodeId, &str),
        blob: Address,
    ) {
        let op = self.wants(device, (id, parent, of));
        let kind = NodeKind::File { latest: 1, heads: vec![1] };
        let place = Place { parent, name: name(of) };
        let mut puts = self.settles(id, File { place, kind, deleted: false, changed: 0 }, of);
        puts.extend(self.versions(device, (id, 1), blob, &[], None));
        self.does(device, puts, Reply::File(FileReply::Published(1)));
        self.tells_names(device, &[id]);
        self.gets(device, op);
    }

    /// What makes a version of a blob.
    pub(crate) fn versions(
        &mut self,
        device: DeviceId,
        (id, n): (NodeId, u32),
        blob: Address,
        replaces: &[u32],
        restores: Option<u32>,
    ) -> Puts {
        let (write, sealed) = (self.dot(device), [1][..].into());
        let version = Version { blob, write, sealed, replaces: replaces.to_vec(), restores };
        self.told_files.versions.insert((id, n), version.clone());
        let mut puts = vec![put(FileKey::Version(id, n), Some(FileDoc::Version(version)))];
        if restores.is_none() {
            let stored = self.told_files.uploads[&blob].clone();
            puts.push(put(FileKey::Upload(blob), None));
            puts.push(put(FileKey::Blob(blob), Some(FileDoc::Blob(stored, n))));
        }
        puts
    }

    /// What makes a version the latest of its file, with these heads.
    pub(crate) fn counts(&mut self, id: NodeId, latest: u32, heads: &[u32]) -> Puts {
        let file = self.told_files.nodes.get_mut(&id).expect("it was made");
        file.kind = NodeKind::File { latest, heads: heads.to_vec() };
        vec![put(FileKey::Node(id), Some(FileDoc::Node(file.clone())))]
    }

    /// A new file with these words, uploaded and published.
    pub(crate) fn makes_file(
        &mut self,
        device: DeviceId,
        (id, parent, of): (NodeId, NodeId, &str),
        words: &str,
    ) -> Address {
        let place = Place { parent, name: name(of) };
        let blob = self.begins(device, Target::New(id, place), words);
        self.keeps(device, blob);
        self.publishes_new(device, (id, parent, of), blob);
        blob
    }

    /// A new version with these words in place of the last one, uploaded and published.
    pub(crate) fn revises(
        &mut self,
        device: DeviceId,
        (id, n): (NodeId, u32),
        words: &str,
    ) -> Address {
        let blob = self.begins(device, Target::Version(id, Vec::new()), words);
        self.keeps(device, blob);
        let mut puts = self.versions(device, (id, n), blob, &[n - 1], None);
        puts.extend(self.counts(id, n, &[n]));
        self.does(device, puts, Reply::File(FileReply::Published(n)));
        self.tells_names(device, &[id]);
        blob
    }

    /// Restores a version as the next one, with this content.
    pub(crate) fn restores(
        &mut self,
        device: DeviceId,
        (id, n): (NodeId, u32),
        (of, blob): (u32, Address),
    ) {
        let mut puts = self.versions(device, (id, n), blob, &[n - 1], Some(of));
        puts.extend(self.counts(id, n, &[n]));
        self.does(device, puts, Reply::File(FileReply::Published(n)));
        self.tells_names(device, &[id]);
    }

    // Jobs.

    /// Takes a batch on as a job.
    pub(crate) fn accepts(&mut self, device: DeviceId, moves: Vec<Move>) -> JobId {
        let client = self.client(device);
        let id = JobId { client, n: self.fresh() };
        let items: Vec<_> = moves.into_iter().map(|one| (one, None)).collect();
        self.told_files.jobs.insert(id, items.clone());
        let mut puts = vec![self.so_far(id, 0)];
        puts.extend(
            (0..).zip(items).map(|(n, (one, became))| {
                put(FileKey::Item(id, n), Some(FileDoc::Item(one, became)))
            }),
        );
        self.does(device, puts, Reply::File(FileReply::Accepted(id)));
        id
    }

    /// What says how far a job is.
    pub(crate) fn so_far(&self, id: JobId, done: u32) -> (Key, Option<Doc>) {
        let total = u32::try_from(self.told_files.jobs[&id].len()).expect("a case is small");
        put(FileKey::Job(id), Some(FileDoc::Job(Job { total, done })))
    }

    /// What says what became of an item.
    pub(crate) fn became(&self, id: JobId, n: u32, item: Item) -> (Key, Option<Doc>) {
        let (one, _) = self.told_files.jobs[&id][n as usize].clone();
        put(FileKey::Item(id, n), Some(FileDoc::Item(one, Some(item))))
    }

    /// A worker does the next item of a job, which moves a node.
    pub(crate) fn does_item(
        &mut self,
        device: DeviceId,
        (id, n): (JobId, u32),
        (node, to, of): (NodeId, NodeId, &str),
    ) {
        let op = self.wants(device, (node, to, of));
        let mut puts = self.moving(node, to, of);
        let seq = self.next_seq(self.user(device));
        puts.push(self.became(id, n, Ok(seq)));
        puts.push(self.so_far(id, n + 1));
        self.works(device, puts);
        self.tells_names(device, &[node]);
        self.gets(device, op);
    }

    /// A worker does something of its own accord.
    pub(crate) fn works(&mut self, device: DeviceId, puts: Puts) {
        let op = Op { receipt: None, puts, reply: Reply::File(FileReply::Done) };
        self.logs(self.user(device), vec![op]);
    }
}

/// What some words consist of, in one piece.
pub(crate) fn manifest(words: &str) -> Manifest {
    Manifest::of(words.as_bytes(), words.len())
}
