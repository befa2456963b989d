//! INV-26 `caches-are-coherent`: a worker answers by what had been acknowledged before it was asked, not by
//! an older state of its log.

mod restored_log;
pub(crate) mod stale_read;
mod stale_refusal;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    stale_refusal::judge(evidence, findings);
    restored_log::judge(evidence, findings);
    stale_read::judge(evidence, findings);
}
