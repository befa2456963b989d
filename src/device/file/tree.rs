//! What a user changes in the tree: errands, done by the server or refused by it with a reason.

use super::super::errand::{Errand, Next, Then, Wanted};
use super::super::{Answer, Device, FileAnswer, FileTarget, Reason, Relocation};
use super::Purpose;
use crate::flaw::Flaw;
use crate::id::{Dot, NodeId, Token};
use crate::message::{
    Action, FileAction, FileRefusal, FileReply, JobId, Move, Place, Refusal, Reply,
};
use crate::time::Now;

impl Errand {
    pub(super) fn file(action: FileAction, then: Then) -> Self {
        Self { wanted: Wanted::Act(Action::File(action)), then }
    }
}

/// Does an action move this node? Own writes of it go first.
fn moves(action: &FileAction, node: NodeId) -> bool {
    match action {
        FileAction::Move(moves) => moves.iter().any(|it| it.node == node),
        FileAction::CreateFolder(..)
        | FileAction::Delete(..)
        | FileAction::Undelete(..)
        | FileAction::Begin(..)
        | FileAction::PutPiece(..)
        | FileAction::Uploaded(_)
        | FileAction::Publish(..)
        | FileAction::Restore { .. }
        | FileAction::Lookup(..)
        | FileAction::ReadVersions(_)
        | FileAction::ReadPiece(..)
        | FileAction::Feed(..)
        | FileAction::ReadJob(_) => false,
    }
}

impl Device {
    pub(in crate::device) fn create_folder(
        &mut self,
        parent: NodeId,
        name: &str,
    ) -> Result<Errand, Answer> {
        let node = self.new_node();
        let name = self.name(node, name).map_err(Answer::Refused)?;
        let action = FileAction::CreateFolder(node, Place { parent, name });
        Ok(Errand::file(action, Then::Tree(Some(node))))
    }

    pub(in crate::device) fn move_files(
        &mut self,
        relocations: Vec<Relocation>,
    ) -> Result<Errand, Answer> {
        let mut moves = Vec::new();
        for Relocation { node, parent, name } in relocations {
            let name = name.map(|name| self.name(node, &name)).transpose();
            moves.push(Move { node, parent, name: name.map_err(Answer::Refused)? });
        }
        Ok(Errand::file(FileAction::Move(moves), Then::Tree(None)))
    }

    /// What was written here until now has been seen, also where the feed has not shown it yet.
    pub(in crate::device) fn delete_file(&self, node: NodeId, upto: u32) -> Errand {
        let heads = self.store.nodes().get(&node).map_or(&[][..], |shown| &shown.heads);
        let mut seen: Vec<Dot> =
            heads.iter().filter(|head| head.0 <= upto).map(|(_, it)| it.write).collect();
        let mut unsent = Vec::new();
        for (dot, write) in self.own_writes().filter(|(_, write)| write.node == node) {
            seen.push(dot);
            if write.published.is_none() {
                unsent.push(dot);
            }
        }
        Errand::file(FileAction::Delete(node, seen), Then::Deleted(unsent))
    }

    pub(in crate::device) fn undelete_file(node: NodeId) -> Errand {
        Errand::file(FileAction::Undelete(node, None), Then::Tree(None))
    }

    pub(in crate::device) fn read_job(id: JobId) -> Errand {
        Errand::file(FileAction::ReadJob(id), Then::Tell)
    }

    pub(in crate::device) fn read_version(node: NodeId, n: u32) -> Errand {
        Errand::file(FileAction::ReadVersions(node), Then::Versions(node, Purpose::Read(n)))
    }

    pub(in crate::device) fn read_versions(node: NodeId) -> Errand {
        Errand::file(FileAction::ReadVersions(node), Then::Versions(node, Purpose::Tell))
    }

    /// What an old version says has to be known to make another one of it.
    pub(in crate::device) fn restore_version(
        node: NodeId,
        version: u32,
        replaces: Vec<Dot>,
        token: Token,
    ) -> Errand {
        let purpose = Purpose::Restore { version, replaces, token };
        Errand::file(FileAction::ReadVersions(node), Then::Versions(node, purpose))
    }

    /// The own writes that must be sent before this, oldest first.
    pub(in crate::device) fn waits_for(&self, errand: &Errand) -> impl Iterator<Item = Dot> {
        let action = if let Wanted::Act(Action::File(action)) = &errand.wanted {
            Some(action)
        } else {
            None
        };
        let before = move |dot: Dot, node| match (action, &errand.then) {
            (None, _) => false,
            (Some(_), Then::Deleted(shown)) => shown.contains(&dot),
            (Some(action), _) => moves(action, node),
        };
        self.unsent().filter(move |(dot, write)| before(*dot, write.node)).map(|(dot, _)| dot)
    }

    /// The server has changed the tree, or not.
    pub(in crate::device) fn end_tree(
        &mut self,
        now: Now,
        wanted: &Wanted,
        made: Option<NodeId>,
        answer: Result<Reply, Refusal>,
    ) -> Next {
        if self.boot.flaws.has(Flaw::CvDeleteNilErr)
            && matches!(wanted, Wanted::Act(Action::File(FileAction::Delete(..))))
            && matches!(
                answer,
                Err(Refusal::Internal | Refusal::File(FileRefusal::NoNode | FileRefusal::Deleted))
            )
        {
            self.forget_errands();
            return Next::Answer(Answer::Refused(Reason::Internal));
        }
        if matches!(answer, Ok(Reply::File(_))) {
            self.server.pull_feed(now.mono);
        }
        Next::Answer(match (answer, made) {
            (Ok(Reply::File(FileReply::Done)), Some(node)) => {
                Answer::File(FileAnswer::Created(node))
            }
            (answer, _) => Answer::told(answer),
        })
    }

    /// Where a node is, or was, and under which name. Before the feed has shown it, the own write
    /// that made it knows.
    pub(super) fn last_place(&self, node: NodeId) -> (NodeId, String) {
        let Some(shown) = self.store.nodes().get(&node) else {
            let made = self.own_writes().filter(|(_, write)| write.node == node);
            let place = made.filter_map(|(_, write)| match &write.target {
                FileTarget::New { parent, name } => Some((*parent, name.clone())),
                FileTarget::Version { .. } => None,
            });
            return place.last().unwrap_or((NodeId::ROOT, RECOVERED.to_owned()));
        };
        let name = self.open_name(node, &shown.node.place.name);
        (shown.node.place.parent, name.unwrap_or_else(|_| RECOVERED.to_owned()))
    }
}

/// The name of a file whose own one is not known.
pub(super) const RECOVERED: &str = "recovered";
