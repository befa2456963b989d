//! What keeps a run from being settled, as values: which kind of thing, whose, and what it is about.

use engine::id::{DeviceId, RecordId, Remote};
use serde::Serialize;

use crate::plan::Node;

/// One thing that keeps a run from being settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Pending {
    /// A host does not run and has to.
    Down(Node),
    /// So many operations that a host was asked for have no answer.
    Unanswered(Node, u32),
    /// A commit of a device is not durable.
    NotDurable(DeviceId),
    /// A device lacks a key under which names or contents of files are sealed.
    FilesSealed(DeviceId),
    /// So many own writes of files on a device are in no version at the sync server.
    FilesUnsent(DeviceId, u32),
    /// A device has not read the server's feed of files to its end.
    FilesUnread(DeviceId),
    /// So many conversations have work left to be done.
    Unprocessed(u32),
    /// A device has not read a remote's feed to its end.
    Behind(DeviceId, Remote),
    /// A device has not been shown all rows of a remote, from the first one, since the faults ended.
    Unlisted(DeviceId, Remote),
    /// A device and a remote hold different states of a record.
    Differs(DeviceId, Remote, RecordId),
    /// A device has sent a remote a save that is not answered.
    Saving(DeviceId, Remote),
}
