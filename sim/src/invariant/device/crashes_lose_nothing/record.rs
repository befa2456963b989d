//! INV-25 `crashes-lose-nothing`: what a device is handed after a crash is the store as one of its
//! commits left it, and holds every write that it had acknowledged.

use engine::id::DeviceId;

use crate::history::{Boot, Fact};
use crate::invariant::Invariant::CrashesLoseNothing;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut stores = vec![ReplayedStore::default(); evidence.context.devices.len()];
    for &(at, entry) in &evidence.off_wire {
        let Node::Device(device) = entry.node else { continue };
        let store = &mut stores[usize::from(device.0)];
        if let Fact::Persisted { commit, hash, .. } = &entry.fact {
            store.commits.push((*commit, *hash));
        }
        if let Fact::Started { boot, hash, commit, .. } = &entry.fact {
            if *boot == Boot::Restart {
                if store.hash_of(*commit).is_some_and(|expected| expected != *hash) {
                    let message = format!(
                        "{} restarted on a store that differs from what its commit {commit} had left.",
                        evidence.device_name(device)
                    );
                    let place = (CrashesLoseNothing, "store-differs");
                    findings.report(evidence, place, at, About::default(), message, store.last);
                }
                acknowledged_writes_are_there(evidence, findings, at, device);
            }
            *store = ReplayedStore { base: Some(*hash), commits: Vec::new(), last: Some(at) };
        }
    }
}

/// The digests of a device's store in this life.
#[derive(Clone, Debug, Default)]
struct ReplayedStore {
    base: Option<u64>,
    commits: Vec<(u32, u64)>,
    last: Option<usize>,
}

impl ReplayedStore {
    fn hash_of(&self, commit: u32) -> Option<u64> {
        if commit == 0 {
            return self.base;
        }
        self.commits.iter().find(|(number, _)| *number == commit).map(|(_, hash)| *hash)
    }
}

fn acknowledged_writes_are_there(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    device: DeviceId,
) {
    let writes = &evidence.writes;
    let disk = evidence.disk(device);
    let since = disk.replaced_before(at);
    for write in &writes.all {
        let Some(saved) = write.saved.filter(|saved| *saved < at) else { continue };
        if !evidence.answers_for(device, write, since) {
            continue;
        }
        let id = writes.records[write.record_key].id;
        let copy = disk.records.get(id).and_then(|line| line.at(at));
        let held = writes.held(write.record_key, copy.and_then(|copy| copy.contents.as_deref()));
        let lives = |cell: u32| {
            // A purge's own headstone has no token to be found by.
            writes.lives_on(write.record_key, cell, &held)
                || copy
                    .is_some_and(|copy| writes.deleted_in(write.record_key, cell, &copy.made_from))
        };
        if !write.cells.iter().all(|(_, cell)| lives(*cell)) {
            let dropped =
                write.cells.iter().find(|(_, cell)| !lives(*cell)).map_or(0, |cell| cell.1);
            let message = format!(
                "{} restarted without {} of {}, acknowledged as saved at {}.",
                evidence.device_name(device),
                evidence.cell_name(write.record_key, dropped),
                evidence.author_name(write.token),
                evidence.time(saved)
            );
            let place = (CrashesLoseNothing, "saved-and-gone");
            let about = About::write(id, write.token);
            findings.report(evidence, place, at, about, message, [write.asked, saved]);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::history::{Answered, Fact};
    use crate::invariant::case::{Case, KCAL, MEAL};

    /// The phone starts again on a store that no commit of it had left.
    pub(crate) fn broken() -> Case {
        let mut case = survived();
        for entry in &mut case.history {
            if let (1, Fact::Started { hash, .. }) = (entry.incarnation, &mut entry.fact) {
                *hash ^= 1;
            }
        }
        case
    }

    fn survived() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        let change = case.phone().record(MEAL);
        case.phone().hands_over(vec![change]);
        case.phone().crashes(1);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends()
    }

    #[test]
    fn a_torn_store_is_rejected() {
        assert_eq!(broken().violations()[0].site, "store-differs");
    }

    #[test]
    fn a_write_that_was_saved_before_it_was_durable_is_missed() {
        let mut case = Case::new();
        let (op, write) = case.phone().asks_to_write(MEAL, &[KCAL], Vec::new());
        let change = case.phone().holds(MEAL, &[write]);
        case.phone().hands_over(vec![change]);
        case.phone().answers(op, Answered::Saved);
        case.phone().crashes(0);
        assert!(case.violations().iter().any(|violation| violation.site == "saved-and-gone"));
    }

    #[test]
    fn a_write_that_an_image_brought_back_is_missed() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().saves_image();
        case.phone().restores_image();
        let lie = case.phone().holds(MEAL, &[]);
        case.phone().persists(vec![lie]);
        case.phone().crashes(1);
        assert!(case.violations().iter().any(|violation| violation.site == "saved-and-gone"));
    }

    #[test]
    fn a_write_that_a_restore_destroyed_is_not_missed() {
        let mut case = Case::new();
        case.phone().saves_image();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().restores_image();
        case.phone().crashes(0);
        case.ends().passes();
    }

    #[test]
    fn what_was_not_durable_and_not_acknowledged_may_go() {
        survived().passes();
    }
}
