//! INV-05 `cursors-are-safe`: a durable cursor passes a row only if the row is durably applied or
//! sealed.
//!
//! A cursor stands for the positions at which the remote itself says that it would never again
//! serve anything; so this convicts an unsafe feed as well as a careless device. A cursor that no page
//! led to is judged where the remote first says what it means. Rows are judged as
//! they stood when the page was served, since feeds coalesce. Both designs pass: to stop before a
//! row that cannot be opened, or to seal it and go on. That what was passed stays kept is judged in
//! `kept`.

use std::collections::BTreeMap;

use engine::id::{DeviceId, RecordId, Remote, VaultId};
use engine::remote::Cursor;

use super::Reached;
use crate::history::table::Table;
use crate::history::{Fact, Fault};
use crate::invariant::Invariant::CursorsAreSafe;
use crate::invariant::evidence::{CursorAdvance, Evidence, Held, RemoteRow};
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

/// Judges each durable cursor; up to which position they had passed each remote.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) -> Reached {
    let pages = pages(evidence);
    let mut reached = Reached::new();
    // When the feed stood where the last durable cursor says: pages since then may lie between.
    let mut since: BTreeMap<(DeviceId, Remote), usize> = BTreeMap::new();
    for advance in &evidence.advances {
        let line = reached.entry((advance.device, advance.remote)).or_default();
        let floor = line.last().copied().unwrap_or_default();
        let page = advance.cursor.and_then(|cursor| find(&pages, evidence, advance, cursor));
        let started = matches!(evidence.history[advance.at].fact, Fact::Started { .. });
        let advance =
            &CursorAdvance { at: page.map_or(0, |page| page.at).max(advance.at), ..*advance };
        let now = match (advance.cursor, page) {
            (None, _) => 0,
            // The remote refuses what comes from before, and lists all rows again.
            (Some(_), Some(page)) if evidence.is_set_back(advance.remote, page.at, advance.at) => 0,
            (Some(_), Some(page)) => page.never_again_below,
            // What an image holds was judged where it was made; a prepared one is at the head.
            (Some(_), None) if started => head(evidence, advance),
            (Some(_), None) => continue,
        };
        line.push(advance.at, now);
        let stood = page.map_or(advance.at, |page| page.first);
        let from = since.insert((advance.device, advance.remote), stood).unwrap_or(0);
        let page = page.map(|page| Page { first: page.first.min(from), ..*page });
        if let Some(page) = page.filter(|_| !started) {
            for &(pos, vault, id) in passed(evidence, advance, floor, now) {
                check(evidence, findings, advance, &page, (pos, vault, id));
            }
        }
    }
    reached
}

/// A page that was served.
#[derive(Clone, Copy, Debug)]
struct Page {
    at: usize,
    next: Cursor,
    /// When the same request was first answered so (either answer may be the one that was taken), or
    /// when the feed stood at the last durable cursor before: pages in between may be part of it.
    first: usize,
    never_again_below: u64,
}

/// What each remote served to each device, in order.
type Pages = BTreeMap<(DeviceId, Remote), Vec<Page>>;

fn pages(evidence: &Evidence<'_>) -> Pages {
    let mut pages = Pages::new();
    let mut first: Table<_, usize> = Table::default();
    for &(at, entry) in &evidence.off_wire {
        if let (Node::Remote(remote), Fact::Served(page)) = (entry.node, &entry.fact)
            && let (Node::Device(device), Some(next)) = (page.to, page.next)
        {
            let first = *first.or_insert_with((device, remote, page.call), || at);
            let page = Page { at, next, first, never_again_below: page.never_again_below };
            pages.entry((device, remote)).or_default().push(page);
        }
    }
    pages
}

/// The page that this cursor comes from: the last such before it was stored. An image may hold a
/// cursor that another device was given. Where there is none the device made the cursor up; what that
/// means is seen when nothing lies beyond it.
fn find<'p>(
    pages: &'p Pages,
    evidence: &Evidence<'_>,
    advance: &CursorAdvance,
    cursor: Cursor,
) -> Option<&'p Page> {
    let before = |device: DeviceId| {
        let pages = pages.get(&(device, advance.remote))?;
        let upto = pages.partition_point(|page| page.at < advance.at);
        pages[..upto].iter().rev().find(|page| page.next == cursor)
    };
    let started = matches!(evidence.history[advance.at].fact, Fact::Started { .. });
    let after = || {
        let pages = pages.get(&(advance.device, advance.remote))?;
        pages.iter().find(|page| page.next == cursor)
    };
    before(advance.device).or_else(|| if started { None } else { after() }).or_else(|| {
        let mut devices = (0..evidence.context.devices.len())
            .filter_map(|device| Some(DeviceId(u16::try_from(device).ok()?)))
            .filter(|device| started && evidence.vault(*device) == evidence.vault(advance.device));
        devices.find_map(before)
    })
}

fn head(evidence: &Evidence<'_>, advance: &CursorAdvance) -> u64 {
    evidence.stored_on(advance.remote).log.last().map_or(0, |(pos, ..)| *pos)
}

