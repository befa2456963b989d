//! The same at the sync server.

use engine::id::AccountField::{Email, Phone};
use engine::log::FileKey;
use engine::message::{Place, Refusal, Target};
use harness::time::Span;

use crate::fault::{Fault, PauseWorker, VolumeOutage};
use crate::history::{Answered, Done, Fact, MessageId};
use crate::invariant::Invariant;
use crate::invariant::case::tree::{DRAFT, ROOT, name, put};
use crate::invariant::case::{Case, TABLET};
use crate::plan::{Node, WorkerId};
use crate::time::ToEngine;

#[test]
fn a_change_whose_answer_was_lost_is_acknowledged_by_its_receipt() {
    let mut case = Case::served();
    case.phone().session().opens();
    let (op, token) = case.phone().account().asks_to_patch(&[Email]);
    let message_id = case.phone().session().requests();
    case.phone().account().commits(token, &[Email]);
    case.wait(6_000);
    case.tablet().account().reads();
    let message_id = again(message_id, 1);
    case.phone().session().requests_again(message_id);
    case.phone().session().is_answered(message_id, None);
    case.phone().answers(op, Answered::Done(Done::Patched));
    case.ends().passes();
}

#[test]
fn a_copy_takes_a_session_over_once_it_has_expired_and_then_has_it_alone() {
    let mut case = Case::served();
    case.phone().session().is_shared_with(TABLET);
    case.phone().session().opens();
    case.phone().account().patches(&[Email]);
    case.tablet().session().is_refused_as_busy();
    case.wait(21_000);
    case.tablet().session().opens();
    case.tablet().account().patches(&[Email]);
    case.phone().session().is_refused_as_busy();
    case.tablet().session().closes();
    case.wait(1_000);
    case.phone().session().opens();
    case.phone().account().patches(&[Phone]);
    case.ends().passes();
}

#[test]
fn a_late_word_to_come_back_holds_for_another_request_too() {
    let mut case = Case::served();
    case.phone().session().is_shared_with(TABLET);
    let first = case.phone().session().requests();
    case.tablet().session().opens();
    case.phone().session().is_answered(first, None);
    let second = case.phone().session().requests();
    case.wait(1_000);
    case.phone().session().is_answered(first, Some(Refusal::Busy(Span(15_000).to_engine())));
    case.wait(15_000);
    case.phone().session().requests_again(again(second, 1));
    case.passes();
}

#[test]
fn two_devices_that_change_one_field_are_both_in_its_history() {
    let mut case = Case::served();
    case.phone().session().opens();
    case.tablet().session().opens();
    let (phone, first) = case.phone().account().asks_to_patch(&[Email]);
    let (tablet, second) = case.tablet().account().asks_to_patch(&[Email, Phone]);
    case.tablet().account().commits(second, &[Email, Phone]);
    case.phone().account().commits(first, &[Email]);
    case.phone().answers(phone, Answered::Done(Done::Patched));
    case.tablet().answers(tablet, Answered::Done(Done::Patched));
    case.ends().passes();
}

#[test]
fn a_change_that_happened_unseen_counts_and_one_that_did_not_is_nobodys_loss() {
    let mut case = Case::served();
    case.phone().session().opens();
    let (_, happened) = case.phone().account().asks_to_patch(&[Email]);
    // What a worker asked of the volume happens, whatever becomes of the device and of it.
    case.phone().account().commits(happened, &[Email]);
    case.phone().crashes(0);
    case.phone().session().opens();
    case.phone().account().asks_to_patch(&[Phone]);
    case.phone().crashes(0);
    case.tablet().session().opens();
    case.tablet().account().patches(&[Email]);
    case.ends().passes();
}

#[test]
fn an_errand_waits_for_a_volume_that_is_out_of_order_and_not_much_longer() {
    let outage = Fault::from(VolumeOutage {});
    for (millis, late) in [(60_000, false), (900_000, true)] {
        let mut case = Case::served();
        case.phone().session().opens();
        let (op, token) = case.phone().account().asks_to_patch(&[Email]);
        case.fact(Node::Volume, Fact::Faulted(outage));
        case.wait(3_600_000);
        case.fact(Node::Volume, Fact::Ended(outage));
        case.wait(millis);
        case.phone().account().commits(token, &[Email]);
        case.phone().answers(op, Answered::Done(Done::Patched));
        let case = case.ends();
        let expected = if late { vec![Invariant::RefusalsHaveReasons] } else { vec![] };
        assert_eq!(case.broken(), expected, "{:#?}", case.violations());
    }
}

#[test]
fn a_server_that_asks_to_be_left_alone_is() {
    for (millis, early) in [(900, true), (1_300, false)] {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().session().opens();
        let message_id = case.tablet().session().requests();
        case.tablet()
            .session()
            .is_answered(message_id, Some(Refusal::Busy(Span(1_000).to_engine())));
        case.wait(millis);
        case.tablet().session().requests_again(again(message_id, 1));
        let expected = if early { vec![Invariant::SystemSettles] } else { vec![] };
        assert_eq!(case.broken(), expected, "{:#?}", case.violations());
    }
}

#[test]
fn a_worker_that_dies_owes_nobody_an_answer_and_its_queue_is_empty() {
    let mut case = Case::served();
    case.phone().session().is_shared_with(TABLET);
    let worker = Node::Worker(WorkerId(0));
    case.phone().session().requests();
    case.phone().session().requests();
    case.fact(worker, Fact::Killed { keeps: 0, between: false });
    case.tablet().session().is_refused_as_busy();
    assert_eq!(case.broken(), [Invariant::SessionsAreExclusive]);
}

/// A later try of a request.
fn again(message_id: MessageId, attempt: u16) -> MessageId {
    MessageId { attempt, ..message_id }
}

/// A piece comes after everything else of its upload is gone. A worker that was slow deletes it before it answers.
#[test]
fn a_piece_is_left_behind_by_a_fault_that_its_upload_met_and_by_no_other() {
    let pause = |n: u16| PauseWorker { worker: WorkerId(n) };
    let faults: [(Option<Fault>, bool, bool); 5] = [
        (Some(pause(0).into()), false, false),
        (Some(pause(0).into()), true, false),
        (Some(pause(1).into()), false, false),
        (Some(VolumeOutage {}.into()), false, true),
        (None, false, false),
    ];
    for (fault, is_over, excuses) in faults {
        let mut case = Case::served();
        case.phone().session().opens();
        let begun = fault.map(|fault| case.begins(fault));
        if let (Some(fault), true) = (begun, is_over) {
            case.fact(fault.host(), Fact::Ended(fault));
        }
        let place = Place { parent: ROOT, name: name("draft.txt") };
        let blob = case.phone().files().begins_upload(Target::New(DRAFT, place), "words");
        case.phone().files().works(vec![put(FileKey::Upload(blob), None)]);
        case.phone().files().stores(blob);
        if let (Some(fault), false) = (begun, is_over) {
            case.fact(fault.host(), Fact::Ended(fault));
        }
        let sites: Vec<_> = case.ends().violations().iter().map(|it| it.site).collect();
        assert_eq!(sites.contains(&"orphan"), !excuses, "{fault:?}, over: {is_over}");
    }
}
