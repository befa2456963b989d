//! What was said of files is so: who is told that something is done finds it in the log, by then and
//! not before it was asked for (INV-30); a batch is in one commit, and a job is what was asked
//! (INV-09); a restore has the content of the version that was named (INV-07); a delete removes what
//! its author had seen (INV-01); and every name was given by somebody (INV-02).

use std::collections::{BTreeMap, BTreeSet};

use engine::device::Reason;
use engine::id::{DeviceId, NodeId, UserId};
use engine::log::{FileDoc, FileKey, Node as File, NodeKind, Op};
use engine::message::{JobId, Refusal};

use super::Invariant::{
    BatchesAreAtomic, NoLostWrites, NoPhantomValues, OutcomesAreHonest, VersionsAreImmutable,
};
use super::evidence::Evidence;
use super::evidence::epochs::Epoch;
use super::evidence::files::{FileOperation, Files, Logged, puts};
use super::findings::{About, Findings};
use super::names::{composed, fold};
use super::reasons::file::may_lack_a_key;
use crate::history::file::FileAsked;
use crate::history::{Answered, Entry, Fact, FileDone, Refused};
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let (nothing, nobody) = (Files::default(), BTreeSet::new());
    for operation in &evidence.server.file_operations {
        let Some((at, done)) = operation.done() else { continue };
        let wrong = |epoch: &Epoch<'_>| {
            let files = epoch.files.get(&operation.user).unwrap_or(&nothing);
            is_not_so(files, operation, at, done)
        };
        let mut epochs = evidence.epochs.between(operation.asked, at).map(wrong);
        if let Some((place, message)) = epochs.next_back().flatten()
            && epochs.all(|wrong| wrong.is_some())
        {
            let about = About { record: None, token: operation.ask.token() };
            findings.report(evidence, place, at, about, message, [operation.asked]);
        }
    }
    refusals_are_passed_on(evidence, findings);
    let seen = seen(evidence);
    let given = given(evidence);
    for (user, files) in evidence.epochs.files() {
        deletes_have_seen(evidence, findings, files, &seen);
        let given = given.get(user).unwrap_or(&nobody);
        names_were_given(evidence, findings, files, (*user, given));
    }
}

/// What a device calls a file that it has to name and whose name it cannot open.
const NAMELESS: &str = "recovered";

fn devices_of(evidence: &Evidence<'_>, user: UserId) -> impl Iterator<Item = DeviceId> {
    let devices = (0..).map(DeviceId).zip(&evidence.context.devices);
    devices.filter(move |(_, whose)| **whose == user).map(|(device, _)| device)
}

type Site = (super::Invariant, &'static str);

fn is_not_so(
    files: &Files<'_>,
    operation: &FileOperation<'_>,
    at: usize,
    done: &FileDone,
) -> Option<(Site, String)> {
    let was = |id: NodeId, is_so: &dyn Fn(State<'_>) -> bool| {
        states(files, id, operation.asked, at).any(is_so)
    };
    let honest = |is_so: bool, site, what: &str| {
        (!is_so).then(|| ((OutcomesAreHonest, site), format!("{what} and it was not so.")))
    };
    match (operation.ask, done) {
        (FileAsked::MakeFolder(parent, name), FileDone::Created(id)) => {
            let is_there = |it: State<'_>| {
                it.node.kind == NodeKind::Folder
                    && !it.node.deleted
                    && it.node.place.parent == *parent
                    && it.name.is_none_or(|own| fold(own) == fold(name))
            };
            honest(was(*id, &is_there), "not-made", "A folder was called made")
        }
        (FileAsked::Delete { node, .. }, FileDone::Done) => {
            let is_so = was(*node, &|it| it.node.deleted);
            honest(is_so, "not-deleted", "A file was called deleted")
        }
        (FileAsked::Undelete(node), FileDone::Done) => {
            let is_so = was(*node, &|it| !it.node.deleted);
            honest(is_so, "not-undeleted", "A file was called undeleted")
        }
        (FileAsked::Move(all), FileDone::Moved) => {
            let whole = |entry: &Logged<'_>| {
                entry
                    .commit
                    .ops
                    .iter()
                    .any(|op| all.iter().all(|one| is_moved(files, *entry, op, one)))
            };
            (!files.between(operation.asked, at).any(whole)).then(|| {
                let message = "A batch was called moved, and no commit moved all of it.".into();
                ((BatchesAreAtomic, "batch-not-whole"), message)
            })
        }
        (FileAsked::Move(all), FileDone::Accepted(job)) => {
            let asked: Vec<NodeId> = all.iter().map(|one| one.0).collect();
            (items(files, *job, at) != asked).then(|| {
                let message = "A job is not the batch that was asked for.".into();
                ((BatchesAreAtomic, "another-job"), message)
            })
        }
        (FileAsked::Restore { node, version, .. }, FileDone::Published(n)) => {
            let Some(made) = files.version(*node, *n, at) else {
                return honest(false, "not-restored", "A version was called restored");
            };
            let old = files.version(*node, *version, at);
            old.is_none_or(|old| old.blob != made.blob).then(|| {
                let message = format!(
                    "{} was to have the content of version {version} again, and has another's.",
                    files.called(*node, at)
                );
                ((VersionsAreImmutable, "restored-other-than-asked"), message)
            })
        }
        (FileAsked::Job(id), FileDone::Job(told, total)) => {
            let job = files.job(*id, at);
            let is_told = |n: u32| {
                let line = files.doc(FileKey::Item(*id, n)).and_then(|line| line.at(at));
                match line {
                    Some(Some(FileDoc::Item(_, became))) => *became,
                    Some(_) | None => None,
                }
            };
            let is_so = job.is_some_and(|job| job.total == *total)
                && (0..).zip(told).all(|(n, told)| is_told(n) == Some(*told));
            (!is_so).then(|| {
                let message = "What was told of a job is not what became of it.".into();
                ((BatchesAreAtomic, "job-told-otherwise"), message)
            })
        }
        _ => None,
    }
}

