//! Scenario and seed to plan. Whatever can differ between seeds is drawn here and nowhere else.
//!
//! Each concern has its own named stream, so that one more device or fault leaves the rest as it
//! was. Swarm: each seed leaves some features and some families of faults out, but a storm without
//! any fault is a separate kind, drawn on purpose and rarely.

mod date;
mod mix;
mod pipeline;
mod plain;
mod timing;
mod trouble;

use engine::device::Timing;
use engine::flaw::Flaws;
use engine::id::{DeviceId, UserId};
use engine::worker;
use harness::random::{Chance, Stream, Streams};
use harness::time::{Span, SpanRange, Time};

pub use self::plain::{count_odd_settings, with_plain_settings};
use super::nominal;
use super::{
    Choice, DeviceSpec, Lasts, Moment, Parameter, Range, RemoteSpec, Scenario, ServerSpec, State,
    Unit, WorkerSpec,
};
use crate::plan::{
    Act, DevicePlan, Disk, Expectation, Fault, Network, Node, Plan, RemotePlan, ServerPlan, SignIn,
    Start, Step, StepId, VolumePlan, When, WorkerPlan,
};
use crate::time::ToEngine;

/// This share of the seeds of a scenario with `[trouble]` is free of faults.
const CALM: u32 = 30_000;

/// Draws the plan of a seed. A printed plan has no choice left: its seed and nature are its own.
pub fn draw(scenario: &Scenario, seed: u64, flaws: Flaws) -> Plan {
    let fixed = scenario.fixed.as_ref();
    let seed = fixed.map_or(seed, |fixed| fixed.seed);
    let streams = Streams::new(seed);
    let calm =
        fixed.is_none() && !scenario.trouble.is_empty() && streams.stream("plan/calm").chance(CALM);
    let settings = Settings { choices: &scenario.settings, streams, calm };
    let mut plan = Plan {
        scenario: fixed.map_or(&scenario.name, |fixed| &fixed.scenario).clone(),
        seed,
        nature: fixed.map_or_else(|| streams.stream("nature").next_u64(), |fixed| fixed.nature),
        users: scenario.users.clone(),
        devices: scenario.devices.iter().map(|device| device_plan(device, streams)).collect(),
        remotes: scenario.remotes.iter().map(|remote| remote_plan(remote, streams)).collect(),
        server: scenario.server.as_ref().map(|server| settings.server(server, scenario)),
        given: scenario.given.clone(),
        timing: settings.timing(),
        network: settings.network(),
        disk: settings.disk(),
        keychain: settings.span_range(Parameter::KeyDelay),
        sign_in: settings.sign_in(),
        steps: script(scenario, streams),
        storm: scenario.lasts,
        at_end: Vec::new(),
        settle_within: scenario.expected.settle_within,
        limits: scenario.limits,
        flaws,
    };
    let mut random = Vec::new();
    if let Some(mix) = &scenario.mix {
        random = mix::draw(mix, &scenario.make, &mut plan, streams);
    } else {
        mix::make(&scenario.make, &mut plan, streams);
    }
    if !calm {
        random.extend(trouble::draw(&scenario.trouble, &plan, &random, streams));
    }
    random.sort_by_key(|(at, _)| *at);
    random.into_iter().for_each(|(at, act)| plan.add_step(When::At(at), act));
    settle_clones(&mut plan, fixed.is_some());
    plan.at_end = scenario.expected.at_end.iter().filter_map(|it| expected_in(it, &plan)).collect();
    plan
}

/// The plan with other settings, one for each parameter.
fn with_settings(plan: &Plan, choices: &[Choice]) -> Plan {
    let settings = Settings { choices, streams: Streams::new(plan.seed), calm: false };
    let (network, timing) = (settings.network(), settings.timing());
    let (disk, sign_in) = (settings.disk(), settings.sign_in());
    let keychain = settings.span_range(Parameter::KeyDelay);
    let mut plan = Plan { network, timing, disk, keychain, sign_in, ..plan.clone() };
    if let Some(server) = &mut plan.server {
        (server.timing, server.volume) = (settings.worker_timing(), settings.volume());
        server.piece = settings.wide(Parameter::Piece);
        if !server.pipeline.processors.is_empty() {
            server.pipeline.timing = settings.processor_timing();
            server.pipeline.step = settings.step();
        }
    }
    plan
}

