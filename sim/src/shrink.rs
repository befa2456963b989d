//! The shrinker: the same bug with the fewest devices, steps, faults and odd numbers.
//!
//! Delta debugging on the plan, which is the artefact; seeds do not occur here. A smaller plan
//! counts only if it shows the same *signature*: another bug on the way is not ours to chase. The
//! result is 1-minimal in its steps, which is tried once more at the end and said.
//!
//! Candidates of a round run at the same time, and the first in order is taken: the result does
//! not depend on the number of workers.

pub mod smaller;

use std::time::Duration;

use harness::pool::Pool;
use harness::shrink::Search;

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

/// Shrinks a plan that shows the bug. `hear` is called on the way. `Err` is a panic of the harness.
pub fn shrink(
    pool: &Pool,
    plan: &Plan,
    signature: &Signature,
    budget: Option<Duration>,
    hear: impl FnMut(),
) -> Result<Smaller, String> {
    let bug = signature.clone();
    let shows = move |plan: &Plan| bug.is_in(&run(plan));
    let mut search = Search::new(pool, plan, shows, budget, hear);
    let moments = harness::pool::fresh({
        let plan = plan.clone();
        move || run(&plan).moments
    })?;
    search.take_first(vec![smaller::with_moments(plan, &moments)]);
    let mut minimal = false;
    while search.cut_short().is_none() && !minimal {
        search.settle(|search| make_smaller(search, signature));
        minimal = search.is_minimal(steps, smaller::with_steps);
    }
    let (plan, tries, cut_short) = (search.best().clone(), search.tries(), search.cut_short());
    let best = plan.clone();
    let outcome = harness::pool::fresh(move || run(&best))?;
    Ok(Smaller { plan, outcome, tries, minimal, cut_short })
}

/// Runs every way of making the plan smaller, once.
fn make_smaller(search: &mut Search<'_, Plan>, signature: &Signature) {
    search.drop_some(|plan| plan.devices.len(), smaller::with_devices);
    search.drop_some(workers, smaller::with_workers);
    search.drop_some(|plan| plan.processors().len(), smaller::with_processors);
    search.drop_some(steps, smaller::with_steps);
    search.drop_some(|plan| plan.given.len(), smaller::with_given);
    search.drop_some(given_talks, smaller::with_given_talks);
    if signature.invariant == Invariant::ValuesAreAsExpected {
        search.drop_some(|plan| plan.at_end.len(), smaller::with_expectations);
    } else if !search.best().at_end.is_empty() {
        search.take_first(vec![smaller::with_expectations(search.best(), &[])]);
    }
    search.simplify(smaller::plainer);
    search.take_first(vec![smaller::without_idle_users(search.best())]);
}

fn steps(plan: &Plan) -> usize {
    plan.steps.len()
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
    let faults = plan.steps.iter().filter(|step| matches!(step.act, Act::Fault(..))).count();
    Size {
        steps: plan.steps.len() - faults,
        faults,
        devices: plan.devices.len(),
        given: plan.given.len(),
        messages: outcome.counts.messages,
    }
}
