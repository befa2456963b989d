//! Files: what is acknowledged as done is in the log, by then and not before it was asked for; what is
//! acknowledged as saved was durable; what was refused was not kept; and a failure has a cause.

use engine::device::Reason;
use engine::message::Refusal;

use crate::history::file::FileAsked;
use crate::history::{Answered, Entry, Fact, Refused};
use crate::invariant::Invariant::OutcomesAreHonest;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::file_answers::{AnswerFault, answer_fault};
use crate::invariant::evidence::files::ObservedFileOperation;
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let operations = &evidence.server.file_operations;
    for operation in operations {
        if !matches!(operation.ask, FileAsked::Move(_) | FileAsked::Job(_)) {
            acknowledged_is_in_the_log(evidence, findings, operation);
        }
    }
    refusals_are_passed_on(evidence, findings);
    for operation in operations {
        saved_is_durable(evidence, findings, operation);
    }
}

fn acknowledged_is_in_the_log(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
) {
    let Some((at, fault)) = answer_fault(evidence, operation) else { return };
    let (site, what) = match fault {
        AnswerFault::NotMade { path } => {
            ("not-made", format!("folder {path} was acknowledged as created, but no commit has it"))
        }
        AnswerFault::NotDeleted { path } => {
            ("not-deleted", format!("{path} was acknowledged as deleted, but no commit deletes it"))
        }
        AnswerFault::NotUndeleted { path } => (
            "not-undeleted",
            format!("{path} was acknowledged as undeleted, but no commit brings it back"),
        ),
        AnswerFault::NotRestored { path, version, made } => (
            "not-restored",
            format!(
                "the restore of version {version} of {path} was acknowledged as version {made}, \
                 but there is no such version"
            ),
        ),
        AnswerFault::RestoredAnother { .. }
        | AnswerFault::BatchNotWhole { .. }
        | AnswerFault::AnotherJob { .. }
        | AnswerFault::JobToldOtherwise { .. } => return,
    };
    let message = format!("{}: {what}.", evidence.device_name(operation.device));
    let about = About { record: None, token: operation.ask.token() };
    findings.report(evidence, (OutcomesAreHonest, site), at, about, message, [operation.asked]);
}

/// Only a worker that failed makes a request fail without a cause.
fn refusals_are_passed_on(evidence: &Evidence<'_>, findings: &mut Findings) {
    for op in evidence.operations.iter() {
        let Some(at) = op.answered else { continue };
        if !matches!(
            evidence.history[at].fact.answered(),
            Some((_, Answered::Refused(Reason::Internal)))
        ) {
            continue;
        }
        let has_failed = |entry: &Entry| {
            let internal = Refused::Server(Refusal::Internal);
            entry.node == Node::Device(op.device)
                && matches!(&entry.fact, Fact::Delivered { refused, .. } if refused.as_deref() == Some(&internal))
        };
        if !evidence.history[op.asked..at].iter().any(has_failed) {
            let message = format!(
                "{}: {} failed with an internal error, but no worker had reported one.",
                evidence.device_name(op.device),
                evidence.operation_name(op)
            );
            let place = (OutcomesAreHonest, "no-cause");
            findings.report(evidence, place, at, About::default(), message, [op.asked]);
        }
    }
}

fn saved_is_durable(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
) {
    let Some(token) = operation.ask.token() else { return };
    let about = About { record: None, token: Some(token) };
    let durable = evidence.disk(operation.device).filed.get(token).copied();
    if let Some(saved) = operation.saved()
        && durable.is_none_or(|durable| durable > saved)
    {
        let message = format!(
            "{} acknowledged {} ({}) as saved at {}, but it {}.",
            evidence.device_name(operation.device),
            evidence.write_name(token),
            evidence.operation_path(operation, saved),
            evidence.time(saved),
            durable.map_or("never became durable".to_owned(), |durable| {
                format!("became durable at {}", evidence.time(durable))
            })
        );
        let place = (OutcomesAreHonest, "file-saved-before-durable");
        findings.report(evidence, place, saved, about, message, [operation.asked]);
    }
    if let (Some((at, Answered::Refused(_))), Some(kept)) = (operation.answer, durable)
        && matches!(operation.ask, FileAsked::Write { .. })
    {
        let message = format!(
            "{} refused {} ({}) at {}, but made it durable at {}.",
            evidence.device_name(operation.device),
            evidence.write_name(token),
            evidence.operation_path(operation, at),
            evidence.time(at),
            evidence.time(kept)
        );
        let place = (OutcomesAreHonest, "file-refused-and-kept");
        findings.report(evidence, place, at.max(kept), about, message, [operation.asked]);
    }
}

#[cfg(test)]
mod tests {
    use crate::history::file::{FileAsked, FileDone, Goal};
    use crate::history::{Answered, Change};
    use crate::invariant::case::Case;
    use crate::invariant::case::tree::{DRAFT, LETTERS, PHOTOS, ROOT};

    fn filed() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        for (id, of) in [(LETTERS, "letters"), (PHOTOS, "photos")] {
            let op = case.phone().files().asks(FileAsked::MakeFolder(ROOT, of.into()));
            case.phone().files().makes_folder(id, ROOT, of);
            let done = crate::history::Answered::File(FileDone::Created(id));
            case.phone().answers(op, done);
        }
        case
    }

    #[test]
    fn what_is_called_done_was_done() {
        filed().ends().passes();
        let delete = || FileAsked::Delete { node: LETTERS, seen: 0, exposed: Vec::new() };
        for (ask, done, site) in [
            (FileAsked::MakeFolder(ROOT, "other".into()), FileDone::Created(DRAFT), "not-made"),
            (delete(), FileDone::Done, "not-deleted"),
            (FileAsked::Undelete(DRAFT), FileDone::Done, "not-undeleted"),
        ] {
            let mut case = filed();
            case.phone().files().is_answered(ask, done);
            case.rejects(site);
        }
        let mut case = filed();
        let op = case.phone().files().asks(delete());
        case.phone().files().is_deleted(LETTERS);
        case.phone().answers(op, crate::history::Answered::File(FileDone::Done));
        case.ends().passes();
    }

    #[test]
    fn a_request_does_not_fail_without_a_cause() {
        let mut case = filed();
        let delete = FileAsked::Delete { node: DRAFT, seen: 0, exposed: Vec::new() };
        let op = case.phone().files().asks(delete);
        let reason = engine::device::Reason::Internal;
        case.phone().answers(op, crate::history::Answered::Refused(reason));
        case.rejects("no-cause");
    }

    #[test]
    fn what_was_called_saved_was_durable_by_then() {
        let mut case = filed();
        let goal = Goal::New(ROOT, "draft.txt".into());
        let filing = case.phone().files().asks_to_save((DRAFT, goal), "words", Vec::new());
        case.phone().hands_over(vec![Change::Upload(filing.dot, Some((filing.token, DRAFT)))]);
        case.phone().answers(filing.op, Answered::Saved);
        case.rejects("file-saved-before-durable");
        case.phone().crashes(0);
        case.rejects("file-saved-and-gone");
    }
}
