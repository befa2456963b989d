//! The sync server of a plan: its workers, and the storage that they share.

use engine::worker;
use harness::random::Chance;
use harness::time::{Span, SpanRange};

use super::PipelinePlan;

/// The sync server: workers behind one address, on one volume.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPlan {
    /// The workers, by [`WorkerId`]; at least one. Each try of a request goes to any of them.
    pub workers: Vec<WorkerPlan>,
    /// How patient they are.
    pub timing: worker::Timing,
    /// Devices bring content in pieces of that number of bytes.
    pub piece: u32,
    /// The storage that they share.
    pub volume: VolumePlan,
    /// Conversations, and those who work on them.
    pub pipeline: PipelinePlan,
}

/// One worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerPlan {
    /// What people call it.
    pub name: String,
    /// How far its wall clock is off at the start, in milliseconds.
    pub clock_offset_ms: i64,
    /// How fast its wall clock runs away, in parts per million.
    pub clock_drift_ppm: i32,
}

/// The volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumePlan {
    /// How long a request takes to the volume, and again its answer.
    pub delay: SpanRange,
    /// A request fails without an effect.
    pub failure: Chance,
    /// An answer is lost after the effect.
    pub reply_loss: Chance,
    /// A list shows an object only so long after its creation.
    pub list_lag: Span,
}
