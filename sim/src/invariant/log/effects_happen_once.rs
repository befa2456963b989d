//! INV-10 `effects-happen-once`: what is asked of the server once takes effect once, however often it is
//! sent: changes of accounts, work on conversations, and versions of files.

pub(crate) mod account;
mod conversation;
mod file;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    account::judge(evidence, findings);
    conversation::judge(evidence, findings);
    file::judge(evidence, findings);
}
