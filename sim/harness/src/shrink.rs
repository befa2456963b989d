//! The shrinker: the same bug with fewer steps and plainer numbers.
//!
//! Delta debugging on the plan, which is the artefact; seeds do not occur here. A smaller plan counts only
//! if it shows the same bug: another one on the way is not chased. Candidates of a round run at the same
//! time, and the first in order is taken: the result does not depend on the number of workers.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ddmin;
use crate::fresh::fresh;
use crate::judge::Violation;
use crate::plan::{Act, Plan, Surroundings};
use crate::pool::{Ended, Event, Pool};
use crate::run::{Outcome, run, run_watched};
use crate::signature::Signature;
use crate::step::Step;
use crate::stop::Urgency;
use crate::system::System;
use crate::watch::{Call, Watch};

/// What a plan shows of the bug, if it does; `None` also if its run was asked to end.
type Shows<P, R> = dyn Fn(&P, &Watch) -> Option<R> + Send + Sync;

/// A search for a smaller plan that shows the same bug.
pub struct Search<'a, P, R> {
    pool: &'a Pool,
    shows: Arc<Shows<P, R>>,
    until: Option<Instant>,
    hear: Box<dyn FnMut() + 'a>,
    best: P,
    /// What the best plan shows.
    shown: R,
    tries: u64,
    cut_short: Option<&'static str>,
}

impl<P, R> std::fmt::Debug for Search<'_, P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a search after {} tries", self.tries)
    }
}

impl<'a, P: Clone + PartialEq + Send + 'static, R: Send + 'static> Search<'a, P, R> {
    /// Begins with a plan that shows the bug, and what it shows. `hear` is called on the way.
    pub fn new(
        pool: &'a Pool,
        (plan, shown): (&P, R),
        shows: impl Fn(&P, &Watch) -> Option<R> + Send + Sync + 'static,
        budget: Option<Duration>,
        hear: impl FnMut() + 'a,
    ) -> Self {
        let until = budget.and_then(|budget| Instant::now().checked_add(budget));
        let (best, shows, hear) = (plan.clone(), Arc::new(shows), Box::new(hear));
        Self { pool, shows, until, hear, best, shown, tries: 0, cut_short: None }
    }

    /// The smallest plan, and what it shows.
    pub fn into_best(self) -> (P, R) {
        (self.best, self.shown)
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
        ddmin::minimise(parts, |subsets| {
            self.first(subsets.iter().map(|kept| keep(&whole, kept)).collect())
        });
    }

    /// Tries plainer plans, each by itself, as long as one of them shows the bug.
    pub fn simplify(&mut self, plainer: fn(&P) -> Vec<P>) {
        let mut from = 0;
        loop {
            let rest: Vec<P> = plainer(&self.best).into_iter().skip(from).collect();
            match self.first(rest) {
                Some(at) => from += at,
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
        self.first(candidates).is_some()
    }

    /// Takes the first of these plans that still shows the bug. Plans like the best are passed over.
    fn first(&mut self, candidates: Vec<P>) -> Option<usize> {
        let candidates = candidates.into_iter().enumerate();
        let candidates: Vec<(usize, P)> = candidates.filter(|(_, it)| *it != self.best).collect();
        let places: Vec<usize> = candidates.iter().map(|(at, _)| *at).collect();
        let (shows, mut found) = (self.shows.clone(), None);
        if self.is_over() {
            return None;
        }
        let ended = self.pool.each(
            candidates,
            self.until,
            |(at, _)| format!("shrinking, candidate {at}"),
            move |(_, plan), watch| {
                let shown = shows(&plan, watch);
                (shown.is_some() || watch.call() == Call::GoOn).then_some(shown)
            },
            |event| {
                (self.hear)();
                if let Event::Done { index, item: (_, plan), result, .. } = event {
                    self.tries += 1;
                    if let Ok(Some(shown)) = result {
                        (self.best, self.shown) = (plan, shown);
                        found = Some(places[index]);
                    }
                }
                if found.is_some() || self.is_over() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        if ended == Ended::Hung {
            self.cut_short = Some("runs that hang");
        }
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
    let first = plan.clone();
    let outcome = fresh(move || run(&first))?;
    let violation = bug.find(&outcome).cloned();
    let violation = violation.ok_or_else(|| format!("the plan does not show {bug}"))?;
    let signature = bug.clone();
    let shows = move |plan: &Plan<S>, watch: &Watch| {
        let outcome = run_watched(plan, watch)?;
        let violation = signature.find(&outcome).cloned()?;
        Some((outcome, violation))
    };
    let mut search = Search::new(pool, (plan, (outcome, violation)), shows, budget, || {});
    let mut minimal = false;
    while !minimal && search.cut_short().is_none() {
        search.settle(|search| {
            search.drop_some(step_count, with_steps);
            search.simplify(plainer);
        });
        minimal = search.is_minimal(step_count, with_steps);
    }
    let tries = search.tries();
    let (plan, (outcome, violation)) = search.into_best();
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
