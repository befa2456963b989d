//! INV-32 `refusals-have-reasons`, for what users want of the sync server: it is done soon, but for
//! as long as something is in the way.
//!
//! Errands of a device are run one after the other, and under a session that may have to be started
//! if they change something. In the way are the faults between the device and the server, what these
//! left behind, and being told to come back; whether there was a reason for that is for INV-12 to
//! say. What a volume fails at by chance is in no fact, so a storm over such a volume is one
//! disturbance.

use std::collections::BTreeMap;

use engine::id::{DeviceId, NodeId, Token};
use harness::time::{Span, Time};

use crate::history::file::FileAsked;
use crate::invariant::Invariant::RefusalsHaveReasons;
use crate::invariant::evidence::fault_paths::{PROMPTNESS, disturbances};
use crate::invariant::evidence::files::{Files, ObservedFileOperation};
use crate::invariant::evidence::{Evidence, ObservedOperation};
use crate::invariant::findings::{About, Findings};
use crate::plan::ServerPlan;
use crate::time::ToSimulated;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(plan) = &evidence.context.server else { return };
    let pending = pending(evidence);
    for request in pending.values().flatten() {
        is_in_time(evidence, findings, plan, (&pending, request));
    }
}

/// Something that a user wants of the server.
#[derive(Clone, Copy, Debug)]
struct PendingRequest {
    op: ObservedOperation,
    token: Option<Token>,
    /// How many requests it takes, beside that for a session.
    requests: u64,
}

type PendingRequests = BTreeMap<DeviceId, Vec<PendingRequest>>;

fn pending(evidence: &Evidence<'_>) -> PendingRequests {
    let mut pending = PendingRequests::new();
    for request in &evidence.server.requests {
        let (device, asked, token) = (request.device, request.asked, request.token);
        let answered = request.answer.map(|(at, _)| at);
        let op = ObservedOperation { device, asked, answered };
        pending.entry(device).or_default().push(PendingRequest { op, token, requests: 1 });
    }
    for operation in
        evidence.server.file_operations.iter().filter(|operation| !operation.ask.is_local())
    {
        let (device, asked, token) = (operation.device, operation.asked, operation.ask.token());
        let answered = operation.answer.map(|(at, _)| at);
        let requests =
            1 + pieces_read(evidence, operation, answered) + sent_before(evidence, operation);
        let op = ObservedOperation { device, asked, answered };
        pending.entry(device).or_default().push(PendingRequest { op, token, requests });
    }
    pending
}

/// How many pieces there are to bring.
fn pieces_read(
    evidence: &Evidence<'_>,
    operation: &ObservedFileOperation<'_>,
    answered: Option<usize>,
) -> u64 {
    let at = answered.unwrap_or(evidence.history.len());
    let files = evidence.epochs.at(at).files.get(&operation.user);
    let (FileAsked::Read(node), Some(files)) = (operation.ask, files) else { return 0 };
    files.versions(*node).map(|(n, _)| pieces(files, *node, n, at)).sum()
}

/// Of how many pieces a version is.
fn pieces(files: &Files<'_>, node: NodeId, n: u32, at: usize) -> u64 {
    let version = files.version(node, n, at);
    let stored = version.and_then(|version| files.stored(version.blob, at));
    stored.map_or(0, |stored| stored.manifest.pieces.len() as u64)
}

/// How many requests bring what its user had saved in the files that it moves or deletes and the
/// server still lacked, and the one upload that may have begun. They go first.
fn sent_before(evidence: &Evidence<'_>, operation: &ObservedFileOperation<'_>) -> u64 {
    let nodes: Vec<NodeId> = match operation.ask {
        FileAsked::Move(items) => items.iter().map(|(node, ..)| *node).collect(),
        FileAsked::Delete { node, .. } => vec![*node],
        FileAsked::List
        | FileAsked::Write { .. }
        | FileAsked::Read(_)
        | FileAsked::Versions(_)
        | FileAsked::MakeFolder(..)
        | FileAsked::Undelete(_)
        | FileAsked::Restore { .. }
        | FileAsked::Job(_) => return 0,
    };
    let at = operation.answer.map_or(evidence.history.len(), |answer| answer.0);
    let epoch = evidence.epochs.at(at);
    let Some(files) = epoch.files.get(&operation.user) else { return 0 };
    let own = evidence.server.file_operations.iter().filter(|other| {
        other.device == operation.device && other.saved().is_some() && other.asked < operation.asked
    });
    let unsent = own.filter_map(|write| {
        let mut published = epoch.archive.published(write.ask.token()?);
        published.find(|version| version.at > operation.asked)
    });
    let (mut its_own, mut under_way) = (0, 0);
    for write in unsent {
        // It begins, its pieces follow, and it becomes a version.
        let requests = 2 + pieces(files, write.node, write.n, write.at);
        if nodes.contains(&write.node) {
            its_own += requests;
        } else {
            under_way = under_way.max(requests);
        }
    }
    if its_own > 0 { its_own + under_way } else { 0 }
}

fn is_in_time(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    plan: &ServerPlan,
    (pending, request): (&PendingRequests, &PendingRequest),
) {
    let op = request.op;
    let Some(over) = op.over(evidence) else { return };
    let (from, to) = (evidence.time(op.asked), evidence.time(over));
    let timing = &evidence.context.timing;
    // A session and the request itself, each asked for twice; before it what was still to be done.
    let one = Span(2 * (timing.timeout.0 + timing.retry_cap.0));
    if to - from <= one {
        return;
    }
    let bound = Span(one.0 * (request.requests + ahead(pending, request))) + PROMPTNESS;
    if to - from <= bound {
        return;
    }
    let mut disturbed = disturbances(evidence, op.device, op.asked, over);
    if plan.volume.failure.0 > 0 || plan.volume.reply_loss.0 > 0 {
        let after = (plan.timing.timeout + plan.timing.retry_cap).to_simulated();
        disturbed.push((Time(0), evidence.context.healed_at + after + one));
    }
    disturbed.sort_unstable();
    let mut quiet_from = from;
    let mut longest = Span::ZERO;
    for (start, end) in disturbed {
        longest = longest.max(start.min(to) - quiet_from);
        quiet_from = quiet_from.max(end);
    }
    longest = longest.max(to - quiet_from);
    if longest > bound {
        let asked = evidence.history[op.asked].fact.asked();
        let became = if op.answered.is_some() { "was answered" } else { "still had no answer" };
        let message = format!(
            "{}: {} {became} after {}, with no fault in its way for {longest}; the bound is {bound}.",
            evidence.device_name(op.device),
            asked.map_or("a request".to_owned(), |(_, asked)| evidence.request_name(asked)),
            to - from
        );
        let place = (RefusalsHaveReasons, "served-late");
        let about = About { record: None, token: request.token };
        findings.report(evidence, place, over, about, message, [op.asked]);
    }
}

/// How many requests of the same device were still to be made when this was asked.
fn ahead(pending: &PendingRequests, request: &PendingRequest) -> u64 {
    let open = |other: &&PendingRequest| {
        let (other, asked) = (other.op, request.op.asked);
        other.asked < asked && other.answered.is_none_or(|at| at > asked)
    };
    let own = pending.get(&request.op.device).map_or(&[][..], Vec::as_slice);
    own.iter().filter(open).map(|other| other.requests).sum()
}
