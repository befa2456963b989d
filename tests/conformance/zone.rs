//! What is known of CloudKit, in the order of the design's table.

use engine::id::{RecordId, Remote, VaultId};
use engine::record::{Encoded, Record};
use engine::remote::{Cursor, Ending, Order, Policy, Refusal, Reply, Request, Row};
use engine::seal::{Key, KeyName, Keyring};
use harness::time::{Span, Time};
use sim::remote::Control;
use sim::time::ToEngine;

use super::client::{
    BATCH, Client, ELSEWHERE, HOME, Lab, PAGE, Who, device, meal, merge, put, text,
};

mod endings;

/// A zone with three meals, and a client that has them.
fn settled() -> (Lab, Client) {
    Client::settled(Remote::Zone)
}

#[test]
fn a_conflict_is_merged_into_the_server_record() {
    let (mut lab, mut client) = settled();
    lab.give(HOME, meal(1), "ay"); // Another device was faster.
    client.edit(meal(1), "x");

    // Merges into its own copy, and with it keeps the tag that was refused.
    let mut naive = client.clone();
    for _ in 0..20 {
        let own = text(&naive.local[&meal(1)]);
        match lab.save(naive.who, meal(1), &own, naive.tags.get(&meal(1)).copied()) {
            Err(Refusal::Changed(served)) => {
                let merged = merge(&naive.local[&meal(1)], &served.row.blob);
                naive.local.insert(meal(1), merged);
            }
            other => panic!("a stale tag was answered by {other:?}"),
        }
    }
    assert_eq!(lab.stored()[&meal(1)], "ay", "after twenty conflicts nothing has arrived");

    assert_eq!(client.push(&mut lab), 2, "one conflict, one success");
    assert_eq!(lab.stored()[&meal(1)], "axy");
}

#[test]
fn a_record_that_is_gone_is_for_the_client_to_drop_or_to_create_again() {
    let (mut lab, mut editor) = settled();
    let mut bystander = editor.clone();
    lab.ask(device(2, HOME), Request::Remove { vault: HOME, ids: vec![meal(1), meal(2)] });

    // Creates again whatever the zone says is gone: what nobody edited lives again.
    let tag = bystander.tags.get(&meal(1)).copied();
    assert_eq!(lab.save(bystander.who, meal(1), "a", tag), Err(Refusal::UnknownItem));
    assert!(lab.save(bystander.who, meal(1), "a", None).is_ok());
    assert!(lab.stored().contains_key(&meal(1)), "the deleted meal is back");
    lab.ask(device(2, HOME), Request::Remove { vault: HOME, ids: vec![meal(1)] });

    // Drops whatever the zone says is gone: an edit that the deleter never saw is lost.
    editor.edit(meal(2), "x");
    let tag = editor.tags.get(&meal(2)).copied();
    assert_eq!(lab.save(editor.who, meal(2), "bx", tag), Err(Refusal::UnknownItem));
    let mut naive = editor.clone();
    naive.local.remove(&meal(2));
    naive.unsent.clear();
    naive.sync(&mut lab);
    let mut left = lab.stored().into_values().chain(naive.local.values().map(text));
    assert!(!left.any(|letters| letters.contains('x')));

    // Decides by whether there is an edit.
    bystander.sync(&mut lab);
    editor.sync(&mut lab);
    assert_eq!(
        lab.stored().into_iter().collect::<Vec<_>>(),
        [(meal(2), "bx".to_owned()), (meal(3), "c".to_owned()),]
    );
}

#[test]
fn a_new_record_that_exists_is_refused_in_one_of_two_ways() {
    let (mut lab, client) = settled();
    let (mut shown, mut hidden) = (0, 0);
    // Has lost what it knew of the server, and creates, and creates.
    for _ in 0..40 {
        match lab.save(client.who, meal(1), "ax", None) {
            Err(Refusal::Changed(served)) => {
                assert_eq!(text(&served.row.blob), "a");
                shown += 1;
            }
            Err(Refusal::Exists) => hidden += 1,
            other => panic!("a collision was answered by {other:?}"),
        }
    }
    assert!(shown > 5 && hidden > 5, "{shown} with the record, {hidden} without");
    assert_eq!(lab.stored()[&meal(1)], "a", "the naive client's edit never arrives");

    let mut careful = client;
    careful.tags.clear();
    careful.edit(meal(1), "x");
    careful.push(&mut lab);
    assert_eq!(lab.stored()[&meal(1)], "ax");
}

