//! Requests about conversations and the work on them, and replies.

use serde::{Deserialize, Serialize};

use super::Fence;
#[cfg(doc)]
use super::Refusal;
use crate::Bytes;
use crate::date::DateKey;
use crate::dedup::DedupKey;
use crate::job::{BlobHash, BlobName, Claim, Item, Summary, Why};

/// An operation on conversations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkAction {
    /// Saves a version of a conversation. [`Refusal::Changed`] if another one is the current.
    Save {
        /// The conversation.
        key: DedupKey,
        /// The version that this one replaces, and the hash of its content; none for a new
        /// conversation.
        expected: Option<(u32, BlobHash)>,
        /// The day to which it belongs.
        day: DateKey,
        /// The number of its messages.
        messages: u32,
        /// The sealed content.
        blob: Bytes,
    },
    /// Reads a conversation and one of its blobs.
    Read(DedupKey, Part),
    /// Claims the oldest open work, of this day or of any. [`Refusal::Busy`] if other processors
    /// have claimed all of it.
    Claim(Option<DateKey>),
    /// Ends a claim. [`Refusal::LeaseLost`] if the client does not hold it any more.
    Finish {
        /// The conversation.
        key: DedupKey,
        /// The version of the conversation.
        version: u32,
        /// The claim's fencing token.
        fence: Fence,
        /// The sealed result, or why the attempt failed.
        outcome: Result<Bytes, Why>,
    },
    /// Gives a conversation that has failed all its attempts new ones.
    Reset(DedupKey),
    /// Reads a day: its summary and its items.
    ReadDay(DateKey),
}

/// A blob of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// The content of the current version.
    Current,
    /// The content of an earlier version.
    Version(u32),
    /// The result of the work on the current version, if it is done.
    Result,
}

/// What a worker replies about conversations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkReply {
    /// To [`WorkAction::Save`]: the number of the version.
    Saved(u32),
    /// To [`WorkAction::Read`]: the conversation, if it exists.
    Item(Option<Box<Found>>),
    /// To [`WorkAction::Claim`]: a claim, or nothing is left to do.
    Claimed(Option<Claim>),
    /// To [`WorkAction::Finish`].
    Finished,
    /// To [`WorkAction::Reset`].
    WasReset,
    /// To [`WorkAction::ReadDay`].
    Day(Summary, Vec<(DedupKey, Item)>),
}

/// A conversation with one of its blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The item.
    pub item: Item,
    /// The exact name of the blob.
    pub name: BlobName,
    /// The sealed bytes.
    pub blob: Bytes,
}
