//! INV-07 `versions-are-immutable`: what was once published as a version of a file stays that for
//! ever; the versions of a file are numbered 1, 2, 3 and so on, in the order of their commits; and a
//! restored version has the content of the one that it restores.

use engine::id::{NodeId, Token, UserId};
use engine::log::{FileDoc, FileKey, NodeKind, Version};

use crate::history::FileDone;
use crate::history::file::{FileAsked, Head};
use crate::invariant::Invariant::VersionsAreImmutable;
use crate::invariant::evidence::epochs::Epoch;
use crate::invariant::evidence::file_answers::{AnswerFault, answer_fault};
use crate::invariant::evidence::files::{Files, Logged, ObservedFileOperation};
use crate::invariant::evidence::{Evidence, Timeline};
use crate::invariant::findings::{About, Findings};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let operations = &evidence.server.file_operations;
    for operation in operations {
        if matches!(operation.ask, FileAsked::Restore { .. }) {
            restored_is_what_was_asked(evidence, findings, operation);
        }
    }
    for operation in operations {
        content_is_of_its_version(evidence, findings, operation);
    }
    numbers_and_contents_stay(evidence, findings);
}

/// A restore that was answered has the content of the version that was named.
fn restored_is_what_was_asked(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
) {
    let fault = answer_fault(evidence, operation);
    if let Some((at, AnswerFault::RestoredAnother { path, version, made })) = fault {
        let message = format!(
            "{}: the restore of version {version} of {path} was acknowledged as version {made}, \
             which has the content of another version.",
            evidence.device_name(operation.device)
        );
        let about = About { record: None, token: operation.ask.token() };
        let place = (VersionsAreImmutable, "restored-other-than-asked");
        findings.report(evidence, place, at, about, message, [operation.asked]);
    }
}

/// Content that is shown is that of its head.
fn content_is_of_its_version(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
) {
    let Some((at, FileDone::Content(heads))) = operation.done() else { return };
    // A device that does not know of it yet goes by the log that was.
    let of_any = |head, label, content| {
        let mut epochs = evidence.epochs.iter().filter(|epoch| epoch.from <= at);
        epochs.any(|epoch| is_of(evidence, epoch, operation.user, (head, label), content))
    };
    for (head, print) in heads {
        let (Some(token), Some(print)) = (head.token, print) else { continue };
        let is_written = evidence.server.content_of(print.token) == Some(*print);
        if is_written && !of_any(head, token, print.token) {
            let about = About { record: None, token: Some(token) };
            let message = format!(
                "{} was shown {}{} with the content of {}.",
                evidence.device_name(operation.device),
                evidence.operation_path(operation, at),
                head.version.map_or_else(String::new, |n| format!(" version {n}")),
                evidence.write_name(print.token)
            );
            let place = (VersionsAreImmutable, "content-of-another");
            findings.report(evidence, place, at, about, message, [operation.asked]);
        }
    }
}

/// Is content with this label that of a head? A restore has the content of the version that its
/// user named, which may be a restore too.
fn is_of(
    evidence: &Evidence<'_>,
    epoch: &Epoch<'_>,
    user: UserId,
    (head, token): (&Head, Token),
    content: Token,
) -> bool {
    let archive = &epoch.archive;
    let Some(files) = epoch.files.get(&user) else { return token == content };
    let end = evidence.history.len();
    let mut label = Some(token);
    let at = archive.versions.get(&head.write);
    let mut at = at.and_then(|made| made.first()).map(|it| (it.node, it.n));
    while let Some(token) = label {
        let Some(write) = evidence.server.file_write(token) else { return false };
        let FileAsked::Restore { node, version, .. } = write.ask else {
            return token == content;
        };
        let of = files.version(*node, *version, end).map(|old| old.write);
        if at.is_some_and(|(_, n)| n <= *version) {
            return false;
        }
        at = Some((*node, *version));
        label = of.and_then(|dot| archive.label(dot));
        if label.is_none() {
            return true; // Who made that version does not say under which label.
        }
    }
    false
}

