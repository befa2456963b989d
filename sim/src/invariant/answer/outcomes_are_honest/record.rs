//! INV-30 `outcomes-are-honest`: *refused* has no effect ever, *saved* is durable before it is
//! said, *signed out* leaves nothing that only this device had, and what a device has recorded about
//! a remote is what that remote did.

use std::sync::Arc;

use engine::id::{DeviceId, RecordId, Remote, Token, VaultId};
use engine::remote::Tag;

use crate::history::{Answered, Change, Contents, Fact, Fault};
use crate::invariant::Invariant::OutcomesAreHonest;
use crate::invariant::evidence::causes::last_fault;
use crate::invariant::evidence::{Evidence, RowState};
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    writes(evidence, findings);
    for &(at, entry) in &evidence.off_wire {
        let Node::Device(device) = entry.node else { continue };
        if let Fact::Persisted { changes, .. } = &entry.fact {
            for change in changes {
                if let Change::Mirror(remote, id, Some((tag, contents))) = change {
                    let mirrored = (*remote, *id, *tag);
                    mirrors_what_was_stored(
                        evidence,
                        findings,
                        at,
                        device,
                        mirrored,
                        contents.as_ref(),
                    );
                }
            }
        }
        if let Some((op, Answered::SignedOut)) = entry.fact.answered() {
            let asked = evidence.operations.named(device, op).map_or(at, |op| op.asked);
            signed_out(evidence, findings, (asked, at), device);
        }
    }
}

fn writes(evidence: &Evidence<'_>, findings: &mut Findings) {
    for write in evidence.writes.all.iter().filter(|write| write.token != Token::NONE) {
        let id = evidence.writes.records[write.record_key].id;
        let about = About::write(id, write.token);
        if let (Some(refused), Some(stored)) = (write.refused, write.stored) {
            let message = format!(
                "{} refused {} of {id} at {}, but it took effect at {}.",
                evidence.author_name(write.token),
                evidence.write_name(write.token),
                evidence.time(refused),
                evidence.time(stored)
            );
            let place = (OutcomesAreHonest, "refused-and-stored");
            let at = refused.max(stored);
            findings.report(evidence, place, at, about, message, [write.asked, refused, stored]);
        }
        let Some(saved) = write.saved.filter(|_| write.device.is_some()) else { continue };
        if write.durable.is_none_or(|durable| durable > saved) {
            let message = format!(
                "{} acknowledged {} of {id} as saved at {}, but it {}.",
                evidence.author_name(write.token),
                evidence.write_name(write.token),
                evidence.time(saved),
                write.durable.map_or("never became durable".to_owned(), |durable| {
                    format!("became durable at {}", evidence.time(durable))
                })
            );
            let place = (OutcomesAreHonest, "saved-before-durable");
            findings.report(evidence, place, saved, about, message, [write.asked]);
        }
    }
}

/// A recorded row is one that the remote stored under that tag, as it was stored.
fn mirrors_what_was_stored(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    device: DeviceId,
    (remote, id, tag): (Remote, RecordId, Tag),
    contents: Option<&Arc<Contents>>,
) {
    let versions = evidence.stored_on(remote).versions(evidence.vault(device), id);
    let mut same_tag = versions.iter().filter(|version| version.tag == Some(tag));
    let known = same_tag.clone().map(|version| version.at);
    let holds = |version: &RowState, mirrored: &Arc<Contents>| {
        version.contents.as_ref().is_none_or(|held| held == mirrored)
    };
    let (site, what) = if same_tag.clone().next().is_none() {
        ("booked-unknown-tag", "under a tag that the remote never gave")
    } else if contents.is_some_and(|mirrored| {
        let is_known = || versions.iter().any(|version| holds(version, mirrored));
        let is_served = || is_known() && evidence.was_served_another(at, device, (remote, id));
        !same_tag.any(|version| holds(version, mirrored)) && !is_served()
    }) {
        ("booked-other-contents", "with other writes than the remote holds under that tag")
    } else {
        return;
    };
    let message = format!(
        "{} recorded {id} as held by {} {what}.",
        evidence.device_name(device),
        evidence.remote_name(remote)
    );
    let token = contents.and_then(|contents| contents.cells.first()).map(|cell| cell.1);
    let about = About { record: Some(id), token };
    findings.report(evidence, (OutcomesAreHonest, site), at, about, message, known);
}

