//! Which devices can lack a key at which moment.

use engine::id::{DeviceId, UserId};

use super::{Evidence, FaultInterval, UserOperation};
use crate::history::{Asked, Boot, Change, Fact, Fault};
use crate::invariant::Incurable;
use crate::plan::Node;

/// Can a host of a user lack a key by then: were new ones of that user made or kept back, or did they have to
/// come first?
pub(crate) fn may_lack_keys(evidence: &Evidence<'_>, user: UserId, by: usize) -> bool {
    evidence.history[..by].iter().any(|entry| {
        let moves_keys = matches!(entry.fact.asked(), Some((_, Asked::RotateKey | Asked::SignIn)))
            || matches!(entry.fact, Fact::Faulted(Fault::HoldKeys(_)));
        let device = entry.node.device().filter(|_| moves_keys);
        device.is_some_and(|device| evidence.user(device) == user)
    })
}

/// Has a device handed any key to its disk, and not thrown it away since?
pub(crate) fn has_a_key(evidence: &Evidence<'_>, device: DeviceId, at: usize) -> bool {
    let facts = evidence.history[..at].iter().rev();
    let mut own = facts.filter(|entry| entry.node == Node::Device(device));
    // What had not become durable went with the power.
    let mut survives = u32::MAX;
    let told = own.find_map(|entry| {
        if let Fact::Killed { keeps, .. } = &entry.fact {
            survives = *keeps;
        }
        if let Fact::Persisted { changes, commit, .. } = &entry.fact {
            if *commit > survives {
                return None;
            }
            let mut keys = changes.iter().rev().filter(|it| matches!(it, Change::Key(_)));
            return keys.next().map(|key| *key == Change::Key(true));
        }
        let Fact::Started { boot, holds, .. } = &entry.fact else { return None };
        survives = u32::MAX;
        (*boot != Boot::Restart).then(|| holds.contains(&Change::Key(true)))
    });
    told.unwrap_or(false)
}

/// Does a device get a key after this? Then it lacked that one.
fn gets_a_key(evidence: &Evidence<'_>, device: DeviceId, after: usize) -> bool {
    let mut facts = evidence.history[after..].iter();
    facts.any(|entry| {
        entry.node == Node::Device(device)
            && matches!(&entry.fact, Fact::Persisted { changes, .. }
                if changes.contains(&Change::Key(true)))
    })
}

/// A key may be missing while keys are held back from a device, for ever or for a time, until one
/// that another device made has come, and after a sign-in until all have.
pub(crate) fn may_lack_a_key(evidence: &Evidence<'_>, device: DeviceId, at: usize) -> bool {
    let held = |fault: &FaultInterval| {
        matches!(fault.kind, Fault::HoldKeys(it) if it.device == device) && fault.from < at
    };
    let rotates = |op: &UserOperation| {
        evidence.user(op.device) == evidence.user(device)
            && op.asked < at
            && matches!(evidence.history[op.asked].fact.asked(), Some((_, Asked::RotateKey)))
    };
    evidence.context.incurable.contains(&Incurable::Keyless(device))
        || evidence.faults.iter().any(held)
        || evidence.operations.iter().any(rotates)
        || !has_a_key(evidence, device, at)
        || gets_a_key(evidence, device, at)
}
