//! Smaller plans: a plan without some of its parts, or with plainer numbers. Pure functions.
//!
//! Names of devices, workers and users in a plan are places in a list, so one that is removed is taken
//! out of every step that names it, and the rest are renumbered.

pub mod groups;
mod places;
pub mod times;

use engine::id::{Remote, UserId};
use engine::record::Value;
use harness::random::Chance;
use harness::time::{Span, SpanRange, Time};

use self::places::Places;
use crate::fault;
use crate::plan::file::split_path;
use crate::plan::operation;
use crate::plan::{
    Act, Lasting, PipelinePlan, Plan, RemotePlan, ServerPlan, Start, Step, UserOperation,
    VolumePlan, When,
};
use crate::scenario::with_plain_settings;

/// Only these steps.
pub fn with_steps(plan: &Plan, kept: &[usize]) -> Plan {
    let steps = kept.iter().map(|&at| plan.steps[at].clone()).collect();
    Plan { steps, ..plan.clone() }
}

/// Every step that happened has the moment at which it did, so that the others can go without it.
pub fn with_moments(plan: &Plan, moments: &[Option<Time>]) -> Plan {
    let at = |(step, moment): (&Step, &Option<Time>)| Step {
        when: moment.map_or_else(|| step.when.clone(), When::At),
        ..step.clone()
    };
    Plan { steps: plan.steps.iter().zip(moments).map(at).collect(), ..plan.clone() }
}

/// Only these records of the seed data.
pub fn with_given(plan: &Plan, kept: &[usize]) -> Plan {
    let given = kept.iter().map(|&at| plan.given[at].clone()).collect();
    Plan { given, ..plan.clone() }
}

/// Only these expectations.
pub fn with_expectations(plan: &Plan, kept: &[usize]) -> Plan {
    let at_end = kept.iter().map(|&at| plan.at_end[at].clone()).collect();
    Plan { at_end, ..plan.clone() }
}

/// Only these devices, and only what does not need the others.
pub fn with_devices(plan: &Plan, kept: &[usize]) -> Plan {
    let devices = kept.iter().map(|&at| plan.devices[at].clone()).collect();
    let places = Places::devices(kept);
    Plan { devices, at_end: places.expectations(plan), steps: places.steps(plan), ..plan.clone() }
}

/// Only these remotes, and only what does not need the others. No plan is without any.
pub fn with_remotes(plan: &Plan, kept: &[usize]) -> Plan {
    if kept.is_empty() {
        return plan.clone();
    }
    let remotes: Vec<RemotePlan> = kept.iter().map(|&at| plan.remotes[at].clone()).collect();
    let kinds: Vec<Remote> = remotes.iter().map(|remote| remote.kind).collect();
    let places = Places::remotes(&kinds);
    let (steps, at_end) = (places.steps(plan), places.expectations(plan));
    Plan { remotes, steps, at_end, ..plan.clone() }
}

/// Only these workers, and only what does not need the others; without any, no server at all.
pub fn with_workers(plan: &Plan, kept: &[usize]) -> Plan {
    let Some(server) = plan.server.clone().filter(|_| !kept.is_empty()) else {
        return without_server(plan);
    };
    let workers = kept.iter().map(|&at| server.workers[at].clone()).collect();
    let server = Some(ServerPlan { workers, ..server });
    Plan { server, steps: Places::workers(kept).steps(plan), ..plan.clone() }
}

/// Only these processors, and only what does not need the others; without any, no conversations.
pub fn with_processors(plan: &Plan, kept: &[usize]) -> Plan {
    let mut plan = plan.clone();
    let places = Places::processors(kept);
    (plan.steps, plan.at_end) = (places.steps(&plan), places.expectations(&plan));
    let Some(server) = &mut plan.server else { return plan };
    let all = &server.pipeline.processors;
    server.pipeline.processors = kept.iter().map(|&at| all[at].clone()).collect();
    if kept.is_empty() {
        server.pipeline = PipelinePlan::none();
    }
    let works = |user| server.pipeline.processors.iter().any(|it| it.user == user);
    server.pipeline.given =
        server.pipeline.given.iter().filter(|it| works(it.user)).cloned().collect();
    let uploads = |step: &Step| match &step.act {
        Act::User(device, UserOperation::Upload(_)) => {
            works(plan.devices[usize::from(device.0)].user)
        }
        Act::User(..) | Act::Processor(..) | Act::Fault(..) | Act::Wait => true,
    };
    plan.steps = plan.steps.iter().filter(|step| uploads(step)).cloned().collect();
    plan
}

/// Only these given conversations.
pub fn with_given_talks(plan: &Plan, kept: &[usize]) -> Plan {
    let mut plan = plan.clone();
    if let Some(server) = &mut plan.server {
        server.pipeline.given = kept.iter().map(|&at| server.pipeline.given[at].clone()).collect();
    }
    plan
}

