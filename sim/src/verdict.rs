//! `run`: each scenario on its few seeds, a verdict for each line of its file.
//!
//! The product must pass on every seed. A flaw must be caught on some seed within the number that
//! its line names: that shows that the judges still bite.

use std::ops::{ControlFlow, Range};

use engine::flaw::Flaws;
use harness::pool::{Ended, Pool};

use crate::capsule::{self, Store};
use crate::demand::demands;
use crate::invariant::Invariant;
use crate::plan::Plan;
use crate::report::excused::Excused;
use crate::report::{Demand, Failure, Line, Mark, Met, Row, story};
use crate::run::Outcome;
use crate::scenario::Expect;
use crate::sweep::{News, each_seed, kept, tally, tell_difference};
use crate::trial::{Chosen, Tried};

/// What to run.
#[derive(Debug)]
pub struct Wish {
    /// Which scenarios.
    pub chosen: Vec<Chosen>,
    /// Only the line of these flaws; none for every line.
    pub flaws: Flaws,
    /// Which seeds; none for those that each line is due.
    pub seeds: Option<Range<u64>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Verdicts {
    /// Every line.
    pub lines: Vec<Line>,
    /// Did two runs of one plan part?
    pub nondeterministic: bool,
    /// Was it interrupted?
    pub stopped: bool,
}

/// One line of a file, as it is to be run.
#[derive(Debug)]
struct Due {
    flaws: Flaws,
    expect: Option<Expect>,
    seeds: Range<u64>,
}

/// What one line's seeds gave.
#[derive(Default)]
struct Found {
    row: Row,
    first: Option<(Plan, Outcome)>,
    caught: bool,
    excused: Vec<Excused>,
}

/// Runs what is wished.
pub fn verdicts(
    wish: &Wish,
    pool: &Pool,
    store: &Store,
    mut hear: impl FnMut(News<'_>),
) -> Result<Verdicts, String> {
    let mut verdicts = Verdicts { lines: Vec::new(), nondeterministic: false, stopped: false };
    for chosen in &wish.chosen {
        for due in lines(chosen, wish) {
            let line = verdicts.run(chosen, &due, wish, (pool, store), &mut hear)?;
            verdicts.lines.extend(line);
            if verdicts.stopped {
                return Ok(verdicts);
            }
        }
    }
    Ok(verdicts)
}

/// The lines of a file that are wished.
fn lines(chosen: &Chosen, wish: &Wish) -> Vec<Due> {
    let scenario = &chosen.scenario;
    let verdicts = &scenario.expected.verdicts;
    let first = |n: u64| match &wish.seeds {
        Some(seeds) => seeds.clone(),
        None if chosen.is_fixed() => 0..1,
        None => 0..n.max(1),
    };
    let due = |flaws: Flaws, expect: &Expect| {
        let seeds = match expect {
            Expect::Pass => first(scenario.seeds),
            Expect::Violates { within, .. } => first(u64::from(*within)),
        };
        Due { flaws, expect: Some(*expect), seeds }
    };
    let product = verdicts.product.unwrap_or(Expect::Pass);
    let with = verdicts.with.iter().map(|(flaw, expect, _)| due(Flaws::only(*flaw), expect));
    let all = [due(Flaws::NONE, &product)].into_iter().chain(with);
    if wish.flaws == Flaws::NONE {
        return all.collect();
    }
    let own: Vec<Due> = all.filter(|due| due.flaws == wish.flaws).collect();
    if own.is_empty() {
        return vec![Due { flaws: wish.flaws, expect: None, seeds: first(scenario.seeds) }];
    }
    own
}

impl Verdicts {
    fn run(
        &mut self,
        chosen: &Chosen,
        due: &Due,
        wish: &Wish,
        (pool, store): (&Pool, &Store),
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<Option<Line>, String> {
        let mut found = Found::default();
        let wanted = due.invariant();
        let trials = due.seeds.clone().map(|seed| ((), chosen.trial(seed, due.flaws)));
        let ended = each_seed(pool, trials, None, hear, |(), tried, took, hear| {
            self.nondeterministic |= tell_difference(chosen, due.flaws, &tried, hear);
            tally(&mut found.row, &tried, took);
            found.take(tried, wanted)
        })?;
        self.stopped = matches!(ended, Ended::Stopped | Ended::Hung);
        if self.stopped && found.row.seeds == 0 {
            return Ok(None);
        }
        // With a flaw on, a run may end before most of its script.
        if due.flaws == Flaws::NONE {
            found.row.demands = demands(chosen, &found.row);
        }
        line(chosen, due, &found, wish, store, hear).map(Some)
    }
}

impl Due {
    fn invariant(&self) -> Option<Invariant> {
        match self.expect {
            Some(Expect::Violates { invariant, .. }) => Some(invariant),
            Some(Expect::Pass) | None => None,
        }
    }

    fn expected(&self) -> String {
        match &self.expect {
            Some(Expect::Pass) => "pass".to_owned(),
            Some(Expect::Violates { invariant, .. }) => format!("violates {}", invariant.name()),
            None => "pass (no line of the file)".to_owned(),
        }
    }

    fn of(&self) -> String {
        let ids: Vec<&str> = self.flaws.iter().map(|flaw| flaw.id()).collect();
        if ids.is_empty() { "product".to_owned() } else { format!("with {}", ids.join(", ")) }
    }
}

impl Found {
    /// Keeps the first failure, or the first that is as wanted, and then has enough.
    fn take(&mut self, mut tried: Tried, wanted: Option<Invariant>) -> ControlFlow<()> {
        self.excused.append(&mut tried.excused);
        let Some(failed) = tried.failed else {
            return ControlFlow::Continue(());
        };
        let violations = &failed.1.violations;
        let caught = violations.iter().any(|it| Some(it.invariant) == wanted);
        if caught || self.first.is_none() {
            self.first = Some(*failed);
        }
        self.caught |= caught;
        if caught { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn mark(&self, due: &Due) -> Mark {
        let as_expected = match due.expect {
            Some(Expect::Violates { .. }) => self.caught,
            Some(Expect::Pass) | None => self.row.failed == 0,
        };
        let has = |is: fn(Met) -> bool| self.row.demands.iter().any(|it| is(it.met));
        match () {
            () if !as_expected || has(|met| matches!(met, Met::Exceeded(_))) => Mark::Fail,
            () if has(|met| met == Met::No) => Mark::Inconclusive,
            () => Mark::Pass,
        }
    }
}

/// The verdict, after telling the failure if there is one to show.
fn line(
    chosen: &Chosen,
    due: &Due,
    found: &Found,
    wish: &Wish,
    store: &Store,
    hear: &mut impl FnMut(News<'_>),
) -> Result<Line, String> {
    let mark = found.mark(due);
    let seed = found.first.as_ref().map(|(plan, _)| plan.seed).or(found.exceeded());
    let again = seed.map(|seed| chosen.again(seed, due.flaws));
    let shown_one = mark == Mark::Fail || wish.flaws != Flaws::NONE;
    if let (Some((plan, outcome)), true) = (&found.first, shown_one) {
        let wanted = |it: &&crate::invariant::Violation| Some(it.invariant) == due.invariant();
        let violation = outcome.violations.iter().find(wanted).or(outcome.violations.first());
        let violation = violation.expect("a failed run violates something");
        let capsule = kept(store, plan, &capsule::Found::of(plan, outcome, violation), hear);
        let again = chosen.again(plan.seed, due.flaws);
        let expected = mark != Mark::Fail;
        hear(News::Bug(&Failure { plan, outcome, violation, again, capsule, expected }));
    }
    let mut excused = found.excused.clone();
    excused.sort_by_key(|it| it.seed);
    Ok(Line {
        scenario: chosen.scenario.name.clone(),
        of: due.of(),
        expected: due.expected(),
        found: found.text(chosen, due, mark),
        seeds: found.row.seeds,
        mark,
        again,
        demands: found.row.demands.clone(),
        excused,
        path: chosen.path.clone(),
    })
}

/// What is to be said of a capsule that passes because the flaws that it was recorded with are off.
fn missing(chosen: &Chosen, flaws: Flaws) -> Option<String> {
    let head = chosen.scenario.capsule.as_ref()?;
    let off: Vec<&str> =
        head.flaws.iter().filter(|flaw| !flaws.has(**flaw)).map(|flaw| flaw.id()).collect();
    let off = (!off.is_empty()).then(|| off.join(", "))?;
    let again = chosen.again(head.seed, Flaws::NONE);
    Some(format!("pass without {off}, with which it was recorded; `{again}` reproduces it"))
}

impl Found {
    /// A seed in which something happened that must not.
    fn exceeded(&self) -> Option<u64> {
        let seed = |it: &Demand| if let Met::Exceeded(seed) = it.met { Some(seed) } else { None };
        self.row.demands.iter().find_map(seed)
    }

    fn text(&self, chosen: &Chosen, due: &Due, mark: Mark) -> String {
        let Some((plan, outcome)) = &self.first else {
            return match mark {
                Mark::Inconclusive => "pass, but what the file demands did not happen".to_owned(),
                Mark::Fail => "what must not happen did".to_owned(),
                Mark::Pass => missing(chosen, due.flaws).unwrap_or_else(|| "pass".to_owned()),
            };
        };
        if self.caught {
            let name = due.invariant().map_or("", Invariant::name);
            return format!("violates {name} at seed {}", plan.seed);
        }
        let name = outcome.violations[0].invariant.name();
        let seeds = story::count(self.row.failed as usize, "seed");
        format!("violates {name} in {seeds}, first {}", plan.seed)
    }
}
