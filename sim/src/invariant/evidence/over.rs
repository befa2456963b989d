//! When a request is over: with its answer, with the incarnation of the device that it was asked of, or with
//! the run, where that ends without waiting for it. What happens later has nothing to do with it.

use engine::id::DeviceId;

use super::{Evidence, ObservedOperation};
use crate::history::{Asked, Entry, Fact, Fault};
use crate::invariant::Incurable;
use crate::plan::Node;

impl ObservedOperation {
    /// Is a new key asked for?
    pub(crate) fn rotates(&self, evidence: &Evidence<'_>) -> bool {
        matches!(evidence.history[self.asked].fact.asked(), Some((_, Asked::RotateKey)))
    }

    /// When it is over; none if its answer was owed as the run ended.
    pub(crate) fn over(&self, evidence: &Evidence<'_>) -> Option<usize> {
        let ends = || evidence.settled.filter(|_| !is_waited_for(evidence, self));
        self.answered.or_else(|| dies(evidence, self.device, self.asked)).or_else(ends)
    }
}

/// When a device lost power, or its process, for the first time after this.
fn dies(evidence: &Evidence<'_>, device: DeviceId, after: usize) -> Option<usize> {
    let ends = |entry: &Entry| {
        entry.node == Node::Device(device)
            && matches!(
                entry.fact,
                Fact::Killed { .. }
                    | Fact::PersistFailed(_)
                    | Fact::Started { .. }
                    | Fact::Panicked(_)
                    | Fact::Faulted(Fault::Destroy(_))
            )
    };
    let from = evidence.off_wire.partition_point(|(at, _)| *at < after);
    evidence.off_wire[from..].iter().find(|(_, entry)| ends(entry)).map(|(at, _)| *at)
}

/// Does a run end only when this is answered? It does not wait for a device that is cut off, nor for a new key
/// that a device never makes, as there is something that it can never open.
fn is_waited_for(evidence: &Evidence<'_>, op: &ObservedOperation) -> bool {
    let vault = evidence.vault(op.device);
    let opens_all = || {
        let rows = |it: &Incurable| matches!(it, Incurable::Row(_, whose, _) if *whose == vault);
        evidence.is_core(op.device) && !evidence.context.incurable.iter().any(rows)
    };
    let is_cut_off = evidence.context.incurable.contains(&Incurable::Device(op.device));
    !is_cut_off && (!op.rotates(evidence) || opens_all())
}
