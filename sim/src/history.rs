//! The history of a run: a closed list of facts, the only thing that a judge ever sees.
//!
//! Facts come from four places: what the user API answered, the bytes that a node persisted, the
//! messages sent and delivered, and what remotes, disks and faults did (a panic caught by the shell
//! is one of those). The product does not testify for itself: what it notes is coverage.
//!
//! The digest covers the canonical bytes of every fact in order; the readable line is a rendering.

mod asked;
pub mod file;
mod message_id;
mod pending;
mod pipeline;
pub(crate) mod recorder;
mod server;
mod skip;
pub(crate) mod table;
mod weight;

use std::sync::Arc;

use engine::blob::Address;
use engine::device::{Presence, Reason, Status};
use engine::id::{DeviceId, Dot, FieldId, NodeId, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::job::BlobName;
use engine::log::Entry as Commit;
use engine::message::FeedCursor;
use engine::processor::StepId;
use engine::record::Value;
use engine::remote::{CallId, Cursor, Order, Policy, Tag};
use harness::time::Time;
use serde::Serialize;

pub use self::asked::{Asked, WriteKind};
pub use self::file::{FileAsked, FileDone, Listed, NodeSeen};
pub use self::message_id::{Lost, MessageId, Refused};
pub use self::pending::Pending;
pub use self::pipeline::{Filed, Talk, Worked};
pub use self::server::{Account, Done, Said, Wants};
pub use self::skip::Skip;
pub use crate::fault::{Fault, Need};
use crate::plan::{self, Excess, Node};

/// Counts the lives of a node, from 0: each start begins one.
pub type Incarnation = u32;

/// One fact, with where and when.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Simulated time.
    pub at: Time,
    /// Where.
    pub node: Node,
    /// Which life of that node.
    pub incarnation: Incarnation,
    /// What.
    pub fact: Fact,
}

/// Numbers each sealed blob object of a run by its first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BlobId(pub u32);

/// What the record codec finds in a record's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Is any cell not covered by a delete?
    pub live: bool,
    /// The tokens by field and then by dot; a delete is its headstone's token.
    pub cells: Vec<(FieldId, Token)>,
}

/// A record as the user API showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Which record.
    pub id: RecordId,
    /// Is it there?
    pub presence: Presence,
    /// Each field: its value, the writes that it accounts for, and the conflicting writes. Of a
    /// deleted record: what can be restored.
    pub fields: Vec<(FieldId, Value, Vec<Token>, Vec<Token>)>,
    /// Does a remote hold a state of it that cannot be opened yet?
    pub sealed: bool,
    /// Is one remote not merged since the login?
    pub partial: bool,
}

/// What a device answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Answered {
    /// A record.
    Read(Arc<Shown>),
    /// The records that there are.
    Listed(Vec<RecordId>),
    /// Saved: it survives a crash.
    Saved,
    /// The gate is open.
    SignedIn {
        /// Is one remote not merged yet?
        partial: bool,
    },
    /// The device is empty.
    SignedOut,
    /// A new key is in use.
    Rotated,
    /// A strategy is registered.
    Registered,
    /// The sync server did it, or knows.
    Done(Done),
    /// A sync was asked for.
    Syncing,
    /// How things stand.
    Status(Status),
    /// No effect, ever.
    Refused(Reason),
    /// All files and folders, by node.
    Files(Arc<Vec<Listed>>),
    /// What else the sync server did about files, or knows.
    File(FileDone),
    /// The same about conversations.
    Worked(Worked),
}

/// One put of a device's commit, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Change {
    /// A record's local state; `None` if it is gone.
    Record(RecordId, Option<Arc<Contents>>),
    /// What a remote is believed to hold; `None` if nothing is known. Without contents the row is
    /// known to be damaged.
    Mirror(Remote, RecordId, Option<(Tag, Option<Arc<Contents>>)>),
    /// A row kept sealed; `None` if it no longer is. The tag is 0 once the remote has lost the row.
    Sealed(Remote, RecordId, Option<(Tag, BlobId)>),
    /// A row parked, or not any more.
    Parked(Remote, RecordId, bool),
    /// How far a feed has been taken.
    Cursor(Remote, Option<Cursor>),
    /// A key of the keyring, or none.
    Key(bool),
    /// Replica, counters, session.
    Meta,
    /// What the server has of a file or folder; `None` if nothing is known.
    Node(NodeId, Option<Arc<NodeSeen>>),
    /// An own write of a file that the feed has not shown yet: its label and the file; `None` if it
    /// no longer is one.
    Upload(Dot, Option<(Token, NodeId)>),
    /// How far the feed of files has been read.
    Feed(Option<FeedCursor>),
}

