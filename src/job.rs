//! Work to be done on a conversation, as the server keeps it: the states of an item, who may take
//! it up, and what a day's items amount to. Pure; the decisions are in `worker/job.rs`.
//!
//! `pending → processing → success | failed`. A try is counted when it begins, so that a crash
//! counts as well; there are three, and then the failure stays for everybody to see. A new version
//! of a conversation is new work.

use serde::{Deserialize, Serialize};

use crate::date::DateKey;
use crate::dedup::DedupKey;
use crate::id::UserId;
use crate::message::Fence;
use crate::time::Time;
use crate::volume;
use crate::volume::Part::{Hex, Number, Text};

/// So often an item is tried.
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

/// Names the blob of a version exactly. Two writers of one version differ in the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobName {
    /// Of which conversation.
    pub key: DedupKey,
    /// Of which version of it.
    pub version: u32,
    /// What it holds.
    pub hash: BlobHash,
}

impl BlobName {
    /// The object of it.
    pub fn object(self, space: UserId) -> volume::Key {
        volume::name(&[Text(&self.version_prefix(space)), Text("_"), Hex(&self.hash.0)])
    }

    /// What the name of every blob of the version begins with, and of others.
    pub(crate) fn version_prefix(self, space: UserId) -> volume::Key {
        let (space, key) = (Number(space.0.into()), self.key.to_bytes());
        let version = Number(self.version.into());
        volume::name(&[Text("item/"), space, Text("/"), Hex(&key), Text("-"), version])
    }
}

/// What a conversation is, as far as the server can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Content {
    /// Its version, from 1.
    pub version: u32,
    /// The commit that made it: the order of work.
    pub since: u64,
    /// The day it belongs to.
    pub day: DateKey,
    /// How many messages it has, as its device says.
    pub messages: u32,
    /// Its sealed bytes.
    pub blob: BlobHash,
}

/// A conversation, and the work on its current version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub content: Content,
    /// How far the work is.
    pub job: Job,
}

/// How far the work on an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Job {
    /// It waits for a processor.
    Pending {
        /// How often it was tried.
        tries: u8,
    },
    /// A processor is at it.
    Processing {
        /// How often it was tried, this time included.
        tries: u8,
        /// The commit that granted this. What makes a result safe.
        fence: Fence,
        /// When others may take it up. Not what makes a result safe.
        until: Time,
    },
    /// It is done.
    Success {
        /// How often it was tried.
        tries: u8,
        /// The sealed result.
        result: BlobHash,
    },
    /// It failed: for good, if there are no tries left.
    Failed {
        /// How often it was tried.
        tries: u8,
        /// The reason of the last.
        why: Why,
    },
}

/// Why a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Why {
    /// The processing itself.
    StepFailed,
    /// The processing took longer than its processor was willing to wait.
    StepLate,
    /// The processor lacks the key.
    NoKey,
    /// The blob is missing or damaged.
    Unreadable,
    /// Nobody ended it: its processor crashed or was cut off.
    Abandoned,
}

impl Job {
    /// The work on what nobody has looked at yet.
    pub const NEW: Self = Self::Pending { tries: 0 };

    /// How often it was tried.
    pub const fn tries(self) -> u8 {
        match self {
            Self::Pending { tries }
            | Self::Processing { tries, .. }
            | Self::Success { tries, .. }
            | Self::Failed { tries, .. } => tries,
        }
    }

    /// Is its processor's time over?
    pub fn is_overdue(self, wall: Time) -> bool {
        matches!(self, Self::Processing { until, .. } if until <= wall)
    }
}

/// A place in a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// A conversation as it is.
    Item(DedupKey),
    /// A conversation as it was, by version from 1.
    Was(DedupKey, u32),
    /// What a day's conversations amount to.
    Day(DateKey),
}

/// What stands at such a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// At [`Place::Item`] and [`Place::Was`].
    Item(Item),
    /// At [`Place::Item`], written before there were states: nobody has looked at it yet.
    Old(Content),
    /// At [`Place::Day`].
    Day(Summary),
}

/// What the items of a day amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Summary {
    /// How many there are.
    pub items: u32,
    /// How many messages they have.
    pub messages: u32,
    /// How many wait.
    pub pending: u32,
    /// How many somebody is at.
    pub processing: u32,
    /// How many are done.
    pub success: u32,
    /// How many have failed, for good or not.
    pub failed: u32,
}

impl Summary {
    /// Folds the items of a day.
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

/// A grant to work on an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// On which.
    pub key: DedupKey,
    /// On which version of it.
    pub version: u32,
    /// The commit that granted it.
    pub fence: Fence,
    /// Which try this is, from 1.
    pub tries: u8,
    /// When it may be given to somebody else, by the server's clocks.
    pub until: Time,
}
