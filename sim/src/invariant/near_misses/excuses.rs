//! Losses that a plan justifies, and losses like them that it does not: a fault excuses only what it reaches,
//! in place and in time.

use engine::id::AccountField::Email;
use engine::id::{DeviceId, Remote};
use engine::remote::{CallId, Ending};
use harness::time::Span;

use super::synced;
use crate::fault::{
    Age, BreakDecryption, Cut, EndZone, Fault, GoOffline, HoldKeys, RejectRow, RestoreRemote,
};
use crate::history::{Answered, Asked, Boot, Change, Done, Fact, MessageId, Worked};
use crate::invariant::Incurable;
use crate::invariant::Invariant::{NoLostWrites, RemotesAgree};
use crate::invariant::case::talks::{DAY, READER, SOUP, key, part};
use crate::invariant::case::tree::DRAFT;
use crate::invariant::case::{Case, GOALS, KCAL, MEAL, OWNER, PHONE, PHOTO, TABLET, VAULT};
use crate::plan::{MessageKind, Node, ProcessorCommand, WorkerId};

impl Case {
    /// Nothing is wrong, and just this is excused.
    #[track_caller]
    fn excuses(&self, expected: &[&str]) {
        self.passes();
        assert_eq!(self.excused(), expected);
    }

    /// The write is lost, and nothing excuses it.
    #[track_caller]
    fn loses(&self, site: &str) {
        self.breaks(NoLostWrites, site);
        assert_eq!(self.excused(), [] as [&str; 0]);
    }

    pub(super) fn begins(&mut self, fault: impl Into<Fault>) -> Fault {
        let fault = fault.into();
        self.fact(fault.host(), Fact::Faulted(fault));
        fault
    }

    /// A device has no part in the end of the run, or a row has none.
    fn cannot_be_cured(&mut self, what: Incurable) {
        self.context.incurable.push(what);
    }

    /// A worker's answer arrives.
    fn hears_of_a_worker(&mut self, host: Node) {
        let message_id = MessageId {
            call: CallId(1),
            attempt: 0,
            message_kind: MessageKind::Other,
            answer: true,
        };
        let (from, refused, rows_refused) = (Node::Worker(WorkerId(0)), None, [].into());
        self.fact(host, Fact::Delivered { from, message_id, refused, rows_refused });
    }

    /// The zone has it no more, whatever the reason.
    fn zone_forgets(&mut self) {
        self.phone().at(Remote::Zone).falls_back(MEAL, None);
    }
}

#[test]
fn what_a_destroyed_device_alone_had_is_excused() {
    let mut case = synced();
    case.phone().edits(MEAL, &[PHOTO]);
    case.phone().is_lost();
    case.ends().excuses(&["w2 of meal/1: destroyed device"]);
}

#[test]
fn a_write_that_was_on_its_way_when_its_device_was_destroyed_is_owed() {
    for is_overwritten in [false, true] {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().is_lost();
        case.phone().at(Remote::Zone).saves(MEAL);
        case.tablet().at(Remote::Zone).pulls();
        if is_overwritten {
            case.tablet().wrongly().overwrites(MEAL, &[PHOTO]);
        }
        case.tablet().at(Remote::Rows).pushes(MEAL);
        if is_overwritten {
            case.ends().loses("replaced-unseen");
        } else {
            case.ends().excuses(&[]);
        }
    }
}

#[test]
fn what_a_destroyed_write_had_replaced_is_still_owed_elsewhere() {
    for is_overwritten in [false, true] {
        let mut case = synced();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().is_lost();
        if is_overwritten {
            case.tablet().wrongly().overwrites(MEAL, &[PHOTO]);
            case.tablet().pushes(MEAL);
            case.ends().breaks(NoLostWrites, "replaced-unseen");
        } else {
            case.ends().excuses(&["w2 of meal/1: destroyed device"]);
        }
    }
}

#[test]
fn of_several_writes_that_went_with_a_device_the_last_is_told() {
    let mut case = Case::new();
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().is_lost();
    case.ends().excuses(&["w2 of meal/1: destroyed device"]);
}

#[test]
fn a_restored_device_has_lost_what_its_backup_lacks_and_nothing_later() {
    let mut case = Case::new();
    case.phone().saves_image();
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().restores_image();
    case.clone().ends().excuses(&["w1 of meal/1: restored device"]);
    case.phone().edits(MEAL, &[PHOTO]);
    let lie = case.phone().holds(MEAL, &[]);
    case.phone().persists(vec![lie]);
    case.ends().breaks(NoLostWrites, "replaced-unseen");
}