/// How a device came to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Boot {
    /// For the first time.
    First,
    /// After a crash.
    Restart,
    /// From a backup of itself.
    Restored,
    /// From another device's disk.
    Cloned(DeviceId),
}

/// A page that a remote served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// To whom.
    pub to: Node,
    /// For which request.
    pub call: CallId,
    /// Whose rows were asked for.
    pub vault: VaultId,
    /// In which order.
    pub order: Order,
    /// Where the page starts.
    pub since: Option<Cursor>,
    /// The rows, with the tags and positions that they have.
    pub rows: Vec<(VaultId, RecordId, Tag, u64)>,
    /// The cursor after this page, as the device will make or take it from the page.
    pub next: Option<Cursor>,
    /// Asked with `next` at this instant, the remote would never again serve this device a row at
    /// this position or an earlier one.
    pub never_again_below: u64,
    /// Did this page reach the end?
    pub end: bool,
}

/// A fact. A closed list: a new one must be decided by every judge and every report.
///
/// Most facts are of messages, and a run in a large vault has a million of them. What is larger than
/// those is boxed.
#[derive(Clone, Debug, Serialize)]
pub enum Fact {
    // What the user API was asked and answered (node: the device).
    /// The user asked.
    Asked(OpId, Box<Asked>),
    /// The device answered.
    Answered(OpId, Box<Answered>),
    /// A step could not be done.
    Skipped(plan::StepId, Skip),

    // What a device persisted (node: the device).
    /// A commit was handed to the disk.
    Persisted {
        /// Numbered within this incarnation, from 1.
        commit: u32,
        /// Does what follows wait for it?
        sync: bool,
        /// The digest of the store after it.
        hash: u64,
        /// What it changes.
        changes: Vec<Change>,
    },
    /// This commit and all earlier ones are durable.
    Durable(u32),
    /// This commit failed, and the process with it.
    PersistFailed(u32),
    /// A device started.
    Started {
        /// How.
        boot: Boot,
        /// The digest of the store handed to it.
        hash: u64,
        /// The last commit of the previous incarnation that it holds; 0 for none.
        commit: u32,
        /// Every entry of that store, decoded, if `boot` is not [`Boot::Restart`].
        holds: Vec<Change>,
    },

    // Messages (node: the sender for `Sent` and `Lost`, the receiver for `Delivered`).
    /// A message was sent.
    Sent {
        /// To whom.
        to: Node,
        /// Which.
        message_id: MessageId,
        /// Bytes on the wire, about.
        size: u32,
        /// The sealed rows in it.
        rows: Box<[(RecordId, BlobId)]>,
        /// Was the token prefix found in its bytes? An account is not encrypted, all else is.
        plaintext: bool,
        /// What it says, between a device and a worker.
        server: Option<Box<Said>>,
    },
    /// A message arrived and was handled.
    Delivered {
        /// From whom.
        from: Node,
        /// Which.
        message_id: MessageId,
        /// Refused as a whole, if it is an answer and says so.
        refused: Option<Box<Refused>>,
        /// The rows refused, if it answers a save.
        rows_refused: Box<[(RecordId, Refused)]>,
    },
    /// A message will not arrive.
    Lost {
        /// To whom.
        to: Node,
        /// Which.
        message_id: MessageId,
        /// Why.
        why: Lost,
    },

    // What a remote did (node: the remote).
    /// A row was stored.
    Committed {
        /// Whose row.
        vault: VaultId,
        /// Which record.
        id: RecordId,
        /// The position in the remote's commit order, from 1, over all vaults.
        pos: u64,
        /// Its new tag.
        tag: Tag,
        /// Its bytes.
        blob: BlobId,
        /// Who saved it; [`Node::World`] for given rows.
        by: Node,
        /// What it holds, opened with the keys of the keychain; `None` if that fails.
        contents: Option<Arc<Contents>>,
        /// Was the stored tag compared?
        policy: Policy,
    },
    /// A row was removed.
    Removed {
        /// Whose row.
        vault: VaultId,
        /// Which record.
        id: RecordId,
        /// The position in the remote's commit order.
        pos: u64,
        /// Who removed it.
        by: Node,
    },
    /// A page was served.
    Served(Box<Page>),
    /// A request was refused as a whole.
    Declined(Node, CallId, Refused),

