//! Work on a conversation, as the server stores it: the states of an item, who may claim it, and
//! the summary of a day's items. Pure data; the decisions are in `worker/job.rs`.
//!
//! `pending → processing → success | failed`. An attempt is counted when it begins, so that a crash
//! counts as well. After three attempts the failure stays visible until the user resets it. A new
//! version of a conversation is new work.

use serde::{Deserialize, Serialize};

use crate::date::DateKey;
use crate::dedup::DedupKey;
use crate::id::UserId;
use crate::position::Fence;
use crate::time::Time;
use crate::volume;
use crate::volume::Part::{Hex, Number, Text};

/// The number of attempts that an item has.
pub const MOST_TRIES: u8 = 3;

/// The hash of a sealed blob.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobHash([u8; 16]);

impl BlobHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let hash = blake3::hash(bytes);
        let (head, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Self(*head)
    }
}

/// The exact name of a blob. Two writers of one version differ in the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobName {
    /// The conversation.
    pub key: DedupKey,
    /// The version of the conversation, from 1.
    pub version: u32,
    /// The hash of the sealed bytes.
    pub hash: BlobHash,
}

impl BlobName {
    /// The object's key in the volume.
    pub fn object(self, space: UserId) -> volume::Key {
        volume::name(&[Text(&self.version_prefix(space)), Text("_"), Hex(&self.hash.0)])
    }

    /// A prefix of the key of every blob of this version, and of versions whose number begins with
    /// the same digits.
    pub(crate) fn version_prefix(self, space: UserId) -> volume::Key {
        let (space, key) = (Number(space.0.into()), self.key.to_bytes());
        let version = Number(self.version.into());
        volume::name(&[Text("item/"), space, Text("/"), Hex(&key), Text("-"), version])
    }
}

/// What the server can see of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Content {
    /// Its version, from 1.
    pub version: u32,
    /// The number of the commit that made the version. Older versions are worked on first.
    pub since: u64,
    /// The day to which it belongs.
    pub day: DateKey,
    /// The number of its messages, as its device says.
    pub messages: u32,
    /// The hash of its sealed bytes.
    pub blob: BlobHash,
}

/// A conversation, and the work on its current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// The current version.
    pub content: Content,
    /// The state of the work on it.
    pub job: Job,
}

/// The state of the work on an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Job {
    /// It waits for a processor.
    Pending {
        /// The number of attempts so far.
        tries: u8,
    },
    /// A processor has claimed it.
    Processing {
        /// The number of attempts, this one included.
        tries: u8,
        /// The fencing token: the commit that granted the claim. A result is accepted under it
        /// alone.
        fence: Fence,
        /// When another processor may claim it, by the server's clocks. Safety does not depend on
        /// it.
        until: Time,
    },
    /// It is done.
    Success {
        /// The number of attempts.
        tries: u8,
        /// The hash of the sealed result.
        result: BlobHash,
    },
    /// The last attempt failed: for good, if none is left.
    Failed {
        /// The number of attempts.
        tries: u8,
        /// Why the last attempt failed.
        why: Why,
    },
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// The step failed.
    StepFailed,
    /// The step took longer than its processor was willing to wait.
    StepLate,
    /// The processor lacks the key.
    NoKey,
    /// The blob is missing or damaged.
    Unreadable,
    /// Its claim expired: the processor crashed or was cut off.
    Abandoned,
}

impl Job {
    /// The work on a version that no processor has claimed.
    pub const NEW: Self = Self::Pending { tries: 0 };

    /// The number of attempts.
    pub const fn tries(self) -> u8 {
        match self {
            Self::Pending { tries }
            | Self::Processing { tries, .. }
            | Self::Success { tries, .. }
            | Self::Failed { tries, .. } => tries,
        }
    }

    /// Has its claim expired?
    pub fn is_overdue(self, wall: Time) -> bool {
        matches!(self, Self::Processing { until, .. } if until <= wall)
    }
}

/// A key of the state of a space, for conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// The current version of a conversation.
    Item(DedupKey),
    /// An earlier version of a conversation, from 1.
    Was(DedupKey, u32),
    /// The summary of a day.
    Day(DateKey),
}

/// A document of the state of a space, for conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// At [`Place::Item`] and [`Place::Was`].
    Item(Item),
    /// At [`Place::Item`], written before items had a state: new work.
    Old(Content),
    /// At [`Place::Day`].
    Day(Summary),
}

/// The summary of a day's items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Summary {
    /// The number of items.
    pub items: u32,
    /// The number of their messages.
    pub messages: u32,
    /// The number of items that wait for a processor.
    pub pending: u32,
    /// The number of items that a processor has claimed.
    pub processing: u32,
    /// The number of items that are done.
    pub success: u32,
    /// The number of items that have failed, for good or not.
    pub failed: u32,
}

impl Summary {
    /// Summarises the items of a day.
    pub fn of(items: impl IntoIterator<Item = Item>) -> Self {
        let mut sum = Self::default();
        for item in items {
            sum.items += 1;
            sum.messages = sum.messages.saturating_add(item.content.messages);
            match item.job {
                Job::Pending { .. } => sum.pending += 1,
                Job::Processing { .. } => sum.processing += 1,
                Job::Success { .. } => sum.success += 1,
                Job::Failed { .. } => sum.failed += 1,
            }
        }
        let states = [sum.pending, sum.processing, sum.success, sum.failed];
        assert_eq!(sum.items, states.iter().sum(), "every item of a day is in one state");
        sum
    }
}

/// A claim that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The conversation.
    pub key: DedupKey,
    /// The version of the conversation.
    pub version: u32,
    /// The fencing token: the commit that granted the claim.
    pub fence: Fence,
    /// The number of this attempt, from 1.
    pub tries: u8,
    /// When another processor may claim the item, by the server's clocks.
    pub until: Time,
}
