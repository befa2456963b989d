//! What of a history is worth a line: a story of everything leaves out what no user sees, a story of
//! one record tells all that touches it and whatever went wrong meanwhile.

use engine::id::RecordId;
use engine::log::{Doc, Entry as Commit, FileKey, Key};

use crate::history::{Answered, Asked, Change, Done, Entry, Fact, Worked};
use crate::plan::{Errand, MessageKind, Node, ProcessorCommand};
use crate::report::Focus;
use crate::report::story::Scene;

impl Scene<'_> {
    /// Is this fact worth a line in a story with this focus?
    pub fn is_told(&self, entry: &Entry, focus: &Focus) -> bool {
        let in_lane = focus.only.is_empty() || focus.only.contains(&entry.node);
        let in_time = focus.until.is_none_or(|until| entry.at <= until);
        let about = match focus.row {
            Some(row) => {
                self.is_about(entry, row) || is_trouble(&entry.fact) && !is_of_server(entry)
            }
            None => is_news(&entry.fact),
        };
        in_lane && in_time && about
    }

    /// Is this fact about that record?
    pub fn is_about(&self, entry: &Entry, row: RecordId) -> bool {
        self.records_of(entry).contains(&row)
    }

    /// The records that this fact is about.
    pub fn records_of(&self, entry: &Entry) -> Vec<RecordId> {
        match &entry.fact {
            Fact::Asked(_, asked) => Vec::from_iter(asked.record()),
            Fact::Committed { id, .. }
            | Fact::Removed { id, .. }
            | Fact::Found { id, .. }
            | Fact::Looked { id, .. } => vec![*id],
            Fact::Answered(op, _) => {
                Vec::from_iter(self.names.request(entry, *op).and_then(Asked::record))
            }
            Fact::Persisted { changes, .. } | Fact::Started { holds: changes, .. } => {
                changes.iter().filter_map(record_of).collect()
            }
            Fact::Sent { rows, .. } => rows.iter().map(|(id, _)| *id).collect(),
            Fact::Delivered { rows_refused, .. } => {
                rows_refused.iter().map(|(id, _)| *id).collect()
            }
            Fact::Served(page) => page.rows.iter().map(|(_, id, ..)| *id).collect(),
            Fact::Faulted(fault) | Fact::Ended(fault) => Vec::from_iter(fault.record()),
            Fact::Struck(_)
            | Fact::Skipped(..)
            | Fact::Durable(_)
            | Fact::PersistFailed(_)
            | Fact::Lost { .. }
            | Fact::Declined(..)
            | Fact::Logged { .. }
            | Fact::Filed { .. }
            | Fact::StepBegan(..)
            | Fact::StepEnded(..)
            | Fact::Named { .. }
            | Fact::Kept { .. }
            | Fact::FaultsEnded
            | Fact::Settled { .. }
            | Fact::Killed { .. }
            | Fact::Panicked(_)
            | Fact::ErrorLogged(_)
            | Fact::CutOff { .. } => Vec::new(),
        }
    }
}

/// Is this what a story tells when it is about everything?
pub(super) fn is_news(fact: &Fact) -> bool {
    match fact {
        Fact::Asked(_, asked) => match &**asked {
            Asked::Write { .. }
            | Asked::SignIn
            | Asked::SignOut
            | Asked::RotateKey
            | Asked::Errand { errand: Errand::Patch(_), .. }
            | Asked::Register(..) => true,
            Asked::Work { command, .. } => {
                matches!(command, ProcessorCommand::Ingest(_) | ProcessorCommand::Reset(_))
            }
            Asked::File { ask, .. } => ask.changes(),
            Asked::Read { .. }
            | Asked::List
            | Asked::Errand { .. }
            | Asked::Sync
            | Asked::Status => false,
        },
        Fact::Answered(_, answered) => match &**answered {
            Answered::Saved
            | Answered::SignedIn { .. }
            | Answered::SignedOut
            | Answered::Rotated
            | Answered::Done(Done::Patched)
            | Answered::Worked(
                Worked::Saved(..) | Worked::Processed | Worked::WasReset | Worked::Refused(_),
            )
            | Answered::Refused(_) => true,
            Answered::File(done) => super::file::is_news(done),
            Answered::Read(_)
            | Answered::Listed(_)
            | Answered::Registered
            | Answered::Syncing
            | Answered::Done(_)
            | Answered::Worked(_)
            | Answered::Files(_)
            | Answered::Status(_) => false,
        },
        Fact::Persisted { changes, .. } => changes.iter().any(is_new_state),
        Fact::Served(page) => !page.rows.is_empty(),
        Fact::Sent { plaintext, .. } => *plaintext,
        Fact::Delivered { refused, rows_refused, .. } => {
            refused.is_some() || !rows_refused.is_empty()
        }
        Fact::Lost { message_id, .. } => message_id.message_kind != MessageKind::Hint,
        Fact::Durable(_) | Fact::Declined(..) | Fact::Named { .. } | Fact::Kept { .. } => false,
        Fact::Logged { entry, .. } => is_news_of_server(entry),
        Fact::StepBegan(..) | Fact::StepEnded(..) => true,
        Fact::Filed { .. } => false,
        Fact::Skipped(..)
        | Fact::Committed { .. }
        | Fact::Removed { .. }
        | Fact::Found { .. }
        | Fact::Looked { .. } => true,
        Fact::PersistFailed(_)
        | Fact::Started { .. }
        | Fact::Faulted(_)
        | Fact::Struck(_)
        | Fact::Ended(_)
        | Fact::FaultsEnded
        | Fact::Settled { .. }
        | Fact::Killed { .. }
        | Fact::Panicked(_)
        | Fact::ErrorLogged(_)
        | Fact::CutOff { .. } => is_trouble(fact),
    }
}

