//! The doubles of the two remotes: third parties, modelled. Never flawed, and never kinder than
//! the real thing.
//!
//! A double is sans-IO like the engine: a call and the time go in, effects come out. What its real
//! counterpart decides at random is a keyed draw of the run's nature and the call's lineage.

use engine::Bytes;
use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::remote::{Call, Ending, Return, Row, Served, Tag};
use engine::time::{Span, Time};

use crate::history::Refused;
use crate::plan::Node;

/// What a remote does.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Answers.
    Reply(Node, Return),
    /// Hints to everyone of a vault but the one who saved.
    Hint(VaultId, Node),
    /// Did something that the history records.
    Fact(RemoteFact),
}

/// What a remote did. The stage turns it into a [`Fact`](crate::history::Fact), numbering and
/// opening blobs.
#[derive(Clone, Debug)]
pub enum RemoteFact {
    /// Stored a row.
    Committed {
        /// What is stored.
        served: Served,
        /// The position in the commit order.
        pos: u64,
        /// Who saved it.
        by: Node,
        /// How.
        policy: engine::remote::Policy,
    },
    /// Removed a row.
    Removed {
        /// Whose row.
        vault: VaultId,
        /// Which record.
        id: RecordId,
        /// The position in the commit order.
        pos: u64,
        /// Who removed it.
        by: Node,
    },
    /// Served a page: see [`Fact::Served`](crate::history::Fact::Served).
    Served(Box<crate::history::Fact>),
    /// Declined a request.
    Declined(Node, engine::remote::CallId, Refused),
}

/// What happens to a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Is it out of order?
    Outage(bool),
    /// Does it turn everyone away for this long?
    Throttle(Option<Span>),
    /// Cursors handed out so far mean nothing (*zone*: tokens; *rows*: a new epoch).
    ExpireCursors,
    /// *rows*: is this row hidden from its user?
    Hide(VaultId, RecordId, bool),
    /// Is this row damaged, for everybody or for one device? `false` mends it.
    Corrupt(VaultId, RecordId, Option<DeviceId>, bool),
    /// Are saves of this row refused?
    Reject(VaultId, RecordId, bool),
    /// *zone*: ends a vault's zone.
    EndZone(VaultId, Ending),
    /// *rows*: is row-level security off?
    DropPolicy(bool),
    /// *rows*: how long some transactions take from start to commit.
    SlowCommits(Option<Span>),
    /// Credentials of this user issued until now are not accepted any more.
    Revoke(UserId),
}

/// What every double offers to the stage.
pub trait Double: std::fmt::Debug + Send {
    /// Which remote it stands for.
    fn remote(&self) -> Remote;
    /// Handles a call. `account` is the user whose account the asking device is set up with.
    fn handle(&mut self, now: Time, from: Node, account: Option<UserId>, call: &Call);
    /// Handles what happens to it.
    fn control(&mut self, now: Time, control: &Control);
    /// Its moment has come.
    fn wake(&mut self, now: Time);
    /// When to wake it.
    fn poll_wakeup(&self) -> Option<Time>;
    /// What it does; drain to `None`.
    fn poll_effect(&mut self) -> Option<Effect>;
    /// Stores a row before the start, or as if by somebody else; returns its tag.
    fn give(&mut self, now: Time, row: Row) -> Tag;
    /// A cursor at the head of this vault's feed, as a device would hold it.
    fn head(&self, vault: VaultId) -> engine::remote::Cursor;
    /// Would this cursor be served nothing?
    fn is_at_head(&self, vault: VaultId, cursor: engine::remote::Cursor) -> bool;
    /// What is stored, in order of vault and record, damaged for nobody.
    fn stored(&self) -> Vec<Served>;
}

/// A damaged copy of a blob: another object, which does not open. The name of its key stays.
pub fn damaged(blob: &Bytes) -> Bytes {
    let mut bytes = blob.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0x01;
    }
    bytes.into()
}