/// What is expected of those hosts that the plan has and that are the user's.
fn expected_in(it: &Expectation, plan: &Plan) -> Option<Expectation> {
    let shows = |node: &Node| match node {
        Node::Device(device) => {
            plan.devices.get(usize::from(device.0)).is_some_and(|found| found.user == it.user)
        }
        Node::Remote(_)
        | Node::Processor(_)
        | Node::World
        | Node::Worker(_)
        | Node::Volume
        | Node::Intruder => true,
    };
    let on: Vec<Node> = it.on.iter().copied().filter(shows).collect();
    (!on.is_empty()).then(|| Expectation { on, ..it.clone() })
}

/// Is nothing wrong in this plan's world? Such seeds are a separate kind, to be counted apart.
pub fn is_fault_free(plan: &Plan) -> bool {
    let network = &plan.network;
    let chances = [
        network.loss,
        network.duplicate,
        network.reply_loss,
        network.hint_loss,
        plan.sign_in.expired_first,
        plan.sign_in.foreign_first,
    ];
    let volume = plan.server.as_ref().map(|server| server.volume);
    let volume = volume.into_iter().flat_map(|volume| [volume.failure, volume.reply_loss]);
    let step = plan.server.as_ref().map(|server| server.pipeline.step);
    let step = step.into_iter().flat_map(|step| [step.failure, step.silence]);
    chances.into_iter().chain(volume).chain(step).all(|chance| chance.0 == 0)
        && plan.steps.iter().all(|step| !matches!(step.act, Act::Fault(..)))
}

/// A clone belongs to the user of its original, and a spare that nothing clones does not exist.
fn settle_clones(plan: &mut Plan, fixed: bool) {
    let clones: Vec<(DeviceId, DeviceId)> = plan
        .steps
        .iter()
        .filter_map(|step| match step.act {
            Act::Fault(Fault::CopyDisk(it), _) => Some((it.device, it.to.0)),
            Act::Fault(..) | Act::User(..) | Act::Processor(..) | Act::Wait => None,
        })
        .collect();
    for (original, copy) in &clones {
        plan.devices[usize::from(copy.0)].user = plan.devices[usize::from(original.0)].user;
    }
    while !fixed
        && plan.devices.last().is_some_and(|last| last.start == Start::Cloned)
        && clones.iter().all(|(_, copy)| usize::from(copy.0) + 1 != plan.devices.len())
    {
        plan.devices.pop();
    }
}

/// The plain number as a span; scenarios hold no negative ones.
fn to_span(millis: i64) -> Span {
    Span(u64::try_from(millis).unwrap_or(0))
}

fn to_time(millis: i64) -> Time {
    Time(to_span(millis).0)
}

fn to_range(range: Range) -> SpanRange {
    SpanRange { low: to_span(range.low), high: to_span(range.high) }
}

fn to_u16(number: i64) -> u16 {
    u16::try_from(number).unwrap_or(if number < 0 { 0 } else { u16::MAX })
}

fn device_plan(spec: &DeviceSpec, streams: Streams) -> DevicePlan {
    let mut stream = streams.stream(&format!("plan/devices/{}", spec.name));
    let user = spec.users.get(pick_index(&mut stream, spec.users.len())).copied();
    let start = to_time(spec.start.value(&mut stream));
    let start = match stream.pick(&spec.states) {
        State::Prepared => Start::Prepared(start),
        State::Fresh => Start::Fresh(start),
        State::Cloned => Start::Cloned,
    };
    DevicePlan {
        name: spec.name.clone(),
        user: user.unwrap_or(UserId(0)),
        start,
        clock_offset_ms: skew(&spec.clock, &mut stream),
        clock_drift_ppm: drift(&spec.drift, &mut stream),
    }
}

