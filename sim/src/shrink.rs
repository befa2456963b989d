//! The shrinker: the same bug with the fewest devices, steps, faults and odd numbers.
//!
//! Delta debugging on the plan, which is the artefact; seeds do not occur here. A smaller plan
//! counts only if it shows the same *signature*: another bug on the way is not ours to chase. The
//! result is 1-minimal in its steps, which is tried once more at the end and said.
//!
//! Candidates of a round run at the same time, and the first in order is taken: the result does
//! not depend on the number of workers.

pub mod smaller;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::pool::Pool;
use harness::shrink::{Search, Shown};
use harness::time::Time;
use harness::watch::Watch;
use tracing::Level;

use self::smaller::{groups, times};
use crate::capsule::{self, Found, Store};
use crate::invariant::{Invariant, Violation};
use crate::plan::{Act, Plan};
use crate::report::Size;
use crate::run::{Driver, Outcome, run_watched};
use crate::scenario::{Origin, count_odd_settings, with_plain_settings};
use crate::signature::Signature;

/// The most bytes of all histories that are compared at a time.
const MEMORY: u64 = 256 << 20;

/// A failing plan, and what is left of its run.
#[derive(Clone, Debug)]
pub struct Failing {
    /// The plan.
    pub plan: Plan,
    /// What was found.
    pub found: Found,
    /// How large plan and run are.
    pub size: Size,
    /// When each step of the plan happened, unless it was skipped.
    moments: Vec<Option<Time>>,
    /// About how many bytes the history of its run keeps.
    bytes: u64,
}

impl Failing {
    /// A plan, and what was found in its run.
    pub fn of(plan: &Plan, outcome: &Outcome, violation: &Violation) -> Self {
        Self {
            plan: plan.clone(),
            found: Found::of(plan, outcome, violation),
            size: size(plan, outcome),
            moments: outcome.moments.clone(),
            bytes: outcome.counts.bytes,
        }
    }

    /// The same, of a plan that was itself shrunk from another.
    pub fn with_origin(self, origin: Option<Origin>) -> Self {
        Self { found: self.found.with_origin(origin), ..self }
    }

    /// The bug.
    pub fn signature(&self) -> Signature {
        Signature::of(&self.found.violation)
    }

    /// As many workers as there is memory for, each with a run of this size.
    fn workers(&self, pool: &Pool) -> Pool {
        let fit = usize::try_from(MEMORY / self.bytes.max(1)).unwrap_or(usize::MAX);
        let mut pool = pool.clone();
        pool.jobs = pool.jobs.min(fit).max(1);
        pool
    }

    /// Can its run be repeated? One that hangs can not.
    pub fn can_be_shrunk(&self) -> bool {
        !self.found.violation.is_of_time()
    }

    /// Does its run take a few seconds, rather than some milliseconds? What repeats it a hundred times has to be
    /// asked for.
    pub fn is_long(&self) -> bool {
        self.bytes > MEMORY / 4
    }
}

/// A smaller plan with the same bug.
#[derive(Debug)]
pub struct Smaller {
    /// The plan.
    pub plan: Plan,
    /// What was found in its run.
    pub found: Found,
    /// How large plan and run are.
    pub size: Size,
    /// How many plans were run.
    pub tries: u64,
    /// Is it proved that removing any one step passes?
    pub minimal: bool,
    /// Why it ended early, if it did.
    pub cut_short: Option<&'static str>,
}

impl Smaller {
    /// The same, as shrunk from this plan.
    pub fn since(self, whole: &Failing) -> Self {
        Self { found: self.found.shrunk_from(&whole.found, whole.size), ..self }
    }

    /// Keeps it, once it has been read back and run again, and has shown the bug.
    pub fn keep(&self, pool: &Pool, place: Place<'_>) -> io::Result<PathBuf> {
        let text = capsule::readable(&self.plan, &self.found)?;
        // Whose time is over has none for one more run; the search has run this plan before.
        if self.cut_short.is_none() {
            self.run_again(pool)?;
        }
        match place {
            Place::File(file) => harness::capsule::write(file, &text).map(|()| file.to_owned()),
            Place::Folder(store) => store.keep_text(&self.found, &text),
        }
    }

