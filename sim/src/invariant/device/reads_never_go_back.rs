//! INV-23 `reads-never-go-back`: what a device has shown or acknowledged it goes on showing, until it is
//! replaced or deleted: of records, accounts and files.

mod account;
mod file;
pub(crate) mod record;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    record::judge(evidence, findings);
    if evidence.context.server.is_some() {
        account::judge(evidence, findings);
    }
    file::judge(evidence, findings);
}
