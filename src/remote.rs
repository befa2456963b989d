//! The contract of a remote: what a device asks, and what it may be answered.
//!
//! One vocabulary for both remotes; each answers only what its real counterpart offers. A remote
//! stores sealed rows, compares tags and serves feeds; it can open nothing and merge nothing.
//! Comments name the real operation: *zone* is CloudKit, *rows* is PostgREST over Postgres.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::id::{RecordId, UserId, VaultId};
use crate::time::{Span, Time};

/// One sealed record as it leaves a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The record's name, in clear.
    pub id: RecordId,
    /// The vault that owns it, in clear.
    pub vault: VaultId,
    /// What [`seal`](crate::seal) made of it.
    pub blob: Bytes,
}

/// A remote's name for one state of a row: a change tag, or the value of a version column. Equal
/// tags of one row mean equal content, unless the content was damaged in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag(pub u64);

/// A place in a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cursor {
    /// *zone*: an opaque change token, made by the remote.
    Token(u64),
    /// *rows*: made by the device from the last row that it was served.
    After {
        /// The `epoch` of the page: the remote refuses a cursor of another one as expired.
        epoch: u32,
        /// The row's value of the column that the feed is ordered by.
        stamp: u64,
        /// The row's id, which breaks ties; without it all rows of that stamp count as seen.
        id: Option<RecordId>,
    },
}

/// What a feed is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Order {
    /// *zone*: the order of its change tokens.
    Token,
    /// *rows*: `commit_seq`, raised once per transaction under a lock, shared by its rows.
    CommitSeq,
    /// *rows*: `updated_at`, the transaction's start (`now()`), visible only once it commits.
    UpdatedAt,
}

/// How a save treats what is stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Policy {
    /// *zone* `ifServerRecordUnchanged`; *rows* an insert where no tag is expected, else an update
    /// filtered by the version column.
    IfUnchanged,
    /// *zone* `allKeys`; *rows* an upsert (`resolution=merge-duplicates`): overwrites, tags or not.
    Overwrite,
}

/// One row to save.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The row.
    pub row: Row,
    /// The tag that must be stored; none if the row must be new.
    pub expect: Option<Tag>,
}

/// What a device asks of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A page of what changed since a cursor, or of everything.
    Changes {
        /// Whose rows. *rows* filters by it only where row-level security does.
        vault: VaultId,
        /// Where to go on; none lists from the start.
        since: Option<Cursor>,
        /// The order of the feed.
        order: Order,
        /// At most that number of rows; the remote may serve fewer.
        limit: u16,
    },
    /// The current state of these rows.
    Fetch {
        /// The vault that owns the rows.
        vault: VaultId,
        /// The records to read.
        ids: Vec<RecordId>,
    },
    /// Saves rows. *zone*: all or none. *rows*: each by itself, in one transaction.
    Save {
        /// The vault that owns the rows.
        vault: VaultId,
        /// The condition under which a stored row is replaced.
        policy: Policy,
        /// The rows, each id at most once.
        puts: Vec<Put>,
    },
    /// Removes rows without a trace but for the zone's list of deletions.
    Remove {
        /// The vault that owns the rows.
        vault: VaultId,
        /// The records to remove.
        ids: Vec<RecordId>,
    },
    /// *zone*: creates the vault's record zone; succeeds if it exists.
    CreateZone {
        /// The vault that owns the zone.
        vault: VaultId,
    },
}

/// A row as a remote serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The row.
    pub row: Row,
    /// The tag of this state.
    pub tag: Tag,
    /// *rows*: the value of the column that the feed is ordered by. *zone*: 0.
    pub stamp: u64,
}

/// What a remote answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::Changes`]: the latest state of each row changed, not its history.
    Page {
        /// The rows, in the order of the feed.
        rows: Vec<Served>,
        /// *zone*: rows that are gone.
        deleted: Vec<RecordId>,
        /// *zone*: the token after this page. *rows* gives none: the device makes its own.
        token: Option<Cursor>,
        /// *zone*: `moreComing`. *rows* cannot say and answers `true` until a page is empty: a
        /// short page does not mean the end (PostgREST caps pages silently).
        more: bool,
        /// *rows*: raised when the database was restored from a backup. *zone*: 0.
        epoch: u32,
    },
    /// To [`Request::Fetch`]: those that exist and are visible.
    Found(Vec<Served>),
    /// To [`Request::Save`]: one result for each row asked, in the order asked.
    Saved(Vec<(RecordId, Result<Tag, Refusal>)>),
    /// To [`Request::Remove`] and [`Request::CreateZone`]. Removing what is gone succeeds.
    Done,
    /// The whole request was refused and had no effect.
    Refused(Refusal),
}

/// Why a zone is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ending {
    /// Another device deleted it: create it again and put everything back.
    Deleted,
    /// The user erased this app's data: delete it here too, and do not put it back.
    Purged,
    /// The account's keys were lost and with them what was stored: put everything back.
    EncryptedDataReset,
}

/// Why a remote did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Of a request: too many; come back no sooner than this (`requestRateLimited`, HTTP 429).
    RateLimited(Span),
    /// Of a request: out of order (`serviceUnavailable`, HTTP 503).
    Unavailable(Option<Span>),
    /// Of a request: the cursor means nothing any more; list from the start.
    CursorExpired,
    /// Of a request: there is no zone, and why.
    ZoneNotFound(Ending),
    /// Of a request: too many rows in one save.
    LimitExceeded,
    /// Of a request: no credential, or one that has expired (HTTP 401).
    NotAuthenticated,
    /// Of a row: the stored tag differs (`serverRecordChanged`); this is what is stored.
    Changed(Box<Served>),
    /// Of a row: a tag was expected and there is no such row (`unknownItem`).
    UnknownItem,
    /// Of a row: it was to be new and exists (HTTP 409; `serverRejectedRequest`), shown or not.
    Exists,
    /// Of a row: *rows* updated none: the tag differs, or the row is hidden, or it is gone.
    NoRowMatched,
    /// Of a row: another row of the batch was at fault (`batchRequestFailed`).
    BatchFailed,
    /// Of a row: never acceptable as it is.
    Rejected,
}

/// Who is asking *rows*. A zone knows its user by the account of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Credential {
    /// The user that it speaks for.
    pub user: UserId,
    /// When it ends, by the remote's clock.
    pub until: Time,
}

/// Names a request and all its attempts within one incarnation of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u32);

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The id of the request, the same in every try.
    pub id: CallId,
    /// 0 for the first try.
    pub attempt: u16,
    /// Who is asking; *zone* ignores it.
    pub credential: Option<Credential>,
    /// The request.
    pub request: Request,
}

/// An answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// The id of the request that is answered.
    pub id: CallId,
    /// The try that is answered.
    pub attempt: u16,
    /// The answer.
    pub reply: Reply,
}
