//! What there is to tell, as plain data, and the two ways of telling it.
//!
//! Commands build a [`Told`]; [`terminal`] and [`json`] render it. Nothing here decides anything,
//! and no text depends on a clock, a terminal or the number of workers unless the data says so.

pub mod excused;
pub mod explanation;
pub mod export;
pub mod html;
mod join;
pub mod json;
pub mod story;
pub mod terminal;
mod zoo;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::id::RecordId;
use harness::time::Time;
use serde::{Deserialize, Serialize};

use self::excused::{Causes, Excused};
use self::explanation::Explanation;
pub use self::join::longer;
pub use self::zoo::{Beast, Catches, Counted, Kept, Likeness, Replay, Replays, Retold, Tamed, Zoo};
use crate::difference::Difference;
use crate::invariant::Violation;
use crate::outcome::Missed;
use crate::plan::{Node, Plan, StepId};
use crate::run::{LogLine, Outcome};
use crate::signature::Signature;

/// Everything that a command can tell.
#[derive(Debug)]
pub enum Told<'a> {
    /// Something is violated in one run.
    Failure(&'a Failure<'a>),
    /// One plan had two histories.
    Nondeterministic(&'a Nondeterminism<'a>),
    /// The verdict lines of scenarios.
    Lines(&'a [Line], Detail),
    /// A sweep.
    Sweep(&'a Sweep),
    /// A run, told as a story.
    Story(&'a Story<'a>),
    /// A run was written as a page.
    Page(&'a Paged<'a>),
    /// A plan was shrunk.
    Shrunk(&'a Shrunk),
    /// Why a run fails: the sentence and the path of the write.
    Sentence(&'a Explanation),
    /// Why a run fails: what was found by running again.
    Reasons(&'a Explanation),
    /// The zoo.
    Zoo(&'a Zoo),
    /// Known bugs, each found, shrunk and replayed.
    Replays(&'a Replays),
    /// What the doctor looked at.
    Health(&'a [Check]),
    /// The scenarios that there are.
    Catalogue(&'a [Listed]),
    /// Files that were checked.
    Checked(&'a [FileCheck]),
}

/// A violation with all that is needed to show it and to see it again.
#[derive(Debug)]
pub struct Failure<'a> {
    /// What ran.
    pub plan: &'a Plan,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// The violation that is shown.
    pub violation: &'a Violation,
    /// The command that runs it again.
    pub again: String,
    /// Where its plan is kept.
    pub capsule: Option<String>,
    /// Was it expected, because a known bug is switched on?
    pub expected: bool,
}

/// Where two runs of one plan differ.
#[derive(Debug)]
pub struct Nondeterminism<'a> {
    /// Which scenario.
    pub scenario: &'a str,
    /// Which seed.
    pub seed: u64,
    /// Where.
    pub difference: &'a Difference,
    /// The command that runs it again.
    pub again: String,
}

/// How an expectation ended. Always shown as a word; colour only underlines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// As expected.
    Pass,
    /// Not as expected.
    Fail,
    /// Cannot be said.
    Inconclusive,
}

impl Mark {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
        }
    }
}

/// One verdict line of one scenario.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which scenario.
    pub scenario: String,
    /// The product, or the flaws that are on.
    pub of: String,
    /// What the file, or the command line, expects.
    pub expected: String,
    /// What happened.
    pub found: String,
    /// How many seeds were run.
    pub seeds: u64,
    /// As expected?
    pub mark: Mark,
    /// The command that shows what was found, if something was.
    pub again: Option<String>,
    /// What the file demands of all seeds together.
    pub demands: Vec<Demand>,
    /// The writes that are gone as the plans of these seeds will have it.
    pub excused: Vec<Excused>,
    /// The file of the scenario.
    pub path: String,
}

/// How much of a summary to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What most readers want to know.
    Brief,
    /// All of it.
    Full,
}

/// A sweep.
#[derive(Debug)]
pub struct Sweep {
    /// What ran it.
    pub build: String,
    /// Why it ended.
    pub stopped: String,
    /// By scenario, in the order of the command line.
    pub rows: Vec<Row>,
    /// Distinct bugs, in the order in which they were found.
    pub bugs: Vec<Bug>,
    /// How many seeds were run twice and compared.
    pub twice: u64,
    /// In how many of those the runs differed.
    pub nondeterministic: u64,
    /// How long it took; none if it is put together from what others ran.
    pub took: Option<Duration>,
    /// The processor time that it took, where the system tells.
    pub cpu: Option<Duration>,
    /// Simulated milliseconds in all.
    pub simulated_ms: u128,
    /// How much of it to tell.
    pub detail: Detail,
}

impl Sweep {
    /// How many seeds were run.
    pub fn seeds(&self) -> u64 {
        self.rows.iter().map(|row| row.seeds).sum()
    }
}

/// What became of one scenario in a sweep, or in a part of one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// Which scenario.
    pub scenario: String,
    /// Seeds run.
    pub seeds: u64,
    /// Seeds in which something was violated.
    pub failed: u64,
    /// Distinct bugs.
    #[serde(skip)]
    pub bugs: BTreeSet<usize>,
    /// Seeds in which nothing was planned to go wrong.
    pub calm: u64,
    /// The slowest seed, and how long it took.
    #[serde(skip)]
    pub slowest: Option<(u64, Duration)>,
    /// The seed with the most events, and how many it had.
    pub longest: Option<(u64, u64)>,
    /// What was reached, by name.
    pub coverage: BTreeMap<Cow<'static, str>, Reached>,
    /// The steps of the script that came to nothing.
    pub missed: BTreeMap<StepId, Miss>,
    /// What the file demands of all seeds together.
    #[serde(skip)]
    pub demands: Vec<Demand>,
    /// How many writes are gone as the plan will have it.
    pub excused: Causes,
}

/// How often something was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// In how many seeds.
    pub seeds: u64,
    /// How often in all.
    pub times: u64,
    /// How often in that seed of those where it was rarest.
    pub least: u64,
    /// How often in the seed where it was most frequent.
    pub most: u64,
    /// The first such seed.
    pub most_at: u64,
}

