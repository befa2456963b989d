//! Which faults stand between a device and its remotes, for how long, and what they leave behind: a wait
//! that a remote named, a retry at its cap, a credential to be asked for again.

use engine::id::{DeviceId, VaultId};
use engine::message::Refusal;
use harness::time::{Span, Time};

use super::Evidence;
use crate::history::{Asked, Entry, Fact, PipeTrouble, Refused, ServerTrouble, Trouble};
use crate::plan::{Node, Parcel};
use crate::time::ToSimulated;

/// Faults that are an interval; the others are moments, and what they leave behind heals.
pub(crate) fn lasts(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Cut(..)
        | Trouble::Offline(_)
        | Trouble::SlowLink(..)
        | Trouble::LoseReplies(_)
        | Trouble::LoseHints(_)
        | Trouble::Crash(_)
        | Trouble::Pause(_)
        | Trouble::Destroy(_)
        | Trouble::DiskFull(_)
        | Trouble::DiskSlow(_)
        | Trouble::HoldKeys(_)
        | Trouble::Outage(_)
        | Trouble::Throttle(..)
        | Trouble::HideRow(..)
        | Trouble::CorruptRow(..)
        | Trouble::RejectRow(..)
        | Trouble::DropPolicy
        | Trouble::SlowCommits
        | Trouble::Server(
            ServerTrouble::Crash(_)
            | ServerTrouble::Pause(_)
            | ServerTrouble::Volume(_)
            | ServerTrouble::Restore(_),
        )
        | Trouble::Pipe(
            PipeTrouble::Crash(_)
            | PipeTrouble::Pause(_)
            | PipeTrouble::SlowStep
            | PipeTrouble::FailingStep,
        ) => true,
        Trouble::SaveImage(_)
        | Trouble::RestoreImage(_)
        | Trouble::Clone(..)
        | Trouble::ClockJump(..)
        | Trouble::ExpireCredential(_)
        | Trouble::ExpireCursors(_)
        | Trouble::EndZone(..)
        | Trouble::Server(ServerTrouble::ClockJump(..) | ServerTrouble::Intrude(_))
        | Trouble::Pipe(PipeTrouble::ClockJump(..))
        | Trouble::Intrude(..) => false,
    }
}

/// Does a fault happen to this device itself?
pub(crate) fn is_of_device(trouble: &Trouble, device: DeviceId) -> bool {
    match trouble {
        Trouble::Crash(own)
        | Trouble::Pause(own)
        | Trouble::Destroy(own)
        | Trouble::SaveImage(own)
        | Trouble::RestoreImage(own)
        | Trouble::Clone(own, _)
        | Trouble::ClockJump(own, _)
        | Trouble::DiskFull(own)
        | Trouble::DiskSlow(own)
        | Trouble::HoldKeys(own)
        | Trouble::ExpireCredential(own) => *own == device,
        Trouble::Cut(..)
        | Trouble::Offline(_)
        | Trouble::SlowLink(..)
        | Trouble::LoseReplies(_)
        | Trouble::LoseHints(_)
        | Trouble::Outage(_)
        | Trouble::Throttle(..)
        | Trouble::ExpireCursors(_)
        | Trouble::HideRow(..)
        | Trouble::CorruptRow(..)
        | Trouble::RejectRow(..)
        | Trouble::EndZone(..)
        | Trouble::DropPolicy
        | Trouble::SlowCommits
        | Trouble::Server(_)
        | Trouble::Pipe(_)
        | Trouble::Intrude(..) => false,
    }
}