fn drift(choice: &Choice, stream: &mut Stream) -> i32 {
    i32::try_from(skew(choice, stream)).expect("the reader limits drifts")
}

fn pick_index(stream: &mut Stream, len: usize) -> usize {
    usize::try_from(stream.below(len.max(1) as u64)).unwrap_or(0)
}

/// Skews are small or large alike: their order of magnitude is uniform.
fn skew(choice: &Choice, stream: &mut Stream) -> i64 {
    let range = choice.range(stream);
    stream.magnitude(range.low, range.high)
}

fn remote_plan(spec: &RemoteSpec, streams: Streams) -> RemotePlan {
    let mut stream = streams.stream(&format!("plan/remotes/{}", spec.name));
    RemotePlan {
        name: spec.name.clone(),
        kind: spec.kind,
        page: to_u16(spec.page.value(&mut stream)),
        batch: to_u16(spec.batch.value(&mut stream)),
        commit: to_range(spec.commit.range(&mut stream)),
    }
}

/// The world's parameters as one seed has them.
struct Settings<'s> {
    /// What each parameter is picked from.
    choices: &'s [Choice],
    streams: Streams,
    calm: bool,
}

impl Settings<'_> {
    fn stream(&self, parameter: Parameter) -> Stream {
        let (heading, key) = parameter.place();
        self.streams.stream(&format!("plan/{heading}/{key}"))
    }

    fn value(&self, parameter: Parameter) -> i64 {
        if self.calm && parameter.unit() == Unit::Chance {
            return 0;
        }
        self.choices[parameter as usize].value(&mut self.stream(parameter))
    }

    fn span(&self, parameter: Parameter) -> Span {
        to_span(self.value(parameter))
    }

    fn chance(&self, parameter: Parameter) -> Chance {
        Chance(u32::try_from(self.value(parameter)).unwrap_or(0))
    }

    fn count(&self, parameter: Parameter) -> u16 {
        to_u16(self.value(parameter))
    }

    fn wide(&self, parameter: Parameter) -> u32 {
        u32::try_from(self.value(parameter)).unwrap_or(u32::MAX)
    }

    fn span_range(&self, parameter: Parameter) -> SpanRange {
        to_range(self.choices[parameter as usize].range(&mut self.stream(parameter)))
    }

    fn network(&self) -> Network {
        let typical = self.span(Parameter::Typical);
        Network {
            grain: self.span(Parameter::Grain),
            typical,
            p99: self.span(Parameter::P99).max(typical),
            loss: self.chance(Parameter::Loss),
            duplicate: self.chance(Parameter::Duplicates),
            reply_loss: self.chance(Parameter::ReplyLoss),
            hint_loss: self.chance(Parameter::HintLoss),
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            commit: self.span_range(Parameter::DiskCommit),
            answer: self.span_range(Parameter::DiskAnswer),
        }
    }

    fn sign_in(&self) -> SignIn {
        SignIn {
            delay: self.span_range(Parameter::SignInDelay),
            valid: self.span(Parameter::Valid),
            expired_first: self.chance(Parameter::ExpiredFirst),
            foreign_first: self.chance(Parameter::ForeignFirst),
        }
    }

    fn server(&self, spec: &ServerSpec, scenario: &Scenario) -> ServerPlan {
        let count = spec.count.value(&mut self.streams.stream("plan/server/workers"));
        let count = usize::try_from(count).unwrap_or(0);
        ServerPlan {
            workers: spec.workers.iter().take(count).map(|it| self.worker(it)).collect(),
            timing: self.worker_timing(),
            piece: self.wide(Parameter::Piece),
            volume: self.volume(),
            pipeline: self.pipeline(scenario),
        }
    }

    fn worker_timing(&self) -> worker::Timing {
        worker::Timing {
            session: self.span(Parameter::Session).to_engine(),
            timeout: self.span(Parameter::VolumeTimeout).to_engine(),
            retry_base: self.span(Parameter::VolumeRetryBase).to_engine(),
            retry_cap: self.span(Parameter::VolumeRetryCap).to_engine(),
            queue: self.count(Parameter::Queue),
            snapshot_every: self.wide(Parameter::SnapshotEvery),
            upload: self.span(Parameter::UploadLease).to_engine(),
            batch: self.count(Parameter::MoveBatch),
        }
    }

    fn volume(&self) -> VolumePlan {
        VolumePlan {
            delay: self.span_range(Parameter::VolumeDelay),
            failure: self.chance(Parameter::VolumeFailure),
            reply_loss: self.chance(Parameter::VolumeReplyLoss),
            list_lag: self.span(Parameter::VolumeListLag),
        }
    }

    fn worker(&self, spec: &WorkerSpec) -> WorkerPlan {
        let mut stream = self.streams.stream(&format!("plan/server/{}", spec.name));
        WorkerPlan {
            name: spec.name.clone(),
            clock_offset_ms: skew(&spec.clock, &mut stream),
            clock_drift_ppm: drift(&spec.drift, &mut stream),
        }
    }

    fn timing(&self) -> Timing {
        Timing {
            pull_every: self.span(Parameter::PullEvery).to_engine(),
            relist_every: self.span(Parameter::RelistEvery).to_engine(),
            feed_every: self.span(Parameter::FeedEvery).to_engine(),
            login_patience: self.span(Parameter::LoginPatience).to_engine(),
            timeout: self.span(Parameter::Timeout).to_engine(),
            retry_base: self.span(Parameter::RetryBase).to_engine(),
            retry_cap: self.span(Parameter::RetryCap).to_engine(),
            page: self.count(Parameter::Page),
            batch: self.count(Parameter::Batch),
        }
    }
}

