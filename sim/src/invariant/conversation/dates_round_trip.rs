//! INV-18 `dates-round-trip`, the part that a run can show: a conversation belongs to the day on
//! which it began, however that is written, and an ambiguous date is refused on every path.
//!
//! Which day is meant was drawn before it was written. Of two days the earlier one counts.

use engine::device::Reason as DeviceReason;
use engine::processor::Reason;

use crate::history::{Answered, Worked};
use crate::invariant::Invariant::DatesRoundTrip;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::work::{ConversationOperation, day_of, item_of};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::visible;
use crate::plan::{Began, Day, ProcessorCommand};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.work.operations {
        refused_if_unclear(evidence, findings, operation);
    }
    items_are_of_their_days(evidence, findings);
}

/// The date that a command names.
fn began(command: &ProcessorCommand) -> Option<&Began> {
    match command {
        ProcessorCommand::Ingest(excerpt) => Some(&excerpt.began),
        ProcessorCommand::Process(began) => began.as_ref(),
        ProcessorCommand::ReadDay(began) => Some(began),
        ProcessorCommand::Reset(_) | ProcessorCommand::Read(..) => None,
    }
}

fn refused_if_unclear(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ConversationOperation<'_>,
) {
    let (Some(began), Some((at, answer))) = (began(operation.command), operation.answer) else {
        return;
    };
    let is_refused = matches!(
        answer,
        Answered::Refused(DeviceReason::Date(_))
            | Answered::Worked(Worked::Refused(Reason::Date(_)))
    );
    let is_other = matches!(answer, Answered::Refused(_));
    let (host, written) = (evidence.name(operation.node), visible(&began.written));
    let (site, message) = match (began.day, is_refused) {
        (Some(day), true) => (
            "not-told",
            format!(
                "{host}: the date \"{written}\" was refused as ambiguous, although it means {day}."
            ),
        ),
        (None, false) if !is_other => (
            "guessed",
            format!(
                "{host}: the date \"{written}\" was accepted, although it can be read in two ways."
            ),
        ),
        (Some(_) | None, _) => return,
    };
    let place = (DatesRoundTrip, site);
    findings.report(evidence, place, at, About::default(), message, [operation.asked]);
}

fn items_are_of_their_days(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, conversations) in evidence.epochs.conversations() {
        for item_change in &conversations.item_changes {
            let Some(item) = item_change.now.as_ref().and_then(item_of) else { continue };
            let before = item_change.before.as_ref().and_then(item_of);
            if before.is_some_and(|before| before.content == item.content) {
                continue;
            }
            let Some(held) = conversations.thread(&item) else { continue };
            let Some(talk) = evidence.work.talk(evidence.context, *user, held) else { continue };
            let of_talk = |it: &&crate::plan::Excerpt| it.talk == talk;
            let brought =
                evidence.work.brought(evidence.context, *user, item_change.at).filter(of_talk);
            let days: Vec<Day> = brought.filter_map(|excerpt| excerpt.began.day).collect();
            let day = day_of(&item);
            let is_told = day.is_some_and(|day| days.contains(&day));
            let is_later = before.and_then(|before| day_of(&before)) < day && before.is_some();
            if !is_told || is_later || day != Some(held.day) {
                let told = day.map_or_else(String::new, |day| day.to_string());
                let message = format!(
                    "Conversation {} is stored under {told}; it began on {}, and {} had been brought.",
                    talk.0,
                    held.day,
                    if days.is_empty() { "no day".to_owned() } else { list(&days) }
                );
                let place = (DatesRoundTrip, "another-day");
                findings.report(evidence, place, item_change.at, About::default(), message, []);
            }
        }
    }
}

fn list(days: &[Day]) -> String {
    let mut told: Vec<String> = days.iter().map(ToString::to_string).collect();
    told.dedup();
    told.join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::history::Worked;
    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{SOUP, part, refused_date};
    use crate::plan::{Began, Day, Excerpt, ProcessorCommand};

    /// A conversation of the third is kept under the fourth.
    pub(crate) fn broken() -> Case {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.reader().commands(ProcessorCommand::Ingest(part(SOUP, 4, 5)));
        let other = Day { year: 2024, month: 4, day: 4 };
        case.reader().saves_as(SOUP, other, &[1, 2, 3, 4, 5]);
        case.reader().is_stopped();
        case.ends()
    }

    fn unclear() -> Excerpt {
        let began = Began { written: "03/04/2024".into(), day: None };
        Excerpt { began, ..part(SOUP, 1, 3) }
    }

    #[test]
    fn a_conversation_is_of_the_day_on_which_it_began() {
        assert!(broken().violations().iter().all(|violation| violation.site == "another-day"));
    }

    #[test]
    fn a_date_that_nobody_can_tell_is_not_guessed() {
        let mut case = Case::worked();
        case.phone().brings(unclear());
        assert!(case.violations().iter().any(|violation| violation.site == "guessed"));
    }

    #[test]
    fn a_date_that_everybody_can_tell_is_not_refused() {
        let refused = |excerpt: Excerpt| {
            let mut case = Case::worked();
            let op = case.reader().commands(ProcessorCommand::Ingest(excerpt));
            case.reader().obeys(op, Worked::Refused(refused_date()));
            case.ends()
        };
        refused(unclear()).passes();
        assert_eq!(refused(part(SOUP, 1, 3)).violations()[0].site, "not-told");
    }
}
