//! Stories in which everything nearly goes wrong, and just so: no judge may cry wolf. Where one
//! step more does go wrong, the same story says so.

mod excuses;
mod server;
mod silence;

use engine::device::Reason;
use engine::id::Remote;
use engine::remote::Ending;

use crate::fault::{Destroy, EndZone, HoldKeys};
use crate::history::{Answered, Asked, Change, Fact};
use crate::invariant::Invariant;
use crate::invariant::case::{Case, GOALS, KCAL, MEAL, OWNER, PHONE, PHOTO, TABLET};

/// Phone and tablet hold the same meal, as both remotes do.
fn synced() -> Case {
    let mut case = Case::new();
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().pushes(MEAL);
    case.tablet().pulls();
    case
}

#[test]
fn a_device_that_is_set_back_may_forget_what_the_remotes_still_have() {
    let mut case = synced();
    case.phone().saves_image();
    case.phone().edits(MEAL, &[PHOTO]);
    case.phone().pushes(MEAL);
    case.phone().restores_image();
    case.phone().reads(MEAL);
    case.phone().pulls();
    case.tablet().pulls();
    case.ends().passes();
}

#[test]
fn a_device_that_is_set_back_may_take_an_unsent_edit_along_but_not_another_devices() {
    let mut case = synced();
    case.phone().saves_image();
    case.phone().edits(MEAL, &[PHOTO]);
    case.phone().restores_image();
    case.phone().edits(GOALS, &[KCAL]);
    case.phone().pushes(GOALS);
    case.tablet().pulls();
    case.ends().passes();

    let mut case = synced();
    case.phone().saves_image();
    case.tablet().edits(MEAL, &[PHOTO]);
    case.tablet().pushes(MEAL);
    case.phone().restores_image();
    case.phone().wrongly().overwrites(MEAL, &[PHOTO]);
    case.phone().pushes(MEAL);
    case.tablet().pulls();
    assert!(case.ends().broken().contains(&Invariant::NoLostWrites));
}

#[test]
fn a_clone_and_its_original_are_two_devices() {
    let mut case = synced();
    let clone = case.phone().clones();
    case.phone().edits(MEAL, &[PHOTO]);
    case.device(clone).edits(MEAL, &[PHOTO]);
    case.phone().pushes(MEAL);
    case.device(clone).pulls();
    case.device(clone).pushes(MEAL);
    case.phone().pulls();
    case.tablet().pulls();
    case.ends().passes();
}

#[test]
fn a_device_lost_in_the_middle_of_a_commit_owes_nothing_of_it() {
    let mut case = synced();
    case.phone().edits(MEAL, &[PHOTO]);
    case.phone().pushes(MEAL);
    let (_, next) = case.tablet().at(Remote::Zone).is_served();
    let page = vec![
        case.tablet().at(Remote::Zone).mirrors(MEAL),
        case.tablet().at(Remote::Zone).joins(MEAL),
        Change::Cursor(Remote::Zone, Some(next)),
    ];
    let commit = case.tablet().hands_over(page);
    case.tablet().is_lost();
    case.fact(TABLET, Fact::Killed { keeps: commit, between: true });
    case.ends().passes();
}

#[test]
fn what_a_remote_alone_held_may_be_lost_when_it_is_set_back_and_nothing_else() {
    let mut case = synced();
    let backup = case.phone().at(Remote::Zone).stored(MEAL);
    case.phone().edits(MEAL, &[PHOTO]);
    case.phone().at(Remote::Zone).pushes(MEAL);
    let mut kept = case.clone();
    case.fact(PHONE, Fact::Faulted(Destroy { device: PHONE }.into()));
    case.context.incurable.push(crate::invariant::Incurable::Device(PHONE));
    case.tablet().at(Remote::Zone).is_set_back(MEAL, Some(backup.clone()));
    case.ends().passes();
    // The phone still has it, and has to save it again.
    kept.tablet().at(Remote::Zone).is_set_back(MEAL, Some(backup));
    let without = kept.clone().ends().violations();
    assert!(without.iter().any(|it| it.invariant == Invariant::RemotesAgree), "{without:?}");
    kept.phone().pushes(MEAL);
    kept.tablet().pulls();
    kept.ends().passes();
}

#[test]
fn who_signs_in_again_starts_from_what_the_remotes_have() {
    let mut case = synced();
    case.phone().pulls();
    case.phone().signs_out();
    case.tablet().edits(MEAL, &[PHOTO]);
    case.tablet().pushes(MEAL);
    let op = case.phone().asks(Asked::SignIn);
    case.phone().pulls();
    case.phone().answers(op, Answered::SignedIn { partial: false });
    case.phone().edits(MEAL, &[KCAL]);
    case.phone().pushes(MEAL);
    case.tablet().pulls();
    case.ends().passes();
}

