//! What a user asks of a device, and what they are answered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{AccountField, FieldId, Kind, RecordId, Token};
use crate::message::Versions;
use crate::record::{Handle, Payload, Value};
use crate::seal::KeyName;
use crate::view::Strategy;

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
    /// Set fields of the account, which the sync server keeps.
    Patch(Vec<(AccountField, Payload)>),
    /// Show the account, as the sync server has it now.
    ReadAccount,
    /// Tell whose this device's session with the sync server is.
    SessionStatus,
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
    /// To [`Ask::Patch`]: the sync server committed it.
    Patched,
    /// To [`Ask::ReadAccount`]: every field that was ever set, with all its versions.
    Account(Vec<(AccountField, Versions)>),
    /// To [`Ask::SessionStatus`]: is there a session, and is it this device's own?
    Session(Option<bool>),
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
    /// There is no sync server.
    NoServer,
    /// The sync server failed inside.
    Internal,
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

/// Why a device and a remote are not done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfinished {
    /// The remote lacks what is here.
    Unsent,
    /// The remote's row cannot be opened yet.
    Sealed,
    /// The remote refuses it for good.
    Parked,
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
    /// The deletes that are part of it: of a live record, those that an edit has beaten.
    pub deletes: Vec<Token>,
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
    /// Of a counter: what was last counted here, which the next increment replaces.
    pub counted: Option<Token>,
}