#[test]
fn a_remote_that_was_set_back_before_a_write_does_not_excuse_it() {
    let fault = RestoreRemote { remote: Remote::Zone, by: Age(Span::from_secs(1)) };
    for is_before in [true, false] {
        let mut case = Case::new();
        if is_before {
            case.begins(fault);
        }
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.phone().is_lost();
        if !is_before {
            case.begins(fault);
        }
        case.zone_forgets();
        if is_before {
            case.ends().loses("not-at-the-end");
        } else {
            case.ends().excuses(&["w1 of meal/1: restored remote"]);
        }
    }
}

#[test]
fn a_remote_may_be_set_back_while_a_sign_out_is_on_its_way_to_the_disk() {
    let fault = RestoreRemote { remote: Remote::Zone, by: Age(Span::from_secs(1)) };
    for is_before in [true, false] {
        let mut case = Case::new();
        case.context.remotes = vec![Remote::Zone];
        if is_before {
            case.begins(fault);
        }
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        let wiping = case.phone().begins_to_sign_out();
        if !is_before {
            case.begins(fault);
        }
        case.zone_forgets();
        case.phone().is_signed_out(wiping);
        if is_before {
            case.ends().loses("not-at-the-end");
        } else {
            case.ends().excuses(&["w1 of meal/1: restored remote"]);
        }
    }
}

#[test]
fn another_remote_that_was_set_back_does_not_excuse_it_either() {
    let mut case = Case::new();
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().at(Remote::Zone).pushes(MEAL);
    case.phone().is_lost();
    case.begins(RestoreRemote { remote: Remote::Rows, by: Age(Span::from_secs(1)) });
    case.zone_forgets();
    case.ends().loses("not-at-the-end");
}

#[test]
fn what_only_a_zone_had_goes_with_it_and_another_users_zone_takes_nothing() {
    for (user, how, cause) in [
        (OWNER, Ending::Deleted, Some("w1 of meal/1: deleted zone")),
        (OWNER, Ending::EncryptedDataReset, Some("w1 of meal/1: reset zone")),
        (engine::id::UserId(1), Ending::Deleted, None),
    ] {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.phone().is_lost();
        case.begins(EndZone { user, how });
        case.phone().at(Remote::Zone).is_taken_away(MEAL);
        match cause {
            Some(cause) => case.ends().excuses(&[cause]),
            None => case.ends().loses("not-at-the-end"),
        }
    }
}

#[test]
fn what_was_purged_with_the_zone_is_told_once() {
    let mut case = synced();
    case.phone().pulls();
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().pushes(MEAL);
    case.begins(EndZone { user: OWNER, how: Ending::Purged });
    case.phone().wrongly().deletes_for_nobody(MEAL);
    case.phone().holds(MEAL, &[]);
    case.tablet().is_lost();
    assert_eq!(case.clone().ends().excused(), ["w2 of meal/1: purged zone"]);
    // Before any purge, such a delete is nobody's.
    let is_purge = |fact: &Fact| matches!(fact, Fact::Faulted(Fault::EndZone(_)));
    case.history.retain(|entry| !is_purge(&entry.fact));
    assert_eq!(case.ends().excused(), [] as [&str; 0]);
}

/// The tablet gets no keys, and has an edit that it cannot send if what the remotes have is sealed to it.
fn keyless(is_sealed: bool) -> Case {
    let mut case = synced();
    case.phone().pulls();
    case.begins(HoldKeys { device: TABLET });
    case.cannot_be_cured(Incurable::Keyless(TABLET));
    if is_sealed {
        for remote in Remote::ALL {
            let sealed = case.tablet().at(remote).seals(MEAL);
            case.tablet().persists(vec![sealed]);
        }
    }
    case.tablet().edits(MEAL, &[PHOTO]);
    case
}

#[test]
fn a_key_that_is_withheld_keeps_on_a_device_what_it_cannot_open() {
    keyless(true).ends().excuses(&["w2 of meal/1: withheld key"]);
    keyless(false).ends().breaks(NoLostWrites, "not-at-the-end");
}

#[test]
fn a_device_that_gets_no_key_at_all_can_send_nothing_and_others_can() {
    for has_none in [true, false] {
        let mut case = Case::served();
        case.begins(HoldKeys { device: TABLET });
        case.cannot_be_cured(Incurable::Keyless(TABLET));
        if has_none {
            case.tablet().persists(vec![Change::Key(false)]);
        }
        case.tablet().files().saves((DRAFT, "draft.txt"), "words");
        let case = case.ends();
        if has_none {
            assert_eq!(case.excused(), ["w1 of draft.txt: withheld key"]);
        } else {
            case.loses("file-never-published");
        }
    }
}

