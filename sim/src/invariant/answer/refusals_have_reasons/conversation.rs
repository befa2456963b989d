//! Conversations: a processor that refuses says why and is right, and one that lives answers. Devices are
//! judged with all that they answer.

use engine::job::{Job, Stored};
use engine::message::Refusal;
use engine::processor::Reason;

use crate::history::{Fact, Worked};
use crate::invariant::Invariant::RefusalsHaveReasons;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::keys::may_lack_keys;
use crate::invariant::evidence::naming::order_name;
use crate::invariant::evidence::work::{ConversationOperation, Conversations, item_of};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::order_refusal;
use crate::plan::{Node, Order};

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
        let message = format!("{host}: {} {what}.", order_name(operation.order));
        let place = (RefusalsHaveReasons, site);
        findings.report(evidence, place, at, About::default(), message, [operation.asked]);
    };
    match operation.worked() {
        Some((at, Worked::Refused(reason))) if !is_right(evidence, operation, at, *reason) => {
            report(
                "order-refused",
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
                report("order-unanswered", operation.asked, "was never answered");
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
        (Reason::Keyless, Order::Ingest(_)) => may_lack_keys(evidence, operation.user, at),
        (Reason::Sealed(engine::seal::OpenError::NoKey(_)), Order::Ingest(_) | Order::Read(..)) => {
            may_lack_keys(evidence, operation.user, at)
        }
        (Reason::Date(_) | Reason::Sealed(_) | Reason::Keyless | Reason::Server(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use engine::processor::Reason;

    use crate::fault::HoldKeys;
    use crate::history::{Fact, Worked};
    use crate::invariant::Invariant::RefusalsHaveReasons;
    use crate::invariant::case::talks::{SOUP, part};
    use crate::invariant::case::{Case, LAPTOP, TABLET};
    use crate::plan::Order;

    #[test]
    fn a_key_that_is_withheld_from_another_user_is_no_reason() {
        for (device, is_right) in [(TABLET, true), (LAPTOP, false)] {
            let mut case = Case::worked();
            case.fact(device, Fact::Faulted(HoldKeys { device }.into()));
            let op = case.reader().orders(Order::Ingest(part(SOUP, 1, 2)));
            case.reader().obeys(op, Worked::Refused(Reason::Keyless));
            let broken = case.ends().broken();
            assert_eq!(broken.contains(&RefusalsHaveReasons), !is_right, "{broken:?}");
        }
    }

    #[test]
    fn a_processor_answers_unless_it_dies() {
        let silent = |dies: bool| {
            let mut case = Case::worked();
            case.reader().orders(Order::Process(None));
            if dies {
                case.reader().is_stopped();
            }
            case.ends()
        };
        assert_eq!(silent(false).violations()[0].site, "order-unanswered");
        silent(true).passes();
    }
}