#[test]
fn overwriting_ignores_tags_and_loses_what_it_did_not_see() {
    let (mut lab, mut client) = settled();
    lab.give(HOME, meal(1), "ay");
    client.edit(meal(1), "x");
    let stale = client.tags.get(&meal(1)).copied();

    let results = lab.save_all(client.who, Policy::Overwrite, vec![put(meal(1), "ax", stale)]);
    assert!(results[0].is_ok(), "a fix for conflicts, it seems");
    assert_eq!(lab.stored()[&meal(1)], "ax", "and the other device's edit is gone in silence");

    let (mut lab, mut careful) = settled();
    lab.give(HOME, meal(1), "ay");
    careful.edit(meal(1), "x");
    careful.push(&mut lab);
    assert_eq!(lab.stored()[&meal(1)], "axy");
}

#[test]
fn one_bad_record_fails_all_others_of_its_batch() {
    let (mut lab, mut client) = settled();
    lab.control(Control::Reject(HOME, meal(9), true));
    for key in 7..=9 {
        client.edit(meal(key), "n");
    }
    let puts = || (7..=9).map(|key| put(meal(key), "n", None)).collect::<Vec<_>>();
    let results = lab.save_all(client.who, Policy::IfUnchanged, puts());
    let failed = || Err(Refusal::BatchFailed);
    assert_eq!(results, [failed(), failed(), Err(Refusal::Rejected)]);
    assert_eq!(lab.stored().len(), 3, "nothing of the batch is stored");

    // Takes a batch that failed in part for a success: nothing is unsent, and nothing arrived.
    let mut naive = client.clone();
    naive.unsent.clear();
    naive.sync(&mut lab);
    assert!(!lab.stored().contains_key(&meal(7)));
    // Takes every refused row for a bad one: two good ones are never sent again.
    let mut naive = client.clone();
    naive.parked.extend([meal(7), meal(8), meal(9)]);
    naive.sync(&mut lab);
    assert!(!lab.stored().contains_key(&meal(7)));

    client.push(&mut lab);
    assert!(lab.stored().contains_key(&meal(7)) && lab.stored().contains_key(&meal(8)));
    assert_eq!(client.parked.into_iter().collect::<Vec<_>>(), [meal(9)]);
}

#[test]
fn zones_are_independent() {
    let (mut lab, client) = settled();
    lab.control(Control::EndZone(ELSEWHERE, Ending::Purged));
    lab.control(Control::Reject(ELSEWHERE, meal(1), true));
    let tag = client.tags.get(&meal(1)).copied();
    assert!(lab.save(client.who, meal(1), "ax", tag).is_ok());
}

#[test]
fn a_batch_over_the_limit_is_refused_whole() {
    let (mut lab, client) = settled();
    let puts = (10..=10 + u32::from(BATCH)).map(|key| put(meal(key), "n", None)).collect();
    let request = Request::Save { vault: HOME, policy: Policy::IfUnchanged, puts };
    assert_eq!(lab.ask(client.who, request), Reply::Refused(Refusal::LimitExceeded));
    assert_eq!(lab.stored().len(), 3);
}

#[test]
fn a_token_means_nothing_to_another_zone() {
    let (mut lab, client) = settled();
    let theirs = device(5, ELSEWHERE);
    lab.give(ELSEWHERE, meal(1), "theirs");
    let ask = |lab: &mut Lab, who: Who, vault: VaultId, since: Option<Cursor>| {
        lab.ask(who, Request::Changes { vault, since, order: Order::Token, limit: 9 })
    };
    let reply = ask(&mut lab, theirs, ELSEWHERE, client.cursor);
    assert_eq!(reply, Reply::Refused(Refusal::CursorExpired));
    let made_up = Some(Cursor::Token(3));
    let reply = ask(&mut lab, client.who, HOME, made_up);
    assert_eq!(reply, Reply::Refused(Refusal::CursorExpired));
}