fn numbers_and_contents_stay(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, files) in evidence.epochs.files() {
        for (key, line) in files.docs() {
            if let FileKey::Version(id, n) = key {
                is_written_once(evidence, findings, files, (id, n), line);
                comes_next(evidence, findings, files, (id, n), line);
                has_what_it_restores(evidence, findings, files, (id, n), line);
            }
        }
        for entry in &files.entries {
            is_counted(evidence, findings, files, *entry);
        }
    }
}

type DocTimeline<'a> = Timeline<Option<&'a FileDoc>>;

fn version(doc: Option<&FileDoc>) -> Option<&Version> {
    if let Some(FileDoc::Version(version)) = doc { Some(version) } else { None }
}

/// When a place was first written.
fn first(line: &DocTimeline<'_>) -> Option<usize> {
    line.iter().next().map(|(at, _)| at)
}

fn is_written_once(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (id, n): (NodeId, u32),
    line: &DocTimeline<'_>,
) {
    let mut was: Option<(usize, Option<&FileDoc>)> = None;
    for (at, doc) in line.iter() {
        if let Some((before, old)) = was
            && old != *doc
        {
            let (site, what) = match doc {
                Some(_) => ("rewritten", "was replaced by another version"),
                None => ("removed", "was removed"),
            };
            let (path, seq) = (files.path(id, at), files.seq_at(at));
            let message = format!("Version {n} of {path} {what} in commit {seq}.");
            let place = (VersionsAreImmutable, site);
            findings.report(evidence, place, at, About::default(), message, [before]);
        }
        was = Some((at, *doc));
    }
}

/// A version has the number after that of the version before it.
fn comes_next(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (id, n): (NodeId, u32),
    line: &DocTimeline<'_>,
) {
    let Some(at) = first(line) else { return };
    let before = n.checked_sub(1).filter(|before| *before > 0);
    let before = before.map(|before| files.doc(FileKey::Version(id, before)).and_then(first));
    let is_next = n == 1 || before.flatten().is_some_and(|before| before <= at);
    if !is_next {
        let message = format!(
            "Version {n} of {} was committed before version {}.",
            files.path(id, at),
            n.saturating_sub(1)
        );
        let place = (VersionsAreImmutable, "number-skipped");
        findings.report(evidence, place, at, About::default(), message, before.flatten());
    }
}

fn has_what_it_restores(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (id, n): (NodeId, u32),
    line: &DocTimeline<'_>,
) {
    for (at, doc) in line.iter() {
        let Some(made) = version(*doc) else { continue };
        let Some(restored) = made.restores else { continue };
        let old = files.version(id, restored, at).filter(|_| restored < n);
        if old.is_none_or(|old| old.blob != made.blob) {
            let message = format!(
                "Version {n} of {} restores version {restored}, but has other content.",
                files.path(id, at)
            );
            let of = files.doc(FileKey::Version(id, restored)).and_then(first);
            let place = (VersionsAreImmutable, "restored-another");
            findings.report(evidence, place, at, About::default(), message, of);
        }
    }
}

