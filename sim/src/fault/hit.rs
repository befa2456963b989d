//! What an active fault did to something. A fault that nothing meets strikes nothing: a cut link without
//! traffic, a key that is held back from a device that gets none, a damaged row that nobody reads.

use engine::id::{DeviceId, RecordId, Remote, VaultId};

use crate::host::Node;

/// What an active fault did to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hit {
    /// The fault itself happened, and that is all that it does.
    Happened,
    /// A message from one host to another was lost on a link that is cut.
    MessageLost(Node, Node),
    /// A message from one host to another was sent.
    MessageSent(Node, Node),
    /// An answer of a remote was lost.
    AnswerLost(Remote),
    /// A hint of a remote was lost.
    HintLost(Remote),
    /// A commit of a device failed.
    CommitFailed(DeviceId),
    /// A device made a commit.
    CommitMade(DeviceId),
    /// A new key did not reach a device.
    KeyHeld(DeviceId),
    /// Something reached a host that stood still.
    Stalled(Node),
    /// A remote that is out of order answered no request.
    Unavailable(Remote),
    /// A remote asked for a request to come later.
    Throttled(Remote),
    /// A remote did not accept a cursor.
    CursorRefused(Remote),
    /// A credential of a device was not accepted.
    CredentialRefused(DeviceId),
    /// A row of a user was left out of what was asked for, or was not found.
    RowHidden(VaultId, RecordId),
    /// Another object than the stored one was served as this row of a user.
    RowDamaged(Remote, VaultId, RecordId),
    /// A save of this row of a user was refused.
    RowRefused(Remote, VaultId, RecordId),
    /// The zone of a user ended.
    ZoneEnded(VaultId),
    /// A row of a remote became what it had been.
    RemoteSetBack(Remote),
    /// A request was served that row-level security would have refused.
    PolicyMissed,
    /// A transaction took long.
    TransactionSlowed,
    /// The volume did not do what a worker asked.
    VolumeFailed,
    /// A request of a worker to the volume took longer.
    VolumeSlowed,
    /// An answer of the volume was lost.
    VolumeAnswerLost,
    /// A list of the volume lacked what was there.
    ListLagged,
    /// An object of the volume became what it was.
    VolumeSetBack,
    /// A processor had a conversation worked on.
    StepBegan,
    /// The AI step ended without a result.
    StepFailed,
}
