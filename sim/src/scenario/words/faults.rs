//! The faults of a plan as the verbs that begin them, and how long each lasts.

use harness::time::Span;

use super::Verb;
use crate::plan::{Fault, Lasting, PipeFault, ServerFault, VolumeFault};

impl Verb {
    /// The verb of a fault. Coverage counts faults under its name.
    pub const fn of_fault(fault: &Fault) -> Self {
        match fault {
            Fault::Cut(..) => Self::Cut,
            Fault::Offline(..) => Self::GoOffline,
            Fault::SlowLink(..) => Self::SlowLink,
            Fault::LoseReplies(..) => Self::LoseReplies,
            Fault::LoseHints(..) => Self::LoseHints,
            Fault::Crash(..) => Self::Crash,
            Fault::Pause(..) => Self::Pause,
            Fault::Destroy(..) => Self::Destroy,
            Fault::SaveImage(..) => Self::SaveImage,
            Fault::RestoreImage(..) => Self::RestoreImage,
            Fault::Clone(..) => Self::Clone,
            Fault::ClockJump(..) => Self::ClockJump,
            Fault::DiskFull(..) => Self::FillDisk,
            Fault::DiskSlow(..) => Self::SlowDisk,
            Fault::HoldKeys(..) => Self::HoldKeys,
            Fault::ExpireCredential(..) => Self::ExpireCredential,
            Fault::Outage(..) => Self::Outage,
            Fault::Throttle(..) => Self::Throttle,
            Fault::ExpireCursors(..) => Self::ExpireCursors,
            Fault::HideRow(..) => Self::HideRow,
            Fault::CorruptRow(..) => Self::BreakDecryption,
            Fault::RejectRow(..) => Self::RejectRow,
            Fault::EndZone(..) => Self::EndZone,
            Fault::DropPolicy(..) => Self::DropPolicy,
            Fault::SlowCommits(..) => Self::SlowCommits,
            Fault::Intrude(..) => Self::Intrude,
            Fault::Server(fault) => match fault {
                ServerFault::Crash(..) => Self::CrashWorker,
                ServerFault::Pause(..) => Self::PauseWorker,
                ServerFault::ClockJump(..) => Self::WorkerClockJump,
                ServerFault::Volume(VolumeFault::Outage, _) => Self::VolumeOutage,
                ServerFault::Volume(VolumeFault::Slow(_), _) => Self::SlowVolume,
                ServerFault::Volume(VolumeFault::LoseReplies, _) => Self::LoseVolumeReplies,
                ServerFault::Volume(VolumeFault::LateList(_), _) => Self::LateLists,
                ServerFault::Restore(..) => Self::RestoreVolume,
                ServerFault::Intrude(_) => Self::IntrudeServer,
            },
            Fault::Pipe(fault) => match fault {
                PipeFault::Crash(..) => Self::CrashProcessor,
                PipeFault::Pause(..) => Self::PauseProcessor,
                PipeFault::ClockJump(..) => Self::ProcessorClockJump,
                PipeFault::SlowStep(..) => Self::SlowAi,
                PipeFault::FailingStep(_) => Self::FailingAi,
            },
        }
    }
}

/// How long a fault lasts, where it can end.
pub(in crate::scenario) fn lasting(fault: &mut Fault) -> Option<&mut Lasting> {
    match fault {
        Fault::Cut(_, _, lasting)
        | Fault::Offline(_, lasting)
        | Fault::SlowLink(_, _, _, lasting)
        | Fault::LoseReplies(_, lasting)
        | Fault::LoseHints(_, lasting)
        | Fault::DiskFull(_, lasting)
        | Fault::DiskSlow(_, _, lasting)
        | Fault::HoldKeys(_, lasting)
        | Fault::Outage(_, lasting)
        | Fault::Throttle(_, _, lasting)
        | Fault::HideRow(_, _, lasting)
        | Fault::CorruptRow(_, _, _, _, lasting)
        | Fault::RejectRow(_, _, _, lasting)
        | Fault::DropPolicy(lasting)
        | Fault::SlowCommits(_, lasting)
        | Fault::Server(ServerFault::Volume(_, lasting))
        | Fault::Pipe(PipeFault::SlowStep(_, lasting) | PipeFault::FailingStep(lasting)) => {
            Some(lasting)
        }
        Fault::Server(
            ServerFault::Crash(..)
            | ServerFault::Pause(..)
            | ServerFault::ClockJump(..)
            | ServerFault::Restore(..)
            | ServerFault::Intrude(_),
        )
        | Fault::Pipe(PipeFault::Crash(..) | PipeFault::Pause(..) | PipeFault::ClockJump(..))
        | Fault::Crash(..)
        | Fault::Pause(..)
        | Fault::Destroy(..)
        | Fault::SaveImage(..)
        | Fault::RestoreImage(..)
        | Fault::Clone(..)
        | Fault::ClockJump(..)
        | Fault::ExpireCredential(..)
        | Fault::ExpireCursors(..)
        | Fault::EndZone(..)
        | Fault::Intrude(..) => None,
    }
}

/// After what a machine is back, where a fault stops it.
pub(in crate::scenario) fn back_after(fault: &mut Fault) -> Option<&mut Span> {
    if let Fault::Crash(_, back, _)
    | Fault::Pause(_, back)
    | Fault::RestoreImage(_, back)
    | Fault::Server(
        ServerFault::Crash(_, back, _)
        | ServerFault::Pause(_, back)
        | ServerFault::Restore(_, back),
    )
    | Fault::Pipe(PipeFault::Crash(_, back, _) | PipeFault::Pause(_, back)) = fault
    {
        return Some(back);
    }
    None
}

/// Sets how long a fault lasts, or after what a machine is back.
pub(in crate::scenario) fn last_for(fault: &mut Fault, span: Span) {
    if let Some(back) = back_after(fault) {
        *back = span;
    } else if let Some(lasting) = lasting(fault) {
        *lasting = Lasting::For(span);
    }
}
