//! What the state of a sound log says, and never says.
//!
//! A state is read from the volume, so no decision may rely on this: a damaged or foreign volume can
//! say anything. It holds if all entries were made by workers without flaws.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::docs::fits;
use super::{Doc, FileDoc, FileKey, Job, Key, NAMES, Node, NodeKind, State, Upload, Version};
use crate::dedup::DedupKey;
use crate::id::{AccountField, NodeId};
use crate::job::{Item, Job as Work, Place, Stored as WorkDoc, Summary};
use crate::message::JobId;

impl State {
    /// Asserts that the documents of the state agree with each other. Takes time in proportion to the
    /// state, and more where a file has many versions.
    pub(crate) fn check(&self) {
        let names = usize::try_from(self.seq).unwrap_or(NAMES).min(NAMES);
        assert_eq!(self.names.len(), names, "a state knows the names of the last entries");
        for (key, doc) in self.docs.all() {
            assert!(fits(key, doc), "each kind of place holds its own kind of document");
            match (key, doc) {
                (Key::Session(_), Doc::Session(session)) => {
                    assert!(session.fence.0.seq <= self.seq, "a commit granted the session");
                }
                (Key::Receipt(_), Doc::Receipt(receipt)) => {
                    assert!(receipt.at.seq <= self.seq, "a receipt is of a commit");
                }
                (Key::Account(field), Doc::Field(version, _)) => self.check_field(*field, *version),
                (Key::Was(field, n), _) => {
                    let there = self.get(Key::Account(*field));
                    let later = matches!(there, Some(Doc::Field(version, _)) if n < version);
                    assert!(later, "an earlier version of a field has a later one");
                }
                (Key::Work(place), Doc::Work(stored)) => self.check_work(*place, stored),
                (Key::File(key), Doc::File(doc)) => self.check_file(*key, doc),
                (Key::Session(_) | Key::Receipt(_) | Key::Account(_), _)
                | (Key::Work(_) | Key::File(_), _) => {
                    unreachable!("it is of the kind that belongs there")
                }
            }
        }
    }

    fn check_field(&self, field: AccountField, version: u32) {
        let was = self.range(Key::Was(field, 0)..=Key::Was(field, u32::MAX));
        let was: Vec<Key> = was.map(|(key, _)| *key).collect();
        let all: Vec<Key> = (1..version).map(|n| Key::Was(field, n)).collect();
        assert_eq!(was, all, "every version of a field is kept, without a gap");
    }

    fn check_work(&self, place: Place, stored: &WorkDoc) {
        match (place, stored) {
            (Place::Day(day), WorkDoc::Day(summary)) => {
                let items = self.items().filter(|item| item.content.day == day);
                assert_eq!(*summary, Summary::of(items), "a day's summary counts its items");
            }
            (Place::Was(key, version), _) => {
                let now = self.item(key).map(|item| item.content.version);
                assert!(now.is_some_and(|now| version < now), "an old version has a newer one");
            }
            (Place::Item(_), WorkDoc::Item(item)) => {
                assert!(item.content.since <= self.seq, "a commit made the version");
                if let Work::Processing { fence, .. } = item.job {
                    assert!(fence.0.seq <= self.seq, "a commit granted the claim");
                }
            }
            (
                Place::Item(_) | Place::Day(_),
                WorkDoc::Old(_) | WorkDoc::Item(_) | WorkDoc::Day(_),
            ) => {}
        }
    }

    fn item(&self, key: DedupKey) -> Option<Item> {
        match self.get(Key::Work(Place::Item(key)))? {
            Doc::Work(WorkDoc::Item(item)) => Some(*item),
            Doc::Work(WorkDoc::Old(content)) => Some(Item { content: *content, job: Work::NEW }),
            Doc::Work(WorkDoc::Day(_))
            | Doc::Session(_)
            | Doc::Receipt(_)
            | Doc::Field(..)
            | Doc::Version(_)
            | Doc::File(_) => None,
        }
    }

    fn items(&self) -> impl Iterator<Item = Item> {
        let [first, last] = DedupKey::ENDS.map(|key| Key::Work(Place::Item(key)));
        self.range(first..=last).filter_map(|(key, _)| match key {
            Key::Work(Place::Item(key)) => self.item(*key),
            Key::Work(Place::Was(..) | Place::Day(_))
            | Key::Session(_)
            | Key::Receipt(_)
            | Key::Account(_)
            | Key::Was(..)
            | Key::File(_) => None,
        })
    }

