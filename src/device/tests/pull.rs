//! Pulls: what a page of a feed does, and what answers that are late, lost or hostile do not.

use super::*;
use crate::point::Point;
use crate::remote::Refusal;

#[test]
fn a_page_is_applied_with_its_cursor_in_one_commit() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.is_pulled(vec![served(row(SOUP, &written("soup")), 4)], 5);
    assert_eq!(pair.says(SOUP), ["soup"]);
    assert_eq!(pair.cursor(Remote::Zone), Some(Cursor::Token(5)));
    let [commit] = &pair.commits[..] else { panic!("one commit, not {}", pair.commits.len()) };
    let keys: Vec<_> = commit.puts.iter().map(|(key, _)| *key).collect();
    for key in [
        StoreKey::Record(SOUP),
        StoreKey::Mirror(Remote::Zone, SOUP),
        StoreKey::Cursor(Remote::Zone),
    ] {
        assert!(keys.contains(&key), "{key:?} is not in {keys:?}");
    }
}

#[test]
fn the_next_page_goes_on_behind_the_last_one() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.gives(Input::Wakeup);
    let first = pair.call();
    let rows = vec![served(row(SOUP, &written("soup")), 4)];
    let token = Some(Cursor::Token(4));
    let reply = Reply::Page { rows, deleted: Vec::new(), token, more: true, epoch: 0 };
    pair.returns(&first, reply);
    let (_, next) = pair.call();
    let Request::Changes { since, .. } = next.request else { panic!("another page") };
    assert_eq!(since, Some(Cursor::Token(4)));
    assert_ne!(next.id, first.1.id, "it is another request");
}

#[test]
fn of_rows_the_cursor_names_the_last_row_that_was_served() {
    let mut pair = Pair::new(&[Remote::Rows], false);
    pair.gives(Input::Credential(credential(ANNA)));
    let call = pair.call();
    let rows = vec![served(row(SOUP, &written("soup")), 4), served(row(CAKE, &written("cake")), 6)];
    let reply = Reply::Page { rows, deleted: Vec::new(), token: None, more: true, epoch: 3 };
    pair.returns(&call, reply);
    let after = Cursor::After { epoch: 3, stamp: 6, id: Some(CAKE) };
    assert_eq!(pair.cursor(Remote::Rows), Some(after));
}

#[test]
fn a_stale_answer_counts_for_nothing() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.gives(Input::Wakeup);
    let (remote, mut call) = pair.call();
    call.id = CallId(77);
    pair.returns(&(remote, call), page(vec![served(row(SOUP, &written("soup")), 4)], 5));
    assert_eq!(pair.says(SOUP), [""; 0]);
    assert_eq!(pair.cursor(Remote::Zone), None);
    assert!(pair.commits.is_empty() && pair.outputs.is_empty(), "{:?}", pair.outputs);
}

#[test]
fn an_answer_that_comes_twice_is_taken_once() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.gives(Input::Wakeup);
    let call = pair.call();
    pair.returns(&call, page(Vec::new(), 5));
    pair.returns(&call, page(vec![served(row(SOUP, &written("soup")), 4)], 9));
    assert_eq!(pair.cursor(Remote::Zone), Some(Cursor::Token(5)));
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_id() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.gives(Input::Wakeup);
    let (_, first) = pair.call();
    assert_eq!(pair.wakes(), "timeout");
    assert_eq!(pair.now, 1_000 + TIMEOUT.0);
    assert!(pair.calls.is_empty(), "it waits before it asks again");
    assert_eq!(pair.wakes(), "retry");
    let (_, again) = pair.call();
    assert_eq!((again.id, again.attempt), (first.id, 1));
    assert_eq!(again.request, first.request);
}

#[test]
fn an_answer_to_the_first_try_ends_the_second_one() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.gives(Input::Wakeup);
    let first = pair.call();
    pair.wakes();
    pair.returns(&first, page(Vec::new(), 5));
    assert_eq!(pair.cursor(Remote::Zone), Some(Cursor::Token(5)));
    assert_ne!(pair.wakes(), "retry", "what was answered is not sent again");
}

