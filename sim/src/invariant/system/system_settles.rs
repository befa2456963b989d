//! INV-21 `system-settles`: after the faults end everything settles within the bound, and retries
//! back off on the way.
//!
//! A request that failed is sent again no sooner than half of its full wait, which doubles from
//! `retry_base` to `retry_cap`, and not long after all of it; and a remote, or a server, that asked
//! to be left alone is. A request is known to have failed when the refusal is delivered, or at the
//! timeout. An expired credential or cursor, a batch too large and a lost zone are not failures in
//! this sense: what follows is another request.

use engine::id::{DeviceId, Remote};
use engine::message::Refusal;
use engine::remote::CallId;
use harness::time::{Span, Time};

use crate::history::table::Table;
use crate::history::{Answered, Asked, Fact, MessageId, Pending, Refused};
use crate::invariant::Invariant::SystemSettles;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording;
use crate::plan::Node;
use crate::time::ToSimulated;

/// A device sends again at once when its wait is over; only its own disk can hold that up.
const PROMPTNESS: Span = Span::from_secs(5);

/// A commit may hold a request back a little after its deadline began to run.
const HELD_BACK: Span = Span::from_millis(50);

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut lines: Vec<[Exchange; 3]> = Vec::new();
    lines.resize_with(evidence.context.devices.len(), Default::default);
    for (at, entry) in evidence.history.iter().enumerate() {
        if let Fact::Settled { pending } = &entry.fact {
            is_settled(evidence, findings, at, pending);
        }
        let Node::Device(device) = entry.node else { continue };
        let lines = &mut lines[usize::from(device.0)];
        if let Fact::Sent { to, message_id, .. } = &entry.fact
            && let Some(peer) = peer(*to)
        {
            lines[peer].sent(evidence, findings, at, device, *message_id);
        } else if let Fact::Delivered { from, message_id, refused, .. } = &entry.fact
            && message_id.answer
            && let Some(peer) = peer(*from)
        {
            lines[peer].answered(evidence, at, *message_id, refused.as_deref().copied());
        } else if begins_anew(&entry.fact) {
            *lines = Default::default();
        }
    }
}

fn is_settled(evidence: &Evidence<'_>, findings: &mut Findings, at: usize, pending: &[Pending]) {
    let Some(first) = pending.first() else { return };
    let more = match pending.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let first = wording::pending(*first, |host| evidence.name(host));
    let message = format!("Not settled within the bound: {first}{more}.");
    findings.report(evidence, (SystemSettles, "pending"), at, About::default(), message, []);
}

/// Does a device forget what it had asked for?
fn begins_anew(fact: &Fact) -> bool {
    matches!(fact, Fact::Started { .. })
        || matches!(fact.asked(), Some((_, Asked::SignIn | Asked::SignOut)))
        || matches!(fact.answered(), Some((_, Answered::SignedOut)))
}

/// Whom a device asks, numbered: a remote, or the server, whose workers are all one to it.
fn peer(node: Node) -> Option<usize> {
    match node {
        Node::Remote(remote) => Some(remote.index()),
        Node::Worker(_) => Some(Remote::ALL.len()),
        Node::World | Node::Device(_) | Node::Processor(_) | Node::Volume | Node::Intruder => None,
    }
}

/// The conversation of a device with a remote or the server.
#[derive(Debug, Default)]
struct Exchange {
    tries: Table<CallId, Attempt>,
    /// Until when the other wants to be left alone, and where it said so.
    rest: Option<(Time, usize)>,
    /// The latest time that any answer named, also a late one to a request that is over.
    named: Time,
}

/// The latest try of a request.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    attempt: u16,
    sent: usize,
    /// When it was first and last known to have failed.
    failed: Option<(usize, usize)>,
    asked_to_wait: bool,
    /// Has the request been answered?
    closed: bool,
}

impl Exchange {
    fn answered(
        &mut self,
        evidence: &Evidence<'_>,
        at: usize,
        message_id: MessageId,
        refused: Option<Refused>,
    ) {
        let must_wait = match refused {
            Some(Refused::RateLimited(after)) => Some(after),
            Some(Refused::Server(Refusal::Busy(after))) => Some(after.to_simulated()),
            Some(_) | None => None,
        };
        if let Some(after) = must_wait {
            self.named = self.named.max(evidence.time(at) + after);
        }
        let Some(last) = self.tries.get_mut(message_id.call) else { return };
        if last.closed {
            return;
        }
        let after = match refused {
            Some(Refused::RateLimited(after)) => Some(after),
            Some(Refused::Server(Refusal::Busy(after))) => Some(after.to_simulated()),
            Some(Refused::Unavailable(after)) => after,
            Some(
                Refused::CursorExpired
                | Refused::ZoneNotFound(_)
                | Refused::LimitExceeded
                | Refused::NotAuthenticated
                | Refused::Changed
                | Refused::UnknownItem
                | Refused::Exists
                | Refused::NoRowMatched
                | Refused::BatchFailed
                | Refused::Rejected
                | Refused::Server(_),
            )
            | None => {
                last.closed = true;
                return;
            }
        };
        let first = last.failed.map_or(at, |failed| failed.0);
        last.failed = Some((first, at));
        if let Some(after) = after {
            last.asked_to_wait = true;
            self.rest = self.rest.max(Some((evidence.time(at) + after, at)));
        }
    }

