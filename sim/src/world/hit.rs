//! What a fact tells of active faults. What no fact tells, the owner says to whom it happened.

use crate::fault::Hit;
use crate::history::{Fact, Lost, Refused};
use crate::plan::{MessageKind, Node};

/// What an active fault may have done to whom this fact is about.
pub(super) fn hit_of(node: Node, fact: &Fact) -> Option<Hit> {
    match (fact, node) {
        (Fact::Sent { to, .. }, from) => Some(Hit::MessageSent(from, *to)),
        (Fact::Lost { to, why: Lost::Cut, .. }, from) => Some(Hit::MessageLost(from, *to)),
        (Fact::Lost { message_id, why: Lost::Fault, .. }, Node::Remote(remote)) => {
            let is_hint = message_id.message_kind == MessageKind::Hint;
            Some(if is_hint { Hit::HintLost(remote) } else { Hit::AnswerLost(remote) })
        }
        (Fact::PersistFailed(_), Node::Device(device)) => Some(Hit::CommitFailed(device)),
        (Fact::Persisted { .. }, Node::Device(device)) => Some(Hit::CommitMade(device)),
        (Fact::Declined(to, _, refused), Node::Remote(remote)) => match (refused, to) {
            (Refused::Unavailable(_), _) => Some(Hit::Unavailable(remote)),
            (Refused::RateLimited(_), _) => Some(Hit::Throttled(remote)),
            (Refused::CursorExpired, _) => Some(Hit::CursorRefused(remote)),
            (Refused::NotAuthenticated, Node::Device(to)) => Some(Hit::CredentialRefused(*to)),
            _ => None,
        },
        (Fact::Committed { by: Node::Remote(remote), .. }, _)
        | (Fact::Removed { by: Node::Remote(remote), .. }, _) => Some(Hit::RemoteSetBack(*remote)),
        (Fact::StepBegan(..), _) => Some(Hit::StepBegan),
        (Fact::StepEnded(_, None), _) => Some(Hit::StepFailed),
        _ => None,
    }
}
