//! Which answers fit which questions.

use crate::history::file::FileAsked;
use crate::history::{Answered, Asked, Done, Worked};
use crate::plan::{Errand, ProcessorCommand, TalkPart};

/// A refusal fits every question but those that cannot fail.
pub(crate) fn fits(asked: &Asked, answer: &Answered) -> bool {
    match (asked, answer) {
        (Asked::Read { id, .. }, Answered::Read(shown)) => shown.id == *id,
        (Asked::List, Answered::Listed(_))
        | (Asked::Write { .. }, Answered::Saved)
        | (Asked::SignIn, Answered::SignedIn { .. })
        | (Asked::SignOut, Answered::SignedOut)
        | (Asked::RotateKey, Answered::Rotated)
        | (Asked::Register(..), Answered::Registered)
        | (Asked::Sync, Answered::Syncing)
        | (Asked::Errand { errand: Errand::Patch(_), .. }, Answered::Done(Done::Patched))
        | (Asked::Errand { errand: Errand::ReadAccount, .. }, Answered::Done(Done::Account(_)))
        | (Asked::Errand { errand: Errand::SessionStatus, .. }, Answered::Done(Done::Session(_)))
        | (Asked::File { ask: FileAsked::List, .. }, Answered::Files(_))
        | (Asked::File { ask: FileAsked::Write { .. }, .. }, Answered::Saved)
        | (Asked::Status, Answered::Status(_)) => true,
        (Asked::Work { command, .. }, Answered::Worked(worked)) => fits_command(command, worked),
        (Asked::File { ask, .. }, Answered::File(done)) => ask.is_answered_by(done),
        (asked, Answered::Refused(_)) => !matches!(asked, Asked::Register(..) | Asked::Status),
        (
            _,
            Answered::Read(_)
            | Answered::Listed(_)
            | Answered::Saved
            | Answered::SignedIn { .. }
            | Answered::SignedOut
            | Answered::Rotated
            | Answered::Registered
            | Answered::Syncing
            | Answered::Done(_)
            | Answered::Worked(_)
            | Answered::Files(_)
            | Answered::File(_)
            | Answered::Status(_),
        ) => false,
    }
}

/// What answers a command about conversations.
fn fits_command(command: &ProcessorCommand, worked: &Worked) -> bool {
    match (command, worked) {
        (_, Worked::Refused(_))
        | (ProcessorCommand::Ingest(_), Worked::Saved(..))
        | (ProcessorCommand::Process(_), Worked::Processed)
        | (ProcessorCommand::Reset(_), Worked::WasReset)
        | (ProcessorCommand::Read(..), Worked::Nothing)
        | (
            ProcessorCommand::Read(_, TalkPart::Current | TalkPart::Version(_)),
            Worked::Thread(..),
        )
        | (ProcessorCommand::Read(_, TalkPart::Result), Worked::Result(..))
        | (ProcessorCommand::ReadDay(_), Worked::Day(..)) => true,
        (
            _,
            Worked::Saved(..)
            | Worked::Processed
            | Worked::WasReset
            | Worked::Nothing
            | Worked::Thread(..)
            | Worked::Result(..)
            | Worked::Day(..),
        ) => false,
    }
}
