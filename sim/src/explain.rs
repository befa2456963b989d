//! Why a run fails: the path of the write that it lost, what of its plan was needed for that, and when it
//! became certain.
//!
//! The path is read from the history. The rest is found by running again: plans that lack something or have it
//! otherwise, and forks of the run whose remainder is drawn again.

mod chances;
mod decision;
mod needs;
mod sentence;

use harness::pool::Pool;
use harness::stop::Urgency;

pub(crate) use self::decision::module_of;
use crate::invariant::Violation;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::report::explanation::{Decision, Explanation, Passage};
use crate::report::story::Scene;
use crate::signature::Signature;

/// A run that fails, and the violation that is to be explained.
#[derive(Clone, Debug)]
pub struct Case {
    /// What ran.
    pub plan: Plan,
    /// What came of it, with what machines logged down to `debug`.
    pub outcome: Outcome,
    /// What is to be explained.
    pub violation: Violation,
}

impl Case {
    /// What other runs must show to fail like this one: the same bug in the same write or record.
    fn bug(&self) -> Bug {
        let Violation { token, record, .. } = self.violation;
        Bug { signature: Signature::of(&self.violation), of: (token, record) }
    }
}

/// A violation, as other runs of nearly the same plan show it.
#[derive(Clone, Debug)]
struct Bug {
    signature: Signature,
    of: (Option<engine::id::Token>, Option<engine::id::RecordId>),
}

impl Bug {
    fn is_in(&self, outcome: &Outcome) -> bool {
        let mut violations = outcome.violations.iter();
        violations.any(|it| Signature::of(it) == self.signature && (it.token, it.record) == self.of)
    }
}

/// What a machine decided where a run went wrong, if it logged anything there.
pub fn decision(case: &Case) -> Option<Decision> {
    let path = Scene::new(&case.plan, &case.outcome.history).path(&case.violation);
    decision::find(case, &path)
}

/// What a history alone tells: the sentence and the path. It takes no further run.
pub fn sentence(case: &Case) -> Explanation {
    let Case { plan, outcome, violation } = case;
    let scene = Scene::new(plan, &outcome.history);
    let path = scene.path(violation);
    let decision = decision::find(case, &path);
    let passage = |stop: &crate::report::story::Stop| {
        let entry = &outcome.history[stop.fact];
        Passage {
            fact: stop.fact,
            what: stop.what,
            at: entry.at,
            host: plan.name(entry.node).to_owned(),
            text: scene.tell(entry, violation.record),
        }
    };
    Explanation {
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        flaws: plan.flaws.iter().map(|flaw| flaw.id().to_owned()).collect(),
        invariant: violation.invariant,
        at: violation.at,
        sentence: sentence::sentence(case, &scene, &path, decision.as_ref()),
        path: path.iter().map(passage).collect(),
        whole_until: sentence::whole_until(case, &path),
        decision,
        needs: None,
        chances: None,
    }
}

/// Finds what was needed and when the violation became certain, by running again. False if it was interrupted
/// before it was done.
pub fn complete(
    pool: &Pool,
    case: &Case,
    explanation: &mut Explanation,
    mut hear: impl FnMut(),
) -> bool {
    explanation.needs = Some(needs::find(pool, case, &mut hear));
    explanation.chances = chances::find(pool, case, &explanation.path, &mut hear);
    pool.stop.urgency() == Urgency::None
}
