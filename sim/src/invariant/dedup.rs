//! INV-17 `dedup-keys-are-stable`: a conversation has one key, by whichever path and under whichever
//! spelling it comes, and no other conversation has it; and each of its messages is there once.

use std::collections::BTreeMap;

use engine::dedup::DedupKey;
use engine::id::UserId;

use super::Invariant::{DedupKeysAreStable, NoPhantomValues};
use super::evidence::Evidence;
use super::evidence::work::Conversations;
use super::findings::{About, Findings};
use super::writes::owner;
use crate::history::{Filed, Talk};
use crate::plan::TalkId;
use crate::plan::talk::message_of;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, conversations) in evidence.epochs.conversations() {
        keys_are_stable(evidence, findings, *user, conversations);
    }
}

fn keys_are_stable(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    conversations: &Conversations<'_>,
) {
    let mut keys: BTreeMap<TalkId, (usize, DedupKey)> = BTreeMap::new();
    let mut talks: BTreeMap<DedupKey, (usize, TalkId)> = BTreeMap::new();
    let mut filed: Vec<_> = conversations.objects.values().collect();
    filed.sort_by_key(|(at, ..)| *at);
    for (at, key, holds) in filed {
        let Some(Filed::Thread(held)) = holds else { continue };
        let at = *at;
        let mut report = |place, message: String, with: Option<usize>| {
            findings.report(evidence, place, at, About::default(), message, with);
        };
        let Some(talk) = evidence.work.talk(evidence.context, user, held) else {
            let place = (NoPhantomValues, "conversation-of-nobody");
            report(place, "A conversation is kept that nobody brought.".into(), None);
            continue;
        };
        let first = *keys.entry(talk).or_insert((at, *key));
        if first.1 != *key {
            let message = format!("Conversation {} is kept under two keys.", talk.0);
            report((DedupKeysAreStable, "two-keys"), message, Some(first.0));
        }
        let other = *talks.entry(*key).or_insert((at, talk));
        if other.1 != talk {
            let message =
                format!("Conversations {} and {} are kept under one key.", other.1.0, talk.0);
            report((DedupKeysAreStable, "one-key-for-two"), message, Some(other.0));
        }
        if let Some(n) = twice(held) {
            let message = format!("Message {n} of conversation {} is there twice.", talk.0);
            report((DedupKeysAreStable, "message-twice"), message, None);
        }
        if let Some(n) = foreign(evidence, user, talk, held, at) {
            let message = format!("Nobody brought message {n} of conversation {} so.", talk.0);
            report((NoPhantomValues, "message-of-nobody"), message, None);
        }
    }
}

/// A message that is there more than once.
fn twice(held: &Talk) -> Option<u32> {
    let mut places: Vec<u32> = held.messages.iter().map(|message| message.0).collect();
    places.sort_unstable();
    places.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// A message that nobody had brought by then.
fn foreign(
    evidence: &Evidence<'_>,
    user: UserId,
    talk: TalkId,
    held: &Talk,
    at: usize,
) -> Option<u32> {
    let was_brought = |n: u32, edit: u32| {
        let mut brought = evidence.work.brought(evidence.context, user, at);
        brought.any(|it| {
            it.talk == talk && (it.first..=it.last).contains(&n) && u32::from(it.edit) == edit
        })
    };
    let is_right = |&&(n, edit, token): &&(u32, u32, engine::id::Token)| {
        message_of(token) == Some((talk, n, edit)) && owner(token) == user && was_brought(n, edit)
    };
    held.messages.iter().find(|message| !is_right(message)).map(|message| message.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Invariant;
    use super::super::case::work::{DAY, READER, SOUP, part};
    use super::super::case::{Case, PHONE};
    use crate::plan::Order;

    /// Messages 1 to 5 and 3 to 8 are put one after the other.
    pub(in super::super) fn broken() -> Case {
        let mut case = Case::worked();
        case.brings(PHONE, part(SOUP, 1, 5));
        case.orders(READER, Order::Ingest(part(SOUP, 3, 8)));
        case.saves_as(READER, SOUP, DAY, &[1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8]);
        case.is_stopped(READER);
        case.ends()
    }

    #[test]
    fn a_message_is_there_once() {
        assert_eq!(broken().violations()[0].site, "message-twice");
    }

    #[test]
    fn parts_that_overlap_become_one_without_a_gap() {
        let mut case = Case::worked();
        case.brings(PHONE, part(SOUP, 1, 5));
        case.brings(READER, part(SOUP, 3, 8));
        case.works_on(READER, SOUP, true);
        case.ends().passes();
    }

    #[test]
    fn what_was_acknowledged_is_not_written_over() {
        let mut case = Case::worked();
        case.brings(PHONE, part(SOUP, 1, 5));
        case.orders(READER, Order::Ingest(part(SOUP, 3, 8)));
        case.saves_as(READER, SOUP, DAY, &[3, 4, 5, 6, 7, 8]);
        case.is_stopped(READER);
        assert_eq!(case.ends().broken(), [Invariant::NoLostWrites]);
    }

    #[test]
    fn nobody_invents_a_message() {
        let mut case = Case::worked();
        case.brings(PHONE, part(SOUP, 1, 2));
        case.saves_as(READER, SOUP, DAY, &[1, 2, 9]);
        assert_eq!(case.ends().broken(), [Invariant::NoPhantomValues]);
    }
}