/// A file names its latest version, so that the next one is not numbered like an old one.
fn is_counted(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    entry: Logged<'_>,
) {
    for id in entry.nodes() {
        let Some(node) = files.node(id, entry.at) else { continue };
        let NodeKind::File { latest, .. } = node.kind else { continue };
        let is_there = latest == 0 || files.version(id, latest, entry.at).is_some();
        let is_last = files.version(id, latest.saturating_add(1), entry.at).is_none();
        if !is_there || !is_last {
            let message = format!(
                "{} names version {latest} as its latest in commit {}, but {}.",
                files.path(id, entry.at),
                entry.commit.seq,
                if is_there { "there is a newer one" } else { "there is no such version" }
            );
            let place = (VersionsAreImmutable, "miscounted");
            findings.report(evidence, place, entry.at, About::default(), message, []);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::log::{FileDoc, FileKey};
    use engine::message::{FileReply, Reply, Target};

    use crate::history::file::{FileAsked, FileDone};
    use crate::invariant::case::files::manifest;
    use crate::invariant::case::tree::{DRAFT, LETTERS, PHOTOS, ROOT, put};
    use crate::invariant::case::{Case, PHONE, TABLET};

    fn revised() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_file((DRAFT, ROOT, "draft.txt"), "one");
        case.phone().files().revises((DRAFT, 2), "two");
        case
    }

    /// The third version is that of the first under a new number, and has what the second had.
    pub(crate) fn broken() -> Case {
        let mut case = revised();
        let second = crate::invariant::case::files::manifest("two").address;
        case.phone().files().restores((DRAFT, 3), (1, second));
        case.ends()
    }

    #[test]
    fn a_restore_has_what_it_restores() {
        broken().rejects("restored-another");
        let mut case = revised();
        let first = crate::invariant::case::files::manifest("one").address;
        case.phone().files().restores((DRAFT, 3), (1, first));
        case.ends().passes();
    }

    #[test]
    fn two_writers_get_two_numbers() {
        let mut case = revised();
        case.tablet().session().opens();
        for (device, n, words, heads) in
            [(PHONE, 3, "three", vec![3]), (TABLET, 4, "other", vec![3, 4])]
        {
            let blob = case.device(device).files().begins_upload(Target::Version(DRAFT), words);
            case.device(device).files().stores(blob);
            let mut puts = case.device(device).files().versions((DRAFT, n), blob, &[2], None);
            puts.extend(case.files.counts(DRAFT, n, &heads));
            case.device(device).files().does(puts, Reply::File(FileReply::Published(n)));
        }
        case.ends().passes();

        let mut case = revised();
        case.phone().files().revises((DRAFT, 3), "three");
        case.tablet().files().revises((DRAFT, 3), "other");
        case.ends().rejects("rewritten");
    }

    #[test]
    fn no_number_is_left_out_and_no_version_taken_away() {
        let mut case = revised();
        case.phone().files().revises((DRAFT, 4), "four");
        case.rejects("number-skipped");

        let mut case = revised();
        let puts = vec![put(FileKey::Version(DRAFT, 1), None)];
        case.phone().files().does(puts, Reply::File(FileReply::Done));
        case.rejects("removed");
    }

    #[test]
    fn a_file_knows_its_last_version() {
        let mut case = revised();
        let puts = case.files.counts(DRAFT, 1, &[1]);
        assert!(matches!(&puts[0].1, Some(engine::log::Doc::File(FileDoc::Node(_)))));
        case.phone().files().does(puts, Reply::File(FileReply::Done));
        case.rejects("miscounted");
    }

    fn filed() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        for (id, of) in [(LETTERS, "letters"), (PHOTOS, "photos")] {
            let op = case.phone().files().asks(FileAsked::MakeFolder(ROOT, of.into()));
            case.phone().files().makes_folder(id, ROOT, of);
            let done = crate::history::Answered::File(FileDone::Created(id));
            case.phone().answers(op, done);
        }
        case
    }

    #[test]
    fn a_restore_has_the_version_that_was_named() {
        let mut case = filed();
        case.phone().files().makes_file((DRAFT, LETTERS, "letters"), "one");
        case.phone().files().revises((DRAFT, 2), "two");
        let token = engine::id::Token([b'#'; 16]);
        let asked = FileAsked::Restore { node: DRAFT, version: 1, token, exposed: Vec::new() };
        let op = case.phone().files().asks(asked);
        case.phone().files().restores((DRAFT, 3), (2, manifest("two").address));
        case.phone().answers(op, crate::history::Answered::File(FileDone::Published(3)));
        case.rejects("restored-other-than-asked");
    }
}