fn passed<'e>(
    evidence: &'e Evidence<'_>,
    advance: &CursorAdvance,
    floor: u64,
    upto: u64,
) -> &'e [(u64, VaultId, RecordId)] {
    let log = &evidence.stored_on(advance.remote).log;
    let from = log.partition_point(|(pos, ..)| *pos <= floor);
    let to = log.partition_point(|(pos, ..)| *pos <= upto);
    log.get(from..to).unwrap_or_default()
}

fn check(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    advance: &CursorAdvance,
    page: &Page,
    (pos, vault, id): (u64, VaultId, RecordId),
) {
    if vault != evidence.vault(advance.device) {
        return;
    }
    let Some(version) = evidence.stored_on(advance.remote).row(vault, id, page.at) else { return };
    if version.pos != pos {
        return; // A later state of this row is judged at its own position.
    }
    let row = RemoteRow { remote: advance.remote, vault, id, version };
    let (site, lost) = match evidence.holds(advance.device, &row, advance.at) {
        Held::Yes => return,
        Held::NotMirrored => ("row-passed", None),
        Held::NotJoined(cell) => ("row-not-joined", Some(cell)),
    };
    let other = lost.is_some()
        && evidence.was_served_another(advance.at, advance.device, (advance.remote, id));
    if other || is_hidden(evidence, vault, id, page) {
        return;
    }
    let record_key = evidence.writes.record_key(vault, id);
    let lost = record_key.zip(lost);
    let (device, remote) =
        (evidence.device_name(advance.device), evidence.remote_name(advance.remote));
    let message = match lost {
        Some((record_key, lost)) => format!(
            "{device}: a merge dropped {}: the cursor of {remote} passed the row at position {pos}, \
             which is recorded as held, but the copy lacks it.",
            evidence.cell_name(record_key, lost)
        ),
        None => format!(
            "{device}: the cursor of {remote} passed {id} at position {pos}, which is neither applied \
             nor sealed."
        ),
    };
    let first = || version.contents.as_ref()?.cells.first().map(|cell| cell.1);
    let lost = lost.map(|(record_key, cell)| evidence.writes.author(record_key, cell).token);
    let about = About { record: Some(id), token: lost.or_else(first) };
    let with = [version.at, page.at];
    findings.report(evidence, (CursorsAreSafe, site), advance.at, about, message, with);
}

fn is_hidden(evidence: &Evidence<'_>, vault: VaultId, id: RecordId, page: &Page) -> bool {
    evidence.faults.iter().any(|fault| {
        matches!(fault.kind, Fault::HideRow(it) if (VaultId::from(it.user), it.row) == (vault, id))
            && fault.overlaps(page.first, page.at)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Remote;
    use harness::time::Span;

    use crate::fault::{Age, RestoreRemote};
    use crate::history::{Change, Fact};
    use crate::invariant::case::{Case, KCAL, MEAL};

    /// The tablet stores the cursor of a page in a commit before its rows.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        let (_, next) = case.tablet().at(Remote::Zone).is_served();
        case.tablet().persists(vec![Change::Cursor(Remote::Zone, Some(next))]);
        let row = vec![
            case.tablet().at(Remote::Zone).mirrors(MEAL),
            case.tablet().at(Remote::Zone).joins(MEAL),
        ];
        case.tablet().persists(row);
        case.tablet().at(Remote::Rows).pulls();
        case.ends()
    }

    #[test]
    fn a_cursor_must_not_pass_a_row_that_is_not_kept() {
        assert_eq!(broken().violations()[0].site, "row-passed");
    }

    #[test]
    fn a_row_booked_but_not_joined_counts_as_passed() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        let (_, next) = case.tablet().at(Remote::Zone).is_served();
        let row = case.tablet().at(Remote::Zone).mirrors(MEAL);
        case.tablet().persists(vec![row, Change::Cursor(Remote::Zone, Some(next))]);
        assert!(case.violations().iter().any(|violation| violation.site == "row-not-joined"));
    }

    /// The zone refuses that cursor, and lists the row again.
    #[test]
    fn a_cursor_from_before_a_backup_passes_nothing() {
        for is_restored in [true, false] {
            let mut case = Case::new();
            case.phone().edits(MEAL, &[KCAL]);
            case.phone().pushes(MEAL);
            let (_, next) = case.tablet().at(Remote::Zone).is_served();
            if is_restored {
                let restore = RestoreRemote { remote: Remote::Zone, by: Age(Span(1_000)) };
                case.fact(Remote::Zone, Fact::Faulted(restore.into()));
            }
            case.tablet().persists(vec![Change::Cursor(Remote::Zone, Some(next))]);
            let found = case.violations();
            assert_eq!(found.iter().any(|it| it.site == "row-passed"), !is_restored);
        }
    }

    #[test]
    fn a_sealed_row_may_be_passed() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        let (_, next) = case.tablet().at(Remote::Zone).is_served();
        let sealed = case.tablet().at(Remote::Zone).seals(MEAL);
        case.tablet().persists(vec![sealed, Change::Cursor(Remote::Zone, Some(next))]);
        case.tablet().at(Remote::Rows).pulls();
        case.ends().passes();
    }
}