#[test]
fn a_device_that_is_cut_off_for_good_keeps_what_it_wrote_and_one_with_a_link_sends_it() {
    let cut = |to: Remote| Fault::from(Cut { from: PHONE.into(), to: to.into() });
    for (faults, is_cut_off) in [
        (vec![GoOffline { device: PHONE }.into()], true),
        (vec![cut(Remote::Zone), cut(Remote::Rows)], true),
        (vec![cut(Remote::Zone)], false),
        (vec![GoOffline { device: TABLET }.into()], false),
    ] {
        let mut case = synced();
        faults.into_iter().for_each(|fault| {
            case.begins(fault);
        });
        case.phone().edits(MEAL, &[PHOTO]);
        case.cannot_be_cured(Incurable::Device(PHONE));
        if is_cut_off {
            case.ends().excuses(&["w2 of meal/1: cut-off device"]);
        } else {
            case.ends().loses("not-at-the-end");
        }
    }
}

#[test]
fn a_row_beyond_cure_hides_what_it_alone_has() {
    let (remote, row, user) = (Remote::Rows, MEAL, OWNER);
    let damage = BreakDecryption { remote, row, user, seen_by: None };
    let mut case = Case::new();
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().at(Remote::Rows).pushes(MEAL);
    case.begins(damage);
    case.cannot_be_cured(Incurable::Row(remote, VAULT, row));
    case.phone().is_lost();
    case.tablet().reads(MEAL);
    case.tablet().edits(GOALS, &[KCAL]);
    case.tablet().pushes(GOALS);
    let tablet = case.tablet().shown(MEAL);
    let mut case = case.ends();
    case.tablet().shows(tablet.into(), true);
    case.excuses(&["w1 of meal/1: damaged row"]);
}

/// The tablet can open all that the remotes have, and could send its edit to a remote that takes it.
#[test]
fn a_device_without_a_key_keeps_what_no_remote_takes() {
    for refusing in [&Remote::ALL[..], &[Remote::Rows]] {
        let mut case = keyless(false);
        for &remote in refusing {
            case.begins(RejectRow { remote, row: MEAL, user: OWNER });
            case.cannot_be_cured(Incurable::Row(remote, VAULT, MEAL));
        }
        if refusing.len() == Remote::ALL.len() {
            case.ends().excuses(&["w2 of meal/1: refused row"]);
        } else {
            case.ends().loses("not-at-the-end");
        }
    }
}

#[test]
fn a_row_beyond_cure_hides_nothing_that_the_other_remote_has() {
    let (remote, row, user) = (Remote::Rows, MEAL, OWNER);
    let mut case = Case::new();
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().at(Remote::Zone).pushes(MEAL);
    case.begins(RejectRow { remote, row, user });
    case.cannot_be_cured(Incurable::Row(remote, VAULT, row));
    case.phone().is_lost();
    let tablet = case.tablet().shown(MEAL);
    let mut lacks = case.clone().ends();
    lacks.tablet().shows(tablet.into(), true);
    lacks.loses("not-at-the-end");
    lacks.breaks(RemotesAgree, "remote-and-device");
    case.tablet().at(Remote::Zone).pulls();
    case.ends().excuses(&[]);
}

