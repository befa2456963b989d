//! INV-01 `no-lost-writes`: every write that was acknowledged, or shown to a user, is there at the end, or
//! was replaced by one whose author had been shown it.
//!
//! Cells are marked backwards from what the final reads show. A record that is deleted at the end
//! keeps only what the deletes had seen: a delete that never saw an edit must not hide it.

use std::sync::Arc;

use engine::device::Presence;
use engine::id::{FieldId, Remote, Token};

use super::spared::Spared;
use crate::history::{Contents, WriteKind};
use crate::invariant::Invariant::NoLostWrites;
use crate::invariant::evidence::causes::stranded;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::writes::{RecordWrites, Write};
use crate::invariant::evidence::{Evidence, Observation};
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(settled) = evidence.settled else { return };
    let (ends, stranded) = (ends(evidence), stranded(evidence));
    for (record_key, end) in ends.iter().enumerate() {
        let spared = Spared::of(evidence, &stranded, record_key);
        let kept = keep(evidence, record_key, end, Some(&spared));
        for cell in 0..evidence.writes.records[record_key].cells.len() {
            let cell = u32::try_from(cell).expect("cells are numbered in 32 bits");
            let write = evidence.writes.author(record_key, cell);
            let field = evidence.writes.records[record_key].cells[cell as usize].field;
            let first = write.cells.iter().find(|(_, cell)| !kept.has(*cell));
            if !write.counts() || first.is_none_or(|(lost, _)| *lost != field) {
                continue;
            }
            if let Some(by) = write.destroyed {
                let gone = write.cells.iter().map(|(_, cell)| *cell).filter(|it| !kept.has(*it));
                excuse(evidence, findings, record_key, gone.map(|cell| (cell, by)));
            } else {
                let fact = end.told.unwrap_or(settled);
                report(evidence, findings, fact, (record_key, cell), write);
            }
        }
        if !spared.is_empty() {
            let kept = keep(evidence, record_key, end, None);
            let gone = spared.kept.iter().chain(&spared.purged).filter(|it| !kept.has(it.0));
            excuse(evidence, findings, record_key, gone.copied());
        }
    }
}

/// How a record stands at the end.
#[derive(Clone, Debug, Default)]
struct FinalRecord {
    live: bool,
    shown: Vec<(FieldId, Token)>,
    /// The fact that tells.
    told: Option<usize>,
}

/// The end of every record: what the final reads show together; where no device is left to read
/// it, what the remotes hold. What was relied on need be at one remote only, since a device that comes
/// later merges both: so a delete at one remote removes from the other what it had observed.
fn ends(evidence: &Evidence<'_>) -> Vec<FinalRecord> {
    let mut ends = vec![FinalRecord::default(); evidence.writes.records.len()];
    for observation in evidence.final_observations() {
        let end = &mut ends[observation.record_key];
        end.told = Some(observation.at);
        if observation.shown.presence == Presence::Live {
            end.live = true;
            end.shown.extend(observation.tokens());
        }
    }
    for (record_key, end) in ends.iter_mut().enumerate() {
        let RecordWrites { vault, id, .. } = evidence.writes.records[record_key];
        if end.told.is_some() {
            continue;
        }
        let stored = Remote::ALL.map(|remote| {
            let row = evidence.found(remote).get(&(vault, id))?;
            end.told.get_or_insert(row.at);
            let made_from = &evidence.stored_on(remote).versions(vault, id).last()?.made_from;
            Some((row.contents?, &**made_from))
        });
        let (live, deleted): (Vec<_>, Vec<_>) =
            stored.into_iter().flatten().partition(|(contents, _)| contents.live);
        let deleted: Vec<&Set> = deleted.into_iter().map(|(_, made_from)| made_from).collect();
        for (contents, _) in live {
            end.live |= survives(evidence, record_key, contents, &deleted);
            end.shown.extend(&contents.cells);
        }
    }
    ends
}

/// Is a live copy of a record still live once it is merged with deleted ones, by what these were made from?
/// The headstone of a purge has no token by which the contents would show it.
fn survives(evidence: &Evidence<'_>, record_key: usize, live: &Contents, deleted: &[&Set]) -> bool {
    let writes = &evidence.writes;
    let is_deleted =
        |cell| deleted.iter().any(|made_from| writes.deleted_in(record_key, cell, made_from));
    live.cells.iter().any(|&(field, token)| {
        field != FieldId::HEADSTONE
            && writes.cell(record_key, field, token).is_none_or(|cell| !is_deleted(cell))
    })
}

