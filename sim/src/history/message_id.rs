//! Messages, as the history names them: which one, why it did not arrive, and how a remote or the sync
//! server refused what it asked.

use engine::message::Refusal;
use engine::remote::{self, CallId, Ending};
use harness::time::Span;
use serde::Serialize;

use crate::plan::MessageKind;
use crate::time::ToSimulated;

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
pub struct MessageId {
    /// The request that it belongs to; counts hints for a hint.
    pub call: CallId,
    /// Which try.
    pub attempt: u16,
    /// What it is about.
    pub message_kind: MessageKind,
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

impl Refused {
    /// The refusal as the history records it: without the row that it may show.
    pub fn of(refusal: &remote::Refusal) -> Self {
        match *refusal {
            remote::Refusal::RateLimited(after) => Self::RateLimited(after.to_simulated()),
            remote::Refusal::Unavailable(after) => {
                Self::Unavailable(after.map(ToSimulated::to_simulated))
            }
            remote::Refusal::CursorExpired => Self::CursorExpired,
            remote::Refusal::ZoneNotFound(ending) => Self::ZoneNotFound(ending),
            remote::Refusal::LimitExceeded => Self::LimitExceeded,
            remote::Refusal::NotAuthenticated => Self::NotAuthenticated,
            remote::Refusal::Changed(_) => Self::Changed,
            remote::Refusal::UnknownItem => Self::UnknownItem,
            remote::Refusal::Exists => Self::Exists,
            remote::Refusal::NoRowMatched => Self::NoRowMatched,
            remote::Refusal::BatchFailed => Self::BatchFailed,
            remote::Refusal::Rejected => Self::Rejected,
        }
    }
}
