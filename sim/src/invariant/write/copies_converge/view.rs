//! INV-04 `copies-converge`, as users see it: two devices that show a field by the same strategy and
//! hold the same siblings of it show the same value, the same contributors and the same conflicts.
//!
//! A strategy may depend on nothing but the siblings, so this holds at any moment, also of one
//! device and itself. A registration lives in memory: a device that starts again has none.

use std::collections::BTreeMap;

use engine::id::{DeviceId, FieldId, Kind, Token};
use engine::record::Value;

use crate::history::{Answered, Asked, Fact};
use crate::invariant::Invariant::CopiesConverge;
use crate::invariant::evidence::{Evidence, Observation};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::{field_name, value};
use crate::plan::{Custom, Node};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let registered = Registered::of(evidence);
    let mut known: BTreeMap<ShownSiblings, View<'_>> = BTreeMap::new();
    for observation in &evidence.observations {
        for (field, value, contributors, conflicts) in &observation.shown.fields {
            // One write shows as itself; what is shown of it at the end is compared all the same.
            if !observation.last && contributors.len() + conflicts.len() < 2 {
                continue;
            }
            let mut tokens = [contributors.as_slice(), conflicts].concat();
            tokens.sort_unstable();
            let by = registered.at(
                observation.device,
                (observation.shown.id.kind, *field),
                observation.at,
            );
            let siblings =
                ShownSiblings { record_key: observation.record_key, field: *field, by, tokens };
            let view = View { observation, value, conflicts: sorted(conflicts) };
            let first = known.entry(siblings).or_insert_with(|| view.clone());
            if (first.value, &first.conflicts) != (view.value, &view.conflicts) {
                report(evidence, findings, first, &view, *field);
            }
        }
    }
}

/// What a view may depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ShownSiblings {
    record_key: usize,
    field: FieldId,
    by: Option<Custom>,
    tokens: Vec<Token>,
}

/// What was shown of them: whatever is no conflict contributes.
#[derive(Clone, Debug)]
struct View<'e> {
    observation: &'e Observation,
    value: &'e Value,
    conflicts: Vec<Token>,
}

fn sorted(tokens: &[Token]) -> Vec<Token> {
    let mut tokens = tokens.to_vec();
    tokens.sort_unstable();
    tokens
}

fn report(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    first: &View<'_>,
    other: &View<'_>,
    field: FieldId,
) {
    let id = other.observation.shown.id;
    let (one, two) = (
        evidence.device_name(first.observation.device),
        evidence.device_name(other.observation.device),
    );
    let name = field_name(id, field);
    let message = if first.value == other.value {
        let conflicts = |view: &View<'_>| {
            evidence.write_names(view.conflicts.iter().map(|token| (field, *token)), field)
        };
        format!(
            "{id}.{name}: of the same siblings {two} lists {} as conflicts; {one} listed {} at {}.",
            conflicts(other),
            conflicts(first),
            evidence.time(first.observation.at)
        )
    } else {
        format!(
            "{id}.{name}: of the same siblings {two} shows {}; {one} showed {} at {}.",
            value(other.value),
            value(first.value),
            evidence.time(first.observation.at)
        )
    };
    let place = (CopiesConverge, "views-differ");
    findings.report(
        evidence,
        place,
        other.observation.at,
        About::record(id),
        message,
        [first.observation.at],
    );
}

/// By which strategy each device showed a field, over time.
#[derive(Debug, Default)]
struct Registered(BTreeMap<DeviceId, Vec<(usize, StrategyChange)>>);

/// What changed.
#[derive(Clone, Copy, Debug)]
enum StrategyChange {
    Started,
    Registered(Kind, FieldId, Custom),
}

