//! Stories in which everything nearly goes wrong, and just so: no judge may cry wolf. Where one
//! step more does go wrong, the same story says so.

mod server;

use engine::device::Reason;
use engine::id::Remote;
use engine::remote::Ending;

use crate::fault::{EndZone, HoldKeys};
use crate::history::{Answered, Asked, Change, Fact};
use crate::invariant::Invariant;
use crate::invariant::case::{Case, GOALS, KCAL, MEAL, OWNER, PHONE, PHOTO, TABLET};

/// Phone and tablet hold the same meal, as both remotes do.
fn synced() -> Case {
    let mut case = Case::new();
    case.edits(PHONE, MEAL, &[KCAL]);
    case.pushes(PHONE, MEAL);
    case.pulls(TABLET);
    case
}

#[test]
fn a_device_that_is_set_back_may_forget_what_the_remotes_still_have() {
    let mut case = synced();
    case.saves_image(PHONE);
    case.edits(PHONE, MEAL, &[PHOTO]);
    case.pushes(PHONE, MEAL);
    case.restores_image(PHONE);
    case.reads(PHONE, MEAL);
    case.pulls(PHONE);
    case.pulls(TABLET);
    case.ends().passes();
}

#[test]
fn a_device_that_is_set_back_may_take_an_unsent_edit_along_but_not_another_devices() {
    let mut case = synced();
    case.saves_image(PHONE);
    case.edits(PHONE, MEAL, &[PHOTO]);
    case.restores_image(PHONE);
    case.edits(PHONE, GOALS, &[KCAL]);
    case.pushes(PHONE, GOALS);
    case.pulls(TABLET);
    case.ends().passes();

    let mut case = synced();
    case.saves_image(PHONE);
    case.edits(TABLET, MEAL, &[PHOTO]);
    case.pushes(TABLET, MEAL);
    case.restores_image(PHONE);
    case.overwrites(PHONE, MEAL, &[PHOTO]);
    case.pushes(PHONE, MEAL);
    case.pulls(TABLET);
    assert!(case.ends().broken().contains(&Invariant::NoLostWrites));
}

#[test]
fn a_clone_and_its_original_are_two_devices() {
    let mut case = synced();
    let clone = case.clones(PHONE);
    case.edits(PHONE, MEAL, &[PHOTO]);
    case.edits(clone, MEAL, &[PHOTO]);
    case.pushes(PHONE, MEAL);
    case.pulls(clone);
    case.pushes(clone, MEAL);
    case.pulls(PHONE);
    case.pulls(TABLET);
    case.ends().passes();
}

#[test]
fn a_device_lost_in_the_middle_of_a_commit_owes_nothing_of_it() {
    let mut case = synced();
    case.edits(PHONE, MEAL, &[PHOTO]);
    case.pushes(PHONE, MEAL);
    let (_, next) = case.is_served(Remote::Zone, TABLET);
    let page = vec![
        case.mirrors(Remote::Zone, TABLET, MEAL),
        case.joins(Remote::Zone, TABLET, MEAL),
        Change::Cursor(Remote::Zone, Some(next)),
    ];
    let commit = case.hands_over(TABLET, page);
    case.is_lost(TABLET);
    case.fact(TABLET, Fact::Killed { keeps: commit, between: true });
    case.ends().passes();
}

#[test]
fn who_signs_in_again_starts_from_what_the_remotes_have() {
    let mut case = synced();
    case.pulls(PHONE);
    case.signs_out(PHONE);
    case.edits(TABLET, MEAL, &[PHOTO]);
    case.pushes(TABLET, MEAL);
    let op = case.asks(PHONE, Asked::SignIn);
    case.pulls(PHONE);
    case.answers(PHONE, op, Answered::SignedIn { partial: false });
    case.edits(PHONE, MEAL, &[KCAL]);
    case.pushes(PHONE, MEAL);
    case.pulls(TABLET);
    case.ends().passes();
}

#[test]
fn a_login_that_a_crash_interrupts_goes_on_without_an_answer() {
    let mut case = synced();
    case.signs_out(TABLET);
    case.asks(TABLET, Asked::SignIn);
    case.pulls_from(Remote::Zone, TABLET);
    case.crashes(TABLET, 3);
    let op = case.asks(TABLET, Asked::Read { id: MEAL, last: false });
    case.pulls_from(Remote::Rows, TABLET);
    let shown = case.shown(TABLET, MEAL);
    case.answers(TABLET, op, Answered::Read(shown.into()));
    case.ends().passes();
}

