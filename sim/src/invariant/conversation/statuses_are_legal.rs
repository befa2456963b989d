//! INV-14 `statuses-are-legal`: an item waits, is tried, and is done or has failed; it is tried three
//! times at most, and what has failed them all stays so until a user resets it.
//!
//! A try is counted when it begins. What is being tried is taken from its processor only once any
//! worker's clock can have shown the end of its claim. *Done* names what came of this very version.

use engine::job::{Item, Job, Why};
use engine::message::{Reply, WorkReply};

use crate::history::Filed;
use crate::invariant::Invariant::StatusesAreLegal;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::clocks::Clocks;
use crate::invariant::evidence::work::{Conversations, ItemChange, MOST_TRIES, item_of};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::job_state;
use crate::plan::talk::result_token;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(plan) = &evidence.context.server else { return };
    let clocks = Clocks::of(evidence, plan);
    for (user, conversations) in evidence.epochs.conversations() {
        let mut begun = std::collections::BTreeMap::new();
        for item_change in &conversations.item_changes {
            let since = begun.insert(item_change.key, item_change.at);
            let Some(now) = item_change.now.as_ref().and_then(item_of) else { continue };
            let before = item_change.before.as_ref().and_then(item_of);
            let mut report = |site, what: &str| {
                let name = evidence.conversation_name(*user, conversations, &now);
                let by = item_change.receipt.map_or("a worker", |it| evidence.client_name(it.0));
                let was = before.map_or("absent".to_owned(), |before| job_state(before.job));
                let now = job_state(now.job);
                let message = format!("{name} {what}: it went from {was} to {now}, by {by}.");
                let (place, about) = ((StatusesAreLegal, site), About::default());
                findings.report(evidence, place, item_change.at, about, message, since);
            };
            if let Some(what) = illegal(item_change, now) {
                report("illegal", what);
            }
            if now.job.tries() > MOST_TRIES {
                report("tried-too-often", &format!("is tried more than {MOST_TRIES} times"));
            }
            if let (Some(since), Some(Item { job: Job::Processing { until, .. }, .. })) =
                (since, before)
                && is_taken(item_change, now)
                && !clocks.may_be_over(until, since, item_change.at)
            {
                report(
                    "taken-before-its-end",
                    "was taken from the processor that holds its claim, before the claim expired",
                );
            }
            if !is_done_right(conversations, *user, now) {
                report("done-without-result", "succeeded without the result of this version");
            }
        }
    }
}

/// Was the item taken from the processor that was at it?
fn is_taken(item_change: &ItemChange<'_>, now: Item) -> bool {
    let is_same =
        item_change.before.as_ref().and_then(item_of).is_some_and(|was| was.content == now.content);
    is_same && !matches!(item_change.reply, Reply::Work(WorkReply::Finished))
}

/// What is wrong about a step from one status to the next, if anything is.
fn illegal(item_change: &ItemChange<'_>, now: Item) -> Option<&'static str> {
    let finished = matches!(item_change.reply, Reply::Work(WorkReply::Finished));
    let was_reset = matches!(item_change.reply, Reply::Work(WorkReply::WasReset));
    let Some(before) = item_change.before.as_ref().and_then(item_of) else {
        let is_new = now.content.version == 1 && now.job.tries() == 0;
        let waits = matches!(now.job, Job::Pending { .. });
        return (!is_new || !waits).then_some("is new and not pending");
    };
    if before.content != now.content {
        let waits = now.job == Job::Pending { tries: 0 };
        return (!waits).then_some("has a new version that is not pending");
    }
    let is_legal = match (before.job, now.job) {
        (one, other) if one == other => true,
        // A processor that tries a failed conversation again may say in between that it waits.
        (
            Job::Pending { tries: was } | Job::Failed { tries: was, .. },
            Job::Processing { tries, .. },
        ) => tries == was + 1,
        (Job::Failed { .. }, Job::Pending { tries: 0 }) if was_reset => true,
        (Job::Failed { tries: was, .. }, Job::Pending { tries }) => {
            tries == was && was < MOST_TRIES
        }
        (Job::Processing { tries: was, .. }, Job::Success { tries, .. }) => {
            tries == was && finished
        }
        (Job::Processing { tries: was, .. }, Job::Failed { tries, why }) => {
            let is_last = was >= MOST_TRIES && why == Why::Abandoned;
            tries == was && (finished && why != Why::Abandoned || is_last)
        }
        (Job::Processing { tries: was, .. }, Job::Pending { tries }) => tries == was,
        (Job::Processing { tries: was, .. }, Job::Processing { tries, .. }) => tries == was + 1,
        (Job::Success { .. } | Job::Pending { .. }, _) | (Job::Failed { .. }, _) => false,
    };
    (!is_legal).then_some("made an illegal transition")
}

/// If it is done, what came of it is what comes of this version.
fn is_done_right(conversations: &Conversations<'_>, user: engine::id::UserId, item: Item) -> bool {
    let Job::Success { result, .. } = item.job else { return true };
    let Some(talk) = conversations.thread(&item) else { return true };
    let Some((_, _, Some(Filed::Result(token)))) = conversations.objects.get(&result) else {
        return false;
    };
    let (canary, _) = token.0.split_first_chunk::<8>().expect("a label is longer");
    *token == result_token(*canary, user, talk.messages.iter().map(|message| message.2))
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::job::{BlobHash, Job};

    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{SOUP, part};

    /// A conversation has failed three times and is tried once more.
    pub(crate) fn broken() -> Case {
        let mut case = failed(3);
        case.reader().works_on(SOUP, true);
        case.ends()
    }

    fn failed(times: u8) -> Case {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        for _ in 0..times {
            case.reader().works_on(SOUP, false);
        }
        case
    }

    #[test]
    fn a_conversation_is_tried_three_times() {
        broken().rejects("tried-too-often");
        let mut case = failed(2);
        case.scholar().works_on(SOUP, true);
        case.ends().passes();
    }

    #[test]
    fn what_has_failed_is_not_called_done() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.reader().claims(SOUP);
        case.reader().has_done(SOUP, false);
        case.reader().becomes(SOUP, Job::Success { tries: 1, result: BlobHash::default() });
        case.rejects("done-without-result");
    }

    #[test]
    fn a_claimed_conversation_is_taken_over_once_its_claim_expired() {
        for (wait, early) in [(5_000, true), (21_000, false)] {
            let mut case = Case::worked();
            case.phone().brings(part(SOUP, 1, 3));
            case.reader().claims(SOUP);
            case.wait(wait);
            case.scholar().works_on(SOUP, true);
            if early { case.rejects("taken-before-its-end") } else { case.ends().passes() }
        }
    }

    #[test]
    fn what_is_done_stays_done_until_there_is_more_of_it() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.reader().works_on(SOUP, true);
        case.phone().brings(part(SOUP, 3, 5));
        case.scholar().works_on(SOUP, true);
        case.passes();
        case.reader().works_on(SOUP, true);
        case.rejects("illegal");
    }
}
