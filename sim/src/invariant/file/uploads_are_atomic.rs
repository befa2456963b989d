//! INV-08 `uploads-are-atomic`: when a version becomes visible every piece of its content is on the
//! volume, and stays there as long as a version names it; a name belongs to something that is there.
//!
//! A piece is known by its hash, wherever it is kept. So nothing is said about how objects are
//! named, and what is written over is seen to be gone.

use std::collections::BTreeMap;

use engine::blob::Address;
use engine::id::NodeId;
use engine::log::{FileKey, NodeKind};

use crate::invariant::Invariant::UploadsAreAtomic;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::files::{Files, Logged, Object};
use crate::invariant::findings::{About, Findings};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, files) in evidence.epochs.files() {
        content_is_there(evidence, findings, files);
        for entry in &files.entries {
            names_are_of_something(evidence, findings, files, *entry);
        }
    }
}

/// What the volume holds at some moment, and which of it versions name.
#[derive(Debug, Default)]
struct VolumeObjects<'a> {
    objects: BTreeMap<&'a str, Address>,
    /// How many objects there are of a hash.
    copies: BTreeMap<Address, u32>,
    /// The first version that a piece belongs to, and since when it is promised.
    named: BTreeMap<Address, (NodeId, u32, usize)>,
}

impl<'a> VolumeObjects<'a> {
    fn has(&self, piece: Address) -> bool {
        self.copies.get(&piece).is_some_and(|copies| *copies > 0)
    }

    /// Takes an object in or out; the piece that the volume then no longer has.
    fn keep(&mut self, object: &Object<'a>) -> Option<Address> {
        let old = match object.hash {
            Some(hash) => {
                *self.copies.entry(hash).or_default() += 1;
                self.objects.insert(object.key, hash)
            }
            None => self.objects.remove(object.key),
        };
        let copies = self.copies.get_mut(&old?)?;
        *copies = copies.saturating_sub(1);
        if *copies == 0 { old } else { None }
    }
}

fn content_is_there(evidence: &Evidence<'_>, findings: &mut Findings, files: &Files<'_>) {
    let mut volume = VolumeObjects::default();
    let mut objects = files.objects.iter().peekable();
    for entry in &files.entries {
        while let Some(object) = objects.next_if(|object| object.at < entry.at) {
            stays(evidence, findings, files, &mut volume, object);
        }
        becomes_visible(evidence, findings, files, &mut volume, *entry);
    }
    for object in objects {
        stays(evidence, findings, files, &mut volume, object);
    }
}

fn stays<'a>(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'a>,
    volume: &mut VolumeObjects<'a>,
    object: &Object<'a>,
) {
    let Some(gone) = volume.keep(object) else { return };
    if let Some((id, n, since)) = volume.named.remove(&gone) {
        let message = format!(
            "The volume no longer has the content of version {n} of {}, which it had at {}.",
            files.path(id, object.at),
            evidence.time(since)
        );
        let place = (UploadsAreAtomic, "content-gone");
        findings.report(evidence, place, object.at, About::default(), message, [since]);
    }
}

fn becomes_visible(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    volume: &mut VolumeObjects<'_>,
    entry: Logged<'_>,
) {
    let at = entry.at;
    for key in entry.keys() {
        if let FileKey::Blob(blob) = key
            && files.stored(blob, at).is_none()
        {
            let seq = entry.commit.seq;
            let message = format!("Commit {seq} removes the manifest of blob {blob}.");
            let place = (UploadsAreAtomic, "content-forgotten");
            findings.report(evidence, place, at, About::default(), message, []);
        }
        let FileKey::Version(id, n) = key else { continue };
        let Some(version) = files.version(id, n, at) else { continue };
        let Some(stored) = files.stored(version.blob, at) else {
            let message = format!(
                "Version {n} of {} was published without a manifest of its content.",
                files.path(id, at)
            );
            let place = (UploadsAreAtomic, "content-unknown");
            findings.report(evidence, place, at, About::default(), message, []);
            continue;
        };
        let pieces = &stored.manifest.pieces;
        if let Some(lacking) = pieces.iter().position(|piece| !volume.has(*piece)) {
            let message = format!(
                "Version {n} of {} was published without piece {lacking} of {} on the volume.",
                files.path(id, at),
                pieces.len()
            );
            let place = (UploadsAreAtomic, "published-in-part");
            findings.report(evidence, place, at, About::default(), message, []);
        }
        for piece in pieces {
            if volume.has(*piece) {
                volume.named.entry(*piece).or_insert((id, n, at));
            }
        }
    }
}

