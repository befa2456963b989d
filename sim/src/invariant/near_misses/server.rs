//! The same at the sync server.

use engine::id::AccountField::{Email, Phone};
use engine::message::Refusal;
use harness::time::Span;

use crate::history::{Answered, Done, Fact, Letter, ServerTrouble, Trouble};
use crate::invariant::Invariant;
use crate::invariant::case::{Case, PHONE, TABLET};
use crate::plan::{Node, VolumeFault, WorkerId};
use crate::time::ToEngine;

#[test]
fn a_change_whose_answer_was_lost_is_acknowledged_by_its_receipt() {
    let mut case = Case::served();
    case.opens(PHONE);
    let (op, token) = case.asks_to_patch(PHONE, &[Email]);
    let letter = case.sends_request(PHONE);
    case.commits_patch(PHONE, token, &[Email]);
    case.wait(6_000);
    case.reads_account(TABLET);
    let letter = again(letter, 1);
    case.sends_again(PHONE, letter);
    case.hears(PHONE, letter, None);
    case.answers(PHONE, op, Answered::Done(Done::Patched));
    case.ends().passes();
}

#[test]
fn a_copy_takes_a_session_over_once_it_has_expired_and_then_has_it_alone() {
    let mut case = Case::served();
    case.shares_its_session(PHONE, TABLET);
    case.opens(PHONE);
    case.patches(PHONE, &[Email]);
    case.is_told_to_come_back(TABLET);
    case.wait(21_000);
    case.opens(TABLET);
    case.patches(TABLET, &[Email]);
    case.is_told_to_come_back(PHONE);
    case.closes(TABLET);
    case.wait(1_000);
    case.opens(PHONE);
    case.patches(PHONE, &[Phone]);
    case.ends().passes();
}

#[test]
fn a_late_word_to_come_back_holds_for_another_request_too() {
    let mut case = Case::served();
    case.shares_its_session(PHONE, TABLET);
    let first = case.sends_request(PHONE);
    case.opens(TABLET);
    case.hears(PHONE, first, None);
    let second = case.sends_request(PHONE);
    case.wait(1_000);
    case.hears(PHONE, first, Some(Refusal::Busy(Span(15_000).to_engine())));
    case.wait(15_000);
    case.sends_again(PHONE, again(second, 1));
    case.passes();
}

#[test]
fn two_devices_that_change_one_field_are_both_in_its_history() {
    let mut case = Case::served();
    case.opens(PHONE);
    case.opens(TABLET);
    let (phone, first) = case.asks_to_patch(PHONE, &[Email]);
    let (tablet, second) = case.asks_to_patch(TABLET, &[Email, Phone]);
    case.commits_patch(TABLET, second, &[Email, Phone]);
    case.commits_patch(PHONE, first, &[Email]);
    case.answers(PHONE, phone, Answered::Done(Done::Patched));
    case.answers(TABLET, tablet, Answered::Done(Done::Patched));
    case.ends().passes();
}

#[test]
fn a_change_that_happened_unseen_counts_and_one_that_did_not_is_nobodys_loss() {
    let mut case = Case::served();
    case.opens(PHONE);
    let (_, happened) = case.asks_to_patch(PHONE, &[Email]);
    // What a worker asked of the volume happens, whatever becomes of the device and of it.
    case.commits_patch(PHONE, happened, &[Email]);
    case.crashes(PHONE, 0);
    case.opens(PHONE);
    case.asks_to_patch(PHONE, &[Phone]);
    case.crashes(PHONE, 0);
    case.opens(TABLET);
    case.patches(TABLET, &[Email]);
    case.ends().passes();
}

#[test]
fn an_errand_waits_for_a_volume_that_is_out_of_order_and_not_much_longer() {
    let outage = Trouble::Server(ServerTrouble::Volume(VolumeFault::Outage));
    for (millis, late) in [(60_000, false), (900_000, true)] {
        let mut case = Case::served();
        case.opens(PHONE);
        let (op, token) = case.asks_to_patch(PHONE, &[Email]);
        case.fact(Node::Volume, Fact::Faulted(outage.clone()));
        case.wait(3_600_000);
        case.fact(Node::Volume, Fact::Ended(outage.clone()));
        case.wait(millis);
        case.commits_patch(PHONE, token, &[Email]);
        case.answers(PHONE, op, Answered::Done(Done::Patched));
        let case = case.ends();
        let expected = if late { vec![Invariant::RefusalsHaveReasons] } else { vec![] };
        assert_eq!(case.broken(), expected, "{:#?}", case.violations());
    }
}

#[test]
fn a_server_that_asks_to_be_left_alone_is() {
    for (millis, early) in [(900, true), (1_300, false)] {
        let mut case = Case::served();
        case.shares_its_session(PHONE, TABLET);
        case.opens(PHONE);
        let letter = case.sends_request(TABLET);
        case.hears(TABLET, letter, Some(Refusal::Busy(Span(1_000).to_engine())));
        case.wait(millis);
        case.sends_again(TABLET, again(letter, 1));
        let expected = if early { vec![Invariant::SystemSettles] } else { vec![] };
        assert_eq!(case.broken(), expected, "{:#?}", case.violations());
    }
}

#[test]
fn a_worker_that_dies_owes_nobody_an_answer_and_its_queue_is_empty() {
    let mut case = Case::served();
    case.shares_its_session(PHONE, TABLET);
    let worker = Node::Worker(WorkerId(0));
    case.sends_request(PHONE);
    case.sends_request(PHONE);
    case.fact(worker, Fact::Killed { keeps: 0, between: false });
    case.is_told_to_come_back(TABLET);
    assert_eq!(case.broken(), [Invariant::SessionsAreExclusive]);
}

/// A later try of a request.
fn again(letter: Letter, attempt: u16) -> Letter {
    Letter { attempt, ..letter }
}
