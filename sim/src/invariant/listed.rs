//! Files as lists and answers show them, by the laws that records have too: nothing is shown that
//! nobody wrote (INV-02), nor to strangers (INV-31), nor with other content (INV-07); a device does
//! not un-see (INV-23); and at the end all devices list the same, which is what the log has (INV-04).

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use engine::id::{DeviceId, Dot, NodeId, Token, UserId};
use engine::log::{FileKey, NodeKind};

use super::Invariant::{
    CopiesConverge, NoPhantomValues, ReadsNeverGoBack, UsersAreIsolated, VersionsAreImmutable,
};
use super::evidence::Evidence;
use super::evidence::epochs::Epoch;
use super::evidence::files::{FileOperation, Files, Published};
use super::findings::{About, Findings};
use super::writes::owner;
use crate::history::file::{FileAsked, Goal, Head, Print};
use crate::history::{Answered, FileDone, Listed};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.server.file_operations {
        heads_were_written(evidence, findings, operation);
        content_is_as_written(evidence, findings, operation);
    }
    nothing_is_unseen(evidence, findings);
    all_agree_at_the_end(evidence, findings);
}

/// Every head that an answer shows.
fn shown<'e>(operation: &FileOperation<'e>) -> Vec<(NodeId, &'e Head)> {
    let Some((_, answer)) = operation.answer else { return Vec::new() };
    match (operation.ask, answer) {
        (FileAsked::List, Answered::Files(list)) => {
            list.iter().flat_map(|it| it.heads.iter().map(|head| (it.node, head))).collect()
        }
        (FileAsked::Versions(node), Answered::File(FileDone::Versions(heads))) => {
            heads.iter().map(|head| (*node, head)).collect()
        }
        (FileAsked::Read(node), Answered::File(FileDone::Content(heads))) => {
            heads.iter().map(|(head, _)| (*node, head)).collect()
        }
        _ => Vec::new(),
    }
}

/// Every label that is shown is that of a write, of this user and to this file.
fn heads_were_written(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &FileOperation<'_>,
) {
    let Some((at, _)) = operation.answer else { return };
    for (node, head) in shown(operation) {
        let Some(token) = head.token else { continue };
        let about = About { record: None, token: Some(token) };
        if owner(token) != operation.user {
            let message = "A file of another user was shown.".into();
            let place = (UsersAreIsolated, "file-shown");
            findings.report(evidence, place, at, about, message, [operation.asked]);
            continue;
        }
        let write =
            evidence.server.filings.get(token).map(|n| &evidence.server.file_operations[*n]);
        if write.is_none_or(|write| write.asked > at || !is_to(write.ask, node)) {
            let message = "A version of a file was shown that nobody wrote.".into();
            let place = (NoPhantomValues, "file-never-written");
            findings.report(evidence, place, at, about, message, write.map(|write| write.asked));
        }
    }
}

/// May a write have become a version of this file?
fn is_to(ask: &FileAsked, node: NodeId) -> bool {
    match ask {
        FileAsked::Write { goal: Goal::Version(to), .. } | FileAsked::Restore { node: to, .. } => {
            *to == node
        }
        FileAsked::Write { goal: Goal::New(..), .. } => true,
        FileAsked::List
        | FileAsked::Read(_)
        | FileAsked::Versions(_)
        | FileAsked::MakeFolder(..)
        | FileAsked::Move(_)
        | FileAsked::Delete { .. }
        | FileAsked::Undelete(_)
        | FileAsked::Job(_) => false,
    }
}

/// Content that is shown is that of its head, whole.
fn content_is_as_written(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &FileOperation<'_>,
) {
    let Some((at, FileDone::Content(heads))) = operation.done() else { return };
    // A device that has not heard of it yet goes by the log that was.
    let of_any = |head, label, content| {
        let mut epochs = evidence.epochs.iter().filter(|epoch| epoch.from <= at);
        epochs.any(|epoch| is_of(evidence, epoch, operation.user, (head, label), content))
    };
    for (head, print) in heads {
        let (Some(token), Some(print)) = (head.token, print) else { continue };
        let about = About { record: None, token: Some(token) };
        let wrote = written(evidence, print.token);
        if wrote != Some(*print) {
            let message = "A file was shown with other content than was written.".into();
            let place = (NoPhantomValues, "content-garbled");
            findings.report(evidence, place, at, about, message, [operation.asked]);
        } else if !of_any(head, token, print.token) {
            let message = "A file was shown with the content of another version.".into();
            let place = (VersionsAreImmutable, "content-of-another");
            findings.report(evidence, place, at, about, message, [operation.asked]);
        }
    }
}

