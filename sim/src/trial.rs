//! One trial: a scenario under one seed and a set of flaws, run once or twice.
//!
//! What a trial keeps is small unless something is wrong: a sweep holds thousands of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::flaw::Flaws;
use harness::fresh::{fresh, fresh_for};
use harness::pool::{Failure, Hung, Pool};
use harness::time::Time;
use harness::watch::{Call, Place, Watch};
use tracing::Level;

use crate::difference::{Difference, difference};
use crate::history::Fact;
use crate::outcome::{Missed, missed};
use crate::plan::{Plan, StepId};
use crate::report::excused::{Excused, excused};
use crate::run::{Counts, Driver, Outcome, run_before, run_watched};
use crate::scenario::{Scenario, draw, is_fault_free};

/// A scenario, and what to call it on a command line.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What was read.
    pub scenario: Arc<Scenario>,
    /// The shortest argument that names it: its stem, or its path.
    pub argument: String,
    /// Its file.
    pub path: String,
}

impl Chosen {
    /// The command that runs one seed of it again.
    pub fn again(&self, seed: u64, flaws: Flaws) -> String {
        let argument = quoted(&self.argument);
        let flaws: String = flaws.iter().map(|flaw| format!(" --flaw {}", flaw.id())).collect();
        let seed = if self.is_fixed() { String::new() } else { format!(" --seed {seed}") };
        format!("seawall replay {argument}{seed}{flaws}")
    }

    /// Is nothing left to draw, so that all seeds are one?
    pub fn is_fixed(&self) -> bool {
        self.scenario.fixed.is_some()
    }

    /// One seed of it.
    pub fn trial(&self, seed: u64, flaws: Flaws) -> Trial {
        let scenario = Arc::clone(&self.scenario);
        Trial { scenario, seed, flaws, twice: seed.is_multiple_of(ONE_IN), digest: false }
    }
}

/// One seed in this number is run twice.
const ONE_IN: u64 = 100;

/// An argument that a shell takes as one word.
pub fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+:@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Which scenario.
    pub scenario: Arc<Scenario>,
    /// Which seed.
    pub seed: u64,
    /// With which known bugs.
    pub flaws: Flaws,
    /// Is it run a second time, to compare?
    pub twice: bool,
    /// Is the digest of its history asked for, if nothing is violated?
    pub digest: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// Under which seed.
    pub seed: u64,
    /// Was nothing planned to go wrong?
    pub calm: bool,
    /// How often each thing was reached.
    pub coverage: BTreeMap<&'static str, u64>,
    /// Sizes.
    pub counts: Counts,
    /// The steps of its script that came to nothing.
    pub missed: Vec<(StepId, Missed)>,
    /// The writes that are gone as the plan will have it.
    pub excused: Vec<Excused>,
    /// Plan and outcome, if something is violated.
    pub failed: Option<Box<(Plan, Outcome)>>,
    /// The digest of its history, if that was asked for and nothing is violated.
    pub digest: Option<u128>,
    /// The turn in which it came to no end, if it did.
    pub stuck: Option<Place>,
    /// How it ended its process, if it did.
    pub died: Option<String>,
    /// Was it run a second time, to compare?
    pub twice: bool,
    /// Where the two runs went different ways.
    pub difference: Option<Difference>,
}

impl Trial {
    /// Draws the plan and runs it, on this thread; `None` if it is asked to leave, or had no time left.
    pub fn run(&self, watch: &Watch) -> Option<Tried> {
        let plan = draw(&self.scenario, self.seed, self.flaws);
        let other = Elsewhere { plan: &plan, label: &self.label(), watch };
        // All that the other run took is given back, with its thread, before this one takes as much.
        let digest = self.twice.then(|| other.run(|outcome| outcome.digest()));
        if watch.call() > Call::GoOn {
            return None;
        }
        let outcome = run_watched(&plan, Driver::of(&plan), Level::ERROR, watch)?;
        let was_whole = watch.call() == Call::GoOn;
        let difference = digest.filter(|_| was_whole);
        let difference = difference.and_then(|digest| other.difference_to(digest, &outcome));
        Some(self.tried(plan, outcome, difference))
    }

    /// The same, run once.
    pub fn once(self) -> Self {
        Self { twice: false, ..self }
    }

    /// Runs a seed that failed before. If it is known to come to no end in a turn, or to end its process, it ends just
    /// before. `None` if the user asks to stop.
    pub fn again(
        &self,
        pool: &Pool,
        stuck: Option<Place>,
        died: Option<&str>,
    ) -> Option<Result<Tried, String>> {
        match (stuck, died) {
            (place, Some(how)) => return Some(self.died(place, how)),
            (Some(place), None) => return Some(self.hung(Hung { place, spent: Duration::ZERO })),
            (None, None) => {}
        }
        let tried = pool.one(self.clone(), &self.label(), |trial, watch| trial.run(watch))?;
        Some(match tried {
            Ok(tried) => Ok(tried),
            Err(Failure::Hung(hung)) => self.hung(hung),
            Err(Failure::Panic(panic)) => Err(panic),
        })
    }

