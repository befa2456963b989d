//! A sweep: many seeds of many scenarios, and what they say together.
//!
//! Seeds are taken in turn, one of each scenario, so that a sweep that ends early has still seen
//! them all. What a bug is, is decided by the signature of a seed's first violation.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::time::{Duration, Instant};

use engine::flaw::{Flaw, Flaws};
use harness::pool::{self, Ended, Event, Pool, Urgency};

use crate::capsule::{BUILD, Store};
use crate::demand::demands;
use crate::invariant::Violation;
use crate::plan::Plan;
use crate::report::{Bug, Failure, Miss, Parted, Row, Shrunk, Sweep, story};
use crate::run::Outcome;
use crate::shrink;
use crate::signature::Signature;
use crate::trial::{Chosen, Trial, Tried, quoted};

/// Seeds of a sweep that was not told how many, over all scenarios.
const DEFAULT_SEEDS: u64 = 400;

/// Each scenario gets at least this number then, if they are not costly: with fewer, whether something rare
/// happened at all is left to chance.
const LEAST_SEEDS: u64 = 20;

/// Events that all of those may take: about a CPU-minute. A costly scenario gets fewer seeds.
const DEFAULT_EVENTS: u64 = 40_000_000;

/// When a sweep that was not told how long ends on a slow machine.
const DEFAULT_TIME: Duration = Duration::from_secs(100);

/// How many seeds of one bug are shown.
const EXAMPLES: usize = 3;

/// How long one bug is shrunk after a sweep.
const SHRINK: Duration = Duration::from_secs(15);

/// What to sweep.
#[derive(Debug)]
pub struct Wish {
    /// Which scenarios.
    pub chosen: Vec<Chosen>,
    /// With which known bugs.
    pub flaws: Flaws,
    /// Which seeds of each; none for a few hundred in all.
    pub seeds: Option<Range<u64>>,
    /// For how long.
    pub time: Option<Duration>,
    /// After how many distinct bugs to stop.
    pub stop_after: Option<usize>,
    /// Are bugs shrunk at the end?
    pub shrink: bool,
}

/// What is reported while seeds run.
#[derive(Debug)]
pub enum News<'a> {
    /// A flaw of the zoo is being measured.
    Measuring(Flaw),
    /// So much is to be done, if that is known.
    Expect(Goal),
    /// A seed of a scenario is done.
    Done {
        /// Was something violated?
        failed: bool,
    },
    /// A seed takes long.
    Slow(&'a str, Duration),
    /// Nothing, for a moment.
    Idle,
    /// A bug that was not seen before.
    Bug(usize, &'a Failure<'a>),
    /// A capsule could not be kept; what is found is still told.
    Unkept(&'a std::io::Error),
    /// Two runs of one plan parted.
    Parted(&'a Parted<'a>),
    /// A bug is being shrunk.
    Shrinking(&'a Signature),
}

/// When a sweep will be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// That is not known yet.
    Unknown,
    /// After that number of seeds.
    Seeds(u64),
    /// After this long.
    Time(Duration),
}

/// The sweep as it goes on.
struct Sweeping<'a> {
    wish: &'a Wish,
    store: &'a Store,
    rows: Vec<Row>,
    /// Events of the last seed of each scenario.
    costs: Vec<u64>,
    bugs: Vec<Bug>,
    known: BTreeMap<Signature, usize>,
    plans: Vec<(Plan, Outcome)>,
    twice: u64,
    parted: u64,
    simulated_ms: u128,
}

