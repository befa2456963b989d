//! A zone that is there no more, or not for this account: why that is decides what to do.

use engine::id::UserId;
use engine::remote::{Ending, Order, Policy, Refusal, Reply, Request};
use harness::time::Span;
use sim::fault::Age;
use sim::remote::Control;

use super::settled;
use crate::conformance::client::{Client, HOME, Lab, Who, meal, put, text};

#[test]
fn a_zone_deleted_under_a_client_is_built_again_from_what_the_client_holds() {
    let (mut lab, client) = settled();
    lab.control(Control::EndZone(HOME, Ending::Deleted));

    // Creates the zone and goes on as before: each edit is "known" under a tag of the old zone.
    let mut naive = client.clone();
    assert_eq!(lab.ask(naive.who, Request::CreateZone { vault: HOME }), Reply::Done);
    naive.edit(meal(1), "x");
    for _ in 0..20 {
        let tag = naive.tags.get(&meal(1)).copied();
        let result = lab.save(naive.who, meal(1), "ax", tag);
        assert_eq!(result, Err(Refusal::UnknownItem));
    }
    assert!(lab.stored().is_empty(), "the naive client never gets its data back in");

    lab.control(Control::EndZone(HOME, Ending::Deleted));
    let mut careful = client;
    careful.edit(meal(1), "x");
    careful.sync(&mut lab);
    let stored: Vec<_> = lab.stored().into_values().collect();
    assert_eq!(stored, ["ax", "b", "c"]);
}

#[test]
fn an_ended_zone_says_why_to_every_request_until_it_is_created_again() {
    for ending in [Ending::Deleted, Ending::Purged, Ending::EncryptedDataReset] {
        let (mut lab, client) = settled();
        lab.control(Control::EndZone(HOME, ending));
        let requests = [
            Request::Changes { vault: HOME, since: client.cursor, order: Order::Token, limit: 9 },
            Request::Fetch { vault: HOME, ids: vec![meal(1)] },
            Request::Save {
                vault: HOME,
                policy: Policy::Overwrite,
                puts: vec![put(meal(1), "z", None)],
            },
            Request::Remove { vault: HOME, ids: vec![meal(1)] },
        ];
        for request in requests {
            let reply = lab.ask(client.who, request);
            assert_eq!(reply, Reply::Refused(Refusal::ZoneNotFound(ending)));
        }
        lab.ask(client.who, Request::CreateZone { vault: HOME });
        let old = lab.page(client.who, Order::Token, client.cursor);
        assert_eq!(old, Reply::Refused(Refusal::CursorExpired), "tokens die with their zone");
        assert!(lab.rows(client.who, Order::Token, None).rows.is_empty());
    }
}

#[test]
fn the_three_endings_of_a_zone_ask_for_three_answers() {
    let all = ["a", "b", "c"];
    let put_back = |lab: &mut Lab, client: &Client| {
        lab.ask(client.who, Request::CreateZone { vault: HOME });
        for (&id, blob) in &client.local {
            let _ = lab.save(client.who, id, &text(blob), None);
        }
    };
    // Puts everything back, whatever the reason: what the user erased lives again.
    let (mut lab, naive) = settled();
    lab.control(Control::EndZone(HOME, Ending::Purged));
    put_back(&mut lab, &naive);
    assert_eq!(lab.stored().into_values().collect::<Vec<_>>(), all);

    // Erases everything, whatever the reason: the last copy of what the user wanted is gone.
    let (mut lab, mut naive) = settled();
    lab.control(Control::EndZone(HOME, Ending::EncryptedDataReset));
    naive.local.clear();
    put_back(&mut lab, &naive);
    assert!(lab.stored().is_empty());

    for (ending, left) in [
        (Ending::Purged, &[][..]),
        (Ending::Deleted, &all[..]),
        (Ending::EncryptedDataReset, &all[..]),
    ] {
        let (mut lab, mut careful) = settled();
        lab.control(Control::EndZone(HOME, ending));
        careful.sync(&mut lab);
        assert_eq!(lab.stored().into_values().collect::<Vec<_>>(), left, "{ending:?}");
    }
}

#[test]
fn another_account_sees_no_zone() {
    let (mut lab, client) = settled();
    let nothing = Reply::Refused(Refusal::ZoneNotFound(Ending::Deleted));
    for account in [None, Some(UserId(2))] {
        let stranger = Who { account, ..client.who };
        for request in [
            Request::Changes { vault: HOME, since: client.cursor, order: Order::Token, limit: 9 },
            Request::Fetch { vault: HOME, ids: vec![meal(1), meal(99)] },
            Request::Save {
                vault: HOME,
                policy: Policy::Overwrite,
                puts: vec![put(meal(1), "z", None)],
            },
            Request::Remove { vault: HOME, ids: vec![meal(1)] },
            Request::CreateZone { vault: HOME },
        ] {
            assert_eq!(lab.ask(stranger, request), nothing);
        }
    }
    // Takes that answer for the truth about its data: the right data, the wrong account.
    let mut naive = client;
    naive.who.account = Some(UserId(2));
    if lab.page(naive.who, Order::Token, naive.cursor) == nothing {
        naive.local.clear();
    }
    assert!(naive.local.is_empty() && lab.stored().len() == 3);
}

#[test]
fn a_restore_brings_back_a_zone_that_had_ended() {
    let (mut lab, client) = settled();
    let before = lab.stored();
    lab.pass(Span::from_secs(10));
    lab.control(Control::EndZone(HOME, Ending::Deleted));
    assert_eq!(lab.stored().len(), 0);
    lab.pass(Span::from_secs(10));
    lab.control(Control::Restore(Age(Span::from_secs(15))));
    assert_eq!(lab.stored(), before);
    let page = lab.page(client.who, Order::Token, client.cursor);
    assert_eq!(page, Reply::Refused(Refusal::CursorExpired));
    assert_eq!(lab.rows(client.who, Order::Token, None).rows.len(), before.len());
}
