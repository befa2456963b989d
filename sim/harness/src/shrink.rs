//! The shrinker: the same bug with fewer steps and plainer numbers.
//!
//! Delta debugging on the plan, which is the artefact; seeds do not occur here. A smaller plan counts only
//! if it shows the same bug: another one on the way is not chased. Candidates of a round run at the same
//! time, and the first in order is taken: the result does not depend on the number of workers.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_128;

use crate::ddmin::{self, Cuts};
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

/// A run is never so short that it matters whether it is half as long again with this more.
const SLACK: u64 = 100;

/// What a plan shows of the bug, if it does; `None` also if its run was asked to end.
type Shows<P, R> = dyn Fn(&P, &Watch) -> Option<R> + Send + Sync;

/// A plan, and what it shows of the bug.
#[derive(Clone, Debug)]
pub struct Shown<P, R> {
    /// The plan.
    pub plan: P,
    /// What it shows.
    pub shown: R,
}

/// A search for a smaller plan that shows the same bug.
///
/// Fewer parts come first, and then plainer numbers; both must not make the run long. A plan is taken only
/// if its run is at most half as long again as the shortest that was taken before.
pub struct Search<'a, P, R> {
    pool: &'a Pool,
    shows: Arc<Shows<P, R>>,
    /// How long a run is.
    length: fn(&R) -> u64,
    until: Option<Instant>,
    hear: Box<dyn FnMut() + 'a>,
    best: Shown<P, R>,
    /// The length of the shortest run of all that were the best.
    shortest: u64,
    /// Plans that do not show the bug, by their digest: none is run twice.
    passed: BTreeSet<u128>,
    tries: u64,
    cut_short: Option<&'static str>,
}

impl<P, R> Debug for Search<'_, P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a search after {} tries", self.tries)
    }
}

impl<'a, P: Clone + Debug + PartialEq + Send + 'static, R: Send + 'static> Search<'a, P, R> {
    /// Begins with a plan that shows the bug, and ends after this time. `length` says how long the run was that
    /// showed something; `hear` is called on the way.
    pub fn new(
        pool: &'a Pool,
        best: Shown<P, R>,
        shows: impl Fn(&P, &Watch) -> Option<R> + Send + Sync + 'static,
        length: fn(&R) -> u64,
        budget: Option<Duration>,
        hear: impl FnMut() + 'a,
    ) -> Self {
        let until = budget.and_then(|budget| Instant::now().checked_add(budget));
        let (shortest, passed) = (length(&best.shown), BTreeSet::new());
        let (shows, hear) = (Arc::new(shows), Box::new(hear));
        let (tries, cut_short) = (0, None);
        Self { pool, shows, length, until, hear, best, shortest, passed, tries, cut_short }
    }

    /// The smallest plan, and what it shows.
    pub fn into_best(self) -> Shown<P, R> {
        self.best
    }

