//! What surrounds devices: links, disks and the sign-in service, in spans and chances.

use harness::random::Chance;
use harness::time::{Span, SpanRange};

/// The links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Arrivals are rounded up to multiples of this, so that events collide. At least 1 ms.
    pub grain: Span,
    /// The longest time that half of all messages take.
    pub typical: Span,
    /// The longest time that 99 of 100 messages take.
    pub p99: Span,
    /// A message is lost.
    pub loss: Chance,
    /// A message arrives twice.
    pub duplicate: Chance,
    /// A remote's answer is lost after its request took effect.
    pub reply_loss: Chance,
    /// A hint is lost.
    pub hint_loss: Chance,
}

/// The disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// How long a synced commit takes to become durable.
    pub commit: SpanRange,
    /// How long after that the device learns of it; at least 1 ms, and a crash fits in between.
    pub answer: SpanRange,
}

/// The sign-in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// How long it takes to issue a credential.
    pub delay: SpanRange,
    /// How long a credential is valid.
    pub valid: Span,
    /// First hands out an expired credential.
    pub expired_first: Chance,
    /// First hands out a credential of another user.
    pub foreign_first: Chance,
}
