//! Conversations by the laws that everything else has too: nothing acknowledged is lost (INV-01), a
//! number has one effect (INV-10), no result counts under a claim that was granted anew (INV-13),
//! what is said is so (INV-30), and what is refused has a reason (INV-32).

use std::collections::BTreeMap;

use engine::id::UserId;
use engine::job::{Item, Job, Stored};
use engine::message::{Client, Refusal, Reply, WorkReply};
use engine::processor::Reason;

use super::Invariant::{
    EffectsHappenOnce, FencesHold, NoLostWrites, OutcomesAreHonest, RefusalsHaveReasons,
};
use super::answers::fits;
use super::evidence::Evidence;
use super::evidence::epochs::Epoch;
use super::evidence::work::{ConversationOperation, Conversations, ItemChange, day_of, item_of};
use super::findings::{About, Findings};
use super::reasons::{has_settled, may_lack_keys};
use super::statuses::is_open;
use crate::history::{Answered, Asked, Fact, Talk, Worked};
use crate::plan::{Excerpt, Node, Order, TalkId};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for epoch in evidence.epochs.iter() {
        for conversations in epoch.conversations.values() {
            results_are_fenced(evidence, findings, epoch, conversations);
            numbers_are_used_once(evidence, findings, conversations);
        }
    }
    for (user, conversations) in &evidence.epochs.last().conversations {
        nothing_is_lost(evidence, findings, *user, conversations);
    }
    for operation in &evidence.work.operations {
        answer_is_honest(evidence, findings, operation);
        refusal_has_a_reason(evidence, findings, operation);
    }
}

fn is_finished(item_change: &ItemChange<'_>) -> bool {
    matches!(item_change.reply, Reply::Work(WorkReply::Finished))
}

/// What a processor makes counts under the newest claim of the item, and that was granted to it.
fn results_are_fenced(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    epoch: &Epoch<'_>,
    conversations: &Conversations<'_>,
) {
    for item_change in
        conversations.item_changes.iter().filter(|item_change| is_finished(item_change))
    {
        let Some((client, _)) = item_change.receipt else { continue };
        let claims = epoch.claims.get(&client).map_or(&[][..], Vec::as_slice);
        let Some((granted, claim)) = claims.iter().rfind(|(at, _)| *at <= item_change.at) else {
            continue;
        };
        let holds = match item_change.before.as_ref().and_then(item_of) {
            Some(Item { content, job: Job::Processing { fence, .. } }) => {
                claim.key == item_change.key
                    && claim.fence == fence
                    && claim.version == content.version
            }
            Some(_) | None => false,
        };
        if !holds {
            let message = "What came of a conversation counts under a claim that is over.".into();
            let place = (FencesHold, "result-of-an-older-claim");
            findings.report(evidence, place, item_change.at, About::default(), message, [*granted]);
        }
    }
}

fn numbers_are_used_once(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    conversations: &Conversations<'_>,
) {
    let mut used: BTreeMap<(Client, u32), (usize, engine::dedup::DedupKey)> = BTreeMap::new();
    for item_change in &conversations.item_changes {
        let Some(receipt) = item_change.receipt else { continue };
        // One claim may put what others have left back, in the same op.
        let first = *used.entry(receipt).or_insert((item_change.at, item_change.key));
        if first.0 != item_change.at {
            let message = format!("Request {} about a conversation had two effects.", receipt.1);
            let place = (EffectsHappenOnce, "work-done-twice");
            findings.report(evidence, place, item_change.at, About::default(), message, [first.0]);
        }
    }
}

/// A message that a part brings and a conversation lacks, if any.
fn missing(held: &Talk, excerpt: &Excerpt) -> Option<u32> {
    let has = |n: u32| {
        let mut of_n = held.messages.iter().filter(|message| message.0 == n);
        of_n.any(|message| message.1 >= excerpt.edit.into())
    };
    (excerpt.first..=excerpt.last).find(|n| !has(*n))
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
    let shown = |talk: TalkId| {
        let last = |operation: &&ConversationOperation<'_>| {
            operation.last
                && operation.user == user
                && matches!(operation.order, Order::Read(of, crate::plan::TalkPart::Current) if *of == talk)
        };
        let mut observations = evidence.work.operations.iter().filter(last);
        observations.find_map(ConversationOperation::worked)
    };
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
        let message = |n: u32| {
            format!("Message {n} of conversation {} was acknowledged and is gone.", excerpt.talk.0)
        };
        if let Some(n) = lost {
            let place = (NoLostWrites, "message-lost");
            findings.report(
                evidence,
                place,
                saved,
                About::default(),
                message(n),
                [operation.asked],
            );
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
                let place = (NoLostWrites, "message-not-shown");
                findings.report(
                    evidence,
                    place,
                    at,
                    About::default(),
                    message(n),
                    [operation.asked],
                );
            }
        }
    }
}

fn answer_is_honest(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ConversationOperation<'_>,
) {
    let Some((at, answer)) = operation.answer else { return };
    let (order, last) = (operation.order.clone(), operation.last);
    let epochs = evidence.epochs.between(operation.asked, at);
    let mut conversations =
        epochs.filter_map(|epoch| epoch.conversations.get(&operation.user)).peekable();
    let (site, message) = if !fits(&Asked::Work { order, last }, answer) {
        ("answers-another-order", "An answer does not fit what was asked.")
    } else if let Some((_, key, version)) = operation.saved()
        && !conversations.any(|conversations| is_in(conversations, key, version, operation, at))
    {
        ("saved-and-not-there", "A conversation was called saved, and the version lacks a part.")
    } else if let (Order::Process(began), Answered::Worked(Worked::Processed)) =
        (operation.order, answer)
        && conversations.peek().is_some()
    {
        let wanted = began.as_ref().and_then(|began| began.day);
        let is_left = |stored: &Stored| {
            let of_day = wanted.is_none() || item_of(stored).as_ref().and_then(day_of) == wanted;
            of_day && is_open(stored)
        };
        let is_done = |items: &BTreeMap<_, Stored>| !items.values().any(is_left);
        if conversations.any(|conversations| conversations.was_ever((operation.asked, at), is_done))
        {
            return;
        }
        ("processed-and-not-done", "Work was called done that never was.")
    } else {
        return;
    };
    let place = (OutcomesAreHonest, site);
    findings.report(evidence, place, at, About::default(), message.into(), [operation.asked]);
}

