//! What a fault does to whom, as values that the world carries out in one place.

use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::remote::Ending;
use harness::time::Span;
use serde::{Deserialize, Serialize};

use super::Age;
use crate::host::Node;

/// Something that the world does when a fault begins or ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A host loses power, and starts again after the time that the fault lasts.
    Crash(Node),
    /// A device that runs is started again at once.
    Restart(DeviceId),
    /// A host stands still, and goes on after the time that the fault lasts.
    Pause(Node),
    /// A device is gone for ever.
    Destroy(DeviceId),
    /// A backup of a device's disk is made.
    SaveImage(DeviceId),
    /// A device is set back to its backup, and starts after the time that the fault lasts.
    RestoreImage(DeviceId),
    /// A device's disk is copied to another device, which starts.
    CopyDisk(DeviceId, DeviceId),
    /// A wall clock jumps by this many milliseconds.
    JumpClock(Node, i64),
    /// The credential of a device is no longer accepted.
    Revoke(DeviceId),
    /// The keys that were held back are sent to a device.
    SendKeys(DeviceId),
    /// An intruder asks a remote for a user's rows.
    Intrude(Remote, UserId),
    /// An intruder asks the sync server for what belongs to a user.
    IntrudeServer(UserId),
    /// The volume is set back by so long, and the workers start after the time that the fault lasts.
    RestoreVolume(Age),
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
    /// Every row becomes what it was so long ago. Cursors handed out so far mean nothing.
    Restore(Age),
    /// *rows*: is this row hidden from its user?
    Hide(VaultId, RecordId, bool),
    /// Is this row damaged, for everybody or for one device? `false` mends it.
    Corrupt(VaultId, RecordId, Option<DeviceId>, bool),
    /// Is the object of another row served in the place of this row's?
    Swap(VaultId, RecordId, RecordId, bool),
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

impl Control {
    /// Is it done once, when it begins? A row that was stored again after it was damaged stays intact,
    /// also while another fault of this kind goes on.
    pub(crate) fn is_done_once(&self) -> bool {
        self.damages().is_some()
    }

    /// The row that it hides, damages or refuses.
    pub(crate) fn row(&self) -> Option<(VaultId, RecordId)> {
        if let Self::Hide(vault, id, _) | Self::Reject(vault, id, _) = *self {
            return Some((vault, id));
        }
        self.damages()
    }

    /// The row of which another object is served than the stored one.
    pub(crate) fn damages(&self) -> Option<(VaultId, RecordId)> {
        if let Self::Corrupt(vault, id, ..) | Self::Swap(vault, id, ..) = *self {
            Some((vault, id))
        } else {
            None
        }
    }
}

/// What has to be so for a fault to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Need {
    /// The host runs.
    Up(Node),
    /// The host runs and does not stand still.
    Awake(Node),
    /// The device is not gone.
    Exists(DeviceId),
    /// The device has a disk that is in nobody's hands but its own.
    HasDisk(DeviceId),
    /// A backup of the device was made.
    HasImage(DeviceId),
    /// The device was not made yet, and belongs to the user of the other one.
    CanBeCopyOf(DeviceId, DeviceId),
    /// There is such a remote.
    Remote(Remote),
    /// There is a sync server.
    Server,
    /// There are processors.
    Processors,
}

/// Whom a fault can keep from getting on, as judges see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No device.
    Nobody,
    /// A device itself.
    Device(DeviceId),
    /// What goes over the link between these hosts.
    Link(Node, Node),
    /// All devices of a user.
    User(UserId),
    /// Every device.
    Everybody,
}

impl Reach {
    /// Can the fault be the reason why something of this device was refused or late?
    pub(crate) fn includes(self, device: DeviceId, user: UserId) -> bool {
        match self {
            Self::Nobody => false,
            Self::Device(own) => own == device,
            Self::Link(from, to) => [from, to].contains(&Node::Device(device)),
            Self::User(whose) => whose == user,
            Self::Everybody => true,
        }
    }
}

/// What a fault takes away, or keeps for later, beside being in the way: judges excuse what was lost
/// with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All that a device holds.
    Device(DeviceId),
    /// Nothing; what the first device holds durably is what the second may start with later.
    Image(DeviceId, DeviceId),
    /// All rows of a user in the *zone*.
    Zone(UserId),
}
