//! `values-are-as-expected`: what a scenario names is shown, at the end or at its moment: on devices and by
//! processors to those who ask them, and on remotes to those who have the keys.

mod looks;
mod sight;

use self::looks::Looks;
use self::sight::Found;
use crate::invariant::Invariant::ValuesAreAsExpected;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::{field_name, value, visible};
use crate::plan::expectation::{Aspect, Claim, Subject, Wanted};
use crate::plan::{Expectation, Node};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(settled) = evidence.settled else { return };
    let expected = &evidence.context.at_end;
    if expected.is_empty() {
        return;
    }
    let looks = Looks::of(evidence);
    for (it, node) in expected.iter().flat_map(|it| it.on.iter().map(move |node| (it, *node))) {
        let sight = looks.sight(it, node);
        for claim in &it.claims {
            let found = sight.found(claim.aspect);
            if found.is.as_ref().is_ok_and(|is| claim.wanted.fits(is)) {
                continue;
            }
            let site = found.site(it.subject.kind().declaration().site);
            let about = it.subject.record().map_or_else(About::default, About::record);
            let message = message(evidence, (it, node), claim, &found);
            findings.report(
                evidence,
                (ValuesAreAsExpected, site),
                sight.at.unwrap_or(settled),
                about,
                message,
                [settled],
            );
        }
    }
}

/// As in `conf.toml:23: on phone, meal/1.note: expected "x", found "zero\none" (w2)`.
fn message(
    evidence: &Evidence<'_>,
    (it, node): (&Expectation, Node),
    claim: &Claim,
    found: &Found,
) -> String {
    let is = match &found.is {
        Ok(is) => tell(claim.aspect, is),
        Err(instead) => instead.tell(),
    };
    let beside =
        if found.beside.is_empty() { String::new() } else { format!(" ({})", found.beside) };
    format!(
        "{}.toml:{}: on {}{}, {}: expected {}, found {is}{beside}.",
        evidence.context.names.scenario,
        it.line,
        evidence.name(node),
        it.moment(),
        subject_name(&it.subject),
        tell(claim.aspect, &claim.wanted),
    )
}

fn subject_name(subject: &Subject) -> String {
    match subject {
        Subject::Record(id) => id.to_string(),
        Subject::Field(id, field) => format!("{id}.{}", field_name(*id, *field)),
        Subject::File(path) => visible(path),
        Subject::Folder(path) if path.is_empty() => "the root folder".to_owned(),
        Subject::Folder(path) => format!("folder {}", visible(path)),
        Subject::Account(field) => format!("account.{}", field.name()),
        Subject::Conversation(talk) => talk.to_string(),
        Subject::Session => "session".to_owned(),
    }
}

/// What something is to be, or is.
fn tell(aspect: Aspect, wanted: &Wanted) -> String {
    match wanted {
        Wanted::Nothing => "nothing".to_owned(),
        Wanted::Value(of) => value(of),
        Wanted::Exists(true) => "present".to_owned(),
        Wanted::Exists(false) => "absent".to_owned(),
        Wanted::Word(word) => (*word).to_owned(),
        Wanted::Number(range) => aspect.declaration().form.tell(*range),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::UserId;
    use engine::record::Value;
    use harness::time::Time;

    use super::*;
    use crate::invariant::case::{Case, KCAL, MEAL, PHONE, TABLET};

    fn field(is: Wanted) -> Expectation {
        Expectation {
            id: 0,
            on: vec![PHONE.into(), TABLET.into()],
            user: UserId(0),
            at: None,
            subject: Subject::Field(MEAL, KCAL),
            claims: vec![Claim { aspect: Aspect::Is, wanted: is }],
            line: 7,
        }
    }

    fn int(n: i64) -> Wanted {
        Wanted::Value(Value::Int(n))
    }

    fn expecting(expectation: Expectation) -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.context.at_end.push(expectation);
        case.ends()
    }

    pub(crate) fn broken() -> Case {
        expecting(field(int(2)))
    }

    #[test]
    fn another_value_than_the_scenario_names_is_reported_with_its_line_and_write() {
        let message = &broken().violations()[0].message;
        let expected = "case.toml:7: on phone, meal/1.kcal: expected 2, found 1 (w1).";
        assert_eq!(message, expected);
    }

    #[test]
    fn a_field_that_is_to_be_empty_must_be() {
        assert_eq!(expecting(field(Wanted::Nothing)).violations().len(), 2);
    }

    #[test]
    fn the_value_that_the_scenario_names_is_right() {
        expecting(field(int(1))).passes();
    }

    #[test]
    fn what_nobody_was_asked_at_its_moment_is_not_known() {
        let case = expecting(Expectation { at: Some(Time(5)), ..field(int(1)) });
        let message = &case.violations()[0].message;
        let found = "found no answer: it was not asked, since it did not run.";
        assert!(message.starts_with("case.toml:7: on phone at 5ms, ") && message.ends_with(found));
    }
}