/// A node as it stood, and its name unless nobody opened it.
#[derive(Clone, Copy, Debug)]
struct State<'f> {
    node: &'f File,
    name: Option<&'f str>,
}

/// Every state of a node from one fact to another, also in the middle of a commit.
fn states<'f>(
    files: &'f Files<'_>,
    id: NodeId,
    from: usize,
    to: usize,
) -> impl Iterator<Item = State<'f>> {
    let first = files.node(id, from).map(|node| State { node, name: files.name(id, from) });
    let later = files.between(from, to).flat_map(move |entry| {
        let ops = entry.commit.ops.iter();
        ops.filter_map(move |op| state_in(files, *entry, op, id))
    });
    first.into_iter().chain(later)
}

/// What an op makes of a node. A name is opened as it is at the end of a commit.
fn state_in<'f>(
    files: &'f Files<'_>,
    entry: Logged<'f>,
    op: &'f Op,
    id: NodeId,
) -> Option<State<'f>> {
    let node = puts(op).find_map(|(key, doc)| match (key, doc) {
        (FileKey::Node(it), Some(FileDoc::Node(node))) if it == id => Some(node),
        _ => None,
    })?;
    let last = files.node(id, entry.at);
    let is_last = last.is_some_and(|last| last.place.name == node.place.name);
    Some(State { node, name: files.name(id, entry.at).filter(|_| is_last) })
}

/// Does an op put a node where it was to be, under the name that it was to have?
fn is_moved<'f>(
    files: &'f Files<'_>,
    entry: Logged<'f>,
    op: &'f Op,
    (id, to, name): &(NodeId, Option<NodeId>, Option<String>),
) -> bool {
    state_in(files, entry, op, *id).is_some_and(|it| {
        !it.node.deleted
            && to.is_none_or(|to| it.node.place.parent == to)
            && name.as_ref().is_none_or(|name| it.name.is_none_or(|own| fold(own) == fold(name)))
    })
}

/// The nodes that a job is about, in order.
fn items(files: &Files<'_>, job: JobId, at: usize) -> Vec<NodeId> {
    let total = files.job(job, at).map_or(0, |job| job.total);
    let item = |n| match files.doc(FileKey::Item(job, n))?.at(at) {
        Some(Some(FileDoc::Item(one, _))) => Some(one.node),
        Some(_) | None => None,
    };
    (0..total).filter_map(item).collect()
}

/// Only a worker that failed makes a request fail without a cause.
fn refusals_are_passed_on(evidence: &Evidence<'_>, findings: &mut Findings) {
    for op in evidence.operations.iter() {
        let Some(at) = op.answered else { continue };
        if !matches!(
            evidence.history[at].fact.answered(),
            Some((_, Answered::Refused(Reason::Internal)))
        ) {
            continue;
        }
        let has_failed = |entry: &Entry| {
            let internal = Refused::Server(Refusal::Internal);
            entry.node == Node::Device(op.device)
                && matches!(&entry.fact, Fact::Delivered { refused, .. } if refused.as_deref() == Some(&internal))
        };
        if !evidence.history[op.asked..at].iter().any(has_failed) {
            let message = "A request failed without a cause, and no worker had failed.".into();
            let place = (OutcomesAreHonest, "no-cause");
            findings.report(evidence, place, at, About::default(), message, [op.asked]);
        }
    }
}

