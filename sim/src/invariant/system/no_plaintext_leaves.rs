//! INV-19 `no-plaintext-leaves`: no message carries a byte of a value unsealed. The canary is the
//! prefix that all tokens of a run share; the stage looks for it in the bytes themselves.

use crate::history::Fact;
use crate::invariant::Invariant::NoPlaintextLeaves;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (at, entry) in evidence.history.iter().enumerate() {
        if let Fact::Sent { message_id, to, rows, plaintext: true, .. } = &entry.fact {
            let about = About { record: rows.first().map(|row| row.0), token: None };
            let message = format!(
                "{} sent {} a {} message with a value in plaintext.",
                evidence.host_at(at),
                evidence.name(*to),
                message_id.message_kind
            );
            findings.report(evidence, (NoPlaintextLeaves, "sent"), at, about, message, []);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Remote;

    use crate::history::Fact;
    use crate::invariant::case::{Case, KCAL, MEAL};

    pub(crate) fn broken() -> Case {
        let mut case = sealed();
        for entry in &mut case.history {
            if let Fact::Sent { plaintext, .. } = &mut entry.fact {
                *plaintext = true;
            }
        }
        case
    }

    fn sealed() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends()
    }

    #[test]
    fn a_value_on_the_wire_is_reported_per_message() {
        let violations = broken().violations();
        assert_eq!(violations.len(), Remote::ALL.len());
        assert_eq!(violations[0].record, Some(MEAL));
    }

    #[test]
    fn sealed_rows_may_leave() {
        sealed().passes();
    }
}
