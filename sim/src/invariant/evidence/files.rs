//! The files of a space as its log has them, what a name says when it is opened, and which objects
//! with content the volume held: by a model of its own.
//!
//! It knows no rules: it puts what the log says where the log says. A commit is one moment; what
//! stood in the middle of one is known from its entry alone.

use std::collections::{BTreeMap, BTreeSet};

use engine::blob::Address;
use engine::id::{DeviceId, Dot, NodeId, Token, UserId};
use engine::log::{
    Doc, Entry as Commit, FileDoc, FileKey, Job, Key, Node, NodeKind, Op, Stored, Version,
};
use engine::message::JobId;

use super::{Disk, Timeline};
use crate::history::file::{FileAsked, Head, Print};
use crate::history::table::Table;
use crate::history::{Answered, FileDone, Listed};
use crate::invariant::wording::visible;

/// The files of one space over time.
#[derive(Debug, Default)]
pub(crate) struct Files<'a> {
    /// Every entry that says something of files, in order.
    pub(crate) entries: Vec<Logged<'a>>,
    /// What became of objects with content, in order.
    pub(crate) objects: Vec<Object<'a>>,
    /// What stood at the places of nodes, and at all others.
    nodes: Table<NodeId, Timeline<Option<&'a FileDoc>>>,
    docs: BTreeMap<FileKey, Timeline<Option<&'a FileDoc>>>,
    names: Table<NodeId, Timeline<Option<&'a str>>>,
}

/// An entry of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logged<'a> {
    pub(crate) at: usize,
    pub(crate) commit: &'a Commit,
}

/// An object was created, replaced or deleted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) at: usize,
    pub(crate) key: &'a str,
    pub(crate) hash: Option<Address>,
}

/// A request of a user that is about files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObservedFileOperation<'a> {
    pub(crate) device: DeviceId,
    pub(crate) user: UserId,
    pub(crate) asked: usize,
    pub(crate) ask: &'a FileAsked,
    pub(crate) last: bool,
    pub(crate) answer: Option<(usize, &'a Answered)>,
}

impl<'a> ObservedFileOperation<'a> {
    /// When a write of content was called saved.
    pub(crate) fn saved(&self) -> Option<usize> {
        match self.answer {
            Some((at, Answered::Saved)) => Some(at),
            Some(_) | None => None,
        }
    }

    /// The list that it was answered with.
    pub(crate) fn list(&self) -> Option<(usize, &'a [Listed])> {
        match self.answer {
            Some((at, Answered::Files(list))) => Some((at, list)),
            Some(_) | None => None,
        }
    }

    /// What else it was answered, if it was not refused.
    pub(crate) fn done(&self) -> Option<(usize, &'a FileDone)> {
        match self.answer {
            Some((at, Answered::File(done))) => Some((at, done)),
            Some(_) | None => None,
        }
    }
}

impl<'a> ObservedFileOperation<'a> {
    /// Every head that its answer shows, with its file.
    pub(crate) fn shown_heads(&self) -> impl Iterator<Item = (NodeId, &'a Head)> + use<'a> {
        let mut list: &'a [Listed] = &[];
        let mut versions: (NodeId, &'a [Head]) = (NodeId::ROOT, &[]);
        let mut content: (NodeId, &'a [(Head, Option<Print>)]) = (NodeId::ROOT, &[]);
        match (self.ask, self.answer.map(|(_, answer)| answer)) {
            (FileAsked::List, Some(Answered::Files(files))) => list = files,
            (FileAsked::Versions(node), Some(Answered::File(FileDone::Versions(heads)))) => {
                versions = (*node, heads);
            }
            (FileAsked::Read(node), Some(Answered::File(FileDone::Content(heads)))) => {
                content = (*node, heads);
            }
            _ => {}
        }
        let listed = list.iter().flat_map(|it| it.heads.iter().map(|head| (it.node, head)));
        listed
            .chain(versions.1.iter().map(move |head| (versions.0, head)))
            .chain(content.1.iter().map(move |(head, _)| (content.0, head)))
    }
}

/// What an op puts, of files.
pub(crate) fn puts(op: &Op) -> impl Iterator<Item = (FileKey, Option<&FileDoc>)> {
    op.puts.iter().filter_map(|(key, doc)| {
        let Key::File(key) = key else { return None };
        Some((*key, file_doc(doc.as_ref())))
    })
}

fn file_doc(doc: Option<&Doc>) -> Option<&FileDoc> {
    match doc {
        Some(Doc::File(doc)) => Some(doc),
        Some(
            Doc::Session(_) | Doc::Receipt(_) | Doc::Field(..) | Doc::Version(_) | Doc::Work(_),
        )
        | None => None,
    }
}

impl<'a> Logged<'a> {
    /// The places that it changes, of files; one may come twice.
    pub(crate) fn keys(self) -> impl Iterator<Item = FileKey> + 'a {
        self.commit.ops.iter().flat_map(puts).map(|(key, _)| key)
    }

    /// The nodes that it changes, each once.
    pub(crate) fn nodes(self) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self
            .keys()
            .filter_map(|key| if let FileKey::Node(id) = key { Some(id) } else { None })
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}

impl Logged<'_> {
    /// Does more than one op of it change one node? Then there were states in between.
    pub(crate) fn is_stirred(self) -> bool {
        let nodes = |op| puts(op).filter(|(key, _)| matches!(key, FileKey::Node(_)));
        let mut seen = BTreeSet::new();
        let mut ops = self.commit.ops.iter().map(|op| nodes(op).map(|it| it.0).collect());
        ops.any(|own: BTreeSet<FileKey>| !own.into_iter().all(|key| seen.insert(key)))
    }
}

impl<'a> Files<'a> {
    /// Hears of an entry of the log.
    pub(crate) fn logged(&mut self, at: usize, commit: &'a Commit) {
        let mut is_about_files = false;
        for (key, doc) in commit.ops.iter().flat_map(puts) {
            is_about_files = true;
            if let FileKey::Node(id) = key {
                self.nodes.or_default(id).push(at, doc);
            } else if !matches!(key, FileKey::Changed(..)) {
                self.docs.entry(key).or_default().push(at, doc);
            }
        }
        if is_about_files {
            self.entries.push(Logged { at, commit });
        }
    }

