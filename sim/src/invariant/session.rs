//! When somebody was signed in on a device, as far as its answers tell.

use std::collections::BTreeMap;

use engine::id::DeviceId;

use super::evidence::Evidence;
use crate::history::{Answered, Asked, Boot, Change, Fact};
use crate::plan::Node;

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// Nobody is signed in.
    Out,
    /// Somebody asked to sign in, there; the gate is closed until it is answered.
    SigningIn(usize),
    /// A login was interrupted by a crash: the gate may open without an answer. The login was
    /// asked for there.
    Resuming(usize),
    /// The gate is open.
    In,
    /// Somebody asked to sign out.
    SigningOut,
}

/// How each device stood over time.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<DeviceId, Vec<(usize, Session)>>);

impl Sessions {
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let mut sessions = Self::default();
        for (at, entry) in evidence.history.iter().enumerate() {
            let Node::Device(device) = entry.node else { continue };
            let now = sessions.at(device, at);
            if let Some(next) = next(now, at, &entry.fact) {
                sessions.0.entry(device).or_default().push((at, next));
            }
        }
        sessions
    }

    /// How a device stands right after a moment.
    pub(super) fn at(&self, device: DeviceId, moment: usize) -> Session {
        let line = self.0.get(&device).map_or(&[][..], Vec::as_slice);
        let after = line.partition_point(|(from, _)| *from <= moment);
        after.checked_sub(1).map_or(Session::Out, |at| line[at].1)
    }

    /// May a device have been without a user at some moment of this interval?
    pub(super) fn may_be_out(&self, device: DeviceId, from: usize, to: usize) -> bool {
        let is_out = |session: Session| match session {
            Session::Out | Session::SigningOut | Session::Resuming(_) => true,
            Session::SigningIn(_) | Session::In => false,
        };
        is_out(self.at(device, from))
            || self.0.get(&device).is_some_and(|line| {
                line.iter().any(|(at, session)| *at >= from && *at <= to && is_out(*session))
            })
    }
}

fn next(now: Session, at: usize, fact: &Fact) -> Option<Session> {
    match fact {
        Fact::Started { boot, holds, .. } => started(now, at, *boot, holds),
        Fact::Asked(_, asked) => match (asked, now) {
            (Asked::SignIn, Session::SigningIn(_)) => None,
            (Asked::SignIn, _) => Some(Session::SigningIn(at)),
            (Asked::SignOut, Session::In) => Some(Session::SigningOut),
            _ => None,
        },
        Fact::Answered(_, answer) => match (answer, now) {
            (Answered::SignedIn { .. }, _) => Some(Session::In),
            (Answered::SignedOut, _) => Some(Session::Out),
            (Answered::Refused(_), Session::SigningOut) => Some(Session::In),
            _ => None,
        },
        Fact::Skipped(_)
        | Fact::Persisted { .. }
        | Fact::Durable(_)
        | Fact::PersistFailed(_)
        | Fact::Sent { .. }
        | Fact::Delivered { .. }
        | Fact::Lost { .. }
        | Fact::Committed { .. }
        | Fact::Removed { .. }
        | Fact::Served { .. }
        | Fact::Declined(..)
        | Fact::Faulted(_)
        | Fact::Ended(_)
        | Fact::Healed
        | Fact::Settled { .. }
        | Fact::Killed { .. }
        | Fact::Panicked(_)
        | Fact::Found { .. } => None,
    }
}

/// A saved session outlives a crash; what was under way goes on without anybody to answer.
fn started(now: Session, at: usize, boot: Boot, holds: &[Change]) -> Option<Session> {
    let has_key = holds.iter().any(|change| matches!(change, Change::Key(true)));
    match (boot, now) {
        (Boot::Restart, Session::SigningIn(asked)) => Some(Session::Resuming(asked)),
        (Boot::Restart, Session::SigningOut) => Some(Session::Resuming(at)),
        (Boot::Restart, Session::Out | Session::In | Session::Resuming(_)) => None,
        (Boot::First | Boot::Restored | Boot::Cloned(_), _) => {
            Some(if has_key { Session::In } else { Session::Out })
        }
    }
}
