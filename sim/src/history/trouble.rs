//! What went wrong, as the history has it.

use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::remote::Ending;
use harness::time::Span;
use serde::Serialize;

use super::{PipeTrouble, ServerTrouble};
use crate::plan::Node;

/// A fault as it appears in the history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Trouble {
    /// One direction of a link is cut.
    Cut(Node, Node),
    /// A device is offline.
    Offline(DeviceId),
    /// A link is slow.
    SlowLink(DeviceId, Remote),
    /// Replies are lost.
    LoseReplies(Remote),
    /// Hints are lost.
    LoseHints(Remote),
    /// A device is down.
    Crash(DeviceId),
    /// A device stands still.
    Pause(DeviceId),
    /// A device is gone for ever.
    Destroy(DeviceId),
    /// A backup was made.
    SaveImage(DeviceId),
    /// A device was set back.
    RestoreImage(DeviceId),
    /// A device was cloned: from, to.
    Clone(DeviceId, DeviceId),
    /// A clock jumped.
    ClockJump(DeviceId, i64),
    /// A disk is full.
    DiskFull(DeviceId),
    /// A disk is slow.
    DiskSlow(DeviceId),
    /// Keys are held back.
    HoldKeys(DeviceId),
    /// A credential was revoked.
    ExpireCredential(DeviceId),
    /// A remote is out of order.
    Outage(Remote),
    /// A remote throttles.
    Throttle(Remote, Span),
    /// Cursors expired.
    ExpireCursors(Remote),
    /// A row is hidden.
    HideRow(VaultId, RecordId),
    /// A row is damaged, for all or for one device.
    CorruptRow(Remote, VaultId, RecordId, Option<DeviceId>),
    /// A row is refused.
    RejectRow(Remote, VaultId, RecordId),
    /// A zone ended.
    EndZone(VaultId, Ending),
    /// Row-level security is off.
    DropPolicy,
    /// Commits are slow.
    SlowCommits,
    /// An intruder asked for a user's rows.
    Intrude(Remote, UserId),
    /// Something befell the sync server.
    Server(ServerTrouble),
    /// Something befell processors, or their step.
    Pipe(PipeTrouble),
}
