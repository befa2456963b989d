//! Logins: when the vault is shown, to whom the device listens, and what a sign-out needs.

use super::*;
use crate::remote::Refusal;

const BEN: UserId = UserId(1);

/// A device that nobody has signed in on.
fn new_device(remotes: &[Remote]) -> Pair {
    Pair::with_disk(remotes, false, Snapshot::new())
}

#[test]
fn nothing_is_shown_before_all_remotes_are_listed() {
    let mut pair = new_device(&Remote::ALL);
    let login = pair.asks(Ask::SignIn);
    let read = pair.asks(Ask::Read(SOUP));
    let zone = pair.call();
    pair.returns(&zone, page(vec![served(row_under(KEY, SOUP, &written("soup")), 4)], 5));
    assert!(pair.answers.is_empty(), "one remote is missing: {:?}", pair.answers);
    pair.gives(Input::Credential(credential(ANNA)));
    let rows = pair.call();
    pair.returns(&rows, end_of_rows());
    assert_eq!(pair.answers[&login], Answer::SignedIn { partial: false });
    assert!(matches!(&pair.answers[&read], Answer::Read(it) if it.sealed && !it.partial));
}

#[test]
fn the_gate_opens_in_part_when_patience_ends() {
    let mut pair = new_device(&Remote::ALL);
    let login = pair.asks(Ask::SignIn);
    let zone = pair.call();
    pair.returns(&zone, page(Vec::new(), 5));
    while pair.answers.is_empty() {
        pair.wakes();
    }
    assert_eq!(pair.now, 1_000 + 20_000);
    assert_eq!(pair.answers[&login], Answer::SignedIn { partial: true });
    assert!(pair.reads(SOUP).partial, "a read says so");
}

#[test]
fn a_login_that_a_crash_interrupts_goes_on() {
    let mut pair = new_device(&[Remote::Zone]);
    pair.asks(Ask::SignIn);
    pair.crashes();
    let read = pair.asks(Ask::Read(SOUP));
    assert!(pair.answers.is_empty(), "the gate is closed as before");
    let listing = pair.call();
    pair.returns(&listing, page(Vec::new(), 5));
    assert!(pair.answers.contains_key(&read));
}

#[test]
fn a_remote_that_was_not_merged_before_a_crash_is_listed_again() {
    let mut pair = new_device(&[Remote::Zone]);
    pair.asks(Ask::SignIn);
    while pair.answers.is_empty() {
        pair.wakes();
    }
    let listing = pair.call();
    let (rows, token) = (vec![served(row(SOUP, &written("soup")), 4)], Some(Cursor::Token(4)));
    let first = Reply::Page { rows, deleted: Vec::new(), token, more: true, epoch: 0 };
    pair.returns(&listing, first);
    pair.crashes();
    assert!(pair.reads(SOUP).partial, "the rest was not listed");
    let Request::Changes { since, .. } = pair.call().1.request else { panic!("it lists") };
    assert_eq!(since, None, "a listing that goes on behind its first page shows less than all");
}

#[test]
fn a_second_sign_in_lists_again_and_both_are_answered() {
    let mut pair = new_device(&[Remote::Zone]);
    let first = pair.asks(Ask::SignIn);
    let stale = pair.call();
    let second = pair.asks(Ask::SignIn);
    pair.returns(&stale, page(Vec::new(), 5));
    assert!(pair.answers.is_empty(), "that listing began before the second login");
    let listing = pair.call();
    pair.returns(&listing, page(Vec::new(), 6));
    for op in [first, second] {
        assert_eq!(pair.answers[&op], Answer::SignedIn { partial: false });
    }
}

#[test]
fn a_credential_of_another_user_is_not_used() {
    let mut pair = Pair::new(&[Remote::Rows], false);
    pair.gives(Input::Credential(credential(BEN)));
    assert!(pair.calls.is_empty());
    pair.gives(Input::Credential(credential(ANNA)));
    assert_eq!(pair.call().1.credential, Some(credential(ANNA)));
}

