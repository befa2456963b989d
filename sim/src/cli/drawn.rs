//! Which plan a command is about, and what comes of it.

use std::path::Path;

use engine::flaw::{Flaw, Flaws};
use harness::fresh::fresh;
use harness::pool::{Failure, Pool};

use super::console::Console;
use super::select::{Shelf, only_good};
use super::setup::stopped;
use super::{Complaint, Level};
use crate::capsule::{BUILD, machine};
use crate::invariant::{Invariant, Violation};
use crate::plan::Plan;
use crate::report::{Size, story};
use crate::run::{Driver, Outcome, run_before, run_watched};
use crate::scenario::{CapsuleHead, Expect, Scenario, draw};
use crate::signature::Signature;
use crate::trial::Chosen;

/// These flaws together.
pub(super) fn flaws(ids: &[Flaw]) -> Flaws {
    ids.iter().fold(Flaws::NONE, |flaws, flaw| flaws.with(*flaw))
}

/// Reads what the words name; all of it must be right.
pub(super) fn choose(
    shelf: &Shelf,
    words: &[String],
    tag: Option<&str>,
) -> Result<Vec<Chosen>, Complaint> {
    let files = shelf.find(words)?;
    let (mut chosen, checks) = shelf.read(&files, Console::has_color())?;
    only_good(&checks)?;
    if let Some(tag) = tag {
        chosen.retain(|it| it.scenario.about.tags.iter().any(|own| own == tag));
        if chosen.is_empty() {
            return Err(Complaint::nothing(format!("no scenario has the tag `{tag}`"))
                .help("`seawall scenario list` shows the tags"));
        }
    }
    Ok(chosen)
}

/// A plan, where it came from, and how to get it again.
pub(super) struct Drawn {
    pub(super) plan: Plan,
    pub(super) head: Option<CapsuleHead>,
    pub(super) again: String,
}

impl Drawn {
    /// Where the plan comes from, and how large it is.
    pub(super) fn source(&self, size: Size) -> String {
        let Size { steps, faults, .. } = size;
        let plan = format!("{}, {}", story::count(steps, "step"), story::count(faults, "fault"));
        let Some(head) = &self.head else {
            return format!("replayed by seed: the plan ({plan}) is drawn by build {BUILD}");
        };
        let here = machine();
        let there = head.machine.as_ref().filter(|there| **there != here);
        match (head.build == BUILD, there) {
            (true, None) => format!("replayed by plan ({plan}) · build {BUILD}"),
            (false, None) => format!(
                "replayed by plan ({plan}) · recorded by build {}, run by {BUILD}: they differ",
                head.build
            ),
            (_, Some(there)) => format!(
                "replayed by plan ({plan}) · recorded by build {} on {there}, run by {BUILD} on {here}: they differ",
                head.build
            ),
        }
    }
}

/// The one scenario or capsule that is named.
pub(super) fn one(target: &str, capsules: &Path) -> Result<Chosen, Complaint> {
    let mut chosen = choose(&Shelf::look(capsules)?, &[target.to_owned()], None)?;
    match (chosen.pop(), chosen.is_empty()) {
        (Some(it), true) => Ok(it),
        (Some(_) | None, _) => {
            Err(Complaint::usage(format!("`{target}` is a folder; name one file of it")))
        }
    }
}

/// Draws a plan: a capsule's own, or that of a scenario and a seed.
pub(super) fn drawn(
    it: &Chosen,
    seed: Option<u64>,
    given: Option<Flaws>,
) -> Result<Drawn, Complaint> {
    let head = it.scenario.capsule.clone();
    let path = &it.path;
    let seed = match (&it.scenario.fixed, seed) {
        (Some(fixed), None) => fixed.seed,
        (Some(fixed), Some(seed)) if seed == fixed.seed => seed,
        (Some(_), Some(_)) => {
            return Err(Complaint::usage(format!("{path} is a plan: it has no other seed"))
                .help("leave --seed out"));
        }
        (None, Some(seed)) => seed,
        (None, None) => {
            return Err(Complaint::usage(format!("{path} is a scenario; which seed of it?"))
                .help(it.again(0, given.unwrap_or(Flaws::NONE))));
        }
    };
    let own = head.as_ref().map_or(Flaws::NONE, |head| flaws(&head.flaws));
    let flaws = given.unwrap_or(own);
    let scenario = it.scenario.clone();
    let plan = fresh(move || draw(&scenario, seed, flaws)).map_err(Complaint::internal)?;
    Ok(Drawn { plan, head, again: again(it, seed, given) })
}

/// The command that draws this plan again.
fn again(it: &Chosen, seed: u64, given: Option<Flaws>) -> String {
    let no_flaws = if given == Some(Flaws::NONE) { " --no-flaws" } else { "" };
    it.again(seed, given.unwrap_or(Flaws::NONE)) + no_flaws
}

pub(super) fn outcome_of(
    pool: &Pool,
    plan: &Plan,
    log: Option<Level>,
) -> Result<Outcome, Complaint> {
    let level = log.map_or(tracing::Level::ERROR, Into::into);
    let ran = pool.one(plan.clone(), "replay", move |plan, watch| {
        run_watched(&plan, Driver::of(&plan), level, watch)
    });
    let outcome = match ran {
        Some(Ok(outcome)) => Ok(outcome),
        Some(Err(Failure::Hung(hung))) => {
            let plan = plan.clone();
            fresh(move || run_before(&plan, hung.place))
        }
        Some(Err(Failure::Panic(panic))) => Err(panic),
        None => {
            let what = "interrupted before the run was over".to_owned();
            return Err(Complaint { exit: stopped(pool), what, help: None });
        }
    };
    outcome.map_err(|panic| Complaint::internal(format!("the harness panicked: {panic}")))
}

/// The violation that a command speaks of: what a capsule was kept for, what the file of a scenario expects with these
/// flaws, or else the first.
pub(super) fn told<'a>(
    scenario: &Scenario,
    flaws: Flaws,
    outcome: &'a Outcome,
) -> Option<&'a Violation> {
    let kept = scenario.capsule.as_ref().map(Signature::from);
    let kept = kept.and_then(|signature| signature.find(outcome));
    let expected = expected(scenario, flaws);
    let expected = outcome.violations.iter().find(|it| Some(it.invariant) == expected);
    kept.or(expected).or(outcome.violations.first())
}

/// What a file expects to be violated with these flaws.
fn expected(scenario: &Scenario, flaws: Flaws) -> Option<Invariant> {
    let mut lines = scenario.expected.verdicts.with.iter();
    let (_, expect, _) = lines.find(|(flaw, ..)| Flaws::only(*flaw) == flaws)?;
    if let Expect::Violates { invariant, .. } = expect { Some(*invariant) } else { None }
}