/// A sign-out destroys no edit that its device answers for. An edit that a restore destroyed before
/// is in no store that a sign-out could wipe.
fn signed_out(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (asked, at): (usize, usize),
    device: DeviceId,
) {
    let vault = evidence.vault(device);
    // The wipe of this sign-out comes later than its request.
    let since = evidence.disk(device).replaced_before(asked);
    for write in &evidence.writes.all {
        let id = evidence.writes.records[write.record_key].id;
        let Some(saved) = write.saved.filter(|saved| *saved < at) else { continue };
        if !evidence.answers_for(device, write, since) {
            continue;
        }
        let lacking = evidence.context.remotes.iter().find(|remote| {
            let refuses = |fault: &Fault| {
                matches!(fault, Fault::RejectRow(it)
                    if (it.remote, VaultId::from(it.user), it.row) == (**remote, vault, id))
            };
            write.accepted[remote.index()].is_none_or(|taken| taken > at)
                && last_fault(&evidence.faults, (write.asked, at), refuses).is_none()
        });
        if let Some(lacking) = lacking {
            let message = format!(
                "{} signed out with {} of {id}, which {} does not have.",
                evidence.device_name(device),
                evidence.write_name(write.token),
                evidence.remote_name(*lacking)
            );
            let place = (OutcomesAreHonest, "signed-out-unsent");
            let about = About::write(id, write.token);
            findings.report(evidence, place, at, about, message, [write.asked, saved]);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::device::Reason;
    use engine::id::Remote;
    use engine::remote::{CallId, Tag};

    use crate::fault::SwapObjects;
    use crate::history::{Answered, Asked, Change, Fact, MessageId};
    use crate::invariant::case::{Case, GOALS, KCAL, MEAL, OWNER, PHOTO, TABLET};
    use crate::plan::MessageKind;

    /// The phone records a row under a tag that the zone never gave.
    pub(crate) fn broken() -> Case {
        let mut case = synced();
        let Change::Mirror(remote, id, Some((_, row))) =
            case.phone().at(Remote::Zone).mirrors(MEAL)
        else {
            unreachable!("a mirror was asked for");
        };
        let wrong = Change::Mirror(remote, id, Some((Tag(9_999), row)));
        case.phone().persists(vec![wrong]);
        case.ends()
    }

    fn synced() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case
    }

    #[test]
    fn a_tag_that_was_never_given_is_not_booked() {
        broken().rejects("booked-unknown-tag");
    }

    #[test]
    fn an_acknowledgement_books_what_was_sent_and_nothing_newer() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        let tag = case.phone().at(Remote::Zone).saves(MEAL);
        case.phone().edits(MEAL, &[PHOTO]);
        let Change::Record(id, newer) = case.phone().record(MEAL) else {
            unreachable!("a record was asked for");
        };
        case.phone().persists(vec![Change::Mirror(Remote::Zone, id, Some((tag, newer)))]);
        case.rejects("booked-other-contents");
    }

    /// The tablet records the tag of the latest version with the contents of the one before, after the zone
    /// has sent it the row. A fault serves another object than the row's, or not.
    fn records_an_older_version(is_damaged: bool) -> Case {
        let mut case = Case::new();
        let mut versions = [KCAL, PHOTO].into_iter().map(|field| {
            case.phone().edits(MEAL, &[field]);
            case.phone().at(Remote::Zone).pushes(MEAL);
            let mirror = case.phone().at(Remote::Zone).mirrors(MEAL);
            let Change::Mirror(_, _, Some(version)) = mirror else { unreachable!("it is there") };
            version
        });
        let (Some((_, older)), Some((tag, _))) = (versions.next(), versions.next()) else {
            unreachable!("there are two");
        };
        drop(versions);
        if is_damaged {
            let (remote, user) = (Remote::Zone, OWNER);
            let swap = SwapObjects { remote, row: MEAL, with: GOALS, user };
            case.fact(Remote::Zone, Fact::Faulted(swap.into()));
        }
        let (call, rows) = (CallId(case.fresh()), [(MEAL, case.last_blob())].into());
        let message_id =
            MessageId { call, attempt: 0, message_kind: MessageKind::Pull, answer: true };
        let to = TABLET.into();
        let (size, plaintext, server) = (64, false, None);
        case.fact(Remote::Zone, Fact::Sent { to, message_id, size, rows, plaintext, server });
        case.tablet().persists(vec![Change::Mirror(Remote::Zone, MEAL, Some((tag, older)))]);
        case
    }

    #[test]
    fn an_older_version_is_recorded_only_if_it_was_served() {
        let sites = |case: Case| {
            let violations = case.violations().into_iter().map(|it| it.site);
            violations.filter(|site| *site == "booked-other-contents").count()
        };
        assert_eq!(sites(records_an_older_version(true)), 0);
        assert_eq!(sites(records_an_older_version(false)), 1);
    }

    #[test]
    fn what_was_refused_has_no_effect() {
        let mut case = Case::new();
        let (op, write) = case.phone().asks_to_write(MEAL, &[KCAL], Vec::new());
        case.phone().answers(op, Answered::Refused(Reason::WrongField));
        case.phone().makes(MEAL, write);
        case.rejects("refused-and-stored");
    }

    #[test]
    fn saved_is_said_when_it_is_durable() {
        let mut case = Case::new();
        let (op, write) = case.phone().asks_to_write(MEAL, &[KCAL], Vec::new());
        case.phone().answers(op, Answered::Saved);
        case.phone().makes(MEAL, write);
        case.rejects("saved-before-durable");
    }

    #[test]
    fn a_sign_out_takes_no_edit_along() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.phone().signs_out();
        case.rejects("signed-out-unsent");
    }

    #[test]
    fn a_sign_out_takes_no_edit_along_that_a_restore_left() {
        // The image has the edit.
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().saves_image();
        case.phone().restores_image();
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.phone().signs_out();
        case.rejects("signed-out-unsent");

        // The edit was saved after the restore, beside one that the restore destroyed.
        let mut case = Case::new();
        case.phone().saves_image();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().restores_image();
        case.phone().edits(GOALS, &[KCAL]);
        case.phone().signs_out();
        let mut violations = case.violations();
        violations.retain(|violation| violation.site == "signed-out-unsent");
        assert_eq!(violations.len(), 1, "{violations:#?}");
        assert_eq!(violations[0].record, Some(GOALS));

        // The clone has the edit of the device that it was made from.
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        let clone = case.phone().clones();
        case.phone().is_lost();
        case.device(clone).at(Remote::Zone).pushes(MEAL);
        case.device(clone).signs_out();
        case.rejects("signed-out-unsent");
    }

    #[test]
    fn a_sign_out_does_not_answer_for_what_a_restore_destroyed() {
        // Nothing is left to wipe, so no commit of the sign-out removes a record.
        let mut case = Case::new();
        case.phone().saves_image();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().restores_image();
        case.phone().signs_out();
        case.ends().passes();

        // The write was asked for before the backup and saved after it.
        let mut case = Case::new();
        let (op, write) = case.phone().asks_to_write(MEAL, &[KCAL], Vec::new());
        case.phone().saves_image();
        case.phone().makes(MEAL, write);
        case.phone().answers(op, Answered::Saved);
        case.phone().restores_image();
        case.phone().signs_out();
        case.ends().passes();

        // What the image has is sent, again after each of two restores.
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().saves_image();
        case.phone().edits(MEAL, &[PHOTO]);
        case.phone().restores_image();
        case.phone().edits(GOALS, &[KCAL]);
        case.phone().restores_image();
        case.phone().pushes(MEAL);
        case.phone().signs_out();
        case.tablet().pulls();
        case.ends().passes();
    }

    #[test]
    fn a_sign_out_after_everything_is_sent_is_honest() {
        let mut case = synced();
        case.phone().signs_out();
        case.ends().passes();
        let mut refused = Case::new();
        refused.phone().edits(MEAL, &[KCAL]);
        let op = refused.phone().asks(Asked::SignOut);
        refused.phone().answers(op, Answered::Refused(Reason::Unsent(1)));
        refused.passes();
    }
}
