//! Sessions: one lease for each device.
//!
//! Its holder is a client, one incarnation of a replica. A later incarnation of the same replica
//! takes it over at once, so a device never blocks itself; only a clone does. Time decides when
//! another client may try to take a session over. What makes that safe is the fencing token, which
//! every action carries and every decision compares.

use super::Rules;
use super::known::Stop;
use crate::flaw::Flaw;
#[cfg(feature = "flaws")]
use crate::log::State;
use crate::log::{Doc, Draft, Key, Position, Receipt, Session, encode};
use crate::message::{Action, Client, DeviceKey, Fence, Refusal, Reply, Request};
use crate::point::Point;
use crate::time::Span;

/// Grants the session, unless another client holds it. A client that holds it already is given the
/// same fencing token again: the first response may have been lost.
pub(super) fn open(
    draft: &mut Draft<'_>,
    request: &Request,
    rules: Rules,
) -> Result<(Reply, Position), Refusal> {
    let (key, client) = (key_of(request, rules), request.client);
    let held = held(draft, key);
    let fence = held.map(|held| held.fence.0.seq);
    tracing::debug!(device = key.0, held = fence, "decides whether to grant a session");
    let stuck = rules.flaws.has(Flaw::CvSessionStuck);
    let fence = match held {
        Some(held) if held.client == client && !rules.flaws.has(Flaw::CvSessionSelf) => held.fence,
        // A late request of an earlier incarnation must not end the session of the present one.
        Some(held) if held.client.replica == client.replica && held.client.life > client.life => {
            return Err(Refusal::Fenced);
        }
        Some(held) if held.client != client && held.client.replica == client.replica && !stuck => {
            Fence(draft.position())
        }
        Some(held) if rules.wall < held.until || stuck => {
            draft.reach(Point::SessionBusy);
            // Its holder usually closes it sooner.
            let longest = rules.session.0 / 4 + 1;
            return Err(Refusal::Busy(Span((held.until - rules.wall).0.min(longest))));
        }
        Some(_) => {
            draft.reach(Point::SessionTaken);
            Fence(draft.position())
        }
        None => Fence(draft.position()),
    };
    #[cfg(feature = "flaws")]
    if held.is_none() && rules.flaws.has(Flaw::CvScaleLru) {
        make_room(draft);
    }
    let until = rules.wall + rules.session;
    let granted = Session { client, fence, until };
    draft.put(Key::Session(key), Some(Doc::Session(granted)));
    assert_eq!(self::held(draft, key), Some(granted), "a session that is granted is held");
    tracing::debug!(device = key.0, fence = fence.0.seq, %until, "granted a session");
    Ok((Reply::Opened(fence), draft.position()))
}

/// CV-SCALE-LRU: the table is full, and the session that was used least recently is dropped.
#[cfg(feature = "flaws")]
fn make_room(draft: &mut Draft<'_>) {
    const ROOM: usize = 64;
    let all = Key::Session(DeviceKey(0))..=Key::Session(DeviceKey(u64::MAX));
    let held = |(key, doc): (&Key, &Doc)| match doc {
        Doc::Session(session) => Some((session.until, *key)),
        Doc::Receipt(_) | Doc::Field(..) | Doc::Version(_) | Doc::Work(_) | Doc::File(_) => None,
    };
    let held: Vec<_> = draft.range(all).filter_map(held).collect();
    if let Some((_, oldest)) = held.iter().min().filter(|_| held.len() >= ROOM) {
        draft.put(*oldest, None);
    }
}

/// Closes the session, if it is still this one. The receipt stays: this may be a late copy of a
/// request that was given up, and the client may repeat what it has asked since under the same
/// session.
pub(super) fn close(
    draft: &mut Draft<'_>,
    request: &Request,
    fence: Fence,
    rules: Rules,
) -> (Reply, Position) {
    let key = key_of(request, rules);
    tracing::debug!(device = key.0, fence = fence.0.seq, "ends a session");
    if held(draft, key).is_some_and(|held| held.fence == fence && held.client == request.client) {
        draft.put(Key::Session(key), None);
        assert!(held(draft, key).is_none(), "a session that was ended is held by nobody");
    }
    (Reply::Closed, draft.seen())
}