    /// The smallest plan so far.
    pub fn best(&self) -> &P {
        &self.best.plan
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
            let before = self.best.plan.clone();
            round(self);
            if self.best.plan == before || self.cut_short.is_some() {
                return;
            }
        }
    }

    /// Delta debugging over one kind of part: `len` of them, of which `keep` keeps some.
    pub fn drop_some(&mut self, len: impl Fn(&P) -> usize, keep: impl Fn(&P, &[usize]) -> P) {
        let whole = self.best.plan.clone();
        let parts: Vec<usize> = (0..len(&whole)).collect();
        ddmin::minimise(parts, |cuts: &Cuts<'_, usize>| {
            self.first(cuts.each().map(|kept| keep(&whole, &kept)), self.longest())
        });
    }

    /// Tries plainer plans, each by itself, as long as one of them shows the bug.
    pub fn simplify(&mut self, plainer: fn(&P) -> Vec<P>) {
        let mut from = 0;
        loop {
            let rest = plainer(&self.best.plan).into_iter().skip(from);
            match self.first(rest, self.longest()) {
                Some(at) => from += at,
                None => return,
            }
        }
    }

    /// Does removing any one part pass? If not, takes the first that does not, however long its run is.
    pub fn is_minimal(&mut self, len: fn(&P) -> usize, keep: fn(&P, &[usize]) -> P) -> bool {
        let whole = self.best.plan.clone();
        let parts: Vec<usize> = (0..len(&whole)).collect();
        let each = (0..parts.len()).map(|gone| {
            let kept: Vec<usize> = parts.iter().copied().filter(|&at| at != gone).collect();
            keep(&whole, &kept)
        });
        let can_go = self.first(each, u64::MAX).is_some();
        if can_go {
            self.shortest = (self.length)(&self.best.shown);
        }
        !can_go && self.cut_short.is_none()
    }

    /// Takes the first of these plans that shows the bug; false if none does.
    pub fn take_first(&mut self, candidates: Vec<P>) -> bool {
        self.first(candidates, self.longest()).is_some()
    }

    /// How long a run may be.
    fn longest(&self) -> u64 {
        self.shortest.saturating_add(self.shortest / 2).saturating_add(SLACK)
    }

    /// Takes the first of these plans that still shows the bug in a run of at most this length, and says which
    /// it is. The best is passed over, and so is what is known to pass.
    fn first(&mut self, candidates: impl IntoIterator<Item = P>, longest: u64) -> Option<usize> {
        if self.is_over() {
            return None;
        }
        let Self { pool, until, length, .. } = *self;
        let (best, mut passed) = (self.best.plan.clone(), std::mem::take(&mut self.passed));
        let mut pass = Vec::new();
        let is_new = |(_, plan): &(usize, P)| *plan != best && !passed.contains(&digest(plan));
        let (shows, mut found) = (self.shows.clone(), None);
        let ended = pool.each(
            candidates.into_iter().enumerate().filter(is_new),
            until,
            |(at, _)| format!("shrinking, candidate {at}"),
            move |(_, plan), watch| {
                let shown = shows(&plan, watch);
                (shown.is_some() || watch.call() == Call::GoOn).then_some(shown)
            },
            |event| {
                (self.hear)();
                if let Event::Done { item: (at, plan), result, .. } = event {
                    self.tries += 1;
                    if let Ok(Some(shown)) = result {
                        if length(&shown) <= longest {
                            found = Some((at, Shown { plan, shown }));
                        }
                    } else {
                        pass.push(digest(&plan));
                    }
                }
                if found.is_some() || self.is_over() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        passed.extend(pass);
        self.passed = passed;
        if ended == Ended::Hung {
            self.cut_short = Some("runs that hang");
        }
        let (at, smaller) = found?;
        self.shortest = self.shortest.min(length(&smaller.shown));
        self.best = smaller;
        Some(at)
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

fn digest(plan: &impl Debug) -> u128 {
    xxh3_128(format!("{plan:?}").as_bytes())
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
    let length = |(outcome, _): &(Outcome<S>, Violation)| outcome.history.entries().len() as u64;
    let best = Shown { plan: plan.clone(), shown: (outcome, violation) };
    let mut search = Search::new(pool, best, shows, length, budget, || {});
    let mut minimal = false;
    while !minimal && search.cut_short().is_none() {
        search.settle(|search| {
            search.drop_some(step_count, with_steps);
            search.simplify(plainer);
        });
        minimal = search.is_minimal(step_count, with_steps);
    }
    let tries = search.tries();
    let Shown { plan, shown: (outcome, violation) } = search.into_best();
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::stop::Stop;

    type Parts = Vec<u64>;

    fn kept(parts: &Parts, places: &[usize]) -> Parts {
        places.iter().map(|at| parts[*at]).collect()
    }

    fn search<'a>(
        pool: &'a Pool,
        shows: impl Fn(&Parts, &Watch) -> Option<u64> + Send + Sync + 'static,
        budget: Option<Duration>,
    ) -> Search<'a, Parts, u64> {
        let best = Shown { plan: (0..10).collect(), shown: 1_000 };
        Search::new(pool, best, shows, |length| *length, budget, || {})
    }

    /// The bug is in 3. Without 7, and only then, the run is twice as long.
    fn long_without_seven(parts: &Parts, _: &Watch) -> Option<u64> {
        parts.contains(&3).then(|| if parts.contains(&7) { 1_000 } else { 2_000 })
    }

    #[test]
    fn a_part_is_not_left_out_for_a_much_longer_run_but_by_the_last_check() {
        let pool = Pool::new(2, Stop::default());
        let mut search = search(&pool, long_without_seven, None);
        search.drop_some(Vec::len, kept);
        assert_eq!(*search.best(), [3, 7]);
        assert!(!search.is_minimal(Vec::len, kept));
        assert_eq!(*search.best(), [3]);
        assert!(search.is_minimal(Vec::len, kept));
    }

    #[test]
    fn no_plan_is_run_twice_if_it_passed() {
        let pool = Pool::new(2, Stop::default());
        let shows = |parts: &Parts, _: &Watch| parts.contains(&3).then_some(1_000);
        let mut search = search(&pool, shows, None);
        search.drop_some(Vec::len, kept);
        let tries = search.tries();
        search.settle(|search| search.drop_some(Vec::len, kept));
        assert!(search.is_minimal(Vec::len, kept));
        assert_eq!(search.tries(), tries);
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_workers() {
        let results = [1, 2, 7].map(|jobs| {
            let pool = Pool::new(jobs, Stop::default());
            let shows = |parts: &Parts, _: &Watch| (parts.iter().sum::<u64>() > 20).then_some(1);
            let mut search = search(&pool, shows, None);
            search.drop_some(Vec::len, kept);
            search.into_best().plan
        });
        assert!(results.iter().all(|it| *it == results[0]), "{results:?}");
    }

    #[test]
    fn a_run_that_takes_longer_than_the_budget_is_not_waited_for() {
        let pool = Pool::new(2, Stop::default());
        let shows = |_: &Parts, watch: &Watch| {
            while watch.call() == Call::GoOn {
                thread::yield_now();
            }
            None
        };
        let began = Instant::now();
        let mut search = search(&pool, shows, Some(Duration::from_millis(200)));
        search.drop_some(Vec::len, kept);
        assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
        assert_eq!((search.cut_short(), search.best().len()), (Some("its time budget"), 10));
    }
}
