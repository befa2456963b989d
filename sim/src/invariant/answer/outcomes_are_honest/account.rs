//! Accounts: a change that was refused is never made.

use crate::history::Answered;
use crate::invariant::Invariant::OutcomesAreHonest;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for request in &evidence.server.requests {
        let Some((at, Answered::Refused(_))) = request.answer else { continue };
        if let Some(made) = evidence.epochs.places(request).next() {
            let message = format!(
                "{}: the change of {} ({}) was refused, but a commit makes it.",
                evidence.device_name(request.device),
                made.field.name(),
                request.token.map_or_else(String::new, |token| evidence.write_name(token))
            );
            let about = About { record: None, token: request.token };
            let place = (OutcomesAreHonest, "refused-and-made");
            let with = [request.asked, at, made.at];
            findings.report(evidence, place, at.max(made.at), about, message, with);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::device::Reason;
    use engine::id::AccountField::Email;

    use crate::history::Answered;
    use crate::invariant::Invariant;
    use crate::invariant::case::Case;

    #[test]
    fn a_change_that_was_refused_is_never_made() {
        let mut case = Case::served();
        case.phone().session().opens();
        let (op, token) = case.phone().account().asks_to_patch(&[Email]);
        case.phone().answers(op, Answered::Refused(Reason::Internal));
        case.phone().account().commits(token, &[Email]);
        case.breaks(Invariant::OutcomesAreHonest, "refused-and-made");
        case.breaks(Invariant::RefusalsHaveReasons, "refused");
    }
}