    fn file(&self, key: FileKey) -> Option<&FileDoc> {
        match self.get(Key::File(key))? {
            Doc::File(doc) => Some(doc),
            Doc::Session(_) | Doc::Receipt(_) | Doc::Field(..) | Doc::Version(_) | Doc::Work(_) => {
                None
            }
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        let Some(FileDoc::Node(node)) = self.file(FileKey::Node(id)) else { return None };
        Some(node)
    }

    fn check_file(&self, key: FileKey, doc: &FileDoc) {
        match (key, doc) {
            (FileKey::Node(id), FileDoc::Node(node)) => self.check_node(id, node),
            (FileKey::Named(parent, name), FileDoc::Holder(id)) => {
                let node = self.node(*id).filter(|node| !node.deleted);
                let place = node.map(|node| (node.place.parent, node.place.name.key));
                assert_eq!(place, Some((parent, name)), "a name belongs to the node that has it");
            }
            (FileKey::Changed(seq, id), _) => {
                let last = self.node(id).map(|node| node.changed);
                assert_eq!(last, Some(seq), "a node is listed at its last change alone");
            }
            (FileKey::Version(id, n), _) => {
                let latest = self.node(id).map(|node| match node.kind {
                    NodeKind::File { latest, .. } => latest,
                    NodeKind::Folder => 0,
                });
                assert!(latest.is_some_and(|it| n <= it), "a file knows its latest version");
            }
            (FileKey::Upload(blob), FileDoc::Upload(upload)) => {
                let Upload { stored, .. } = upload.as_ref();
                assert_eq!(stored.manifest.address, blob, "an upload is known by its blob");
                assert!(stored.upload <= self.seq, "a commit registered the upload");
                assert!(self.file(FileKey::Blob(blob)).is_none(), "a published blob has no upload");
            }
            (FileKey::Blob(blob), FileDoc::Blob(stored, n)) => {
                let version = self.file(FileKey::Version(stored.node, *n));
                let is = matches!(version, Some(FileDoc::Version(version)) if version.blob == blob);
                assert!(is, "a published blob is the content of its version");
            }
            (FileKey::Doomed(blob, upload), FileDoc::Doomed(stored)) => {
                let known = (stored.manifest.address, stored.upload);
                assert_eq!(known, (blob, upload), "a doomed blob is known by its upload");
            }
            (FileKey::Job(id), FileDoc::Job(job)) => self.check_job(id, *job),
            (FileKey::Item(id, n), _) => {
                let job = self.file(FileKey::Job(id));
                let is = matches!(job, Some(FileDoc::Job(job)) if n < job.total);
                assert!(is, "an item is part of its job");
            }
            (FileKey::Unfinished(id), _) => {
                assert!(self.file(FileKey::Job(id)).is_some(), "what is not finished is a job");
            }
            _ => unreachable!("it is of the kind that belongs there"),
        }
    }

    fn check_node(&self, id: NodeId, node: &Node) {
        assert_ne!(id, NodeId::ROOT, "the root is no node");
        assert!(node.changed <= self.seq, "a commit changed the node last");
        let mark = self.file(FileKey::Changed(node.changed, id));
        assert_eq!(mark, Some(&FileDoc::Mark), "a node is listed at its last change");
        if !node.deleted {
            let name = FileKey::Named(node.place.parent, node.place.name.key);
            let holder = self.file(name);
            assert_eq!(holder, Some(&FileDoc::Holder(id)), "a node that is there has its name");
            self.check_path(id, node);
        }
        if let NodeKind::File { latest, heads } = &node.kind {
            self.check_versions(id, *latest, heads);
        }
    }

    /// Up to the root there are folders only, and none twice.
    fn check_path(&self, id: NodeId, node: &Node) {
        let (mut seen, mut at) = (BTreeSet::from([id]), node.place.parent);
        while at != NodeId::ROOT {
            assert!(seen.insert(at), "no folder is inside itself");
            let folder = self.node(at).expect("a node that is there is in a folder that is there");
            assert!(!folder.deleted, "a folder is deleted when it is empty");
            assert_eq!(folder.kind, NodeKind::Folder, "only folders have nodes in them");
            at = folder.place.parent;
        }
    }

    fn check_versions(&self, id: NodeId, latest: u32, heads: &[u32]) {
        let version = |n| {
            let Some(FileDoc::Version(version)) = self.file(FileKey::Version(id, n)) else {
                panic!("every version of a file is kept, without a gap")
            };
            version
        };
        let all: Vec<&Version> = (1..=latest).map(version).collect();
        let is_open = |version: &Version| !all.iter().any(|it| it.seen.covers(version.write));
        let open = (1..).zip(&all).filter(|(_, version)| is_open(version)).map(|(n, _)| n);
        let open: Vec<u32> = open.collect();
        assert_eq!(heads, open, "the heads of a file are the versions that none was built on");
        let writes: BTreeSet<_> = all.iter().map(|version| version.write).collect();
        assert_eq!(writes.len(), all.len(), "a write becomes one version");
    }

    fn check_job(&self, id: JobId, job: Job) {
        let Job { total, done } = job;
        assert!(done <= total, "a job has as many items as it began with");
        let open = self.file(FileKey::Unfinished(id)).is_some();
        assert_eq!(open, done < total, "a job that has items left is not finished");
        let items: RangeInclusive<Key> =
            Key::File(FileKey::Item(id, 0))..=Key::File(FileKey::Item(id, u32::MAX));
        let is_done = |doc: &Doc| matches!(doc, Doc::File(FileDoc::Item(_, Some(_))));
        let became = self.range(items).map(|(_, doc)| is_done(doc));
        let expected = (0..total).map(|n| n < done);
        assert!(became.eq(expected), "the items of a job are done in order, each once");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::Bytes;
    use crate::log::{Entry, EntryId, Op};
    use crate::message::{Client, Name, Place, Reply};
    use crate::name::NameKey;

    /// The state after one entry that writes these documents.
    fn state(files: &[(FileKey, FileDoc)]) -> State {
        let put = |(key, doc): &(FileKey, FileDoc)| (Key::File(*key), Some(Doc::File(doc.clone())));
        let puts = files.iter().map(put).collect();
        let op = Op { receipt: None, puts, reply: Reply::Patched };
        let mut state = State::default();
        state.apply(Entry { seq: 1, id: EntryId(1), ops: vec![op] });
        state
    }

    /// A file in the root, with these heads and no version.
    fn node(heads: Vec<u32>) -> [(FileKey, FileDoc); 3] {
        let name = Name { key: NameKey::FIRST, sealed: Bytes::default() };
        let place = Place { parent: NodeId::ROOT, name };
        let kind = NodeKind::File { latest: 0, heads };
        [
            (FileKey::Named(NodeId::ROOT, NameKey::FIRST), FileDoc::Holder(NodeId(1))),
            (FileKey::Changed(1, NodeId(1)), FileDoc::Mark),
            (
                FileKey::Node(NodeId(1)),
                FileDoc::Node(Node { place, kind, deleted: false, changed: 1 }),
            ),
        ]
    }

    #[test]
    fn a_state_that_agrees_with_itself_passes() {
        state(&[]).check();
        state(&node(Vec::new())).check();
    }

    #[test]
    fn a_state_that_contradicts_itself_fails() {
        let [named, changed, there] = node(Vec::new());
        let [.., with_head] = node(vec![1]);
        let job = JobId { client: Client { replica: crate::id::ReplicaId(1), life: 1 }, n: 1 };
        let cases = [
            ("a name without its node", vec![named.clone()]),
            ("a node without its name", vec![changed.clone(), there.clone()]),
            ("a node that is not listed as changed", vec![named.clone(), there.clone()]),
            ("a head that is no version", vec![named, changed, with_head]),
            ("a document under a key of another kind", vec![(there.0, FileDoc::Mark)]),
            (
                "a job that has done more than there is",
                vec![(FileKey::Job(job), FileDoc::Job(Job { total: 1, done: 2 }))],
            ),
        ];
        for (what, files) in cases {
            let state = state(&files);
            assert!(catch_unwind(move || state.check()).is_err(), "{what}");
        }
    }
}