/// A step that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// In how many seeds.
    pub seeds: u64,
    /// The first of them.
    pub first: u64,
    /// Why, in that one.
    pub why: Missed,
}

/// What a scenario demands of all its seeds together, and what they gave.
#[derive(Clone, Debug)]
pub struct Demand {
    /// What must happen or must not: an event, or a step.
    pub what: String,
    /// How often it did.
    pub measured: String,
    /// How often it should.
    pub demanded: String,
    /// Whether that is enough.
    pub met: Met,
    /// Why it did not, if that is known.
    pub why: Option<String>,
    /// Where that is demanded, as `file:line`.
    pub place: String,
}

/// Whether a demand is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// Yes.
    Yes,
    /// The step came to nothing in some seeds, but not in all.
    Sometimes,
    /// Not as often as demanded, but too few seeds to be sure.
    TooFewSeeds,
    /// No.
    No,
    /// What must not happen did, as in this seed.
    Exceeded(u64),
}

/// A distinct bug.
#[derive(Clone, Debug)]
pub struct Bug {
    /// What makes it one.
    pub signature: Signature,
    /// In which scenario it was found first.
    pub scenario: String,
    /// What else it was seen as: other signatures with the same cause.
    pub also: Vec<Signature>,
    /// In how many seeds it was seen, of that scenario and of others.
    pub seeds: u64,
    /// How many seeds were run.
    pub of: u64,
    /// The seed that takes the fewest events, as a command.
    pub cheapest: String,
    /// The first few, as commands.
    pub examples: Vec<String>,
    /// The first failure as text.
    pub message: String,
    /// Where the first is kept.
    pub capsule: Option<String>,
    /// What is left of the first, and where that is kept.
    pub shrunk: Option<Shrunk>,
}

impl Bug {
    /// In which share of all seeds it is seen: the interval at 95 % confidence.
    pub fn rate(&self) -> (f64, f64) {
        wilson(self.seeds, self.of)
    }
}

