//! Refusals: a request about files is not refused for what was so only before it was asked.

use crate::history::{Answered, Asked};
use crate::invariant::Invariant::CachesAreCoherent;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::file_refusals::{is_right, was_right};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::reason_name;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for op in evidence.operations.iter() {
        let Some(at) = op.answered else { continue };
        let Some((_, Answered::Refused(reason))) = evidence.history[at].fact.answered() else {
            continue;
        };
        let Some((_, Asked::File { ask, .. })) = evidence.history[op.asked].fact.asked() else {
            continue;
        };
        if was_right(evidence, op, ask, *reason) && !is_right(evidence, op, at, ask, *reason) {
            let message = format!(
                "Stale refusal: {}: {} was refused ({}), which was so only before it was asked for.",
                evidence.device_name(op.device),
                evidence.operation_name(op),
                reason_name(*reason)
            );
            let place = (CachesAreCoherent, "stale-refusal");
            let about = About { record: None, token: ask.token() };
            findings.report(evidence, place, at, about, message, [op.asked]);
        }
    }
}
