//! INV-11 `server-is-linearizable`: what the server answers is what its log says, in an order that agrees
//! with real time: accounts, the status of sessions, and days.

pub(crate) mod account;
mod day;
mod session_status;

use crate::invariant::evidence::Evidence;
use crate::invariant::findings::Findings;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    account::judge(evidence, findings);
    session_status::judge(evidence, findings);
    day::judge(evidence, findings);
}
