//! What devices answered about files, held against the log: an answer is right if the log says so at
//! some moment between the request and the answer.

use engine::id::NodeId;
use engine::log::{FileDoc, FileKey, Node as File, NodeKind, Op};
use engine::message::JobId;

use super::Evidence;
use super::epochs::Epoch;
use super::file_names::fold;
use super::files::{Files, Logged, ObservedFileOperation, puts};
use crate::history::FileDone;
use crate::history::file::FileAsked;

/// What is wrong about an answer. Paths are as the log has them when it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnswerFault {
    /// A folder was acknowledged as created, and is not there.
    NotMade { path: String },
    /// A delete was acknowledged, and the node is still live.
    NotDeleted { path: String },
    /// An undelete was acknowledged, and the node is still deleted.
    NotUndeleted { path: String },
    /// A restore was acknowledged as a version that does not exist.
    NotRestored { path: String, version: u32, made: u32 },
    /// A restored version has other content than the version that was named.
    RestoredAnother { path: String, version: u32, made: u32 },
    /// A batch was acknowledged as moved, and no single commit moved all of it.
    BatchNotWhole { nodes: usize },
    /// A job has other items than the batch that was asked for.
    AnotherJob { job: u32, asked: usize, has: usize },
    /// A job was shown otherwise than the log has it.
    JobToldOtherwise { job: u32, done: Option<u32>, told: usize },
}

/// What is wrong about the answer to an operation, if anything is, and the fact that answers it. If
/// the volume was restored meanwhile, the answer has to be wrong by every log that there was.
pub(crate) fn answer_fault(
    evidence: &Evidence<'_>,
    operation: &ObservedFileOperation<'_>,
) -> Option<(usize, AnswerFault)> {
    let (at, done) = operation.done()?;
    let nothing = Files::default();
    let wrong = |epoch: &Epoch<'_>| {
        let files = epoch.files.get(&operation.user).unwrap_or(&nothing);
        fault_in(files, operation, at, done)
    };
    let mut epochs = evidence.epochs.between(operation.asked, at).map(wrong);
    let fault = epochs.next_back().flatten()?;
    epochs.all(|wrong| wrong.is_some()).then_some((at, fault))
}

fn fault_in(
    files: &Files<'_>,
    operation: &ObservedFileOperation<'_>,
    at: usize,
    done: &FileDone,
) -> Option<AnswerFault> {
    let was = |id: NodeId, is_so: &dyn Fn(State<'_>) -> bool| {
        states(files, id, operation.asked, at).any(is_so)
    };
    let path = |id: NodeId| files.path(id, at);
    match (operation.ask, done) {
        (FileAsked::MakeFolder(parent, name), FileDone::Created(id)) => {
            let is_there = |it: State<'_>| {
                it.node.kind == NodeKind::Folder
                    && !it.node.deleted
                    && it.node.place.parent == *parent
                    && it.name.is_none_or(|own| fold(own) == fold(name))
            };
            let path = || files.path_in(*parent, name, at);
            (!was(*id, &is_there)).then(|| AnswerFault::NotMade { path: path() })
        }
        (FileAsked::Delete { node, .. }, FileDone::Done) => {
            let is_so = was(*node, &|it| it.node.deleted);
            (!is_so).then(|| AnswerFault::NotDeleted { path: path(*node) })
        }
        (FileAsked::Undelete(node), FileDone::Done) => {
            let is_so = was(*node, &|it| !it.node.deleted);
            (!is_so).then(|| AnswerFault::NotUndeleted { path: path(*node) })
        }
        (FileAsked::Move(all), FileDone::Moved) => {
            let whole = |entry: &Logged<'_>| {
                let mut ops = entry.commit.ops.iter();
                ops.any(|op| all.iter().all(|one| is_moved(files, *entry, op, one)))
            };
            let is_whole = files.between(operation.asked, at).any(whole);
            (!is_whole).then_some(AnswerFault::BatchNotWhole { nodes: all.len() })
        }
        (FileAsked::Move(all), FileDone::Accepted(job)) => {
            let asked: Vec<NodeId> = all.iter().map(|one| one.0).collect();
            let items = items(files, *job, at);
            let (job, has) = (job.n, items.len());
            (items != asked).then_some(AnswerFault::AnotherJob { job, asked: asked.len(), has })
        }
        (FileAsked::Restore { node, version, .. }, FileDone::Published(n)) => {
            let (version, made) = (*version, *n);
            let Some(new) = files.version(*node, made, at) else {
                return Some(AnswerFault::NotRestored { path: path(*node), version, made });
            };
            let old = files.version(*node, version, at);
            let fault = || AnswerFault::RestoredAnother { path: path(*node), version, made };
            old.is_none_or(|old| old.blob != new.blob).then(fault)
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
            let (told, done) = (told.len(), job.map(|job| job.done));
            (!is_so).then_some(AnswerFault::JobToldOtherwise { job: id.n, done, told })
        }
        _ => None,
    }
}

/// A node as it stood, and its name if a key opened it.
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
