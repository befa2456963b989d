//! Messages, as the history names them: which one, why it did not arrive, and how a remote or the sync
//! server refused what it asked.

use engine::message::Refusal;
use engine::remote::{CallId, Ending};
use harness::time::Span;
use serde::Serialize;

use crate::plan::Parcel;

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Lost {
    /// By chance.
    Chance,
    /// The link was cut, or the device offline.
    Cut,
    /// Its receiver was not running.
    Dead,
    /// A fault takes replies or hints of this remote.
    Fault,
}

/// Names a message: two copies of one are the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Letter {
    /// The request that it belongs to; counts hints for a hint.
    pub call: CallId,
    /// Which try.
    pub attempt: u16,
    /// What it is about.
    pub parcel: Parcel,
    /// Is it the answer?
    pub answer: bool,
}

/// Why a remote refused a whole request, or one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Refused {
    /// Come back after.
    RateLimited(Span),
    /// Out of order.
    Unavailable(Option<Span>),
    /// The cursor means nothing.
    CursorExpired,
    /// No zone.
    ZoneNotFound(Ending),
    /// Too many rows.
    LimitExceeded,
    /// No valid credential.
    NotAuthenticated,
    /// Another tag is stored.
    Changed,
    /// There is no such row.
    UnknownItem,
    /// The row exists.
    Exists,
    /// No row matched.
    NoRowMatched,
    /// Another row was at fault.
    BatchFailed,
    /// Never acceptable.
    Rejected,
    /// By the sync server.
    Server(Refusal),
}