/// Without the sync server and whatever needs it.
pub fn without_server(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.server = None;
    plan.steps = Places::workers(&[]).steps(&plan);
    plan.steps.retain(|step| !step.act.needs_server());
    plan.at_end.retain(|it| !it.subject.kind().needs_server());
    plan
}

/// Without users who have no device, with what is theirs.
pub fn without_idle_users(plan: &Plan) -> Plan {
    let used = |user: usize| {
        plan.devices.iter().any(|it| usize::from(it.user.0) == user)
            || plan.processors().iter().any(|it| usize::from(it.user.0) == user)
    };
    let kept: Vec<usize> = (0..plan.users.len()).filter(|&user| used(user)).collect();
    let map = |user: UserId| {
        let place = kept.iter().position(|&at| at == usize::from(user.0));
        place.map(|at| UserId(at as u16))
    };
    let mut plan = plan.clone();
    plan.users = kept.iter().map(|&at| plan.users[at].clone()).collect();
    plan.devices.iter_mut().for_each(|it| it.user = map(it.user).expect("its user is kept"));
    if let Some(server) = &mut plan.server {
        let pipeline = &mut server.pipeline;
        pipeline
            .processors
            .iter_mut()
            .for_each(|it| it.user = map(it.user).expect("its user is kept"));
        pipeline.given.retain_mut(|it| map(it.user).map(|user| it.user = user).is_some());
    }
    plan.given.retain_mut(|it| map(it.user).map(|user| it.user = user).is_some());
    plan.at_end.retain_mut(|it| map(it.user).map(|user| it.user = user).is_some());
    plan.steps.retain_mut(|step| match &mut step.act {
        Act::Fault(fault, _) => {
            let among = |value| {
                let fault::Value::User(user) = value else { return Some(value) };
                map(user).map(fault::Value::User)
            };
            fault.map(among).map(|kept| *fault = kept).is_some()
        }
        Act::User(..) | Act::Processor(..) | Act::Wait => true,
    });
    plan
}

/// Plans in which much is plainer at once: with less left to chance, fewer parts are needed.
pub fn calmer(plan: &Plan) -> Vec<Plan> {
    let mut plans = times::squeezed(plan);
    plans.push(times::short_storm(plan));
    plans.push(with_plain_settings(plan, &[]));
    plans.extend([true_clocks(plan), with_early_starts(plan, &[]), plain_remotes(plan)]);
    plans
}

/// So many other draws are tried.
const NATURES: u64 = 8;

/// Plans that are smaller in one respect, under other draws: what is needed may depend on how long each message took.
pub fn redrawn(plan: &Plan) -> Vec<Plan> {
    let without = |len: usize, keep: fn(&Plan, &[usize]) -> Plan| {
        let each = (0..len).map(move |gone| {
            let kept: Vec<usize> = (0..len).filter(|&at| at != gone).collect();
            keep(plan, &kept)
        });
        each.collect::<Vec<_>>()
    };
    let mut smaller = without(plan.steps.len(), with_steps);
    smaller.extend(without(plan.devices.len(), with_devices));
    smaller.extend(without(plan.remotes.len(), with_remotes));
    smaller.push(with_plain_settings(plan, &[]));
    smaller.extend(times::squeezed(plan));
    smaller.retain(|it| it != plan);
    let under = |nature| smaller.iter().map(move |it| Plan { nature, ..it.clone() });
    (1..=NATURES).flat_map(under).collect()
}

/// Makes a step plainer, if it is not plain already.
pub type Plainer = fn(&mut Step);

/// What can be plainer about a step, the most worthwhile first.
pub const PLAINER: [Plainer; 6] =
    [brief, |step| round(step, 1_000), |step| round(step, 100), one_field, short_texts, short_path];

/// The places of the steps that this changes.
fn odd(plan: &Plan, plainer: Plainer) -> Vec<usize> {
    let is_odd = |step: &Step| {
        let mut plain = step.clone();
        plainer(&mut plain);
        plain != *step
    };
    (0..plan.steps.len()).filter(|&at| is_odd(&plan.steps[at])).collect()
}

/// How many steps this makes plainer.
pub fn count_odd(plan: &Plan, plainer: Plainer) -> usize {
    odd(plan, plainer).len()
}

/// The plan with all those steps plainer, but for some of them.
pub fn with_plainer_steps(plan: &Plan, plainer: Plainer, kept: &[usize]) -> Plan {
    let mut plan = plan.clone();
    for (n, at) in odd(&plan, plainer).into_iter().enumerate() {
        if !kept.contains(&n) {
            plainer(&mut plan.steps[at]);
        }
    }
    plan
}

