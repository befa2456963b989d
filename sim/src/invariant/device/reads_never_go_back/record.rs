//! INV-23 `reads-never-go-back`: per device and record, what was shown or acknowledged stays
//! shown until something replaces or deletes it; and who is shown a write is shown what its author
//! had been shown of that record.
//!
//! A floor is what a device must not un-see. It outlives crashes and ends with a sign-out and with
//! a restored or cloned disk. Order across records is not promised. After Terry et al., *Session
//! Guarantees*, 1994, in one pass as in jepsen-causal-consistency.

use std::collections::BTreeMap;

use engine::device::Presence;
use engine::id::DeviceId;

use crate::history::table::Table;
use crate::invariant::Invariant::ReadsNeverGoBack;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::{Evidence, Observation};
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut floors = RecordFloors::default();
    for (at, event) in events(evidence) {
        match event {
            RecordEvent::Asked(write) => floors.carry(evidence, write),
            RecordEvent::Saved(write) => floors.raise(evidence, write),
            RecordEvent::Observed(observation) => floors.check(evidence, findings, at, observation),
            RecordEvent::Replaced(device) => floors.held.retain(|key, _| key.0 != device),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum RecordEvent<'a> {
    Asked(usize),
    Saved(usize),
    Observed(&'a Observation),
    Replaced(DeviceId),
}

fn events<'e>(evidence: &'e Evidence<'_>) -> Vec<(usize, RecordEvent<'e>)> {
    let mut events =
        Vec::with_capacity(2 * evidence.writes.all.len() + evidence.observations.len());
    for (number, write) in evidence.writes.all.iter().enumerate() {
        if write.device.is_some() && write.token != engine::id::Token::NONE {
            events.push((write.asked, RecordEvent::Asked(number)));
            events.extend(write.saved.map(|at| (at, RecordEvent::Saved(number))));
        }
    }
    events.extend(
        evidence
            .observations
            .iter()
            .map(|observation| (observation.at, RecordEvent::Observed(observation))),
    );
    for (device, disk) in evidence.disks.iter().enumerate() {
        let device = DeviceId(u16::try_from(device).expect("devices are numbered in 16 bits"));
        events.extend(disk.replaced.iter().map(|&at| (at, RecordEvent::Replaced(device))));
    }
    events.sort_by_key(|event| event.0);
    events
}

#[derive(Debug, Default)]
struct RecordFloors {
    held: BTreeMap<(DeviceId, usize), Set>,
    /// What the author of a write had to be shown, by write.
    carried: Table<usize, Set>,
}

impl RecordFloors {
    fn carry(&mut self, evidence: &Evidence<'_>, number: usize) {
        let write = &evidence.writes.all[number];
        let floor = write.device.and_then(|device| self.held.get(&(device, write.record_key)));
        if let Some(floor) = floor {
            self.carried.insert(number, floor.clone());
        }
    }

    fn raise(&mut self, evidence: &Evidence<'_>, number: usize) {
        let write = &evidence.writes.all[number];
        let Some(device) = write.device else { return };
        let record_key = &evidence.writes.records[write.record_key];
        let floor = self.held.entry((device, write.record_key)).or_default();
        let replaced = |old: u32| {
            write.cells.iter().any(|(_, cell)| record_key.cells[*cell as usize].older.has(old))
        };
        let mut next = Set::default();
        floor.iter().filter(|&old| !replaced(old)).for_each(|old| next.insert(old));
        let values = write.cells.iter().filter(|(_, cell)| !record_key.deletes.has(*cell));
        values.for_each(|(_, cell)| next.insert(*cell));
        *floor = next;
    }

    fn check(
        &mut self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        at: usize,
        observation: &Observation,
    ) {
        let writes = &evidence.writes;
        let mut shown = Set::default();
        for (field, token) in observation.tokens() {
            if let Some(cell) = writes.cell(observation.record_key, field, token) {
                shown.insert(cell);
            }
        }
        let floor = self.held.entry((observation.device, observation.record_key)).or_default();
        let mut must = std::mem::take(floor);
        for cell in shown.iter() {
            if let Some(carried) =
                self.carried.get(writes.records[observation.record_key].cells[cell as usize].write)
            {
                must.union(carried);
            }
        }
        let live = observation.shown.presence == Presence::Live;
        let none = Set::default();
        for old in must.beyond(if live { &shown } else { &none }) {
            let replaced =
                live && shown.iter().any(|new| writes.replaced(observation.record_key, old, new));
            if replaced || was_deleted(evidence, observation.record_key, old, at) {
                continue;
            }
            let write = writes.author(observation.record_key, old);
            let id = writes.records[observation.record_key].id;
            let site = if live { "write-unseen" } else { "record-unseen" };
            let message = format!(
                "{} no longer shows {}, which it had shown or acknowledged, or the author of what it shows \
                 had observed.",
                evidence.device_name(observation.device),
                evidence.cell_name(observation.record_key, old)
            );
            let about = About::write(id, write.token);
            let with = [Some(write.asked), write.saved].into_iter().flatten();
            findings.report(evidence, (ReadsNeverGoBack, site), at, about, message, with);
        }
        *floor = shown;
    }
}

/// Had a user who saw it, or what replaced it, deleted it by then?
fn was_deleted(evidence: &Evidence<'_>, record_key: usize, cell: u32, at: usize) -> bool {
    let cells = &evidence.writes.records[record_key];
    cells.deletes.iter().any(|delete| {
        let by = evidence.writes.author(record_key, delete);
        by.asked < at && by.took_effect() && cells.cells[delete as usize].older.has(cell)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::invariant::case::{Case, KCAL, MEAL, PHOTO};

    /// The phone once shows the record without its own acknowledged edit.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        let before = case.phone().shown(MEAL);
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().shows(before.into(), false);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends()
    }

    #[test]
    fn an_acknowledged_edit_stays_shown() {
        assert_eq!(broken().violations()[0].site, "write-unseen");
    }

    #[test]
    fn who_sees_a_write_sees_what_its_author_saw() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().edits(MEAL, &[PHOTO]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        let mut half = case.tablet().shown(MEAL);
        half.fields.remove(0);
        case.tablet().shows(half.into(), false);
        assert_eq!(case.violations()[0].site, "write-unseen");
    }

    #[test]
    fn what_another_user_replaced_or_deleted_may_go() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.tablet().edits(MEAL, &[KCAL]);
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        case.phone().reads(MEAL);
        case.tablet().deletes(MEAL);
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        case.ends().passes();
    }
}
