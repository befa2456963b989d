//! INV-32 `refusals-have-reasons`, in time: what is answered late has something in its way for so
//! long.
//!
//! Behind an open gate everything but a new key is answered before the device turns to anything
//! else, whatever the remotes do. Behind a closed one it waits for the login, which ends with its
//! patience at the latest. A new key needs both remotes; it may take as long as anything on the way
//! to them is amiss, and what that leaves behind: a wait that a remote named, a retry at its cap,
//! a credential to be asked for again.
//! A device's disk and pauses count for as long as they are seen to last. Who died need not answer what was
//! not due by then.

use std::collections::BTreeMap;

use engine::id::DeviceId;
use harness::time::{Span, Time};

use crate::history::{Answered, Asked, Boot, Change, Fact, Fault};
use crate::invariant::Invariant::RefusalsHaveReasons;
use crate::invariant::evidence::fault_paths::{PROMPTNESS, disturbances, signs_in};
use crate::invariant::evidence::{Evidence, ObservedOperation};
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;
use crate::time::ToSimulated;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    nothing_is_passed_over(evidence, findings);
    logins_end_with_their_patience(evidence, findings);
    for op in evidence.operations.iter().filter(|op| op.rotates(evidence)) {
        rotation_is_in_time(evidence, findings, op);
    }
}

/// Does it need more than the device itself?
fn may_take_longer(evidence: &Evidence<'_>, op: &ObservedOperation) -> bool {
    let Some((_, asked)) = evidence.history[op.asked].fact.asked() else { return false };
    match asked {
        Asked::Errand { .. } | Asked::Work { .. } | Asked::RotateKey => true,
        Asked::File { ask, .. } => !ask.is_local(),
        Asked::Read { .. }
        | Asked::List
        | Asked::Write { .. }
        | Asked::SignIn
        | Asked::SignOut
        | Asked::Register(..)
        | Asked::Sync
        | Asked::Status => false,
    }
}

/// What is certain about a device at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// A login may be under way.
    Unclear,
    Open,
}

/// A device does one thing after the other.
fn nothing_is_passed_over(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut gates =
        vec![(Gate::Unclear, Vec::<&ObservedOperation>::new()); evidence.context.devices.len()];
    let mut ops = evidence.operations.iter().peekable();
    for (at, entry) in evidence.history.iter().enumerate() {
        let Node::Device(device) = entry.node else { continue };
        let (gate, open) = &mut gates[usize::from(device.0)];
        let turns = matches!(entry.fact, Fact::Asked(..) | Fact::Delivered { .. });
        if turns && !open.is_empty() {
            for op in open.drain(..) {
                is_answered_by(evidence, findings, at, op);
            }
        }
        match &entry.fact {
            Fact::Asked(_, asked) => {
                let Some(op) = ops.next_if(|op| op.asked == at) else { continue };
                if !waits(asked, *gate) {
                    open.push(op);
                }
                if **asked == Asked::SignIn {
                    *gate = Gate::Unclear;
                }
            }
            Fact::Answered(_, answer) => {
                if let Some(next) = after(answer) {
                    *gate = next;
                }
            }
            Fact::Started { boot, holds, .. } => {
                open.clear();
                let has_key = holds.contains(&Change::Key(true));
                match boot {
                    Boot::First if has_key => *gate = Gate::Open,
                    // A gate that was open stays so.
                    Boot::Restart => {}
                    Boot::First | Boot::Restored | Boot::Cloned(_) => *gate = Gate::Unclear,
                }
            }
            Fact::Killed { .. } | Fact::PersistFailed(_) | Fact::Panicked(_) => open.clear(),
            Fact::Skipped(..)
            | Fact::Persisted { .. }
            | Fact::Durable(_)
            | Fact::Sent { .. }
            | Fact::Delivered { .. }
            | Fact::Lost { .. }
            | Fact::Committed { .. }
            | Fact::Removed { .. }
            | Fact::Served(_)
            | Fact::Declined(..)
            | Fact::Logged { .. }
            | Fact::Filed { .. }
            | Fact::StepBegan(..)
            | Fact::StepEnded(..)
            | Fact::Named { .. }
            | Fact::Kept { .. }
            | Fact::Faulted(_)
            | Fact::Struck(_)
            | Fact::Ended(_)
            | Fact::FaultsEnded
            | Fact::Settled { .. }
            | Fact::Found { .. }
            | Fact::Looked { .. }
            | Fact::ErrorLogged(_)
            | Fact::CutOff { .. } => {}
        }
    }
}

