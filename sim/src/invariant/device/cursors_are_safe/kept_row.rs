//! INV-05 `cursors-are-safe`, after the cursor: a row that a durable cursor has passed is never
//! served again, so it stays joined or sealed at every later commit.
//!
//! That ends when the remote holds another state of the row or none, when its cells are replaced or
//! deleted, when the feed is taken from the start again, and when the whole store is replaced. Only
//! commits that let go of something are looked at.

use engine::id::{DeviceId, RecordId, Remote};
use engine::remote::Tag;

use super::Reached;
use crate::invariant::Invariant::CursorsAreSafe;
use crate::invariant::evidence::{Copy, Disk, Evidence, Held, RemoteRow, RowState, Timeline};
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings, reached: &Reached) {
    for (device, disk) in (0..).map(DeviceId).zip(&evidence.disks) {
        let judge = PassedRows { evidence, reached, device, disk };
        for ((remote, id), line) in disk.sealed.sorted() {
            judge.seals(findings, remote, id, line);
        }
        for (id, line) in disk.records.sorted() {
            judge.copies(findings, id, line);
        }
    }
}

/// One device and what it must keep.
struct PassedRows<'e> {
    evidence: &'e Evidence<'e>,
    reached: &'e Reached,
    device: DeviceId,
    disk: &'e Disk,
}

impl PassedRows<'_> {
    /// Whatever leaves the seal is joined, or something else stands there now.
    fn seals(
        &self,
        findings: &mut Findings,
        remote: Remote,
        id: RecordId,
        line: &Timeline<Option<Tag>>,
    ) {
        let mut kept: Option<(usize, Tag)> = None;
        for (moment, entry) in line.iter() {
            if let Some(tag) = *entry {
                // A row that the remote lost is kept without a tag, until it is put back.
                if tag != Tag(0) || kept.is_none() {
                    kept = Some((moment, tag));
                }
                continue;
            }
            let Some((since, tag)) = kept.take() else { continue };
            let Some(row) = self.passed(remote, id, moment).filter(|row| row.tag == Some(tag))
            else {
                continue;
            };
            if !self.has_joined(remote, id, row, moment) {
                let what = format!(
                    "dropped the sealed row {id} of {} at position {}, which its cursor had passed",
                    self.evidence.remote_name(remote),
                    row.pos
                );
                self.report(findings, ("seal-dropped", &what), id, row, moment, since);
            }
        }
    }

    /// No cell of a row that was passed leaves the copy, unless it is replaced. A write of the
    /// device's own that replaces what it had not seen is a matter of INV-01.
    fn copies(&self, findings: &mut Findings, id: RecordId, line: &Timeline<Copy>) {
        let writes = &self.evidence.writes;
        let Some(record_key) = writes.record_key(self.evidence.vault(self.device), id) else {
            return;
        };
        let mut before: Option<(usize, &Copy)> = None;
        for (moment, copy) in line.iter() {
            let Some((since, old)) = before.replace((moment, copy)) else { continue };
            let Some(contents) = old.contents.as_deref() else { continue };
            if old.contents == copy.contents || self.disk.replaced.contains(&moment) {
                continue;
            }
            let own = |cell| writes.author(record_key, cell).device == Some(self.device);
            if copy.made_from.beyond(&old.made_from).any(own) {
                continue;
            }
            let held = writes.held(record_key, copy.contents.as_deref());
            let lost = writes.cells(record_key, contents).find(|&cell| {
                !writes.lives_on(record_key, cell, &held)
                    && !writes.deleted_in(record_key, cell, &copy.made_from)
            });
            let Some(lost) = lost else { continue };
            for &remote in &self.evidence.context.remotes {
                let Some(row) = self.passed(remote, id, moment) else { continue };
                let has = |row: &RowState| {
                    row.contents
                        .as_ref()
                        .is_some_and(|row| writes.held(record_key, Some(row)).contains(&lost))
                };
                if has(row) && !self.has_joined(remote, id, row, moment) {
                    let what = format!(
                        "no longer holds {}, which it had joined from {} (position {}, passed by its \
                         cursor)",
                        self.evidence.cell_name(record_key, lost),
                        self.evidence.remote_name(remote),
                        row.pos
                    );
                    self.report(findings, ("row-forgotten", &what), id, row, moment, since);
                }
            }
        }
    }

    /// The row as it stands, if the device's cursor has passed it and its store is still the same. A remote
    /// that is set back refuses all its cursors, and lists all rows again.
    fn passed(&self, remote: Remote, id: RecordId, moment: usize) -> Option<&RowState> {
        if self.disk.replaced.contains(&moment) {
            return None;
        }
        let vault = self.evidence.vault(self.device);
        let row = self.evidence.stored_on(remote).row(vault, id, moment)?;
        let (since, upto) = self.reached.get(&(self.device, remote))?.since(moment)?;
        let is_refused = self.evidence.is_set_back(remote, since, moment);
        (row.pos <= *upto && !is_refused).then_some(row)
    }

    fn has_joined(&self, remote: Remote, id: RecordId, version: &RowState, moment: usize) -> bool {
        let vault = self.evidence.vault(self.device);
        let row = RemoteRow { remote, vault, id, version };
        self.evidence.holds(self.device, &row, moment) == Held::Yes
            || self.evidence.joined(self.device, &row, moment) == Held::Yes
    }

    fn report(
        &self,
        findings: &mut Findings,
        (site, what): (&'static str, &str),
        id: RecordId,
        row: &RowState,
        moment: usize,
        since: usize,
    ) {
        let message = format!("{} {what}.", self.evidence.device_name(self.device));
        let token = row.contents.as_ref().and_then(|contents| contents.cells.first());
        let about = About { record: Some(id), token: token.map(|cell| cell.1) };
        let place = (CursorsAreSafe, site);
        findings.report(self.evidence, place, moment, about, message, [row.at, since]);
    }
}