#[test]
fn a_sign_out_need_not_send_what_a_remote_refuses_and_only_while_it_does() {
    for is_over in [false, true] {
        let mut case = synced();
        let refusal = case.begins(RejectRow { remote: Remote::Rows, row: MEAL, user: OWNER });
        if is_over {
            case.fact(Remote::Rows, Fact::Ended(refusal));
        }
        case.phone().pulls();
        case.phone().edits(MEAL, &[PHOTO]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.phone().signs_out();
        case.tablet().at(Remote::Zone).pulls();
        case.tablet().at(Remote::Rows).pushes(MEAL);
        if is_over {
            case.ends().rejects("signed-out-unsent");
        } else {
            case.ends().excuses(&[]);
        }
    }
}

/// The phone does not know yet that the zone has lost its edit, which it had sent there alone.
#[test]
fn a_sign_out_loses_what_a_remote_has_lost_and_nothing_else() {
    for is_set_back in [true, false] {
        let mut case = synced();
        case.phone().pulls();
        let backup = case.phone().at(Remote::Zone).stored(MEAL);
        case.phone().edits(MEAL, &[PHOTO]);
        case.begins(RejectRow { remote: Remote::Rows, row: MEAL, user: OWNER });
        case.phone().at(Remote::Zone).pushes(MEAL);
        if is_set_back {
            case.phone().at(Remote::Zone).is_set_back(MEAL, Some(backup));
        } else {
            case.phone().at(Remote::Zone).falls_back(MEAL, Some(backup));
        }
        case.phone().signs_out();
        if is_set_back {
            case.ends().excuses(&["w2 of meal/1: restored remote"]);
        } else {
            case.ends().loses("not-at-the-end");
        }
    }
}

#[test]
fn what_went_with_the_volume_is_excused_if_its_host_knew_it_from_before() {
    for is_late in [false, true] {
        let mut case = Case::served();
        case.phone().session().opens();
        let backup = case.backs_up();
        let (op, token) = case.phone().account().asks_to_patch(&[Email]);
        case.phone().account().commits(token, &[Email]);
        let done = Answered::Done(Done::Patched);
        if !is_late {
            case.phone().answers(op, done.clone());
        }
        case.restores_volume(&backup);
        if is_late {
            case.hears_of_a_worker(PHONE.into());
            case.phone().answers(op, done);
        }
        let case = case.ends();
        if is_late {
            case.loses("account-lost");
        } else {
            assert_eq!(case.excused(), ["w1 of account of anna: restored volume"]);
            assert!(!case.broken().contains(&NoLostWrites));
        }
    }
}

#[test]
fn messages_that_went_with_the_volume_are_excused_if_their_host_knew_them_from_before() {
    for (has_any, is_late) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut case = Case::worked();
        if has_any {
            case.phone().brings(part(SOUP, 1, 2));
        }
        let backup = case.backs_up();
        let op = case.reader().commands(ProcessorCommand::Ingest(part(SOUP, 3, 5)));
        let version = case.reader().saves_as(SOUP, DAY, &[1, 2, 3, 4, 5]);
        if !is_late {
            case.reader().obeys(op, Worked::Saved(key(SOUP), version));
        }
        case.restores_volume(&backup);
        if is_late {
            case.hears_of_a_worker(READER.into());
            case.reader().obeys(op, Worked::Saved(key(SOUP), version));
        }
        let case = case.ends();
        if is_late {
            case.loses("message-lost");
        } else {
            assert_eq!(case.excused(), ["messages 3 to 5 of conversation 1: restored volume"]);
            assert!(!case.broken().contains(&NoLostWrites));
        }
    }
}

/// The volume loses a file that nobody keeps any more; then a device is set back to when it still kept it,
/// and has to publish it again.
#[test]
fn a_file_that_went_with_the_volume_is_owed_by_a_device_that_is_set_back_to_it() {
    for comes_back in [false, true] {
        let (mut case, backup, filing) = Case::filed_since_backup();
        case.phone().persists(vec![Change::Upload(filing.dot, None)]);
        case.restores_volume(&backup);
        if comes_back {
            sets_back(&mut case, PHONE, Change::Upload(filing.dot, Some((filing.token, DRAFT))));
        }
        let case = case.ends();
        if comes_back {
            case.loses("file-never-published");
        } else {
            case.excuses(&["w1 of draft.txt: restored volume"]);
        }
    }
}

/// A device is set back to a backup that has this.
fn sets_back(case: &mut Case, device: DeviceId, has: Change) {
    case.begins(crate::fault::RestoreImage { device });
    case.device(device).starts(Boot::Restored, 0, vec![Change::Key(true), Change::Meta, has]);
}

/// The tablet signs in while the zone hides a row from it, or does so only later.
#[test]
fn a_login_may_lack_a_row_that_is_damaged_and_not_one_that_will_be() {
    for is_before in [true, false] {
        let (remote, row, user) = (Remote::Zone, MEAL, OWNER);
        let damage = BreakDecryption { remote, row, user, seen_by: None };
        let mut case = Case::new();
        case.tablet().signs_out();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Zone).pushes(MEAL);
        if is_before {
            case.begins(damage);
        }
        let op = case.tablet().asks(Asked::SignIn);
        case.tablet().at(Remote::Rows).pulls();
        case.tablet().answers(op, Answered::SignedIn { partial: false });
        if !is_before {
            case.begins(damage);
        }
        case.cannot_be_cured(Incurable::Row(remote, VAULT, row));
        if is_before {
            case.passes();
        } else {
            case.rejects("opened-without-a-row");
        }
    }
}