/// Runs a sweep. `Err` is an internal error: a panic of the harness, or a lost disk.
pub fn sweep(
    wish: &Wish,
    pool: &Pool,
    store: &Store,
    mut hear: impl FnMut(News<'_>),
) -> Result<Sweep, String> {
    let (started, cpu) = (Instant::now(), pool::cpu_time());
    let rows = wish.chosen.iter().map(row).collect();
    let mut sweeping = Sweeping {
        wish,
        store,
        rows,
        costs: vec![1; wish.chosen.len()],
        bugs: Vec::new(),
        known: BTreeMap::new(),
        plans: Vec::new(),
        twice: 0,
        parted: 0,
        simulated_ms: 0,
    };
    let (ended, late) = sweeping.run_all(pool, started, &mut hear)?;
    let took = started.elapsed();
    let cpu = pool::cpu_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    if wish.shrink {
        sweeping.shrink_all(pool, &mut hear)?;
    }
    for (row, chosen) in sweeping.rows.iter_mut().zip(&wish.chosen) {
        row.demands = demands(chosen, row);
    }
    let stopped = match ended {
        Ended::Stopped => "interrupted".to_owned(),
        Ended::Enough => story::count(sweeping.bugs.len(), "distinct bug"),
        Ended::Exhausted if late => format!("time budget ({} s)", wish.budget().as_secs()),
        Ended::Exhausted => "all seeds done".to_owned(),
    };
    let Sweeping { rows, bugs, twice, parted, simulated_ms, .. } = sweeping;
    let build = BUILD.to_owned();
    Ok(Sweep { build, stopped, rows, bugs, twice, parted, took, cpu, simulated_ms })
}

fn row(chosen: &Chosen) -> Row {
    Row { scenario: chosen.scenario.name.clone(), ..Row::default() }
}

impl Wish {
    fn budget(&self) -> Duration {
        let unbounded = Duration::MAX;
        self.time.unwrap_or(if self.seeds.is_none() { DEFAULT_TIME } else { unbounded })
    }
}

/// Runs seeds until `take` has enough of them. `Err` is a panic of the harness.
pub fn each_seed<K: Send + 'static, H: FnMut(News<'_>)>(
    pool: &Pool,
    trials: impl IntoIterator<Item = (K, Trial)>,
    hear: &mut H,
    mut take: impl FnMut(K, Tried, Duration, &mut H) -> ControlFlow<()>,
) -> Result<Ended, String> {
    let mut trouble = None;
    let ended = pool.each(
        trials,
        |(_, trial)| trial.label(),
        |(key, trial)| (key, trial.run()),
        |event| match event {
            Event::Idle => {
                hear(News::Idle);
                ControlFlow::Continue(())
            }
            Event::Slow(label, running) => {
                hear(News::Slow(label, running));
                ControlFlow::Continue(())
            }
            Event::Done { result: Err(panic), .. } => {
                trouble = Some(format!("the harness panicked: {panic}"));
                ControlFlow::Break(())
            }
            Event::Done { result: Ok((key, tried)), took, .. } => {
                hear(News::Done { failed: tried.failed.is_some() });
                take(key, tried, took, hear)
            }
        },
    );
    trouble.map_or(Ok(ended), Err)
}

/// Why seeds ended, and whether time ran out.
type End = Result<(Ended, bool), String>;