/// A node that has a name exists at that place, and has content if it is a file.
fn names_are_of_something(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    entry: Logged<'_>,
) {
    let at = entry.at;
    for key in entry.keys() {
        let FileKey::Named(parent, name) = key else { continue };
        let Some(id) = files.holder(key, at) else { continue };
        let (site, what) = match files.live(id, at) {
            None => ("name-burnt", "which does not exist"),
            Some(node) if (node.place.parent, node.place.name.key) != (parent, name) => {
                ("name-left-behind", "which is in another place")
            }
            Some(_) => continue,
        };
        let (folder, path) = (files.path(parent, at), files.path(id, at));
        let message = format!("A name in {folder} is held for {path}, {what}.");
        findings.report(evidence, (UploadsAreAtomic, site), at, About::default(), message, []);
    }
    for id in entry.nodes() {
        let node = files.live(id, at);
        if node.is_some_and(|node| matches!(node.kind, NodeKind::File { latest: 0, .. })) {
            let message = format!("{} is a file without any version.", files.path(id, at));
            let place = (UploadsAreAtomic, "without-content");
            findings.report(evidence, place, at, About::default(), message, []);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::log::{FileDoc, FileKey};
    use engine::message::{FileReply, Place, Reply, Target};

    use crate::invariant::case::Case;
    use crate::invariant::case::files::manifest;
    use crate::invariant::case::tree::{DRAFT, LETTERS, NOTES, ROOT, name, put};

    fn begun() -> (Case, engine::blob::Address) {
        let mut case = Case::served();
        case.phone().session().opens();
        let place = Place { parent: ROOT, name: name("draft.txt") };
        let blob = case.phone().files().begins_upload(Target::New(DRAFT, place), "words");
        (case, blob)
    }

    /// A version is published before its content is on the volume.
    pub(crate) fn broken() -> Case {
        let (mut case, blob) = begun();
        case.phone().files().publishes((DRAFT, ROOT, "draft.txt"), blob);
        case.phone().files().stores(blob);
        case.ends()
    }

    #[test]
    fn content_comes_before_its_version() {
        broken().rejects("published-in-part");
        let (mut case, blob) = begun();
        case.phone().files().stores(blob);
        case.phone().files().publishes((DRAFT, ROOT, "draft.txt"), blob);
        case.ends().passes();
    }

    #[test]
    fn content_is_what_was_to_be_uploaded() {
        let (mut case, blob) = begun();
        case.phone().files().stores_piece(blob, Some(manifest("").pieces[0]));
        case.phone().files().publishes((DRAFT, ROOT, "draft.txt"), blob);
        case.rejects("published-in-part");
    }

    #[test]
    fn content_of_a_version_stays() {
        for other in [None, Some(manifest("other words").pieces[0])] {
            let (mut case, blob) = begun();
            case.phone().files().stores(blob);
            case.phone().files().publishes((DRAFT, ROOT, "draft.txt"), blob);
            case.phone().files().stores_piece(blob, other);
            case.rejects("content-gone");
        }
    }

    #[test]
    fn what_was_given_up_may_go_and_come_again() {
        let (mut case, blob) = begun();
        case.phone().files().stores(blob);
        case.phone().files().works(vec![put(FileKey::Upload(blob), None)]);
        case.phone().files().stores_piece(blob, None);
        let place = Place { parent: ROOT, name: name("draft.txt") };
        case.phone().files().begins_upload(Target::New(DRAFT, place), "words");
        case.phone().files().stores(blob);
        case.phone().files().publishes((DRAFT, ROOT, "draft.txt"), blob);
        case.ends().passes();
    }

    #[test]
    fn where_content_is_stays_known() {
        let (mut case, blob) = begun();
        case.phone().files().stores(blob);
        case.phone().files().publishes((DRAFT, ROOT, "draft.txt"), blob);
        case.phone().files().works(vec![put(FileKey::Blob(blob), None)]);
        case.rejects("content-forgotten");
    }

    #[test]
    fn no_name_is_taken_by_what_is_not_there() {
        let (mut case, _) = begun();
        let named = FileKey::Named(ROOT, name("draft.txt").key);
        case.phone().files().works(vec![put(named, Some(FileDoc::Holder(DRAFT)))]);
        case.rejects("name-burnt");
    }

    #[test]
    fn a_file_is_there_with_content_and_at_one_place() {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_file((NOTES, ROOT, "notes.txt"), "words");
        let puts = case.files.counts(NOTES, 0, &[]);
        case.phone().files().does(puts, Reply::File(FileReply::Done));
        case.rejects("without-content");

        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        let named = FileKey::Named(ROOT, name("other").key);
        case.phone().files().works(vec![put(named, Some(FileDoc::Holder(LETTERS)))]);
        case.rejects("name-left-behind");
    }
}