/// The deletes that were asked for, by node.
type Seen<'e> = BTreeMap<NodeId, Vec<&'e FileOperation<'e>>>;

fn seen<'e>(evidence: &'e Evidence<'_>) -> Seen<'e> {
    let mut all = Seen::new();
    for operation in &evidence.server.file_operations {
        if let FileAsked::Delete { node, .. } = operation.ask {
            all.entry(*node).or_default().push(operation);
        }
    }
    all
}

/// A file is deleted by somebody who had seen all that it held, by number or as writes of their own
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
            let has_seen = |operation: &&FileOperation<'_>| {
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
                let message = format!(
                    "{} was deleted by somebody who had not seen all that it held.",
                    files.called(id, entry.at)
                );
                let place = (NoLostWrites, "deleted-unseen");
                let with =
                    asked.iter().map(|operation| operation.asked).filter(|asked| *asked < entry.at);
                findings.report(evidence, place, entry.at, About::default(), message, with);
            }
        }
    }
}

/// Every name that a user ever gave, as it is composed.
fn given(evidence: &Evidence<'_>) -> BTreeMap<UserId, BTreeSet<String>> {
    let mut all: BTreeMap<UserId, BTreeSet<String>> = BTreeMap::new();
    for operation in &evidence.server.file_operations {
        let names = operation.ask.names().map(composed);
        all.entry(operation.user).or_default().extend(names);
    }
    all
}

fn names_were_given(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (user, given): (UserId, &BTreeSet<String>),
) {
    for (key, _) in files.docs() {
        let FileKey::Node(id) = key else { continue };
        for (at, name) in files.names(id) {
            let Some(name) = name else { continue };
            let lacks = |device| may_lack_a_key(evidence, device, at);
            let is_nameless =
                || name.starts_with(NAMELESS) && devices_of(evidence, user).any(lacks);
            if !is_given(given, name) && !is_nameless() {
                let message = format!("A file is called {name:?}, which nobody called it.");
                let place = (NoPhantomValues, "name-never-given");
                findings.report(evidence, place, at, About::default(), message, []);
            }
        }
    }
}

/// Is it a name that was given, or that of a copy, which has a mark before its extension? Of a name
/// that is too long for a mark the end is left out.
fn is_given(given: &BTreeSet<String>, name: &str) -> bool {
    let mut name = composed(name);
    loop {
        if given.contains(&name) {
            return true;
        }
        let Some((from, to)) = mark(&name) else { return false };
        let (stem, end) = (&name[..from], &name[to..]);
        let cut = |it: &String| it.len() > 200 && it.starts_with(stem) && it.ends_with(end);
        if given.iter().any(cut) {
            return true;
        }
        name = format!("{stem}{end}");
    }
}

/// Where the last mark of a copy is in a name: ` (`, who wrote it, `-`, its number, `)`.
fn mark(name: &str) -> Option<(usize, usize)> {
    let from = name.rfind(" (")?;
    let to = from + name[from..].find(')')? + 1;
    let (replica, n) = name[from + 2..to - 1].split_once('-')?;
    let is_mark =
        replica.chars().all(|it| it.is_ascii_hexdigit()) && n.chars().all(|it| it.is_ascii_digit());
    is_mark.then_some((from, to))
}

#[cfg(test)]
mod tests {
    use engine::message::{FileReply, Reply};

    use super::super::case::files::{DRAFT, LETTERS, PHOTOS, ROOT, manifest};
    use super::super::case::{Case, PHONE};
    use super::{BTreeSet, is_given};
    use crate::history::file::{FileAsked, FileDone};

    fn filed() -> Case {
        let mut case = Case::served();
        case.opens(PHONE);
        for (id, of) in [(LETTERS, "letters"), (PHOTOS, "photos")] {
            let op = case.asks_of_files(PHONE, FileAsked::MakeFolder(ROOT, of.into()));
            case.makes_folder(PHONE, id, ROOT, of);
            let done = crate::history::Answered::File(FileDone::Created(id));
            case.answers(PHONE, op, done);
        }
        case
    }

