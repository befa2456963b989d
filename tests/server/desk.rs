//! Two devices at two workers that ask about files, and what must be so whatever they ask.

use std::collections::BTreeSet;

use engine::blob::{Address, Manifest, cut};
use engine::flaw::Flaws;
use engine::id::{Dot, NodeId, ReplicaId};
use engine::log::{Doc, FileDoc, FileKey, Key, Node, NodeKind, State, Version, pieces_of};
use engine::message::{
    Action, Client, Fence, FileAction, FileRefusal, FileReply, Intent, JobId, Move, Name, Piece,
    Place, Refusal, Reply, Request, Target,
};
use engine::name::NameKey;
use engine::record::Vv;
use engine::seal;
use engine::volume;
use engine::worker::Ticket;
use harness::time::{Span, Time};

use super::lab::{ANNA, Asker, Lab};

pub(super) const ROOT: NodeId = NodeId::ROOT;

/// How large a piece is.
pub(super) const PIECE: usize = 4;

pub(super) fn name(text: &str) -> Name {
    let key = NameKey::new(&seal::Key([1; 32]), text, Flaws::NONE).expect("a name");
    Name { key, sealed: text.as_bytes().into() }
}

pub(super) fn at(parent: NodeId, text: &str) -> Place {
    Place { parent, name: name(text) }
}

pub(super) fn moved(node: u64, parent: NodeId) -> Move {
    Move { node: NodeId(node), parent: Some(parent), name: None }
}

pub(super) fn folder(id: u64, text: &str) -> FileAction {
    FileAction::CreateFolder(NodeId(id), at(ROOT, text))
}

/// A new file, which is built on nothing.
pub(super) fn new_file(id: u64, text: &str) -> (Target, Vv) {
    (Target::New(NodeId(id), at(ROOT, text)), Vv::default())
}

/// The write that a version is, where writes are counted like versions.
pub(super) fn write(n: u32) -> Dot {
    Dot { replica: ReplicaId(1), n: n.into() }
}

/// All that these writes cover.
pub(super) fn seen(writes: &[u32]) -> Vv {
    let mut seen = Vv::default();
    writes.iter().for_each(|n| seen.add(write(*n)));
    seen
}

/// A version of a file that is built on these.
pub(super) fn version(id: u64, on: &[u32]) -> (Target, Vv) {
    (Target::Version(NodeId(id)), seen(on))
}

pub(super) fn intent((target, seen): (Target, Vv), write: u64) -> Intent {
    let write = Dot { replica: ReplicaId(1), n: write };
    Intent { target, write, seen, sealed: [9][..].into() }
}

pub(super) const fn refused(refusal: FileRefusal) -> Reply {
    Reply::Refused(Refusal::File(refusal))
}

pub(super) const fn done() -> Reply {
    Reply::File(FileReply::Done)
}

pub(super) const fn published(n: u32) -> Reply {
    Reply::File(FileReply::Published(n))
}

/// Two devices with their sessions, each at a worker of its own.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) lab: Lab,
    askers: [(Asker, Fence, u32); 2],
}

impl Desk {
    pub(super) fn new(flaws: Flaws) -> Self {
        let mut lab = Lab::new(2, flaws);
        let askers = [1, 2].map(Asker::new);
        let fences = [lab.opens(0, askers[0]), lab.opens(1, askers[1])];
        Self { lab, askers: [0, 1].map(|who| (askers[who], fences[who], 0)) }
    }

    pub(super) fn request(&mut self, who: usize, about: FileAction) -> Request {
        let (asker, fence, n) = &mut self.askers[who];
        *n += 1;
        asker.acts(*fence, *n, Action::File(about))
    }

    /// Asks the worker of the device.
    pub(super) fn ask(&mut self, who: usize, about: FileAction) -> Ticket {
        let request = self.request(who, about);
        self.lab.ask(who, request)
    }

    /// Asks, and everything goes well.
    pub(super) fn does(&mut self, who: usize, about: FileAction) -> Reply {
        let ticket = self.ask(who, about);
        self.lab.finish();
        self.lab.answer(ticket).expect("everything went well")
    }

    pub(super) fn begins(&mut self, who: usize, bytes: &[u8], intent: Intent) -> u64 {
        let reply = self.does(who, FileAction::Begin(Manifest::of(bytes, PIECE), intent));
        let Reply::File(FileReply::Begun(upload, _)) = reply else {
            panic!("an upload begins, and not {reply:?}")
        };
        upload
    }

    pub(super) fn puts(&mut self, who: usize, bytes: &[u8], upload: u64, piece: u32) -> Reply {
        self.does(who, put(bytes, upload, piece))
    }

    /// All pieces, and nothing yet to see of it.
    pub(super) fn uploads(&mut self, who: usize, bytes: &[u8], intent: Intent) -> u64 {
        let upload = self.begins(who, bytes, intent);
        for piece in 0..cut(bytes, PIECE).len() {
            let piece = u32::try_from(piece).expect("few");
            assert_eq!(self.puts(who, bytes, upload, piece), Reply::File(FileReply::PieceKept));
        }
        upload
    }

