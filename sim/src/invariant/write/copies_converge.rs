//! INV-04 `copies-converge`: copies made from the same writes are the same: the siblings that a device
//! holds, the view that its user is shown of them, and lists of files at the end.

mod file;
mod record;
pub(crate) mod view;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    record::judge(evidence, findings);
    view::judge(evidence, findings);
    file::judge(evidence, findings);
}
