//! Files by the laws that records have too: nothing saved is lost (INV-01), nothing is shown that
//! nobody wrote (INV-02), all devices show the same at the end (INV-04), a device does not un-see
//! (INV-23) and forgets nothing in a crash (INV-25), and what was said is so (INV-30).
//!
//! A write of content is a version in the end, whatever became of its name. A version that a newer
//! one replaced is kept as long as the list of versions shows it.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{DeviceId, Dot, NodeId, Token, UserId};
use engine::log::{FileDoc, FileKey, NodeKind, Version};

use super::Incurable;
use super::Invariant::{
    CopiesConverge, CrashesLoseNothing, NoLostWrites, NoPhantomValues, OutcomesAreHonest,
    ReadsNeverGoBack, UsersAreIsolated, VersionsAreImmutable,
};
use super::evidence::Evidence;
use super::evidence::files::{FileDeed, Files};
use super::findings::{About, Findings};
use super::writes::owner;
use crate::history::file::{FileAsked, Goal, Head, Print};
use crate::history::{Answered, Boot, Fact, FileDone, Listed, Trouble};
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.server.deeds.is_empty() {
        return;
    }
    let archive = Archive::of(evidence);
    for deed in &evidence.server.deeds {
        heads_were_written(evidence, findings, deed);
        content_is_as_written(evidence, findings, &archive, deed);
        saved_is_durable(evidence, findings, deed);
        is_a_version_in_the_end(evidence, findings, &archive, deed);
        replaces_what_was_shown(evidence, findings, &archive, deed);
    }
    crashes_take_nothing(evidence, findings, &archive);
    nothing_is_unseen(evidence, findings, &archive);
    all_agree_at_the_end(evidence, findings);
    what_is_read_at_the_end_is_all(evidence, findings);
    heads_are_what_none_replaced(evidence, findings);
}

/// The versions of all logs by the write that made them.
#[derive(Debug, Default)]
struct Archive<'e> {
    versions: BTreeMap<Dot, Published<'e>>,
    /// The writes that a label stands for: more than one, if it was written anew.
    dots: BTreeMap<Token, Vec<Dot>>,
}

#[derive(Clone, Copy, Debug)]
struct Published<'e> {
    at: usize,
    node: NodeId,
    n: u32,
    version: &'e Version,
}

impl<'e> Archive<'e> {
    fn of(evidence: &'e Evidence<'_>) -> Self {
        let mut archive = Self::default();
        for files in evidence.server.files.values() {
            for (key, line) in files.docs() {
                let FileKey::Version(node, n) = key else { continue };
                for (at, doc) in line.iter() {
                    if let Some(FileDoc::Version(version)) = doc {
                        let published = Published { at, node, n, version };
                        archive.versions.entry(version.write).or_insert(published);
                    }
                }
            }
        }
        for (dot, (token, _)) in &evidence.server.dots {
            archive.dots.entry(*token).or_default().push(*dot);
        }
        archive
    }

    /// The versions that a write became.
    fn published(&self, token: Token) -> impl Iterator<Item = &Published<'e>> {
        let dots = self.dots.get(&token).map_or(&[][..], Vec::as_slice);
        dots.iter().filter_map(|dot| self.versions.get(dot))
    }
}

