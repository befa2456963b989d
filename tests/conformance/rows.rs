//! What is known of PostgREST over Postgres, in the order of the design's table.

use std::collections::BTreeSet;

use engine::id::{RecordId, Remote};
use engine::remote::{CallId, Cursor, Order, Policy, Refusal, Reply, Request, Served};
use harness::time::Span;
use harness::time::SpanRange;
use sim::fault::Age;
use sim::history::Page;
use sim::remote::{Control, RemoteFact};

use super::client::{BATCH, Client, HOME, Lab, PAGE, Who, device, meal, put, text};

mod security;

/// A table with three meals, and a client that has them.
fn settled() -> (Lab, Client) {
    Client::settled(Remote::Rows)
}

/// Starts a save of one new row whose transaction takes this long.
fn begin(lab: &mut Lab, who: Who, key: u32, takes: Span) -> CallId {
    lab.control(Control::SlowCommits(Some(takes)));
    // Some transactions are slow and some are not: tries until it is one of the slow.
    loop {
        let puts = vec![put(meal(key), "n", None)];
        let policy = Policy::IfUnchanged;
        let call = lab.send(who, Request::Save { vault: HOME, policy, puts });
        if lab.answer(call).is_none() {
            lab.control(Control::SlowCommits(None));
            return call;
        }
        lab.ask(who, Request::Remove { vault: HOME, ids: vec![meal(key)] });
        lab.pass(takes);
    }
}

/// Follows a feed to an empty page; gives back all rows and the last cursor.
fn follow(
    lab: &mut Lab,
    who: Who,
    order: Order,
    mut since: Option<Cursor>,
) -> (Vec<Served>, Option<Cursor>) {
    let mut all = Vec::new();
    loop {
        let page = lab.rows(who, order, since);
        since = page.next(since);
        if !page.more {
            return (all, since);
        }
        all.extend(page.rows);
    }
}

fn ids(rows: &[Served]) -> Vec<RecordId> {
    rows.iter().map(|row| row.row.id).collect()
}

#[test]
fn a_slow_transaction_commits_behind_a_cursor_by_updated_at() {
    let mut lab = Lab::new(Remote::Rows);
    let (reader, writer) = (device(1, HOME), device(2, HOME));
    begin(&mut lab, writer, 1, Span::from_secs(5));
    lab.pass(Span::from_secs(1));
    assert!(lab.save(writer, meal(2), "n", None).is_ok());

    let (seen, by_start) = follow(&mut lab, reader, Order::UpdatedAt, None);
    assert_eq!(ids(&seen), [meal(2)]);
    let (seen, by_seq) = follow(&mut lab, reader, Order::CommitSeq, None);
    assert_eq!(ids(&seen), [meal(2)]);

    lab.pass(Span::from_secs(10));
    assert!(lab.stored().contains_key(&meal(1)), "the slow one is there now");
    assert!(lab.save(writer, meal(3), "n", None).is_ok());
    // "Where updated_at > cursor" never sees it.
    let (naive, _) = follow(&mut lab, reader, Order::UpdatedAt, by_start);
    assert_eq!(ids(&naive), [meal(3)]);
    // A number given under the lock at commit does.
    let (careful, _) = follow(&mut lab, reader, Order::CommitSeq, by_seq);
    assert_eq!(ids(&careful), [meal(1), meal(3)]);
}

/// What the last page's fact says: the cursor after it, the ids served, and the claim.
fn last_page(lab: &Lab) -> (Option<Cursor>, Vec<RecordId>, u64) {
    let Some(RemoteFact::Served(page)) = lab.facts.last() else { panic!("a page is a fact") };
    let Page { next, rows, never_again_below, .. } = &**page;
    (*next, rows.iter().map(|row| row.1).collect(), *never_again_below)
}

#[test]
fn the_fact_of_a_page_owns_up_to_rows_behind_its_cursor() {
    let mut lab = Lab::new(Remote::Rows);
    let (reader, writer) = (device(1, HOME), device(2, HOME));
    begin(&mut lab, writer, 1, Span::from_secs(5));
    lab.pass(Span::from_secs(1));
    assert!(lab.save(writer, meal(2), "n", None).is_ok());
    let mut since = [None, None];
    let orders = [Order::UpdatedAt, Order::CommitSeq];
    for (order, since) in orders.into_iter().zip(&mut since) {
        *since = follow(&mut lab, reader, order, None).1;
    }
    lab.pass(Span::from_secs(10)); // Now the slow one is there.
    let late = lab.double.stored()[0].tag.0; // A version is a position.
    lab.rows(reader, orders[0], since[0]);
    let (next, rows, claim) = last_page(&lab);
    assert!(next == since[0] && rows.is_empty() && claim >= late, "missed for ever: {claim}");
    lab.rows(reader, orders[1], since[1]);
    assert_eq!(last_page(&lab).1, [meal(1)]);
}

