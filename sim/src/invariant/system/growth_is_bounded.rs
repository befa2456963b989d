//! INV-27 `growth-is-bounded`: at rest nothing is queued and nothing is written any more; what is
//! written says something new; and siblings are concurrent writes, each once.
//!
//! A save is conditional, so the retry of one whose answer was lost is refused, and so is a second
//! device with the same. The one reason to save a row as it is already is to mend it: its
//! stored bytes were damaged since it was last saved. Headstones without an author are not distinguished.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{RecordId, Remote, Token, UserId, VaultId};
use engine::log::{FileDoc, Stored, pieces_of};
use harness::time::Span;

use crate::history::{Answered, Change, Entry, Fact, Fault};
use crate::invariant::Invariant::GrowthIsBounded;
use crate::invariant::evidence::causes::last_fault;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::{Evidence, FaultInterval, Observation, RowState};
use crate::invariant::findings::{About, Findings};
use crate::plan::{MessageKind, Node, ServerPlan};
use crate::time::ToSimulated;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    rest_is_quiet(evidence, findings);
    saves_say_something(evidence, findings);
    content_is_wanted(evidence, findings);
    for observation in evidence.final_observations() {
        siblings_are_concurrent(evidence, findings, observation);
    }
    writes_are_in_one_file(evidence, findings);
}

fn rest_is_quiet(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(settled) = evidence.settled else { return };
    if !matches!(&evidence.history[settled].fact, Fact::Settled { pending } if pending.is_empty()) {
        return;
    }
    for (at, entry) in evidence.history.iter().enumerate().skip(settled) {
        let (site, record, what) = match (&entry.fact, entry.node) {
            (Fact::Persisted { changes, .. }, Node::Device(device)) if evidence.is_core(device) => {
                let beyond_cure = |id| evidence.is_incurable(None, evidence.vault(device), id);
                let record = changes.iter().find_map(|change| match change {
                    Change::Record(id, _) | Change::Mirror(_, id, _) => {
                        Some(*id).filter(|id| !beyond_cure(*id))
                    }
                    Change::Sealed(..)
                    | Change::Parked(..)
                    | Change::Cursor(..)
                    | Change::Node(..)
                    | Change::Upload(..)
                    | Change::Feed(_)
                    | Change::Key(_)
                    | Change::Meta => None,
                });
                let Some(record) = record else { continue };
                ("store-written-at-rest", Some(record), "changed")
            }
            (Fact::Committed { id, by: Node::Device(device), .. }, _)
                if evidence.is_core(*device) =>
            {
                ("row-written-at-rest", Some(*id), "was sent")
            }
            (Fact::Answered(_, answered), Node::Device(device))
                if evidence.is_core(device)
                    && matches!(&**answered, Answered::Status(it) if it.unsent != [0, 0]) =>
            {
                ("unsent-at-rest", None, "has unsent edits")
            }
            _ => continue,
        };
        let about = About { record, token: None };
        let of = record.map_or_else(String::new, |id| format!(" {id}"));
        let message = format!(
            "{} {what}{of} after everything had settled at {}.",
            evidence.host_at(at),
            evidence.time(settled)
        );
        findings.report(evidence, (GrowthIsBounded, site), at, about, message, [settled]);
    }
}

/// A write of a file is in one file only, however many devices met it in a conflict.
fn writes_are_in_one_file(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (operation, first, other) in evidence.repeated_versions() {
        if other.node == first.node {
            continue;
        }
        let at = first.at.max(other.at);
        let message = format!(
            "{} of {} is in two files, {} and {}.",
            operation.ask.token().map_or_else(String::new, |token| evidence.write_name(token)),
            evidence.device_name(operation.device),
            evidence.node_path(operation.user, first.node, at),
            evidence.node_path(operation.user, other.node, at)
        );
        let about = About { record: None, token: operation.ask.token() };
        let (at, with) = (first.at.max(other.at), [operation.asked, first.at, other.at]);
        findings.report(evidence, (GrowthIsBounded, "copies-of-a-write"), at, about, message, with);
    }
}

