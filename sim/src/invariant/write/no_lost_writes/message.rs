//! Conversations by the laws that everything else has too: nothing acknowledged is lost (INV-01), a
//! number has one effect (INV-10), no result counts under a claim that was granted again (INV-13),
//! what is said is so (INV-30), and what is refused has a reason (INV-32).

use std::collections::BTreeMap;

use engine::id::UserId;

use crate::history::{Talk, Worked};
use crate::invariant::Invariant::NoLostWrites;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::epochs::Epoch;
use crate::invariant::evidence::work::{
    ConversationOperation, Conversations, is_in, item_of, missing,
};
use crate::invariant::findings::{About, Findings};
use crate::plan::{Order, TalkId, TalkPart};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, conversations) in &evidence.epochs.last().conversations {
        nothing_is_lost(evidence, findings, *user, conversations);
    }
}

/// What is in the log in the end has all that was acknowledged, and so has what is shown.
fn nothing_is_lost(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    conversations: &Conversations<'_>,
) {
    let talk_of = |held: &Talk| evidence.work.talk(evidence.context, user, held);
    let mut kept: BTreeMap<TalkId, Vec<&Talk>> = BTreeMap::new();
    for stored in conversations.items.values() {
        let held = item_of(stored).and_then(|item| conversations.thread(&item));
        if let Some((talk, held)) = held.and_then(|held| Some((talk_of(held)?, held))) {
            kept.entry(talk).or_default().push(held);
        }
    }
    let shown = |talk: TalkId| shown_at_the_end(evidence, user, talk);
    let of_user = |operation: &&ConversationOperation<'_>| operation.user == user;
    for operation in evidence.work.operations.iter().filter(of_user) {
        let (Some(excerpt), Some((saved, key, version))) = (operation.brings(), operation.saved())
        else {
            continue;
        };
        let had = |epoch: &Epoch<'_>| {
            let conversations = epoch.conversations.get(&user);
            conversations.is_some_and(|conversations| {
                is_in(conversations, key, version, operation, usize::MAX)
            })
        };
        if evidence
            .epochs
            .lost(evidence.history.len(), had)
            .is_some_and(|lost| operation.asked < lost)
        {
            continue;
        }
        let kept = kept.get(&excerpt.talk).map_or(&[][..], Vec::as_slice);
        let lost = match kept {
            [] => Some(excerpt.first),
            // Under several keys it is a matter of INV-17; what is in one of them is not lost.
            several => several.iter().map(|held| missing(held, excerpt)).min().flatten(),
        };
        let message = |n: u32, fate: &str| {
            format!(
                "Lost message: message {n} of conversation {}, acknowledged to {} as part of v{version} \
                 at {}, {fate}.",
                excerpt.talk.0,
                evidence.name(operation.node),
                evidence.time(saved)
            )
        };
        if let Some(n) = lost {
            let place = (NoLostWrites, "message-lost");
            let message = message(n, "is not in the log at the end");
            findings.report(evidence, place, saved, About::default(), message, [operation.asked]);
        } else if let Some((at, worked)) = shown(excerpt.talk) {
            let unseen = match worked {
                Worked::Thread(_, held) => missing(held, excerpt),
                Worked::Nothing => Some(excerpt.first),
                Worked::Saved(..)
                | Worked::Processed
                | Worked::WasReset
                | Worked::Result(..)
                | Worked::Day(..)
                | Worked::Refused(_) => None,
            };
            if let Some(n) = unseen.filter(|_| kept.len() == 1) {
                let host = evidence.host_at(at);
                let place = (NoLostWrites, "message-not-shown");
                let message = message(n, &format!("is not shown on {host} at the end"));
                findings.report(evidence, place, at, About::default(), message, [operation.asked]);
            }
        }
    }
}

/// What a conversation is shown as at the end, if anybody reads it.
fn shown_at_the_end<'e>(
    evidence: &'e Evidence<'_>,
    user: UserId,
    talk: TalkId,
) -> Option<(usize, &'e Worked)> {
    let last = |operation: &&ConversationOperation<'_>| {
        operation.last
            && operation.user == user
            && matches!(operation.order, Order::Read(of, TalkPart::Current) if *of == talk)
    };
    evidence.work.operations.iter().filter(last).find_map(ConversationOperation::worked)
}

#[cfg(test)]
mod tests {
    use crate::invariant::Invariant;
    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{DAY, SOUP, part};
    use crate::plan::Order;

    #[test]
    fn what_was_acknowledged_is_not_written_over() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 5));
        case.reader().orders(Order::Ingest(part(SOUP, 3, 8)));
        case.reader().saves_as(SOUP, DAY, &[3, 4, 5, 6, 7, 8]);
        case.reader().is_stopped();
        assert_eq!(case.ends().broken(), [Invariant::NoLostWrites]);
    }
}