#[test]
fn pages_are_short_as_the_zone_likes_and_say_whether_more_is_coming() {
    let mut lab = Lab::new(Remote::Zone);
    for key in 0..300 {
        lab.give(HOME, meal(key), "n");
    }
    let (mut sizes, mut since, who) = (Vec::new(), None, device(1, HOME));
    loop {
        let page = lab.rows(who, Order::Token, since);
        sizes.push(page.rows.len());
        since = page.token;
        if !page.more {
            break;
        }
    }
    assert_eq!(sizes.iter().sum::<usize>(), 300);
    assert!(sizes.iter().all(|&size| (1..=usize::from(PAGE)).contains(&size)), "{sizes:?}");
    let (_, inner) = sizes.split_last().expect("there was a page");
    assert!(inner.iter().any(|&size| size < usize::from(PAGE)), "a short page is not the end");
}

#[test]
fn an_expired_token_is_thrown_away_and_nothing_else() {
    let (mut lab, mut client) = settled();
    client.edit(meal(1), "x");
    lab.control(Control::ExpireCursors);
    let reply = lab.page(client.who, Order::Token, client.cursor);
    assert_eq!(reply, Reply::Refused(Refusal::CursorExpired));

    // Starts over from nothing, as the zone demands; what was never sent is part of "everything".
    let mut naive = Client::new(1);
    naive.sync(&mut lab);
    assert_eq!(naive.shows(meal(1)).as_deref(), Some("a"), "the edit is nowhere");

    client.sync(&mut lab);
    assert_eq!(lab.stored()[&meal(1)], "ax");
}

#[test]
fn a_token_taken_before_its_page_is_durable_skips_the_page() {
    let (mut lab, client) = settled();
    lab.give(HOME, meal(4), "d");
    // Persists the token, loses power, and comes up with the rows it had before.
    let mut naive = client.clone();
    naive.pull(&mut lab);
    naive.local = client.local.clone();
    naive.pull(&mut lab);
    assert_eq!(naive.shows(meal(4)), None, "no pull will ever bring it");

    // Persists both or neither.
    let mut careful = client.clone();
    careful.pull(&mut lab);
    careful = client;
    careful.pull(&mut lab);
    assert_eq!(careful.shows(meal(4)).as_deref(), Some("d"));
}

#[test]
fn the_feed_tells_the_latest_state_and_lists_deletions_apart() {
    let (mut lab, client) = settled();
    lab.give(HOME, meal(1), "ax");
    lab.give(HOME, meal(1), "axy");
    lab.give(HOME, meal(4), "d");
    lab.ask(device(2, HOME), Request::Remove { vault: HOME, ids: vec![meal(2), meal(4)] });
    lab.give(HOME, meal(2), "again");
    let (mut rows, mut deleted, mut since) = (Vec::new(), Vec::new(), client.cursor);
    loop {
        let page = lab.rows(client.who, Order::Token, since);
        rows.extend(page.rows.iter().map(|row| (row.row.id, text(&row.row.blob))));
        deleted.extend(page.deleted);
        since = page.token;
        if !page.more {
            break;
        }
    }
    assert_eq!(rows, [(meal(1), "axy".to_owned()), (meal(2), "again".to_owned())]);
    assert_eq!(deleted, [meal(4)]);
    let everything = lab.rows(client.who, Order::Token, None);
    assert_eq!(everything.deleted, [], "who asks for everything receives what there is");
    // Removing what is gone succeeds, and is no change.
    let ids = vec![meal(4)];
    assert_eq!(lab.ask(client.who, Request::Remove { vault: HOME, ids }), Reply::Done);
    assert!(lab.double.is_at_head(HOME, since.expect("a zone gives tokens")));
}

#[test]
fn deletions_are_not_remembered_for_ever() {
    let (mut lab, client) = settled();
    for key in 10..20 {
        lab.give(HOME, meal(key), "n"); // So that a listing takes several pages.
    }
    lab.ask(device(2, HOME), Request::Remove { vault: HOME, ids: vec![meal(1)] });
    lab.control(Control::ExpireCursors); // The client was away for too long.

    let mut naive = client.clone();
    naive.pull(&mut lab);
    assert_eq!(naive.shows(meal(1)).as_deref(), Some("a"), "nobody said that it is gone");
    // Puts back what the zone seems to lack.
    naive.unsent.insert(meal(1));
    naive.push(&mut lab);
    assert_eq!(lab.stored()[&meal(1)], "a", "the deleted meal is back");

    // A deletion that is a state of the record is not forgotten.
    let (mut lab, mut careful) = settled();
    let tag = careful.tags.get(&meal(1)).copied();
    assert!(lab.save(device(2, HOME), meal(1), "-", tag).is_ok());
    lab.control(Control::ExpireCursors);
    careful.sync(&mut lab);
    assert_eq!(careful.shows(meal(1)).as_deref(), Some("-"));
}