#[test]
fn the_fact_of_a_page_names_the_cursor_that_its_reader_makes() {
    let mut lab = Lab::new(Remote::Rows);
    let who = device(1, HOME);
    let batch = (0..u32::from(BATCH)).map(|key| put(meal(key), "n", None)).collect();
    lab.save_all(device(2, HOME), Policy::IfUnchanged, batch);
    lab.give(HOME, meal(9), "n");
    let page = lab.rows(who, Order::CommitSeq, None);
    let (next, _, claim) = last_page(&lab);
    assert_eq!(next, page.next(None));
    assert_eq!(claim, u64::from(PAGE), "the rest of the transaction is still to come");

    // A reader that leaves out the id goes on leaving it out, and skips that rest.
    let stamp = page.rows[0].stamp;
    let without = |stamp: u64| Some(Cursor::After { epoch: 0, stamp, id: None });
    lab.rows(who, Order::CommitSeq, without(stamp));
    assert_eq!(last_page(&lab), (without(stamp + 1), vec![meal(9)], u64::from(BATCH) + 1));
    lab.rows(who, Order::CommitSeq, without(stamp - 1));
    let (next, rows, claim) = last_page(&lab);
    assert_eq!((next, rows.len()), (without(stamp), usize::from(PAGE)));
    assert_eq!(claim, u64::from(BATCH), "and the page says so");
}

#[test]
fn commit_seq_is_given_at_commit_and_once_per_transaction() {
    let mut lab = Lab::new(Remote::Rows);
    let (reader, writer) = (device(1, HOME), device(2, HOME));
    begin(&mut lab, writer, 1, Span::from_secs(5));
    let batch = vec![put(meal(3), "n", None), put(meal(2), "n", None)];
    lab.save_all(writer, Policy::IfUnchanged, batch);
    lab.pass(Span::from_secs(10));

    let (rows, _) = follow(&mut lab, reader, Order::CommitSeq, None);
    assert_eq!(ids(&rows), [meal(2), meal(3), meal(1)], "in the order of commits, ties by id");
    assert_eq!(rows[0].stamp, rows[1].stamp, "one transaction, one number");
    assert!(rows[1].stamp < rows[2].stamp);

    let (rows, _) = follow(&mut lab, reader, Order::UpdatedAt, None);
    assert_eq!(rows[0].row.id, meal(1), "in the order of starts");
}

#[test]
fn an_overlap_window_helps_as_far_as_it_reaches() {
    for (window, found) in [(500, false), (6_000, true)] {
        let mut lab = Lab::new(Remote::Rows);
        let (reader, writer) = (device(1, HOME), device(2, HOME));
        begin(&mut lab, writer, 1, Span::from_secs(5));
        lab.pass(Span::from_secs(4));
        assert!(lab.save(writer, meal(2), "n", None).is_ok());
        let (_, cursor) = follow(&mut lab, reader, Order::UpdatedAt, None);
        lab.pass(Span::from_secs(10));

        let Some(Cursor::After { epoch, stamp, .. }) = cursor else { panic!("a page was served") };
        let since = Some(Cursor::After { epoch, stamp: stamp - window, id: None });
        let page = lab.rows(reader, Order::UpdatedAt, since);
        assert_eq!(page.ids().contains(&meal(1)), found, "{window} ms");
    }
}

#[test]
fn a_cursor_without_the_id_skips_what_shares_its_stamp() {
    let mut lab = Lab::new(Remote::Rows);
    let who = device(1, HOME);
    // More than fit in a page, so one ends within the transaction.
    let batch = (0..u32::from(BATCH)).map(|key| put(meal(key), "n", None)).collect();
    lab.save_all(device(2, HOME), Policy::IfUnchanged, batch);

    for order in [Order::CommitSeq, Order::UpdatedAt] {
        let (mut naive, mut since) = (BTreeSet::new(), None);
        loop {
            let page = lab.rows(who, order, since);
            let Some(last) = page.rows.last() else { break };
            since = Some(Cursor::After { epoch: page.epoch, stamp: last.stamp, id: None });
            naive.extend(page.ids());
        }
        assert_eq!(naive.len(), usize::from(PAGE), "the rest of the transaction is never served");
        let (careful, _) = follow(&mut lab, who, order, None);
        assert_eq!(careful.len(), usize::from(BATCH));
    }
}

