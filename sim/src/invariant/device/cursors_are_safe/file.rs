//! INV-05 `cursors-are-safe`, about files: a durable cursor of the feed passes a change of a node
//! only if the device durably has the node as that change left it, or newer.
//!
//! A node that has changed again since is listed at its last change: a device that has
//! read up to a place before that owes nothing of it yet.

use std::collections::BTreeMap;

use engine::id::{DeviceId, NodeId};
use engine::message::FeedCursor;

use crate::invariant::Invariant::CursorsAreSafe;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::files::Files;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (number, disk) in evidence.disks.iter().enumerate() {
        let device = DeviceId(u16::try_from(number).expect("devices are numbered in 16 bits"));
        let user = evidence.user(device);
        let epochs: Vec<_> = evidence
            .epochs
            .iter()
            .filter_map(|epoch| {
                epoch.files.get(&user).map(|files| (epoch, files, Changes::of(files)))
            })
            .collect();
        let mut before: Option<FeedCursor> = None;
        for (at, cursor) in disk.feed.iter() {
            let before = std::mem::replace(&mut before, *cursor);
            // A page that was served by a log that is no more, and the disk of a device that is set
            // back, bring a cursor of that log.
            let Some(cursor) = *cursor else { continue };
            let so_far = epochs.iter().filter(|(epoch, ..)| epoch.from <= at);
            let of = so_far.rev().find(|(epoch, ..)| epoch.has(user, cursor.at));
            let Some((epoch, files, changes)) = of else { continue };
            // A device that had read another log had read nothing of this one.
            let known = before.filter(|before| epoch.has(user, before.at));
            let from = known.map_or((0, NodeId::ROOT), |before| before.upto);
            passes(evidence, findings, (device, at), (files, changes), (from, cursor));
        }
    }
}

/// The changes of nodes by commit, and when each commit was made.
#[derive(Debug)]
struct Changes {
    made: BTreeMap<u64, usize>,
    nodes: Vec<(u64, NodeId)>,
}

impl Changes {
    fn of(files: &Files<'_>) -> Self {
        let mut nodes = Vec::new();
        for entry in &files.entries {
            nodes.extend(entry.nodes().into_iter().map(|id| (entry.commit.seq, id)));
        }
        nodes.sort_unstable();
        let made = files.entries.iter().map(|entry| (entry.commit.seq, entry.at)).collect();
        Self { made, nodes }
    }

    /// When what a cursor was read from was made.
    fn moment(&self, cursor: &FeedCursor) -> Option<usize> {
        self.made.range(..=cursor.at.seq).next_back().map(|(_, at)| *at)
    }
}

fn passes(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (device, at): (DeviceId, usize),
    (files, changes): (&Files<'_>, &Changes),
    (from, cursor): ((u64, NodeId), FeedCursor),
) {
    let Some(moment) = changes.moment(&cursor) else { return };
    let start = changes.nodes.partition_point(|change| *change <= from);
    let passed = changes.nodes[start..].iter().take_while(|change| **change <= cursor.upto);
    let disk = evidence.disk(device);
    for (seq, id) in passed {
        // It is listed at its last change.
        if files.node(*id, moment).is_none_or(|node| node.changed > *seq) {
            continue;
        }
        let held = disk.nodes.get(id).and_then(|line| line.at(at)).and_then(Option::as_ref);
        if held.is_none_or(|held| held.changed < *seq) {
            let message = format!(
                "{}: the feed cursor passed commit {seq}, which changes {}, and the device durably has {}.",
                evidence.device_name(device),
                files.path(*id, moment),
                held.map_or("nothing of it".to_owned(), |held| {
                    format!("its state of commit {}", held.changed)
                })
            );
            let place = (CursorsAreSafe, "file-passed-over");
            let with = changes.made.get(seq).copied();
            findings.report(evidence, place, at, About::default(), message, with);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fault::RestoreImage;
    use crate::history::{Boot, Change, Fact};
    use crate::invariant::case::tree::{DRAFT, LETTERS, NOTES, ROOT};
    use crate::invariant::case::{Case, TABLET};

    fn filed() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        case.phone().files().makes_file((DRAFT, LETTERS, "draft.txt"), "words");
        case
    }

    fn sites(case: &Case) -> Vec<&'static str> {
        case.violations().iter().map(|violation| violation.site).collect()
    }

    #[test]
    fn a_cursor_of_the_feed_comes_with_what_it_passes() {
        let mut case = filed();
        case.tablet().files().reads_feed(&[LETTERS, DRAFT]);
        case.phone().files().revises((DRAFT, 2), "other words");
        case.tablet().files().reads_feed(&[DRAFT]);
        assert_eq!(sites(&case), [""; 0]);
        case.phone().files().revises((DRAFT, 3), "more words");
        case.tablet().files().reads_feed(&[LETTERS]);
        assert_eq!(sites(&case), ["file-passed-over"]);
    }

    /// The tablet reads the feed, the volume is set back to before what it read, and the phone makes
    /// another file. With what the tablet had kept.
    fn restored() -> (Case, Vec<Change>) {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        let backup = case.backs_up();
        case.phone().files().makes_file((DRAFT, LETTERS, "draft.txt"), "words");
        case.tablet().files().reads_feed(&[LETTERS, DRAFT]);
        let feed = Change::Feed(Some(case.tablet().files().feed_cursor()));
        let kept = vec![case.files.mirrored(LETTERS), case.files.mirrored(DRAFT), feed];
        case.restores_volume(&backup);
        case.phone().files().makes_file((NOTES, LETTERS, "notes.txt"), "words");
        (case, kept)
    }

    #[test]
    fn a_device_that_goes_on_reading_in_a_restored_log_passes_what_it_has_under_those_numbers() {
        let (mut case, _) = restored();
        let cursor = case.tablet().files().feed_cursor();
        case.tablet().persists(vec![Change::Feed(Some(cursor))]);
        assert_eq!(sites(&case), ["file-passed-over"]);
        let (mut case, _) = restored();
        case.tablet().files().reads_feed(&[LETTERS, NOTES]);
        assert_eq!(sites(&case), [""; 0]);
    }

    #[test]
    fn a_device_that_is_set_back_has_a_cursor_of_a_log_that_is_no_more() {
        let (mut case, kept) = restored();
        case.tablet().files().reads_feed(&[LETTERS, NOTES]);
        case.fact(TABLET, Fact::Faulted(RestoreImage { device: TABLET }.into()));
        let holds = [Change::Key(true), Change::Meta].into_iter().chain(kept);
        case.tablet().starts(Boot::Restored, 0, holds.collect());
        assert_eq!(sites(&case), [""; 0]);
    }

    #[test]
    fn a_cursor_that_is_kept_before_its_page_is_too_early() {
        let mut case = filed();
        let cursor = case.tablet().files().feed_cursor();
        case.tablet().persists(vec![Change::Feed(Some(cursor))]);
        let page = vec![case.files.mirrored(LETTERS), case.files.mirrored(DRAFT)];
        case.tablet().persists(page);
        assert_eq!(sites(&case), ["file-passed-over"; 2]);
    }

    #[test]
    fn what_has_changed_again_comes_later() {
        let mut case = filed();
        let mut cursor = case.tablet().files().feed_cursor();
        cursor.upto = (cursor.at.seq - 1, DRAFT);
        let page = vec![case.files.mirrored(LETTERS), Change::Feed(Some(cursor))];
        case.tablet().persists(page);
        assert_eq!(sites(&case), [""; 0]);
    }
}