    // What the sync server did (node: the worker).
    /// An entry of a space's log was created on the volume.
    Logged {
        /// Whose space.
        space: UserId,
        /// What the worker wrote.
        entry: Arc<Commit>,
    },

    // What the world did (node: what it was done to).
    /// A fault began.
    Faulted(Fault),
    /// The fault of this step, which goes on, did something for the first time.
    Struck(plan::StepId),
    /// A fault ended.
    Ended(Fault),
    /// The faults of the plan end, but for those that last for ever; the world waits for quiescence.
    FaultsEnded,
    /// Everything has settled, or the bound has passed with this still pending.
    Settled {
        /// What is still pending.
        pending: Vec<Pending>,
    },
    /// A node lost power; commits after this one are gone.
    Killed {
        /// The last commit that survives.
        keeps: u32,
        /// Was a commit durable whose answer the device had not got?
        between: bool,
    },
    /// A panic left a machine.
    Panicked(String),

    // What the stage found on the remotes at the end (node: the remote).
    /// A row as stored at the end.
    Found {
        /// Whose row.
        vault: VaultId,
        /// Which record.
        id: RecordId,
        /// What it holds; `None` if no key of the keychain opens it.
        contents: Option<Arc<Contents>>,
        /// Its cells' values, for expectations on remotes.
        values: Vec<(FieldId, Value)>,
    },

    /// An object of a conversation was created on the volume.
    Filed {
        /// Whose space.
        space: UserId,
        /// Which object.
        name: BlobName,
        /// What it holds, opened with the keys of the keychain; `None` if that fails.
        holds: Option<Arc<Filed>>,
    },
    /// A processor has a conversation worked on (node: the processor).
    StepBegan(StepId, Arc<Talk>),
    /// The step ended, with a result that bears this label or without one.
    StepEnded(StepId, Option<Token>),

    // What became of files at the sync server (node: the worker).
    /// A node that the entry just created puts somewhere has this name.
    Named {
        /// Whose space.
        space: UserId,
        /// Which node.
        node: NodeId,
        /// Its name, opened with the keys of the keychain; `None` if that fails.
        name: Option<Arc<str>>,
    },
    /// An object with content of a file was created, replaced or deleted on the volume.
    Kept {
        /// Whose space.
        space: UserId,
        /// The object.
        key: Arc<str>,
        /// The hash of its bytes; none once it is gone.
        hash: Option<Box<Address>>,
    },
    /// A machine logged an error, and went on.
    ErrorLogged(String),
    /// The run was ended before it was over (node: the host that it hangs in, or the world).
    CutOff {
        /// What it has exceeded.
        excess: Excess,
        /// What that host was given last, a line each.
        given: Vec<String>,
    },
    /// A row as it was stored at a moment of an expectation (node: the remote). Of a row that was not there,
    /// there is no such fact.
    Looked {
        /// Whose row.
        vault: VaultId,
        /// Which record.
        id: RecordId,
        /// What it holds; `None` if no key of the keychain opens it.
        contents: Option<Arc<Contents>>,
        /// Its cells' values.
        values: Vec<(FieldId, Value)>,
    },
}

impl Fact {
    /// Does it tell of a message? Most facts do.
    pub(crate) const fn is_of_message(&self) -> bool {
        matches!(self, Self::Sent { .. } | Self::Delivered { .. } | Self::Lost { .. })
    }

    /// What a user asked.
    pub fn asked(&self) -> Option<(OpId, &Asked)> {
        if let Self::Asked(op, asked) = self { Some((*op, asked)) } else { None }
    }

    /// What a device answered.
    pub fn answered(&self) -> Option<(OpId, &Answered)> {
        if let Self::Answered(op, answered) = self { Some((*op, answered)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Fact};

    #[test]
    fn a_million_facts_are_64_megabytes() {
        assert_eq!((size_of::<Fact>(), size_of::<Entry>()), (48, 64));
    }
}