#[test]
fn a_second_login_that_a_crash_undoes_leaves_the_first_as_it_was() {
    let mut case = synced();
    case.signs_out(TABLET);
    case.asks(TABLET, Asked::SignIn);
    case.persists(TABLET, vec![Change::Meta]);
    case.pulls_from(Remote::Zone, TABLET);
    case.edits(PHONE, GOALS, &[KCAL]);
    case.pushes_to(Remote::Zone, PHONE, GOALS);
    case.asks(TABLET, Asked::SignIn);
    case.crashes(TABLET, 100);
    let op = case.asks(TABLET, Asked::Read { id: GOALS, last: false });
    case.pulls_from(Remote::Rows, TABLET);
    let shown = case.shown(TABLET, GOALS);
    case.answers(TABLET, op, Answered::Read(shown.into()));
    case.pushes_to(Remote::Rows, PHONE, GOALS);
    case.pulls(TABLET);
    case.ends().passes();
}

#[test]
fn a_sign_out_is_refused_as_long_as_one_remote_lacks_an_edit() {
    let mut case = synced();
    case.pulls(PHONE);
    case.edits(PHONE, MEAL, &[PHOTO]);
    case.pushes_to(Remote::Zone, PHONE, MEAL);
    let op = case.asks(PHONE, Asked::SignOut);
    case.answers(PHONE, op, Answered::Refused(Reason::Unsent(1)));
    case.pushes_to(Remote::Rows, PHONE, MEAL);
    case.signs_out(PHONE);
    case.pulls(TABLET);
    case.ends().passes();
}

#[test]
fn a_device_without_a_key_keeps_rows_sealed_to_the_end() {
    let mut case = Case::new();
    case.edits(PHONE, MEAL, &[KCAL]);
    case.fact(TABLET, Fact::Faulted(HoldKeys { device: TABLET }.into()));
    case.context.incurable.push(crate::invariant::Incurable::Keyless(TABLET));
    case.pushes(PHONE, MEAL);
    for remote in Remote::ALL {
        let (_, next) = case.is_served(remote, TABLET);
        let sealed = case.seals(remote, TABLET, MEAL);
        case.persists(TABLET, vec![sealed, Change::Cursor(remote, Some(next))]);
    }
    case.asks(TABLET, Asked::RotateKey);
    case.edits(TABLET, GOALS, &[KCAL]);
    case.pushes(TABLET, GOALS);
    case.pulls(PHONE);
    case.ends().passes();
}

#[test]
fn a_delete_that_cannot_leave_a_device_without_a_key_deletes_there_alone() {
    let mut case = Case::new();
    case.edits(TABLET, MEAL, &[KCAL]);
    case.edits(PHONE, MEAL, &[PHOTO]);
    case.deletes(PHONE, MEAL);
    case.pushes(TABLET, MEAL);
    case.pulls(PHONE);
    case.pushes(PHONE, MEAL);
    case.fact(TABLET, Fact::Faulted(HoldKeys { device: TABLET }.into()));
    case.context.incurable.push(crate::invariant::Incurable::Keyless(TABLET));
    for remote in Remote::ALL {
        let (_, next) = case.is_served(remote, TABLET);
        let sealed = case.seals(remote, TABLET, MEAL);
        case.persists(TABLET, vec![sealed, Change::Cursor(remote, Some(next))]);
    }
    case.deletes(TABLET, MEAL);
    case.deletes(TABLET, MEAL);
    case.ends().passes();
}

#[test]
fn an_edit_that_a_purge_has_not_seen_survives_it() {
    let mut case = synced();
    case.pulls(PHONE);
    case.edits(TABLET, MEAL, &[KCAL]);
    case.fact(Remote::Zone, Fact::Faulted(EndZone { user: OWNER, how: Ending::Purged }.into()));
    case.hears_of_purge(PHONE, MEAL);
    case.pushes_to(Remote::Rows, TABLET, MEAL);
    case.pulls_from(Remote::Rows, PHONE);
    case.reads(PHONE, MEAL);
    case.passes();
}
