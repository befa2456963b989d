//! The hosts of a run by name: devices, remotes, workers, processors, and what stands around them.
//!
//! Every module of the simulator names hosts. This one is below all of them and knows none.

use engine::id::{DeviceId, Remote};
use serde::{Deserialize, Serialize};

/// A simulated machine, or the world around them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Node {
    /// The world around the machines: power, cables, the operator.
    World,
    /// The device of this index in [`Plan::devices`](crate::plan::Plan::devices).
    Device(DeviceId),
    /// A remote.
    Remote(Remote),
    /// The worker of this index in [`ServerPlan::workers`](crate::plan::ServerPlan::workers).
    Worker(WorkerId),
    /// The storage that the workers share.
    Volume,
    /// An outsider, who is no user (a fault).
    Intruder,
    /// The processor of this index in
    /// [`PipelinePlan::processors`](crate::plan::PipelinePlan::processors).
    Processor(ProcessorId),
}

impl Node {
    /// The device, if it is one.
    pub fn device(self) -> Option<DeviceId> {
        if let Self::Device(device) = self { Some(device) } else { None }
    }

    /// The remote, if it is one.
    pub fn remote(self) -> Option<Remote> {
        if let Self::Remote(remote) = self { Some(remote) } else { None }
    }

    /// The node as a word of a lineage: each has its own.
    pub fn lineage(self) -> u64 {
        match self {
            Self::World => 0,
            Self::Device(device) => 1 << 32 | u64::from(device.0),
            Self::Remote(remote) => 2 << 32 | remote.index() as u64,
            Self::Intruder => 3 << 32,
            Self::Worker(worker) => 4 << 32 | u64::from(worker.0),
            Self::Volume => 5 << 32,
            Self::Processor(processor) => 6 << 32 | u64::from(processor.0),
        }
    }
}

/// One API worker of the sync server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId(pub u16);

/// One processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessorId(pub u16);

impl From<DeviceId> for Node {
    fn from(device: DeviceId) -> Self {
        Self::Device(device)
    }
}

impl From<Remote> for Node {
    fn from(remote: Remote) -> Self {
        Self::Remote(remote)
    }
}

impl From<WorkerId> for Node {
    fn from(worker: WorkerId) -> Self {
        Self::Worker(worker)
    }
}

impl From<ProcessorId> for Node {
    fn from(processor: ProcessorId) -> Self {
        Self::Processor(processor)
    }
}
