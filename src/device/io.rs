//! What goes into a device and what comes out of it: its start, its inputs and outputs, and the keys
//! and values of its store.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ask::{Answer, Ask};
use crate::Bytes;
use crate::date::Calendar;
use crate::flaw::Flaws;
use crate::id::{Build, DeviceId, Dot, NodeId, OpId, RecordId, Remote, UserId};
#[cfg(doc)]
use crate::message::Shown;
use crate::message::{Request, Response};
use crate::point::Point;
use crate::remote::{Call, Credential, Return};
use crate::seal::{Key, KeyName, Memo};
use crate::time::Span;

/// What a device is given when it starts.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The device's name among the devices of its user.
    pub device: DeviceId,
    /// Whose account the device is set up with (the account of the *zone*).
    pub user: UserId,
    /// Drawn for every install and for every restored or cloned image.
    pub install: u64,
    /// Fresh in every incarnation.
    pub entropy: [u8; 32],
    /// The build that is installed.
    pub build: Build,
    /// The remotes that the device uses.
    pub remotes: Vec<Remote>,
    /// Is there a sync server?
    pub server: bool,
    /// The secret of the vault's blind names and keys: the same on all devices of a user, for ever.
    pub secret: Key,
    /// Days in the home zone of the vault.
    pub calendar: Calendar,
    /// How many bytes of a file are uploaded at once.
    pub piece: usize,
    /// Spans and sizes of its conversations.
    pub timing: Timing,
    /// Known bugs that are switched on.
    pub flaws: Flaws,
    /// A memory of opened blobs, lent by a simulation.
    pub memo: Option<Memo>,
}

/// Spans and sizes of a device's conversation with the remotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// A remote is pulled this long after the last pull, less up to a quarter.
    pub pull_every: Span,
    /// A remote is listed from the start this long after the last listing, less up to a quarter.
    pub relist_every: Span,
    /// The sync server is asked for what has changed in files this long after the last time, less up
    /// to a quarter. What is published here is asked for at once.
    pub feed_every: Span,
    /// A login opens its gate after this long even if one remote is silent.
    pub login_patience: Span,
    /// A request without an answer is given up after this long.
    pub timeout: Span,
    /// The wait after the first failure is between half of this and all of it, doubled with each.
    pub retry_base: Span,
    /// No wait is longer than this, unless a remote asks for it.
    pub retry_cap: Span,
    /// Rows asked for in one page.
    pub page: u16,
    /// Rows saved in one batch.
    pub batch: u16,
}

/// What a device durably holds, by key. The order of the keys is the order of their bytes' digest.
pub type Snapshot = BTreeMap<StoreKey, Stored>;

/// A place in a device's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StoreKey {
    /// Replica, counters, session.
    Meta,
    /// A key of the keyring.
    Key(KeyName),
    /// The local state of a record.
    Record(RecordId),
    /// What a remote was last seen to hold of a record, and under which tag.
    Mirror(Remote, RecordId),
    /// A remote's row that cannot be opened yet: its blob, and its tag.
    Sealed(Remote, RecordId),
    /// A row that a remote refuses for good: the state that it refused.
    Parked(Remote, RecordId),
    /// How far a remote's feed has been taken.
    Cursor(Remote),
    /// What the sync server was last seen to hold of a file or folder: a [`Shown`].
    Node(NodeId),
    /// An own write of a file that the feed has not shown yet: an
    /// [`OwnWrite`](super::OwnWrite).
    Upload(Dot),
    /// How far the sync server's feed has been taken.
    Feed,
    /// Under which name files are written, if it is not that of the replica.
    Author,
}

/// What is stored at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The tag of a [`StoreKey::Mirror`] or [`StoreKey::Sealed`]; 0 elsewhere.
    pub tag: u64,
    /// Records as [`Encoded`](crate::record::Encoded) has them, sealed blobs as received, the rest
    /// in postcard. A mirror whose content is unknown (a damaged row) is empty.
    pub bytes: Bytes,
}

/// One atomic commit of a device's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What is put or removed, each key at most once.
    pub puts: Vec<(StoreKey, Option<Stored>)>,
    /// Must it be durable before anything else happens? Commits are ordered: a later synced one
    /// makes earlier ones durable too.
    pub sync: bool,
}

/// What happens to a device.
#[derive(Clone, Debug)]
pub enum Input {
    /// The user asks for something. Answered by exactly one [`Output::Answer`], unless the device
    /// dies first.
    User {
        /// Names the request.
        op: OpId,
        /// The user operation.
        ask: Ask,
    },
    /// A remote answers.
    Returned {
        /// The remote that answers.
        from: Remote,
        /// Its answer.
        answer: Return,
    },
    /// The sync server answers.
    Responded(Response),
    /// A remote has something new, perhaps.
    Hint(Remote),
    /// A key of the user's keychain arrives.
    KeyArrived(KeyName, Key),
    /// The keychain has durably accepted the key of [`Output::StoreKey`].
    KeyStored(KeyName),
    /// The sign-in service issued a credential, possibly an old or foreign one.
    Credential(Credential),
    /// The synced batch is durable.
    Persisted,
    /// The time of [`Device::poll_wakeup`](super::Device::poll_wakeup) has come.
    Wakeup,
}

/// What a device does.
#[derive(Clone, Debug)]
pub enum Output {
    /// Commits a batch.
    Persist(Batch),
    /// Asks a remote.
    Send(Remote, Call),
    /// Asks the sync server, whichever worker.
    Request(Box<Request>),
    /// Answers the user.
    Answer(OpId, Answer),
    /// Hands a new key to the user's keychain, which shares it with the user's other devices.
    StoreKey(KeyName, Key),
    /// Asks the sign-in service for a credential.
    NeedCredential,
    /// Came by a coverage point.
    Reached(Point),
}