#[test]
fn a_hint_is_for_everyone_but_the_saver_and_may_get_lost() {
    let (mut lab, client) = settled();
    lab.hints.clear();
    let saver = device(2, HOME);
    assert!(lab.save(saver, meal(4), "d", None).is_ok());
    assert_eq!(lab.hints, [(HOME, saver.node)]);
    assert_eq!(lab.save(saver, meal(4), "d", None).err().map(|_| ()), Some(()));
    assert_eq!(lab.hints.len(), 1, "a save that changed nothing is not worth a hint");

    client.lives_on_hints(&mut lab, saver, meal(4));
}

#[test]
fn a_client_that_is_throttled_must_wait_as_long_as_the_answer_says() {
    let (mut lab, mut client) = settled();
    client.edit(meal(1), "x");
    let wait = Span::from_secs(30);
    let end = lab.now + wait;
    lab.control(Control::Throttle(Some(wait)));
    let mut naive = 0;
    while lab.now < end {
        assert_eq!(
            lab.page(client.who, Order::Token, client.cursor),
            Reply::Refused(Refusal::RateLimited(wait.to_engine()))
        );
        naive += 1;
        lab.pass(Span::from_millis(50));
    }
    assert!(naive >= 600, "{naive} requests of one client to a remote that has too many");
    assert_eq!(lab.declined(), naive);
    assert_eq!(lab.stored()[&meal(1)], "a", "and none had any effect");
    lab.control(Control::Throttle(None));
    client.sync(&mut lab); // One wait, one success.
    assert_eq!(lab.stored()[&meal(1)], "ax");
}

#[test]
fn an_outage_sometimes_says_when_to_come_back() {
    let (mut lab, client) = settled();
    lab.control(Control::Outage(true));
    let mut told: Vec<_> = (0..40)
        .map(|_| match lab.page(client.who, Order::Token, None) {
            Reply::Refused(Refusal::Unavailable(after)) => after.is_some(),
            other => panic!("an outage answered {other:?}"),
        })
        .collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, [false, true]);
    lab.control(Control::Outage(false));
    assert!(matches!(lab.page(client.who, Order::Token, None), Reply::Page { .. }));
}

#[test]
fn equal_contents_cannot_be_recognised_under_encryption() {
    let mut keys = Keyring::default();
    let name = KeyName { generation: 1, draw: 1 };
    keys.add(name, Key([1; 32]));
    let record = Encoded::new(Record::default());
    let mut lab = Lab::new(Remote::Zone);
    for key in [1, 2_u8] {
        let (id, nonce) = (meal(key.into()), [key; 24]);
        let blob = keys.seal(HOME, id, &record, nonce).expect("there is a key");
        lab.double.give(Time(1), Row { id, vault: HOME, blob });
    }
    // Drops what the server already has the like of: it finds no like.
    let stored = lab.double.stored();
    assert_ne!(stored[0].row.blob, stored[1].row.blob, "one record twice, and nobody can tell");
    for row in stored {
        let opened = keys.open(HOME, row.row.id, &row.row.blob).expect("it was sealed with it");
        assert_eq!(opened.bytes(), record.bytes());
    }
}

#[test]
fn nothing_is_unique_but_a_record_name() {
    let singleton = |n: u32| RecordId { kind: engine::id::Kind::Goals, key: n };
    // Each device makes "the" goals under a name of its own before its first sync.
    let mut lab = Lab::new(Remote::Zone);
    let (mut one, mut other) = (Client::new(1), Client::new(2));
    one.edit(singleton(111), "a");
    other.edit(singleton(222), "b");
    for client in [&mut one, &mut other] {
        client.sync(&mut lab);
    }
    assert_eq!(lab.stored().len(), 2, "two singletons");

    let mut lab = Lab::new(Remote::Zone);
    let (mut one, mut other) = (Client::new(1), Client::new(2));
    one.edit(singleton(0), "a");
    other.edit(singleton(0), "b");
    for client in [&mut one, &mut other] {
        client.push(&mut lab);
    }
    assert_eq!(lab.stored().into_values().collect::<Vec<_>>(), ["ab"]);
}