/// The plan with all devices on from the start, but for some of them; clones are made when they are.
pub fn with_early_starts(plan: &Plan, kept: &[usize]) -> Plan {
    let mut plan = plan.clone();
    let early = plan.devices.iter_mut().enumerate().filter(|(at, _)| !kept.contains(at));
    early.for_each(|(_, device)| {
        if let Start::Prepared(at) | Start::Fresh(at) = &mut device.start {
            *at = Time(0);
        }
    });
    plan
}

/// The plan with one field in each record of the seed data, but for some of them.
pub fn with_short_given(plan: &Plan, kept: &[usize]) -> Plan {
    let mut plan = plan.clone();
    let short = plan.given.iter_mut().enumerate().filter(|(at, _)| !kept.contains(at));
    short.for_each(|(_, given)| given.set.truncate(1));
    plan
}

/// No message is lost or doubled by chance, and all take about the same time.
pub(crate) fn calm_network(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let none = Chance(0);
    let net = &mut plan.network;
    (net.loss, net.duplicate, net.reply_loss, net.hint_loss) = (none, none, none, none);
    net.p99 = net.typical;
    (plan.sign_in.expired_first, plan.sign_in.foreign_first) = (none, none);
    plan
}

/// The volume does what it is asked, and always takes the same time.
pub(crate) fn calm_volume(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    if let Some(ServerPlan { volume, .. }) = &mut plan.server {
        let low = volume.delay.low;
        let delay = SpanRange { low, high: low };
        let (failure, reply_loss) = (Chance(0), Chance(0));
        *volume = VolumePlan { delay, failure, reply_loss, list_lag: Span::ZERO };
    }
    plan
}

pub(crate) fn true_clocks(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for device in &mut plan.devices {
        (device.clock_offset_ms, device.clock_drift_ppm) = (0, 0);
    }
    for worker in plan.server.iter_mut().flat_map(|server| &mut server.workers) {
        (worker.clock_offset_ms, worker.clock_drift_ppm) = (0, 0);
    }
    for it in plan.server.iter_mut().flat_map(|server| &mut server.pipeline.processors) {
        (it.clock_offset_ms, it.clock_drift_ppm) = (0, 0);
    }
    plan
}

/// Remotes that serve and take as much as they usually do, without delay.
fn plain_remotes(plan: &Plan) -> Plan {
    const ROWS: u16 = 200;
    let commit = SpanRange { low: Span(1), high: Span(1) };
    let mut plan = plan.clone();
    for remote in &mut plan.remotes {
        (remote.page, remote.batch, remote.commit) = (ROWS, ROWS, commit);
    }
    plan
}

fn round(step: &mut Step, to: u64) {
    let floor = |ms: u64| ms - ms % to;
    match &mut step.when {
        When::At(at) => at.0 = floor(at.0),
        When::After(span) | When::On(_, span) => span.0 = floor(span.0),
    }
}

/// A fault that lasts a second, if it lasts longer but not for ever.
fn brief(step: &mut Step) {
    const SHORT: Span = Span(1_000);
    if let Act::Fault(_, lasting) = &mut step.act {
        *lasting = match *lasting {
            Lasting::For(span) => Lasting::For(SHORT.min(span)),
            Lasting::Storm => Lasting::For(SHORT),
            other @ (Lasting::AtOnce | Lasting::Forever) => other,
        };
    }
}

/// The first of several fields, messages or files; of files half, since some may be needed.
fn one_field(step: &mut Step) {
    step.act.change(|argument| {
        if let operation::Value::Set(set) = argument {
            set.truncate(1);
        } else if let operation::Value::Account(set) = argument {
            set.truncate(1);
        } else if let operation::Value::Excerpt(excerpt) = argument {
            excerpt.last = excerpt.first;
        } else if let operation::Value::Paths(paths) = argument {
            paths.truncate(paths.len() / 2 + 1);
        }
    });
}

/// Long texts are cut to a few words; the last may be cut too.
fn short_texts(step: &mut Step) {
    const WORDS: usize = 24;
    let shorten = |value: &mut Value| {
        if let Value::Text(text) = value
            && let Some((end, _)) = text.char_indices().nth(WORDS)
        {
            text.truncate(end);
        }
    };
    step.act.change(|argument| {
        if let operation::Value::Set(set) = argument {
            set.iter_mut().for_each(|(_, value)| shorten(value));
        } else if let operation::Value::Account(set) = argument {
            set.iter_mut().for_each(|(_, value)| shorten(value));
        } else if let operation::Value::Content(content) = argument {
            content.size = 0;
        }
    });
}

/// A file at the root, in which it cannot miss a folder.
fn short_path(step: &mut Step) {
    step.act.change(|argument| {
        if let operation::Value::Path(path) | operation::Value::NewFolder(path) = argument
            && let Some((_, name)) = split_path(path)
        {
            *path = name.to_owned();
        }
    });
}
