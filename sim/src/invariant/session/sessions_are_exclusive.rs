//! INV-12 `sessions-are-exclusive`: a session lease has at most one holder, a replica, until it is
//! ended or expires; and it blocks no other device.
//!
//! A session may be taken over once any worker's clock can have shown its end: which clock granted
//! it, and which judges that it is over, is not the owner's concern. A client that is refused as busy
//! contends with another owner's live session of that very device, a full queue, or others who have
//! all work, at some moment since the request arrived. A worker that stood still answers much later,
//! also to a life that is over.
//!
//! Sources: Gray and Cheriton, *Leases*, 1989.

use std::collections::BTreeMap;

use engine::device::Reason;
use engine::job::Job;
use engine::log::Session;
use engine::message::{Client, DeviceKey, Fence};

use crate::history::{Answered, Wants};
use crate::invariant::Invariant::SessionsAreExclusive;
use crate::invariant::evidence::clocks::Clocks;
use crate::invariant::evidence::server::{BusyAnswer, LogEffect, SentRequest, Space};
use crate::invariant::evidence::work::item_of;
use crate::invariant::evidence::{Evidence, Timeline};
use crate::invariant::findings::{About, Findings};
use crate::plan::{MessageKind, Node};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(plan) = &evidence.context.server else { return };
    let clocks = Clocks::of(evidence, plan);
    for (_, space) in evidence.epochs.spaces() {
        grants(evidence, findings, &clocks, space);
    }
    keys_are_the_devices_own(evidence, findings);
    only_owners_end_sessions(evidence, findings);
    for refusal in &evidence.server.busy_answers {
        if refusal.waiting < u32::from(plan.timing.queue) {
            names_a_live_holder(evidence, findings, &clocks, refusal);
        }
    }
    status_can_be_told(evidence, findings);
}

/// A status request about a session does not fail.
fn status_can_be_told(evidence: &Evidence<'_>, findings: &mut Findings) {
    for request in evidence.server.session_status() {
        let Some((at, Answered::Refused(Reason::Internal))) = request.answer else { continue };
        let message = format!(
            "{}: the status request for its session failed with an internal error.",
            evidence.device_name(request.device)
        );
        let place = (SessionsAreExclusive, "status-failed");
        findings.report(evidence, place, at, About::default(), message, [request.asked]);
    }
}

/// A grant to another owner waits for the end of the session; a newer one has a larger fence. Only
/// two lives of one replica, whose requests met in one commit, may have the same.
fn grants(evidence: &Evidence<'_>, findings: &mut Findings, clocks: &Clocks<'_>, space: &Space) {
    let mut held: BTreeMap<DeviceKey, (usize, Session)> = BTreeMap::new();
    let mut newest: BTreeMap<DeviceKey, (usize, Session)> = BTreeMap::new();
    for effect in &space.effects {
        let LogEffect::Session { at, key, session } = effect else { continue };
        let Some(next) = session else {
            held.remove(key);
            continue;
        };
        let mut report = |site, message: String, with: usize| {
            let place = (SessionsAreExclusive, site);
            findings.report(evidence, place, *at, About::default(), message, [with]);
        };
        let is_same = |old: &Session| old.client == next.client && old.fence == next.fence;
        let is_other = |old: &Session| old.client.replica != next.client.replica;
        let before = held.insert(*key, (*at, *next)).filter(|(_, old)| !is_same(old));
        if let Some((since, old)) = before
            && is_other(&old)
            && !clocks.may_be_over(old.until, since, *at)
        {
            let message = format!(
                "{} was granted while {} was held, until {} by the clock of a worker.",
                session_name(evidence, next),
                session_name(evidence, &old),
                old.until
            );
            report("granted-twice", message, since);
        }
        let newest = newest.entry(*key).or_insert((*at, *next));
        let (since, old) = std::mem::replace(newest, (*at, *next));
        let is_older = next.fence < old.fence
            || next.fence == old.fence && !is_same(&old) && (since != *at || is_other(&old));
        if is_older {
            let message = format!(
                "{} was granted after {}, whose fencing token is not older.",
                session_name(evidence, next),
                session_name(evidence, &old)
            );
            report("old-fence", message, since);
        }
    }
}

/// A session, as in `session 14 of phone`: its fencing token and its holder.
fn session_name(evidence: &Evidence<'_>, session: &Session) -> String {
    format!("session {} of {}", session.fence.0.seq, evidence.client_name(session.client))
}

/// A session is granted under the key that its device names.
fn keys_are_the_devices_own(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut keys: BTreeMap<Client, DeviceKey> = BTreeMap::new();
    for ask in evidence.server.sent.values().flatten() {
        keys.insert(ask.client, ask.device);
    }
    for (_, space) in evidence.epochs.spaces() {
        for effect in &space.effects {
            let LogEffect::Session { at, key, session: Some(session), .. } = effect else {
                continue;
            };
            if keys.get(&session.client).is_some_and(|own| own != key) {
                let message = format!(
                    "{} was granted under the key of another device.",
                    session_name(evidence, session)
                );
                let place = (SessionsAreExclusive, "another-key");
                findings.report(evidence, place, *at, About::default(), message, []);
            }
        }
    }
}

