//! What is asked about conversations and the work on them, and what is answered.

use serde::{Deserialize, Serialize};

use super::Fence;
#[cfg(doc)]
use super::Refusal;
use crate::Bytes;
use crate::date::DateKey;
use crate::dedup::DedupKey;
use crate::job::{BlobHash, BlobName, Claim, Item, Summary, Why};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkAction {
    /// Saves a version of a conversation. [`Refusal::Changed`] if another one is the current.
    Save {
        /// Of which conversation.
        key: DedupKey,
        /// The version that this one takes the place of, and what it says; none for a new one.
        expected: Option<(u32, BlobHash)>,
        /// The day it belongs to.
        day: DateKey,
        /// How many messages it has.
        messages: u32,
        /// What it says, sealed.
        blob: Bytes,
    },
    /// Shows a conversation and one of its blobs.
    Read(DedupKey, Part),
    /// Takes up the oldest work there is, of this day or of any. [`Refusal::Busy`] if others have
    /// all that there is.
    Claim(Option<DateKey>),
    /// Ends a claim. [`Refusal::LeaseLost`] if it is not the asker's any more.
    Finish {
        /// On which conversation.
        key: DedupKey,
        /// On which version of it.
        version: u32,
        /// Under which claim.
        fence: Fence,
        /// The sealed result, or why there is none.
        outcome: Result<Bytes, Why>,
    },
    /// Gives a conversation that has failed all its tries again.
    Reset(DedupKey),
    /// Shows a day: its summary and its items.
    ReadDay(DateKey),
}

/// A blob of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// What its current version says.
    Current,
    /// What an earlier version said.
    Version(u32),
    /// What came of the work on the current version, if it is done.
    Result,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkReply {
    /// To [`WorkAction::Save`]: as this version.
    Saved(u32),
    /// To [`WorkAction::Read`].
    Item(Option<Box<Found>>),
    /// To [`WorkAction::Claim`]: a grant, or nothing is left to be done.
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
    /// What the server knows of it.
    pub item: Item,
    /// Which blob.
    pub name: BlobName,
    /// What it holds.
    pub blob: Bytes,
}
