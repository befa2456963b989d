//! Which fault of a plan justifies that something is gone, or stays where nobody can see it.
//!
//! A cause is the fact that its fault began. A fault justifies the loss of a write only if it was about
//! while the write existed, and if it is about the place that had the write.

use engine::id::{DeviceId, RecordId, Remote, VaultId};

use super::keys::has_a_key;
use super::{Evidence, FaultInterval};
use crate::history::{Entry, Fact, Fault};
use crate::invariant::Incurable;
use crate::plan::Node;

/// A device of which others do not get all that it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stranded {
    pub(crate) device: DeviceId,
    /// The fault that keeps it so.
    pub(crate) by: usize,
    /// Can it send nothing at all? Else it can send what it can open.
    pub(crate) is_mute: bool,
}

/// The devices from which something cannot get to others, to the end.
pub(crate) fn stranded(evidence: &Evidence<'_>) -> Vec<Stranded> {
    let stranded = |incurable: &Incurable| match *incurable {
        Incurable::Keyless(device) => Some(Stranded {
            device,
            by: open_fault(evidence, |fault| is_withheld(fault, device))?,
            is_mute: !has_a_key(evidence, device, evidence.history.len()),
        }),
        Incurable::Device(device) => {
            let by = cut_off(evidence, device)?;
            Some(Stranded { device, by, is_mute: true })
        }
        Incurable::Row(..) => None,
    };
    evidence.context.incurable.iter().filter_map(stranded).collect()
}

/// The last fault that hid, damaged or refused a row, if that is beyond cure.
pub(crate) fn beyond_cure(
    evidence: &Evidence<'_>,
    row: (Remote, VaultId, RecordId),
) -> Option<usize> {
    if evidence.context.incurable.is_empty() || !evidence.is_incurable(Some(row.0), row.1, row.2) {
        return None; // As most are.
    }
    evidence.faults.iter().rfind(|fault| fault.kind.row() == Some(row)).map(|fault| fault.from)
}

/// Was a row beyond cure that was hidden, damaged or refused before a moment?
pub(crate) fn was_beyond_cure(
    evidence: &Evidence<'_>,
    row: (Remote, VaultId, RecordId),
    by: usize,
) -> bool {
    let is_of_row = |fault: &FaultInterval| fault.from <= by && fault.kind.row() == Some(row);
    evidence.is_incurable(Some(row.0), row.1, row.2) && evidence.faults.iter().any(is_of_row)
}

/// Is a record beyond cure at every remote, so that no device hears of what another one holds?
pub(crate) fn is_beyond_reach(evidence: &Evidence<'_>, vault: VaultId, id: RecordId) -> bool {
    let mut remotes = evidence.context.remotes.iter();
    remotes.all(|remote| evidence.is_incurable(Some(*remote), vault, id))
}

/// When a device, or its store, was destroyed, and by which fault.
pub(crate) fn losses(
    evidence: &Evidence<'_>,
    device: DeviceId,
) -> impl Iterator<Item = (usize, usize)> {
    let destroys = move |fault: &Fault| matches!(fault, Fault::Destroy(it) if it.device == device);
    let restores =
        move |fault: &Fault| matches!(fault, Fault::RestoreImage(it) if it.device == device);
    let destroyed = evidence.faults.iter().filter(move |fault| destroys(&fault.kind));
    let restored = evidence
        .images(device)
        .filter_map(move |at| Some((at, last_fault(&evidence.faults, (0, at), restores)?)));
    restored.chain(destroyed.map(|fault| (fault.from, fault.from)))
}

/// The last fault that goes on to the end and keeps a device from the last of its remotes, if it is
/// cut off from all.
fn cut_off(evidence: &Evidence<'_>, device: DeviceId) -> Option<usize> {
    let from = |remote: &Remote| open_fault(evidence, |fault| is_between(fault, device, *remote));
    let faults: Option<Vec<usize>> = evidence.context.remotes.iter().map(from).collect();
    faults?.into_iter().max()
}

/// The last of these faults that goes on to the end.
fn open_fault(evidence: &Evidence<'_>, is_it: impl Fn(&Fault) -> bool) -> Option<usize> {
    let is_open = |fault: &&FaultInterval| fault.to.is_none() && is_it(&fault.kind);
    evidence.faults.iter().rfind(is_open).map(|fault| fault.from)
}
/// Was a host told by the server of before, if it says so at some moment after the volume was set back? Then
/// all messages of before were lost with their connections. A host that has heard nothing from a worker since
/// knows it from before, and waited for its disk.
pub(crate) fn was_told_before(
    evidence: &Evidence<'_>,
    host: Node,
    (set_back, says): (usize, usize),
) -> bool {
    let hears = |entry: &Entry| {
        let is_answer = matches!(entry.fact, Fact::Delivered { from: Node::Worker(_), .. });
        entry.node == host && is_answer
    };
    says < set_back || !evidence.history[set_back..says].iter().any(hears)
}

/// The last of these faults that was about since something began and up to a moment.
pub(crate) fn last_fault(
    faults: &[FaultInterval],
    (since, upto): (usize, usize),
    is_it: impl Fn(&Fault) -> bool,
) -> Option<usize> {
    let is_about = |fault: &FaultInterval| match fault.kind.is_interval() {
        true => fault.overlaps(since, upto),
        false => (since..=upto).contains(&fault.from),
    };
    faults.iter().rfind(|fault| is_it(&fault.kind) && is_about(fault)).map(|fault| fault.from)
}

fn is_withheld(fault: &Fault, device: DeviceId) -> bool {
    matches!(fault, Fault::HoldKeys(it) if it.device == device)
}

/// Is it a fault that cuts the link between a device and a remote, in one direction at least?
fn is_between(fault: &Fault, device: DeviceId, remote: Remote) -> bool {
    if let Fault::Cut(it) = fault {
        let ends = (Node::Device(device), Node::Remote(remote));
        return [ends, (ends.1, ends.0)].contains(&(it.from, it.to));
    }
    matches!(fault, Fault::GoOffline(it) if it.device == device)
}