impl Registered {
    fn of(evidence: &Evidence<'_>) -> Self {
        let mut changes: Vec<(usize, DeviceId, StrategyChange)> = Vec::new();
        for op in evidence.operations.iter() {
            if let (Some((_, Asked::Register(kind, field, custom))), Some(at)) =
                (evidence.history[op.asked].fact.asked(), op.answered)
                && matches!(evidence.history[at].fact.answered(), Some((_, Answered::Registered)))
            {
                changes.push((at, op.device, StrategyChange::Registered(*kind, *field, *custom)));
            }
        }
        if changes.is_empty() {
            return Self::default();
        }
        for &(at, entry) in &evidence.off_wire {
            if let (Node::Device(device), Fact::Started { .. }) = (entry.node, &entry.fact) {
                changes.push((at, device, StrategyChange::Started));
            }
        }
        changes.sort_unstable_by_key(|change| change.0);
        let mut lines = Self::default();
        for (at, device, change) in changes {
            lines.0.entry(device).or_default().push((at, change));
        }
        lines
    }

    /// By which custom strategy a device showed a field at a moment, if by any.
    fn at(&self, device: DeviceId, of: (Kind, FieldId), moment: usize) -> Option<Custom> {
        let line = self.0.get(&device)?;
        let before = line.partition_point(|(at, _)| *at < moment);
        for (_, change) in line[..before].iter().rev() {
            match *change {
                StrategyChange::Started => return None,
                StrategyChange::Registered(kind, field, custom) if (kind, field) == of => {
                    return Some(custom);
                }
                StrategyChange::Registered(..) => {}
            }
        }
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use engine::id::Kind;
    use engine::record::Value;

    use crate::history::{Answered, Asked, Shown};
    use crate::invariant::case::{Case, KCAL, MEAL};
    use crate::plan::Custom;

    /// Phone and tablet hold the same two siblings.
    fn conflict() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.tablet().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        case
    }

    fn registers(case: &mut Case, custom: Custom) {
        let op = case.tablet().asks(Asked::Register(Kind::Meal, KCAL, custom));
        case.tablet().answers(op, Answered::Registered);
    }

    /// What the tablet shows if the other sibling comes first.
    fn turned(case: &mut Case) -> Arc<Shown> {
        let mut shown = case.tablet().shown(MEAL);
        let (_, value, contributors, conflicts) = &mut shown.fields[0];
        *value = Value::Int(2);
        std::mem::swap(contributors, conflicts);
        Arc::new(shown)
    }

    fn sites(case: &Case) -> Vec<&'static str> {
        case.violations().iter().map(|violation| violation.site).collect()
    }

    /// Of the same two siblings the tablet shows the one that the phone calls a conflict.
    pub(crate) fn broken() -> Case {
        let mut case = conflict();
        case.phone().reads(MEAL);
        let shown = turned(&mut case);
        case.tablet().shows(shown, false);
        case
    }

    #[test]
    fn a_value_that_depends_on_the_order_of_arrival_is_rejected() {
        assert_eq!(sites(&broken()), ["views-differ"]);
    }

    #[test]
    fn a_split_that_depends_on_the_order_of_arrival_is_rejected() {
        let mut case = conflict();
        case.phone().reads(MEAL);
        let mut shown = case.tablet().shown(MEAL);
        let beside = std::mem::take(&mut shown.fields[0].3);
        shown.fields[0].2.extend(beside);
        case.tablet().shows(shown.into(), false);
        assert_eq!(sites(&case), ["views-differ"]);
    }

    #[test]
    fn devices_with_other_strategies_may_show_other_values() {
        let mut case = conflict();
        case.phone().reads(MEAL);
        registers(&mut case, Custom::First);
        let shown = turned(&mut case);
        case.tablet().shows(shown, false);
        registers(&mut case, Custom::Longest);
        case.tablet().reads(MEAL);
        case.ends().passes();
    }

    #[test]
    fn a_registration_does_not_outlive_a_crash() {
        let mut case = conflict();
        case.phone().reads(MEAL);
        registers(&mut case, Custom::First);
        let op = case.tablet().asks(Asked::Status);
        case.tablet().crashes(4);
        let shown = turned(&mut case);
        case.tablet().shows(shown, false);
        assert_eq!(sites(&case), ["views-differ"], "{op:?}");
    }
}
