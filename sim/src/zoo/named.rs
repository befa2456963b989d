//! Whether the sentence of `explain` names the place in the engine where a known bug went wrong.
//!
//! Where a flaw decides something, the engine logs a mark. The sentence names that place if it names a decision of
//! the same host, in the same module and in the same moment as a mark.

use engine::flaw::MARK;
use tracing::Level;

use crate::explain::{self, Case, module_of};
use crate::outcome::{LogLine, Outcome};
use crate::plan::Plan;
use crate::report::explanation::Decision;
use crate::run::{Driver, run_logged};
use crate::signature::Signature;

/// What the sentence says of a violation's decision point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What a machine decided, as the sentence has it.
    pub decision: Option<Decision>,
    /// Does a flaw mark it?
    pub is_marked: bool,
}

/// Runs a plan and explains the violation of this signature; `None` if the run does not show it.
pub fn named(plan: &Plan, signature: &Signature) -> Option<Named> {
    let outcome = run_logged(plan, Driver::of(plan), Level::TRACE);
    let violation = signature.find(&outcome)?.clone();
    let case = Case { plan: plan.clone(), outcome, violation };
    let decision = explain::decision(&case);
    let is_marked = decision.as_ref().is_some_and(|it| marks(plan, &case.outcome, it));
    Some(Named { decision, is_marked })
}

fn marks(plan: &Plan, outcome: &Outcome, decision: &Decision) -> bool {
    let Decision { host, at, module, .. } = decision;
    let marks = outcome.log.iter().filter(|line| line.target == MARK && line.at == *at);
    let mut marks = marks.filter(|line| plan.name(line.node) == host);
    marks.any(|line| module_marked(line).as_ref() == Some(module))
}

/// The module that a mark is of.
fn module_marked(mark: &LogLine) -> Option<String> {
    let (_, file) = mark.text.split_once("file=\"")?;
    let (file, _) = file.split_once('"')?;
    module_of(file)
}
