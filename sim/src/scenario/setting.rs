//! The world's settings as one plan has them, and the plain ones.
//!
//! A *plain* setting is what a printed plan need not say: the plan under it has little to do with chance.

use harness::quantity::{Quantity, Range};

use super::{Choice, Parameter};
use crate::plan::Plan;
use crate::time::ToSimulated;

/// What a printed plan says of the settings that it leaves out.
pub(super) const PLAIN: &str = "plain";

/// No device pulls more often until the storm of a plan is over.
pub(super) const MOST_PULLS: u64 = 100_000;

/// What a parameter is where a printed plan says nothing.
pub(super) fn plain(parameter: Parameter) -> Range {
    parameter.unit().parse(parameter.plain()).expect("the plain values are well written")
}

/// All settings, plain.
pub(super) fn all_plain() -> Vec<Choice> {
    Parameter::ALL.iter().map(|parameter| Choice(vec![plain(*parameter)])).collect()
}

/// Can an answer of the volume come before the workers have given it up?
pub(super) fn answers_in_time(delay: i64, timeout: i64) -> bool {
    2 * delay < timeout
}

/// What a plan has set a parameter to; nothing if it is of a server that is not there.
pub(super) fn setting(plan: &Plan, parameter: Parameter) -> Option<Range> {
    let (network, timing, sign_in) = (&plan.network, &plan.timing, &plan.sign_in);
    let server = || plan.server.as_ref();
    let pipeline = || server().map(|it| &it.pipeline).filter(|it| !it.processors.is_empty());
    let volume = || server().map(|server| server.volume);
    let workers = || server().map(|server| server.timing);
    Some(match parameter {
        Parameter::Grain => of(network.grain),
        Parameter::Typical => of(network.typical),
        Parameter::P99 => of(network.p99),
        Parameter::Loss => of(network.loss),
        Parameter::Duplicates => of(network.duplicate),
        Parameter::ReplyLoss => of(network.reply_loss),
        Parameter::HintLoss => of(network.hint_loss),
        Parameter::DiskCommit => of(plan.disk.commit),
        Parameter::DiskAnswer => of(plan.disk.answer),
        Parameter::PullEvery => of(timing.pull_every.to_simulated()),
        Parameter::RelistEvery => of(timing.relist_every.to_simulated()),
        Parameter::FeedEvery => of(timing.feed_every.to_simulated()),
        Parameter::LoginPatience => of(timing.login_patience.to_simulated()),
        Parameter::Timeout => of(timing.timeout.to_simulated()),
        Parameter::RetryBase => of(timing.retry_base.to_simulated()),
        Parameter::RetryCap => of(timing.retry_cap.to_simulated()),
        Parameter::Page => Range::only(timing.page.into()),
        Parameter::Batch => Range::only(timing.batch.into()),
        Parameter::KeyDelay => of(plan.keychain),
        Parameter::SignInDelay => of(sign_in.delay),
        Parameter::Valid => of(sign_in.valid),
        Parameter::ExpiredFirst => of(sign_in.expired_first),
        Parameter::ForeignFirst => of(sign_in.foreign_first),
        Parameter::VolumeDelay => of(volume()?.delay),
        Parameter::VolumeFailure => of(volume()?.failure),
        Parameter::VolumeReplyLoss => of(volume()?.reply_loss),
        Parameter::VolumeListLag => of(volume()?.list_lag),
        Parameter::Session => of(workers()?.session.to_simulated()),
        Parameter::VolumeTimeout => of(workers()?.timeout.to_simulated()),
        Parameter::VolumeRetryBase => of(workers()?.retry_base.to_simulated()),
        Parameter::VolumeRetryCap => of(workers()?.retry_cap.to_simulated()),
        Parameter::Queue => Range::only(workers()?.queue.into()),
        Parameter::SnapshotEvery => Range::only(workers()?.snapshot_every.into()),
        Parameter::UploadLease => of(workers()?.upload.to_simulated()),
        Parameter::MoveBatch => Range::only(workers()?.batch.into()),
        Parameter::Piece => Range::only(server()?.piece.into()),
        Parameter::Poll => of(pipeline()?.timing.poll.to_simulated()),
        Parameter::Patience => of(pipeline()?.timing.patience.to_simulated()),
        Parameter::StepTakes => of(pipeline()?.step.takes),
        Parameter::StepFailure => of(pipeline()?.step.failure),
        Parameter::StepSilence => of(pipeline()?.step.silence),
    })
}

fn of(quantity: impl Quantity) -> Range {
    quantity.range()
}
