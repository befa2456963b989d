//! Errands: what is wanted of the sync server. Each is what is asked now, and what comes after the
//! answer; so one of many steps is a value like any other.

use super::file::{Download, Pull, Purpose, Upload};
use super::{Answer, Device, FileAnswer, Reason};
use crate::id::{Dot, NodeId};
use crate::ingest::Ingest;
use crate::message::{Action, FileReply, Refusal, Reply};
use crate::time::Now;

/// Something that is wanted of the server.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    /// What is asked now.
    pub(super) wanted: Wanted,
    /// What comes after the answer.
    pub(super) then: Then,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// That something is done under the session, or read without one.
    Act(Action),
    /// To know whose the session is.
    Status,
}

/// What comes after an answer.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// It is told to the user.
    Tell,
    /// The tree has changed; this is the folder that was made.
    Tree(Option<NodeId>),
    /// A node is deleted. These own writes of it had been shown and were not sent.
    Deleted(Vec<Dot>),
    /// Versions are listed.
    Versions(NodeId, Purpose),
    /// A piece is read.
    Download(Download),
    /// A write is on its way.
    Upload(Upload),
    /// A page of the feed has come.
    Feed(Pull),
    /// A conversation is on its way.
    Ingest(Ingest),
}

/// What comes next.
pub(super) enum Next {
    /// Something else is asked.
    Ask(Errand),
    /// The user is told.
    Answer(Answer),
    /// Nothing.
    End,
}

impl Device {
    /// Takes the answer to what was asked.
    pub(super) fn go_on(
        &mut self,
        now: Now,
        errand: Errand,
        answer: Result<Reply, Refusal>,
    ) -> Next {
        let Errand { wanted, then } = errand;
        match then {
            Then::Tell => {
                let own = self.store.meta().replica;
                Next::Answer(match answer {
                    Ok(Reply::Status(held)) => {
                        Answer::Session(held.map(|(replica, _)| replica == own))
                    }
                    answer => Answer::told(answer),
                })
            }
            Then::Tree(made) => self.end_tree(now, &wanted, made, answer),
            Then::Deleted(_) => self.end_tree(now, &wanted, None, answer),
            Then::Versions(node, purpose) => self.take_versions(now, node, purpose, answer),
            Then::Download(download) => self.take_piece(download, answer),
            Then::Upload(upload) => self.take_upload(now, upload, answer),
            Then::Feed(pull) => self.take_feed(now, pull, answer),
            Then::Ingest(ingest) => self.take_ingest(ingest, answer),
        }
    }

    /// The flaw CV-DELETE-NILERR: what still waits is answered and not done.
    pub(super) fn forget_errands(&mut self) {
        let done = |errand: &Errand| match (&errand.wanted, &errand.then) {
            (Wanted::Act(Action::Patch(_)), _) => Some(Answer::Patched),
            (_, Then::Tree(made)) => {
                Some(Answer::File(made.map_or(FileAnswer::Done, FileAnswer::Created)))
            }
            (_, Then::Deleted(_)) => Some(Answer::File(FileAnswer::Done)),
            (_, _) => None,
        };
        for (op, errand) in std::mem::take(&mut self.server.errands) {
            match done(&errand) {
                Some(answer) => self.answer(op, answer),
                None => self.server.errands.push_back((op, errand)),
            }
        }
    }
}

impl Answer {
    /// What the server said, as the user is told.
    pub(super) fn told(answer: Result<Reply, Refusal>) -> Self {
        match answer {
            Ok(Reply::Patched) => Self::Patched,
            Ok(Reply::Account(fields)) => Self::Account(fields),
            Ok(Reply::File(FileReply::Done)) => Self::File(FileAnswer::Done),
            Ok(Reply::File(FileReply::Moved)) => Self::File(FileAnswer::Moved),
            Ok(Reply::File(FileReply::Accepted(id))) => Self::File(FileAnswer::Accepted(id)),
            Ok(Reply::File(FileReply::Published(n))) => Self::File(FileAnswer::Published(n)),
            Ok(Reply::File(FileReply::Job(items, all))) => Self::File(FileAnswer::Job(items, all)),
            Err(Refusal::Invalid) => Self::Refused(Reason::WrongField),
            Err(Refusal::File(refusal)) => Self::Refused(Reason::File(refusal)),
            // What failed inside, and an answer to another question.
            Ok(_) | Err(_) => Self::Refused(Reason::Internal),
        }
    }
}