#[test]
fn a_page_is_capped_without_a_word() {
    let mut lab = Lab::new(Remote::Rows);
    let who = device(1, HOME);
    for key in 0..10 {
        lab.give(HOME, meal(key), "n");
    }
    // Asks for a hundred, gets fewer, and concludes that there are no more.
    let page = lab.rows(who, Order::CommitSeq, None);
    assert_eq!(page.rows.len(), usize::from(PAGE), "and seven rows are missing");
    assert!(page.more);

    let (all, since) = follow(&mut lab, who, Order::CommitSeq, None);
    assert_eq!(all.len(), 10);
    let empty = lab.rows(who, Order::CommitSeq, since);
    assert!(!empty.more && empty.rows.is_empty(), "only an empty page is the end");

    // A query for single rows is a query like any other.
    let wanted: Vec<_> = (0..10).map(meal).collect();
    let naive = lab.fetch(who, &wanted);
    assert_eq!(naive.len(), usize::from(PAGE));
    let mut left: BTreeSet<_> = wanted.into_iter().collect();
    loop {
        let rows = lab.fetch(who, &left.iter().copied().collect::<Vec<_>>());
        if rows.is_empty() {
            break;
        }
        rows.iter().for_each(|row| assert!(left.remove(&row.row.id)));
    }
    assert!(left.is_empty());
}

#[test]
fn an_upsert_checks_no_version() {
    let (mut lab, mut client) = settled();
    lab.give(HOME, meal(1), "ay");
    client.edit(meal(1), "x");
    let stale = client.tags.get(&meal(1)).copied();
    let naive = vec![put(meal(1), "ax", stale)];
    assert!(lab.save_all(client.who, Policy::Overwrite, naive)[0].is_ok());
    assert_eq!(lab.stored()[&meal(1)], "ax", "the other device's edit is gone in silence");

    let (mut lab, mut careful) = settled();
    lab.give(HOME, meal(1), "ay");
    careful.edit(meal(1), "x");
    careful.push(&mut lab);
    assert_eq!(lab.stored()[&meal(1)], "axy");
}

#[test]
fn a_late_upsert_sets_updated_at_back() {
    let mut lab = Lab::new(Remote::Rows);
    let (reader, writer) = (device(1, HOME), device(2, HOME));
    lab.control(Control::SlowCommits(Some(Span::from_secs(5))));
    let upsert = |content: &str| Request::Save {
        vault: HOME,
        policy: Policy::Overwrite,
        puts: vec![put(meal(1), content, None)],
    };
    while lab.double.poll_wakeup().is_none() {
        lab.send(writer, upsert("x"));
    }
    lab.control(Control::SlowCommits(None));
    lab.pass(Span::from_secs(1));
    lab.ask(writer, upsert("y"));
    let (_, cursor) = follow(&mut lab, reader, Order::UpdatedAt, None);
    lab.pass(Span::from_secs(10));
    assert_eq!(lab.stored()[&meal(1)], "x", "the last to commit wins");
    let (naive, _) = follow(&mut lab, reader, Order::UpdatedAt, cursor);
    assert!(naive.is_empty(), "and the row is older than what the reader has");
}

#[test]
fn an_update_that_matches_nothing_does_not_say_why() {
    let (mut lab, mut client) = settled();
    lab.give(HOME, meal(1), "ay");
    lab.control(Control::Hide(HOME, meal(2), true));
    lab.ask(device(2, HOME), Request::Remove { vault: HOME, ids: vec![meal(3)] });
    for key in 1..=3 {
        client.edit(meal(key), "x");
    }
    let puts = |client: &Client| -> Vec<_> {
        let unsent = client.unsent.iter();
        unsent.map(|id| put(*id, &text(&client.local[id]), client.tags.get(id).copied())).collect()
    };
    let results = lab.save_all(client.who, Policy::IfUnchanged, puts(&client));
    assert_eq!(results, vec![Err(Refusal::NoRowMatched); 3], "differs, hidden, gone: all one");

    // Takes an answer without an error for a success.
    let mut naive = client.clone();
    naive.unsent.clear();
    naive.sync(&mut lab);
    assert!(lab.stored().values().all(|letters| !letters.contains('x')));

    // Looks what is there, and merges or inserts; what is hidden stays in the way.
    lab.control(Control::Hide(HOME, meal(2), false));
    client.push(&mut lab);
    assert_eq!(lab.stored().into_values().collect::<Vec<_>>(), ["axy", "bx", "cx"]);
}