/// Has a device that turns to something else answered this by then?
fn is_answered_by(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    op: &ObservedOperation,
) {
    if op.answered.is_none_or(|answered| answered > at) {
        let message = format!(
            "{} turned to another request before it answered {}.",
            evidence.device_name(op.device),
            evidence.operation_name(op)
        );
        let place = (RefusalsHaveReasons, "passed-over");
        findings.report(evidence, place, at, About::default(), message, [op.asked]);
    }
}

/// May a device turn to something else before it answers this?
fn waits(asked: &Asked, gate: Gate) -> bool {
    match asked {
        Asked::Register(..) | Asked::Status => false,
        Asked::SignIn | Asked::RotateKey | Asked::Errand { .. } | Asked::Work { .. } => true,
        Asked::Read { .. } | Asked::List | Asked::Write { .. } | Asked::SignOut | Asked::Sync => {
            gate == Gate::Unclear
        }
        Asked::File { ask, .. } => !ask.is_local() || gate == Gate::Unclear,
    }
}

/// What an answer tells of the gate.
fn after(answer: &Answered) -> Option<Gate> {
    match answer {
        Answered::SignedIn { .. } => Some(Gate::Open),
        Answered::SignedOut => Some(Gate::Unclear),
        Answered::Read(_)
        | Answered::Listed(_)
        | Answered::Saved
        | Answered::Rotated
        | Answered::Registered
        | Answered::Syncing
        | Answered::Done(_)
        | Answered::Worked(_)
        | Answered::Files(_)
        | Answered::File(_)
        | Answered::Status(_)
        | Answered::Refused(_) => None,
    }
}

/// Since when a device has had time to open its gate.
fn logins_end_with_their_patience(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut began: BTreeMap<DeviceId, Vec<usize>> = BTreeMap::new();
    for &(at, entry) in &evidence.off_wire {
        let Node::Device(device) = entry.node else { continue };
        if matches!(entry.fact, Fact::Started { .. }) || signs_in(&entry.fact) {
            began.entry(device).or_default().push(at);
        }
    }
    let patience = evidence.context.timing.login_patience.to_simulated() + PROMPTNESS;
    for op in evidence.operations.iter() {
        if may_take_longer(evidence, op) {
            continue;
        }
        let Some(over) = op.over(evidence) else { continue };
        if evidence.time(over) - evidence.time(op.asked) <= patience {
            continue;
        }
        let logins = began.get(&op.device).map_or(&[][..], Vec::as_slice);
        let login = logins[..logins.partition_point(|at| *at < over)].last();
        let from = login.map_or(op.asked, |login| op.asked.max(*login));
        let took = evidence.time(over) - evidence.time(from);
        if took > patience + stood_still(evidence, op.device, from, over) {
            let (device, what) = (evidence.device_name(op.device), evidence.operation_name(op));
            let message = match op.answered {
                Some(_) => {
                    format!("{device} answered {what} only after {took}, with no fault in its way.")
                }
                None => format!("{device} had {took} to answer {what}, with no fault in its way."),
            };
            let place = (RefusalsHaveReasons, "answered-late");
            findings.report(evidence, place, over, About::default(), message, [from]);
        }
    }
}

/// For how long a device paused or waited for its disk.
fn stood_still(evidence: &Evidence<'_>, device: DeviceId, from: usize, to: usize) -> Span {
    let mut stood = Span::ZERO;
    for fault in &evidence.faults {
        if matches!(fault.kind, Fault::Pause(it) if it.device == device) && fault.overlaps(from, to)
        {
            let (from, to) = (fault.from.max(from), fault.to.map_or(to, |end| end.min(to)));
            stood = stood + (evidence.time(to) - evidence.time(from));
        }
    }
    let here = Node::Device(device);
    let mut waits: Option<Time> = None;
    for entry in evidence.history[from..=to].iter().filter(|entry| entry.node == here) {
        if let Fact::Persisted { sync: true, .. } = entry.fact {
            waits.get_or_insert(entry.at);
        } else if let (Fact::Durable(_), Some(since)) = (&entry.fact, waits) {
            stood = stood + (entry.at - since);
            waits = None;
        }
    }
    waits.map_or(stood, |since| stood + (evidence.time(to) - since))
}

