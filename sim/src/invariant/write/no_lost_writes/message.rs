//! No message that was acknowledged is lost: the log has it at the end, and shows it.

use std::collections::{BTreeMap, BTreeSet};

use engine::dedup::DedupKey;
use engine::id::UserId;

use crate::history::{Talk, Worked};
use crate::invariant::Invariant::NoLostWrites;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::causes::was_told_before;
use crate::invariant::evidence::epochs::Epoch;
use crate::invariant::evidence::work::{
    ConversationOperation, Conversations, is_in, item_of, missing,
};
use crate::invariant::findings::{About, Findings};
use crate::plan::{Excerpt, ProcessorCommand, TalkId, TalkPart};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let users: BTreeSet<UserId> =
        evidence.work.operations.iter().map(|operation| operation.user).collect();
    for user in users {
        // A log that was set back may have none.
        let conversations = evidence.epochs.last().conversations.get(&user);
        nothing_is_lost(evidence, findings, user, conversations);
    }
}

/// The log at the end has all messages that were acknowledged, and so has what is shown at the end.
fn nothing_is_lost(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    conversations: Option<&Conversations<'_>>,
) {
    let kept = conversations.map(|it| kept_at_the_end(evidence, user, it)).unwrap_or_default();
    let of_user = |operation: &&ConversationOperation<'_>| operation.user == user;
    for operation in evidence.work.operations.iter().filter(of_user) {
        let (Some(excerpt), Some((saved, key, version))) = (operation.brings(), operation.saved())
        else {
            continue;
        };
        if let Some(by) = lost_with_its_log(evidence, operation, key, version) {
            let what = format!("messages {} to {}", excerpt.first, excerpt.last);
            let object = format!("conversation {}", excerpt.talk.0);
            findings.excuse(evidence, (what, object), operation.asked, by);
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
        } else if let [_] = kept
            && let Some((at, worked)) = shown_at_the_end(evidence, user, excerpt.talk)
            && let Some(n) = not_shown(worked, excerpt)
        {
            let host = evidence.host_at(at);
            let place = (NoLostWrites, "message-not-shown");
            let message = message(n, &format!("is not shown on {host} at the end"));
            findings.report(evidence, place, at, About::default(), message, [operation.asked]);
        }
    }
}

/// What the log has of each conversation at the end; several if it is under several keys.
fn kept_at_the_end<'e>(
    evidence: &Evidence<'_>,
    user: UserId,
    conversations: &Conversations<'e>,
) -> BTreeMap<TalkId, Vec<&'e Talk>> {
    let mut kept: BTreeMap<TalkId, Vec<&Talk>> = BTreeMap::new();
    for item in conversations.items.values().filter_map(item_of) {
        if let Some(held) = conversations.thread(&item)
            && let Some(talk) = evidence.work.talk(evidence.context, user, held)
        {
            kept.entry(talk).or_default().push(held);
        }
    }
    kept
}

/// When the volume was set back to a log without what an operation saved, if the host knew that before.
fn lost_with_its_log(
    evidence: &Evidence<'_>,
    operation: &ConversationOperation<'_>,
    key: DedupKey,
    version: u32,
) -> Option<usize> {
    let (saved, ..) = operation.saved()?;
    let had = |epoch: &Epoch<'_>| {
        epoch
            .conversations
            .get(&operation.user)
            .is_some_and(|conversations| is_in(conversations, key, version, operation, usize::MAX))
    };
    let lost = evidence.epochs.lost(evidence.history.len(), had);
    lost.filter(|lost| was_told_before(evidence, operation.node, (*lost, saved)))
}

/// The first message of an excerpt that an answer lacks.
fn not_shown(worked: &Worked, excerpt: &Excerpt) -> Option<u32> {
    match worked {
        Worked::Thread(_, held) => missing(held, excerpt),
        Worked::Nothing => Some(excerpt.first),
        Worked::Saved(..)
        | Worked::Processed
        | Worked::WasReset
        | Worked::Result(..)
        | Worked::Day(..)
        | Worked::Refused(_) => None,
    }
}

/// The answer to the last read of a conversation, if there is one.
fn shown_at_the_end<'e>(
    evidence: &'e Evidence<'_>,
    user: UserId,
    talk: TalkId,
) -> Option<(usize, &'e Worked)> {
    let last = |operation: &&ConversationOperation<'_>| {
        operation.last
            && operation.user == user
            && matches!(operation.command, ProcessorCommand::Read(of, TalkPart::Current) if *of == talk)
    };
    evidence.work.operations.iter().filter(last).find_map(ConversationOperation::worked)
}

#[cfg(test)]
mod tests {
    use crate::invariant::Invariant;
    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{DAY, SOUP, part};
    use crate::plan::ProcessorCommand;

    #[test]
    fn what_was_acknowledged_is_not_written_over() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 5));
        case.reader().commands(ProcessorCommand::Ingest(part(SOUP, 3, 8)));
        case.reader().saves_as(SOUP, DAY, &[3, 4, 5, 6, 7, 8]);
        case.reader().is_stopped();
        assert_eq!(case.ends().broken(), [Invariant::NoLostWrites]);
    }
}
