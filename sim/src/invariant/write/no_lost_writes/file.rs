//! Files as they are kept, by the laws that records have too: nothing saved is lost (INV-01), what
//! was saved is there after a crash (INV-25) and was durable when that was said (INV-30), and a write
//! becomes one version (INV-10) in one file (INV-27).
//!
//! A write of content is a version in the end, whatever became of its name. A version that a newer
//! one replaced is kept as long as the list of versions shows it.

use std::collections::BTreeMap;

use engine::id::{DeviceId, NodeId, Token};
use engine::log::NodeKind;

use crate::history::FileDone;
use crate::history::file::FileAsked;
use crate::invariant::Invariant::NoLostWrites;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::causes::{Stranded, losses, stranded};
use crate::invariant::evidence::files::{Files, Logged, ObservedFileOperation};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::count;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let seen = seen(evidence);
    for (_, files) in evidence.epochs.files() {
        deletes_have_seen(evidence, findings, files, &seen);
    }
    let stranded = stranded(evidence);
    for operation in &evidence.server.file_operations {
        is_a_version_in_the_end(evidence, findings, operation, &stranded);
    }
    what_is_read_at_the_end_is_all(evidence, findings);
}

/// A file is deleted by a user who had seen all that it held, by number or as writes of their own
/// that had none yet.
fn deletes_have_seen(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    seen: &Seen<'_>,
) {
    for entry in &files.entries {
        for id in entry.nodes() {
            let was_live = entry.at.checked_sub(1).is_some_and(|it| files.live(id, it).is_some());
            let Some(node) = files.node(id, entry.at).filter(|it| it.deleted && was_live) else {
                continue;
            };
            let heads = match &node.kind {
                NodeKind::File { heads, .. } => heads.as_slice(),
                NodeKind::Folder => &[],
            };
            let has_seen = |operation: &&ObservedFileOperation<'_>| {
                let FileAsked::Delete { seen, exposed, .. } = operation.ask else { return false };
                let shown = evidence.server.shown_by(exposed);
                let was_shown = |n: u32| {
                    let write = files.version(id, n, entry.at).map(|version| version.write);
                    write.is_some_and(|write| shown.contains(&write))
                };
                // A number says something of the log that it was shown of.
                let same =
                    evidence.epochs.at(operation.asked).from == evidence.epochs.at(entry.at).from;
                operation.asked < entry.at
                    && heads.iter().all(|n| same && n <= seen || was_shown(*n))
            };
            let asked = seen.get(&id).map_or(&[][..], Vec::as_slice);
            if !asked.iter().any(has_seen) {
                let message = unseen_delete(evidence, files, *entry, (id, heads), asked);
                let place = (NoLostWrites, "deleted-unseen");
                let with =
                    asked.iter().map(|operation| operation.asked).filter(|asked| *asked < entry.at);
                findings.report(evidence, place, entry.at, About::default(), message, with);
            }
        }
    }
}

