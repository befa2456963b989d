//! The device: one user's replica, as a state machine.
//!
//! Contract: give it one [`Input`], then drain [`Device::poll_output`] to `None` before the next.
//! `now.mono` never goes backwards. Wake it no earlier than [`Device::poll_wakeup`]. Handling an
//! input cannot fail: hostile or stale messages are inputs like any other.
//!
//! **Outputs take effect in the order emitted, and nothing after an [`Output::Persist`] with
//! `sync` takes effect before that batch is durable.** While such a batch is under way the machine
//! gets no other input; then comes [`Input::Persisted`]. So a read shows only durable state and no
//! dot is ever used twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::flaw::Flaws;
use crate::id::{DeviceId, FieldId, Kind, OpId, RecordId, Remote, Token, UserId};
use crate::point::Point;
use crate::record::{Handle, Payload, Value};
use crate::remote::{Call, Credential, Return};
use crate::seal::{Key, KeyName, Memo};
use crate::time::Span;
use crate::view::Strategy;

/// What a device is told when it starts.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Which device this is.
    pub device: DeviceId,
    /// Whose account the device is set up with (the account of the *zone*).
    pub user: UserId,
    /// Drawn anew for every install and for every restored or cloned image.
    pub install: u64,
    /// Fresh in every incarnation.
    pub entropy: [u8; 32],
    /// Which remotes there are.
    pub remotes: Vec<Remote>,
    /// How patient it is.
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
        /// What is asked.
        ask: Ask,
    },
    /// A remote answers.
    Returned {
        /// Which remote.
        from: Remote,
        /// Its answer.
        answer: Return,
    },
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
    /// The time of [`Device::poll_wakeup`] has come.
    Wakeup,
}

/// What a device does.
#[derive(Clone, Debug)]
pub enum Output {
    /// Commits a batch.
    Persist(Batch),
    /// Asks a remote.
    Send(Remote, Call),
    /// Answers the user.
    Answer(OpId, Answer),
    /// Hands a new key to the user's keychain, which shares it with the user's other devices.
    StoreKey(KeyName, Key),
    /// Asks the sign-in service for a credential.
    NeedCredential,
    /// Came by a coverage point.
    Reached(Point),
}

/// What a user asks.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Show a record.
    Read(RecordId),
    /// Name the records that are there, deleted ones included.
    List,
    /// Set fields, all under one dot, replacing what the handle covers.
    Write {
        /// Which record.
        id: RecordId,
        /// The read that this builds on.
        handle: Handle,
        /// New values by field.
        changes: Vec<(FieldId, Value)>,
        /// The application's label.
        token: Token,
    },
    /// Count up or down. Replaces only this replica's own earlier count.
    Increment {
        /// Which record.
        id: RecordId,
        /// The read that this builds on: it tells only whether the record was seen deleted.
        handle: Handle,
        /// Which field.
        field: FieldId,
        /// By how much.
        by: i64,
        /// The application's label.
        token: Token,
    },
    /// Delete what the handle covers.
    Delete {
        /// Which record.
        id: RecordId,
        /// The read that this builds on.
        handle: Handle,
        /// The application's label.
        token: Token,
    },
    /// Sign in, as an app start with a saved session does too: pull both remotes, then open.
    SignIn,
    /// Sign out and wipe the device; refused while edits are unsent.
    SignOut,
    /// Make a new key, as soon as nothing is sealed and both remotes are pulled to their heads.
    RotateKey,
    /// Show a field by another strategy.
    Register {
        /// Of which kind.
        kind: Kind,
        /// Which field.
        field: FieldId,
        /// How.
        strategy: Arc<dyn Strategy>,
    },
    /// Pull and push now.
    Sync,
    /// Tell how things stand.
    Status,
}

/// What a user is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Ask::Read`].
    Read(Reading),
    /// To [`Ask::List`].
    Listed(Vec<RecordId>),
    /// To a write, increment or delete: it survives a crash of this device.
    Saved,
    /// To [`Ask::SignIn`]: the gate is open. `partial` if one remote was silent.
    SignedIn {
        /// Is one remote not merged yet?
        partial: bool,
    },
    /// To [`Ask::SignOut`]: nothing is left on the device.
    SignedOut,
    /// To [`Ask::RotateKey`]: new rows are sealed under this key.
    Rotated(KeyName),
    /// To [`Ask::Register`].
    Registered,
    /// To [`Ask::Sync`]: the request was taken.
    Syncing,
    /// To [`Ask::Status`].
    Status(Status),
    /// The request had no effect and never will.
    Refused(Reason),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// Nobody is signed in.
    SignedOut,
    /// So many records have edits that a remote lacks.
    Unsent(u32),
    /// The field does not exist in this kind, or does not hold this kind of value.
    WrongField,
}

/// How things stand on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Is the login gate open?
    pub open: bool,
    /// Is one remote not merged since the login?
    pub partial: bool,
    /// Records that a remote lacks, by remote, without those parked.
    pub unsent: [u32; 2],
    /// Rows that cannot be opened yet, by remote.
    pub sealed: [u32; 2],
    /// Rows refused for good, by remote.
    pub parked: [u32; 2],
}

/// A record as shown to the user: every sibling of every field, and a handle on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which record.
    pub id: RecordId,
    /// Is it there?
    pub presence: Presence,
    /// The fields that hold something, by number. Of a deleted record: what can be restored.
    pub fields: Vec<FieldReading>,
    /// Does a remote hold a state of it that cannot be opened yet?
    pub sealed: bool,
    /// Is one remote not merged since the login?
    pub partial: bool,
    /// Names this read in a write that builds on it.
    pub handle: Handle,
}

/// Is a record there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Presence {
    /// Never written, as far as this device knows.
    Absent,
    /// There.
    Live,
    /// Deleted.
    Deleted,
}

/// A field as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldReading {
    /// Which field.
    pub field: FieldId,
    /// The value shown.
    pub value: Value,
    /// The writes that it accounts for.
    pub contributors: Vec<Token>,
    /// The writes that it does not account for.
    pub conflicts: Vec<Payload>,
}
