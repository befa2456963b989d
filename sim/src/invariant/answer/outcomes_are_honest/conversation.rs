//! Conversations: an answer fits what was asked; what is acknowledged as saved or processed is so in the
//! log at some moment between the request and the answer.

use std::collections::BTreeMap;

use engine::job::Stored;

use crate::history::{Answered, Asked, Worked};
use crate::invariant::Invariant::OutcomesAreHonest;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::answers::fits;
use crate::invariant::evidence::naming::command_name;
use crate::invariant::evidence::work::{ConversationOperation, day_of, is_in, is_open, item_of};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::job_state;
use crate::plan::ProcessorCommand;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.work.operations {
        answer_is_honest(evidence, findings, operation);
    }
}

fn answer_is_honest(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ConversationOperation<'_>,
) {
    let Some((at, answer)) = operation.answer else { return };
    let (command, last) = (operation.command.clone(), operation.last);
    let epochs = evidence.epochs.between(operation.asked, at);
    let mut conversations =
        epochs.filter_map(|epoch| epoch.conversations.get(&operation.user)).peekable();
    let (site, what) = if !fits(&Asked::Work { command, last }, answer) {
        (
            "answers-another-command",
            "was answered with an answer to another kind of request".to_owned(),
        )
    } else if let Some((_, key, version)) = operation.saved()
        && !conversations.any(|conversations| is_in(conversations, key, version, operation, at))
    {
        (
            "saved-and-not-there",
            format!("was acknowledged as saved in v{version}, which lacks a part of it"),
        )
    } else if let (ProcessorCommand::Process(began), Answered::Worked(Worked::Processed)) =
        (operation.command, answer)
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
        ("processed-and-not-done", unprocessed(evidence, operation, at, &is_left))
    } else {
        return;
    };
    let host = evidence.name(operation.node);
    let message = format!("{host}: {} {what}.", command_name(operation.command));
    let place = (OutcomesAreHonest, site);
    findings.report(evidence, place, at, About::default(), message, [operation.asked]);
}

/// Which conversations were left when work was acknowledged as processed.
fn unprocessed(
    evidence: &Evidence<'_>,
    operation: &ConversationOperation<'_>,
    at: usize,
    is_left: &dyn Fn(&Stored) -> bool,
) -> String {
    let conversations = evidence.epochs.at(at).conversations.get(&operation.user);
    let left: Vec<String> = conversations
        .into_iter()
        .flat_map(|conversations| {
            let items = conversations.items_at(at);
            let left = items.into_values().filter(is_left).filter_map(|stored| item_of(&stored));
            left.map(|item| {
                let name = evidence.conversation_name(operation.user, conversations, &item);
                format!("{name} was {}", job_state(item.job))
            })
        })
        .collect();
    let left =
        if left.is_empty() { "some were left at any moment".to_owned() } else { left.join(", ") };
    format!("was acknowledged as processed, but no result was committed: {left}")
}

#[cfg(test)]
mod tests {
    use crate::history::Worked;
    use crate::invariant::Invariant;
    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{SOUP, part};
    use crate::plan::ProcessorCommand;

    #[test]
    fn work_that_others_are_at_is_not_called_done() {
        let told = |early: bool| {
            let mut case = Case::worked();
            case.phone().brings(part(SOUP, 1, 3));
            case.reader().claims(SOUP);
            let op = case.scholar().commands(ProcessorCommand::Process(None));
            case.reader().has_done(SOUP, true);
            if early {
                case.scholar().obeys(op, Worked::Processed);
            }
            case.reader().finishes(SOUP, true);
            if !early {
                case.scholar().obeys(op, Worked::Processed);
            }
            case.ends()
        };
        assert_eq!(told(true).broken(), [Invariant::OutcomesAreHonest]);
        told(false).passes();
    }
}
