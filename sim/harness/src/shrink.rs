//! The shrinker: the same bug with fewer steps and plainer numbers.
//!
//! Delta debugging on the plan, which is the artefact; seeds do not occur here. A smaller plan counts only
//! if it shows the same bug: another one on the way is not chased. Candidates of a round run at the same
//! time, and the first in order is taken: the result does not depend on the number of workers.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ddmin;
use crate::judge::Violation;
use crate::plan::{Act, Plan, Surroundings};
use crate::pool::{Event, Pool, Urgency, fresh};
use crate::run::{Outcome, run};
use crate::signature::Signature;
use crate::step::Step;
use crate::system::System;

/// A search for a smaller plan that shows the same bug.
pub struct Search<'a, P> {
    pool: &'a Pool,
    shows: Arc<dyn Fn(&P) -> bool + Send + Sync>,
    until: Option<Instant>,
    hear: Box<dyn FnMut() + 'a>,
    best: P,
    tries: u64,
    cut_short: Option<&'static str>,
}

impl<P> std::fmt::Debug for Search<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a search after {} tries", self.tries)
    }
}

impl<'a, P: Clone + PartialEq + Send + 'static> Search<'a, P> {
    /// Begins with a plan that shows the bug. `hear` is called on the way.
    pub fn new(
        pool: &'a Pool,
        plan: &P,
        shows: impl Fn(&P) -> bool + Send + Sync + 'static,
        budget: Option<Duration>,
        hear: impl FnMut() + 'a,
    ) -> Self {
        let until = budget.and_then(|budget| Instant::now().checked_add(budget));
        let (best, shows, hear) = (plan.clone(), Arc::new(shows), Box::new(hear));
        Self { pool, shows, until, hear, best, tries: 0, cut_short: None }
    }

    /// The smallest plan so far.
    pub fn best(&self) -> &P {
        &self.best
    }

    /// How many plans were run.
    pub fn tries(&self) -> u64 {
        self.tries
    }

    /// Why the search ended early, if it did.
    pub fn cut_short(&self) -> Option<&'static str> {
        self.cut_short
    }

    /// Repeats a round until it finds nothing smaller any more.
    pub fn settle(&mut self, mut round: impl FnMut(&mut Self)) {
        loop {
            let before = self.best.clone();
            round(self);
            if self.best == before || self.cut_short.is_some() {
                return;
            }
        }
    }

    /// Delta debugging over one kind of part: `len` of them, of which `keep` keeps some.
    pub fn drop_some(&mut self, len: fn(&P) -> usize, keep: fn(&P, &[usize]) -> P) {
        let whole = self.best.clone();
        let parts: Vec<usize> = (0..len(&whole)).collect();
        let kept = ddmin::minimise(parts, |subsets| {
            self.first(subsets.iter().map(|kept| keep(&whole, kept)).collect())
        });
        if kept.len() < len(&whole) {
            self.best = keep(&whole, &kept);
        }
    }

    /// Tries plainer plans, each by itself, as long as one of them shows the bug.
    pub fn simplify(&mut self, plainer: fn(&P) -> Vec<P>) {
        let mut from = 0;
        loop {
            let rest: Vec<P> = plainer(&self.best).into_iter().skip(from).collect();
            match self.first(rest.clone()) {
                Some(at) => {
                    self.best.clone_from(&rest[at]);
                    from += at;
                }
                None => return,
            }
        }
    }

    /// Does removing any one part pass? If not, takes the first that does not.
    pub fn is_minimal(&mut self, len: fn(&P) -> usize, keep: fn(&P, &[usize]) -> P) -> bool {
        let whole = 0..len(&self.best);
        let candidates = whole.clone().map(|gone| {
            let kept: Vec<usize> = whole.clone().filter(|&at| at != gone).collect();
            keep(&self.best, &kept)
        });
        let candidates = candidates.collect();
        !self.take_first(candidates) && self.cut_short.is_none()
    }

    /// Takes the first of these plans that shows the bug; false if none does.
    pub fn take_first(&mut self, candidates: Vec<P>) -> bool {
        let Some(at) = self.first(candidates.clone()) else {
            return false;
        };
        self.best.clone_from(&candidates[at]);
        true
    }

    /// The first of these plans that still shows the bug. Plans like the best are passed over.
    fn first(&mut self, candidates: Vec<P>) -> Option<usize> {
        let candidates = candidates.into_iter().enumerate();
        let candidates: Vec<(usize, P)> = candidates.filter(|(_, it)| *it != self.best).collect();
        let places: Vec<usize> = candidates.iter().map(|(at, _)| *at).collect();
        let (shows, mut found) = (self.shows.clone(), None);
        if self.is_over() {
            return None;
        }
        self.pool.each(
            candidates,
            |(at, _)| format!("shrinking, candidate {at}"),
            move |(_, plan)| shows(&plan),
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

/// A smaller plan with the same bug.
#[derive(Clone, Debug)]
pub struct Smaller<S: System> {
    /// The plan.
    pub plan: Plan<S>,
    /// What comes of it.
    pub outcome: Outcome<S>,
    /// The violation that makes it the same bug.
    pub violation: Violation,
    /// How many plans were run.
    pub tries: u64,
    /// Is it proved that removing any one step passes?
    pub minimal: bool,
}

/// Shrinks a plan that shows a bug. `Err` is a panic of the harness, or a plan that does not show it.
pub fn shrink<S: System>(
    pool: &Pool,
    plan: &Plan<S>,
    bug: &Signature,
    budget: Option<Duration>,
) -> Result<Smaller<S>, String> {
    let signature = bug.clone();
    let shows = move |plan: &Plan<S>| signature.find(&run(plan)).is_some();
    let mut search = Search::new(pool, plan, shows, budget, || {});
    let mut minimal = false;
    while !minimal && search.cut_short().is_none() {
        search.settle(|search| {
            search.drop_some(step_count, with_steps);
            search.simplify(plainer);
        });
        minimal = search.is_minimal(step_count, with_steps);
    }
    let (plan, tries) = (search.best().clone(), search.tries());
    let best = plan.clone();
    let outcome = fresh(move || run(&best))?;
    let violation = bug.find(&outcome).cloned();
    let violation = violation.ok_or_else(|| format!("the plan does not show {bug}"))?;
    Ok(Smaller { plan, outcome, violation, tries, minimal })
}

fn step_count<S>(plan: &Plan<S>) -> usize {
    plan.steps.len()
}

fn with_steps<S: System>(plan: &Plan<S>, kept: &[usize]) -> Plan<S> {
    let steps: Vec<Step> = kept.iter().map(|at| plan.steps[*at].clone()).collect();
    Plan { steps, ..plan.clone() }
}

/// Plans with something plainer in one place: the surroundings, or a number of a step.
fn plainer<S: System>(plan: &Plan<S>) -> Vec<Plan<S>> {
    let Surroundings { network, disk, clocks } = plan.surroundings;
    let calm = Surroundings::default();
    let surroundings = [
        calm,
        Surroundings { network: calm.network, disk, clocks },
        Surroundings { network, disk: calm.disk, clocks },
        Surroundings { network, disk, clocks: calm.clocks },
    ];
    let surroundings =
        surroundings.map(|surroundings| Plan { surroundings, ..plan.clone() }).into_iter();
    let steps = plan.steps.iter().enumerate().flat_map(|(at, step)| {
        let simpler = Act::<S>::of(step.word).map(|act| act.word().simpler(&step.values));
        simpler.unwrap_or_default().into_iter().map(move |values| {
            let mut plan = plan.clone();
            plan.steps[at].values = values;
            plan
        })
    });
    surroundings.chain(steps).collect()
}
