//! The zoo: each known bug switched on alone, to see whether the judges catch it.
//!
//! Which judge must catch which flaw stands here, and nowhere else: the engine knows no judge, and
//! a judge knows no flaw.

mod named;
mod replays;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use engine::flaw::{Flaw, Flaws};
use harness::fresh::fresh;
use harness::pool::{Ended, Pool};

pub use self::named::{Named, named};
pub use self::replays::{Replayer, replays};
use crate::capsule::BUILD;
use crate::invariant::Invariant;
use crate::plan::Plan;
use crate::report::{Beast, Catches, Tamed, Zoo};
use crate::run::run;
use crate::scenario::Expect;
use crate::shrink::{self, Failing};
use crate::sweep::{News, each_seed};
use crate::trial::{Chosen, Trial, Tried};

/// After that number of catches a flaw is measured well enough.
const ENOUGH: u64 = 60;

/// Most seeds of a scenario that names a flaw.
const NAMED_SEEDS: u64 = 100;

/// How long one caught plan is shrunk.
const SHRINK: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Debug)]
pub struct Wish {
    /// Which flaws.
    pub flaws: Vec<Flaw>,
    /// The scenarios that name no flaw, taken in turn.
    pub general: Vec<Chosen>,
    /// All scenarios: those that name a flaw are taken for it.
    pub all: Vec<Chosen>,
    /// Most seeds per flaw on the general scenarios, over all of them.
    pub seeds: u64,
}