/// A run, told as a story.
#[derive(Debug)]
pub struct Story<'a> {
    /// What ran.
    pub plan: &'a Plan,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// What is shown of it.
    pub focus: Focus,
    /// Is what machines logged told too?
    pub log: bool,
    /// Where the plan came from.
    pub source: String,
    /// What a capsule promised: the signature, and the digest of its history.
    pub promised: Option<(Signature, String)>,
    /// The command that tells it again.
    pub again: String,
    /// The writes that are gone as the plan will have it.
    pub excused: Vec<Excused>,
    /// The file that the plan came from.
    pub path: String,
}

impl Story<'_> {
    /// How like the run is to the one that a capsule was made of.
    pub fn likeness(&self) -> Option<Likeness> {
        let (signature, digest) = self.promised.as_ref()?;
        Some(match () {
            () if !signature.is_in(self.outcome) => Likeness::Different,
            () if format!("{:032x}", self.outcome.digest()) == *digest => Likeness::Exact,
            () => Likeness::Similar,
        })
    }
}

/// A run that was written as a page.
#[derive(Debug)]
pub struct Paged<'a> {
    /// What was written: `page` or `export`.
    pub what: &'static str,
    /// The run.
    pub story: &'a Story<'a>,
    /// The violation that it is about, if there is one.
    pub violation: Option<&'a Violation>,
    /// The file written.
    pub file: String,
    /// How large it is.
    pub bytes: usize,
}

/// What of a run is shown.
#[derive(Clone, Debug, Default)]
pub struct Focus {
    /// Only what is about this record, and what went wrong meanwhile.
    pub row: Option<RecordId>,
    /// Only these lanes; none for all.
    pub only: Vec<Node>,
    /// Only until this moment.
    pub until: Option<Time>,
}

impl Focus {
    /// Is this line of the log told? It names no record, so it is, whichever a story is about.
    pub fn has_line(&self, line: &LogLine) -> bool {
        let in_lane = self.only.is_empty() || self.only.contains(&line.node);
        in_lane && self.until.is_none_or(|until| line.at <= until)
    }
}

/// What shrinking did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// What is still violated.
    pub signature: Signature,
    /// Sizes before.
    pub before: Size,
    /// Sizes after.
    pub after: Size,
    /// How many plans were run.
    pub tries: u64,
    /// Is it proved that removing any one step passes?
    pub minimal: bool,
    /// Why it ended early, if it did.
    pub cut_short: Option<&'static str>,
    /// The file written.
    pub file: String,
}

/// How large a plan is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// What users do, and waits.
    pub steps: usize,
    /// What goes wrong.
    pub faults: usize,
    /// Machines.
    pub devices: usize,
    /// Records that are there before.
    pub given: usize,
    /// Messages delivered.
    pub messages: u64,
}

/// One thing that the doctor looked at.
#[derive(Clone, Debug)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// How it is.
    pub mark: Mark,
    /// In a sentence.
    pub note: String,
}

/// A scenario in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it is called.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its file.
    pub path: String,
    /// How many seeds `run` gives it.
    pub seeds: u64,
}

/// A file that was checked.
#[derive(Clone, Debug)]
pub struct FileCheck {
    /// Which.
    pub path: String,
    /// Its problems as rendered text, with excerpts.
    pub text: String,
    /// How many problems are errors.
    pub errors: usize,
    /// How many are not.
    pub warnings: usize,
}

/// The Wilson interval of a rate, at 95 % confidence (Wilson, *Probable Inference*, 1927).
pub fn wilson(hits: u64, of: u64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, rate) = (of as f64, hits as f64 / of as f64);
    let middle = rate + Z * Z / (2.0 * n);
    let width = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    let low = if hits == 0 { 0.0 } else { ((middle - width) / scale).max(0.0) };
    let high = if hits == of { 1.0 } else { ((middle + width) / scale).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wilson_interval_is_that_of_the_books() {
        let (low, high) = wilson(10, 100);
        assert!((low - 0.0552).abs() < 1e-4 && (high - 0.1744).abs() < 1e-4, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(0, 10).0, 0.0);
        assert_eq!(wilson(10, 10).1, 1.0);
    }
}