/// A new key is made within its bound of undisturbed time.
fn rotation_is_in_time(evidence: &Evidence<'_>, findings: &mut Findings, op: &ObservedOperation) {
    let Some(over) = op.over(evidence) else { return };
    let timing = &evidence.context.timing;
    let retry = (timing.timeout + timing.retry_cap).to_simulated();
    let rows: usize = evidence.remotes.iter().map(|stored| stored.rows.len()).sum();
    let pages = Span(timing.timeout.0 * (rows as u64 / u64::from(timing.page.max(1)) + 2));
    let bound = retry + retry + pages + timing.pull_every.to_simulated() + PROMPTNESS;
    let (from, to) = (evidence.time(op.asked), evidence.time(over));
    if to - from <= bound {
        return;
    }
    let mut disturbed = disturbances(evidence, op.device, op.asked, over);
    disturbed.sort_unstable();
    let mut quiet_from = from;
    for (start, end) in disturbed {
        if start.min(to) > quiet_from && start.min(to) - quiet_from > bound {
            break;
        }
        quiet_from = quiet_from.max(end);
    }
    if quiet_from < to && to - quiet_from > bound {
        let (device, took) = (evidence.device_name(op.device), to - from);
        let what = if op.answered.is_some() { "took" } else { "had not ended after" };
        let message = format!(
            "{device}: the rotation of the key {what} {took}, with no fault in its way for longer than {bound}."
        );
        let place = (RefusalsHaveReasons, "answered-late");
        findings.report(evidence, place, over, About::default(), message, [op.asked]);
    }
}

#[cfg(test)]
mod tests {
    use engine::id::Remote;

    use crate::fault::{Fault, Outage, Pause};
    use crate::history::{Answered, Asked, Fact};
    use crate::invariant::case::{Case, KCAL, MEAL, PHONE};

    fn sites(case: &Case) -> Vec<&'static str> {
        case.violations().iter().map(|violation| violation.site).collect()
    }

    #[test]
    fn an_outage_is_no_reason_not_to_answer_behind_an_open_gate() {
        let mut case = Case::new();
        case.fact(Remote::Zone, Fact::Faulted(Outage { remote: Remote::Zone }.into()));
        let op = case.phone().asks(Asked::List);
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().answers(op, Answered::Listed(Vec::new()));
        assert_eq!(sites(&case), ["passed-over"]);
    }

    #[test]
    fn an_outage_is_no_reason_for_a_login_to_outlast_its_patience() {
        let mut case = Case::new();
        case.fact(Remote::Zone, Fact::Faulted(Outage { remote: Remote::Zone }.into()));
        let op = case.phone().asks(Asked::SignIn);
        case.wait(30_000);
        case.phone().answers(op, Answered::SignedIn { partial: true });
        assert_eq!(sites(&case), ["answered-late"]);
    }

    #[test]
    fn a_paused_device_answers_when_it_goes_on() {
        let mut case = Case::new();
        let op = case.phone().asks(Asked::SignIn);
        case.fact(PHONE, Fact::Faulted(Pause { device: PHONE }.into()));
        case.wait(30_000);
        case.fact(PHONE, Fact::Ended(Pause { device: PHONE }.into()));
        case.phone().answers(op, Answered::SignedIn { partial: true });
        case.passes();
    }

    #[test]
    fn a_new_key_waits_for_an_outage_to_end_and_not_much_longer() {
        let outage = Fault::from(Outage { remote: Remote::Rows });
        for (millis, late) in [(60_000, false), (900_000, true)] {
            let mut case = Case::new();
            let op = case.phone().asks(Asked::RotateKey);
            case.fact(Remote::Rows, Fact::Faulted(outage));
            case.wait(3_600_000);
            case.fact(Remote::Rows, Fact::Ended(outage));
            case.wait(millis);
            case.phone().answers(op, Answered::Rotated);
            assert_eq!(sites(&case), if late { vec!["answered-late"] } else { vec![] });
        }
    }
}
