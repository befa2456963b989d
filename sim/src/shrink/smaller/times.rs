//! Shorter runs: all moments of a plan move together, so that what came first still does, and what went on
//! meanwhile still does too.

use std::collections::{BTreeMap, BTreeSet};

use harness::time::{Span, Time};

use crate::fault::{Age, Value};
use crate::plan::{Act, Fault, Lasting, Plan, Start, Step, When};

/// What may be between two moments, from little to much.
const GAPS: [u64; 6] = [20, 200, SHORT, 5_000, 30_000, 300_000];

/// A shorter gap is not worth a try.
const SHORT: u64 = 1_000;

/// Plans in which no moment is long after the one before, the shortest first.
pub fn squeezed(plan: &Plan) -> Vec<Plan> {
    GAPS.iter().map(|&most| with_gaps(plan, |_, gap| gap.min(most))).collect()
}

/// Plans in which one moment is sooner after the one before, and all later ones with it.
pub fn sooner(plan: &Plan) -> Vec<Plan> {
    let shorter: [fn(u64) -> u64; 2] = [|gap| gap.min(SHORT), |gap| gap.min(SHORT.max(gap / 2))];
    let gaps = 0..moments(plan).len();
    let of = |chosen| {
        shorter
            .map(|shorter| with_gaps(plan, |n, gap| if n == chosen { shorter(gap) } else { gap }))
    };
    gaps.flat_map(of).collect()
}

/// Ends a second after the last step, start or expectation that has a moment, if all steps have one.
pub fn short_storm(plan: &Plan) -> Plan {
    let begins: Option<Vec<u64>> = plan.steps.iter().map(moment).collect();
    let Some(begins) = begins else { return plan.clone() };
    let end = begins.into_iter().chain(starts(plan)).chain(looks(plan)).max();
    let storm = end.map_or(plan.storm, |end| Span(end + SHORT).min(plan.storm));
    Plan { storm, ..plan.clone() }
}

/// When a step happens, if that is known.
fn moment(step: &Step) -> Option<u64> {
    match step.when {
        When::At(at) => Some(at.0),
        When::After(_) | When::On(..) => None,
    }
}

fn starts(plan: &Plan) -> impl Iterator<Item = u64> {
    plan.devices.iter().filter_map(|device| match device.start {
        Start::Prepared(at) | Start::Fresh(at) => Some(at.0),
        Start::Cloned => None,
    })
}

fn looks(plan: &Plan) -> impl Iterator<Item = u64> {
    plan.at_end.iter().filter_map(|it| it.at).map(|at| at.0)
}

/// When something begins, ends or is looked at, and to what stores are set back; each once and in order.
fn moments(plan: &Plan) -> BTreeSet<u64> {
    let mut moments: BTreeSet<u64> =
        starts(plan).chain(looks(plan)).chain([plan.storm.0]).collect();
    for step in &plan.steps {
        let Some(at) = moment(step) else { continue };
        moments.insert(at);
        if let Act::Fault(fault, lasting) = &step.act {
            moments.insert(at + lasting.span().0);
            moments.extend(ages(fault).map(|age| at.saturating_sub(age.0)));
        }
    }
    moments
}

/// How far a fault sets something back.
fn ages(fault: &Fault) -> impl Iterator<Item = Span> {
    fault
        .values()
        .into_iter()
        .filter_map(|it| if let Value::Age(Age(age)) = it { Some(age) } else { None })
}

/// The plan with another gap before each of its moments, by its number and what it was.
fn with_gaps(plan: &Plan, gap: impl Fn(usize, u64) -> u64) -> Plan {
    let (mut before, mut now) = (0, 0);
    let moved = moments(plan).into_iter().enumerate().map(|(n, at)| {
        now += gap(n, at - before);
        before = at;
        (at, now)
    });
    with_moved(plan, &moved.collect())
}

/// The plan with each of its moments where the map has it.
fn with_moved(plan: &Plan, moved: &BTreeMap<u64, u64>) -> Plan {
    let mut plan = plan.clone();
    for device in &mut plan.devices {
        if let Start::Prepared(at) | Start::Fresh(at) = &mut device.start {
            at.0 = moved[&at.0];
        }
    }
    plan.at_end.iter_mut().filter_map(|it| it.at.as_mut()).for_each(|at| at.0 = moved[&at.0]);
    plan.storm.0 = moved[&plan.storm.0];
    for step in &mut plan.steps {
        let Some(at) = moment(step) else { continue };
        let now = moved[&at];
        step.when = When::At(Time(now));
        let Act::Fault(fault, lasting) = &mut step.act else { continue };
        if let Lasting::For(span) = lasting {
            span.0 = moved[&(at + span.0)] - now;
        }
        let set_back = |value| {
            let Value::Age(Age(age)) = value else { return Some(value) };
            let to = moved[&at.saturating_sub(age.0)];
            Some(Value::Age(Age(Span((now - to).max(1)))))
        };
        *fault = fault.map(set_back).expect("they are of the same kinds");
    }
    plan
}
