//! INV-22 `nothing-panics`: no panic leaves a machine, and no error is logged. A custom strategy
//! that panics is contained by the engine and never becomes a fact.

use crate::history::Fact;
use crate::invariant::Invariant::NothingPanics;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for &(at, entry) in &evidence.off_wire {
        if let Fact::Panicked(said) = &entry.fact {
            let message = format!("Panic in {}: {said}", evidence.host_at(at));
            let place = (NothingPanics, "panic");
            findings.report(evidence, place, at, About::default(), message, []);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::remote::Ending;

    use crate::history::{Fact, Trouble};
    use crate::invariant::case::{Case, KCAL, MEAL, PHONE, VAULT};

    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.edits(PHONE, MEAL, &[KCAL]);
        case.fact(PHONE, Fact::Panicked("index out of bounds".to_owned()));
        case.pushes(PHONE, MEAL);
        case.pulls(crate::invariant::case::TABLET);
        case.ends()
    }

    #[test]
    fn a_panic_is_reported_with_what_it_said() {
        assert!(broken().violations()[0].message.contains("index out of bounds"));
    }

    #[test]
    fn a_zone_that_ends_is_no_panic() {
        let mut case = Case::new();
        case.fact(
            crate::plan::Node::World,
            Fact::Faulted(Trouble::EndZone(VAULT, Ending::Deleted)),
        );
        case.ends().passes();
    }
}