#[cfg(test)]
mod tests {
    use engine::id::{DeviceId, Remote};
    use engine::remote::Ending;

    use crate::fault::{EndZone, RestoreImage};
    use crate::history::{Boot, Change};
    use crate::invariant::case::{Case, KCAL, MEAL, OWNER, PHOTO, TABLET};

    /// The tablet keeps the phone's row of the zone sealed and lets its cursor pass it.
    fn sealed() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        seals(&mut case, TABLET);
        case
    }

    fn seals(case: &mut Case, device: DeviceId) {
        let (_, next) = case.device(device).at(Remote::Zone).is_served();
        let sealed = case.device(device).at(Remote::Zone).seals(MEAL);
        case.device(device).persists(vec![sealed, Change::Cursor(Remote::Zone, Some(next))]);
    }

    fn drops(case: &mut Case) {
        case.tablet().persists(vec![Change::Sealed(Remote::Zone, MEAL, None)]);
    }

    #[test]
    fn a_sealed_row_that_was_passed_is_not_dropped() {
        let mut case = sealed();
        drops(&mut case);
        case.rejects("seal-dropped");
    }

    #[test]
    fn a_sealed_row_that_was_passed_is_not_dropped_after_a_crash() {
        let mut case = sealed();
        case.tablet().crashes(1);
        drops(&mut case);
        case.rejects("seal-dropped");
    }

    #[test]
    fn a_drop_that_a_crash_undoes_is_none() {
        let mut case = sealed();
        let kept = case.tablet().hands_over(vec![Change::Sealed(Remote::Zone, MEAL, None)]) - 1;
        case.tablet().crashes(kept);
        opens(&mut case);
        case.tablet().at(Remote::Rows).pushes(MEAL);
        case.ends().passes();
    }

    /// The key arrives: what was sealed is joined.
    fn opens(case: &mut Case) {
        let mirror = case.tablet().at(Remote::Zone).mirrors(MEAL);
        let record = case.tablet().at(Remote::Zone).joins(MEAL);
        let sealed = Change::Sealed(Remote::Zone, MEAL, None);
        case.tablet().persists(vec![record, mirror, sealed]);
    }

    #[test]
    fn a_sealed_row_may_give_way_to_a_newer_state_that_is_still_to_come() {
        let mut case = sealed();
        case.phone().edits(MEAL, &[PHOTO]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        drops(&mut case);
        assert_eq!(case.violations(), []);
    }

    #[test]
    fn a_zone_that_ends_takes_its_sealed_rows_along() {
        let mut case = sealed();
        case.fact(
            Remote::Zone,
            crate::history::Fact::Faulted(EndZone { user: OWNER, how: Ending::Purged }.into()),
        );
        drops(&mut case);
        assert_eq!(case.violations(), []);
    }

    /// The zone has another state of the row for a moment, which makes the tablet let go of what it kept.
    #[test]
    fn a_row_that_a_backup_took_away_and_another_brought_back_is_served_again() {
        for is_restored in [true, false] {
            let mut case = sealed();
            let row = case.phone().at(Remote::Zone).stored(MEAL);
            let mut phone = case.phone();
            let mut zone = phone.at(Remote::Zone);
            if is_restored {
                zone.is_set_back(MEAL, Some(row));
            } else {
                zone.falls_back(MEAL, Some(row));
            }
            drops(&mut case);
            let found = case.violations();
            assert_eq!(found.iter().any(|it| it.site == "seal-dropped"), !is_restored);
        }
    }

    #[test]
    fn an_image_from_before_the_seal_is_set_back_to_with_its_cursor() {
        let mut case = sealed();
        case.fact(TABLET, crate::history::Fact::Faulted(RestoreImage { device: TABLET }.into()));
        case.tablet().starts(Boot::Restored, 0, vec![Change::Key(true), Change::Meta]);
        assert_eq!(case.violations(), []);
    }

    #[test]
    fn a_joined_row_that_was_passed_is_not_forgotten() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        let forgets = case.tablet().holds(MEAL, &[]);
        case.tablet().persists(vec![forgets]);
        case.rejects("row-forgotten");
    }
}