/// Devices that save a row as it is already keep each other busy for ever.
fn saves_say_something(evidence: &Evidence<'_>, findings: &mut Findings) {
    for &remote in &evidence.context.remotes {
        for ((vault, id), versions) in evidence.stored_on(remote).rows.sorted() {
            for (at, pair) in versions.windows(2).enumerate() {
                let (old, new) = (&pair[0], &pair[1]);
                // A device may mend damage that it was served before a backup put the row back.
                let saved = versions[..=at].iter().rfind(|version| !version.set_back);
                let row = (remote, vault, id);
                if !says_the_same(old, new)
                    || was_damaged(evidence, row, saved.unwrap_or(old), new)
                    || was_under_way(evidence, old, new)
                {
                    continue;
                }
                let message = format!(
                    "{id} was saved to {} again without a change since {}, although it was not damaged.",
                    evidence.remote_name(remote),
                    evidence.time(old.at)
                );
                let place = (GrowthIsBounded, "saved-as-it-was");
                findings.report(evidence, place, new.at, About::record(id), message, [old.at]);
            }
        }
    }
}

fn says_the_same(old: &RowState, new: &RowState) -> bool {
    let nobodys = |version: &RowState| {
        version.contents.iter().any(|held| held.cells.iter().any(|cell| cell.1 == Token::NONE))
    };
    let is_saved = new.tag.is_some() && !new.set_back;
    is_saved && old.contents.is_some() && old.contents == new.contents && !nobodys(new)
}

/// Was a save under way when a backup put the row back as the save has it?
fn was_under_way(evidence: &Evidence<'_>, old: &RowState, new: &RowState) -> bool {
    let Fact::Committed { id, blob, .. } = &evidence.history[new.at].fact else { return false };
    let sends = |entry: &Entry| matches!(&entry.fact, Fact::Sent { rows, .. } if rows.contains(&(*id, *blob)));
    old.set_back && evidence.history[..old.at].iter().any(sends)
}

/// Was a row damaged between two saves of it? It is done once, when it begins, and told a
/// little before it reaches the remote: a save at the same moment may still come before it.
fn was_damaged(
    evidence: &Evidence<'_>,
    row: (Remote, VaultId, RecordId),
    old: &RowState,
    new: &RowState,
) -> bool {
    let of_row = |fault: &FaultInterval| fault.kind.damages() == Some(row);
    let between = |fault: &FaultInterval| {
        evidence.time(old.at) <= evidence.time(fault.from) && fault.from < new.at
    };
    evidence.faults.iter().any(|fault| of_row(fault) && between(fault))
}

/// What the volume holds at the end is content of a version, or the log knows that it is to come or
/// to go. A worker that has stored a piece of an upload that was given up meanwhile deletes the piece before it
/// answers; one that dies in between cannot, and nor can any if its call takes effect after it was given up.
fn content_is_wanted(evidence: &Evidence<'_>, findings: &mut Findings) {
    let end = evidence.history.len();
    for (user, files) in &evidence.epochs.last().files {
        let known: BTreeSet<_> = files
            .docs()
            .filter_map(|(_, line)| line.at(end).copied().flatten().and_then(stored_of))
            .map(|stored| pieces_of(*user, stored.manifest.address, stored.upload))
            .collect();
        let mut objects = BTreeMap::new();
        for object in &files.objects {
            match object.hash {
                Some(_) => objects.insert(object.key, object.at),
                None => objects.remove(object.key),
            };
        }
        for (key, at) in objects {
            let folder = key.rfind('/').map_or("", |end| &key[..=end]);
            if !known.contains(folder) && !is_late_by_accident(evidence, (*user, folder), at) {
                let message = format!(
                    "Orphaned object {key}, stored at {}: no version or upload references it, and it is not \
                     queued for deletion.",
                    evidence.time(at)
                );
                let place = (GrowthIsBounded, "orphan");
                findings.report(evidence, place, at, About::default(), message, []);
            }
        }
    }
}

