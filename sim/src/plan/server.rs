//! The sync server of a plan: its workers, the storage that they share, and what happens to them.

use engine::id::UserId;
use engine::worker;
use harness::random::Chance;
use harness::time::{Span, SpanRange};

use super::{Lasting, PipelinePlan, WorkerId};

/// The sync server: workers behind one address, on one volume.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPlan {
    /// The workers, by [`WorkerId`]; at least one. Each try of a request goes to any of them.
    pub workers: Vec<WorkerPlan>,
    /// How patient they are.
    pub timing: worker::Timing,
    /// Devices bring content in pieces of so many bytes.
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

/// What happens to the sync server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerFault {
    /// A worker loses power, once it has done so many things more, and starts again after a while.
    Crash(WorkerId, Span, u16),
    /// A worker stands still and goes on after a while as if nothing had happened.
    Pause(WorkerId, Span),
    /// A worker's wall clock jumps by so many milliseconds.
    ClockJump(WorkerId, i64),
    /// The volume fares badly.
    Volume(VolumeFault, Lasting),
    /// The operator stops all workers, sets the volume back to what it was so long ago, and starts
    /// the workers again after a while.
    Restore(Span, Span),
    /// Somebody with an account of their own asks for another user's.
    Intrude(UserId),
}

/// How a volume fares badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum VolumeFault {
    /// It answers nothing but that it failed.
    Outage,
    /// It takes so many times as long.
    Slow(u16),
    /// Its answers are lost after their requests took effect.
    LoseReplies,
    /// Its lists lack what was created within this time.
    LateList(Span),
}