/// All cells that are accounted for, with what is spared or without.
fn keep(
    evidence: &Evidence<'_>,
    record_key: usize,
    end: &FinalRecord,
    spared: Option<&Spared>,
) -> Set {
    let writes = &evidence.writes;
    let mut kept = Set::default();
    for &(field, token) in &end.shown {
        if let Some(cell) = writes.cell(record_key, field, token) {
            kept.insert(cell);
        }
    }
    spared.iter().flat_map(|it| &it.kept).for_each(|(cell, _)| kept.insert(*cell));
    let cells = &writes.records[record_key].cells;
    for cell in writes.records[record_key].deletes.iter() {
        let delete = writes.author(record_key, cell);
        let is_kept = !end.live && delete.took_effect();
        if is_kept || is_beaten(evidence, record_key, (end, spared), cell) {
            kept.insert(cell);
        }
    }
    for cell in (0..cells.len()).rev() {
        let number = u32::try_from(cell).expect("cells are numbered in 32 bits");
        // What went with its only place had replaced nothing elsewhere.
        let replaced = cells[cell].newer.iter().any(|&newer| {
            let by = writes.author(record_key, newer);
            let counts = spared.is_some() || by.token != Token::NONE;
            counts && by.took_effect() && kept.has(newer)
        });
        if replaced {
            kept.insert(number);
        }
    }
    kept
}

/// A live record does not show its headstones. A delete has not been lost if something is shown
/// that no delete had seen; one that never left a stranded device cannot have hidden it elsewhere.
fn is_beaten(
    evidence: &Evidence<'_>,
    record_key: usize,
    (end, spared): (&FinalRecord, Option<&Spared>),
    delete: u32,
) -> bool {
    let writes = &evidence.writes;
    let stranded =
        |by: &Write| by.device.is_some_and(|own| spared.is_some_and(|spared| spared.has(own)));
    let counts = |cell: &u32| {
        let by = writes.author(record_key, *cell);
        *cell == delete || by.is_owed() && (by.is_accepted() || !stranded(by))
    };
    let deletes: Vec<u32> = writes.records[record_key].deletes.iter().filter(counts).collect();
    let seen = |cell| deletes.iter().any(|&delete| writes.replaced(record_key, cell, delete));
    let unread = spared.iter().flat_map(|spared| &spared.unread);
    end.live
        && end.shown.iter().chain(unread).any(|&(field, token)| {
            writes.cell(record_key, field, token).is_none_or(|cell| !seen(cell))
        })
}

/// Notes the writes of cells that are gone, each with the fault that took it. One that a user replaced is
/// missed by nobody.
fn excuse(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    record_key: usize,
    gone: impl Iterator<Item = (u32, usize)>,
) {
    let writes = &evidence.writes;
    let record = &writes.records[record_key];
    for (cell, by) in gone {
        let write = writes.author(record_key, cell);
        let replaces = |newer: &u32| {
            let newer = writes.author(record_key, *newer);
            newer.took_effect() && newer.token != Token::NONE
        };
        let is_replaced = record.cells[cell as usize].newer.iter().any(replaces);
        if write.counts() && write.token != Token::NONE && !is_replaced {
            let name = evidence.write_name(write.token);
            findings.excuse(evidence, (name, record.id.to_string()), write.asked, by);
        }
    }
}

fn report(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    fact: usize,
    (record_key, cell): (usize, u32),
    write: &Write,
) {
    let id = evidence.writes.records[record_key].id;
    let (last, gone) = trace(evidence, record_key, cell);
    let site = match (write.kind, last, gone) {
        (WriteKind::Delete, ..) => "delete-undone",
        (WriteKind::Set | WriteKind::Increment, _, Some(_)) => "replaced-unseen",
        (WriteKind::Set | WriteKind::Increment, Some(_), None) => "not-at-the-end",
        (WriteKind::Set | WriteKind::Increment, None, None) => "never-kept",
    };
    let message = message(evidence, (record_key, cell), write, (last, gone));
    let with = [Some(write.asked), write.saved, last, gone].into_iter().flatten();
    let at = gone.unwrap_or(fact);
    let about = About::write(id, write.token);
    findings.report(evidence, (NoLostWrites, site), at, about, message, with.chain([fact]));
}

/// Which write is lost, who could rely on it since when, and what became of it.
fn message(
    evidence: &Evidence<'_>,
    (record_key, cell): (usize, u32),
    write: &Write,
    (last, gone): (Option<usize>, Option<usize>),
) -> String {
    let name = evidence.cell_name(record_key, cell);
    let by = write.device.map_or("seed data", |device| evidence.device_name(device));
    let since = evidence.time(write.relied_on().unwrap_or(write.asked));
    let what = format!("{name} of {by}, relied on since {since},");
    if write.kind == WriteKind::Delete {
        return format!(
            "Lost delete: {what} has no effect any more: the record is there at the end."
        );
    }
    if let Some(gone) = gone {
        let host = evidence.host_at(gone);
        return match overwriter(evidence, record_key, cell, gone) {
            Some(by) => format!(
                "Lost update: {what} was overwritten on {host} by {}, which had not observed it.",
                evidence.cell_name(record_key, by)
            ),
            None => format!("Lost update: {what} was dropped from the copy of {host} by a merge."),
        };
    }
    match last {
        Some(last) => format!(
            "Lost write: {what} is nowhere at the end; it was last seen on {} at {}.",
            evidence.host_at(last),
            evidence.time(last)
        ),
        None => format!("Lost write: {what} was never in any device's copy."),
    }
}

