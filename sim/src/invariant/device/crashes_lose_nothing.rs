//! INV-25 `crashes-lose-nothing`: after a restart all acknowledged commits are there, whole: records, and
//! own writes of files.

mod file;
pub(crate) mod record;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    record::judge(evidence, findings);
    file::judge(evidence, findings);
}
