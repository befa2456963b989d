//! Errands: server requests of the user, or of the device of its own accord. Each is what is asked now
//! and what its answer is for, so a task of many steps is a value like any other.

use super::file::{FileErrand, FileTask};
use crate::ingest::Ingest;
use crate::message::Action;

/// A request to the server.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    /// What is asked now.
    pub(super) wanted: Wanted,
    /// What the answer is for.
    pub(super) then: Then,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// That something is done under the session, or read without one.
    Act(Action),
    /// Which replica has the session.
    Status,
}

/// What an answer is for.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// The user is shown it.
    Tell,
    /// A task about files goes on.
    File(FileTask),
    /// A conversation is on its way.
    Ingest(Ingest),
}

impl Errand {
    /// An action whose answer is for the user.
    pub(super) fn act(action: Action) -> Self {
        Self { wanted: Wanted::Act(action), then: Then::Tell }
    }

    /// The question which replica has the session.
    pub(super) fn status() -> Self {
        Self { wanted: Wanted::Status, then: Then::Tell }
    }
}

impl From<FileErrand> for Errand {
    fn from(FileErrand { action, task }: FileErrand) -> Self {
        Self { wanted: Wanted::Act(Action::File(action)), then: Then::File(task) }
    }
}