impl Sweeping<'_> {
    /// Runs what is wished.
    fn run_all<H: FnMut(News<'_>)>(&mut self, pool: &Pool, started: Instant, hear: &mut H) -> End {
        let count = self.wish.chosen.len();
        let range = match (&self.wish.seeds, self.wish.time) {
            (Some(range), _) => range.clone(),
            (None, Some(_)) => 0..u64::MAX,
            (None, None) => return self.run_shares(pool, started, hear),
        };
        let total = (range.end - range.start).checked_mul(count as u64);
        let goal = match (self.wish.time, total.filter(|_| self.wish.seeds.is_some())) {
            (Some(time), _) => Goal::Time(time),
            (None, Some(total)) => Goal::Seeds(total),
            (None, None) => Goal::Unknown,
        };
        hear(News::Expect(goal));
        let chosen = &self.wish.chosen;
        let first = range.start;
        let is_new = move |&(at, seed): &(usize, u64)| seed == first || !chosen[at].is_fixed();
        let turns = range.flat_map(|seed| (0..count).map(move |at| (at, seed))).filter(is_new);
        self.run(pool, started, turns, hear)
    }

    /// The default: the first seed of each scenario tells its cost, and that its share.
    fn run_shares<H: FnMut(News<'_>)>(
        &mut self,
        pool: &Pool,
        started: Instant,
        hear: &mut H,
    ) -> End {
        let count = self.wish.chosen.len();
        hear(News::Expect(Goal::Unknown));
        let (ended, late) = self.run(pool, started, (0..count).map(|at| (at, 0)), hear)?;
        if ended != Ended::Exhausted || late {
            return Ok((ended, late));
        }
        let mut shares = shares(&self.costs);
        let fixed = self.wish.chosen.iter().map(Chosen::is_fixed);
        shares.iter_mut().zip(fixed).filter(|(_, fixed)| *fixed).for_each(|(share, _)| *share = 1);
        let longest = shares.iter().copied().max().unwrap_or(0);
        hear(News::Expect(Goal::Seeds(shares.iter().sum())));
        let turns = (1..longest).flat_map(|seed| (0..count).map(move |at| (at, seed)));
        let turns: Vec<_> = turns.filter(|&(at, seed)| seed < shares[at]).collect();
        self.run(pool, started, turns, hear)
    }

    fn run<H: FnMut(News<'_>)>(
        &mut self,
        pool: &Pool,
        started: Instant,
        turns: impl IntoIterator<Item = (usize, u64)>,
        hear: &mut H,
    ) -> End {
        let (wish, budget) = (self.wish, self.wish.budget());
        let mut late = false;
        let trials = turns
            .into_iter()
            .take_while(|_| {
                late = started.elapsed() >= budget;
                !late
            })
            .map(|(at, seed)| (at, wish.chosen[at].trial(seed, wish.flaws)));
        let ended = each_seed(pool, trials, hear, |at, tried, took, hear| {
            self.take(at, tried, took, hear)
        })?;
        Ok((ended, late))
    }

    fn take(
        &mut self,
        at: usize,
        tried: Tried,
        took: Duration,
        hear: &mut impl FnMut(News<'_>),
    ) -> ControlFlow<()> {
        self.costs[at] = tried.counts.events.max(1);
        self.twice += u64::from(tried.twice);
        self.simulated_ms += u128::from(tried.counts.simulated.0);
        tally(&mut self.rows[at], &tried, took);
        let told = tell_parting(&self.wish.chosen[at], self.wish.flaws, &tried, hear);
        self.parted += u64::from(told);
        if let Some(failed) = tried.failed {
            self.book(at, tried.seed, *failed, hear);
        }
        let enough = self.wish.stop_after.is_some_and(|enough| self.bugs.len() >= enough);
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Books a failed seed under its bug; the first of each is kept and told.
    fn book(
        &mut self,
        at: usize,
        seed: u64,
        (plan, outcome): (Plan, Outcome),
        hear: &mut impl FnMut(News<'_>),
    ) {
        let violation = outcome.violations.first().expect("a failed seed violates something");
        let signature = Signature::of(violation);
        let chosen = &self.wish.chosen[at];
        let again = chosen.again(seed, self.wish.flaws);
        if let Some(&number) = self.known.get(&signature) {
            self.rows[at].bugs.insert(number);
            let bug = &mut self.bugs[number];
            bug.seeds += 1;
            if bug.examples.len() < EXAMPLES {
                bug.examples.push(again);
            }
            return;
        }
        let capsule = kept(self.store, &plan, &outcome, violation, hear);
        let number = self.bugs.len();
        let failure = Failure {
            plan: &plan,
            outcome: &outcome,
            violation,
            again: again.clone(),
            capsule: capsule.clone(),
            expected: false,
        };
        hear(News::Bug(number + 1, &failure));
        self.known.insert(signature.clone(), number);
        self.rows[at].bugs.insert(number);
        self.bugs.push(Bug {
            signature,
            scenario: chosen.scenario.name.clone(),
            seeds: 1,
            examples: vec![again],
            message: violation.message.clone(),
            capsule,
            shrunk: None,
        });
        self.plans.push((plan, outcome));
    }

    fn shrink_all(&mut self, pool: &Pool, hear: &mut impl FnMut(News<'_>)) -> Result<(), String> {
        for (bug, (plan, outcome)) in self.bugs.iter_mut().zip(&self.plans) {
            if pool.stop.urgency() > Urgency::None {
                break;
            }
            hear(News::Shrinking(&bug.signature));
            let idle = || hear(News::Idle);
            let small = shrink::shrink(pool, plan, &bug.signature, Some(SHRINK), idle)?;
            let found = bug.signature.find(&small.outcome).expect("shrinking keeps the signature");
            let Some(path) = kept(self.store, &small.plan, &small.outcome, found, hear) else {
                continue;
            };
            let before = shrink::size(plan, outcome);
            bug.shrunk = Some(small.told(&bug.signature, before, path));
        }
        Ok(())
    }
}

/// Tells that two runs of one plan parted, if they did.
pub fn tell_parting(
    chosen: &Chosen,
    flaws: Flaws,
    tried: &Tried,
    hear: &mut impl FnMut(News<'_>),
) -> bool {
    let Some(parting) = &tried.parting else {
        return false;
    };
    let again = chosen.again(tried.seed, flaws);
    let scenario = &chosen.scenario.name;
    hear(News::Parted(&Parted { scenario, seed: tried.seed, parting, again }));
    true
}

impl shrink::Smaller {
    /// As it is reported.
    pub fn told(&self, signature: &Signature, before: crate::report::Size, file: String) -> Shrunk {
        Shrunk {
            signature: signature.clone(),
            before,
            after: shrink::size(&self.plan, &self.outcome),
            tries: self.tries,
            minimal: self.minimal,
            cut_short: self.cut_short,
            file,
        }
    }
}

/// Keeps a capsule and returns it as an argument. A full disk must not cost what was found.
pub fn kept(
    store: &Store,
    plan: &Plan,
    outcome: &Outcome,
    violation: &Violation,
    hear: &mut impl FnMut(News<'_>),
) -> Option<String> {
    match store.keep(plan, outcome, violation) {
        Ok(path) => Some(shown(&path)),
        Err(error) => {
            hear(News::Unkept(&error));
            None
        }
    }
}

/// A path as an argument.
pub fn shown(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// Adds a seed to what is known of its scenario.
pub fn tally(row: &mut Row, tried: &Tried, took: Duration) {
    row.seeds += 1;
    row.failed += u64::from(tried.failed.is_some());
    row.calm += u64::from(tried.calm);
    if row.slowest.is_none_or(|(_, slowest)| took > slowest) {
        row.slowest = Some((tried.seed, took));
    }
    for (name, &times) in tried.coverage.iter().filter(|(_, times)| **times > 0) {
        let reached = row.coverage.entry(name).or_default();
        reached.least = if reached.seeds == 0 { times } else { reached.least.min(times) };
        reached.seeds += 1;
        reached.times += times;
        if times > reached.most {
            (reached.most, reached.most_at) = (times, tried.seed);
        }
    }
    for &(step, why) in &tried.missed {
        row.missed.entry(step).or_insert(Miss { seeds: 0, why }).seeds += 1;
    }
}

/// How many seeds each scenario gets: the same for all, unless that takes too many events.
fn shares(costs: &[u64]) -> Vec<u64> {
    let count = costs.len().max(1) as u64;
    let seeds = DEFAULT_SEEDS.div_ceil(count).max(LEAST_SEEDS);
    let events = DEFAULT_EVENTS / count;
    costs.iter().map(|cost| (events / cost).clamp(1, seeds)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_scenarios_share_evenly_and_a_costly_one_gets_less() {
        assert_eq!(shares(&[1_000, 20_000]), [200, 200]);
        assert_eq!(shares(&[1_000, 2_000_000]), [200, 10]);
        assert_eq!(shares(&[u64::MAX]), [1]);
        assert_eq!(shares(&[1_000; 100]), [20; 100]);
    }
}
