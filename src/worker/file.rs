//! Files: the requests of devices, and the background tasks of a worker.
//!
//! Names and versions become visible in one commit, after the content. A batch that is too long for
//! one commit is written into the log first, and whichever worker is awake works it off.

mod feed;
mod job;
mod tree;
mod upload;
mod version;

use super::known::{Known, Stop};
use super::{Rules, session};
use crate::blob::Address;
use crate::id::NodeId;
use crate::log::{Doc, Draft, FileDoc, FileKey, Key, Position, State, Version};
use crate::message::{
    Action, Command, FileAction, FileRefusal, FileReply, JobId, Refusal, Reply, Request,
};
use crate::name::NameKey;
use crate::time::Time;
use crate::volume;

/// A task that a worker takes up without a request, and that needs calls to the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackgroundTask {
    /// Deletes the objects of this doomed blob with this upload number, and then its document.
    Sweep(Address, u64),
}

/// Decides an action. An action that changes something takes effect once for each number.
pub(super) fn act(
    draft: &mut Draft<'_>,
    request: &Request,
    n: u32,
    (action, about): (&Action, &FileAction),
    known: &mut Known,
    rules: Rules,
) -> Result<(Reply, Position), Stop> {
    let seen = draft.seen();
    let read = |reply| Ok((Reply::File(reply), seen));
    match about {
        FileAction::PutPiece(blob, piece) => {
            read(upload::put_piece(draft, *blob, piece, known, rules)?)
        }
        FileAction::Uploaded(blob) => read(upload::uploaded(draft, *blob, known, rules)?),
        FileAction::Lookup(parent, name) => read(FileReply::Found(
            tree::holder(draft, *parent, *name).and_then(|id| version::shown(draft, id)),
        )),
        FileAction::ReadVersions(node) => read(version::list(draft, *node)?),
        FileAction::ReadPiece(blob, piece) => {
            read(upload::read_piece(draft, (*blob, *piece), known, rules)?)
        }
        FileAction::Feed(since, limit) => {
            let page = feed::page(draft, *since, *limit, known, rules)?;
            Ok((Reply::File(page), draft.base().position()))
        }
        FileAction::ReadJob(id) => read(job::read(draft, *id)?),
        FileAction::CreateFolder(..)
        | FileAction::Move(_)
        | FileAction::Delete(..)
        | FileAction::Undelete(..)
        | FileAction::Begin(..)
        | FileAction::Publish(..)
        | FileAction::Restore { .. } => {
            let id = JobId { client: request.client, n };
            session::once(draft, request, n, action, |draft| change(draft, id, about, known, rules))
        }
    }
}

fn change(
    draft: &mut Draft<'_>,
    id: JobId,
    about: &FileAction,
    known: &Known,
    rules: Rules,
) -> Result<Reply, Stop> {
    let done = match about {
        FileAction::CreateFolder(node, place) => tree::create_folder(draft, *node, place)?,
        FileAction::Move(moves) => {
            tree::is_batch(moves)?;
            if moves.len() <= rules.batch {
                return tree::move_all(draft, moves, rules.flaws);
            }
            job::accept(draft, id, moves)
        }
        FileAction::Delete(node, seen) => tree::delete(draft, *node, seen, rules.flaws)?,
        FileAction::Undelete(node, place) => tree::undelete(draft, *node, place.as_ref())?,
        FileAction::Begin(manifest, intent) => upload::begin(draft, manifest, intent, rules)?,
        FileAction::Publish(blob, last) => {
            upload::publish(draft, *blob, last.as_ref(), known, rules)?
        }
        FileAction::Restore { node, version, blob, seen, write, sealed } => {
            let old = (*version, *blob);
            version::restore(draft, *node, old, (seen, *write, sealed), rules.flaws)?
        }
        FileAction::PutPiece(..)
        | FileAction::Uploaded(_)
        | FileAction::Lookup(..)
        | FileAction::ReadVersions(_)
        | FileAction::ReadPiece(..)
        | FileAction::Feed(..)
        | FileAction::ReadJob(_) => return Err(Refusal::Invalid.into()),
    };
    Ok(Reply::File(done))
}

/// The document of the files under a key.
fn get<'d>(draft: &'d Draft<'_>, key: FileKey) -> Option<&'d FileDoc> {
    match draft.get(Key::File(key)) {
        Some(Doc::File(doc)) => Some(doc),
        Some(
            Doc::Session(_) | Doc::Receipt(_) | Doc::Field(..) | Doc::Version(_) | Doc::Work(_),
        )
        | None => None,
    }
}

/// A version of a file, by number.
fn version_of<'d>(draft: &'d Draft<'_>, id: NodeId, n: u32) -> Result<&'d Version, FileRefusal> {
    let Some(FileDoc::Version(version)) = get(draft, FileKey::Version(id, n)) else {
        return Err(FileRefusal::NoVersion);
    };
    Ok(version)
}

fn put(draft: &mut Draft<'_>, key: FileKey, doc: FileDoc) {
    draft.put(Key::File(key), Some(Doc::File(doc)));
}

fn remove(draft: &mut Draft<'_>, key: FileKey) {
    draft.put(Key::File(key), None);
}

/// Has the space work to do that needs no call to the volume?
pub(super) fn is_untidy(state: &State, wall: Time) -> bool {
    job::next(state.range(job::UNFINISHED)).is_some()
        || upload::lapsed(state, wall).next().is_some()
}

/// Does some of that work.
pub(super) fn tidy(draft: &mut Draft<'_>, rules: Rules) {
    job::go_on(draft, rules);
    upload::doom(draft, rules);
}

/// The object that was created for a request and has no use any more.
pub(super) fn stray<'k>(
    draft: &Draft<'_>,
    request: &Request,
    known: &'k Known,
) -> Option<&'k volume::Key> {
    let (Command::Read(Action::File(action)) | Command::Act { action: Action::File(action), .. }) =
        &request.command
    else {
        return None;
    };
    upload::stray(draft, action, known)
}

/// The work that needs calls to the volume.
pub(super) fn background_tasks(
    state: &State,
    rules: Rules,
) -> impl Iterator<Item = BackgroundTask> {
    upload::garbage(state, rules).map(|(blob, upload)| BackgroundTask::Sweep(blob, upload))
}

/// Does one background task, once the volume has answered.
pub(super) fn do_background_task(
    draft: &mut Draft<'_>,
    background_task: BackgroundTask,
    known: &Known,
    rules: Rules,
) -> Result<(), Vec<volume::Request>> {
    let BackgroundTask::Sweep(blob, upload) = background_task;
    upload::forget(draft, (blob, upload), known, rules)
}

impl From<Vec<volume::Request>> for Stop {
    fn from(requests: Vec<volume::Request>) -> Self {
        Self::Needs(requests)
    }
}

/// The keys of the names in one folder.
fn names_in(parent: NodeId) -> std::ops::RangeInclusive<Key> {
    let key = |name| Key::File(FileKey::Named(parent, name));
    key(NameKey::FIRST)..=key(NameKey::LAST)
}

fn no_effect(done: bool) -> Result<(), FileRefusal> {
    if done { Ok(()) } else { Err(FileRefusal::NodeExists) }
}
