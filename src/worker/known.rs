//! What a decision learns from the volume, and why a decision is put off or refused.

use std::collections::BTreeSet;

use super::Rules;
use crate::log::{self, Entry, Position, State};
use crate::message::{FileRefusal, Refusal};
use crate::volume::{self, Reply};

/// Why there is no decision.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// The request is refused.
    Refused(Refusal),
    /// The volume has to answer these calls first.
    Needs(Vec<volume::Request>),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FileRefusal> for Stop {
    fn from(refusal: FileRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// The calls that were made for one task, and their answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    asked: Vec<volume::Request>,
    replies: Vec<Reply>,
    /// Old commits that were found in the log.
    confirmed: BTreeSet<Position>,
    /// The object that the volume was asked to create, unless it was asked to delete it since.
    created: Option<volume::Key>,
}

impl Known {
    /// The same, before these calls are made.
    pub(super) fn asking(self, asked: Vec<volume::Request>) -> Self {
        let created = asked.iter().fold(self.created, |created, request| match request {
            volume::Request::Create(key, _) => Some(key.clone()),
            volume::Request::Delete(_) => None,
            volume::Request::Get(_) | volume::Request::List(_) | volume::Request::Put(..) => {
                created
            }
        });
        Self { asked, replies: Vec::new(), created, ..self }
    }

    /// The object that was created for the task.
    pub(super) fn created(&self) -> Option<&volume::Key> {
        self.created.as_ref()
    }

    /// The next call to make.
    pub(super) fn next(&self) -> Option<&volume::Request> {
        self.asked.get(self.replies.len())
    }

    /// The answer to the next call.
    pub(super) fn learn(&mut self, reply: Reply) {
        assert!(self.next().is_some(), "an answer comes to a question that was asked");
        self.replies.push(reply);
    }

    /// The first answer, whatever was asked: for BP-PREFIX-READ.
    #[cfg(feature = "flaws")]
    pub(super) fn first(&self) -> Option<&Reply> {
        self.replies.first()
    }

    /// Is this commit part of the log? If it is too old for the state, the decision reads its
    /// entry, once.
    pub(super) fn is_logged(
        &mut self,
        at: Position,
        state: &State,
        rules: Rules,
    ) -> Result<bool, Vec<volume::Request>> {
        if let Some(is_logged) = state.has(at) {
            return Ok(is_logged);
        }
        if self.confirmed.contains(&at) {
            return Ok(true);
        }
        let get = volume::Request::Get(log::entry_key(rules.space, at.seq));
        // A restored volume may lack the entry, and a damaged one may hold something else there.
        let [Reply::Found(bytes)] = self.replies(vec![get])? else { return Ok(false) };
        let is_logged = Entry::decode(bytes).is_some_and(|there| there.id == at.entry);
        if is_logged {
            self.confirmed.insert(at);
        }
        Ok(is_logged)
    }

    /// The answers to these calls, if these were made.
    pub(super) fn replies(
        &self,
        requests: Vec<volume::Request>,
    ) -> Result<&[Reply], Vec<volume::Request>> {
        if self.asked != requests {
            return Err(requests);
        }
        assert_eq!(self.replies.len(), self.asked.len(), "a task comes back with all its answers");
        Ok(&self.replies)
    }
}
