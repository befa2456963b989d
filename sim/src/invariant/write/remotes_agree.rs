//! INV-20 `remotes-agree`: at the end both remotes hold what the devices show.
//!
//! No device relays where none with keys is left, and a row that the plan made incurable may
//! differ, at that remote alone. A headstone is part of a row and never shown.

use std::collections::{BTreeMap, BTreeSet};

use engine::device::Presence;
use engine::id::{DeviceId, FieldId, RecordId, Remote, Token, VaultId};

use crate::invariant::Invariant::RemotesAgree;
use crate::invariant::evidence::causes::is_beyond_reach;
use crate::invariant::evidence::{Evidence, FoundRow, Observation};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::field_name;
use crate::plan::Node;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(settled) = evidence.settled else { return };
    let found: BTreeMap<Remote, _> =
        evidence.context.remotes.iter().map(|remote| (*remote, evidence.found(*remote))).collect();
    if found.values().all(|rows| rows.is_empty()) && evidence.final_observations().next().is_none()
    {
        return; // No remote was read at the end.
    }
    let observations = observations(evidence);
    let rows = found.values().flat_map(|rows| rows.keys());
    let shown = observations.keys();
    for &(vault, id) in rows.chain(shown).collect::<BTreeSet<_>>() {
        if !has_relay(evidence, vault) || is_beyond_reach(evidence, vault, id) {
            continue;
        }
        let mut ends: Vec<FinalRow> = found
            .iter()
            .filter(|(remote, _)| !evidence.is_incurable(Some(**remote), vault, id))
            .map(|(remote, rows)| FinalRow::of_row(*remote, rows.get(&(vault, id)), settled))
            .collect();
        ends.extend(
            observations.get(&(vault, id)).map(|observation| FinalRow::of_observation(observation)),
        );
        for pair in ends.windows(2) {
            if let Some(cell) = pair[0].differs(&pair[1]) {
                let about = About { record: Some(id), token: cell.map(|cell| cell.1) };
                let site = if pair[1].is_observation { "remote-and-device" } else { "remotes" };
                let message = message(evidence, id, (&pair[0], &pair[1]), cell);
                let place = (RemotesAgree, site);
                findings.report(evidence, place, pair[1].at, about, message, [pair[0].at]);
                break;
            }
        }
    }
}

/// What two places hold of a field of which they hold different writes.
fn message(
    evidence: &Evidence<'_>,
    id: RecordId,
    (one, two): (&FinalRow, &FinalRow),
    cell: Option<(FieldId, Token)>,
) -> String {
    let (first, second) = (evidence.name(one.host), evidence.name(two.host));
    let live = |end: &FinalRow| end.holds.as_ref().is_some_and(|(live, _)| *live);
    let presence = |end: &FinalRow| if live(end) { "live" } else { "absent or deleted" };
    match cell {
        Some((field, _)) if live(one) == live(two) => {
            let held = |end: &FinalRow| {
                let cells = end.holds.iter().flat_map(|(_, cells)| cells.iter().copied());
                evidence.write_names(cells, field)
            };
            format!(
                "{id}.{} differs at the end: {first} holds {} and {second} holds {}.",
                field_name(id, field),
                held(one),
                held(two)
            )
        }
        Some(_) | None => format!(
            "{id} differs at the end: it is {} on {first} and {} on {second}.",
            presence(one),
            presence(two)
        ),
    }
}

fn has_relay(evidence: &Evidence<'_>, vault: VaultId) -> bool {
    (0..evidence.context.devices.len())
        .filter_map(|device| Some(DeviceId(u16::try_from(device).ok()?)))
        .any(|device| evidence.vault(device) == vault && evidence.is_core(device))
}

/// The first device's final read of every record.
fn observations<'e>(evidence: &'e Evidence<'_>) -> BTreeMap<(VaultId, RecordId), &'e Observation> {
    let mut observations = BTreeMap::new();
    for observation in evidence.final_observations() {
        let record_key = &evidence.writes.records[observation.record_key];
        observations.entry((record_key.vault, record_key.id)).or_insert(observation);
    }
    observations
}

/// How one place holds a record at the end.
#[derive(Debug)]
struct FinalRow {
    at: usize,
    host: Node,
    is_observation: bool,
    /// None where it cannot be told.
    holds: Option<(bool, BTreeSet<(FieldId, Token)>)>,
}

impl FinalRow {
    fn of_row(remote: Remote, row: Option<&FoundRow<'_>>, settled: usize) -> Self {
        let holds = match row {
            None => Some((false, BTreeSet::new())),
            Some(row) => row.contents.map(|contents| {
                let values = contents.cells.iter().filter(|cell| cell.0 != FieldId::HEADSTONE);
                (contents.live, values.copied().collect())
            }),
        };
        Self {
            at: row.map_or(settled, |row| row.at),
            host: Node::Remote(remote),
            is_observation: false,
            holds,
        }
    }

    fn of_observation(observation: &Observation) -> Self {
        let live = observation.shown.presence == Presence::Live;
        Self {
            at: observation.at,
            host: Node::Device(observation.device),
            is_observation: true,
            holds: Some((live, observation.tokens().collect())),
        }
    }

    /// A write that one has and the other lacks, if they differ. Of what is deleted on both sides
    /// only that is compared.
    fn differs(&self, other: &Self) -> Option<Option<(FieldId, Token)>> {
        let ((live, one), (other_live, two)) = (self.holds.as_ref()?, other.holds.as_ref()?);
        if live == other_live && (!live || one == two) {
            return None;
        }
        Some(one.symmetric_difference(two).next().copied())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Remote;

    use crate::invariant::case::{Case, KCAL, MEAL};

    /// The tablet has the phone's edit by one remote; the other never gets it.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.tablet().pulls();
        case.ends()
    }

    #[test]
    fn an_edit_on_one_remote_alone_is_rejected() {
        assert_eq!(broken().violations()[0].site, "remotes");
    }

    #[test]
    fn an_edit_that_another_device_relayed_is_on_both() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.phone().is_lost();
        case.tablet().pulls();
        case.tablet().at(Remote::Rows).pushes(MEAL);
        case.ends().passes();
    }
}
