//! The shrinker: the same bug with the fewest devices, steps, faults and odd numbers.
//!
//! Delta debugging on the plan, which is the artefact; seeds do not occur here. A smaller plan
//! counts only if it shows the same *signature*: another bug on the way is not ours to chase. The
//! result is 1-minimal in its steps, which is tried once more at the end and said.
//!
//! Candidates of a round run at the same time, and the first in order is taken: the result does
//! not depend on the number of workers.

pub mod smaller;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use harness::ddmin;
use harness::pool::{Event, Pool, Urgency};

use crate::invariant::Invariant;
use crate::plan::{Act, Plan};
use crate::report::Size;
use crate::run::{Outcome, run};
use crate::signature::Signature;

/// A smaller plan with the same bug.
#[derive(Debug)]
pub struct Smaller {
    /// The plan.
    pub plan: Plan,
    /// What comes of it.
    pub outcome: Outcome,
    /// How many plans were run.
    pub tries: u64,
    /// Is it proved that removing any one step passes?
    pub minimal: bool,
    /// Why it ended early, if it did.
    pub cut_short: Option<&'static str>,
}

struct Search<'a, H> {
    pool: &'a Pool,
    signature: &'a Signature,
    until: Option<Instant>,
    hear: H,
    best: Plan,
    tries: u64,
    cut_short: Option<&'static str>,
}

/// Shrinks a plan that shows the bug. `hear` is called on the way. `Err` is a panic of the harness.
pub fn shrink(
    pool: &Pool,
    plan: &Plan,
    signature: &Signature,
    budget: Option<Duration>,
    hear: impl FnMut(),
) -> Result<Smaller, String> {
    let until = budget.and_then(|budget| Instant::now().checked_add(budget));
    let best = plan.clone();
    let mut search = Search { pool, signature, until, hear, best, tries: 0, cut_short: None };
    let moments = harness::pool::fresh({
        let plan = plan.clone();
        move || run(&plan).moments
    })?;
    search.take_first(vec![smaller::with_moments(plan, &moments)]);
    let mut minimal = false;
    while search.cut_short.is_none() && !minimal {
        search.settle();
        minimal = search.is_minimal();
    }
    let Search { best, tries, cut_short, .. } = search;
    let plan = best.clone();
    let outcome = harness::pool::fresh(move || run(&best))?;
    Ok(Smaller { plan, outcome, tries, minimal, cut_short })
}

impl<H: FnMut()> Search<'_, H> {
    /// Runs every way of making the plan smaller until none works any more.
    fn settle(&mut self) {
        loop {
            let before = self.best.clone();
            self.drop_some(|plan| plan.devices.len(), smaller::with_devices);
            self.drop_some(workers, smaller::with_workers);
            self.drop_some(|plan| plan.processors().len(), smaller::with_processors);
            self.drop_some(|plan| plan.steps.len(), smaller::with_steps);
            self.drop_some(|plan| plan.given.len(), smaller::with_given);
            self.drop_some(given_talks, smaller::with_given_talks);
            self.drop_expectations();
            self.simplify();
            self.take_first(vec![smaller::without_idle_users(&self.best)]);
            if self.best == before || self.cut_short.is_some() {
                return;
            }
        }
    }

    /// Delta debugging over one kind of part. All may go but the last device.
    fn drop_some(&mut self, len: fn(&Plan) -> usize, keep: fn(&Plan, &[usize]) -> Plan) {
        let whole = self.best.clone();
        let parts: Vec<usize> = (0..len(&whole)).collect();
        let kept = ddmin::minimise(parts, |subsets| {
            self.first(subsets.iter().map(|kept| keep(&whole, kept)).collect())
        });
        if kept.len() < len(&whole) {
            self.best = keep(&whole, &kept);
        }
    }

    fn drop_expectations(&mut self) {
        if self.signature.invariant == Invariant::ValuesAreAsExpected {
            self.drop_some(|plan| plan.at_end.len(), smaller::with_expectations);
        } else if !self.best.at_end.is_empty() {
            self.take_first(vec![smaller::with_expectations(&self.best, &[])]);
        }
    }

    /// Tries plainer numbers, each by itself, as long as one of them works.
    fn simplify(&mut self) {
        let mut from = 0;
        loop {
            let plainer = smaller::plainer(&self.best);
            let rest: Vec<Plan> = plainer.into_iter().skip(from).collect();
            match self.first(rest.clone()) {
                Some(at) => {
                    self.best.clone_from(&rest[at]);
                    from += at;
                }
                None => return,
            }
        }
    }

    /// Does removing any one step pass? If not, takes the first that does not.
    fn is_minimal(&mut self) -> bool {
        let whole: Vec<usize> = (0..self.best.steps.len()).collect();
        let without = |gone: usize| -> Vec<usize> {
            whole.iter().copied().filter(|&at| at != gone).collect()
        };
        let candidates: Vec<Plan> =
            whole.iter().map(|&gone| smaller::with_steps(&self.best, &without(gone))).collect();
        !self.take_first(candidates) && self.cut_short.is_none()
    }

    fn take_first(&mut self, candidates: Vec<Plan>) -> bool {
        let Some(at) = self.first(candidates.clone()) else {
            return false;
        };
        self.best.clone_from(&candidates[at]);
        true
    }

    /// The first of these plans that still shows the bug. Plans like the best are passed over.
    fn first(&mut self, candidates: Vec<Plan>) -> Option<usize> {
        let fresh = |plan: &Plan| *plan != self.best;
        let candidates: Vec<(usize, Plan)> =
            candidates.into_iter().enumerate().filter(|(_, plan)| fresh(plan)).collect();
        let (signature, places) =
            (self.signature.clone(), candidates.iter().map(|(at, _)| *at).collect::<Vec<_>>());
        let mut found = None;
        if self.is_over() {
            return None;
        }
        self.pool.each(
            candidates,
            |(at, _)| format!("shrinking, candidate {at}"),
            move |(_, plan)| signature.is_in(&run(&plan)),
            |event| {
                (self.hear)();
                if let Event::Done { index, result, .. } = event {
                    self.tries += 1;
                    if result == Ok(true) {
                        found = Some(places[index]);
                    }
                }
                if found.is_some() || self.is_over() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        found
    }

    fn is_over(&mut self) -> bool {
        if self.pool.stop.urgency() > Urgency::None {
            self.cut_short = Some("an interrupt");
        } else if self.until.is_some_and(|until| Instant::now() >= until) {
            self.cut_short = Some("its time budget");
        }
        self.cut_short.is_some()
    }
}

/// How many conversations the sync server has from the start.
fn given_talks(plan: &Plan) -> usize {
    plan.server.as_ref().map_or(0, |server| server.pipeline.given.len())
}

/// How many workers the sync server has, if there is one.
fn workers(plan: &Plan) -> usize {
    plan.server.as_ref().map_or(0, |server| server.workers.len())
}

/// How large a plan is, and its run.
pub fn size(plan: &Plan, outcome: &Outcome) -> Size {
    let faults = plan.steps.iter().filter(|step| matches!(step.act, Act::Fault(_))).count();
    Size {
        steps: plan.steps.len() - faults,
        faults,
        devices: plan.devices.len(),
        given: plan.given.len(),
        messages: outcome.counts.messages,
    }
}