    fn run_again(&self, pool: &Pool) -> io::Result<()> {
        let signature = Signature::of(&self.found.violation);
        let (bug, wanted) = (signature.clone(), self.plan.clone());
        let again = pool.one(wanted, "the smaller plan", move |plan, watch| {
            run_watched(&plan, Driver::of(&plan), Level::ERROR, watch).map(|it| bug.is_in(&it))
        });
        match again {
            // Nothing is known of a run that was interrupted.
            None | Some(Ok(true)) => Ok(()),
            Some(Ok(false)) => {
                Err(io::Error::other(format!("run again, it does not violate {signature}")))
            }
            Some(Err(failure)) => {
                Err(io::Error::other(format!("run again, it failed: {failure:?}")))
            }
        }
    }
}

/// Where a smaller plan is kept.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In this file.
    File(&'a Path),
    /// Beside other capsules, under a name of its own.
    Folder(&'a Store),
}

/// What a candidate shows: what was found, and how large its run is.
type Seen = (Found, Size);

/// Shrinks a failing plan, for this long at most. `hear` is called on the way.
pub fn shrink(
    pool: &Pool,
    failing: &Failing,
    budget: Option<Duration>,
    hear: impl FnMut(),
) -> Smaller {
    let Failing { plan, found, size: before, moments, .. } = failing;
    let pool = failing.workers(pool);
    let signature = failing.signature();
    let bug = signature.clone();
    let shows = move |plan: &Plan, watch: &Watch| {
        let outcome = run_watched(plan, Driver::of(plan), Level::ERROR, watch)?;
        let violation = bug.find(&outcome)?;
        Some((Found::of(plan, &outcome, violation), size(plan, &outcome)))
    };
    let best = Shown { plan: plan.clone(), shown: (found.clone(), *before) };
    let mut search = Search::new(&pool, best, shows, |(_, size)| size.messages, budget, hear);
    search.take_first(vec![smaller::with_moments(plan, moments)]);
    let mut minimal = false;
    while search.cut_short().is_none() && !minimal {
        search.settle(|search| {
            search.settle(|search| drop_parts(search, &signature));
            make_plainer(search);
            search.take_first(smaller::redrawn(search.best()));
        });
        minimal = search.is_minimal(steps, smaller::with_steps);
    }
    let (tries, cut_short) = (search.tries(), search.cut_short());
    let Shown { plan, shown: (small, size) } = search.into_best();
    Smaller { plan, found: small, size, tries, minimal, cut_short }.since(failing)
}

/// Leaves out what can be: large parts first, and steps that are alike before single ones.
fn drop_parts(search: &mut Search<'_, Plan, Seen>, signature: &Signature) {
    for of in groups::TRAITS {
        search.drop_some(
            |plan| groups::count(plan, of),
            |plan, kept| groups::with_groups(plan, of, kept),
        );
    }
    search.drop_some(|plan| plan.devices.len(), smaller::with_devices);
    search.drop_some(|plan| plan.remotes.len(), smaller::with_remotes);
    search.drop_some(workers, smaller::with_workers);
    search.drop_some(|plan| plan.processors().len(), smaller::with_processors);
    search.simplify(smaller::calmer);
    search.drop_some(count_odd_settings, with_plain_settings);
    search.drop_some(steps, smaller::with_steps);
    search.drop_some(|plan| plan.given.len(), smaller::with_given);
    search.drop_some(given_talks, smaller::with_given_talks);
    if signature.invariant == Invariant::ValuesAreAsExpected {
        search.drop_some(|plan| plan.at_end.len(), smaller::with_expectations);
    } else if !search.best().at_end.is_empty() {
        search.take_first(vec![smaller::with_expectations(search.best(), &[])]);
    }
    search.take_first(vec![smaller::without_idle_users(search.best())]);
}

/// Makes plain what is left.
fn make_plainer(search: &mut Search<'_, Plan, Seen>) {
    search.simplify(times::sooner);
    search.drop_some(|plan| plan.devices.len(), smaller::with_early_starts);
    search.drop_some(|plan| plan.given.len(), smaller::with_short_given);
    for plainer in smaller::PLAINER {
        search.drop_some(
            |plan| smaller::count_odd(plan, plainer),
            |plan, kept| smaller::with_plainer_steps(plan, plainer, kept),
        );
    }
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
