//! What the history says of the sync server, beside its commits: messages, answers and faults.

use std::sync::Arc;

use engine::id::{AccountField, Token, UserId};
use engine::log::Position;
use engine::message::{Client, DeviceKey, Fence, Refusal};
use engine::record::Value;
use harness::time::Span;
use serde::Serialize;

use crate::plan::{VolumeFault, WorkerId};

/// An account as it was shown: of each field every version, the current one last.
pub type Account = Vec<(AccountField, Vec<(Token, Value)>)>;

/// What came of an errand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Done {
    /// The account has these fields now.
    Patched,
    /// The account.
    Account(Arc<Account>),
    /// Is there a session, and is it this device's own?
    Session(Option<bool>),
}

/// What a message between a device and a worker says, apart from its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Said {
    /// A request.
    Asks {
        /// Which device, as it says.
        device: DeviceKey,
        /// Which life of which replica.
        client: Client,
        /// Who asks, by their credential.
        by: Option<UserId>,
        /// Whose space, as it says.
        space: UserId,
        /// Whose things are meant: those of the space, or those that the cursor of a feed names.
        about: UserId,
        /// The newest commit that it has heard of.
        heard: Position,
        /// What for.
        wants: Wants,
    },
    /// An answer.
    Answers {
        /// The commit that it tells of.
        seq: u64,
        /// Why it did nothing, if it says so.
        refused: Option<Refusal>,
    },
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Wants {
    /// A session.
    Session,
    /// The end of this session.
    End(Fence),
    /// To know whose the session is.
    Status,
    /// To read something.
    Read,
    /// Something under this session, and under this number of its client's life.
    Act(Fence, u32),
}

/// A fault of the sync server as it appears in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ServerTrouble {
    /// A worker is down.
    Crash(WorkerId),
    /// A worker stands still.
    Pause(WorkerId),
    /// A worker's clock jumped.
    ClockJump(WorkerId, i64),
    /// The volume fares badly.
    Volume(VolumeFault),
    /// The volume was set back to what it was so long ago.
    Restore(Span),
    /// An intruder asked for another user's account.
    Intrude(UserId),
}