/// Does a version of an item that the log had by then say all that was brought?
fn is_in(
    conversations: &Conversations<'_>,
    key: engine::dedup::DedupKey,
    version: u32,
    operation: &ConversationOperation<'_>,
    by: usize,
) -> bool {
    let Some(excerpt) = operation.brings() else { return true };
    let mut versions = conversations
        .item_changes
        .iter()
        .filter(|item_change| item_change.key == key && item_change.at <= by);
    versions.any(|item_change| {
        let item = item_change.now.as_ref().and_then(item_of);
        item.filter(|item| item.content.version == version)
            .and_then(|item| conversations.thread(&item))
            .is_some_and(|held| missing(held, excerpt).is_none())
    })
}

/// A processor that died need not answer; one that refuses says why. Devices are judged with all
/// that they answer.
fn refusal_has_a_reason(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ConversationOperation<'_>,
) {
    let Node::Processor(_) = operation.node else { return };
    let mut report = |site, at: usize, message: &str| {
        let place = (RefusalsHaveReasons, site);
        findings.report(evidence, place, at, About::default(), message.into(), [operation.asked]);
    };
    match operation.worked() {
        Some((at, Worked::Refused(reason))) if !is_right(evidence, operation, at, *reason) => {
            report("order-refused", at, "A processor refused an order without a reason.");
        }
        Some(_) => {}
        None => {
            let died = evidence.history[operation.asked..].iter().any(|entry| {
                entry.node == operation.node
                    && matches!(entry.fact, Fact::Killed { .. } | Fact::Panicked(_))
            });
            if !died && has_settled(evidence) {
                report("order-unanswered", operation.asked, "A processor never answered an order.");
            }
        }
    }
}

fn is_right(
    evidence: &Evidence<'_>,
    operation: &ConversationOperation<'_>,
    at: usize,
    reason: Reason,
) -> bool {
    match (reason, operation.order) {
        // Which dates can be told is judged with dates.
        (Reason::Date(_), Order::Ingest(_) | Order::Process(Some(_)) | Order::ReadDay(_)) => true,
        (Reason::Server(Refusal::Invalid), Order::Reset(talk)) => {
            let has_failed = |conversations: &Conversations<'_>, stored: &Stored| {
                let item = item_of(stored).filter(|it| matches!(it.job, Job::Failed { .. }));
                let held = item.and_then(|item| conversations.thread(&item));
                held.and_then(|held| evidence.work.talk(evidence.context, operation.user, held))
                    == Some(*talk)
            };
            evidence.epochs.between(operation.asked, at).any(|epoch| {
                let Some(conversations) = epoch.conversations.get(&operation.user) else {
                    return true;
                };
                conversations.was_ever((operation.asked, at), |items| {
                    !items.values().any(|stored| has_failed(conversations, stored))
                })
            })
        }
        (Reason::Keyless, Order::Ingest(_)) => may_lack_keys(evidence, at),
        (Reason::Sealed(engine::seal::OpenError::NoKey(_)), Order::Ingest(_) | Order::Read(..)) => {
            may_lack_keys(evidence, at)
        }
        (Reason::Date(_) | Reason::Sealed(_) | Reason::Keyless | Reason::Server(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Invariant;
    use super::super::case::work::{READER, SCHOLAR, SOUP, part};
    use super::super::case::{Case, PHONE};
    use crate::history::Worked;
    use crate::plan::Order;

    #[test]
    fn a_result_counts_under_the_newest_claim_only() {
        let mut case = Case::worked();
        case.brings(PHONE, part(SOUP, 1, 3));
        case.claims(READER, SOUP);
        case.wait(21_000);
        case.claims(SCHOLAR, SOUP);
        case.has_done(READER, SOUP, true);
        case.finishes(READER, SOUP, true);
        assert_eq!(case.ends().broken(), [Invariant::FencesHold]);
    }

    #[test]
    fn work_that_others_are_at_is_not_called_done() {
        let told = |early: bool| {
            let mut case = Case::worked();
            case.brings(PHONE, part(SOUP, 1, 3));
            case.claims(READER, SOUP);
            let op = case.orders(SCHOLAR, Order::Process(None));
            case.has_done(READER, SOUP, true);
            if early {
                case.obeys(SCHOLAR, op, Worked::Processed);
            }
            case.finishes(READER, SOUP, true);
            if !early {
                case.obeys(SCHOLAR, op, Worked::Processed);
            }
            case.ends()
        };
        assert_eq!(told(true).broken(), [Invariant::OutcomesAreHonest]);
        told(false).passes();
    }

    #[test]
    fn a_processor_answers_unless_it_dies() {
        let silent = |dies: bool| {
            let mut case = Case::worked();
            case.orders(READER, Order::Process(None));
            if dies {
                case.is_stopped(READER);
            }
            case.ends()
        };
        assert_eq!(silent(false).violations()[0].site, "order-unanswered");
        silent(true).passes();
    }
}