/// Shows who holds the session.
pub(super) fn status(
    draft: &Draft<'_>,
    request: &Request,
    rules: Rules,
) -> Result<(Reply, Position), Refusal> {
    let held = held(draft, key_of(request, rules));
    tracing::debug!(held = held.map(|held| held.fence.0.seq), "shows who holds a session");
    #[cfg(feature = "flaws")]
    if let Some(seen) = draft.arrival().filter(|_| rules.flaws.has(Flaw::CvStateTorn))
        && fence(seen, request.device) != held.map(|held| held.fence)
    {
        return Err(Refusal::Internal);
    }
    Ok((Reply::Status(held.map(|held| (held.client.replica, held.until))), draft.seen()))
}

/// Does the client still hold the session? Time plays no part.
pub(super) fn guard(
    draft: &Draft<'_>,
    request: &Request,
    fence: Fence,
    rules: Rules,
) -> Result<(), Refusal> {
    let held = held(draft, key_of(request, rules));
    let holder = held.map(|held| held.fence.0.seq);
    tracing::debug!(fence = fence.0.seq, held = holder, "compares the session of an action");
    if rules.flaws.has(Flaw::CvSessionDouble) {
        return Ok(());
    }
    match held {
        Some(held) if held.fence == fence && held.client == request.client => Ok(()),
        Some(_) | None => Err(Refusal::Fenced),
    }
}

/// Lets an action take effect once, however often it arrives: the reply is kept until the client
/// sends its next action. An action that only reads may be repeated at any time.
pub(super) fn once(
    draft: &mut Draft<'_>,
    request: &Request,
    n: u32,
    action: &Action,
    act: impl FnOnce(&mut Draft<'_>) -> Result<Reply, Stop>,
) -> Result<(Reply, Position), Stop> {
    assert!(!draft.has_effect(), "an action is decided by itself");
    if action.only_reads() {
        return Ok((act(draft)?, draft.seen()));
    }
    let Client { replica, life } = request.client;
    let asked = fingerprint(action);
    if let Some(Doc::Receipt(receipt)) = draft.get(Key::Receipt(replica)) {
        if (receipt.life, receipt.n, receipt.asked) == (life, n, asked) {
            let shown = (receipt.reply.clone(), receipt.at);
            tracing::debug!(
                n,
                seq = receipt.at.seq,
                "repeats the reply to an action that was done"
            );
            draft.reach(Point::ReceiptShown);
            return Ok(shown);
        }
        if (receipt.life, receipt.n) >= (life, n) {
            return Err(Stop::Refused(Refusal::Misnumbered));
        }
    }
    let reply = act(draft)?;
    // An action that changed nothing may be decided again.
    if !draft.has_effect() {
        return Ok((reply, draft.seen()));
    }
    let at = draft.position();
    let receipt = Receipt { life, n, asked, at, reply: reply.clone() };
    draft.put(Key::Receipt(replica), Some(Doc::Receipt(receipt)));
    assert!(at > draft.base().position(), "what changes something is a commit of its own");
    Ok((reply, at))
}

/// The fencing token of a device's session in a state.
#[cfg(feature = "flaws")]
fn fence(state: &State, device: DeviceKey) -> Option<Fence> {
    match state.get(Key::Session(device)) {
        Some(Doc::Session(session)) => Some(session.fence),
        Some(Doc::Receipt(_) | Doc::Field(..) | Doc::Version(_) | Doc::Work(_) | Doc::File(_))
        | None => None,
    }
}

fn held(draft: &Draft<'_>, key: DeviceKey) -> Option<Session> {
    match draft.get(Key::Session(key)) {
        // A document of another kind is there only if the log is damaged.
        Some(Doc::Session(session)) => Some(*session),
        Some(Doc::Receipt(_) | Doc::Field(..) | Doc::Version(_) | Doc::Work(_) | Doc::File(_))
        | None => None,
    }
}

/// The key of the session. CV-SESSION-PER-USER has one for all devices of a user.
fn key_of(request: &Request, rules: Rules) -> DeviceKey {
    if rules.flaws.has(Flaw::CvSessionPerUser) { DeviceKey(0) } else { request.device }
}

fn fingerprint(action: &Action) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&encode(action))
}