fn unseen_delete(
    evidence: &Evidence<'_>,
    files: &Files<'_>,
    entry: Logged<'_>,
    (id, heads): (NodeId, &[u32]),
    asked: &[&ObservedFileOperation<'_>],
) -> String {
    let heads: Vec<String> = heads
        .iter()
        .map(|n| {
            let version = files.version(id, *n, entry.at);
            let label = version.and_then(|version| evidence.epochs.label(version.write));
            let write =
                label.map_or_else(String::new, |it| format!(" ({})", evidence.write_name(it)));
            format!("version {n}{write}")
        })
        .collect();
    let by: Vec<&str> = asked
        .iter()
        .filter(|operation| operation.asked < entry.at)
        .map(|operation| evidence.device_name(operation.device))
        .collect();
    let by = if by.is_empty() { "no device".to_owned() } else { by.join(", ") };
    format!(
        "Lost update: commit {} deletes {} with {}, which no delete that was asked for had observed \
         (asked for by {by}).",
        entry.commit.seq,
        files.path(id, entry.at),
        if heads.is_empty() { "all that is in it".to_owned() } else { heads.join(" and ") }
    )
}

/// The deletes that were asked for, by node.
type Seen<'e> = BTreeMap<NodeId, Vec<&'e ObservedFileOperation<'e>>>;

fn seen<'e>(evidence: &'e Evidence<'_>) -> Seen<'e> {
    let mut all = Seen::new();
    for operation in &evidence.server.file_operations {
        if let FileAsked::Delete { node, .. } = operation.ask {
            all.entry(*node).or_default().push(operation);
        }
    }
    all
}

/// The fault that destroyed the last store that had a write which was no version yet: the write is not in the
/// image that took the place of that store, on no other device and not on the server.
fn destroyed_by(evidence: &Evidence<'_>, token: Token, saved: usize) -> Option<usize> {
    let is_elsewhere = |at: usize| {
        evidence.disks.iter().any(|disk| disk.has_upload(token, at))
            || evidence.epochs.at(at).archive.published(token).any(|version| version.at < at)
    };
    devices(evidence).find_map(|device| {
        let disk = evidence.disk(device);
        let took = |(at, by): (usize, usize)| {
            let took = at > saved && disk.has_upload(token, at - 1) && !is_elsewhere(at);
            took.then_some(by)
        };
        losses(evidence, device).find_map(took)
    })
}

fn devices(evidence: &Evidence<'_>) -> impl Iterator<Item = DeviceId> + use<> {
    let count = u16::try_from(evidence.disks.len()).expect("devices are numbered in 16 bits");
    (0..count).map(DeviceId)
}

/// The fault that keeps a write on a device which can send nothing.
fn withheld_by(evidence: &Evidence<'_>, stranded: &[Stranded], token: Token) -> Option<usize> {
    let end = evidence.history.len();
    let has = |it: &&Stranded| it.is_mute && evidence.disk(it.device).has_upload(token, end);
    stranded.iter().find(has).map(|it| it.by)
}

fn is_a_version_in_the_end(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
    stranded: &[Stranded],
) {
    let (Some(settled), Some(token)) = (evidence.settled, operation.ask.token()) else { return };
    let about = About { record: None, token: Some(token) };
    let Some(saved) = operation.saved() else { return };
    if evidence.epochs.last().archive.published(token).next().is_some() {
        return;
    }
    let end = evidence.history.len();
    let cause = evidence.went_with_the_volume(end, &evidence.disks, token);
    let cause = cause.or_else(|| destroyed_by(evidence, token, saved));
    if let Some(by) = cause.or_else(|| withheld_by(evidence, stranded, token)) {
        let path = evidence.operation_path(operation, saved);
        findings.excuse(evidence, (evidence.write_name(token), path), operation.asked, by);
        return;
    }
    let message = format!(
        "Lost write: {} of {}, saved to {} and acknowledged at {}, became no version.",
        evidence.write_name(token),
        evidence.device_name(operation.device),
        evidence.operation_path(operation, evidence.history.len()),
        evidence.time(saved)
    );
    let place = (NoLostWrites, "file-never-published");
    findings.report(evidence, place, settled, about, message, [operation.asked, saved]);
}

/// At the end every version is listed, and the content of every head is there.
fn what_is_read_at_the_end_is_all(evidence: &Evidence<'_>, findings: &mut Findings) {
    let last =
        evidence.server.file_operations.iter().filter(|it| it.last && evidence.is_core(it.device));
    for operation in last {
        let Some(files) = evidence.epochs.last().files.get(&operation.user) else { continue };
        let Some((at, done)) = operation.done() else { continue };
        match (operation.ask, done) {
            (FileAsked::Versions(node), FileDone::Versions(heads)) => {
                let listed = heads.iter().map(|head| (head.version, head.write));
                let all = files.versions(*node).map(|(n, _)| n);
                let all = all.filter_map(|n| Some((Some(n), files.version(*node, n, at)?.write)));
                if !listed.eq(all) {
                    let numbers: Vec<u32> = files.versions(*node).map(|(n, _)| n).collect();
                    let message = format!(
                        "{} lists {} of {} at the end; the log has {}, or other writes under these \
                         numbers.",
                        evidence.device_name(operation.device),
                        count(heads.len(), "version"),
                        files.path(*node, at),
                        numbers.len()
                    );
                    let place = (NoLostWrites, "version-not-listed");
                    findings.report(
                        evidence,
                        place,
                        at,
                        About::default(),
                        message,
                        [operation.asked],
                    );
                }
            }
            (FileAsked::Read(node), FileDone::Content(heads)) => {
                let Some((head, _)) = heads.iter().find(|(_, content)| content.is_none()) else {
                    continue;
                };
                let about = About { record: None, token: head.token };
                let version =
                    head.version.map_or("an unsent version".to_owned(), |n| format!("version {n}"));
                let message = format!(
                    "{} cannot read the content of {version} of {} at the end.",
                    evidence.device_name(operation.device),
                    files.path(*node, at)
                );
                let place = (NoLostWrites, "content-not-read");
                findings.report(evidence, place, at, about, message, [operation.asked]);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::id::DeviceId;

    use crate::fault::RestoreImage;
    use crate::history::file::{FileAsked, FileDone};
    use crate::history::{Answered, Boot, Change, Fact};
    use crate::invariant::case::files::head;
    use crate::invariant::case::tree::FileWrite;
    use crate::invariant::case::tree::{DRAFT, LETTERS, ROOT};
    use crate::invariant::case::{Case, PHONE, TABLET};

    fn served() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.tablet().session().opens();
        case
    }

    #[test]
    fn what_was_saved_is_a_version_in_the_end() {
        let mut case = served();
        let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
        case.phone().files().uploads(filing, ("draft.txt", "words"));
        case.ends().passes();

        let mut case = served();
        case.phone().files().saves((DRAFT, "draft.txt"), "words");
        case.ends().rejects("file-never-published");

        let mut case = served();
        case.phone().files().saves((DRAFT, "draft.txt"), "words");
        case.phone().is_lost();
        case.ends().passes();
    }

    /// A device starts on an image that has these own writes.
    fn starts_on(case: &mut Case, device: DeviceId, boot: Boot, image: &[FileWrite]) {
        if boot == Boot::Restored {
            case.fact(device, Fact::Faulted(RestoreImage { device }.into()));
        }
        let own = image.iter().map(|it| Change::Upload(it.dot, Some((it.token, it.node))));
        let holds = [Change::Key(true), Change::Meta].into_iter().chain(own).collect();
        case.device(device).starts(boot, 0, holds);
    }

    #[test]
    fn what_is_in_an_image_is_a_version_in_the_end() {
        // The restore destroys the only copy.
        let mut case = served();
        case.phone().files().saves((DRAFT, "draft.txt"), "words");
        starts_on(&mut case, PHONE, Boot::Restored, &[]);
        case.phone().crashes(0);
        case.ends().passes();

        // The image has it.
        let mut case = served();
        let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
        starts_on(&mut case, PHONE, Boot::Restored, &[filing]);
        case.clone().ends().rejects("file-never-published");
        case.phone().persists(vec![Change::Upload(filing.dot, None)]);
        case.phone().crashes(1);
        case.rejects("file-saved-and-gone");
        // A later restore is no excuse for what the device had dropped before.
        starts_on(&mut case, PHONE, Boot::Restored, &[]);
        case.ends().rejects("file-never-published");

        // A clone has it, until the clone is destroyed too.
        let mut case = served();
        let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
        starts_on(&mut case, TABLET, Boot::Cloned(PHONE), &[filing]);
        case.phone().is_lost();
        case.clone().ends().rejects("file-never-published");
        case.tablet().is_lost();
        case.ends().passes();
    }

    /// The phone has seen its file published and keeps it no longer. Then it goes with the volume, and
    /// who still has it owes it: the tablet, if it began on the phone's disk of before.
    #[test]
    fn what_went_with_the_volume_is_owed_by_a_clone_that_has_it() {
        for is_cloned in [false, true] {
            let mut case = served();
            let backup = case.backs_up();
            let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
            if is_cloned {
                starts_on(&mut case, TABLET, Boot::Cloned(PHONE), &[filing]);
            }
            case.phone().files().uploads(filing, ("draft.txt", "words"));
            case.phone().files().reads_feed(&[DRAFT]);
            case.phone().persists(vec![Change::Upload(filing.dot, None)]);
            case.restores_volume(&backup);
            let case = case.ends();
            if is_cloned {
                case.rejects("file-never-published");
            } else {
                case.passes();
            }
        }
    }

    #[test]
    fn at_the_end_every_version_can_be_had() {
        let mut case = served();
        let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
        case.phone().files().uploads(filing, ("draft.txt", "words"));
        let mut case = case.ends();
        for (ask, done) in [
            (FileAsked::Versions(DRAFT), FileDone::Versions(Vec::new())),
            (FileAsked::Read(DRAFT), FileDone::Content(vec![(head(filing, Some(1)), None)])),
        ] {
            let asked = crate::history::Asked::File { ask, path: String::new(), last: true };
            let op = case.tablet().asks(asked);
            case.tablet().answers(op, Answered::File(done));
        }
        case.rejects("version-not-listed");
        case.rejects("content-not-read");
    }

    #[test]
    fn a_delete_removes_what_its_author_had_seen() {
        let mut case = served();
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        case.phone().files().makes_file((DRAFT, LETTERS, "letters"), "words");
        let asked = FileAsked::Delete { node: DRAFT, seen: 1, exposed: Vec::new() };
        let op = case.phone().files().asks(asked);
        case.phone().files().revises((DRAFT, 2), "other words");
        case.phone().files().is_deleted(DRAFT);
        case.phone().answers(op, crate::history::Answered::File(FileDone::Done));
        case.rejects("deleted-unseen");
    }
}