/// Who must catch a flaw; nobody, if no run can show it.
pub const fn expected(flaw: Flaw) -> &'static [Invariant] {
    use Invariant as I;
    match flaw {
        Flaw::DeepSync001 => &[I::NoLostWrites, I::RemotesAgree],
        Flaw::DeepSync001b => &[I::NoLostWrites, I::UnsentEditsSurvive],
        Flaw::DeepSync002 | Flaw::DeepSync002c | Flaw::Fb19 => {
            &[I::CursorsAreSafe, I::NoLostWrites]
        }
        Flaw::DeepSync002e | Flaw::Fb13 => &[I::CursorsAreSafe, I::CrashesLoseNothing],
        Flaw::DeepSync003 | Flaw::Fb06 | Flaw::Fb18 => &[I::UnsentEditsSurvive, I::NoLostWrites],
        Flaw::DeepSync003b => &[I::UnsentEditsSurvive],
        Flaw::SealOverwrite | Flaw::Fb01 | Flaw::Fb24 | Flaw::Fb25 => &[I::NoLostWrites],
        Flaw::WriteUnsynced => &[I::CrashesLoseNothing, I::NoLostWrites],
        Flaw::LoginExposesFirst => &[I::LoginsAreWhole],
        Flaw::AuthRestoreRace => &[I::NoLostWrites, I::LoginsAreWhole],
        Flaw::CvNilmapStrategy => &[I::NothingPanics],
        Flaw::CvStrategyPanic => &[I::NothingPanics, I::SystemSettles],
        Flaw::CvStrategyOrder => &[I::CopiesConverge],
        Flaw::FixedRetry | Flaw::Fb12 | Flaw::Fb27 => &[I::SystemSettles],
        Flaw::RlsOff => &[I::UsersAreIsolated],
        Flaw::Fb02 | Flaw::Fb07 | Flaw::CvSinceClock => &[I::CursorsAreSafe],
        Flaw::Fb03 => &[I::NoResurrectedDeletes],
        Flaw::Fb04 => &[I::NoLostWrites, I::OutcomesAreHonest],
        Flaw::CvSessionStuck => &[I::SessionsAreExclusive, I::SystemSettles],
        Flaw::CvSessionSelf => &[I::SessionsAreExclusive, I::EffectsHappenOnce],
        Flaw::CvSessionDouble => &[I::SessionsAreExclusive],
        Flaw::CvSessionPerUser => &[I::SessionsAreExclusive, I::RefusalsHaveReasons],
        Flaw::CvStateTorn => {
            &[I::ServerIsLinearizable, I::OutcomesAreHonest, I::SessionsAreExclusive]
        }
        Flaw::CvScaleLru => &[I::SessionsAreExclusive, I::FencesHold],
        Flaw::CvNilmapPending | Flaw::CvChangeDropBusy => &[I::NoLostWrites],
        Flaw::I42Rmw | Flaw::I42RetryStale => &[I::NoLostWrites, I::ServerIsLinearizable],
        Flaw::I42WorkerCache => &[I::CachesAreCoherent, I::NoLostWrites],
        Flaw::I42TailRace => &[I::EffectsHappenOnce, I::NoLostWrites],
        Flaw::BpNolock => &[I::FencesHold, I::StatusesAreLegal],
        Flaw::BpLockTtl | Flaw::Fb16 | Flaw::Fb17 => &[I::FencesHold],
        Flaw::Bp409Done => &[I::OutcomesAreHonest, I::SystemSettles],
        Flaw::BpFailedProcessed | Flaw::BpRetry4 => &[I::StatusesAreLegal],
        Flaw::BpStuckProcessing => &[I::SystemSettles],
        Flaw::BpMigrateAsSuccess => &[I::SystemSettles, I::StatusesAreLegal],
        Flaw::BpDedupSplit | Flaw::BpMergeDup => &[I::DedupKeysAreStable],
        Flaw::BpDateLocale => &[I::DatesRoundTrip],
        Flaw::BpSummaryBefore => &[I::SummariesMatch],
        Flaw::BpPrefixRead => &[I::ReadsAreExact],
        Flaw::BpSilentOverwrite | Flaw::Fb29 | Flaw::Fb32 => &[I::NoLostWrites],
        Flaw::ForgedId | Flaw::CursorOfOther => &[I::UsersAreIsolated],
        Flaw::Fb23 => &[I::CursorsAreSafe, I::SystemSettles],
        Flaw::Fb05 => &[I::EffectsHappenOnce],
        Flaw::Fb15 => &[I::CachesAreCoherent, I::ReadsNeverGoBack],
        Flaw::Fb11 | Flaw::Fb21 | Flaw::Fb28 => &[I::NoLostWrites, I::NoResurrectedDeletes],
        Flaw::VfNameBurn | Flaw::VfBlobInplace | Flaw::Fb14 => &[I::UploadsAreAtomic],
        Flaw::VfTakeThenValidate => &[I::UploadsAreAtomic, I::NoPhantomValues],
        Flaw::VfPartialMove => &[I::NamesAreSane, I::NoPhantomValues],
        Flaw::VfRestoreIndex | Flaw::VfVersionRace => &[I::VersionsAreImmutable],
        Flaw::VfNestedBorrow | Flaw::Fb31 => &[I::NothingPanics],
        Flaw::VfBatchHalf => &[I::BatchesAreAtomic],
        Flaw::VfCacheStale => &[I::CachesAreCoherent, I::VersionsAreImmutable],
        Flaw::VfStateTwoFiles => &[I::CursorsAreSafe, I::CrashesLoseNothing],
        Flaw::VfNoFsync => &[I::CrashesLoseNothing, I::UploadsAreAtomic],
        Flaw::CvDeleteNilErr => &[I::OutcomesAreHonest, I::NoLostWrites],
        Flaw::Fb08 => &[I::NamesAreSane, I::NoLostWrites],
        Flaw::Fb09 => &[I::GrowthIsBounded],
        Flaw::Fb10 | Flaw::Fb30 => &[I::NamesAreSane],
    }
}

/// The flaws that a run can show.
pub fn flaws() -> impl Iterator<Item = Flaw> {
    Flaw::ALL.iter().copied().filter(|flaw| !expected(*flaw).is_empty())
}

/// A failing plan and the violation that its flaw is known by.
type Caught = Option<Failing>;

/// Measures what is wished. The flag says whether it was interrupted; then the flaw that was being
/// measured and those after it have no row: too few seeds would look like an escape.
pub fn measure(
    wish: &Wish,
    pool: &Pool,
    mut hear: impl FnMut(News<'_>),
) -> Result<(Zoo, bool), String> {
    let mut rows = Vec::new();
    let mut stopped = false;
    let mut measuring = Measuring { wish, pool, healthy: BTreeMap::new() };
    for &flaw in &wish.flaws {
        hear(News::Measuring(flaw));
        match measuring.one(flaw, &mut hear)? {
            Some(beast) => rows.push(beast),
            None => {
                stopped = true;
                break;
            }
        }
    }
    let on = wish.general.iter().map(|chosen| chosen.scenario.name.clone()).collect();
    Ok((Zoo { build: BUILD.to_owned(), on, seeds: wish.seeds, enough: ENOUGH, rows }, stopped))
}

/// The path of a scenario, and a seed.
type Run = (String, u64);

/// A run in which nothing is violated, and its digest.
type Silent = (Chosen, u64, Option<u128>);

/// The zoo as it goes on.
struct Measuring<'a> {
    wish: &'a Wish,
    pool: &'a Pool,
    /// The digests of runs without a flaw, by scenario and seed: all flaws are compared with the same. One in
    /// which something is violated has none.
    healthy: BTreeMap<Run, Option<u128>>,
}

