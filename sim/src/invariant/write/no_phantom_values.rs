//! INV-02 `no-phantom-values`: every value shown or stored has a write that made it, and the fields of one
//! write show together: of records, accounts, conversations and files.

mod account;
mod file;
mod message;
pub(crate) mod record;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    record::judge(evidence, findings);
    if evidence.context.server.is_some() {
        account::judge(evidence, findings);
    }
    message::judge(evidence, findings);
    file::judge_names(evidence, findings);
    file::judge_content(evidence, findings);
}
