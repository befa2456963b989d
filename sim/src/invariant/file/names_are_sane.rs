//! INV-28 `names-are-sane`: after every commit folders form a tree, each node that is not deleted is
//! in one folder that is there, every name can be stored by every common file system and no two in a folder
//! can be taken for each other, and no node and no name vanishes by itself.
//!
//! Names are compared as they are when they are opened, by a table of our own; that the server
//! tells them apart by some key counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::NodeId;
use engine::log::{FileDoc, FileKey, Node};
use engine::message::{Name, Target};

use crate::invariant::Invariant::NamesAreSane;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::file_names::{fold, unfit};
use crate::invariant::evidence::files::{Files, Logged, puts};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::visible;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, files) in evidence.epochs.files() {
        let mut tree = Tree::default();
        for entry in &files.entries {
            nothing_vanishes(evidence, findings, files, *entry);
            tree.take(files, *entry);
            is_a_tree(evidence, findings, files, (&tree, *entry));
            names_fit(evidence, findings, files, *entry);
            names_are_told_apart(evidence, findings, files, (&tree, *entry));
        }
    }
}

/// Where everything is after a commit.
#[derive(Debug, Default)]
struct Tree {
    places: BTreeMap<NodeId, (NodeId, Option<String>)>,
    inside: BTreeMap<NodeId, BTreeSet<NodeId>>,
    names: BTreeMap<(NodeId, String), BTreeSet<NodeId>>,
}

impl Tree {
    fn take(&mut self, files: &Files<'_>, entry: Logged<'_>) {
        for id in entry.nodes() {
            if let Some((parent, name)) = self.places.remove(&id) {
                let out = |nodes: &mut BTreeSet<NodeId>| nodes.remove(&id);
                self.inside.get_mut(&parent).map(out);
                name.and_then(|name| self.names.get_mut(&(parent, name))).map(out);
            }
            let Some(node) = files.live(id, entry.at) else { continue };
            let (parent, name) = (node.place.parent, files.name(id, entry.at).map(fold));
            self.inside.entry(parent).or_default().insert(id);
            if let Some(name) = &name {
                self.names.entry((parent, name.clone())).or_default().insert(id);
            }
            self.places.insert(id, (parent, name));
        }
    }

    fn in_it(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        self.inside.get(&id).into_iter().flatten().copied()
    }

    /// Does the way up from a node lead to the root?
    fn is_rooted(&self, id: NodeId) -> bool {
        let mut seen = BTreeSet::new();
        let above = |id: &NodeId| self.places.get(id).map(|(parent, _)| *parent);
        // Up to the root, which is no node; or around.
        std::iter::successors(Some(id), above).all(|id| seen.insert(id))
    }

    /// Who else in the folder has a name that may be taken for that of a node?
    fn twin(&self, id: NodeId) -> Option<NodeId> {
        let (parent, name) = self.places.get(&id)?;
        let named = self.names.get(&(*parent, name.clone()?))?;
        named.iter().copied().find(|other| *other != id)
    }
}