impl Measuring<'_> {
    /// `None` if it was interrupted.
    fn one(
        &mut self,
        flaw: Flaw,
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<Option<Beast>, String> {
        let wish = self.wish;
        let Some((general, mut caught)) = self.catches(&wish.general, flaw, wish.seeds, hear)?
        else {
            return Ok(None);
        };
        let naming = wish.naming(flaw);
        let mut named = None;
        if !naming.is_empty() {
            let seeds = NAMED_SEEDS * naming.len() as u64;
            let Some((found, first)) = self.catches(&naming, flaw, seeds, hear)? else {
                return Ok(None);
            };
            named = Some(found);
            caught = caught.or(first);
        }
        let shrunk = match caught {
            Some(failing) => Some(tame(&failing, self.pool, hear)?),
            None => None,
        };
        Ok(Some(Beast { flaw, expected: expected(flaw), general, named, shrunk }))
    }

    /// Takes seeds of the scenarios in turn until there are enough catches; `None` if interrupted.
    fn catches(
        &mut self,
        scenarios: &[Chosen],
        flaw: Flaw,
        seeds: u64,
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<Option<(Catches, Caught)>, String> {
        let mut found = Catches::default();
        let mut first = None;
        let runs = in_turn(scenarios, seeds);
        let mut silent = Vec::new();
        let ended = each_digest(self.pool, runs, Flaws::only(flaw), hear, |chosen, tried| {
            if tried.failed.is_none() {
                silent.push((chosen, tried.seed, tried.digest));
            }
            if let Some(caught) = found.take(flaw, tried.failed) {
                first.get_or_insert(caught);
            }
            let enough = found.at.len() as u64 >= ENOUGH;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if !is_whole(ended) || !self.run_healthy(&silent, hear)? {
            return Ok(None);
        }
        for (chosen, seed, digest) in silent {
            let reached = self.healthy[&(chosen.path, seed)] != digest;
            *if reached { &mut found.not_seen } else { &mut found.not_reached } += 1;
        }
        Ok(Some((found, first)))
    }

    /// Runs those seeds without a flaw that have not been; false if it was interrupted.
    fn run_healthy(
        &mut self,
        silent: &[Silent],
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<bool, String> {
        let Self { pool, healthy, .. } = self;
        let runs = silent.iter().map(|(chosen, seed, _)| (chosen.clone(), *seed));
        let missing =
            runs.filter(|(chosen, seed)| !healthy.contains_key(&(chosen.path.clone(), *seed)));
        let missing: Vec<_> = missing.collect();
        let ended = each_digest(pool, missing, Flaws::NONE, hear, |chosen, tried| {
            healthy.insert((chosen.path, tried.seed), tried.digest);
            ControlFlow::Continue(())
        })?;
        Ok(is_whole(ended))
    }
}

/// Seeds of the scenarios, one of each in turn.
fn in_turn(scenarios: &[Chosen], seeds: u64) -> impl Iterator<Item = (Chosen, u64)> + '_ {
    let count = scenarios.len() as u64;
    let turns = 0..if count == 0 { 0 } else { seeds };
    turns.map(move |turn| (scenarios[(turn % count) as usize].clone(), turn / count))
}

/// Runs seeds for their digests until `take` has enough of them.
fn each_digest(
    pool: &Pool,
    runs: impl IntoIterator<Item = (Chosen, u64)>,
    flaws: Flaws,
    hear: &mut impl FnMut(News<'_>),
    mut take: impl FnMut(Chosen, Tried) -> ControlFlow<()>,
) -> Result<Ended, String> {
    let trials = runs.into_iter().map(|(chosen, seed)| {
        let trial = Trial { twice: false, digest: true, ..chosen.trial(seed, flaws) };
        (chosen, trial)
    });
    each_seed(pool, trials, None, hear, |chosen, tried, _, _| take(chosen, tried))
}

/// Was nothing left out?
fn is_whole(ended: Ended) -> bool {
    !matches!(ended, Ended::Stopped | Ended::Hung)
}

impl Wish {
    /// The scenarios that name a flaw.
    fn naming(&self, flaw: Flaw) -> Vec<Chosen> {
        self.all.iter().filter(|it| names(it, flaw)).cloned().collect()
    }
}

fn names(chosen: &Chosen, flaw: Flaw) -> bool {
    let violates = |expect: &Expect| matches!(expect, Expect::Violates { .. });
    chosen
        .scenario
        .expected
        .verdicts
        .with
        .iter()
        .any(|(of, expect, _)| *of == flaw && violates(expect))
}

impl Catches {
    fn take(&mut self, flaw: Flaw, failed: Option<Box<(Plan, crate::run::Outcome)>>) -> Caught {
        self.seeds += 1;
        let (plan, outcome) = *failed?;
        let mut judges: Vec<Invariant> = outcome.violations.iter().map(|it| it.invariant).collect();
        judges.sort_unstable();
        judges.dedup();
        judges.into_iter().for_each(|judge| *self.by.entry(judge).or_default() += 1);
        let mut named = outcome.violations.iter();
        let named = named.find(|it| expected(flaw).contains(&it.invariant))?;
        self.at.push(self.seeds);
        Some(Failing::of(&plan, &outcome, named))
    }
}

/// Shrinks a caught plan and runs it with the flaw off.
fn tame(failing: &Failing, pool: &Pool, hear: &mut impl FnMut(News<'_>)) -> Result<Tamed, String> {
    hear(News::Shrinking(&failing.signature()));
    let heard = || hear(News::Idle);
    let small = shrink::shrink(pool, failing, Some(SHRINK), heard);
    let sound = Plan { flaws: Flaws::NONE, ..small.plan.clone() };
    let passes_without = fresh(move || run(&sound).violations.is_empty())?;
    Ok(Tamed { size: small.size, minimal: small.minimal, passes_without })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use harness::stop::Stop;

    use super::*;
    use crate::scenario;

    /// Two devices that write one meal at the same time.
    const MEALS: &[u8] = br#"
        [scenario]
        title = "Two devices write one meal"
        [remotes]
        cloudkit = { kind = "zone" }
        supabase = { kind = "rows" }
        [devices]
        phone = { user = "anna" }
        tablet = { user = "anna" }
        [given]
        rows = [{ row = "meal/42", everywhere = { kcal = 320 } }]
        [script]
        steps = [
            { at = "2s", device = "phone", do = "edit", row = "meal/42", set = { kcal = 350 } },
            { at = "2s", device = "tablet", do = "edit", row = "meal/42", set = { kcal = 370 } },
        ]
    "#;

    fn measured(flaw: Flaw) -> Beast {
        let (scenario, _) = scenario::read("meals", "meals", MEALS).expect("it is right");
        let (argument, path) = ("meals".to_owned(), "meals".to_owned());
        let chosen = Chosen { scenario: Arc::new(scenario), argument, path };
        let wish = Wish { flaws: vec![flaw], general: vec![chosen], all: Vec::new(), seeds: 4 };
        let pool = Pool::new(1, Stop::default());
        let (zoo, stopped) = measure(&wish, &pool, |_| ()).expect("the harness does not panic");
        assert!(!stopped);
        zoo.rows.into_iter().next().expect("it has a row")
    }

    /// In how many of 4 seeds a flaw is caught, not seen and not reached.
    fn columns(flaw: Flaw) -> (usize, u64, u64) {
        let general = measured(flaw).general;
        assert_eq!(general.seeds, 4);
        (general.at.len(), general.not_seen, general.not_reached)
    }

    #[test]
    fn a_seed_is_caught_or_not_seen_or_not_reached_or_another_judge_spoke() {
        assert_eq!(columns(Flaw::CvStrategyOrder), (4, 0, 0));
        assert_eq!(
            columns(Flaw::CvSinceClock),
            (0, 4, 0),
            "it changes cursors, and nothing is lost"
        );
        assert_eq!(columns(Flaw::BpNolock), (0, 0, 4), "there are no processors");
        assert_eq!(columns(Flaw::WriteUnsynced), (0, 0, 0), "only outcomes-are-honest speaks");
    }
}
