//! Moments of a plan that is being drawn.

use engine::id::{DeviceId, UserId};
use harness::random::Stream;
use harness::time::Time;

use super::{to_span, to_time};
use crate::plan::{Act, Plan, Start};

/// An operation or fault with its moment.
pub(super) type Timed = (Time, Act);

/// The devices that users use, with their start.
pub(super) fn active(plan: &Plan) -> impl Iterator<Item = (DeviceId, UserId, Time)> {
    (0..).map(DeviceId).zip(&plan.devices).filter_map(|(id, device)| match device.start {
        Start::Prepared(at) | Start::Fresh(at) => Some((id, device.user, at)),
        Start::Cloned => None,
    })
}

pub(super) fn between(stream: &mut Stream, from: Time, to: u64) -> Time {
    let low = from.0.min(to.saturating_sub(1));
    Time(low + stream.below((to - low).max(1)))
}

/// A moment near another, rather shortly after than long.
pub(super) fn shortly_after(stream: &mut Stream, at: Time, at_most: i64) -> Time {
    at + to_span(stream.magnitude(0, at_most))
}

/// A moment near another, rather shortly before than long.
pub(super) fn shortly_before(stream: &mut Stream, at: Time, at_most: i64) -> Time {
    let before = to_span(stream.magnitude(0, at_most));
    to_time(i64::try_from(at.0.saturating_sub(before.0)).unwrap_or(i64::MAX))
}