#[test]
fn a_login_that_a_crash_interrupts_goes_on_without_an_answer() {
    let mut case = synced();
    case.tablet().signs_out();
    case.tablet().asks(Asked::SignIn);
    case.tablet().at(Remote::Zone).pulls();
    case.tablet().crashes(3);
    let op = case.tablet().asks(Asked::Read { id: MEAL, last: false });
    case.tablet().at(Remote::Rows).pulls();
    let shown = case.tablet().shown(MEAL);
    case.tablet().answers(op, Answered::Read(shown.into()));
    case.ends().passes();
}

#[test]
fn a_second_login_that_a_crash_undoes_leaves_the_first_as_it_was() {
    let mut case = synced();
    case.tablet().signs_out();
    case.tablet().asks(Asked::SignIn);
    case.tablet().persists(vec![Change::Meta]);
    case.tablet().at(Remote::Zone).pulls();
    case.phone().edits(GOALS, &[KCAL]);
    case.phone().at(Remote::Zone).pushes(GOALS);
    case.tablet().asks(Asked::SignIn);
    case.tablet().crashes(100);
    let op = case.tablet().asks(Asked::Read { id: GOALS, last: false });
    case.tablet().at(Remote::Rows).pulls();
    let shown = case.tablet().shown(GOALS);
    case.tablet().answers(op, Answered::Read(shown.into()));
    case.phone().at(Remote::Rows).pushes(GOALS);
    case.tablet().pulls();
    case.ends().passes();
}

#[test]
fn a_sign_out_is_refused_as_long_as_one_remote_lacks_an_edit() {
    let mut case = synced();
    case.phone().pulls();
    case.phone().edits(MEAL, &[PHOTO]);
    case.phone().at(Remote::Zone).pushes(MEAL);
    let op = case.phone().asks(Asked::SignOut);
    case.phone().answers(op, Answered::Refused(Reason::Unsent(1)));
    case.phone().at(Remote::Rows).pushes(MEAL);
    case.phone().signs_out();
    case.tablet().pulls();
    case.ends().passes();
}

#[test]
fn a_device_without_a_key_keeps_rows_sealed_to_the_end() {
    let mut case = Case::new();
    case.phone().edits(MEAL, &[KCAL]);
    case.fact(TABLET, Fact::Faulted(HoldKeys { device: TABLET }.into()));
    case.context.incurable.push(crate::invariant::Incurable::Keyless(TABLET));
    case.phone().pushes(MEAL);
    for remote in Remote::ALL {
        let (_, next) = case.tablet().at(remote).is_served();
        let sealed = case.tablet().at(remote).seals(MEAL);
        case.tablet().persists(vec![sealed, Change::Cursor(remote, Some(next))]);
    }
    case.tablet().asks(Asked::RotateKey);
    case.tablet().edits(GOALS, &[KCAL]);
    case.tablet().pushes(GOALS);
    case.phone().pulls();
    case.ends().passes();
}

#[test]
fn a_delete_that_cannot_leave_a_device_without_a_key_deletes_there_alone() {
    let mut case = Case::new();
    case.tablet().edits(MEAL, &[KCAL]);
    case.phone().edits(MEAL, &[PHOTO]);
    case.phone().deletes(MEAL);
    case.tablet().pushes(MEAL);
    case.phone().pulls();
    case.phone().pushes(MEAL);
    case.fact(TABLET, Fact::Faulted(HoldKeys { device: TABLET }.into()));
    case.context.incurable.push(crate::invariant::Incurable::Keyless(TABLET));
    for remote in Remote::ALL {
        let (_, next) = case.tablet().at(remote).is_served();
        let sealed = case.tablet().at(remote).seals(MEAL);
        case.tablet().persists(vec![sealed, Change::Cursor(remote, Some(next))]);
    }
    case.tablet().deletes(MEAL);
    case.tablet().deletes(MEAL);
    case.ends().passes();
}

#[test]
fn an_edit_that_a_purge_has_not_seen_survives_it() {
    let mut case = synced();
    case.phone().pulls();
    case.tablet().edits(MEAL, &[KCAL]);
    case.fact(Remote::Zone, Fact::Faulted(EndZone { user: OWNER, how: Ending::Purged }.into()));
    case.phone().wrongly().deletes_for_nobody(MEAL);
    case.tablet().at(Remote::Rows).pushes(MEAL);
    case.phone().at(Remote::Rows).pulls();
    case.phone().reads(MEAL);
    case.passes();
}
