//! What a user asks of the tree: done by the server, or refused by it with a reason.
//!
//! A delete waits for the own writes that its user was shown, and covers them. If it were sent first, those
//! writes would beat it. A write that was saved while the delete waited is sent after it, and beats it.

use super::super::ask::{Answer, FileAnswer, Relocation};
use super::super::core::Core;
use super::super::next::Next;
use super::write::new_node;
use super::{Download, FileErrand, FileTask, Files, Purpose, sealed};
use crate::id::{Dot, NodeId, Token};
use crate::message::{FileAction, FileReply, JobId, Move, Place, Refusal, Reply};
use crate::record::Vv;

/// Makes a folder.
pub(in crate::device) fn create_folder(
    core: &mut Core,
    parent: NodeId,
    name: &str,
) -> Result<FileErrand, Answer> {
    let node = new_node(core);
    let name = sealed::seal_name(core, node, name).map_err(Answer::Refused)?;
    let action = FileAction::CreateFolder(node, Place { parent, name });
    Ok(FileErrand { action, task: FileTask::Tree(Some(node)) })
}

/// Moves and renames.
pub(in crate::device) fn move_files(
    core: &mut Core,
    relocations: Vec<Relocation>,
) -> Result<FileErrand, Answer> {
    let mut moves = Vec::new();
    for Relocation { node, parent, name } in relocations {
        let name = name.map(|name| sealed::seal_name(core, node, &name)).transpose();
        moves.push(Move { node, parent, name: name.map_err(Answer::Refused)? });
    }
    Ok(FileErrand { action: FileAction::Move(moves), task: FileTask::Tree(None) })
}

/// Deletes a file of which the user has seen the versions up to this one, or an empty folder. What was
/// written here until now has been seen too, also where the feed has not shown it yet.
pub(in crate::device) fn delete_file(core: &Core, node: NodeId, upto: u32) -> FileErrand {
    let files = core.store.files();
    let heads = files.node(node).map_or(&[][..], |shown| &shown.heads);
    let mut seen: Vec<Dot> =
        heads.iter().filter(|head| head.0 <= upto).map(|(_, it)| it.write).collect();
    let mut unsent = Vec::new();
    for (dot, write) in files.writes_in_order().filter(|(_, write)| write.node == node) {
        seen.push(dot);
        if write.published.is_none() {
            unsent.push(dot);
        }
    }
    assert!(unsent.len() <= seen.len(), "an own write that is unsent counts as seen");
    tracing::debug!(node = node.0, upto, ?seen, unsent = unsent.len(), "asks for a delete");
    FileErrand { action: FileAction::Delete(node, seen), task: FileTask::Deleted(unsent) }
}

/// Brings a deleted file or folder back.
pub(in crate::device) fn undelete_file(node: NodeId) -> FileErrand {
    FileErrand { action: FileAction::Undelete(node, None), task: FileTask::Tree(None) }
}

/// Tells how far a job is.
pub(in crate::device) fn read_job(id: JobId) -> FileErrand {
    FileErrand { action: FileAction::ReadJob(id), task: FileTask::Tell }
}

/// Reads every head of a file.
pub(in crate::device) fn read_file(core: &Core, node: NodeId) -> Result<FileErrand, Answer> {
    Download::begin(core, node)
}

/// Reads one version.
pub(in crate::device) fn read_version(node: NodeId, n: u32) -> FileErrand {
    list_versions(node, Purpose::Read(n))
}

/// Lists all versions.
pub(in crate::device) fn read_versions(node: NodeId) -> FileErrand {
    list_versions(node, Purpose::Tell)
}

/// Makes a new version with the content of an old one. What the old one says has to be known first.
pub(in crate::device) fn restore_version(
    node: NodeId,
    version: u32,
    seen: Vv,
    token: Token,
) -> FileErrand {
    list_versions(node, Purpose::Restore { version, seen, token })
}

fn list_versions(node: NodeId, purpose: Purpose) -> FileErrand {
    FileErrand { action: FileAction::ReadVersions(node), task: FileTask::Versions(node, purpose) }
}

/// The own writes that must be sent before this, oldest first: a delete waits for those that its user
/// was shown, a move for all of what it moves.
pub(in crate::device) fn waits_for<'c>(
    core: &'c Core,
    action: &'c FileAction,
    task: &'c FileTask,
) -> impl Iterator<Item = Dot> + 'c {
    let before = move |dot: Dot, node: NodeId| match (action, task) {
        (_, FileTask::Deleted(shown)) => shown.contains(&dot),
        (FileAction::Move(moves), _) => moves.iter().any(|it| it.node == node),
        (_, _) => false,
    };
    let unsent = core.store.files().unsent();
    unsent.filter(move |(dot, write)| before(*dot, write.node)).map(|(dot, _)| dot)
}

impl Files {
    /// The server has changed the tree, or not.
    pub(super) fn end_tree(
        &mut self,
        core: &Core,
        made: Option<NodeId>,
        answer: Result<Reply, Refusal>,
    ) -> Next<FileErrand> {
        if matches!(answer, Ok(Reply::File(_))) {
            self.pull_soon(core);
        }
        Next::Answer(match (answer, made) {
            (Ok(Reply::File(FileReply::Done)), Some(node)) => {
                Answer::File(FileAnswer::Created(node))
            }
            (answer, _) => Answer::told(answer),
        })
    }
}