    /// Hears what a node is called after the last entry.
    pub(crate) fn named(&mut self, node: NodeId, name: Option<&'a str>) {
        if let Some(last) = self.entries.last() {
            self.names.or_default(node).push(last.at, name);
        }
    }

    /// Hears of an object.
    pub(crate) fn kept(&mut self, at: usize, key: &'a str, hash: Option<Address>) {
        self.objects.push(Object { at, key, hash });
    }

    /// Everything that stood at a place; none where it was removed.
    pub(crate) fn doc(&self, key: FileKey) -> Option<&Timeline<Option<&'a FileDoc>>> {
        if let FileKey::Node(id) = key { self.nodes.get(id) } else { self.docs.get(&key) }
    }

    /// All places of which the log ever spoke, in order.
    pub(crate) fn docs(&self) -> impl Iterator<Item = (FileKey, &Timeline<Option<&'a FileDoc>>)> {
        let nodes = self.nodes.sorted().map(|(id, line)| (FileKey::Node(id), line));
        nodes.chain(self.docs.iter().map(|(key, line)| (*key, line)))
    }

    fn at(&self, key: FileKey, moment: usize) -> Option<&'a FileDoc> {
        self.doc(key)?.at(moment).copied().flatten()
    }

    /// A node as it stood after a moment, deleted or not.
    pub(crate) fn node(&self, id: NodeId, moment: usize) -> Option<&'a Node> {
        let Some(FileDoc::Node(node)) = self.at(FileKey::Node(id), moment) else { return None };
        Some(node)
    }

    /// A node that was not deleted then.
    pub(crate) fn live(&self, id: NodeId, moment: usize) -> Option<&'a Node> {
        self.node(id, moment).filter(|node| !node.deleted)
    }

    /// Was there a folder of this id then, the root included?
    pub(crate) fn is_folder(&self, id: NodeId, moment: usize) -> bool {
        let live = || self.live(id, moment).is_some_and(|node| node.kind == NodeKind::Folder);
        id == NodeId::ROOT || live()
    }

    /// Who has the name of a place.
    pub(crate) fn holder(&self, named: FileKey, moment: usize) -> Option<NodeId> {
        let Some(FileDoc::Holder(id)) = self.at(named, moment) else { return None };
        Some(*id)
    }

    pub(crate) fn version(&self, id: NodeId, n: u32, moment: usize) -> Option<&'a Version> {
        let Some(FileDoc::Version(version)) = self.at(FileKey::Version(id, n), moment) else {
            return None;
        };
        Some(version)
    }

    /// Every version that a file ever had, by number.
    pub(crate) fn versions(
        &self,
        id: NodeId,
    ) -> impl Iterator<Item = (u32, &Timeline<Option<&'a FileDoc>>)> {
        let all = FileKey::Version(id, 0)..=FileKey::Version(id, u32::MAX);
        self.docs.range(all).filter_map(|(key, line)| {
            let FileKey::Version(_, n) = key else { return None };
            Some((*n, line))
        })
    }

    /// Where the content of a version is said to be.
    pub(crate) fn stored(&self, blob: Address, moment: usize) -> Option<&'a Stored> {
        let Some(FileDoc::Blob(stored, _)) = self.at(FileKey::Blob(blob), moment) else {
            return None;
        };
        Some(stored)
    }

    pub(crate) fn job(&self, id: JobId, moment: usize) -> Option<Job> {
        let Some(FileDoc::Job(job)) = self.at(FileKey::Job(id), moment) else { return None };
        Some(*job)
    }

    /// What a node was called after a moment, opened; none if no key opens it, or no fact has it.
    pub(crate) fn name(&self, id: NodeId, moment: usize) -> Option<&'a str> {
        self.names.get(id)?.at(moment).copied().flatten()
    }

    /// The path of a node after a moment, as in `plans/menu.txt`. A node whose name cannot be opened is
    /// told by its id.
    pub(crate) fn path(&self, id: NodeId, moment: usize) -> String {
        let mut parts = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| *id != NodeId::ROOT && parts.len() < 64) {
            let name = self.name(id, moment).map(visible);
            parts.push(name.unwrap_or_else(|| format!("node {:x}", id.0)));
            next = self.node(id, moment).map(|node| node.place.parent);
        }
        parts.reverse();
        if parts.is_empty() { "the root folder".to_owned() } else { parts.join("/") }
    }

    /// The path that a name in a folder has after a moment.
    pub(crate) fn path_in(&self, folder: NodeId, name: &str, moment: usize) -> String {
        if folder == NodeId::ROOT {
            return visible(name);
        }
        format!("{}/{}", self.path(folder, moment), visible(name))
    }

    /// The number of the last commit about files at a moment; 0 before the first.
    pub(crate) fn seq_at(&self, moment: usize) -> u64 {
        let after = self.entries.partition_point(|entry| entry.at <= moment);
        after.checked_sub(1).map_or(0, |last| self.entries[last].commit.seq)
    }

    /// The entries from one fact to another.
    pub(crate) fn between(&self, from: usize, to: usize) -> impl Iterator<Item = &Logged<'a>> {
        let start = self.entries.partition_point(|entry| entry.at <= from);
        self.entries[start..].iter().take_while(move |entry| entry.at < to)
    }

    /// Every state from one fact to another: as it was at the first, and after each commit.
    pub(crate) fn moments(&self, from: usize, to: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(from).chain(self.between(from, to).map(|entry| entry.at))
    }

    /// Every name that a node ever had, and since when; none where no key opens it.
    pub(crate) fn names(&self, id: NodeId) -> impl Iterator<Item = (usize, Option<&'a str>)> {
        self.names.get(id).into_iter().flat_map(Timeline::iter).map(|(at, name)| (at, *name))
    }
}