/// Could the worker that stored a piece not delete it?
fn is_late_by_accident(evidence: &Evidence<'_>, (user, folder): (UserId, &str), at: usize) -> bool {
    let known = |stored: &Stored| pieces_of(user, stored.manifest.address, stored.upload) == folder;
    let lines = evidence.epochs.files().filter(|(whose, _)| **whose == user);
    let lines = lines.flat_map(|(_, files)| files.docs()).flat_map(|(_, line)| line.iter());
    let begun = lines.filter(|(_, doc)| doc.and_then(stored_of).is_some_and(known));
    let Some(begun) = begun.map(|(begun, _)| begun).min() else { return false };
    let delays = |fault: &Fault| fault.host() == Node::Volume;
    last_fault(&evidence.faults, (begun, at), delays).is_some()
        || died_before_its_answer(evidence, at)
        || outlives_its_caller(evidence)
}

/// Did the worker that stored a piece die before it answered any request about an upload, or while the piece was on
/// its way to the volume?
fn died_before_its_answer(evidence: &Evidence<'_>, at: usize) -> bool {
    let by = evidence.history[at].node;
    let is_answer = |fact: &Fact| matches!(fact, Fact::Sent { message_id, .. } if message_id.answer && message_id.message_kind == MessageKind::Upload);
    let is_death = |fact: &Fact| matches!(fact, Fact::Killed { .. });
    let way =
        evidence.context.server.as_ref().map_or(Span::ZERO, |server| server.volume.delay.high);
    let is_recent = |entry: &&Entry| evidence.time(at) - entry.at <= way;
    let mut before = evidence.history[..at].iter().rev().take_while(is_recent);
    if before.any(|entry| entry.node == by && is_death(&entry.fact)) {
        return true;
    }
    let mut next = evidence.history[at..].iter().filter(|entry| entry.node == by);
    next.find(|entry| is_death(&entry.fact) || is_answer(&entry.fact))
        .is_some_and(|entry| is_death(&entry.fact))
}

/// Can a call to the volume take effect after the worker that made it has given it up?
fn outlives_its_caller(evidence: &Evidence<'_>) -> bool {
    let takes_longer =
        |server: &ServerPlan| server.volume.delay.high > server.timing.timeout.to_simulated();
    evidence.context.server.as_ref().is_some_and(takes_longer)
}

/// Where the log has content that is to come, is there or is to go.
fn stored_of(doc: &FileDoc) -> Option<&Stored> {
    match doc {
        FileDoc::Upload(upload) => Some(&upload.stored),
        FileDoc::Blob(stored, _) | FileDoc::Doomed(stored) => Some(stored),
        FileDoc::Node(_)
        | FileDoc::Holder(_)
        | FileDoc::Version(_)
        | FileDoc::Job(_)
        | FileDoc::Item(..)
        | FileDoc::Mark => None,
    }
}

