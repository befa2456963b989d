//! A sweep: many seeds of many scenarios, and what they say together.
//!
//! Seeds are taken in turn, one of each scenario, so that a sweep that ends early has still seen
//! them all. Which violations are one bug is decided by `triage`.

mod past;
mod tally;

use std::io;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use engine::flaw::{Flaw, Flaws};
use harness::pool::{Ended, Event, Failure as Fault, Pool};
use harness::stop::Urgency;
use harness::watch::cpu_time;

pub use self::past::{Past, sum_up};
pub use self::tally::tally;
use crate::capsule::{BUILD, Found, Store};
use crate::demand::demands;
use crate::plan::Plan;
use crate::report::{Bug, Detail, Failure, Nondeterminism, Row, Shrunk, Sweep, story};
use crate::run::Outcome;
use crate::shrink::{self, Place};
use crate::signature::Signature;
use crate::triage::{self, Triage};
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

/// A sweep with a time limit is followed by this share of it for shrinking.
const SHRINK_SHARE: u32 = 4;

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
    /// How much of its summary to tell.
    pub detail: Detail,
    /// Is it judged what must happen? A part of a sweep cannot say.
    pub judges_demands: bool,
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
    Bug(&'a Failure<'a>),
    /// A capsule could not be kept; what is found is still told.
    Unkept(&'a std::io::Error),
    /// Two runs of one plan differ.
    Nondeterministic(&'a Nondeterminism<'a>),
    /// A bug is being shrunk.
    Shrinking(&'a Signature),
    /// Anything else that is worth a line.
    Note(&'a str),
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
    triage: Triage,
    twice: u64,
    nondeterministic: u64,
    simulated_ms: u128,
}

/// Runs a sweep. Beside what came of it there is the panic of the harness that ended it, if one did.
pub fn sweep(
    wish: &Wish,
    pool: &Pool,
    store: &Store,
    mut hear: impl FnMut(News<'_>),
) -> (Sweep, Option<String>) {
    let (started, cpu) = (Instant::now(), cpu_time());
    let mut sweeping = Sweeping::new(wish, store);
    let until = started.checked_add(wish.budget());
    let ended = sweeping.run_all(pool, until, &mut hear);
    let took = started.elapsed();
    let cpu = cpu_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
    if wish.shrink && ended.is_ok() {
        sweeping.shrink_all(pool, &mut hear);
    }
    let stopped = match ended {
        Err(_) => "the harness panicked".to_owned(),
        Ok(ended) => wish.why(ended, sweeping.triage.firsts()),
    };
    let swept = sweeping.end(pool, stopped, &mut hear);
    (Sweep { took: Some(took), cpu, ..swept }, ended.err())
}

fn row(chosen: &Chosen) -> Row {
    Row { scenario: chosen.scenario.name.clone(), ..Row::default() }
}

impl Wish {
    fn budget(&self) -> Duration {
        let unbounded = Duration::MAX;
        self.time.unwrap_or(if self.seeds.is_none() { DEFAULT_TIME } else { unbounded })
    }

    /// Why a sweep ended, in words.
    pub fn why(&self, ended: Ended, bugs: usize) -> String {
        match ended {
            Ended::Stopped => "interrupted".to_owned(),
            Ended::Enough => story::count(bugs, "distinct bug"),
            Ended::Late => format!("time budget ({} s)", self.budget().as_secs()),
            Ended::Hung => "too many seeds hang".to_owned(),
            Ended::Exhausted => "all seeds done".to_owned(),
        }
    }

    /// How long all bugs may be shrunk: a sweep with a time does not take much more.
    fn shrinking(&self) -> Duration {
        self.time.map_or(Duration::MAX, |time| time / SHRINK_SHARE)
    }
}

/// Runs seeds until `take` has enough of them, or the time is over. `Err` is a panic of the harness.
pub fn each_seed<K: Clone + Send + 'static, H: FnMut(News<'_>)>(
    pool: &Pool,
    trials: impl IntoIterator<Item = (K, Trial)>,
    until: Option<Instant>,
    hear: &mut H,
    mut take: impl FnMut(K, Tried, Duration, &mut H) -> ControlFlow<()>,
) -> Result<Ended, String> {
    let mut trouble = None;
    let ended = pool.each(
        trials,
        until,
        |(_, trial)| trial.label(),
        |(_, trial), watch| trial.run(watch),
        |event| match event {
            Event::Idle => {
                hear(News::Idle);
                ControlFlow::Continue(())
            }
            Event::Slow(label, running) => {
                hear(News::Slow(label, running));
                ControlFlow::Continue(())
            }
            Event::Done { item: (key, trial), took, result, .. } => {
                let tried = match result {
                    Ok(tried) => Ok(tried),
                    Err(Fault::Hung(hung)) => trial.hung(hung),
                    Err(Fault::Panic(panic)) => Err(panic),
                };
                match tried {
                    Ok(tried) => {
                        hear(News::Done { failed: tried.failed.is_some() });
                        take(key, tried, took, hear)
                    }
                    Err(panic) => {
                        trouble = Some(format!("the harness panicked: {panic}"));
                        ControlFlow::Break(())
                    }
                }
            }
        },
    );
    trouble.map_or(Ok(ended), Err)
}

/// Why seeds ended.
type End = Result<Ended, String>;

impl<'a> Sweeping<'a> {
    fn new(wish: &'a Wish, store: &'a Store) -> Self {
        Self {
            wish,
            store,
            rows: wish.chosen.iter().map(row).collect(),
            costs: vec![1; wish.chosen.len()],
            triage: Triage::default(),
            twice: 0,
            nondeterministic: 0,
            simulated_ms: 0,
        }
    }

    /// What all of it came to. Nothing is said of how long it took.
    fn end(mut self, pool: &Pool, stopped: String, hear: &mut impl FnMut(News<'_>)) -> Sweep {
        if self.wish.judges_demands {
            for (row, chosen) in self.rows.iter_mut().zip(&self.wish.chosen) {
                row.demands = demands(chosen, row);
            }
        }
        let bugs = self.bugs(pool, hear);
        let Self { rows, twice, nondeterministic, simulated_ms, .. } = self;
        let (build, detail) = (BUILD.to_owned(), self.wish.detail);
        let (took, cpu) = (None, None);
        Sweep {
            build,
            stopped,
            rows,
            bugs,
            twice,
            nondeterministic,
            took,
            cpu,
            simulated_ms,
            detail,
        }
    }

    /// Runs what is wished.
    fn run_all<H: FnMut(News<'_>)>(
        &mut self,
        pool: &Pool,
        until: Option<Instant>,
        hear: &mut H,
    ) -> End {
        let count = self.wish.chosen.len();
        let range = match (&self.wish.seeds, self.wish.time) {
            (Some(range), _) => range.clone(),
            (None, Some(_)) => 0..u64::MAX,
            (None, None) => return self.run_shares(pool, until, hear),
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
        self.run(pool, until, turns, hear)
    }

    /// The default: the first seed of each scenario tells its cost, and that its share.
    fn run_shares<H: FnMut(News<'_>)>(
        &mut self,
        pool: &Pool,
        until: Option<Instant>,
        hear: &mut H,
    ) -> End {
        let count = self.wish.chosen.len();
        hear(News::Expect(Goal::Unknown));
        let ended = self.run(pool, until, (0..count).map(|at| (at, 0)), hear)?;
        if ended != Ended::Exhausted {
            return Ok(ended);
        }
        let mut shares = shares(&self.costs);
        let fixed = self.wish.chosen.iter().map(Chosen::is_fixed);
        shares.iter_mut().zip(fixed).filter(|(_, fixed)| *fixed).for_each(|(share, _)| *share = 1);
        let longest = shares.iter().copied().max().unwrap_or(0);
        hear(News::Expect(Goal::Seeds(shares.iter().sum())));
        let turns = (1..longest).flat_map(|seed| (0..count).map(move |at| (at, seed)));
        let turns: Vec<_> = turns.filter(|&(at, seed)| seed < shares[at]).collect();
        self.run(pool, until, turns, hear)
    }

    fn run<H: FnMut(News<'_>)>(
        &mut self,
        pool: &Pool,
        until: Option<Instant>,
        turns: impl IntoIterator<Item = (usize, u64)>,
        hear: &mut H,
    ) -> End {
        let wish = self.wish;
        let turns = turns.into_iter();
        let trials = turns.map(|(at, seed)| (at, wish.chosen[at].trial(seed, wish.flaws)));
        each_seed(pool, trials, until, hear, |at, tried, took, hear| {
            self.take(at, tried, took, hear)
        })
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
        let told = tell_difference(&self.wish.chosen[at], self.wish.flaws, &tried, hear);
        self.nondeterministic += u64::from(told);
        if let Some(failed) = tried.failed {
            self.book(at, tried.seed, *failed, hear);
        }
        let enough = self.wish.stop_after.is_some_and(|enough| self.triage.firsts() >= enough);
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Books the symptoms of a failed seed; a first symptom that never came first before is kept and told.
    fn book(
        &mut self,
        at: usize,
        seed: u64,
        (plan, outcome): (Plan, Outcome),
        hear: &mut impl FnMut(News<'_>),
    ) {
        let again = self.wish.chosen[at].again(seed, self.wish.flaws);
        let Some(place) = self.triage.take((at, again.clone()), (&plan, &outcome)) else { return };
        let capsule = kept(self.store, &plan, &self.triage.symptom(place).failing.found, hear);
        let failure = Failure {
            plan: &plan,
            outcome: &outcome,
            violation: &outcome.violations[0],
            again,
            capsule: capsule.clone(),
            expected: false,
        };
        hear(News::Bug(&failure));
        self.triage.keep(place, capsule);
    }

    /// Shrinks runs until the bug of each symptom is known. A run that takes long is not shrunk.
    fn shrink_all(&mut self, pool: &Pool, hear: &mut impl FnMut(News<'_>)) {
        let (started, budget) = (Instant::now(), self.wish.shrinking());
        let seeds = self.seeds();
        while let Some(place) = self.triage.next(seeds) {
            let share = budget.saturating_sub(started.elapsed()) / 2;
            if pool.stop.urgency() > Urgency::None || share.is_zero() {
                break;
            }
            let symptom = self.triage.symptom(place);
            hear(News::Shrinking(&symptom.signature));
            let idle = || hear(News::Idle);
            let small = shrink::shrink(pool, &symptom.failing, Some(SHRINK.min(share)), idle);
            self.triage.settle(pool, place, small);
        }
    }

    /// How many seeds were run.
    fn seeds(&self) -> u64 {
        self.rows.iter().map(|row| row.seeds).sum()
    }

    /// The bugs, as they are told.
    fn bugs(&mut self, pool: &Pool, hear: &mut impl FnMut(News<'_>)) -> Vec<Bug> {
        let of = self.seeds();
        self.triage.close(of);
        let mut told = Vec::new();
        for (number, bug) in self.triage.bugs().into_iter().enumerate() {
            let triage::Bug { symptom, also, seeds, small } = bug;
            for seed in &seeds {
                self.rows[seed.scenario].bugs.insert(number);
            }
            let path = small.map(|small| small.keep(pool, Place::Folder(self.store)));
            let path = path.and_then(|path| argument_of(path, hear));
            let cheapest = seeds.iter().min_by_key(|seed| seed.events);
            let examples = seeds.iter().filter(|seed| seed.again != symptom.again);
            let examples = examples.map(|seed| seed.again.clone()).take(EXAMPLES - 1);
            told.push(Bug {
                signature: symptom.signature.clone(),
                also,
                scenario: symptom.failing.plan.scenario.clone(),
                seeds: seeds.len() as u64,
                of,
                cheapest: cheapest.map_or_else(String::new, |seed| seed.again.clone()),
                examples: std::iter::once(symptom.again.clone()).chain(examples).collect(),
                message: symptom.message.clone(),
                capsule: symptom.capsule.clone(),
                shrunk: small.zip(path).map(|(it, path)| it.told(symptom.failing.size, path)),
            });
        }
        told
    }
}

/// Tells that two runs of one plan differ, if they do.
pub fn tell_difference(
    chosen: &Chosen,
    flaws: Flaws,
    tried: &Tried,
    hear: &mut impl FnMut(News<'_>),
) -> bool {
    let Some(difference) = &tried.difference else {
        return false;
    };
    let again = chosen.again(tried.seed, flaws);
    let scenario = &chosen.scenario.name;
    hear(News::Nondeterministic(&Nondeterminism { scenario, seed: tried.seed, difference, again }));
    true
}

impl shrink::Smaller {
    /// As it is reported.
    pub fn told(&self, before: crate::report::Size, file: String) -> Shrunk {
        Shrunk {
            signature: Signature::of(&self.found.violation),
            before,
            after: self.size,
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
    found: &Found,
    hear: &mut impl FnMut(News<'_>),
) -> Option<String> {
    argument_of(store.keep(plan, found), hear)
}

/// The argument for a file that was kept, if it was.
fn argument_of(kept: io::Result<PathBuf>, hear: &mut impl FnMut(News<'_>)) -> Option<String> {
    match kept {
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
