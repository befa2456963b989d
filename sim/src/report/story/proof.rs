//! Which facts prove a violation: what every report shows of it first.

use super::Scene;
use crate::invariant::Violation;

/// How many facts of its evidence a failure shows at a terminal, and how many stand in for evidence that a judge
/// does not name.
pub const EVIDENCE: usize = 14;

impl Scene<'_> {
    /// What proves a violation, as indices of facts in order. A judge that names nothing leaves the last facts
    /// about the record. What became of a write of an account is always told.
    pub fn proof(&self, violation: &Violation) -> Vec<usize> {
        let history = self.names.history();
        let mut proof: Vec<usize> =
            violation.evidence.iter().copied().filter(|&index| index < history.len()).collect();
        if proof.is_empty()
            && let Some(record) = violation.record
        {
            let about = |index: &usize| {
                history[*index].at <= violation.at && self.is_about(&history[*index], record)
            };
            proof = (0..history.len()).filter(about).collect();
            proof.drain(..proof.len().saturating_sub(EVIDENCE));
        }
        if let Some(token) = violation.token {
            proof.extend(self.evidence().fate(token));
            proof.extend(self.evidence().write(token).map(|write| write.index));
        }
        // What a device commits may be what it was served.
        if let Some(record) = violation.record {
            let page_of = |index: &usize| self.evidence().page_of(*index, record);
            proof.extend(proof.iter().filter_map(page_of).collect::<Vec<_>>());
        }
        proof.sort_unstable();
        proof.dedup();
        proof
    }
}
