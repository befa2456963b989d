//! Versions of a file: one takes the place of exactly those that it was built on. So of two heads neither
//! author had been shown the other, through any chain, and what is no head was replaced by one whose author
//! had been shown it.
//!
//! What a write was built on is what its author was shown. It stays so when the server's log is set back, in
//! which some of those versions are missing.

use engine::id::NodeId;
use engine::log::{NodeKind, Version};

use crate::history::file::Head;
use crate::invariant::Invariant::NoLostWrites;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::epochs::Epoch;
use crate::invariant::evidence::files::{Files, Logged, ObservedFileOperation};
use crate::invariant::evidence::lineage::Lineage;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let lineage = evidence.lineage();
    for epoch in evidence.epochs.iter() {
        for files in epoch.files.values() {
            replaces_what_was_shown(evidence, findings, (epoch, files), lineage);
            for entry in &files.entries {
                for id in entry.nodes() {
                    heads_are_what_none_replaced(evidence, findings, (files, *entry), id, lineage);
                }
            }
        }
    }
    for operation in &evidence.server.file_operations {
        shows_no_replaced_head(evidence, findings, operation, lineage);
    }
}

/// The versions of a file after a moment, by number.
fn versions<'a>(files: &Files<'a>, id: NodeId, at: usize) -> Vec<(u32, &'a Version)> {
    let all = files.versions(id).filter_map(|(n, _)| Some((n, files.version(id, n, at)?)));
    all.collect()
}

/// A version takes the place of those that its author was shown, and of no others.
fn replaces_what_was_shown(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (epoch, files): (&Epoch<'_>, &Files<'_>),
    lineage: &Lineage,
) {
    let published = epoch.archive.versions.values().flatten();
    for made in published.filter(|made| files.versions(made.node).next().is_some()) {
        let write = made.version.write;
        let all = versions(files, made.node, evidence.history.len());
        let unseen = all.iter().find(|(_, old)| {
            made.version.seen.covers(old.write) && lineage.is_on(write, old.write) == Some(false)
        });
        if let Some((n, old)) = unseen {
            let label = evidence.epochs.label(write);
            let message = format!(
                "Lost update: version {} of {} ({}) replaces version {n} ({}), which its author had not been \
                 shown.",
                made.n,
                files.path(made.node, made.at),
                evidence.file_write_name(write),
                evidence.file_write_name(old.write)
            );
            let about = About { record: None, token: label };
            let asked = label.and_then(|it| evidence.server.file_write(it)).map(|it| it.asked);
            let place = (NoLostWrites, "version-replaced-unseen");
            findings.report(evidence, place, made.at, about, message, asked);
        }
    }
}

/// A version that none replaced is a head: of two that were made at once, both are shown. And no other is.
fn heads_are_what_none_replaced(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (files, entry): (&Files<'_>, Logged<'_>),
    id: NodeId,
    lineage: &Lineage,
) {
    let at = entry.at;
    let Some(NodeKind::File { heads, .. }) = files.node(id, at).map(|node| &node.kind) else {
        return;
    };
    let all = versions(files, id, at);
    let is_open = |it: &Version| !all.iter().any(|(_, later)| later.seen.covers(it.write));
    if let Some((n, _)) = all.iter().find(|(n, it)| !heads.contains(n) && is_open(it)) {
        let message = format!(
            "Version {n} of {} is not a head after commit {}, although no version replaces it.",
            files.path(id, at),
            entry.commit.seq
        );
        let place = (NoLostWrites, "head-hidden");
        findings.report(evidence, place, at, About::default(), message, []);
    }
    for (n, old) in all.iter().filter(|(n, _)| heads.contains(n)) {
        let later =
            all.iter().find(|(_, later)| lineage.is_on(later.write, old.write) == Some(true));
        if let Some((m, later)) = later {
            let message = format!(
                "Version {n} of {} ({}) is a head after commit {}, beside version {m} ({}), whose author had \
                 been shown it.",
                files.path(id, at),
                evidence.file_write_name(old.write),
                entry.commit.seq,
                evidence.file_write_name(later.write)
            );
            let about = About { record: None, token: evidence.epochs.label(old.write) };
            let place = (NoLostWrites, "head-replaced");
            findings.report(evidence, place, at, about, message, []);
        }
    }
}