/// A session ends when its owner says so. One that has expired stays until another client asks for one.
fn only_owners_end_sessions(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut ended: BTreeMap<(Client, Fence), usize> = BTreeMap::new();
    for ask in evidence.server.sent.values().flatten() {
        if let Wants::End(fence) = ask.wants {
            let first = ended.entry((ask.client, fence)).or_insert(ask.at);
            *first = ask.at.min(*first);
        }
    }
    for (_, space) in evidence.epochs.spaces() {
        for line in space.sessions.values() {
            let mut held: Option<(usize, Session)> = None;
            for (at, session) in line.iter() {
                let before = std::mem::replace(&mut held, session.map(|session| (at, session)));
                let (Some((since, old)), None) = (before, session) else { continue };
                let asked = ended.get(&(old.client, old.fence));
                if asked.is_none_or(|asked| *asked > at) {
                    let by = newer_holder(line, at);
                    let message = format!(
                        "{} was ended at {}, although its holder had not asked for that{}.",
                        session_name(evidence, &old),
                        evidence.time(at),
                        by.map_or_else(String::new, |by| {
                            format!("; the next holder is {}", evidence.client_name(by.client))
                        })
                    );
                    let place = (SessionsAreExclusive, "ended-by-another");
                    findings.report(evidence, place, at, About::default(), message, [since]);
                }
            }
        }
    }
}

/// Who was granted a session next.
fn newer_holder(line: &Timeline<Option<Session>>, after: usize) -> Option<Session> {
    line.iter().find(|(at, session)| *at >= after && session.is_some()).and_then(|it| *it.1)
}

fn names_a_live_holder(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    clocks: &Clocks<'_>,
    refusal: &BusyAnswer,
) {
    let BusyAnswer { at, by, to, message_id, arrived: (since, upto), .. } = *refusal;
    let holders = |ask: &SentRequest| {
        let (key, whose) = (ask.device, ask.space);
        let epochs = evidence.epochs.between(since, at);
        let spaces = epochs.filter_map(move |epoch| epoch.spaces.get(&whose));
        let held = spaces.flat_map(move |space| space.holders(key, since, at));
        held.filter_map(|(since, session)| session.map(|session| (since, session)))
    };
    let contends = |ask: &SentRequest| {
        holders(ask).any(|(since, session)| {
            session.client.replica != ask.client.replica
                && clocks.may_last(by, session.until, since, at)
        })
    };
    let is_others =
        |ask: &SentRequest| contends(ask) || others_are_at_it(evidence, clocks, refusal, ask);
    let mut asks = evidence.server.requests_of(to, message_id, upto);
    let Some(latest) = asks.next() else { return };
    if is_others(latest) || asks.any(is_others) {
        return;
    }
    let own = |session: Session| session.client.replica == latest.client.replica;
    let (site, what) = match holders(latest).next() {
        Some((_, held)) if own(held) => (
            "refused-by-its-own",
            format!("although it holds {} itself", session_name(evidence, &held)),
        ),
        Some((_, held)) => (
            "refused-by-the-dead",
            format!("although {} was over at {}", session_name(evidence, &held), held.until),
        ),
        None => ("refused-by-nobody", "although no client holds its session".to_owned()),
    };
    let (worker, host) = (evidence.name(Node::Worker(by)), evidence.name(to));
    let message = format!(
        "{host} was refused as busy by {worker}, {what}; it asked at {}.",
        evidence.time(latest.at)
    );
    let place = (SessionsAreExclusive, site);
    findings.report(evidence, place, at, About::default(), message, [latest.at]);
}