/// Can a fault stand between this device and its remotes?
pub(crate) fn is_on_path(trouble: &Trouble, device: DeviceId, vault: VaultId) -> bool {
    let node = Node::Device(device);
    match trouble {
        Trouble::Cut(from, to) => *from == node || *to == node,
        Trouble::Offline(own) | Trouble::SlowLink(own, _) => *own == device,
        Trouble::HideRow(whose, _)
        | Trouble::CorruptRow(_, whose, _, _)
        | Trouble::RejectRow(_, whose, _)
        | Trouble::EndZone(whose, _) => *whose == vault,
        Trouble::LoseReplies(_)
        | Trouble::LoseHints(_)
        | Trouble::Outage(_)
        | Trouble::Throttle(..)
        | Trouble::ExpireCursors(_)
        | Trouble::DropPolicy
        | Trouble::Server(_)
        | Trouble::SlowCommits => true,
        Trouble::Crash(_)
        | Trouble::Pause(_)
        | Trouble::Destroy(_)
        | Trouble::SaveImage(_)
        | Trouble::RestoreImage(_)
        | Trouble::Clone(..)
        | Trouble::ClockJump(..)
        | Trouble::DiskFull(_)
        | Trouble::DiskSlow(_)
        | Trouble::HoldKeys(_)
        | Trouble::ExpireCredential(_) => is_of_device(trouble, device),
        Trouble::Pipe(_) | Trouble::Intrude(..) => false,
    }
}

/// What a disk and a grain of time may add to any answer.
pub(crate) const PROMPTNESS: Span = Span::from_secs(5);

/// When anything was amiss between a device and its remotes, with what that left behind.
pub(crate) fn disturbances(
    evidence: &Evidence<'_>,
    device: DeviceId,
    from: usize,
    to: usize,
) -> Vec<(Time, Time)> {
    let retry =
        (evidence.context.timing.timeout + evidence.context.timing.retry_cap).to_simulated();
    let vault = evidence.vault(device);
    let mut all = Vec::new();
    for fault in evidence.faults.iter().filter(|fault| fault.from <= to) {
        if is_on_path(&fault.kind, device, vault) {
            let named = if let Trouble::Throttle(_, after) = fault.kind {
                named(after)
            } else {
                Span::ZERO
            };
            let end = evidence.time(fault.to.unwrap_or(to));
            all.push((evidence.time(fault.from), end + named + retry));
        }
    }
    for line in evidence.disk(device).sealed.values() {
        let mut since = None;
        for (moment, entry) in line.iter() {
            match (entry, since) {
                (Some(_), None) => since = Some(evidence.time(moment)),
                (None, Some(start)) => {
                    all.push((start, evidence.time(moment) + retry));
                    since = None;
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        all.extend(since.map(|start| (start, evidence.time(to))));
    }
    for entry in &evidence.history[from..=to] {
        if let Some(left) = leaves_behind(evidence, device, entry) {
            all.push((entry.at, entry.at + left));
        }
    }
    all
}

/// For how long a message that was lost, a refusal or a login keeps a device from its remotes.
fn leaves_behind(evidence: &Evidence<'_>, device: DeviceId, entry: &Entry) -> Option<Span> {
    let timing = &evidence.context.timing;
    let retry = (timing.timeout + timing.retry_cap).to_simulated();
    let here = Node::Device(device);
    if let Fact::Lost { to, letter, .. } = &entry.fact {
        let own = entry.node == here || *to == here;
        return (own && letter.parcel != Parcel::Hint).then_some(retry);
    }
    if entry.node != here {
        return None;
    }
    if let Fact::Delivered { refused: Some(why), .. } = &entry.fact {
        let after = match &**why {
            Refused::RateLimited(after) | Refused::Unavailable(Some(after)) => named(*after),
            Refused::Server(Refusal::Busy(after)) => named(after.to_simulated()),
            Refused::Unavailable(None)
            | Refused::CursorExpired
            | Refused::ZoneNotFound(_)
            | Refused::LimitExceeded
            | Refused::NotAuthenticated
            | Refused::Changed
            | Refused::UnknownItem
            | Refused::Exists
            | Refused::NoRowMatched
            | Refused::BatchFailed
            | Refused::Rejected
            | Refused::Server(_) => retry,
        };
        return Some(after + retry);
    }
    signs_in(&entry.fact).then_some(timing.login_patience.to_simulated() + retry)
}

/// A wait that a remote named, which may be stretched by a quarter.
fn named(after: Span) -> Span {
    after + Span(after.0 / 4)
}

pub(crate) fn signs_in(fact: &Fact) -> bool {
    matches!(fact.asked(), Some((_, Asked::SignIn)))
}
