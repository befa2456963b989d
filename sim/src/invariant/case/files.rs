//! What a device does about files in a case: what its user asks and is shown, what it keeps, and what
//! the log and the volume make of it.

use std::sync::Arc;

use engine::blob::{Address, Manifest};
use engine::id::{DeviceId, Dot, NodeId, OpId, Token};
use engine::log::{
    Doc, FileDoc, FileKey, Key, Node as File, NodeKind, Op, Stored, Upload, Version, pieces_of,
};
use engine::message::{FeedCursor, FileReply, Intent, JobId, Move, Place, Reply, Target};
use harness::time::Time;

use super::device::Device;
use super::log::Log;
use super::tree::{DRAFT, FileWrite, Puts, ROOT, name, put};
use super::{Case, WORKER};
use crate::history::file::{FileAsked, FileDone, Goal, Head, Listed, Print};
use crate::history::{Answered, Asked, Change, Fact};
use crate::time::ToEngine;

/// The files of a user, as one device handles them.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    pub(super) case: &'a mut Case,
    pub(super) device: DeviceId,
}

impl Device<'_> {
    /// What it does about files.
    pub(crate) fn files(&mut self) -> Files<'_> {
        Files { case: self.case, device: self.id }
    }
}

impl Files<'_> {
    fn device(&mut self) -> Device<'_> {
        self.case.device(self.device)
    }

    fn log(&mut self) -> Log<'_> {
        let space = self.case.user(self.device);
        self.case.log(space)
    }

    /// The next entry of the log does one thing for a device, under its next number.
    pub(crate) fn does(&mut self, mut puts: Puts, reply: Reply) -> usize {
        let seq = self.log().next_seq();
        for (key, doc) in &mut puts {
            if let (Key::File(FileKey::Node(id)), Some(Doc::File(FileDoc::Node(node)))) = (key, doc)
            {
                node.changed = seq;
                if let Some(told) = self.case.files.nodes.get_mut(id) {
                    told.changed = seq;
                }
            }
        }
        let client = self.case.client(self.device);
        let receipt = Some((client, self.case.next_number(client)));
        let session = (self.case.key(self.device), client);
        self.log().does(session, Op { receipt, puts, reply })
    }

    /// Tells what a node is called since the last entry.
    pub(crate) fn tells_name(&mut self, node: NodeId, of: Option<&str>) {
        let (space, name) = (self.case.user(self.device), of.map(Arc::from));
        self.case.fact(WORKER, Fact::Named { space, node, name });
    }

    fn tells_names(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            let name = self.case.files.names[node].clone();
            self.tells_name(*node, Some(&name));
        }
    }

    /// A user wants a node to be there, under this name.
    fn wants(&mut self, (id, parent, of): (NodeId, NodeId, &str)) -> OpId {
        self.asks(FileAsked::Move(vec![(id, Some(parent), Some(of.into()))]))
    }

    fn gets(&mut self, op: OpId) {
        self.device().answers(op, Answered::File(FileDone::Moved));
    }

    /// Makes a folder.
    pub(crate) fn makes_folder(&mut self, id: NodeId, parent: NodeId, of: &str) {
        let op = self.wants((id, parent, of));
        let place = Place { parent, name: name(of) };
        let folder = File { place, kind: NodeKind::Folder, deleted: false, changed: 0 };
        let puts = self.case.files.settles(id, folder, of);
        self.does(puts, Reply::File(FileReply::Done));
        self.tells_names(&[id]);
        self.gets(op);
    }

    /// Moves nodes, all in one commit.
    pub(crate) fn moves(&mut self, all: &[(NodeId, NodeId, &str)]) {
        let wanted = all.iter().map(|(id, to, of)| (*id, Some(*to), Some((*of).to_owned())));
        let op = self.asks(FileAsked::Move(wanted.collect()));
        let puts = all.iter().flat_map(|(id, to, of)| self.case.files.moving(*id, *to, of));
        let mut puts: Puts = puts.collect();
        // First all leave, then all arrive.
        puts.sort_by_key(|(_, doc)| doc.is_some());
        self.does(puts, Reply::File(FileReply::Moved));
        let nodes: Vec<NodeId> = all.iter().map(|moved| moved.0).collect();
        self.tells_names(&nodes);
        self.gets(op);
    }

    /// A user who has seen all of it deletes a node, whatever is in it.
    pub(crate) fn deletes(&mut self, id: NodeId) {
        let seen = self.case.files.node(id).1.iter().map(|head| head.0).max().unwrap_or(0);
        let asked = FileAsked::Delete { node: id, seen, exposed: Vec::new() };
        let op = self.asks(asked);
        self.is_deleted(id);
        self.device().answers(op, Answered::File(FileDone::Done));
    }

    /// The log has it that a node is deleted.
    pub(crate) fn is_deleted(&mut self, id: NodeId) {
        let file = self.case.files.nodes.get_mut(&id).expect("it was made");
        file.deleted = true;
        let place = file.place.clone();
        let puts = vec![
            put(FileKey::Named(place.parent, place.name.key), None),
            put(FileKey::Node(id), Some(FileDoc::Node(file.clone()))),
        ];
        self.does(puts, Reply::File(FileReply::Done));
    }

    /// Begins an upload of some words, for a new file or a new version; its blob.
    pub(crate) fn begins_upload(&mut self, target: Target, words: &str) -> Address {
        let (manifest, upload) = (manifest(words), self.log().next_seq());
        let (blob, node) = (manifest.address, target.node());
        let stored = Stored { manifest, upload, node };
        self.case.files.uploads.insert(blob, stored.clone());
        let (write, until) = (self.dot(), Time(self.case.now + 60_000).to_engine());
        let intent = Intent { target, write, seen: Default::default(), sealed: [1][..].into() };
        let doc = FileDoc::Upload(Upload { stored, until, intent }.into());
        let puts = vec![put(FileKey::Upload(blob), Some(doc))];
        self.does(puts, Reply::File(FileReply::Begun(upload, until)));
        blob
    }

    fn dot(&mut self) -> Dot {
        if let Some(dot) = self.case.files.write.take() {
            return dot;
        }
        Dot { replica: self.case.client(self.device).replica, n: u64::from(self.case.fresh()) }
    }

    /// The volume keeps the pieces of a blob.
    pub(crate) fn stores(&mut self, blob: Address) {
        for piece in self.case.files.uploads[&blob].manifest.pieces.clone() {
            self.stores_piece(blob, Some(piece));
        }
    }

    /// The volume keeps a piece, or bytes of this hash in its place, or nothing any more.
    pub(crate) fn stores_piece(&mut self, blob: Address, hash: Option<Address>) {
        let (space, upload) = (self.case.user(self.device), self.case.files.uploads[&blob].upload);
        let key = format!("{}0", pieces_of(space, blob, upload)).into();
        self.case.fact(WORKER, Fact::Kept { space, key, hash: hash.map(Box::new) });
    }

    /// Publishes the blob as a new file of this name.
    pub(crate) fn publishes(&mut self, (id, parent, of): (NodeId, NodeId, &str), blob: Address) {
        let op = self.wants((id, parent, of));
        let kind = NodeKind::File { latest: 1, heads: vec![1] };
        let place = Place { parent, name: name(of) };
        let mut puts =
            self.case.files.settles(id, File { place, kind, deleted: false, changed: 0 }, of);
        puts.extend(self.versions((id, 1), blob, &[], None));
        self.does(puts, Reply::File(FileReply::Published(1)));
        self.tells_names(&[id]);
        self.gets(op);
    }

    /// What makes a version of a blob.
    pub(crate) fn versions(
        &mut self,
        (id, n): (NodeId, u32),
        blob: Address,
        replaces: &[u32],
        restores: Option<u32>,
    ) -> Puts {
        let (write, sealed) = (self.dot(), [1][..].into());
        let seen = Default::default();
        let mut version = Version { blob, write, sealed, seen, restores };
        for old in replaces.iter().filter_map(|n| self.case.files.versions.get(&(id, *n))) {
            version.seen.join(&old.seen);
            version.seen.add(old.write);
        }
        self.case.files.versions.insert((id, n), version.clone());
        let mut puts = vec![put(FileKey::Version(id, n), Some(FileDoc::Version(version)))];
        if restores.is_none() {
            let stored = self.case.files.uploads[&blob].clone();
            puts.push(put(FileKey::Upload(blob), None));
            puts.push(put(FileKey::Blob(blob), Some(FileDoc::Blob(stored, n))));
        }
        puts
    }

    /// A new file with these words, uploaded and published.
    pub(crate) fn makes_file(
        &mut self,
        (id, parent, of): (NodeId, NodeId, &str),
        words: &str,
    ) -> Address {
        let place = Place { parent, name: name(of) };
        let blob = self.begins_upload(Target::New(id, place), words);
        self.stores(blob);
        self.publishes((id, parent, of), blob);
        blob
    }

    /// A new version with these words in place of the last one, uploaded and published.
    pub(crate) fn revises(&mut self, (id, n): (NodeId, u32), words: &str) -> Address {
        let blob = self.begins_upload(Target::Version(id), words);
        self.stores(blob);
        let mut puts = self.versions((id, n), blob, &[n - 1], None);
        puts.extend(self.case.files.counts(id, n, &[n]));
        self.does(puts, Reply::File(FileReply::Published(n)));
        self.tells_names(&[id]);
        blob
    }

    /// Restores a version as the next one, with this content.
    pub(crate) fn restores(&mut self, (id, n): (NodeId, u32), (of, blob): (u32, Address)) {
        let mut puts = self.versions((id, n), blob, &[n - 1], Some(of));
        puts.extend(self.case.files.counts(id, n, &[n]));
        self.does(puts, Reply::File(FileReply::Published(n)));
        self.tells_names(&[id]);
    }

    /// Takes a batch on as a job.
    pub(crate) fn accepts(&mut self, moves: Vec<Move>) -> JobId {
        let client = self.case.client(self.device);
        let id = JobId { client, n: self.case.fresh() };
        let items: Vec<_> = moves.into_iter().map(|one| (one, None)).collect();
        self.case.files.jobs.insert(id, items.clone());
        let mut puts = vec![self.case.files.so_far(id, 0)];
        puts.extend(
            (0..).zip(items).map(|(n, (one, became))| {
                put(FileKey::Item(id, n), Some(FileDoc::Item(one, became)))
            }),
        );
        self.does(puts, Reply::File(FileReply::Accepted(id)));
        id
    }

    /// A worker does the next item of a job, which moves a node.
    pub(crate) fn does_item(
        &mut self,
        (id, n): (JobId, u32),
        (node, to, of): (NodeId, NodeId, &str),
    ) {
        let op = self.wants((node, to, of));
        let mut puts = self.case.files.moving(node, to, of);
        let seq = self.log().next_seq();
        puts.push(self.case.files.became(id, n, Ok(seq)));
        puts.push(self.case.files.so_far(id, n + 1));
        self.works(puts);
        self.tells_names(&[node]);
        self.gets(op);
    }

    /// A worker does something without a request.
    pub(crate) fn works(&mut self, puts: Puts) {
        let op = Op { receipt: None, puts, reply: Reply::File(FileReply::Done) };
        self.log().adds(vec![op]);
    }

    /// A worker gives an upload up.
    pub(crate) fn gives_up(&mut self, blob: Address) {
        let stored = self.case.files.uploads[&blob].clone();
        let doomed = put(FileKey::Doomed(blob, stored.upload), Some(FileDoc::Doomed(stored)));
        self.works(vec![put(FileKey::Upload(blob), None), doomed]);
    }

    /// A worker has deleted all objects of an upload that was given up.
    pub(crate) fn sweeps(&mut self, blob: Address) {
        let upload = self.case.files.uploads[&blob].upload;
        self.works(vec![put(FileKey::Doomed(blob, upload), None)]);
    }

    /// A user asks something about files.
    pub(crate) fn asks(&mut self, ask: FileAsked) -> OpId {
        self.device().asks(Asked::File { ask, path: String::new(), last: false })
    }

    /// A user asks, and is answered at once.
    pub(crate) fn is_answered(&mut self, ask: FileAsked, done: FileDone) {
        let op = self.asks(ask);
        self.device().answers(op, Answered::File(done));
    }

    /// A user asks for some words to be saved, having been shown these heads.
    pub(crate) fn asks_to_save(
        &mut self,
        (node, goal): (NodeId, Goal),
        words: &str,
        exposed: Vec<Head>,
    ) -> FileWrite {
        let token = self.device().next_label();
        let content = print(token, words);
        let op = self.asks(FileAsked::Write { goal, content, exposed });
        let dot = Dot { replica: self.case.client(self.device).replica, n: u64::from(op.0) };
        FileWrite { op, token, dot, node }
    }

    /// A device keeps a write of a file, durably.
    pub(crate) fn keeps(&mut self, write: FileWrite) {
        let own = Some((write.token, write.node));
        self.device().persists(vec![Change::Upload(write.dot, own)]);
    }

    /// A user saves some words as a new file in the root.
    pub(crate) fn saves(&mut self, (node, of): (NodeId, &str), words: &str) -> FileWrite {
        let goal = Goal::New(ROOT, of.to_owned());
        let write = self.asks_to_save((node, goal), words, Vec::new());
        self.keeps(write);
        self.device().answers(write.op, Answered::Saved);
        write
    }

    /// A device uploads a new file that it kept; it is published.
    pub(crate) fn uploads(&mut self, write: FileWrite, (of, words): (&str, &str)) -> Address {
        let place = engine::message::Place { parent: ROOT, name: name(of) };
        self.case.files.next_write_is(write.dot);
        let blob = self.begins_upload(Target::New(write.node, place), words);
        self.stores(blob);
        self.case.files.next_write_is(write.dot);
        self.publishes((write.node, ROOT, of), blob);
        blob
    }

    /// A user saves a draft, which is published and read in the feed.
    pub(super) fn makes_draft(&mut self) -> FileWrite {
        let write = self.saves((DRAFT, "draft.txt"), "words");
        self.uploads(write, ("draft.txt", "words"));
        self.reads_feed(&[DRAFT]);
        write
    }

    /// A device uploads words that it kept as the next version, which replaces these.
    pub(crate) fn uploads_next(
        &mut self,
        write: FileWrite,
        (n, replaces, heads): (u32, &[u32], &[u32]),
        words: &str,
    ) {
        let target = Target::Version(write.node);
        self.case.files.next_write_is(write.dot);
        let blob = self.begins_upload(target, words);
        self.stores(blob);
        self.case.files.next_write_is(write.dot);
        let mut puts = self.versions((write.node, n), blob, replaces, None);
        puts.extend(self.case.files.counts(write.node, n, heads));
        let reply = engine::message::FileReply::Published(n);
        self.does(puts, engine::message::Reply::File(reply));
    }

    /// A device reads the feed to its end, and keeps what it tells of these nodes.
    pub(crate) fn reads_feed(&mut self, nodes: &[NodeId]) {
        let mut changes: Vec<Change> =
            nodes.iter().map(|id| self.case.files.mirrored(*id)).collect();
        changes.push(Change::Feed(Some(self.feed_cursor())));
        self.device().persists(changes);
    }

    /// The end of the feed.
    pub(crate) fn feed_cursor(&mut self) -> FeedCursor {
        let seq = self.log().next_seq() - 1;
        FeedCursor {
            space: self.case.user(self.device),
            at: self.log().position(),
            upto: (seq, NodeId(u64::MAX)),
        }
    }

    /// A device lists files.
    pub(crate) fn lists(&mut self, list: Vec<Listed>, last: bool) {
        let asked = Asked::File { ask: FileAsked::List, path: String::new(), last };
        let op = self.device().asks(asked);
        self.device().answers(op, Answered::Files(Arc::new(list)));
    }
}

/// Some words under a label.
pub(crate) fn print(token: Token, words: &str) -> Print {
    let hash = words.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31) ^ u64::from(byte));
    Print { token, hash, size: u32::try_from(words.len()).expect("a case is small") }
}

/// The head that a write is once it has this number.
pub(crate) fn head(write: FileWrite, version: Option<u32>) -> Head {
    Head { version, write: write.dot, token: Some(write.token) }
}

/// What some words consist of, in one piece.
pub(crate) fn manifest(words: &str) -> Manifest {
    Manifest::of(words.as_bytes(), words.len())
}