/// Every head that an answer shows.
fn shown<'e>(deed: &FileDeed<'e>) -> Vec<(NodeId, &'e Head)> {
    let Some((_, answer)) = deed.answer else { return Vec::new() };
    match (deed.ask, answer) {
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
fn heads_were_written(evidence: &Evidence<'_>, findings: &mut Findings, deed: &FileDeed<'_>) {
    let Some((at, _)) = deed.answer else { return };
    for (node, head) in shown(deed) {
        let Some(token) = head.token else { continue };
        let about = About { record: None, token: Some(token) };
        if owner(token) != deed.user {
            let message = "A file of another user was shown.".into();
            let place = (UsersAreIsolated, "file-shown");
            findings.report(evidence, place, at, about, message, [deed.asked]);
            continue;
        }
        let write = evidence.server.filings.get(&token).map(|n| &evidence.server.deeds[*n]);
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
    archive: &Archive<'_>,
    deed: &FileDeed<'_>,
) {
    let Some((at, FileDone::Content(heads))) = deed.done() else { return };
    for (head, print) in heads {
        let (Some(token), Some(print)) = (head.token, print) else { continue };
        let about = About { record: None, token: Some(token) };
        let wrote = written(evidence, print.token);
        if wrote != Some(*print) {
            let message = "A file was shown with other content than was written.".into();
            let place = (NoPhantomValues, "content-garbled");
            findings.report(evidence, place, at, about, message, [deed.asked]);
        } else if !is_of(evidence, archive, deed.user, head, token, print.token) {
            let message = "A file was shown with the content of another version.".into();
            let place = (VersionsAreImmutable, "content-of-another");
            findings.report(evidence, place, at, about, message, [deed.asked]);
        }
    }
}

/// What a user wrote under a label.
fn written(evidence: &Evidence<'_>, token: Token) -> Option<Print> {
    let deed = &evidence.server.deeds[*evidence.server.filings.get(&token)?];
    if let FileAsked::Write { content, .. } = deed.ask { Some(*content) } else { None }
}

/// Is content with this label that of a head? A restore has the content of the version that its
/// user named, which may be a restore too.
fn is_of(
    evidence: &Evidence<'_>,
    archive: &Archive<'_>,
    user: UserId,
    head: &Head,
    token: Token,
    content: Token,
) -> bool {
    let Some(files) = evidence.server.files.get(&user) else { return token == content };
    let end = evidence.history.len();
    let mut label = Some(token);
    let mut at = archive.versions.get(&head.write).map(|it| (it.node, it.n));
    while let Some(token) = label {
        let Some(number) = evidence.server.filings.get(&token) else { return false };
        let FileAsked::Restore { node, version, .. } = evidence.server.deeds[*number].ask else {
            return token == content;
        };
        let of = files.version(*node, *version, end).map(|old| old.write);
        if at.is_some_and(|(_, n)| n <= *version) {
            return false;
        }
        at = Some((*node, *version));
        label = of.and_then(|dot| label_of(evidence, dot));
        if label.is_none() {
            return true; // Who made that version does not say under which label.
        }
    }
    false
}

fn label_of(evidence: &Evidence<'_>, dot: Dot) -> Option<Token> {
    evidence.server.dots.get(&dot).map(|(token, _)| *token)
}

fn saved_is_durable(evidence: &Evidence<'_>, findings: &mut Findings, deed: &FileDeed<'_>) {
    let Some(token) = deed.ask.token() else { return };
    let about = About { record: None, token: Some(token) };
    let durable = evidence.disk(deed.device).filed.get(&token).copied();
    if let Some(saved) = deed.saved()
        && durable.is_none_or(|durable| durable > saved)
    {
        let message = "A write of a file was called saved before it was durable.".into();
        let place = (OutcomesAreHonest, "file-saved-before-durable");
        findings.report(evidence, place, saved, about, message, [deed.asked]);
    }
    if let (Some((at, Answered::Refused(_))), Some(kept)) = (deed.answer, durable)
        && matches!(deed.ask, FileAsked::Write { .. })
    {
        let message = "A write of a file was refused and kept.".into();
        let place = (OutcomesAreHonest, "file-refused-and-kept");
        findings.report(evidence, place, at.max(kept), about, message, [deed.asked]);
    }
}

/// When the store of a device became another's, or an earlier one of its own.
fn images(evidence: &Evidence<'_>, device: DeviceId) -> impl Iterator<Item = usize> {
    evidence.disk(device).replaced.iter().copied().filter(|at| {
        matches!(evidence.history[*at].fact, Fact::Started { boot, .. } if boot != Boot::Restart)
    })
}

/// Is there nothing left that could hold what a device had saved then?
fn is_gone(evidence: &Evidence<'_>, device: DeviceId, saved: usize) -> bool {
    evidence.spells.iter().any(|spell| spell.trouble == Trouble::Destroy(device))
        || images(evidence, device).any(|at| at > saved)
}

/// Was everything done that could be done for a device that never gets a key?
fn is_stranded(evidence: &Evidence<'_>, deed: &FileDeed<'_>, token: Token) -> bool {
    let uploads = &evidence.disk(deed.device).uploads;
    evidence.brief.incurable.contains(&Incurable::Keyless(deed.device))
        && uploads
            .values()
            .any(|line| line.last().is_some_and(|own| own.is_some_and(|(label, _)| label == token)))
}

fn is_a_version_in_the_end(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    archive: &Archive<'_>,
    deed: &FileDeed<'_>,
) {
    let (Some(settled), Some(token)) = (evidence.settled, deed.ask.token()) else { return };
    let about = About { record: None, token: Some(token) };
    let Some(saved) = deed.saved() else { return };
    if archive.published(token).next().is_some()
        || is_gone(evidence, deed.device, saved)
        || is_stranded(evidence, deed, token)
    {
        return;
    }
    let message = "A write of a file that was saved is no version in the end.".into();
    let place = (NoLostWrites, "file-never-published");
    findings.report(evidence, place, settled, about, message, [deed.asked, saved]);
}

/// A version takes the place of those that its author was shown, and of no others.
fn replaces_what_was_shown(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    archive: &Archive<'_>,
    deed: &FileDeed<'_>,
) {
    let (FileAsked::Write { exposed, .. } | FileAsked::Restore { exposed, .. }) = deed.ask else {
        return;
    };
    let Some(token) = deed.ask.token() else { return };
    let Some(files) = evidence.server.files.get(&deed.user) else { return };
    for made in archive.published(token) {
        let unseen = made.version.replaces.iter().find(|n| {
            let old = files.version(made.node, **n, made.at).map(|old| old.write);
            !exposed.iter().any(|head| head.version == Some(**n) || Some(head.write) == old)
        });
        if let Some(unseen) = unseen {
            let message = format!(
                "Version {} of {} took the place of version {unseen}, which its author had not seen.",
                made.n,
                files.called(made.node, made.at)
            );
            let about = About { record: None, token: Some(token) };
            let place = (NoLostWrites, "version-replaced-unseen");
            findings.report(evidence, place, made.at, about, message, [deed.asked]);
        }
    }
}

/// What was saved before a crash is on the disk after it, or a version by then.
fn crashes_take_nothing(evidence: &Evidence<'_>, findings: &mut Findings, archive: &Archive<'_>) {
    let mut saved: BTreeMap<DeviceId, Vec<(usize, &FileDeed<'_>, Token)>> = BTreeMap::new();
    for deed in &evidence.server.deeds {
        if let (Some(at), Some(token)) = (deed.saved(), deed.ask.token()) {
            saved.entry(deed.device).or_default().push((at, deed, token));
        }
    }
    for (at, entry) in evidence.history.iter().enumerate() {
        let (Fact::Started { boot: Boot::Restart, .. }, Node::Device(device)) =
            (&entry.fact, entry.node)
        else {
            continue;
        };
        let image = images(evidence, device).filter(|image| *image < at).last().unwrap_or(0);
        let own = saved.get(&device).map_or(&[][..], Vec::as_slice);
        for (when, deed, token) in own.iter().filter(|own| (image..at).contains(&own.0)) {
            let is_kept = |dot: &Dot| {
                let line = evidence.disk(device).uploads.get(dot);
                line.and_then(|line| line.at(at)).is_some_and(Option::is_some)
            };
            let dots = archive.dots.get(token).map_or(&[][..], Vec::as_slice);
            if !dots.iter().any(is_kept) && !archive.published(*token).any(|it| it.at < at) {
                let message = "A crash took a write of a file that was saved.".into();
                let about = About { record: None, token: Some(*token) };
                let place = (CrashesLoseNothing, "file-saved-and-gone");
                findings.report(evidence, place, at, about, message, [deed.asked, *when]);
            }
        }
    }
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
fn nothing_is_unseen(evidence: &Evidence<'_>, findings: &mut Findings, archive: &Archive<'_>) {
    let mut floors: BTreeMap<DeviceId, Floor> = BTreeMap::new();
    for (at, event) in events(evidence) {
        match event {
            Event::Replaced(device) => {
                floors.remove(&device);
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
            Event::Listed(deed, list) => {
                let floor = floors.entry(deed.device).or_default();
                floor.judge(evidence, findings, archive, (at, deed, list));
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event<'e> {
    Replaced(DeviceId),
    Saved(DeviceId, Token),
    /// Somebody who was shown these has written in their place.
    Seen(DeviceId, &'e [Head]),
    Listed(&'e FileDeed<'e>, &'e [Listed]),
}

fn events<'e>(evidence: &'e Evidence<'_>) -> Vec<(usize, Event<'e>)> {
    let mut events = Vec::new();
    for (device, disk) in (0..).map(DeviceId).zip(&evidence.disks) {
        events.extend(disk.replaced.iter().map(|at| (*at, Event::Replaced(device))));
    }
    for deed in &evidence.server.deeds {
        if let FileAsked::Write { exposed, .. } | FileAsked::Restore { exposed, .. } = deed.ask {
            events.push((deed.asked, Event::Seen(deed.device, exposed)));
        }
        if let (Some(at), Some(token)) = (deed.saved(), deed.ask.token()) {
            events.push((at, Event::Saved(deed.device, token)));
        }
        events.extend(deed.list().map(|(at, list)| (at, Event::Listed(deed, list))));
    }
    events.sort_by_key(|event| event.0);
    events
}

impl Floor {
    fn judge(
        &mut self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        archive: &Archive<'_>,
        (at, deed, list): (usize, &FileDeed<'_>, &[Listed]),
    ) {
        let latest: BTreeMap<NodeId, u32> = list.iter().map(|it| (it.node, it.latest)).collect();
        let lower = |(id, n): &(&NodeId, &u32)| latest.get(id).is_none_or(|now| now < n);
        if let Some((id, _)) = self.latest.iter().find(lower) {
            let message = format!("A list no longer shows node {:x} as it had.", id.0);
            let place = (ReadsNeverGoBack, "file-unseen");
            findings.report(evidence, place, at, About::default(), message, [deed.asked]);
        }
        let has = |it: &Published<'_>| latest.get(&it.node).is_some_and(|now| *now >= it.n);
        self.saved.retain(|token, _| !archive.published(*token).any(has));
        let writes: BTreeSet<Dot> =
            list.iter().flat_map(|it| &it.heads).map(|head| head.write).collect();
        let missing = self.saved.iter().filter(|(_, saved)| **saved < deed.asked);
        let mut missing = missing.filter(|(token, _)| {
            let dots = archive.dots.get(token).map_or(&[][..], Vec::as_slice);
            !dots.iter().any(|dot| writes.contains(dot))
        });
        if let Some((token, saved)) = missing.next() {
            let message = "A list lacks a write of a file that was saved there.".into();
            let about = About { record: None, token: Some(*token) };
            let place = (ReadsNeverGoBack, "file-not-listed");
            findings.report(evidence, place, at, about, message, [deed.asked, *saved]);
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
    let last = evidence.server.deeds.iter().filter(|it| it.last && evidence.is_core(it.device));
    for deed in last {
        let Some((at, list)) = deed.list() else { continue };
        let rows: BTreeMap<NodeId, Row<'_>> = list.iter().map(|it| (it.node, row(it))).collect();
        if let Some(sealed) = list.iter().find(|it| it.sealed) {
            let message = format!("The name of node {:x} is sealed at the end.", sealed.node.0);
            let place = (CopiesConverge, "sealed-at-the-end");
            findings.report(evidence, place, at, About::default(), message, []);
        }
        match first.get(&deed.user) {
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
                is_as_logged(evidence, findings, deed.user, at, &rows);
                first.insert(deed.user, (at, rows));
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
    let files = evidence.server.files.get(&user).unwrap_or(&nothing);
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

/// At the end every version is listed, and the content of every head is there.
fn what_is_read_at_the_end_is_all(evidence: &Evidence<'_>, findings: &mut Findings) {
    let last = evidence.server.deeds.iter().filter(|it| it.last && evidence.is_core(it.device));
    for deed in last {
        let Some(files) = evidence.server.files.get(&deed.user) else { continue };
        let Some((at, done)) = deed.done() else { continue };
        match (deed.ask, done) {
            (FileAsked::Versions(node), FileDone::Versions(heads)) => {
                let listed = heads.iter().map(|head| (head.version, head.write));
                let all = files.versions(*node).map(|(n, _)| n);
                let all = all.filter_map(|n| Some((Some(n), files.version(*node, n, at)?.write)));
                if !listed.eq(all) {
                    let message = format!(
                        "Not every version of {} is listed at the end.",
                        files.called(*node, at)
                    );
                    let place = (NoLostWrites, "version-not-listed");
                    findings.report(evidence, place, at, About::default(), message, [deed.asked]);
                }
            }
            (FileAsked::Read(node), FileDone::Content(heads)) => {
                let Some((head, _)) = heads.iter().find(|(_, content)| content.is_none()) else {
                    continue;
                };
                let about = About { record: None, token: head.token };
                let message =
                    format!("The content of {} cannot be had at the end.", files.called(*node, at));
                let place = (NoLostWrites, "content-not-read");
                findings.report(evidence, place, at, about, message, [deed.asked]);
            }
            _ => {}
        }
    }
}

/// A version that none replaced is a head: of two that were made at once, both are shown.
fn heads_are_what_none_replaced(evidence: &Evidence<'_>, findings: &mut Findings) {
    for files in evidence.server.files.values() {
        for entry in &files.entries {
            for id in entry.nodes() {
                let Some(node) = files.node(id, entry.at) else { continue };
                let NodeKind::File { heads, latest } = &node.kind else { continue };
                let there = |n: &u32| files.version(id, *n, entry.at);
                let versions: Vec<&Version> = (1..=*latest).filter_map(|n| there(&n)).collect();
                let replaced: BTreeSet<u32> =
                    versions.iter().flat_map(|it| it.replaces.iter().copied()).collect();
                let hidden = (1..=*latest).find(|n| !replaced.contains(n) && !heads.contains(n));
                if let Some(hidden) = hidden {
                    let message = format!(
                        "Version {hidden} of {} is no head, and nothing replaced it.",
                        files.called(id, entry.at)
                    );
                    let place = (NoLostWrites, "head-hidden");
                    findings.report(evidence, place, entry.at, About::default(), message, []);
                }
            }
        }
    }
}
