//! INV-16 `reads-are-exact`: a read of a conversation, of a version of it or of its result returns
//! the very object that the log names for it, or says that there is none; and a processor never
//! receives "cannot be read" for an object that exists.

use engine::device::Reason as DeviceReason;
use engine::job::{Item, Job, Why};
use engine::message::Refusal;
use engine::processor::Reason;
use engine::seal::OpenError;

use crate::history::{Answered, Filed, Worked};
use crate::invariant::Invariant::ReadsAreExact;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::naming::command_name;
use crate::invariant::evidence::work::{ConversationOperation, Conversations, item_of};
use crate::invariant::findings::{About, Findings};
use crate::plan::{ProcessorCommand, TalkId, TalkPart};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, conversations) in evidence.epochs.conversations() {
        for item_change in &conversations.item_changes {
            let now = item_change.now.as_ref().and_then(item_of);
            let Some(item @ Item { job: Job::Failed { why: Why::Unreadable, .. }, .. }) = now
            else {
                continue;
            };
            let is_new = item_change.before.as_ref().and_then(item_of) != now;
            // It may have asked a log between two restores that had no such item.
            let claimed = conversations
                .item_changes
                .iter()
                .rfind(|it| it.key == item_change.key && it.at < item_change.at);
            let since = claimed.map_or(0, |item_change| item_change.at);
            let is_new = is_new && evidence.epochs.between(since, item_change.at).count() == 1;
            if let Some((filed, ..)) =
                conversations.objects.get(&item.content.blob).filter(|_| is_new)
            {
                let message = format!(
                    "{} failed as unreadable for {}, but its object is stored and can be opened.",
                    evidence.conversation_name(*user, conversations, &item),
                    item_change.receipt.map_or("a worker", |it| evidence.client_name(it.0))
                );
                let place = (ReadsAreExact, "unreadable");
                findings.report(
                    evidence,
                    place,
                    item_change.at,
                    About::default(),
                    message,
                    [*filed],
                );
            }
        }
    }
    for operation in &evidence.work.operations {
        let Some((at, answer)) = operation.answer else { continue };
        let wrong = match (answer, operation.command) {
            (Answered::Refused(DeviceReason::Sealed(OpenError::Corrupt)), _)
            | (Answered::Worked(Worked::Refused(Reason::Sealed(OpenError::Corrupt))), _) => Some((
                "not-opened",
                "was refused because the object is corrupt, although it is intact",
            )),
            (Answered::Worked(Worked::Refused(Reason::Server(Refusal::Internal))), _) => {
                Some(("not-there", "failed because an object that the log names was not found"))
            }
            (Answered::Worked(worked), ProcessorCommand::Read(talk, part)) => {
                let epochs = evidence.epochs.between(operation.asked, at);
                let conversations = epochs.map(|epoch| epoch.conversations.get(&operation.user));
                let wrong = conversations.map(|conversations| {
                    is_wrong(evidence, operation, (at, conversations), (*talk, *part), worked)
                });
                // What was on its way when the volume was restored may be of the log that was.
                wrong.min().flatten()
            }
            _ => None,
        };
        if let Some((site, what)) = wrong {
            let host = evidence.name(operation.node);
            let message = format!("{host}: {} {what}.", command_name(operation.command));
            let place = (ReadsAreExact, site);
            findings.report(evidence, place, at, About::default(), message, [operation.asked]);
        }
    }
}

type Mistake = Option<(&'static str, &'static str)>;

/// What is wrong about an answer, if anything is.
fn is_wrong(
    evidence: &Evidence<'_>,
    operation: &ConversationOperation<'_>,
    (at, conversations): (usize, Option<&Conversations<'_>>),
    (talk, part): (TalkId, TalkPart),
    worked: &Worked,
) -> Mistake {
    const OTHER: Mistake = Some(("another-object", "shows another object than the log names"));
    let Some(conversations) = conversations else {
        return (*worked != Worked::Nothing)
            .then_some(("of-nobody", "shows a conversation, although the space has none"));
    };
    match worked {
        Worked::Thread(item, shown) => {
            let filed = conversations.objects.get(&item.content.blob);
            let is_named =
                matches!(filed, Some((_, _, Some(Filed::Thread(held)))) if held == &**shown);
            let is_asked = match part {
                TalkPart::Version(n) => item.content.version == n,
                TalkPart::Current | TalkPart::Result => true,
            };
            if evidence.work.talk(evidence.context, operation.user, shown) != Some(talk) {
                return Some(("another-conversation", "shows another conversation"));
            }
            if is_named && is_asked { None } else { OTHER }
        }
        Worked::Result(item, token) => {
            let Job::Success { result, .. } = item.job else { return OTHER };
            let filed = conversations.objects.get(&result);
            let is_named =
                matches!(filed, Some((_, _, Some(Filed::Result(held)))) if held == token);
            if is_named { None } else { OTHER }
        }
        Worked::Nothing => {
            let lacks = |item: Option<Item>| match (item, part) {
                (None, _) => true,
                (Some(item), TalkPart::Version(n)) => item.content.version < n,
                (Some(_), TalkPart::Current) => false,
                (Some(item), TalkPart::Result) => !matches!(item.job, Job::Success { .. }),
            };
            let lacked = conversations.was_ever((operation.asked, at), |items| {
                let of_talk = |stored| {
                    item_of(stored)
                        .filter(|item| is_of(evidence, conversations, operation, item, talk))
                };
                lacks(items.values().find_map(of_talk))
            });
            (!lacked)
                .then_some(("not-shown", "shows nothing, although the log had it all the time"))
        }
        Worked::Saved(..)
        | Worked::Processed
        | Worked::WasReset
        | Worked::Day(..)
        | Worked::Refused(_) => None,
    }
}

/// Is an item this conversation?
fn is_of(
    evidence: &Evidence<'_>,
    conversations: &Conversations<'_>,
    operation: &ConversationOperation<'_>,
    item: &Item,
    talk: TalkId,
) -> bool {
    let held = conversations.thread(item);
    held.and_then(|held| evidence.work.talk(evidence.context, operation.user, held)) == Some(talk)
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::history::Worked;
    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{SOUP, part};
    use crate::plan::{ProcessorCommand, TalkPart};

    /// The first version is shown in place of the second, under the name of that.
    pub(crate) fn broken() -> Case {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.talks.remembers(SOUP);
        case.phone().brings(part(SOUP, 3, 5));
        case.reader().shows_talk(SOUP, TalkPart::Version(2));
        case.ends()
    }

    #[test]
    fn another_object_is_not_shown() {
        assert_eq!(broken().violations()[0].site, "another-object");
    }

    #[test]
    fn the_object_that_is_named_is_shown_and_a_result_only_once_there_is_one() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.reader().shows_talk(SOUP, TalkPart::Current);
        let early = case.scholar().commands(ProcessorCommand::Read(SOUP, TalkPart::Result));
        case.scholar().obeys(early, Worked::Nothing);
        case.reader().works_on(SOUP, true);
        case.passes();
        let late = case.scholar().commands(ProcessorCommand::Read(SOUP, TalkPart::Result));
        case.scholar().obeys(late, Worked::Nothing);
        assert_eq!(case.violations()[0].site, "not-shown");
    }
}