/// No device lists a head beside one that was built on it.
fn shows_no_replaced_head(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
    lineage: &Lineage,
) {
    let Some((at, list)) = operation.list() else { return };
    for listed in list.iter().filter(|listed| listed.heads.len() > 1) {
        let later = |old: &Head| {
            let mut heads = listed.heads.iter();
            heads.find(|head| lineage.is_on(head.write, old.write) == Some(true))
        };
        let replaced = listed.heads.iter().find_map(|old| Some((old, later(old)?)));
        if let Some((old, later)) = replaced {
            let message = format!(
                "{} lists {} in conflict with itself: it shows {} beside {}, whose author had been shown it.",
                evidence.device_name(operation.device),
                evidence.node_path(operation.user, listed.node, at),
                evidence.file_write_name(old.write),
                evidence.file_write_name(later.write)
            );
            let about = About { record: None, token: old.token };
            let place = (NoLostWrites, "replaced-still-listed");
            findings.report(evidence, place, at, about, message, [operation.asked]);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::id::DeviceId;

    use crate::history::file::Goal;
    use crate::history::{Answered, Change};
    use crate::invariant::case::files::head;
    use crate::invariant::case::tree::{DRAFT, FileWrite};
    use crate::invariant::case::{Case, PHONE, TABLET};

    /// A device saves another version of it, whose author was shown this one.
    fn saves_on(case: &mut Case, device: DeviceId, shown: FileWrite, n: u32) -> FileWrite {
        let to = (DRAFT, Goal::Version(DRAFT));
        let exposed = vec![head(shown, Some(n))];
        let write = case.device(device).files().asks_to_save(to, "other", exposed);
        case.device(device).files().keeps(write);
        case.device(device).answers(write.op, Answered::Saved);
        write
    }

    /// The phone saves a second version, having seen the first; meanwhile the tablet has, too.
    fn conflict(replaces: &[u32], heads: &[u32]) -> Case {
        let (mut case, first) = Case::filed();
        for (device, n, replaces, heads) in
            [(PHONE, 2, &[1][..], &[2][..]), (TABLET, 3, replaces, heads)]
        {
            let write = saves_on(&mut case, device, first, 1);
            let mut device = case.device(device);
            device.files().uploads_next(write, (n, replaces, heads), &format!("words of {n}"));
        }
        case.ends()
    }

    #[test]
    fn a_version_replaces_what_its_author_was_shown() {
        conflict(&[1], &[2, 3]).passes();
        conflict(&[1, 2], &[3]).rejects("version-replaced-unseen");
        conflict(&[1], &[3]).rejects("head-hidden");
    }

    /// The phone writes three versions, each on the one before. The volume is set back to the first, and
    /// the third is published there, in place of these.
    fn set_back(replaces: &[u32], heads: &[u32]) -> Case {
        let (mut case, first) = Case::filed();
        let backup = case.backs_up();
        let second = saves_on(&mut case, PHONE, first, 1);
        case.phone().files().uploads_next(second, (2, &[1], &[2]), "words of 2");
        case.phone().files().reads_feed(&[DRAFT]);
        case.phone().persists(vec![Change::Upload(second.dot, None)]);
        let third = saves_on(&mut case, PHONE, second, 2);
        case.restores_volume(&backup);
        case.phone().files().uploads_next(third, (2, replaces, heads), "words of 3");
        case.phone().files().reads_feed(&[DRAFT]);
        case
    }

    #[test]
    fn what_a_version_was_built_on_is_no_head_beside_it() {
        set_back(&[1], &[2]).ends().passes();
        set_back(&[], &[1, 2]).rejects("head-replaced");
    }

    /// The tablet has seen the phone's version, and the phone not the tablet's.
    #[test]
    fn no_device_lists_what_it_has_replaced() {
        for is_shown in [true, false] {
            let (mut case, first) = Case::filed();
            let second = saves_on(&mut case, PHONE, first, 1);
            let shown = if is_shown { second } else { first };
            let third = saves_on(&mut case, TABLET, shown, 1);
            case.phone().files().uploads_next(second, (2, &[1], &[2]), "words of 2");
            let mut list = case.files.list_of(&[DRAFT], &[second]);
            list[0].heads.push(head(third, None));
            case.tablet().files().lists(list, false);
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites.contains(&"replaced-still-listed"), is_shown, "{sites:?}");
        }
    }
}