/// The cell that a copy holds in place of another, from the change on that dropped that one.
fn overwriter(evidence: &Evidence<'_>, record_key: usize, lost: u32, gone: usize) -> Option<u32> {
    let writes = &evidence.writes;
    let mut changes = evidence.copy_changes.iter();
    let change = changes.find(|it| it.at == gone && it.record_key == record_key)?;
    let field = |cell: u32| writes.records[record_key].cells[cell as usize].field;
    let before = writes.held(record_key, change.before.as_deref());
    let after = writes.held(record_key, change.copy.contents.as_deref());
    after.into_iter().find(|cell| !before.contains(cell) && field(*cell) == field(lost))
}

/// Where a cell was last seen in a device's copy or reading, and the step that dropped it unseen.
fn trace(evidence: &Evidence<'_>, record_key: usize, cell: u32) -> (Option<usize>, Option<usize>) {
    let writes = &evidence.writes;
    let mut last: Option<usize> = None;
    let mut gone = None;
    for copy_change in evidence
        .copy_changes
        .iter()
        .filter(|copy_change| copy_change.record_key == record_key && !copy_change.wipe)
    {
        let lives = |contents: &Option<Arc<Contents>>| {
            writes.lives_on(record_key, cell, &writes.held(record_key, contents.as_deref()))
        };
        match (lives(&copy_change.before), lives(&copy_change.copy.contents)) {
            (_, true) => last = Some(copy_change.at),
            (true, false) => gone = Some(copy_change.at),
            (false, false) => {}
        }
    }
    let shows = |observation: &&Observation| {
        observation.record_key == record_key
            && observation
                .tokens()
                .any(|(field, token)| writes.cell(record_key, field, token) == Some(cell))
    };
    let observation =
        evidence.observations.iter().filter(shows).map(|observation| observation.at).max();
    (last.max(observation), gone)
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Remote;

    use crate::invariant::Invariant::NoLostWrites;
    use crate::invariant::case::{Case, KCAL, MEAL, PHOTO};

    /// The tablet has never been shown the phone's write; yet what it writes replaces it.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.phone().is_lost();
        case.tablet().pulls();
        case.tablet().wrongly().overwrites(MEAL, &[PHOTO]);
        case.tablet().pushes(MEAL);
        case.ends()
    }

    #[test]
    fn a_write_replaced_unseen_is_lost() {
        let violations = broken().violations();
        assert_eq!(violations.len(), 1, "{violations:#?}");
        assert_eq!(violations[0].site, "replaced-unseen");
        assert!(violations[0].evidence.len() >= 4);
    }

    #[test]
    fn a_write_replaced_by_one_who_saw_it_is_not_lost() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.phone().is_lost();
        case.tablet().pulls();
        case.tablet().edits(MEAL, &[KCAL]);
        case.tablet().pushes(MEAL);
        case.ends().passes();
    }

    #[test]
    fn a_write_that_died_with_its_only_holder_is_not_owed() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().is_lost();
        case.ends().passes();
    }

    #[test]
    fn a_delete_that_is_undone_is_lost() {
        let mut case = Case::new();
        let edit = case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.phone().deletes(MEAL);
        let lie = case.phone().holds(MEAL, &[edit]);
        case.phone().persists(vec![lie]);
        let violations = case.ends().violations();
        assert!(violations.iter().any(|violation| violation.site == "delete-undone"));
    }

    /// The phone deletes the record at one remote and is lost; the other remote holds it live.
    fn deleted_at_one_remote() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.phone().deletes(MEAL);
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.phone().is_lost();
        case
    }

    #[test]
    fn a_delete_that_one_remote_has_is_not_lost() {
        let mut case = deleted_at_one_remote();
        case.tablet().is_lost();
        case.ends().passes();
    }

    #[test]
    fn a_delete_is_lost_when_an_old_copy_replaces_it_at_its_only_remote() {
        let mut case = deleted_at_one_remote();
        case.tablet().at(Remote::Zone).saves(MEAL);
        case.tablet().is_lost();
        case.ends().breaks(NoLostWrites, "delete-undone");
    }

    #[test]
    fn an_edit_that_a_delete_had_not_seen_beats_it() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.phone().deletes(MEAL);
        case.tablet().edits(MEAL, &[PHOTO]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.tablet().pushes(MEAL);
        case.phone().pulls();
        case.ends().passes();
    }
}