#[test]
fn rows_of_one_save_fail_each_by_itself() {
    let (mut lab, client) = settled();
    lab.control(Control::Reject(HOME, meal(5), true));
    let puts = vec![put(meal(4), "d", None), put(meal(5), "e", None), put(meal(1), "z", None)];
    let results = lab.save_all(client.who, Policy::IfUnchanged, puts);
    assert!(results[0].is_ok());
    assert_eq!(results[1..], [Err(Refusal::Rejected), Err(Refusal::Exists)]);
    assert!(lab.stored().contains_key(&meal(4)));
}

#[test]
fn a_hint_comes_after_the_commit_for_everyone_but_the_saver_and_may_get_lost() {
    let (mut lab, client) = settled();
    lab.hints.clear();
    let writer = device(2, HOME);
    begin(&mut lab, writer, 4, Span::from_secs(5));
    lab.hints.clear();
    lab.pass(Span::from_secs(4));
    assert!(lab.hints.is_empty(), "nothing to see yet");
    lab.pass(Span::from_secs(2));
    assert_eq!(lab.hints, [(HOME, writer.node)]);

    client.lives_on_hints(&mut lab, writer, meal(4));
}

#[test]
fn a_removed_row_leaves_no_trace() {
    let (mut lab, client) = settled();
    lab.ask(device(2, HOME), Request::Remove { vault: HOME, ids: vec![meal(1)] });
    let mut naive = client.clone();
    naive.pull(&mut lab);
    assert_eq!(naive.shows(meal(1)).as_deref(), Some("a"), "no feed tells of it");
    naive.edit(meal(1), "");
    naive.push(&mut lab);
    assert_eq!(lab.stored()[&meal(1)], "a", "and the deleted meal is back");

    let (mut lab, mut careful) = settled();
    let tag = careful.tags.get(&meal(1)).copied();
    assert!(lab.save(device(2, HOME), meal(1), "-", tag).is_ok());
    careful.pull(&mut lab);
    assert_eq!(careful.shows(meal(1)).as_deref(), Some("-"));
}

#[test]
fn a_row_made_again_does_not_bear_an_old_tag() {
    let (mut lab, client) = settled();
    let old = client.tags.get(&meal(1)).copied();
    lab.ask(device(2, HOME), Request::Remove { vault: HOME, ids: vec![meal(1)] });
    assert!(lab.save(device(2, HOME), meal(1), "new", None).is_ok());
    assert_eq!(lab.save(client.who, meal(1), "ax", old), Err(Refusal::NoRowMatched));
}

#[test]
fn a_restored_database_gives_out_the_numbers_of_its_feed_again() {
    let (mut lab, client) = settled();
    lab.pass(Span::from_secs(10));
    let stamp = |lab: &mut Lab| {
        let page = lab.rows(client.who, Order::CommitSeq, None);
        page.rows.iter().map(|row| row.stamp).max()
    };
    lab.give(HOME, meal(1), "ax");
    let passed = stamp(&mut lab);
    lab.control(Control::Restore(Age(Span::from_secs(5))));
    lab.give(HOME, meal(2), "bx");
    assert_eq!(stamp(&mut lab), passed, "only the epoch tells one from the other");
    assert_eq!(lab.rows(client.who, Order::CommitSeq, None).epoch, 1);
}

#[test]
fn a_transaction_ends_when_the_database_is_restored() {
    let takes = Span::from_secs(2);
    let mut lab = Lab::with(Remote::Rows, SpanRange { low: takes, high: takes });
    let (who, puts) = (device(1, HOME), vec![put(meal(1), "a", None)]);
    let save = Request::Save { vault: HOME, policy: Policy::IfUnchanged, puts };
    let call = lab.send(who, save);
    lab.control(Control::Restore(Age(Span::from_secs(1))));
    lab.pass(Span::from_secs(5));
    assert_eq!((lab.answer(call), lab.stored().len()), (None, 0));
}