    #[track_caller]
    fn rejects(case: &Case, site: &str) {
        let violations = case.violations();
        assert!(violations.iter().any(|violation| violation.site == site), "{violations:#?}");
    }

    #[test]
    fn what_is_called_done_was_done() {
        filed().ends().passes();
        let delete = || FileAsked::Delete { node: LETTERS, seen: 0, exposed: Vec::new() };
        for (ask, done, site) in [
            (FileAsked::MakeFolder(ROOT, "other".into()), FileDone::Created(DRAFT), "not-made"),
            (delete(), FileDone::Done, "not-deleted"),
            (FileAsked::Undelete(DRAFT), FileDone::Done, "not-undeleted"),
        ] {
            let mut case = filed();
            case.is_told(PHONE, ask, done);
            rejects(&case, site);
        }
        let mut case = filed();
        let op = case.asks_of_files(PHONE, delete());
        case.is_deleted(PHONE, LETTERS);
        case.answers(PHONE, op, crate::history::Answered::File(FileDone::Done));
        case.ends().passes();
    }

    #[test]
    fn a_request_does_not_fail_without_a_cause() {
        let mut case = filed();
        let delete = FileAsked::Delete { node: DRAFT, seen: 0, exposed: Vec::new() };
        let op = case.asks_of_files(PHONE, delete);
        let reason = engine::device::Reason::Internal;
        case.answers(PHONE, op, crate::history::Answered::Refused(reason));
        rejects(&case, "no-cause");
    }

    #[test]
    fn a_batch_is_moved_in_one_commit() {
        for at_once in [true, false] {
            let mut case = filed();
            let all = vec![
                (LETTERS, None, Some("old letters".to_owned())),
                (PHOTOS, Some(LETTERS), None),
            ];
            let op = case.asks_of_files(PHONE, FileAsked::Move(all));
            let (letters, photos) = ((LETTERS, ROOT, "old letters"), (PHOTOS, LETTERS, "photos"));
            if at_once {
                case.moves(PHONE, &[letters, photos]);
            } else {
                case.moves(PHONE, &[letters]);
                case.moves(PHONE, &[photos]);
            }
            case.answers(PHONE, op, crate::history::Answered::File(FileDone::Moved));
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites, if at_once { vec![] } else { vec!["batch-not-whole"] });
        }
    }

    #[test]
    fn a_delete_removes_what_its_author_had_seen() {
        let mut case = filed();
        case.makes_file(PHONE, (DRAFT, LETTERS, "letters"), "words");
        let asked = FileAsked::Delete { node: DRAFT, seen: 1, exposed: Vec::new() };
        let op = case.asks_of_files(PHONE, asked);
        case.revises(PHONE, (DRAFT, 2), "other words");
        case.is_deleted(PHONE, DRAFT);
        case.answers(PHONE, op, crate::history::Answered::File(FileDone::Done));
        rejects(&case, "deleted-unseen");
    }

    #[test]
    fn a_restore_has_the_version_that_was_named() {
        let mut case = filed();
        case.makes_file(PHONE, (DRAFT, LETTERS, "letters"), "one");
        case.revises(PHONE, (DRAFT, 2), "two");
        let token = engine::id::Token([b'#'; 16]);
        let asked = FileAsked::Restore { node: DRAFT, version: 1, token, exposed: Vec::new() };
        let op = case.asks_of_files(PHONE, asked);
        case.restores(PHONE, (DRAFT, 3), (2, manifest("two").address));
        case.answers(PHONE, op, crate::history::Answered::File(FileDone::Published(3)));
        rejects(&case, "restored-other-than-asked");
    }

    #[test]
    fn names_are_given_by_users_or_those_of_copies() {
        let given: BTreeSet<String> = ["menu.txt".to_owned(), "m".repeat(255)].into();
        for (name, is_one) in [
            ("menu.txt", true),
            ("menu (1f-3).txt", true),
            ("menu (1f-3) (2e-12).txt", true),
            ("menu (of the day).txt", false),
            ("recipes.txt", false),
        ] {
            assert_eq!(is_given(&given, name), is_one, "{name}");
        }
        assert!(is_given(&given, &format!("{} (1f-3)", "m".repeat(240))));

        let mut case = filed();
        let puts = case.moving(LETTERS, ROOT, "other");
        case.does(PHONE, puts, Reply::File(FileReply::Moved));
        case.tells_name(PHONE, LETTERS, Some("other"));
        rejects(&case, "name-never-given");
    }
}