/// What a user wrote under a label.
fn written(evidence: &Evidence<'_>, token: Token) -> Option<Print> {
    let operation = &evidence.server.file_operations[*evidence.server.filings.get(token)?];
    if let FileAsked::Write { content, .. } = operation.ask { Some(*content) } else { None }
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
        let Some(number) = evidence.server.filings.get(token) else { return false };
        let FileAsked::Restore { node, version, .. } = evidence.server.file_operations[*number].ask
        else {
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

/// What a device's lists have to show.
#[derive(Debug, Default)]
struct Floor {
    /// Every file that was listed, with its latest version then.
    latest: BTreeMap<NodeId, u32>,
    /// What was saved, and when; until a list shows that it has become a version.
    saved: BTreeMap<Token, usize>,
}

/// A file that was listed is listed again, no older; and what was saved there is in the list, until
/// a version of it is, or somebody who saw it replaced it.
fn nothing_is_unseen(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut floors: BTreeMap<DeviceId, Floor> = BTreeMap::new();
    for (at, event) in events(evidence) {
        match event {
            Event::Replaced(device) => {
                floors.remove(&device);
            }
            Event::Turned(device) => {
                let floor = floors.entry(device).or_default();
                floor.latest.clear();
                // What that log lacks may be back in a later one, of which the device has not heard.
                let owing = slice::from_ref(evidence.disk(device));
                let went = |token| evidence.went_with_the_volume(at, owing, token);
                floor.saved.retain(|token, _| !went(*token));
            }
            Event::Saved(device, token) => {
                floors.entry(device).or_default().saved.insert(token, at);
            }
            Event::Seen(device, exposed) => {
                let saved = &mut floors.entry(device).or_default().saved;
                exposed.iter().filter_map(|head| head.token).for_each(|token| {
                    saved.remove(&token);
                });
            }
            Event::Listed(operation, list) => {
                let floor = floors.entry(operation.device).or_default();
                floor.judge(evidence, findings, (at, operation, list));
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event<'e> {
    Replaced(DeviceId),
    /// It has read another log in place of the one that was.
    Turned(DeviceId),
    Saved(DeviceId, Token),
    /// Somebody who was shown these has written in their place.
    Seen(DeviceId, &'e [Head]),
    Listed(&'e FileOperation<'e>, &'e [Listed]),
}

fn events<'e>(evidence: &'e Evidence<'_>) -> Vec<(usize, Event<'e>)> {
    let mut events = Vec::new();
    for (device, disk) in (0..).map(DeviceId).zip(&evidence.disks) {
        events.extend(disk.replaced.iter().map(|at| (*at, Event::Replaced(device))));
        let user = evidence.user(device);
        let turned = disk.feed.turns(|at, before| !evidence.epochs.at(at).has(user, before.at));
        events.extend(turned.map(|at| (at, Event::Turned(device))));
    }
    for operation in &evidence.server.file_operations {
        if let FileAsked::Write { exposed, .. } | FileAsked::Restore { exposed, .. } = operation.ask
        {
            events.push((operation.asked, Event::Seen(operation.device, exposed)));
        }
        if let (Some(at), Some(token)) = (operation.saved(), operation.ask.token()) {
            events.push((at, Event::Saved(operation.device, token)));
        }
        events.extend(operation.list().map(|(at, list)| (at, Event::Listed(operation, list))));
    }
    events.sort_by_key(|event| event.0);
    events
}

impl Floor {
    fn judge(
        &mut self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        (at, operation, list): (usize, &FileOperation<'_>, &[Listed]),
    ) {
        // The log that the device has read: not always the one that there is.
        let cursor = evidence.disk(operation.device).feed.at(at).copied().flatten();
        let mut epochs = evidence.epochs.iter().filter(|epoch| epoch.from <= at);
        let read = epochs.rfind(|epoch| cursor.is_some_and(|it| epoch.has(operation.user, it.at)));
        let latest: BTreeMap<NodeId, u32> = list.iter().map(|it| (it.node, it.latest)).collect();
        let lower = |(id, n): &(&NodeId, &u32)| latest.get(id).is_none_or(|now| now < n);
        if let Some((id, _)) = self.latest.iter().find(lower) {
            let message = format!("A list no longer shows node {:x} as it had.", id.0);
            let place = (ReadsNeverGoBack, "file-unseen");
            findings.report(evidence, place, at, About::default(), message, [operation.asked]);
        }
        let has = |it: &Published<'_>| {
            it.at <= at && latest.get(&it.node).is_some_and(|now| *now >= it.n)
        };
        let owing = slice::from_ref(evidence.disk(operation.device));
        self.saved.retain(|token, _| {
            let is_there = |epoch: &Epoch<'_>| epoch.archive.published(*token).any(has);
            !read.is_some_and(is_there) && !evidence.went_with_the_volume(at, owing, *token)
        });
        let writes: BTreeSet<Dot> =
            list.iter().flat_map(|it| &it.heads).map(|head| head.write).collect();
        let missing = self.saved.iter().filter(|(_, saved)| **saved < operation.asked);
        let mut missing = missing.filter(|(token, _)| {
            let dots =
                evidence.epochs.last().archive.dots.get(**token).map_or(&[][..], Vec::as_slice);
            !dots.iter().any(|dot| writes.contains(dot))
        });
        if let Some((token, saved)) = missing.next() {
            let message = "A list lacks a write of a file that was saved there.".into();
            let about = About { record: None, token: Some(*token) };
            let place = (ReadsNeverGoBack, "file-not-listed");
            findings.report(evidence, place, at, about, message, [operation.asked, *saved]);
        }
        self.latest = latest;
    }
}

/// What a list says of a node, whoever lists it.
type Row<'e> = (NodeId, &'e str, bool, bool, u32, Vec<(Option<u32>, Dot)>, &'e [String]);

fn row(it: &Listed) -> Row<'_> {
    let heads = it.heads.iter().map(|head| (head.version, head.write)).collect();
    (it.parent, &it.name, it.is_folder, it.deleted, it.latest, heads, &it.copies)
}

/// The last lists of all devices that must agree show the same, and what the log has.
fn all_agree_at_the_end(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut first: BTreeMap<UserId, (usize, BTreeMap<NodeId, Row<'_>>)> = BTreeMap::new();
    let last =
        evidence.server.file_operations.iter().filter(|it| it.last && evidence.is_core(it.device));
    for operation in last {
        let Some((at, list)) = operation.list() else { continue };
        let rows: BTreeMap<NodeId, Row<'_>> = list.iter().map(|it| (it.node, row(it))).collect();
        if let Some(sealed) = list.iter().find(|it| it.sealed) {
            let message = format!("The name of node {:x} is sealed at the end.", sealed.node.0);
            let place = (CopiesConverge, "sealed-at-the-end");
            findings.report(evidence, place, at, About::default(), message, []);
        }
        match first.get(&operation.user) {
            Some((other, expected)) if *expected != rows => {
                let odd = rows.iter().find(|(id, row)| expected.get(id) != Some(row));
                let odd = odd.or_else(|| expected.iter().find(|(id, _)| !rows.contains_key(id)));
                let odd = odd.map_or_else(String::new, |(id, row)| {
                    format!(" {:?} (node {:x}) is one of them.", row.1, id.0)
                });
                let message = format!("Files are not the same on two devices at the end.{odd}");
                let place = (CopiesConverge, "files-differ");
                findings.report(evidence, place, at, About::default(), message, [*other]);
            }
            Some(_) => {}
            None => {
                is_as_logged(evidence, findings, operation.user, at, &rows);
                first.insert(operation.user, (at, rows));
            }
        }
    }
}

fn is_as_logged(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    at: usize,
    rows: &BTreeMap<NodeId, Row<'_>>,
) {
    let nothing = Files::default();
    let files = evidence.epochs.at(at).files.get(&user).unwrap_or(&nothing);
    let mut logged = BTreeMap::new();
    for (key, _) in files.docs() {
        let FileKey::Node(id) = key else { continue };
        let Some(node) = files.node(id, at) else { continue };
        let heads: Vec<u32> = match &node.kind {
            NodeKind::Folder => Vec::new(),
            NodeKind::File { heads, .. } => heads.clone(),
        };
        logged.insert(id, (node.place.parent, node.deleted, heads));
    }
    let listed = |row: &Row<'_>| (row.0, row.3, row.5.iter().filter_map(|head| head.0).collect());
    let listed: BTreeMap<_, _> = rows.iter().map(|(id, row)| (*id, listed(row))).collect();
    if listed != logged {
        let odd = listed.iter().find(|(id, row)| logged.get(id) != Some(row));
        let odd = odd.or_else(|| logged.iter().find(|(id, _)| !listed.contains_key(id)));
        let odd = odd.map_or_else(String::new, |(id, _)| {
            format!(" {} is one of them.", files.called(*id, at))
        });
        let message = format!("Files are listed at the end other than they are in the log.{odd}");
        let place = (CopiesConverge, "listed-otherwise");
        findings.report(evidence, place, at, About::default(), message, []);
    }
}

#[cfg(test)]
mod tests {
    use super::super::case::files::{DRAFT, NOTES};
    use super::super::case::filing::{Filing, head, print};
    use super::super::case::{Case, PHONE, TABLET};
    use crate::history::Change;
    use crate::history::file::{FileAsked, FileDone};

    fn filed() -> (Case, Filing) {
        let mut case = Case::served();
        case.opens(PHONE);
        case.opens(TABLET);
        let filing = case.files(PHONE, (DRAFT, "draft.txt"), "words");
        case.uploads(PHONE, filing, ("draft.txt", "words"));
        case.reads_feed(PHONE, &[DRAFT]);
        (case, filing)
    }

    #[track_caller]
    fn rejects(case: &Case, site: &str) {
        let violations = case.violations();
        assert!(violations.iter().any(|violation| violation.site == site), "{violations:#?}");
    }

    #[test]
    fn all_devices_list_what_the_log_has() {
        let (mut case, filing) = filed();
        let list = case.list_of(&[DRAFT], &[filing]);
        case.lists(PHONE, list.clone(), false);
        let mut case = case.ends();
        case.lists(PHONE, list.clone(), true);
        case.lists(TABLET, list.clone(), true);
        case.passes();

        let mut odd = list.clone();
        odd[0].name = "Draft.txt".into();
        case.lists(TABLET, odd, true);
        rejects(&case, "files-differ");

        let (case, _) = filed();
        let mut case = case.ends();
        case.lists(TABLET, Vec::new(), true);
        rejects(&case, "listed-otherwise");

        let (case, _) = filed();
        let mut case = case.ends();
        let mut sealed = list;
        sealed[0].sealed = true;
        case.lists(TABLET, sealed, true);
        rejects(&case, "sealed-at-the-end");
    }

    #[test]
    fn what_was_listed_or_saved_is_listed_again() {
        let (mut case, filing) = filed();
        let list = case.list_of(&[DRAFT], &[filing]);
        case.lists(PHONE, list.clone(), false);
        case.lists(PHONE, Vec::new(), false);
        rejects(&case, "file-unseen");

        let (mut case, filing) = filed();
        let list = case.list_of(&[DRAFT], &[filing]);
        case.files(PHONE, (NOTES, "notes.txt"), "other words");
        case.lists(PHONE, list, false);
        rejects(&case, "file-not-listed");
    }

    /// The phone's file goes with the volume, and the phone has read that. Much later it is published
    /// again, by the phone's disk of before.
    #[test]
    fn what_went_with_the_volume_is_listed_only_by_who_still_has_it() {
        for still_has_it in [false, true] {
            let mut case = Case::served();
            case.opens(PHONE);
            let backup = case.backs_up();
            let filing = case.files(PHONE, (DRAFT, "draft.txt"), "words");
            case.uploads(PHONE, filing, ("draft.txt", "words"));
            case.reads_feed(PHONE, &[DRAFT]);
            if !still_has_it {
                case.persists(PHONE, vec![Change::Upload(filing.dot, None)]);
            }
            case.restores_volume(&backup);
            let cursor = Change::Feed(Some(case.feed_cursor(PHONE)));
            case.persists(PHONE, vec![Change::Node(DRAFT, None), cursor]);
            case.lists(PHONE, Vec::new(), false);
            case.uploads(PHONE, filing, ("draft.txt", "words"));
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites.contains(&"file-not-listed"), still_has_it, "{sites:?}");
        }
    }

    #[test]
    fn what_is_shown_was_written_by_its_user() {
        let (mut case, filing) = filed();
        let mut invented = filing;
        invented.token.0[15] ^= 0xff;
        let list = case.list_of(&[DRAFT], &[invented]);
        case.lists(TABLET, list, false);
        rejects(&case, "file-never-written");

        let (mut case, filing) = filed();
        let mut strange = filing;
        strange.token.0[9] ^= 1;
        let list = case.list_of(&[DRAFT], &[strange]);
        case.lists(TABLET, list, false);
        rejects(&case, "file-shown");
    }

    #[test]
    fn content_is_shown_as_it_was_written_and_with_its_own_version() {
        let (mut case, filing) = filed();
        let shown = |words: &str, of: Filing| {
            let content = Some(print(of.token, words));
            FileDone::Content(vec![(head(filing, Some(1)), content)])
        };
        case.is_told(TABLET, FileAsked::Read(DRAFT), shown("words", filing));
        case.passes();
        case.is_told(TABLET, FileAsked::Read(DRAFT), shown("wor", filing));
        rejects(&case, "content-garbled");

        let other = case.files(TABLET, (NOTES, "notes.txt"), "other words");
        case.is_told(TABLET, FileAsked::Read(DRAFT), shown("other words", other));
        rejects(&case, "content-of-another");
    }
}