#[test]
fn a_restored_database_is_told_by_its_epoch() {
    let (mut lab, mut client) = settled();
    client.edit(meal(1), "x");
    lab.control(Control::ExpireCursors);
    lab.give(HOME, meal(4), "d");

    // Takes a refusal for "nothing new", and goes on asking with the same cursor.
    let naive = client.clone();
    for _ in 0..20 {
        let reply = lab.page(naive.who, Order::CommitSeq, naive.cursor);
        assert_eq!(reply, Reply::Refused(Refusal::CursorExpired));
    }
    assert_eq!(naive.shows(meal(4)), None);
    // Starts over with an empty store: the edit that was not sent is gone.
    let mut naive = Client::new(1);
    naive.sync(&mut lab);
    assert_eq!(naive.shows(meal(1)).as_deref(), Some("a"));

    client.sync(&mut lab);
    assert_eq!(client.shows(meal(4)).as_deref(), Some("d"));
    assert_eq!(lab.stored()[&meal(1)], "ax");
    assert_eq!(lab.rows(client.who, Order::CommitSeq, None).epoch, 1);
}

#[test]
fn conditions_are_evaluated_at_the_commit() {
    // Both start on the same version; who commits first wins, and the other matches nothing.
    let second = SpanRange { low: Span::from_secs(1), high: Span::from_secs(1) };
    let mut lab = Lab::with(Remote::Rows, second);
    let tag = lab.give(HOME, meal(1), "a");
    let update = |content: &str| Request::Save {
        vault: HOME,
        policy: Policy::IfUnchanged,
        puts: vec![put(meal(1), content, Some(tag))],
    };
    let first = lab.send(device(1, HOME), update("ax"));
    lab.pass(Span::from_millis(1));
    let other = lab.send(device(2, HOME), update("ay"));
    assert_eq!(lab.stored()[&meal(1)], "a", "neither is visible yet");
    lab.pass(Span::from_secs(2));
    assert!(matches!(lab.answer(first), Some(Reply::Saved(rows)) if rows[0].1.is_ok()));
    let nothing = vec![(meal(1), Err(Refusal::NoRowMatched))];
    assert_eq!(lab.answer(other), Some(Reply::Saved(nothing)));
    assert_eq!(lab.stored()[&meal(1)], "ax");
}

#[test]
fn a_lost_answer_leaves_a_row_that_exists() {
    let (mut lab, mut client) = settled();
    client.edit(meal(4), "d");
    assert!(lab.save(client.who, meal(4), "d", None).is_ok()); // The answer is lost.

    // Takes "exists" for another client's row and gives up on it; its later edits never arrive.
    let mut naive = client.clone();
    assert_eq!(lab.save(naive.who, meal(4), "d", None), Err(Refusal::Exists));
    naive.parked.insert(meal(4));
    naive.edit(meal(4), "x");
    naive.sync(&mut lab);
    assert_eq!(lab.stored()[&meal(4)], "d");

    client.edit(meal(4), "x");
    client.push(&mut lab);
    assert_eq!(lab.stored()[&meal(4)], "dx");
    // A removal whose answer was lost succeeds again.
    for _ in 0..2 {
        let request = Request::Remove { vault: HOME, ids: vec![meal(4)] };
        assert_eq!(lab.ask(client.who, request), Reply::Done);
    }
}

#[test]
fn what_the_service_has_not_is_refused_whole() {
    let (mut lab, client) = settled();
    let rejected = Reply::Refused(Refusal::Rejected);
    assert_eq!(lab.ask(client.who, Request::CreateZone { vault: HOME }), rejected);
    assert_eq!(lab.page(client.who, Order::Token, None), rejected);
    let token = Some(Cursor::Token(1));
    let reply = lab.page(client.who, Order::CommitSeq, token);
    assert_eq!(reply, Reply::Refused(Refusal::CursorExpired));
    let puts = (10..=10 + u32::from(BATCH)).map(|key| put(meal(key), "n", None)).collect();
    let request = Request::Save { vault: HOME, policy: Policy::IfUnchanged, puts };
    assert_eq!(lab.ask(client.who, request), Reply::Refused(Refusal::LimitExceeded));
}