fn siblings_are_concurrent(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    observation: &Observation,
) {
    let id = evidence.writes.records[observation.record_key].id;
    let mut cells = Set::default();
    for (field, token) in observation.tokens() {
        let Some(cell) = evidence.writes.cell(observation.record_key, field, token) else {
            continue;
        };
        let about = About::write(id, token);
        if cells.has(cell) {
            let message = format!(
                "{} shows {} twice.",
                evidence.device_name(observation.device),
                evidence.cell_name(observation.record_key, cell)
            );
            let place = (GrowthIsBounded, "shown-twice");
            findings.report(evidence, place, observation.at, about, message, []);
        }
        cells.insert(cell);
    }
    for old in cells.iter() {
        let mut newer = cells.iter();
        if let Some(new) =
            newer.find(|new| evidence.writes.replaced(observation.record_key, old, *new))
        {
            let write = evidence.writes.author(observation.record_key, old);
            let by = evidence.writes.author(observation.record_key, new);
            let message = format!(
                "{} shows {} beside {}, which replaced it.",
                evidence.device_name(observation.device),
                evidence.cell_name(observation.record_key, old),
                evidence.write_name(by.token)
            );
            let place = (GrowthIsBounded, "replaced-and-shown");
            let about = About::write(id, write.token);
            findings.report(
                evidence,
                place,
                observation.at,
                about,
                message,
                [write.asked, by.asked],
            );
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::blob::Address;
    use engine::id::Remote;
    use engine::message::{Place, Target};
    use engine::remote::Ending;
    use harness::time::Span;

    use crate::fault::{Age, BreakDecryption, EndZone, Fault, RestoreRemote};
    use crate::history::{Change, Fact};
    use crate::invariant::Incurable;
    use crate::invariant::case::tree::{DRAFT, ROOT, name};
    use crate::invariant::case::{Case, GOALS, KCAL, MEAL, OWNER, VAULT};

    fn settled() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        case.ends()
    }

    /// The phone saves the row again after everything has settled.
    pub(crate) fn broken() -> Case {
        let mut case = settled();
        case.phone().pushes(MEAL);
        case
    }

    #[test]
    fn saving_at_rest_is_rejected() {
        let violations = broken().violations();
        assert!(violations.iter().any(|violation| violation.site == "row-written-at-rest"));
    }

    #[test]
    fn a_row_beyond_cure_excuses_no_change_of_another_record() {
        let mut case = Case::new();
        for id in [MEAL, GOALS] {
            case.phone().edits(id, &[KCAL]);
            case.phone().pushes(id);
        }
        case.tablet().pulls();
        case.context.incurable.push(Incurable::Row(Remote::Rows, VAULT, MEAL));
        let mut case = case.ends();
        // A listing hides the meal for ever: each one changes what the phone has recorded of it.
        let hidden = Change::Mirror(Remote::Rows, MEAL, None);
        case.phone().persists(vec![hidden.clone()]);
        case.passes();
        case.phone().persists(vec![hidden, Change::Mirror(Remote::Rows, GOALS, None)]);
        let violations = case.violations();
        let found: Vec<_> = violations.iter().map(|it| (it.site, it.record)).collect();
        assert_eq!(found, [("store-written-at-rest", Some(GOALS))]);
    }

    #[test]
    fn saving_a_row_as_it_was_is_rejected_unless_it_was_damaged() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        let damage =
            BreakDecryption { remote: Remote::Zone, row: MEAL, user: OWNER, seen_by: None };
        let damage = Fault::from(damage);
        case.fact(Remote::Zone, Fact::Faulted(damage));
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.fact(Remote::Zone, Fact::Ended(damage));
        case.passes();
        case.phone().at(Remote::Zone).pushes(MEAL);
        assert_eq!(case.violations()[0].site, "saved-as-it-was");
    }

    #[test]
    fn a_row_that_a_backup_brought_back_was_saved_by_nobody() {
        let mut case = settled();
        let stored = case.phone().at(Remote::Zone).stored(MEAL);
        case.phone().at(Remote::Zone).is_set_back(MEAL, Some(stored));
        case.passes();
    }

    #[test]
    fn a_save_may_cross_a_backup_that_puts_back_what_it_brings() {
        for is_under_way in [true, false] {
            let mut case = Case::new();
            case.phone().edits(MEAL, &[KCAL]);
            case.phone().pushes(MEAL);
            let mut phone = case.phone();
            let mut zone = phone.at(Remote::Zone);
            let (backup, early) = (zone.stored(MEAL), zone.sends_copy(MEAL));
            zone.is_set_back(MEAL, Some(backup));
            let sent = if is_under_way { early } else { zone.sends_copy(MEAL) };
            zone.stores(MEAL, sent);
            let found = case.violations();
            assert_eq!(found.iter().any(|it| it.site == "saved-as-it-was"), !is_under_way);
        }
    }

    /// The zone tells which rows a backup brought back only after both faults.
    #[test]
    fn what_a_backup_brought_back_goes_with_a_zone_that_ends_after_it() {
        let restore = Fault::from(RestoreRemote { remote: Remote::Zone, by: Age(Span(1_000)) });
        let end = Fault::from(EndZone { user: OWNER, how: Ending::Deleted });
        for (faults, is_gone) in [([restore, end], true), ([end, restore], false)] {
            let mut case = Case::new();
            case.phone().edits(MEAL, &[KCAL]);
            case.phone().pushes(MEAL);
            let backup = case.phone().at(Remote::Zone).stored(MEAL);
            for fault in faults {
                case.fact(Remote::Zone, Fact::Faulted(fault));
            }
            case.phone().at(Remote::Zone).falls_back(MEAL, Some(backup));
            case.phone().at(Remote::Zone).saves(MEAL);
            let found = case.violations();
            assert_eq!(found.iter().any(|it| it.site == "saved-as-it-was"), !is_gone);
        }
    }

    #[test]
    fn damage_is_mended_also_after_a_backup_put_the_row_back() {
        for is_damaged in [true, false] {
            let mut case = Case::new();
            case.phone().edits(MEAL, &[KCAL]);
            case.phone().pushes(MEAL);
            let stored = case.phone().at(Remote::Zone).stored(MEAL);
            let (remote, row, user) = (Remote::Zone, MEAL, OWNER);
            let damage = Fault::from(BreakDecryption { remote, row, user, seen_by: None });
            if is_damaged {
                case.fact(Remote::Zone, Fact::Faulted(damage));
            }
            case.wait(1_000);
            case.phone().at(Remote::Zone).is_set_back(MEAL, Some(stored));
            if is_damaged {
                case.fact(Remote::Zone, Fact::Ended(damage));
            }
            case.phone().at(Remote::Zone).pushes(MEAL);
            let sites = case.violations().into_iter().map(|it| it.site);
            assert_eq!(
                sites.filter(|site| *site == "saved-as-it-was").count(),
                usize::from(!is_damaged)
            );
        }
    }

    #[test]
    fn reading_at_rest_is_quiet() {
        let mut case = settled();
        case.phone().reads(MEAL);
        case.passes();
    }

    /// The phone begins to upload a draft.
    fn begins_upload(case: &mut Case) -> Address {
        case.phone().session().opens();
        let place = Place { parent: ROOT, name: name("draft.txt") };
        case.phone().files().begins_upload(Target::New(DRAFT, place), "words")
    }

    fn uploading() -> (Case, Address) {
        let mut case = Case::served();
        let blob = begins_upload(&mut case);
        (case, blob)
    }

    #[test]
    fn content_that_nobody_wants_is_swept() {
        use engine::log::FileKey;

        use crate::invariant::case::tree::put;

        for (swept, site) in [(true, None), (false, Some("orphan"))] {
            let (mut case, blob) = uploading();
            case.phone().files().stores(blob);
            case.phone().files().works(vec![put(FileKey::Upload(blob), None)]);
            if swept {
                case.phone().files().stores_piece(blob, None);
            }
            let sites: Vec<_> = case.ends().violations().iter().map(|it| it.site).collect();
            assert_eq!(sites, Vec::from_iter(site));
        }
    }

    #[test]
    fn a_late_piece_is_an_orphan_unless_its_worker_died_before_its_answer() {
        use engine::remote::CallId;

        use crate::history::{MessageId, Said};
        use crate::invariant::case::{PHONE, WORKER};
        use crate::plan::MessageKind;

        for (answers, site) in [(false, None), (true, Some("orphan"))] {
            let (mut case, blob) = uploading();
            case.phone().files().gives_up(blob);
            case.phone().files().sweeps(blob);
            case.phone().files().stores(blob);
            if answers {
                let message_kind = MessageKind::Upload;
                let message_id =
                    MessageId { call: CallId(1), attempt: 0, message_kind, answer: true };
                let said = Said::Answers { seq: 0, refused: None };
                case.sends_message(WORKER, PHONE.into(), message_id, said);
            }
            case.fact(WORKER, Fact::Killed { keeps: 0, between: false });
            let mut sites = case.ends().violations().into_iter().map(|it| it.site);
            assert_eq!(sites.find(|site| *site == "orphan"), site);
        }
    }

    #[test]
    fn a_piece_may_reach_the_volume_after_its_worker_died_but_not_long_after() {
        use crate::invariant::case::WORKER;

        for (later, site) in [(0, None), (60_000, Some("orphan"))] {
            let mut case = Case::served();
            let volume = &mut case.context.server.as_mut().expect("it is served").volume;
            volume.delay.high = Span(1_000);
            let blob = begins_upload(&mut case);
            case.phone().files().gives_up(blob);
            case.phone().files().sweeps(blob);
            case.fact(WORKER, Fact::Killed { keeps: 0, between: false });
            case.wait(later);
            case.phone().files().stores(blob);
            let mut sites = case.ends().violations().into_iter().map(|it| it.site);
            assert_eq!(sites.find(|site| *site == "orphan"), site);
        }
    }
}
