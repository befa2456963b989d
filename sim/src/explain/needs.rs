//! What a violation needs of its plan: plans that lack something, or have it otherwise, are run again.
//!
//! A part is *needed* if every plan that lacks it passes, and *not needed* if every one still fails. What is
//! neither is given with its count.

use std::ops::ControlFlow;

use harness::pool::{Event, Pool};
use harness::random::Draw;
use harness::watch::{Call, Watch};
use tracing::Level;

use super::{Bug, Case};
use crate::fault::Names as _;
use crate::outcome::Outcome;
use crate::plan::{Act, Node, Operation, Plan, Step, When};
use crate::report::explanation::Needs;
use crate::report::story::{count, time};
use crate::run::{BareRun, Driver, run_watched};
use crate::shrink::smaller;

/// How many steps a plan may have for each of them to be tried by itself. Those of a larger one are tried by
/// what they do.
const FEW: usize = 40;

/// In how many runs delays are drawn again.
const NATURES: u64 = 16;

/// The facts of all runs together, about: what two cores do in some ten seconds.
const FACTS: u64 = 6_000_000;

/// A part of a plan, and how it is tried.
struct Part {
    text: String,
    /// The step that it is, if it is one.
    step: Option<usize>,
    kind: Kind,
    trials: Vec<Trial>,
}

/// If more than one part of some kinds is needed, that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fault,
    Flaw,
    Other,
}

/// A run that is like the one to explain, but for one thing.
#[derive(Clone, Debug)]
enum Trial {
    /// Another plan.
    Plan(Box<Plan>),
    /// The same plan with everything drawn again.
    Redrawn(Box<Plan>, u64),
}

/// Tries the parts of a plan; then, of the steps that are needed, whether their moments are too.
pub(super) fn find(pool: &Pool, case: &Case, hear: &mut impl FnMut()) -> Needs {
    let mut needs = Needs::default();
    let plan = &case.plan;
    let first = parts(plan);
    let tried = try_all(pool, case, &first, hear);
    tell(&first, &tried, &mut needs);
    let is_needed = |(at, _): &(usize, &Step)| {
        let of_it = first.iter().zip(&tried).find(|(part, _)| part.step == Some(*at));
        of_it.is_some_and(|(_, (fails, of))| *of > 0 && *fails == 0)
    };
    let steps = plan.steps.iter().enumerate().filter(is_needed);
    let moments: Vec<Part> = steps.filter_map(|(at, step)| moment(plan, at, step)).collect();
    let tried = try_all(pool, case, &moments, hear);
    tell(&moments, &tried, &mut needs);
    needs
}

/// In how many of how many runs the violation comes, for each part.
fn try_all(pool: &Pool, case: &Case, parts: &[Part], hear: &mut impl FnMut()) -> Vec<(u32, u32)> {
    let facts = (case.outcome.history.len() as u64).max(1);
    let most = usize::try_from(FACTS / facts).unwrap_or(usize::MAX).max(FEW);
    let trials: Vec<(usize, Trial)> = parts
        .iter()
        .enumerate()
        .flat_map(|(at, part)| part.trials.iter().map(move |trial| (at, trial.clone())))
        .take(most)
        .collect();
    let mut tried = vec![(0, 0); parts.len()];
    let bug = case.bug();
    pool.each(
        trials,
        None,
        |(at, _)| format!("what is needed, part {at}"),
        move |(_, trial), watch| fails(&bug, trial, watch),
        |event| {
            hear();
            if let Event::Done { item: (at, _), result, .. } = event {
                let (fails, of) = &mut tried[at];
                *of += 1;
                *fails += u32::from(result == Ok(true));
            }
            ControlFlow::Continue(())
        },
    );
    tried
}

fn fails(bug: &Bug, trial: Trial, watch: &Watch) -> Option<bool> {
    let outcome = match trial {
        Trial::Plan(plan) => run_watched(&plan, Driver::of(&plan), Level::ERROR, watch),
        Trial::Redrawn(plan, nature) => redrawn(&plan, nature, watch),
    };
    outcome.map(|outcome| bug.is_in(&outcome))
}

