//! INV-17 `dedup-keys-are-stable`: a conversation has one key, by whichever path and under whichever
//! spelling it comes, and no other conversation has it; and each of its messages is there once.

use std::collections::BTreeMap;

use engine::dedup::DedupKey;
use engine::id::UserId;

use crate::history::Talk;
use crate::invariant::Invariant::DedupKeysAreStable;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::work::Conversations;
use crate::invariant::findings::{About, Findings};
use crate::plan::TalkId;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
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
    for (at, key, held) in conversations.threads() {
        let mut report = |place, message: String, with: Option<usize>| {
            findings.report(evidence, place, at, About::default(), message, with);
        };
        let Some(talk) = evidence.work.talk(evidence.context, user, held) else {
            continue; // A matter of phantom values.
        };
        let first = *keys.entry(talk).or_insert((at, key));
        if first.1 != key {
            let message = format!(
                "Conversation {} of {} is stored under two keys, {} and {key}.",
                talk.0,
                evidence.user_name(user),
                first.1
            );
            report((DedupKeysAreStable, "two-keys"), message, Some(first.0));
        }
        let other = *talks.entry(key).or_insert((at, talk));
        if other.1 != talk {
            let message = format!(
                "Conversations {} and {} of {} are stored under one key, {key}.",
                other.1.0,
                talk.0,
                evidence.user_name(user)
            );
            report((DedupKeysAreStable, "one-key-for-two"), message, Some(other.0));
        }
        if let Some(n) = twice(held) {
            let message = format!(
                "Conversation {} of {} has message {n} twice.",
                talk.0,
                evidence.user_name(user)
            );
            report((DedupKeysAreStable, "message-twice"), message, None);
        }
    }
}

/// A message that is there more than once.
fn twice(held: &Talk) -> Option<u32> {
    let mut places: Vec<u32> = held.messages.iter().map(|message| message.0).collect();
    places.sort_unstable();
    places.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

#[cfg(test)]
pub(crate) mod tests {

    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{DAY, SOUP, part};
    use crate::plan::ProcessorCommand;

    /// Messages 1 to 5 and 3 to 8 are put one after the other.
    pub(crate) fn broken() -> Case {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 5));
        case.reader().commands(ProcessorCommand::Ingest(part(SOUP, 3, 8)));
        case.reader().saves_as(SOUP, DAY, &[1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8]);
        case.reader().is_stopped();
        case.ends()
    }

    #[test]
    fn a_message_is_there_once() {
        assert_eq!(broken().violations()[0].site, "message-twice");
    }

    #[test]
    fn parts_that_overlap_become_one_without_a_gap() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 5));
        case.reader().brings(part(SOUP, 3, 8));
        case.reader().works_on(SOUP, true);
        case.ends().passes();
    }
}
