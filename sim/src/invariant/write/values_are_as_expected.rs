//! `values-are-as-expected`: the values that a scenario names are there at the end. A device shows
//! them; on a remote a value is the only one of its field.

use engine::device::Presence;
use engine::id::{DeviceId, VaultId};
use engine::record::Value;

use crate::invariant::Invariant::ValuesAreAsExpected;
use crate::invariant::evidence::{Evidence, Observation};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::{self, field_name, value};
use crate::plan::{AtEnd, Node};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(settled) = evidence.settled else { return };
    if evidence.context.at_end.is_empty() {
        return;
    }
    for expected in &evidence.context.at_end {
        for &node in &expected.on {
            let vault = VaultId::from(expected.user);
            let (at, is) = match node {
                Node::Device(device) => match final_observation(evidence, device, expected) {
                    Some(observation) => (observation.at, shown(observation, expected)),
                    None => (settled, FoundValue::Unknown),
                },
                Node::Remote(remote) => match evidence.found(remote).get(&(vault, expected.id)) {
                    Some(row) => {
                        let live = row.contents.map(|contents| contents.live);
                        (
                            row.at,
                            live.map_or(FoundValue::Unknown, |live| {
                                stored(live, row.values, expected)
                            }),
                        )
                    }
                    None => (settled, FoundValue::Nothing),
                },
                Node::World
                | Node::Worker(_)
                | Node::Processor(_)
                | Node::Volume
                | Node::Intruder => continue,
            };
            if is.fits(expected) {
                continue;
            }
            let field = expected
                .field
                .map_or_else(String::new, |field| format!(".{}", field_name(expected.id, field)));
            let message = format!(
                "Line {}: expected {}{field} = {} on {}, found {is}.",
                expected.line,
                expected.id,
                expected.is.as_ref().map_or_else(|| "absent".to_owned(), value),
                evidence.name(node)
            );
            let place = (ValuesAreAsExpected, "at-end");
            let about = About::record(expected.id);
            findings.report(evidence, place, at, about, message, [settled]);
        }
    }
}

/// What is there.
#[derive(Debug)]
enum FoundValue<'a> {
    Unknown,
    Nothing,
    Present,
    Value(&'a Value),
    Several(usize),
}

impl FoundValue<'_> {
    fn fits(&self, expected: &AtEnd) -> bool {
        match (self, &expected.is) {
            (Self::Value(value), Some(wanted)) => says(value) == says(wanted),
            (Self::Nothing, None) => true,
            (Self::Present, Some(_)) => expected.field.is_none(),
            (Self::Unknown | Self::Several(_) | Self::Value(_) | Self::Present, _)
            | (Self::Nothing, Some(_)) => false,
        }
    }
}

impl std::fmt::Display for FoundValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("no answer: it could not be read"),
            Self::Nothing => f.write_str("absent"),
            Self::Present => f.write_str("present"),
            Self::Value(value) => f.write_str(&wording::value(value)),
            Self::Several(count) => write!(f, "{count} conflicting siblings"),
        }
    }
}

/// A draft is what its author left.
fn says(value: &Value) -> Value {
    match value {
        Value::Draft { text, .. } => Value::Text(text.clone()),
        Value::Int(_) | Value::Text(_) | Value::Set(_) => value.clone(),
    }
}

fn final_observation<'e>(
    evidence: &'e Evidence<'_>,
    device: DeviceId,
    of: &AtEnd,
) -> Option<&'e Observation> {
    let mut observations = evidence.observations.iter().rev();
    observations.find(|observation| {
        observation.last && observation.device == device && observation.shown.id == of.id
    })
}

fn shown<'e>(observation: &'e Observation, expected: &AtEnd) -> FoundValue<'e> {
    if observation.shown.presence != Presence::Live {
        return FoundValue::Nothing;
    }
    let Some(field) = expected.field else { return FoundValue::Present };
    let value = observation.shown.fields.iter().find(|shown| shown.0 == field);
    value.map_or(FoundValue::Nothing, |shown| FoundValue::Value(&shown.1))
}

fn stored<'v>(
    live: bool,
    values: &'v [(engine::id::FieldId, Value)],
    expected: &AtEnd,
) -> FoundValue<'v> {
    if !live {
        return FoundValue::Nothing;
    }
    let Some(field) = expected.field else { return FoundValue::Present };
    let mut siblings = values.iter().filter(|cell| cell.0 == field).map(|cell| &cell.1);
    match (siblings.next(), siblings.count()) {
        (None, _) => FoundValue::Nothing,
        (Some(value), 0) => FoundValue::Value(value),
        (Some(_), more) => FoundValue::Several(more + 1),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::UserId;
    use engine::record::Value;

    use crate::invariant::case::{Case, KCAL, MEAL, PHONE, TABLET};
    use crate::plan::AtEnd;

    fn expecting(is: Option<Value>) -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        let on = vec![PHONE.into(), TABLET.into()];
        let field = Some(KCAL);
        case.context.at_end.push(AtEnd { on, user: UserId(0), id: MEAL, field, is, line: 7 });
        case.ends()
    }

    pub(crate) fn broken() -> Case {
        expecting(Some(Value::Int(2)))
    }

    #[test]
    fn another_value_than_the_scenario_names_is_reported_with_its_line() {
        let message = &broken().violations()[0].message;
        assert_eq!(message, "Line 7: expected meal/1.kcal = 2 on phone, found 1.");
    }

    #[test]
    fn a_field_that_is_to_be_empty_must_be() {
        assert_eq!(expecting(None).violations().len(), 2);
    }

    #[test]
    fn the_value_that_the_scenario_names_is_right() {
        expecting(Some(Value::Int(1))).passes();
    }
}
