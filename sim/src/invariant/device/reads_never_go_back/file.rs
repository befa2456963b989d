//! Files as lists and answers show them, by the laws that records have too: nothing is shown that
//! no user wrote (INV-02), nor to strangers (INV-31), nor with other content (INV-07); a device does
//! not un-see (INV-23); and at the end all devices list the same, which is what the log has (INV-04).

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use engine::id::{DeviceId, Dot, NodeId, Token};

use crate::history::Listed;
use crate::history::file::{FileAsked, Head};
use crate::invariant::Invariant::ReadsNeverGoBack;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::epochs::Epoch;
use crate::invariant::evidence::files::{ObservedFileOperation, Published};
use crate::invariant::findings::{About, Findings};

/// What a device's lists have to show.
#[derive(Debug, Default)]
struct FileFloor {
    /// Every file that was listed, with its latest version then.
    latest: BTreeMap<NodeId, u32>,
    /// What was saved, and when; until a list shows that it has become a version.
    saved: BTreeMap<Token, usize>,
}

/// A file that was listed is listed again, no older; and what was saved there is in the list, until
/// a version of it is, or a user who saw it replaced it.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut floors: BTreeMap<DeviceId, FileFloor> = BTreeMap::new();
    for (at, event) in events(evidence) {
        match event {
            FileEvent::Replaced(device) => {
                floors.remove(&device);
            }
            FileEvent::Turned(device) => {
                let floor = floors.entry(device).or_default();
                floor.latest.clear();
                // What that log lacks may be back in a later one, of which the device has not heard.
                let owing = slice::from_ref(evidence.disk(device));
                let went = |token| evidence.went_with_the_volume(at, owing, token).is_some();
                floor.saved.retain(|token, _| !went(*token));
            }
            FileEvent::Saved(device, token) => {
                floors.entry(device).or_default().saved.insert(token, at);
            }
            FileEvent::Seen(device, exposed) => {
                let saved = &mut floors.entry(device).or_default().saved;
                exposed.iter().filter_map(|head| head.token).for_each(|token| {
                    saved.remove(&token);
                });
            }
            FileEvent::Listed(operation, list) => {
                let floor = floors.entry(operation.device).or_default();
                floor.judge(evidence, findings, (at, operation, list));
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum FileEvent<'e> {
    Replaced(DeviceId),
    /// It has read another log in place of the one that was.
    Turned(DeviceId),
    Saved(DeviceId, Token),
    /// A user who was shown these has written in their place.
    Seen(DeviceId, &'e [Head]),
    Listed(&'e ObservedFileOperation<'e>, &'e [Listed]),
}

fn events<'e>(evidence: &'e Evidence<'_>) -> Vec<(usize, FileEvent<'e>)> {
    let mut events = Vec::new();
    for (device, disk) in (0..).map(DeviceId).zip(&evidence.disks) {
        events.extend(disk.replaced.iter().map(|at| (*at, FileEvent::Replaced(device))));
        let user = evidence.user(device);
        let turned = disk.feed.turns(|at, before| !evidence.epochs.at(at).has(user, before.at));
        events.extend(turned.map(|at| (at, FileEvent::Turned(device))));
    }
    for operation in &evidence.server.file_operations {
        if let FileAsked::Write { exposed, .. } | FileAsked::Restore { exposed, .. } = operation.ask
        {
            events.push((operation.asked, FileEvent::Seen(operation.device, exposed)));
        }
        if let (Some(at), Some(token)) = (operation.saved(), operation.ask.token()) {
            events.push((at, FileEvent::Saved(operation.device, token)));
        }
        events.extend(operation.list().map(|(at, list)| (at, FileEvent::Listed(operation, list))));
    }
    events.sort_by_key(|event| event.0);
    events
}

impl FileFloor {
    fn judge(
        &mut self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        (at, operation, list): (usize, &ObservedFileOperation<'_>, &[Listed]),
    ) {
        // The log that the device has read: not always the one that there is.
        let cursor = evidence.disk(operation.device).feed.at(at).copied().flatten();
        let mut epochs = evidence.epochs.iter().filter(|epoch| epoch.from <= at);
        let read = epochs.rfind(|epoch| cursor.is_some_and(|it| epoch.has(operation.user, it.at)));
        let latest: BTreeMap<NodeId, u32> = list.iter().map(|it| (it.node, it.latest)).collect();
        let lower = |(id, n): &(&NodeId, &u32)| latest.get(id).is_none_or(|now| now < n);
        if let Some((id, _)) = self.latest.iter().find(lower) {
            let (id, before) = (*id, self.latest[id]);
            let message = format!(
                "{} lists {} with {}; it had listed version {before}.",
                evidence.device_name(operation.device),
                evidence.node_path(operation.user, id, at),
                latest.get(&id).map_or("no version".to_owned(), |now| format!("version {now}"))
            );
            let place = (ReadsNeverGoBack, "file-unseen");
            findings.report(evidence, place, at, About::default(), message, [operation.asked]);
        }
        let has = |it: &Published<'_>| {
            it.at <= at && latest.get(&it.node).is_some_and(|now| *now >= it.n)
        };
        let owing = slice::from_ref(evidence.disk(operation.device));
        self.saved.retain(|token, _| {
            let is_there = |epoch: &Epoch<'_>| epoch.archive.published(*token).any(has);
            !read.is_some_and(is_there)
                && evidence.went_with_the_volume(at, owing, *token).is_none()
        });
        let writes: BTreeSet<Dot> =
            list.iter().flat_map(|it| &it.heads).map(|head| head.write).collect();
        let missing = self.saved.iter().filter(|(_, saved)| **saved < operation.asked);
        let mut missing = missing.filter(|(token, _)| {
            let dots =
                evidence.epochs.last().archive.dots.get(**token).map_or(&[][..], Vec::as_slice);
            // It is shown, or what was built on it: a log that was set back may have that before it.
            let is_shown = |dot: &Dot, shown: &Dot| {
                dot == shown || evidence.lineage().is_on(*shown, *dot) == Some(true)
            };
            !dots.iter().any(|dot| writes.iter().any(|shown| is_shown(dot, shown)))
        });
        if let Some((token, saved)) = missing.next() {
            let message = format!(
                "{} lists files without {}, which it had acknowledged as saved at {}.",
                evidence.device_name(operation.device),
                evidence.write_name(*token),
                evidence.time(*saved)
            );
            let about = About { record: None, token: Some(*token) };
            let place = (ReadsNeverGoBack, "file-not-listed");
            findings.report(evidence, place, at, about, message, [operation.asked, *saved]);
        }
        self.latest = latest;
    }
}

#[cfg(test)]
mod tests {
    use engine::id::DeviceId;

    use crate::history::file::{Goal, Head};
    use crate::history::{Answered, Change};
    use crate::invariant::case::files::head;
    use crate::invariant::case::tree::FileWrite;
    use crate::invariant::case::tree::{DRAFT, NOTES};
    use crate::invariant::case::{Case, PHONE, TABLET};

    /// A device saves a version of the file, whose author was shown this one.
    fn saves_on(case: &mut Case, device: DeviceId, shown: Head) -> FileWrite {
        let to = (DRAFT, Goal::Version(DRAFT));
        let write = case.device(device).files().asks_to_save(to, "other", vec![shown]);
        case.device(device).files().keeps(write);
        case.device(device).answers(write.op, Answered::Saved);
        write
    }

    /// The volume is set back to before the phone's version, and the log gets the tablet's first.
    #[test]
    fn what_was_saved_is_listed_or_what_was_built_on_it() {
        for is_built_on_it in [true, false] {
            let (mut case, first) = Case::filed();
            let backup = case.backs_up();
            let second = saves_on(&mut case, PHONE, head(first, Some(1)));
            case.phone().files().uploads_next(second, (2, &[1], &[2]), "words of 2");
            let shown = if is_built_on_it { head(second, Some(2)) } else { head(first, Some(1)) };
            let third = saves_on(&mut case, TABLET, shown);
            case.restores_volume(&backup);
            case.tablet().files().uploads_next(third, (2, &[1], &[2]), "words of 3");
            case.phone().files().reads_feed(&[DRAFT]);
            let list = case.files.list_of(&[DRAFT], &[third]);
            case.phone().files().lists(list, false);
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites.contains(&"file-not-listed"), !is_built_on_it, "{sites:?}");
        }
    }

    #[test]
    fn what_was_listed_or_saved_is_listed_again() {
        let (mut case, filing) = Case::filed();
        let list = case.files.list_of(&[DRAFT], &[filing]);
        case.phone().files().lists(list.clone(), false);
        case.phone().files().lists(Vec::new(), false);
        case.rejects("file-unseen");

        let (mut case, filing) = Case::filed();
        let list = case.files.list_of(&[DRAFT], &[filing]);
        case.phone().files().saves((NOTES, "notes.txt"), "other words");
        case.phone().files().lists(list, false);
        case.rejects("file-not-listed");
    }

    /// The phone's file goes with the volume, and the phone has read that. Much later it is published
    /// again, by the phone's disk of before.
    #[test]
    fn what_went_with_the_volume_is_listed_only_by_who_still_has_it() {
        for still_has_it in [false, true] {
            let (mut case, backup, filing) = Case::filed_since_backup();
            if !still_has_it {
                case.phone().persists(vec![Change::Upload(filing.dot, None)]);
            }
            case.restores_volume(&backup);
            let cursor = Change::Feed(Some(case.phone().files().feed_cursor()));
            case.phone().persists(vec![Change::Node(DRAFT, None), cursor]);
            case.phone().files().lists(Vec::new(), false);
            case.phone().files().uploads(filing, ("draft.txt", "words"));
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites.contains(&"file-not-listed"), still_has_it, "{sites:?}");
        }
    }
}