    fn sent(
        &mut self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        at: usize,
        device: DeviceId,
        message_id: MessageId,
    ) {
        let now = evidence.time(at);
        if let Some((until, said)) = self.rest.filter(|rest| rest.0 > now) {
            let message = format!(
                "{} sent a {} request {} before the retry time that the other side had named.",
                evidence.device_name(device),
                message_id.message_kind,
                until - now
            );
            let place = (SystemSettles, "retry-after-ignored");
            findings.report(evidence, place, at, About::default(), message, [said]);
        }
        let attempt = message_id.attempt;
        let new = Attempt { attempt, sent: at, failed: None, asked_to_wait: false, closed: false };
        let Some(last) = self.tries.get_mut(message_id.call) else {
            return self.tries.insert(message_id.call, new);
        };
        if last.attempt < attempt {
            last.check(evidence, findings, at, device, self.named);
        }
        *last = Attempt { closed: last.closed, ..new };
    }
}

impl Attempt {
    fn check(
        &self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        at: usize,
        device: DeviceId,
        named: Time,
    ) {
        let timing = &evidence.context.timing;
        let now = evidence.time(at);
        let timed_out = evidence.time(self.sent) + timing.timeout.to_simulated();
        let (first, last) = match self.failed {
            Some((first, last)) => (timed_out.min(evidence.time(first)), evidence.time(last)),
            None => (timed_out, timed_out),
        };
        let doubled = 1u64.checked_shl(self.attempt.into()).unwrap_or(u64::MAX);
        let full = timing.retry_base.0.saturating_mul(doubled).min(timing.retry_cap.0);
        let with = [Some(self.sent), self.failed.map(|failed| failed.0)].into_iter().flatten();
        if (now - first) + HELD_BACK < Span(full / 2) {
            let message = format!(
                "{} retried after {}, sooner than half of its back-off of {}.",
                evidence.device_name(device),
                now - first,
                Span(full)
            );
            let place = (SystemSettles, "retry-too-soon");
            findings.report(evidence, place, at, About::default(), message, with);
        } else if (now - last.max(named.min(now))) > Span(full.saturating_mul(2)) + PROMPTNESS
            && !self.asked_to_wait
            && !evidence
                .faults
                .iter()
                .any(|fault| fault.kind.is_of(device) && fault.overlaps(self.sent, at))
        {
            let message = format!(
                "{} retried only after {}, long after its back-off of {}.",
                evidence.device_name(device),
                now - last,
                Span(full)
            );
            let place = (SystemSettles, "retry-too-late");
            findings.report(evidence, place, at, About::default(), message, with);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Remote;
    use harness::time::Span;

    use crate::history::{Fact, Pending, Refused};
    use crate::invariant::case::{Case, MEAL, PHONE};
    use crate::plan::Node;

    /// Something is still unsent when the bound has passed.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        let pending = vec![Pending::Differs(PHONE, Remote::Zone, MEAL)];
        case.fact(Node::World, Fact::Settled { pending });
        case
    }

    #[test]
    fn what_is_pending_at_the_bound_is_named() {
        let message =
            "Not settled within the bound: phone and zone hold different states of meal/1.";
        assert_eq!(broken().violations()[0].message, message);
    }

    #[test]
    fn a_retry_at_a_fixed_interval_is_rejected() {
        let mut case = Case::new();
        for attempt in 0..3 {
            case.phone().at(Remote::Rows).sends_try(attempt);
            case.wait(35_000);
        }
        assert_eq!(case.violations()[0].site, "retry-too-late");
    }

    #[test]
    fn a_retry_at_once_is_rejected() {
        let mut case = Case::new();
        let message_id = case.phone().at(Remote::Rows).sends_try(0);
        case.phone().at(Remote::Rows).refuses(message_id, Refused::Unavailable(None));
        case.phone().at(Remote::Rows).sends_try(1);
        assert_eq!(case.violations()[0].site, "retry-too-soon");
    }

    #[test]
    fn a_remote_that_asks_to_be_left_alone_is() {
        let mut case = Case::new();
        let message_id = case.phone().at(Remote::Rows).sends_try(0);
        let after = Span::from_secs(9);
        case.phone().at(Remote::Rows).refuses(message_id, Refused::RateLimited(after));
        case.wait(8_900);
        case.phone().at(Remote::Rows).sends_try(1);
        assert_eq!(case.violations()[0].site, "retry-after-ignored");
    }

    #[test]
    fn waits_that_double_are_right() {
        let mut case = Case::new();
        for attempt in 0..7 {
            case.phone().at(Remote::Rows).sends_try(attempt);
            case.wait(5_000 + 700 * 2u64.pow(u32::from(attempt)));
        }
        case.passes();
    }
}
