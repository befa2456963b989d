//! Which faults stand between a device and its remotes, for how long, and what they leave behind: a wait
//! that a remote named, a retry at its cap, a credential to be asked for again.

use engine::id::DeviceId;
use engine::message::Refusal;
use harness::time::{Span, Time};

use super::Evidence;
use super::keys::has_a_key;
use crate::history::{Asked, Entry, Fact, Fault, Refused};
use crate::plan::{MessageKind, Node};
use crate::time::ToSimulated;

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
    let user = evidence.user(device);
    // Keys that are held back are not in the way of a device that has one, but for what stays sealed.
    let has_keys = || [from, to].iter().all(|at| has_a_key(evidence, device, *at));
    let is_harmless = |fault: &Fault| matches!(fault, Fault::HoldKeys(_)) && has_keys();
    let mut all = Vec::new();
    for fault in evidence.faults.iter().filter(|fault| fault.from <= to) {
        if fault.kind.reaches(device, user) && !is_harmless(&fault.kind) {
            let named =
                if let Fault::Throttle(it) = fault.kind { named(it.wait.0) } else { Span::ZERO };
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
    if let Fact::Lost { to, message_id, .. } = &entry.fact {
        let own = entry.node == here || *to == here;
        return (own && message_id.message_kind != MessageKind::Hint).then_some(retry);
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