/// Does a commit change the account or work, or begin a session? That one goes on and ends goes without
/// saying.
fn is_news_of_server(commit: &Commit) -> bool {
    let mut puts = commit.ops.iter().flat_map(|op| &op.puts);
    puts.any(|(key, doc)| match doc {
        Some(Doc::Session(session)) => session.fence.0.seq == commit.seq,
        Some(Doc::Receipt(_) | Doc::Field(..) | Doc::Version(_) | Doc::Work(_) | Doc::File(_))
        | None => {
            matches!(
                key,
                Key::Account(_)
                    | Key::Work(_)
                    | Key::File(FileKey::Node(_) | FileKey::Version(..) | FileKey::Upload(_))
            )
        }
    })
}

/// Did it happen to the sync server? No record is the worse for it.
fn is_of_server(entry: &Entry) -> bool {
    matches!(entry.node, Node::Worker(_) | Node::Processor(_) | Node::Volume)
        || matches!(&entry.fact, Fact::Faulted(fault) | Fact::Ended(fault)
            if fault.kind().declaration().needs_server)
}

/// Is this something that explains much else, whatever a story is about?
pub(super) fn is_trouble(fact: &Fact) -> bool {
    match fact {
        Fact::PersistFailed(_)
        | Fact::Started { .. }
        | Fact::Faulted(_)
        | Fact::Struck(_)
        | Fact::Ended(_)
        | Fact::FaultsEnded
        | Fact::Settled { .. }
        | Fact::Killed { .. }
        | Fact::Panicked(_)
        | Fact::ErrorLogged(_)
        | Fact::CutOff { .. } => true,
        Fact::Asked(..)
        | Fact::Answered(..)
        | Fact::Skipped(..)
        | Fact::Persisted { .. }
        | Fact::Durable(_)
        | Fact::Sent { .. }
        | Fact::Delivered { .. }
        | Fact::Lost { .. }
        | Fact::Committed { .. }
        | Fact::Removed { .. }
        | Fact::Served(_)
        | Fact::Declined(..)
        | Fact::Logged { .. }
        | Fact::Filed { .. }
        | Fact::StepBegan(..)
        | Fact::StepEnded(..)
        | Fact::Named { .. }
        | Fact::Kept { .. }
        | Fact::Found { .. }
        | Fact::Looked { .. } => false,
    }
}

/// Does it change what a user has, rather than what is known of remotes?
pub(super) const fn is_new_state(change: &Change) -> bool {
    match change {
        Change::Record(..)
        | Change::Sealed(..)
        | Change::Parked(..)
        | Change::Node(..)
        | Change::Upload(..) => true,
        Change::Mirror(..)
        | Change::Cursor(..)
        | Change::Feed(_)
        | Change::Key(_)
        | Change::Meta => false,
    }
}

pub(super) fn record_of(change: &Change) -> Option<RecordId> {
    match change {
        Change::Record(id, _)
        | Change::Mirror(_, id, _)
        | Change::Sealed(_, id, _)
        | Change::Parked(_, id, _) => Some(*id),
        Change::Cursor(..)
        | Change::Node(..)
        | Change::Upload(..)
        | Change::Feed(_)
        | Change::Key(_)
        | Change::Meta => None,
    }
}