fn redrawn(plan: &Plan, nature: u64, watch: &Watch) -> Option<Outcome> {
    let mut run = BareRun::watched(plan, watch);
    run.redraw(nature);
    while run.turn() {}
    (watch.call() < Call::Leave).then(|| run.end())
}

/// Adds what was found of parts.
fn tell(parts: &[Part], tried: &[(u32, u32)], needs: &mut Needs) {
    needs.tries += tried.iter().map(|(_, of)| u64::from(*of)).sum::<u64>();
    let mut several: Vec<(Kind, &str)> = Vec::new();
    for (part, &(fails, of)) in parts.iter().zip(tried).filter(|(_, (_, of))| *of > 0) {
        match fails {
            0 => {
                needs.needed.push(part.text.clone());
                several.push((part.kind, &part.text));
            }
            _ if fails == of => needs.not_needed.push(part.text.clone()),
            _ => needs.sometimes.push((part.text.clone(), fails, of)),
        }
    }
    for (kind, name) in [(Kind::Fault, "faults"), (Kind::Flaw, "known bugs")] {
        let these: Vec<&str> =
            several.iter().filter(|(it, _)| *it == kind).map(|(_, text)| *text).collect();
        if these.len() > 1 {
            needs.together.push(format!(
                "{} {name} are needed together: {}",
                these.len(),
                these.join("; ")
            ));
        }
    }
}

/// The parts of a plan, those that people wrote first.
fn parts(plan: &Plan) -> Vec<Part> {
    let mut parts = flaws(plan);
    parts.extend(if plan.steps.len() <= FEW { each_step(plan) } else { by_word(plan) });
    parts.extend(devices(plan));
    parts.extend(given(plan));
    parts.extend(settings(plan));
    parts
}

fn flaws(plan: &Plan) -> Vec<Part> {
    let without = |flaw| {
        let others = plan.flaws.iter().filter(|it| *it != flaw);
        let flaws = others.fold(engine::flaw::Flaws::NONE, engine::flaw::Flaws::with);
        let trials = vec![Trial::plan(Plan { flaws, ..plan.clone() })];
        Part { kind: Kind::Flaw, ..Part::of(format!("the known bug {}", flaw.id()), trials) }
    };
    plan.flaws.iter().map(without).collect()
}

fn each_step(plan: &Plan) -> Vec<Part> {
    let part = |at: usize| {
        let (step, trials) = (&plan.steps[at], vec![Trial::plan(without(plan, |gone| gone == at))]);
        Part { kind: kind(step), step: Some(at), ..Part::of(told_step(plan, step), trials) }
    };
    (0..plan.steps.len()).map(part).collect()
}

/// All steps that do the same, by the word of a scenario.
fn by_word(plan: &Plan) -> Vec<Part> {
    let words: Vec<&str> = plan.steps.iter().map(|step| word(&step.act)).collect();
    let mut known: Vec<&str> = Vec::new();
    for &word in &words {
        if !known.contains(&word) {
            known.push(word);
        }
    }
    let part = |word: &str| {
        let of = words.iter().filter(|it| **it == word).count();
        let first = words.iter().position(|it| *it == word).expect("it is one of them");
        let trials = vec![Trial::plan(without(plan, |at| words[at] == word))];
        let text = format!("`{word}` ({})", count(of, "step"));
        Part { kind: kind(&plan.steps[first]), ..Part::of(text, trials) }
    };
    known.into_iter().map(part).collect()
}

fn kind(step: &Step) -> Kind {
    if matches!(step.act, Act::Fault(..)) { Kind::Fault } else { Kind::Other }
}

