//! INV-22 `nothing-panics`: no panic leaves a machine, and no error is logged. A custom strategy
//! that panics is contained by the engine and never becomes a fact.

use crate::history::Fact;
use crate::invariant::Invariant::NothingPanics;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for &(at, entry) in &evidence.off_wire {
        let (site, message) = if let Fact::Panicked(said) = &entry.fact {
            ("panic", format!("Panic in {}: {said}", evidence.host_at(at)))
        } else if let Fact::ErrorLogged(said) = &entry.fact {
            ("logged", format!("Error logged by {}: {said}", evidence.host_at(at)))
        } else {
            continue;
        };
        findings.report(evidence, (NothingPanics, site), at, About::default(), message, []);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::remote::Ending;

    use crate::fault::EndZone;
    use crate::history::Fact;
    use crate::invariant::case::{Case, KCAL, MEAL, OWNER, PHONE};

    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.fact(PHONE, Fact::Panicked("index out of bounds".to_owned()));
        case.phone().pushes(MEAL);
        case.device(crate::invariant::case::TABLET).pulls();
        case.ends()
    }

    #[test]
    fn a_panic_is_reported_with_what_it_said() {
        assert!(broken().violations()[0].message.contains("index out of bounds"));
    }

    #[test]
    fn an_error_that_is_logged_is_reported_with_its_host_and_time() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.fact(PHONE, Fact::ErrorLogged("the mirror holds a tag twice".to_owned()));
        case.phone().pushes(MEAL);
        case.device(crate::invariant::case::TABLET).pulls();
        let violations = case.ends().violations();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(
            (violations[0].node, violations[0].site),
            (crate::plan::Node::Device(PHONE), "logged")
        );
        assert_eq!(violations[0].message, "Error logged by phone: the mirror holds a tag twice");
    }

    #[test]
    fn a_zone_that_ends_is_no_panic() {
        let mut case = Case::new();
        case.fact(
            crate::plan::Node::World,
            Fact::Faulted(EndZone { user: OWNER, how: Ending::Deleted }.into()),
        );
        case.ends().passes();
    }
}