fn is_a_tree(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (tree, entry): (&Tree, Logged<'_>),
) {
    let at = entry.at;
    for id in entry.nodes() {
        if let Some(node) = files.live(id, at) {
            if !files.is_folder(node.place.parent, at) {
                let message = format!(
                    "{} is in {}, which is not a live folder.",
                    files.path(id, at),
                    files.path(node.place.parent, at)
                );
                let place = (NamesAreSane, "no-folder");
                findings.report(evidence, place, at, About::default(), message, []);
            } else if !tree.is_rooted(id) {
                let message =
                    format!("{} is inside itself: folders form a cycle.", files.path(id, at));
                let place = (NamesAreSane, "cycle");
                findings.report(evidence, place, at, About::default(), message, []);
            }
        }
        if !files.is_folder(id, at)
            && let Some(left) = tree.in_it(id).next()
        {
            let message = format!(
                "{} is deleted, but {} is still in it.",
                files.path(id, at),
                files.path(left, at)
            );
            let place = (NamesAreSane, "left-inside");
            findings.report(evidence, place, at, About::default(), message, []);
        }
    }
}

/// No name is given that some file system cannot store.
fn names_fit(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    entry: Logged<'_>,
) {
    let at = entry.at;
    for id in entry.nodes().into_iter().filter(|id| files.live(*id, at).is_some()) {
        let why = files.name(id, at).and_then(unfit);
        if let Some(why) = why {
            let message = format!(
                "{} is named in commit {}, and the name {why}: not every file system can store it.",
                files.path(id, at),
                entry.commit.seq
            );
            let place = (NamesAreSane, "unfit");
            findings.report(evidence, place, at, About::default(), message, []);
        }
    }
}

fn names_are_told_apart(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (tree, entry): (&Tree, Logged<'_>),
) {
    let at = entry.at;
    for id in entry.nodes() {
        if let Some(twin) = tree.twin(id) {
            let told = |id| {
                files.name(id, at).map_or("a name".to_owned(), |it| format!("\"{}\"", visible(it)))
            };
            let message = format!(
                "Two names in {} normalise to the same name: {} (commit {}) and {} (commit {}).",
                files.path(files.live(id, at).map_or(NodeId::ROOT, |it| it.place.parent), at),
                told(id),
                entry.commit.seq,
                told(twin),
                files.node(twin, at).map_or(0, |node| node.changed)
            );
            let place = (NamesAreSane, "twins");
            findings.report(evidence, place, at, About::default(), message, []);
        }
    }
}

/// A node stays for ever, deleted or not; while it is not, its name is held for it; and no name that
/// is written down is empty.
fn nothing_vanishes(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    entry: Logged<'_>,
) {
    let at = entry.at;
    let mut report = |site, message: String| {
        findings.report(evidence, (NamesAreSane, site), at, About::default(), message, []);
    };
    for id in entry.nodes() {
        match files.node(id, at) {
            None => report(
                "vanished",
                format!("Commit {} removes {} from the log.", entry.commit.seq, files.path(id, at)),
            ),
            Some(Node { place, deleted: false, .. }) => {
                let named = FileKey::Named(place.parent, place.name.key);
                if files.holder(named, at) != Some(id) {
                    report(
                        "not-held",
                        format!(
                            "No name is held for {} after commit {}.",
                            files.path(id, at),
                            entry.commit.seq
                        ),
                    );
                }
                if files.names(id).next().is_some() && files.name(id, at).is_none() {
                    report(
                        "unreadable",
                        format!(
                            "No key opens the name of node {:x} since commit {}.",
                            id.0, entry.commit.seq
                        ),
                    );
                }
            }
            Some(_) => {}
        }
    }
    for (key, doc) in entry.commit.ops.iter().flat_map(puts) {
        if let Some((id, name)) = doc.and_then(|doc| written(key, doc))
            && name.sealed.is_empty()
        {
            report(
                "empty",
                format!(
                    "Commit {} holds an empty name of {}.",
                    entry.commit.seq,
                    files.path(id, at)
                ),
            );
        }
    }
}

/// The name in a document, and whose it is or is to be.
fn written(key: FileKey, doc: &FileDoc) -> Option<(NodeId, &Name)> {
    match doc {
        FileDoc::Node(node) => {
            let FileKey::Node(id) = key else { return None };
            Some((id, &node.place.name))
        }
        FileDoc::Upload(upload) => match &upload.intent.target {
            Target::New(id, place) => Some((*id, &place.name)),
            Target::Version(..) => None,
        },
        FileDoc::Item(one, _) => one.name.as_ref().map(|name| (one.node, name)),
        FileDoc::Holder(_)
        | FileDoc::Version(_)
        | FileDoc::Blob(..)
        | FileDoc::Doomed(_)
        | FileDoc::Job(_)
        | FileDoc::Mark => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::log::{FileDoc, FileKey, Node, NodeKind};
    use engine::message::{FileReply, Place, Reply, Target};

    use crate::invariant::case::Case;
    use crate::invariant::case::tree::{DRAFT, LETTERS, NOTES, PHOTOS, ROOT, name, put};

    fn filed() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        case.phone().files().makes_folder(PHOTOS, ROOT, "photos");
        case.phone().files().makes_file((DRAFT, LETTERS, "draft.txt"), "words");
        case
    }

    /// Two folders are moved into each other.
    pub(crate) fn broken() -> Case {
        let mut case = filed();
        case.phone().files().moves(&[(LETTERS, PHOTOS, "letters")]);
        case.phone().files().moves(&[(PHOTOS, LETTERS, "photos")]);
        case.ends()
    }

    #[test]
    fn no_folder_is_inside_itself() {
        broken().rejects("cycle");
        let mut case = filed();
        case.phone().files().moves(&[(LETTERS, PHOTOS, "letters")]);
        case.phone().files().moves(&[(LETTERS, ROOT, "letters"), (PHOTOS, LETTERS, "photos")]);
        case.ends().passes();
    }

    #[test]
    fn names_that_look_alike_are_one() {
        for (other, alike) in [
            ("DRAFT.TXT", true),
            ("draft.txt.", true),
            ("draft.txt ", true),
            ("dr\u{ad}aft.txt", true),
            (" draft.txt", false),
            ("dra\u{66}t.txt", true),
            ("draft.tx\u{308}t", false),
        ] {
            let mut case = filed();
            case.phone().files().makes_file((NOTES, LETTERS, other), "other words");
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites.contains(&"twins"), alike, "{other:?}: {sites:?}");
        }
        let mut case = filed();
        case.phone().files().makes_folder(NOTES, ROOT, "Caf\u{e9}");
        case.phone().files().makes_file((super::NodeId(7), ROOT, "cafe\u{301}"), "other words");
        case.rejects("twins");
    }

    #[test]
    fn names_can_be_stored_everywhere() {
        for (name, fits) in [("auxiliary.txt", true), ("aux.txt", false), ("a:b.txt", false)] {
            let mut case = filed();
            case.phone().files().makes_file((NOTES, LETTERS, name), "other words");
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites.contains(&"unfit"), !fits, "{name:?}: {sites:?}");
        }
    }

    #[test]
    fn two_nodes_may_change_names() {
        let mut case = filed();
        case.phone().files().moves(&[(LETTERS, ROOT, "photos"), (PHOTOS, ROOT, "letters")]);
        case.phone().files().moves(&[(LETTERS, ROOT, "other")]);
        case.phone().files().moves(&[(LETTERS, ROOT, "letters"), (PHOTOS, LETTERS, "photos")]);
        case.phone().files().moves(&[(DRAFT, ROOT, "draft.txt")]);
        case.phone().files().makes_folder(NOTES, LETTERS, "Draft.txt");
        case.phone().files().deletes(NOTES);
        case.phone().files().moves(&[(DRAFT, LETTERS, "DRAFT.txt")]);
        case.ends().passes();
    }

    #[test]
    fn what_is_in_a_folder_goes_before_it() {
        let mut case = filed();
        case.phone().files().deletes(LETTERS);
        case.rejects("left-inside");
        case.phone().files().makes_folder(NOTES, LETTERS, "notes");
        case.rejects("no-folder");
    }

    #[test]
    fn no_node_and_no_name_vanishes() {
        let mut case = filed();
        case.phone().files().works(vec![put(FileKey::Node(DRAFT), None)]);
        case.rejects("vanished");

        let mut case = filed();
        let place = Place { parent: ROOT, name: name("lost") };
        let node = Node { place, kind: NodeKind::Folder, deleted: false, changed: 0 };
        case.phone().files().works(vec![put(FileKey::Node(LETTERS), Some(FileDoc::Node(node)))]);
        case.rejects("not-held");

        let mut case = filed();
        case.phone().files().moves(&[(LETTERS, ROOT, "other")]);
        case.phone().files().tells_name(LETTERS, None);
        case.rejects("unreadable");
    }

    #[test]
    fn no_name_is_written_down_empty() {
        let mut case = filed();
        let mut place = Place { parent: ROOT, name: name("notes.txt") };
        place.name.sealed = [][..].into();
        case.phone().files().begins_upload(Target::New(NOTES, place.clone()), "words");
        case.rejects("empty");

        let mut case = filed();
        let node = Node { place, kind: NodeKind::Folder, deleted: false, changed: 0 };
        let puts = vec![put(FileKey::Node(LETTERS), Some(FileDoc::Node(node)))];
        case.phone().files().does(puts, Reply::File(FileReply::Moved));
        case.rejects("empty");
    }
}