    pub(super) fn publishes(&mut self, who: usize, bytes: &[u8], intent: Intent) -> Reply {
        self.uploads(who, bytes, intent);
        self.does(who, publish(bytes))
    }

    /// The content of a version, piece by piece.
    pub(super) fn reads(&mut self, who: usize, node: u64, n: u32) -> Vec<u8> {
        let state = self.lab.state();
        let version = state.get(Key::File(FileKey::Version(NodeId(node), n)));
        let Some(Doc::File(FileDoc::Version(version))) = version else { panic!("it is there") };
        let mut content = Vec::new();
        for piece in 0.. {
            let reply = self.does(who, FileAction::ReadPiece(version.blob, piece));
            if reply == refused(FileRefusal::NoPiece) {
                break;
            }
            let Reply::File(FileReply::Piece(bytes)) = reply else {
                panic!("a piece is there, and not {reply:?}")
            };
            content.extend_from_slice(&bytes);
        }
        content
    }

    /// Both workers know the whole log.
    pub(super) fn catch_up(&mut self) {
        for who in [0, 1] {
            self.does(who, FileAction::Lookup(ROOT, name("x").key));
        }
    }
}

pub(super) fn put(bytes: &[u8], upload: u64, n: u32) -> FileAction {
    FileAction::PutPiece(Address::of(bytes), piece(bytes, upload, n))
}

pub(super) fn publish_with(bytes: &[u8], upload: u64, last: u32) -> FileAction {
    FileAction::Publish(Address::of(bytes), Some(piece(bytes, upload, last)))
}

pub(super) fn piece(bytes: &[u8], upload: u64, n: u32) -> Piece {
    Piece { upload, n, bytes: cut(bytes, PIECE)[n as usize].into() }
}

pub(super) fn publish(bytes: &[u8]) -> FileAction {
    FileAction::Publish(Address::of(bytes), None)
}

/// What the log has of files, in order.
pub(super) fn files(state: &State) -> impl Iterator<Item = (FileKey, &FileDoc)> {
    let all = Key::File(FileKey::Node(NodeId(0)))..=Key::File(FileKey::Unfinished(LAST_JOB));
    state.range(all).filter_map(|(key, doc)| {
        let (Key::File(key), Doc::File(doc)) = (key, doc) else { return None };
        Some((*key, doc))
    })
}

const LAST_JOB: JobId =
    JobId { client: Client { replica: ReplicaId(u64::MAX), life: u32::MAX }, n: u32::MAX };

pub(super) fn node(state: &State, id: u64) -> Option<Node> {
    let there = state.get(Key::File(FileKey::Node(NodeId(id))));
    let Some(Doc::File(FileDoc::Node(node))) = there else { return None };
    Some(node.clone())
}

/// Is the tree a tree, with every name taken by the one node that bears it?
pub(super) fn is_sane(state: &State) -> bool {
    let mut named = BTreeSet::new();
    let mut bears = BTreeSet::new();
    for (key, doc) in files(state) {
        if let (FileKey::Named(parent, name), FileDoc::Holder(id)) = (key, doc) {
            named.insert((parent, name, *id));
        }
        if let (FileKey::Node(id), FileDoc::Node(node)) = (key, doc)
            && !node.deleted
        {
            bears.insert((node.place.parent, node.place.name.key, id));
            if node.place.name.sealed.is_empty() || !reaches_root(state, id) {
                return false;
            }
        }
    }
    named == bears
}

fn reaches_root(state: &State, mut id: NodeId) -> bool {
    for _ in 0..100 {
        if id == ROOT {
            return true;
        }
        let Some(there) = node(state, id.0).filter(|node| !node.deleted) else { return false };
        id = there.place.parent;
        if node(state, id.0).is_some_and(|above| above.kind != NodeKind::Folder) {
            return false;
        }
    }
    false
}

/// Is all content there that a version needs?
pub(super) fn is_whole(lab: &Lab) -> bool {
    let mut lab = lab.clone();
    let state = lab.state();
    let whole = |lab: &mut Lab, version: &Version| {
        let there = state.get(Key::File(FileKey::Blob(version.blob)));
        let Some(Doc::File(FileDoc::Blob(stored, _))) = there else { return false };
        let folder = pieces_of(ANNA, version.blob, stored.upload);
        let mut content = Vec::new();
        for piece in 0..stored.manifest.pieces.len() {
            let get = volume::Request::Get(format!("{folder}{piece}").into());
            let reply = lab.volume.handle(Time(0), &get, Span::ZERO);
            let volume::Reply::Found(bytes) = reply else { return false };
            content.extend_from_slice(&bytes);
        }
        Address::of(&content) == version.blob
    };
    let versions = files(&state).filter_map(|(_, doc)| {
        let FileDoc::Version(version) = doc else { return None };
        Some(version)
    });
    versions.into_iter().all(|version| whole(&mut lab, version))
}
