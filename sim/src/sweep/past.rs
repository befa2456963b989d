//! The summary of seeds that were run before, or elsewhere, and of whose runs little is kept.

use harness::pool::Pool;

use super::{News, Sweeping, Wish};
use crate::capsule::Store;
use crate::difference::Difference;
use crate::report::{Nondeterminism, Row, Sweep};
use crate::signature::Signature;
use crate::triage::{Failed, Seen};
use crate::trial::untold;

/// What many seeds came to that were run before, or elsewhere.
#[derive(Debug)]
pub struct Past {
    /// By scenario, as in the wish.
    pub rows: Vec<Row>,
    /// The seeds that failed, each with the place of its scenario, in the order in which bugs are counted.
    pub failed: Vec<(usize, Failed)>,
    /// The seeds of which two runs differ, each with the place of its scenario.
    pub differing: Vec<(usize, u64, Difference)>,
    /// How many seeds were run twice and compared.
    pub twice: u64,
    /// Simulated milliseconds in all.
    pub simulated_ms: u128,
    /// Why no more was run.
    pub stopped: String,
}

/// Sums up seeds that were run before, as a sweep does. Of each bug one seed is run again, for its capsule.
pub fn sum_up(
    wish: &Wish,
    pool: &Pool,
    store: &Store,
    past: Past,
    mut hear: impl FnMut(News<'_>),
) -> Result<Sweep, String> {
    let mut sweeping = Sweeping::new(wish, store);
    sweeping.rows = past.rows;
    sweeping.twice = past.twice;
    sweeping.simulated_ms = past.simulated_ms;
    for (at, seed, difference) in &past.differing {
        sweeping.differ(*at, *seed, difference, &mut hear);
    }
    for (at, failed) in &past.failed {
        sweeping.book_past(pool, *at, failed, &mut hear)?;
    }
    if wish.shrink {
        sweeping.shrink_all(pool, &mut hear);
    }
    Ok(sweeping.end(pool, past.stopped, &mut hear))
}

impl Sweeping<'_> {
    /// Books a seed that failed before. It is run again if its run is wanted, and must fail as it did.
    fn book_past(
        &mut self,
        pool: &Pool,
        at: usize,
        failed: &Failed,
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<(), String> {
        let Failed { seed, events, stuck, died, violations } = failed;
        if !self.triage.wants_run(violations) {
            let again = self.wish.chosen[at].again(*seed, self.wish.flaws);
            self.triage.count((at, again), *events, violations);
            return Ok(());
        }
        let trial = self.wish.chosen[at].trial(*seed, self.wish.flaws).once();
        let Some(tried) = trial.again(pool, *stuck, died.as_deref()) else { return Ok(()) };
        let signatures =
            |seen: &[Seen]| seen.iter().map(|it| it.signature.clone()).collect::<Vec<_>>();
        let run = tried?.failed.map(|it| *it);
        let now = run.as_ref().map(|(plan, outcome)| Seen::all(plan, outcome));
        let now = signatures(&now.unwrap_or_default());
        match run.filter(|_| now == signatures(violations)) {
            Some(run) => self.book(at, *seed, run, hear),
            None => {
                let told = |it: &[Signature]| match it {
                    [] => "nothing is violated".to_owned(),
                    [first, ..] => format!("violates {first} and {} more", it.len() - 1),
                };
                let mut difference = untold(told(&now));
                difference.facts[0] = Some(told(&signatures(violations)));
                self.differ(at, *seed, &difference, hear);
            }
        }
        Ok(())
    }

    /// Tells that two runs of a seed differ.
    fn differ(
        &mut self,
        at: usize,
        seed: u64,
        difference: &Difference,
        hear: &mut impl FnMut(News<'_>),
    ) {
        let chosen = &self.wish.chosen[at];
        let again = chosen.again(seed, self.wish.flaws);
        let scenario = &chosen.scenario.name;
        hear(News::Nondeterministic(&Nondeterminism { scenario, seed, difference, again }));
        self.nondeterministic += 1;
    }
}