#[test]
fn an_expired_credential_is_asked_for_anew_and_the_remote_listed() {
    let mut pair = Pair::new(&[Remote::Rows], false);
    pair.gives(Input::Credential(credential(ANNA)));
    let pull = pair.call();
    pair.returns(&pull, Reply::Refused(Refusal::NotAuthenticated));
    assert!(pair.outputs.iter().any(|it| matches!(it, Output::NeedCredential)));
    assert!(pair.calls.is_empty(), "nothing is asked without one");
    pair.gives(Input::Credential(credential(ANNA)));
    let Request::Changes { since, .. } = pair.call().1.request else { panic!("it lists") };
    assert_eq!(since, None);
}

#[test]
fn a_lost_request_for_a_credential_is_repeated() {
    let mut pair = Pair::new(&[Remote::Rows], false);
    pair.gives(Input::Wakeup);
    assert!(matches!(pair.outputs[..], [Output::NeedCredential]));
    assert_eq!(pair.wakes(), "credential");
    assert!(matches!(pair.outputs[..], [Output::NeedCredential]));
}

#[test]
fn a_sign_out_is_refused_while_an_edit_is_unsent() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.writes(SOUP, "mine");
    let refused = Answer::Refused(Reason::Unsent(1));
    assert_eq!(pair.is_answered(Ask::SignOut), refused);
    assert_eq!(pair.says(SOUP), ["mine"]);
}

#[test]
fn a_sign_out_leaves_nothing_but_a_new_name() {
    let mut pair = Pair::with_soup();
    let before = pair.device.core.store.meta().replica;
    assert_eq!(pair.is_answered(Ask::SignOut), Answer::SignedOut);
    assert_eq!(pair.disk.keys().collect::<Vec<_>>(), [&StoreKey::Meta]);
    assert_ne!(pair.device.core.store.meta().replica, before, "no dot is used twice");
    assert_eq!(pair.is_answered(Ask::List), Answer::Refused(Reason::SignedOut));
}

#[test]
fn what_comes_after_a_sign_out_counts_for_nothing() {
    let mut pair = Pair::with_soup();
    pair.gives(Input::Wakeup);
    let pull = pair.call();
    pair.asks(Ask::SignOut);
    pair.returns(&pull, page(vec![served(row(SOUP, &written("soup")), 4)], 5));
    pair.gives(Input::KeyArrived(LATE_KEY, key(LATE_KEY)));
    pair.gives(Input::Credential(credential(ANNA)));
    assert_eq!(pair.disk.keys().collect::<Vec<_>>(), [&StoreKey::Meta]);
    assert!(pair.calls.is_empty());
}

#[test]
fn a_key_is_made_only_once_nothing_is_sealed() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.is_pulled(vec![served(row_under(LATE_KEY, SOUP, &written("soup")), 4)], 5);
    let op = pair.asks(Ask::RotateKey);
    let made = |pair: &Pair| pair.outputs.iter().any(|it| matches!(it, Output::StoreKey(..)));
    assert!(!made(&pair));
    let pull = pair.call();
    pair.returns(&pull, page(Vec::new(), 6));
    assert!(!made(&pair), "a row is sealed");
    pair.gives(Input::KeyArrived(LATE_KEY, key(LATE_KEY)));
    let Some(Output::StoreKey(name, _)) =
        pair.outputs.iter().find(|it| matches!(it, Output::StoreKey(..))).cloned()
    else {
        panic!("now it is made")
    };
    assert_eq!(name.generation, 3);
    assert!(!pair.answers.contains_key(&op), "the keychain has not accepted it");
    pair.gives(Input::KeyStored(name));
    assert_eq!(pair.answers[&op], Answer::Rotated(name));
    pair.gives(Input::KeyStored(name));
}

#[test]
fn a_copied_image_writes_under_another_name() {
    let mut pair = Pair::with_soup();
    let before = pair.device.core.store.meta().replica;
    pair.boot.install = 2;
    pair.crashes();
    assert_ne!(pair.device.core.store.meta().replica, before);
    assert_eq!(pair.device.core.store.meta().next_n, 1);
}
