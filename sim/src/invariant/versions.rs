//! INV-07 `versions-are-immutable`: what was once published as a version of a file stays that for
//! ever; the versions of a file are numbered 1, 2, 3 and so on, in the order of their commits; and a
//! restored version has the content of the one that it restores.

use engine::id::NodeId;
use engine::log::{FileDoc, FileKey, NodeKind, Version};

use super::Invariant::VersionsAreImmutable;
use super::evidence::files::{Files, Logged};
use super::evidence::{Evidence, Timeline};
use super::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
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

type Line<'a> = Timeline<Option<&'a FileDoc>>;

fn version(doc: Option<&FileDoc>) -> Option<&Version> {
    if let Some(FileDoc::Version(version)) = doc { Some(version) } else { None }
}

/// When a place was first written.
fn first(line: &Line<'_>) -> Option<usize> {
    line.iter().next().map(|(at, _)| at)
}

fn is_written_once(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (id, n): (NodeId, u32),
    line: &Line<'_>,
) {
    let mut was: Option<(usize, Option<&FileDoc>)> = None;
    for (at, doc) in line.iter() {
        if let Some((before, old)) = was
            && old != *doc
        {
            let (site, what) = match doc {
                Some(_) => ("rewritten", "became something else"),
                None => ("removed", "was removed"),
            };
            let message = format!("Version {n} of {} {what}.", files.called(id, at));
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
    line: &Line<'_>,
) {
    let Some(at) = first(line) else { return };
    let before = n.checked_sub(1).filter(|before| *before > 0);
    let before = before.map(|before| files.doc(FileKey::Version(id, before)).and_then(first));
    let is_next = n == 1 || before.flatten().is_some_and(|before| before <= at);
    if !is_next {
        let message = format!(
            "Version {n} of {} was made and version {} was not there.",
            files.called(id, at),
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
    line: &Line<'_>,
) {
    for (at, doc) in line.iter() {
        let Some(made) = version(*doc) else { continue };
        let Some(restored) = made.restores else { continue };
        let old = files.version(id, restored, at).filter(|_| restored < n);
        if old.is_none_or(|old| old.blob != made.blob) {
            let message = format!(
                "Version {n} of {} restores version {restored}, and has other content.",
                files.called(id, at)
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
            let message =
                format!("{latest} is not the last version of {}.", files.called(id, entry.at));
            let place = (VersionsAreImmutable, "miscounted");
            findings.report(evidence, place, entry.at, About::default(), message, []);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use engine::log::{FileDoc, FileKey};
    use engine::message::{FileReply, Reply, Target};

    use super::super::case::files::{DRAFT, ROOT, put};
    use super::super::case::{Case, PHONE, TABLET};

    fn revised() -> Case {
        let mut case = Case::served();
        case.opens(PHONE);
        case.makes_file(PHONE, (DRAFT, ROOT, "draft.txt"), "one");
        case.revises(PHONE, (DRAFT, 2), "two");
        case
    }

    /// The third version is that of the first under a new number, and has what the second had.
    pub(in super::super) fn broken() -> Case {
        let mut case = revised();
        let second = super::super::case::files::manifest("two").address;
        case.restores(PHONE, (DRAFT, 3), (1, second));
        case.ends()
    }

    #[track_caller]
    fn rejects(case: &Case, site: &str) {
        let violations = case.violations();
        assert!(violations.iter().any(|violation| violation.site == site), "{violations:#?}");
    }

    #[test]
    fn a_restore_has_what_it_restores() {
        rejects(&broken(), "restored-another");
        let mut case = revised();
        let first = super::super::case::files::manifest("one").address;
        case.restores(PHONE, (DRAFT, 3), (1, first));
        case.ends().passes();
    }

    #[test]
    fn two_writers_get_two_numbers() {
        let mut case = revised();
        case.opens(TABLET);
        for (device, n, words, heads) in
            [(PHONE, 3, "three", vec![3]), (TABLET, 4, "other", vec![3, 4])]
        {
            let blob = case.begins(device, Target::Version(DRAFT, Vec::new()), words);
            case.keeps(device, blob);
            let mut puts = case.versions(device, (DRAFT, n), blob, &[2], None);
            puts.extend(case.counts(DRAFT, n, &heads));
            case.does(device, puts, Reply::File(FileReply::Published(n)));
        }
        case.ends().passes();

        let mut case = revised();
        case.revises(PHONE, (DRAFT, 3), "three");
        case.revises(TABLET, (DRAFT, 3), "other");
        rejects(&case.ends(), "rewritten");
    }

    #[test]
    fn no_number_is_left_out_and_no_version_taken_away() {
        let mut case = revised();
        case.revises(PHONE, (DRAFT, 4), "four");
        rejects(&case, "number-skipped");

        let mut case = revised();
        let puts = vec![put(FileKey::Version(DRAFT, 1), None)];
        case.does(PHONE, puts, Reply::File(FileReply::Done));
        rejects(&case, "removed");
    }

    #[test]
    fn a_file_knows_its_last_version() {
        let mut case = revised();
        let puts = case.counts(DRAFT, 1, &[1]);
        assert!(matches!(&puts[0].1, Some(engine::log::Doc::File(FileDoc::Node(_)))));
        case.does(PHONE, puts, Reply::File(FileReply::Done));
        rejects(&case, "miscounted");
    }
}
