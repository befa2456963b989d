//! INV-01 `no-lost-writes`: every write that was acknowledged, or shown to a user, is there at the end, or
//! was replaced by one whose author had been shown it: of records, accounts, conversations and files.

mod account;
mod file;
mod lineage;
mod message;
pub(crate) mod record;
mod spared;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    record::judge(evidence, findings);
    if evidence.context.server.is_some() {
        account::judge(evidence, findings);
    }
    message::judge(evidence, findings);
    file::judge(evidence, findings);
    lineage::judge(evidence, findings);
}
