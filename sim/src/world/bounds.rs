//! How long things may take once the faults have ended: the longest of every wait that a host may be in,
//! one after the other.

use engine::job::MOST_TRIES;
use harness::time::{Span, SpanRange};

use crate::plan::{
    Act, Expectation, FileOperation, Plan, ProcessorCommand, ServerPlan, Step, UserOperation,
    WorkerPlan,
};

/// The most bytes that sealing adds to a content.
const SEAL: u64 = 256;

/// Requests that one operation needs beside the pieces: folders, a beginning, an end, and again after a
/// clash.
const ASKS: u64 = 10;

/// By when after the storm everything must have settled.
pub(super) fn patience(plan: &Plan) -> Span {
    let bound = settle_bound(plan);
    plan.settle_within.map_or(bound, |within| within.min(bound))
}

/// By when after the storm everything can be expected to have settled, whatever went wrong: the
/// longest of every wait that a device may be in, one after the other.
pub fn settle_bound(plan: &Plan) -> Span {
    let (timing, network) = (&plan.timing, &plan.network);
    let commit = plan.remotes.iter().map(|remote| remote.commit.high.0).max().unwrap_or(0);
    let disk = plan.disk.commit.high.0 + plan.disk.answer.high.0;
    let exchange = 2 * (network.p99.0 + network.grain.0) + commit + 2 * disk;
    let page = plan.remotes.iter().map(|r| r.page).min().unwrap_or(1).min(timing.page).max(1);
    let batch = plan.remotes.iter().map(|r| r.batch).min().unwrap_or(1).min(timing.batch).max(1);
    let operations = plan.steps.iter().filter(|step| matches!(step.act, Act::User(..))).count();
    let rows = (plan.given.len() + operations) as u64;
    // Short pages happen, and saves that meet newer rows are tried again.
    let pages = 4 + 2 * rows / u64::from(page);
    let batches = 4 + 4 * rows / u64::from(batch);
    let talk = (pages + batches) * exchange;
    let rotations = plan
        .steps
        .iter()
        .filter(|step| matches!(step.act, Act::User(_, UserOperation::RotateKey)))
        .count() as u64;
    let imposed = |step: &Step| match &step.act {
        Act::Fault(fault, _) => fault.wait().0,
        Act::User(..) | Act::Processor(..) | Act::Wait => 0,
    };
    let throttle = plan.steps.iter().map(imposed).max().unwrap_or(0);
    let retries = 3 * (timing.retry_cap.0 + timing.timeout.0);
    let keys = (2 + rotations) * (plan.keychain.high.0 + timing.pull_every.0);
    let sign_in = 3 * (plan.sign_in.delay.high.0 + timing.retry_cap.0);
    let asks = operations as u64 + looks(plan) + file_requests(plan);
    let server = plan.server.as_ref().map_or(0, |server| server_bound(server, asks, exchange));
    let waits = timing.login_patience.0 + 3 * timing.pull_every.0 + timing.relist_every.0;
    let waits = waits + 2 * timing.feed_every.0;
    let pipeline = pipeline_bound(plan, exchange);
    Span(talk + throttle + retries + keys + sign_in + waits + server + pipeline)
}

/// How often the server is asked for what is expected before the end.
fn looks(plan: &Plan) -> u64 {
    let early = plan.at_end.iter().filter(|it| it.at.is_some());
    early.filter(|it| it.subject.kind().needs_server()).map(Expectation::looks).sum()
}

/// The longest time that all errands may take: a session that another device holds has to expire, by
/// clocks that differ, and every commit may be raced for by every worker.
fn server_bound(server: &ServerPlan, errands: u64, exchange: u64) -> u64 {
    let offset = |worker: &WorkerPlan| worker.clock_offset_ms.unsigned_abs();
    let clocks = 2 * server.workers.iter().map(offset).max().unwrap_or(0);
    server.timing.session.0 + clocks + (errands + 4) * (2 * exchange + answer_bound(server))
}

/// The longest time that a worker may take for an answer.
fn answer_bound(server: &ServerPlan) -> u64 {
    let volume =
        2 * server.volume.delay.high.0 + server.timing.timeout.0 + server.timing.retry_cap.0;
    (server.workers.len() as u64 + 2) * volume
}

/// The longest time that all work of processors may take: every conversation is tried three
/// times, each time until its claim runs out.
fn pipeline_bound(plan: &Plan, exchange: u64) -> u64 {
    let Some(server) = &plan.server else { return 0 };
    let pipeline = &server.pipeline;
    if pipeline.processors.is_empty() {
        return 0;
    }
    let brings = |step: &&Step| {
        matches!(
            step.act,
            Act::User(_, UserOperation::Upload(_)) | Act::Processor(_, ProcessorCommand::Ingest(_))
        )
    };
    let items = plan.steps.iter().filter(brings).count() + pipeline.given.len();
    let commands = plan.steps.iter().filter(|step| matches!(step.act, Act::Processor(..))).count();
    let timing = &pipeline.timing;
    let SpanRange { high: takes, .. } = pipeline.step.takes;
    let volume =
        2 * server.volume.delay.high.0 + server.timing.timeout.0 + server.timing.retry_cap.0;
    let races = (server.workers.len() + pipeline.processors.len()) as u64;
    let commit = 2 * exchange + races * volume;
    let step = takes.0.min(timing.patience.0);
    let each = u64::from(MOST_TRIES) * (step + timing.retry_cap.0 + 4 * commit);
    let sessions = u64::from(MOST_TRIES) * (server.timing.session.0 + timing.poll.0);
    (items as u64 + 1) * each + commands as u64 * 4 * commit + sessions
}

/// The most requests about files that a plan leads to.
pub(super) fn file_requests(plan: &Plan) -> u64 {
    requests_of_steps(plan).sum()
}

/// The most requests that the content of one file takes.
pub(super) fn requests_of_a_file(plan: &Plan) -> u64 {
    requests_of_steps(plan).max().unwrap_or(0)
}

/// The most requests about files that each step leads to.
fn requests_of_steps(plan: &Plan) -> impl Iterator<Item = u64> {
    let piece = plan.server.as_ref().map_or(1, |server| u64::from(server.piece.max(1)));
    let asks = move |step: &Step| match &step.act {
        Act::User(_, UserOperation::File(FileOperation::Write(_, content))) => {
            let size = u64::from(content.size).max(content.text.len() as u64) + SEAL;
            ASKS + 2 * size.div_ceil(piece)
        }
        Act::User(_, UserOperation::File(_)) => ASKS,
        Act::User(..) | Act::Processor(..) | Act::Fault(..) | Act::Wait => 0,
    };
    plan.steps.iter().map(asks)
}

/// How long it may take to read all contents at the end.
pub(super) fn last_reads_of_files(plan: &Plan) -> Span {
    let exchange = 2 * (plan.network.p99.0 + plan.network.grain.0);
    let answer = plan.server.as_ref().map_or(0, answer_bound);
    Span(file_requests(plan).saturating_mul(exchange + answer))
}