/// The versions of all logs by the write that made them.
#[derive(Debug, Default)]
pub(crate) struct Archive<'a> {
    pub(crate) versions: BTreeMap<Dot, Vec<Published<'a>>>,
    /// The writes that a label stands for: more than one, if it was written again.
    pub(crate) dots: Table<Token, Vec<Dot>>,
    labels: BTreeMap<Dot, Token>,
}

/// A version, and when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published<'a> {
    pub(crate) at: usize,
    pub(crate) node: NodeId,
    pub(crate) n: u32,
    pub(crate) version: &'a Version,
}

impl<'a> Archive<'a> {
    pub(crate) fn of(files: &BTreeMap<UserId, Files<'a>>, disks: &[Disk]) -> Self {
        let mut archive = Self::default();
        for (key, line) in files.values().flat_map(Files::docs) {
            let FileKey::Version(node, n) = key else { continue };
            for (at, doc) in line.iter() {
                if let Some(FileDoc::Version(version)) = doc {
                    let published = Published { at, node, n, version };
                    archive.versions.entry(version.write).or_default().push(published);
                }
            }
        }
        for (dot, line) in disks.iter().flat_map(|disk| &disk.uploads) {
            for (token, _) in line.iter().filter_map(|(_, own)| *own) {
                let dots = archive.dots.or_default(token);
                if !dots.contains(dot) {
                    dots.push(*dot);
                }
                archive.labels.insert(*dot, token);
            }
        }
        archive
    }

    /// Every write that a device kept durably, with its label.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (Dot, Token)> + '_ {
        self.labels.iter().map(|(dot, token)| (*dot, *token))
    }

    /// The label of a write, if a device kept it durably.
    pub(crate) fn label(&self, write: Dot) -> Option<Token> {
        self.labels.get(&write).copied()
    }

    /// The versions that a write became.
    pub(crate) fn published(&self, token: Token) -> impl Iterator<Item = &Published<'a>> {
        let dots = self.dots.get(token).map_or(&[][..], Vec::as_slice);
        dots.iter().filter_map(|dot| self.versions.get(dot)).flatten()
    }
}