/// The script with all its moments fixed.
fn script(scenario: &Scenario, streams: Streams) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut clock = nominal::Clock::default();
    // When each line begins, and which steps wait to learn how long they last.
    let mut begins = Vec::with_capacity(scenario.script.len());
    let mut open: Vec<(usize, Time, usize)> = Vec::new();
    for (at, line) in scenario.script.iter().enumerate() {
        let mut stream = streams.stream(&format!("script/{at}"));
        let (Moment::At(choice) | Moment::After(choice) | Moment::On(_, choice)) = &line.when;
        let mut drawn: Vec<(i64, &(Act, Lasts))> =
            line.acts.iter().map(|act| (choice.value(&mut stream), act)).collect();
        if !matches!(line.when, Moment::At(_)) {
            drawn.sort_by_key(|(millis, _)| *millis);
        }
        let mut before = 0;
        for (n, (millis, (act, lasts))) in (0..).zip(drawn) {
            let when = match &line.when {
                Moment::At(_) => When::At(to_time(millis)),
                Moment::On(trigger, _) if n == 0 => When::On(trigger.clone(), to_span(millis)),
                Moment::After(_) | Moment::On(..) => When::After(to_span(millis - before)),
            };
            before = millis;
            clock.pass(&when);
            if n == 0 {
                begins.push(clock.now);
            }
            let mut act = act.clone();
            match (lasts, &mut act) {
                (Lasts::For(choice), Act::Fault(_, lasting)) => {
                    lasting.set(to_span(choice.value(&mut stream)));
                }
                (Lasts::Until(end), _) => open.push((steps.len(), clock.now, *end)),
                (Lasts::For(_) | Lasts::AsWritten, _) => {}
            }
            steps.push(Step { id: StepId(line.id + n), when, act });
        }
    }
    for (step, begin, end) in open {
        if let Act::Fault(_, lasting) = &mut steps[step].act {
            lasting.set(begins[end] - begin);
        }
    }
    steps
}
