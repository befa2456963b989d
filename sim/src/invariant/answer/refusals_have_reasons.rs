//! INV-32 `refusals-have-reasons`: an operation that is refused, late or not answered at all has a fault on
//! its path, or is wrong by the rules.

mod conversation;
mod late_answer;
mod late_server_answer;
pub(crate) mod refusal;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    refusal::judge(evidence, findings);
    late_answer::judge(evidence, findings);
    late_server_answer::judge(evidence, findings);
    conversation::judge(evidence, findings);
}
