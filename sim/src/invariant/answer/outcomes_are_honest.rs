//! INV-30 `outcomes-are-honest`: what is answered is so. *Refused* has no effect, *saved* is durable, and
//! what a device has recorded about a remote is what that remote did.

mod account;
mod answer;
mod conversation;
mod file;
pub(crate) mod record;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    record::judge(evidence, findings);
    answer::judge(evidence, findings);
    if evidence.context.server.is_some() {
        account::judge(evidence, findings);
    }
    conversation::judge(evidence, findings);
    file::judge(evidence, findings);
}