/// Was work asked for, and all that there is others'?
fn others_are_at_it(
    evidence: &Evidence<'_>,
    clocks: &Clocks<'_>,
    refusal: &BusyAnswer,
    ask: &SentRequest,
) -> bool {
    let BusyAnswer { at, by, message_id, arrived: (since, _), .. } = *refusal;
    let epochs =
        evidence.epochs.between(since, at).filter(|_| message_id.message_kind == MessageKind::Work);
    epochs.filter_map(|epoch| epoch.conversations.get(&ask.space)).any(|conversations| {
        conversations.was_ever((since, at), |items| {
            items.values().filter_map(item_of).any(|item| match item.job {
                Job::Processing { until, .. } => clocks.may_last(by, until, since, at),
                Job::Pending { .. } | Job::Success { .. } | Job::Failed { .. } => false,
            })
        })
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::device::Reason;

    use crate::fault::{Fault, Shift, WorkerClockJump};
    use crate::history::{Answered, Asked, Fact, MessageId};
    use crate::invariant::case::talks::{SOUP, part};
    use crate::invariant::case::{Case, TABLET};
    use crate::plan::{Errand, WorkerId};

    /// A copy of the phone is granted the session that the phone has.
    pub(crate) fn broken() -> Case {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().session().opens();
        case.tablet().session().opens();
        case.ends()
    }

    #[test]
    fn a_session_has_one_owner() {
        assert_eq!(broken().violations()[0].site, "granted-twice");
    }

    #[test]
    fn nobody_else_ends_a_session() {
        let mut case = Case::served();
        case.phone().session().opens();
        case.tablet().session().opens();
        case.phone().session().is_lost();
        case.rejects("ended-by-another");
    }

    #[test]
    fn a_session_that_was_ended_or_has_expired_is_for_others() {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().session().opens();
        case.phone().session().closes();
        case.tablet().session().opens();
        case.wait(20_001);
        case.phone().session().opens();
        case.ends().passes();
    }

    #[test]
    fn a_clock_that_runs_ahead_sees_a_session_expire_early() {
        for (jump, early) in [(9_000, true), (11_000, false)] {
            let mut case = Case::served();
            case.phone().session().is_shared_with(TABLET);
            case.phone().session().opens();
            let worker = WorkerId(1);
            let jump = Fault::from(WorkerClockJump { worker, by: Shift(jump) });
            case.fact(crate::plan::Node::Worker(worker), Fact::Faulted(jump));
            case.wait(10_000);
            case.tablet().session().opens();
            if early { case.rejects("granted-twice") } else { case.ends().passes() }
        }
    }

    #[test]
    fn a_clock_that_was_set_right_again_sees_sessions_last_as_long_as_others_do() {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        let worker = WorkerId(0);
        let jump = || Fault::from(WorkerClockJump { worker, by: Shift(60_000) });
        case.fact(crate::plan::Node::Worker(worker), Fact::Faulted(jump()));
        case.fact(crate::plan::Node::Worker(worker), Fact::Ended(jump()));
        case.phone().session().opens();
        case.wait(10_000);
        case.tablet().session().is_refused_as_busy();
        case.passes();
        case.tablet().session().opens();
        case.rejects("granted-twice");
    }

    #[test]
    fn only_a_live_session_of_another_owner_keeps_a_device_waiting() {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().session().opens();
        case.tablet().session().is_refused_as_busy();
        case.passes();
        case.laptop().session().is_refused_as_busy();
        case.rejects("refused-by-nobody");

        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().session().is_refused_as_busy();
        case.rejects("refused-by-its-own");

        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().session().opens();
        case.wait(25_000);
        case.tablet().session().is_refused_as_busy();
        case.rejects("refused-by-the-dead");
    }

    #[test]
    fn a_full_queue_keeps_every_client_waiting() {
        let mut case = Case::served();
        case.phone().session().requests();
        case.tablet().session().is_refused_as_busy();
        case.rejects("refused-by-nobody");
        let mut case = Case::served();
        case.phone().session().requests();
        case.tablet().session().requests();
        case.tablet().session().is_refused_as_busy();
        case.passes();
    }

    /// The reader is at the only conversation.
    fn taken() -> Case {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.reader().claims(SOUP);
        case
    }

    /// The scholar asks for work. Each of its lives begins to number its requests from the start.
    fn asks(case: &mut Case) -> MessageId {
        let message_id = case.scholar().asks_for_work();
        case.scholar().arrives(message_id);
        message_id
    }

    #[test]
    fn an_answer_to_a_life_that_is_over_was_right_when_that_life_asked() {
        let mut case = taken();
        let message_id = asks(&mut case);
        case.reader().finishes(SOUP, true);
        case.scholar().is_stopped();
        case.scholar().asks_for_work();
        case.scholar().is_refused_as_busy(message_id);
        case.passes();
    }

    #[test]
    fn what_was_so_for_a_life_that_was_answered_excuses_nothing_later() {
        let mut case = taken();
        let message_id = asks(&mut case);
        case.scholar().is_refused_as_busy(message_id);
        case.passes();
        case.reader().finishes(SOUP, true);
        case.scholar().is_stopped();
        asks(&mut case);
        case.scholar().is_refused_as_busy(message_id);
        case.rejects("refused-by-nobody");
    }

    #[test]
    fn what_was_so_before_a_request_arrived_is_no_reason_to_refuse_it() {
        let mut case = taken();
        let message_id = case.scholar().asks_for_work();
        case.reader().finishes(SOUP, true);
        case.scholar().arrives(message_id);
        case.scholar().is_refused_as_busy(message_id);
        case.rejects("refused-by-nobody");
    }

    #[test]
    fn of_two_lives_that_wait_either_may_be_told_to_come_back() {
        let mut case = taken();
        let message_id = asks(&mut case);
        case.reader().finishes(SOUP, true);
        case.scholar().is_stopped();
        asks(&mut case);
        case.scholar().is_answered(message_id, None);
        case.scholar().is_refused_as_busy(message_id);
        case.passes();
        case.scholar().is_stopped();
        asks(&mut case);
        case.scholar().is_refused_as_busy(message_id);
        case.rejects("refused-by-nobody");
    }

    #[test]
    fn whose_a_session_is_can_always_be_told() {
        let mut case = Case::served();
        let status = Asked::Errand { errand: Errand::SessionStatus, token: None, last: false };
        let op = case.phone().asks(status);
        case.phone().answers(op, Answered::Refused(Reason::Internal));
        assert!(case.violations().iter().any(|violation| violation.site == "status-failed"));
    }
}