fn told_step(plan: &Plan, step: &Step) -> String {
    let host = match &step.act {
        Act::User(device, _) => plan.name(Node::Device(*device)),
        Act::Processor(processor, _) => plan.name(Node::Processor(*processor)),
        Act::Fault(..) | Act::Wait => "",
    };
    let what = format!("{host} {}", step.act.tell(plan));
    let when =
        if let When::At(at) = step.when { format!(" at {}", time(at)) } else { String::new() };
    format!("{}{when}", what.trim_start())
}

/// What a step is called in scenarios.
fn word(act: &Act) -> &'static str {
    match (act, Operation::of(act)) {
        (Act::Fault(fault, _), _) => fault.word(),
        (Act::User(..) | Act::Processor(..), Some((operation, _))) => operation.word(),
        (Act::User(..) | Act::Processor(..) | Act::Wait, _) => "wait",
    }
}

fn without(plan: &Plan, gone: impl Fn(usize) -> bool) -> Plan {
    let kept: Vec<usize> = (0..plan.steps.len()).filter(|at| !gone(*at)).collect();
    smaller::with_steps(plan, &kept)
}

/// Each device, with all that is done on it.
fn devices(plan: &Plan) -> Vec<Part> {
    let part = |gone: usize| {
        let kept: Vec<usize> = (0..plan.devices.len()).filter(|at| *at != gone).collect();
        let trials = vec![Trial::plan(smaller::with_devices(plan, &kept))];
        Part::of(format!("the device {}", plan.devices[gone].name), trials)
    };
    (0..plan.devices.len()).map(part).collect()
}

/// What is stored before the start, each record by itself if there are few.
fn given(plan: &Plan) -> Vec<Part> {
    let all = plan.given.len();
    let part = |text: String, kept: &[usize]| {
        Part::of(text, vec![Trial::plan(smaller::with_given(plan, kept))])
    };
    if all > FEW / 4 {
        return vec![part(format!("the seed data ({})", count(all, "record")), &[])];
    }
    let each = |gone: usize| {
        let given = &plan.given[gone];
        let kept: Vec<usize> = (0..all).filter(|at| *at != gone).collect();
        part(format!("{} of {} before the start", given.id, plan.user(given.user)), &kept)
    };
    (0..all).map(each).collect()
}

/// The moment of a step that has one: a little earlier and later, and a second later.
fn moment(plan: &Plan, at: usize, step: &Step) -> Option<Part> {
    let When::At(moment) = step.when else { return None };
    let moved = |to: u64| {
        let mut plan = plan.clone();
        plan.steps[at].when = When::At(harness::time::Time(to));
        Trial::plan(plan)
    };
    let earlier = moment.0.saturating_sub(100);
    let trials = vec![moved(earlier), moved(moment.0 + 100), moved(moment.0 + 1_000)];
    Some(Part::of(format!("the exact moment of: {}", told_step(plan, step)), trials))
}

/// What surrounds hosts.
fn settings(plan: &Plan) -> Vec<Part> {
    let settings = [
        ("losses and long delays by chance", smaller::calm_network(plan)),
        ("failures of the volume by chance", smaller::calm_volume(plan)),
        ("clocks that are wrong", smaller::true_clocks(plan)),
    ];
    let changed = settings.into_iter().filter(|(_, other)| other != plan);
    let part = |(text, other): (&str, Plan)| Part::of(text.to_owned(), vec![Trial::plan(other)]);
    let redrawn = |nth| {
        let nature = Draw::new(plan.nature, "redraw").and(nth).value();
        Trial::Redrawn(Box::new(plan.clone()), nature)
    };
    let delays = Part::of("the exact delays".to_owned(), (0..NATURES).map(redrawn).collect());
    changed.map(part).chain([delays]).collect()
}

impl Part {
    fn of(text: String, trials: Vec<Trial>) -> Self {
        Self { text, step: None, kind: Kind::Other, trials }
    }
}

impl Trial {
    fn plan(plan: Plan) -> Self {
        Self::Plan(Box::new(plan))
    }
}
