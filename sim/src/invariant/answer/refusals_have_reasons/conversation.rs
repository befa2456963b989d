//! Conversations: a processor that refuses says why and is right, and one that lives answers. Devices are
//! judged with all that they answer.

use engine::job::{Job, Stored};
use engine::message::Refusal;
use engine::processor::Reason;
use engine::seal::OpenError;

use crate::history::{Fact, Worked};
use crate::invariant::Invariant::RefusalsHaveReasons;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::keys::processor_may_lack;
use crate::invariant::evidence::naming::command_name;
use crate::invariant::evidence::work::{ConversationOperation, Conversations, item_of};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::order_refusal;
use crate::plan::{Node, ProcessorCommand};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.work.operations {
        refusal_has_a_reason(evidence, findings, operation);
    }
}

/// A processor that died need not answer; one that refuses says why. Devices are judged with all
/// that they answer.
fn refusal_has_a_reason(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ConversationOperation<'_>,
) {
    let Node::Processor(_) = operation.node else { return };
    let mut report = |site, at: usize, what: &str| {
        let host = evidence.name(operation.node);
        let message = format!("{host}: {} {what}.", command_name(operation.command));
        let place = (RefusalsHaveReasons, site);
        findings.report(evidence, place, at, About::default(), message, [operation.asked]);
    };
    match operation.worked() {
        Some((at, Worked::Refused(reason))) if !is_right(evidence, operation, at, *reason) => {
            report(
                "command-refused",
                at,
                &format!("was refused without a reason: {}", order_refusal(*reason)),
            );
        }
        Some(_) => {}
        None => {
            let died = evidence.history[operation.asked..].iter().any(|entry| {
                entry.node == operation.node
                    && matches!(entry.fact, Fact::Killed { .. } | Fact::Panicked(_))
            });
            if !died && evidence.has_settled() {
                report("command-unanswered", operation.asked, "was never answered");
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
    match (reason, operation.command) {
        // Which dates can be told is judged with dates.
        (
            Reason::Date(_),
            ProcessorCommand::Ingest(_)
            | ProcessorCommand::Process(Some(_))
            | ProcessorCommand::ReadDay(_),
        ) => true,
        (Reason::Server(Refusal::Invalid), ProcessorCommand::Reset(talk)) => {
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
        (
            Reason::Sealed(OpenError::NoKey(key)),
            ProcessorCommand::Ingest(_) | ProcessorCommand::Read(..),
        ) => processor_may_lack(evidence, (operation.node, operation.user), key.generation, at),
        (Reason::Date(_) | Reason::Sealed(_) | Reason::Keyless | Reason::Server(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use engine::id::DeviceId;
    use engine::processor::Reason;

    use crate::fault::HoldKeys;
    use crate::history::{Answered, Asked, Change, Fact, Worked};
    use crate::invariant::Invariant::RefusalsHaveReasons;
    use crate::invariant::case::talks::{SOUP, part};
    use crate::invariant::case::{Case, LAPTOP, TABLET, no_key};
    use crate::plan::ProcessorCommand;

    /// The reader is refused for want of a key of the second generation, or of any.
    fn refused(case: &mut Case, reason: Reason) {
        let op = case.reader().commands(ProcessorCommand::Ingest(part(SOUP, 1, 2)));
        case.reader().obeys(op, Worked::Refused(reason));
    }

    fn rotates(case: &mut Case, device: DeviceId) {
        let op = case.device(device).asks(Asked::RotateKey);
        case.device(device).persists(vec![Change::Key(true)]);
        case.device(device).answers(op, Answered::Rotated);
    }

    #[test]
    fn a_processor_lacks_no_key_but_one_that_its_user_made_since_it_started() {
        let new = Reason::Sealed(no_key(2));
        for (by, starts_since, reason, is_right) in [
            (TABLET, false, new, true),
            (TABLET, true, new, false),
            (LAPTOP, false, new, false),
            (TABLET, false, Reason::Keyless, false),
        ] {
            let mut case = Case::worked();
            rotates(&mut case, by);
            if starts_since {
                case.reader().is_stopped();
                case.reader().starts();
            }
            refused(&mut case, reason);
            let broken = case.ends().broken();
            assert_eq!(broken.contains(&RefusalsHaveReasons), !is_right, "{broken:?}");
        }
    }

    #[test]
    fn keys_that_are_held_back_from_devices_are_not_held_back_from_processors() {
        let mut case = Case::worked();
        case.fact(TABLET, Fact::Faulted(HoldKeys { device: TABLET }.into()));
        refused(&mut case, Reason::Sealed(no_key(1)));
        assert!(case.ends().broken().contains(&RefusalsHaveReasons));
    }

    #[test]
    fn a_processor_answers_unless_it_dies() {
        let silent = |dies: bool| {
            let mut case = Case::worked();
            case.reader().commands(ProcessorCommand::Process(None));
            if dies {
                case.reader().is_stopped();
            }
            case.ends()
        };
        assert_eq!(silent(false).violations()[0].site, "command-unanswered");
        silent(true).passes();
    }
}
