//! Conversations: a number of a client is used for one effect.

use std::collections::BTreeMap;

use engine::message::Client;

use crate::invariant::Invariant::EffectsHappenOnce;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::work::Conversations;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, conversations) in evidence.epochs.conversations() {
        numbers_are_used_once(evidence, findings, conversations);
    }
}

fn numbers_are_used_once(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    conversations: &Conversations<'_>,
) {
    let mut used: BTreeMap<(Client, u32), (usize, engine::dedup::DedupKey)> = BTreeMap::new();
    for item_change in &conversations.item_changes {
        let Some(receipt) = item_change.receipt else { continue };
        // One claim may put what others have left back, in the same op.
        let first = *used.entry(receipt).or_insert((item_change.at, item_change.key));
        if first.0 != item_change.at {
            let message = format!(
                "Request {} of {} about conversations took effect in two commits.",
                receipt.1,
                evidence.client_name(receipt.0)
            );
            let place = (EffectsHappenOnce, "work-done-twice");
            findings.report(evidence, place, item_change.at, About::default(), message, [first.0]);
        }
    }
}