#[test]
fn a_remote_that_asks_for_a_rest_is_left_alone() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.gives(Input::Wakeup);
    let call = pair.call();
    pair.returns(&call, Reply::Refused(Refusal::RateLimited(Span::from_secs(90))));
    assert_eq!(pair.wakes(), "retry");
    assert!(pair.now >= 91_000, "{}", pair.now);
    assert_eq!(pair.call().1.attempt, 1);
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    for reply in [Reply::Done, Reply::Saved(Vec::new()), Reply::Found(Vec::new())] {
        let mut pair = Pair::new(&[Remote::Zone], false);
        pair.gives(Input::Wakeup);
        let first = pair.call();
        pair.returns(&first, reply);
        assert_eq!(pair.wakes(), "retry");
        assert_eq!(pair.call().1.request, first.1.request);
    }
}

#[test]
fn a_row_without_its_key_is_kept_sealed_and_opens_when_that_arrives() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    let sealed = row_under(LATE_KEY, SOUP, &written("soup"));
    pair.is_pulled(vec![served(sealed.clone(), 4)], 5);
    assert_eq!(pair.cursor(Remote::Zone), Some(Cursor::Token(5)), "it blocks nothing");
    let kept = pair.disk.get(&StoreKey::Sealed(Remote::Zone, SOUP)).expect("it is durable");
    assert_eq!((kept.tag, &kept.bytes), (4, &sealed.blob));
    assert!(pair.reads(SOUP).sealed, "the user is shown that it is sealed");
    pair.gives(Input::KeyArrived(LATE_KEY, key(LATE_KEY)));
    assert_eq!(pair.says(SOUP), ["soup"]);
    assert!(!pair.disk.contains_key(&StoreKey::Sealed(Remote::Zone, SOUP)));
    assert_eq!(pair.status().unsent, [0, 0], "the zone has it");
}

#[test]
fn an_expired_token_lists_from_the_start_and_touches_no_record() {
    let mut pair = Pair::with_soup();
    pair.writes(CAKE, "cake");
    let pull = pair.call();
    pair.returns(&pull, Reply::Refused(Refusal::CursorExpired));
    assert_eq!((pair.says(SOUP), pair.says(CAKE)), (vec!["soup".into()], vec!["cake".into()]));
    let (_, next) = pair.call();
    let Request::Changes { since, .. } = next.request else { panic!("it lists") };
    assert_eq!(since, None);
}

#[test]
fn a_row_that_a_listing_lacks_is_put_back() {
    let mut pair = Pair::with_soup();
    pair.gives(Input::Wakeup);
    let pull = pair.call();
    pair.returns(&pull, Reply::Refused(Refusal::CursorExpired));
    let listing = pair.call();
    pair.returns(&listing, page(Vec::new(), 9));
    let (_, call) = pair.call();
    let Request::Save { puts, .. } = call.request else { panic!("it is saved") };
    assert_eq!((puts[0].row.id, puts[0].expect), (SOUP, None), "as a new row");
}

#[test]
fn a_row_of_another_vault_is_refused() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    let foreign = Row { vault: VaultId::from(UserId(1)), ..row(SOUP, &written("soup")) };
    pair.is_pulled(vec![served(foreign, 4)], 5);
    assert!(pair.outputs.iter().any(|it| matches!(it, Output::Reached(Point::ForeignRow))));
    assert_eq!(pair.says(SOUP), [""; 0]);
    assert!(!pair.disk.contains_key(&StoreKey::Sealed(Remote::Zone, SOUP)), "not kept either");
}

#[test]
fn concurrent_edits_become_siblings() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.writes(SOUP, "broth");
    let pull = pair.call();
    pair.returns(&pull, page(vec![served(row(SOUP, &written("soup")), 4)], 5));
    let mut says = pair.says(SOUP);
    says.sort();
    assert_eq!(says, ["broth", "soup"]);
}

#[test]
fn a_damaged_row_is_put_back_over_its_own_tag() {
    let mut pair = Pair::with_soup();
    pair.gives(Input::Wakeup);
    let pull = pair.call();
    let mut damaged = row(SOUP, &written("soup"));
    let mut bytes = damaged.blob.to_vec();
    *bytes.last_mut().expect("it has bytes") ^= 1;
    damaged.blob = bytes.into();
    pair.returns(&pull, page(vec![served(damaged, 1)], 5));
    assert_eq!(pair.says(SOUP), ["soup"]);
    let (_, call) = pair.call();
    let Request::Save { puts, .. } = call.request else { panic!("it is saved") };
    assert_eq!((puts[0].row.id, puts[0].expect), (SOUP, Some(Tag(1))));
}