    /// What there is of a run that came to no end: its history up to where it was.
    pub fn hung(&self, hung: Hung) -> Result<Tried, String> {
        let trial = self.clone();
        fresh(move || {
            let plan = draw(&trial.scenario, trial.seed, trial.flaws);
            let outcome = run_before(&plan, hung.place);
            Tried { stuck: Some(hung.place), ..trial.tried(plan, outcome, None) }
        })
    }

    /// What there is of a run that ends its process in a turn: its history up to there. Where it is not known in
    /// which, there is next to none.
    pub fn died(&self, place: Option<Place>, how: &str) -> Result<Tried, String> {
        let (trial, how) = (self.clone(), how.to_owned());
        let start = Place { turn: 1, at: Time(0), host: Some(0) };
        fresh(move || {
            let plan = draw(&trial.scenario, trial.seed, trial.flaws);
            let mut outcome = run_before(&plan, place.unwrap_or(start));
            let cut = outcome.history.iter().rev().find_map(|entry| {
                let Fact::CutOff { given, .. } = &entry.fact else { return None };
                Some((entry.node, given.join(" and ")))
            });
            let told = match (place, cut) {
                (Some(_), Some((node, given))) => format!(
                    "In {}, one turn ends the process: {how}. It was given {}.",
                    plan.name(node),
                    if given.is_empty() { "nothing" } else { &given },
                ),
                _ => format!("The run ends the process, in no turn of a host: {how}."),
            };
            for violation in outcome.violations.iter_mut().filter(|it| it.is_of_time()) {
                violation.site = "died";
                violation.message.clone_from(&told);
            }
            Tried { stuck: place, died: Some(how), ..trial.tried(plan, outcome, None) }
        })
    }

    fn tried(&self, plan: Plan, outcome: Outcome, difference: Option<Difference>) -> Tried {
        let (calm, counts) = (is_fault_free(&plan), outcome.counts);
        let coverage = outcome.coverage.clone();
        let missed = self.missed(&plan, &outcome);
        let excused = excused(&plan, &outcome, |step| self.scenario.line_of(step));
        let holds = outcome.violations.is_empty();
        let digest = (self.digest && holds).then(|| outcome.digest());
        let failed = (!holds).then(|| Box::new((plan, outcome)));
        let Self { seed, twice, .. } = *self;
        let (stuck, died) = (None, None);
        Tried {
            seed,
            calm,
            coverage,
            counts,
            missed,
            excused,
            failed,
            digest,
            stuck,
            died,
            twice,
            difference,
        }
    }

    /// The steps of the script that came to nothing; those that were drawn demand nothing.
    fn missed(&self, plan: &Plan, outcome: &Outcome) -> Vec<(StepId, Missed)> {
        let Some(last) = self.scenario.script.last() else { return Vec::new() };
        let of_script = |(step, _): &(StepId, Missed)| step.0 < last.next_id();
        missed(plan, outcome).into_iter().filter(of_script).collect()
    }

    /// What to call it on the way.
    pub fn label(&self) -> String {
        format!("{} seed {}", self.scenario.name, self.seed)
    }
}

/// Other runs of a plan, each on a thread of its own that bears the name of the seed.
struct Elsewhere<'a> {
    plan: &'a Plan,
    label: &'a str,
    watch: &'a Watch,
}

impl Elsewhere<'_> {
    /// Runs the plan. `Err` is a panic of the harness; it has no outcome if it is asked to leave.
    fn run<T: Send + 'static>(
        &self,
        tell: impl FnOnce(Outcome) -> T + Send + 'static,
    ) -> Result<Option<T>, String> {
        let (plan, watch) = (self.plan.clone(), self.watch.clone());
        fresh_for(self.watch, self.label, move || {
            run_watched(&plan, Driver::of(&plan), Level::ERROR, &watch).map(tell)
        })
    }

    /// Where a run parts from another one, of which there is the digest. Only if it does are two histories
    /// needed at a time: a third run makes the second of them.
    fn difference_to(
        &self,
        other: Result<Option<u128>, String>,
        outcome: &Outcome,
    ) -> Option<Difference> {
        let other = match other {
            Ok(None) => return None,
            Ok(Some(other)) if other == outcome.digest() => return None,
            Ok(Some(other)) => other,
            Err(panic) => return Some(untold(format!("another run panicked: {panic}"))),
        };
        match self.run(|third| third) {
            Ok(Some(third)) => Some(difference(outcome, &third).unwrap_or_else(|| {
                untold(format!("another run had the digest {other:032x}, and a third one has not"))
            })),
            Ok(None) => None,
            Err(panic) => Some(untold(format!("a third run panicked: {panic}"))),
        }
    }
}

/// Two runs went two ways, and there is no telling where: what is known of it.
pub fn untold(what: String) -> Difference {
    Difference { index: 0, at: Time(0), facts: [None, Some(what)] }
}
