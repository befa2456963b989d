//! Row-level security and credentials: who is shown what, and how little an answer says.

use engine::id::{Remote, UserId};
use engine::remote::{Credential, Order, Policy, Refusal, Reply, Request};
use harness::time::Time;
use sim::plan::Node;
use sim::remote::Control;
use sim::time::ToEngine;

use super::{follow, ids, settled};
use crate::conformance::client::{Client, ELSEWHERE, HOME, Lab, Who, device, meal, put};

#[test]
fn a_hidden_row_is_absent_to_readers_and_in_the_way_of_inserts() {
    let (mut lab, client) = settled();
    lab.control(Control::Hide(HOME, meal(2), true));
    let (listed, _) = follow(&mut lab, client.who, Order::CommitSeq, None);
    assert_eq!(ids(&listed), [meal(1), meal(3)]);
    assert!(lab.fetch(client.who, &[meal(2)]).is_empty());
    assert_eq!(lab.save(client.who, meal(2), "z", None), Err(Refusal::Exists));
    let upsert = lab.save_all(client.who, Policy::Overwrite, vec![put(meal(2), "z", None)]);
    assert_eq!(upsert, [Err(Refusal::Rejected)]);
    lab.ask(client.who, Request::Remove { vault: HOME, ids: vec![meal(2)] });
    assert_eq!(lab.stored()[&meal(2)], "b");

    // Deletes what a full listing lacks, here and everywhere.
    let mut naive = client.clone();
    naive.local.retain(|id, _| ids(&listed).contains(id));
    lab.control(Control::Hide(HOME, meal(2), false));
    naive.pull(&mut lab);
    assert_eq!(naive.shows(meal(2)), None, "a change of permissions is no change of the row");

    // Keeps what is merely absent; and a listing from the start shows what became visible.
    assert_eq!(client.shows(meal(2)).as_deref(), Some("b"));
    let mut careful = Client { cursor: None, ..naive };
    careful.pull(&mut lab);
    assert_eq!(careful.shows(meal(2)).as_deref(), Some("b"));
}

#[test]
fn a_row_shown_again_does_not_enter_the_feed_again() {
    let mut lab = Lab::new(Remote::Rows);
    lab.control(Control::Hide(HOME, meal(1), true)); // Before it exists.
    lab.give(HOME, meal(1), "a");
    lab.give(HOME, meal(2), "b");
    let mut naive = Client::new(1);
    naive.pull(&mut lab);
    lab.control(Control::Hide(HOME, meal(1), false));
    naive.pull(&mut lab);
    assert_eq!(naive.shows(meal(1)), None, "its cursor has passed it");

    let mut careful = Client { cursor: None, ..naive };
    careful.pull(&mut lab);
    assert_eq!(careful.shows(meal(1)).as_deref(), Some("a"));
}

#[test]
fn another_users_credential_shows_nothing_and_says_nothing() {
    let (mut lab, client) = settled();
    let stranger = Who { credential: device(9, ELSEWHERE).credential, ..client.who };
    // Takes an empty answer for the truth: everything is gone.
    let page = lab.rows(stranger, Order::CommitSeq, None);
    assert!(page.rows.is_empty() && !page.more);
    let mut naive = client.clone();
    naive.local.retain(|id, _| page.ids().contains(id));
    assert!(naive.local.is_empty());

    assert!(lab.fetch(stranger, &[meal(1), meal(99)]).is_empty());
    let tag = client.tags.get(&meal(1)).copied();
    assert_eq!(lab.save(stranger, meal(1), "z", tag), Err(Refusal::NoRowMatched));
    assert_eq!(lab.save(stranger, meal(1), "z", None), Err(Refusal::Rejected));
    assert_eq!(lab.save(stranger, meal(99), "z", None), Err(Refusal::Rejected));
    lab.ask(stranger, Request::Remove { vault: HOME, ids: vec![meal(1)] });
    assert_eq!(lab.stored().into_values().collect::<Vec<_>>(), ["a", "b", "c"]);
    // Who is not let in at all knows at least that.
    lab.control(Control::Revoke(UserId(ELSEWHERE.0)));
    let reply = lab.page(stranger, Order::CommitSeq, None);
    assert_eq!(reply, Reply::Refused(Refusal::NotAuthenticated));
}

#[test]
fn a_credential_must_be_there_and_valid() {
    let (mut lab, client) = settled();
    let user = UserId(HOME.0);
    let until = |until: u64| Some(Credential { user, until: Time(until).to_engine() });
    let ask = |lab: &mut Lab, node: Node, credential: Option<Credential>| {
        let who = Who { node, credential, ..client.who };
        lab.page(who, Order::CommitSeq, None) != Reply::Refused(Refusal::NotAuthenticated)
    };
    let (now, node) = (lab.now.0, client.who.node);
    assert!(!ask(&mut lab, node, None));
    assert!(!ask(&mut lab, node, until(now)));
    assert!(ask(&mut lab, node, until(now + 1)));
    assert!(!ask(&mut lab, Node::Intruder, until(now + 1)), "nobody signed that one");

    let last = client.who.credential.map(|credential| credential.until.0).unwrap_or_default();
    lab.control(Control::Revoke(user));
    assert!(!ask(&mut lab, node, until(last)));
    assert!(ask(&mut lab, node, until(last + 1)), "issued later");
}

#[test]
fn without_the_policy_everybody_is_served_every_vault() {
    let (mut lab, mut client) = settled();
    lab.give(ELSEWHERE, meal(8), "secret");
    lab.give(HOME, meal(4), "d");
    lab.control(Control::DropPolicy(true));
    let (rows, _) = follow(&mut lab, client.who, Order::CommitSeq, client.cursor);
    assert_eq!(ids(&rows), [meal(8), meal(4)]);
    assert_eq!(lab.fetch(client.who, &[meal(8)]).len(), 1);

    client.pull(&mut lab); // This one looks at no row's vault.
    assert_eq!(client.shows(meal(8)).as_deref(), Some("secret"));

    lab.control(Control::DropPolicy(false));
    let (rows, _) = follow(&mut lab, client.who, Order::CommitSeq, None);
    assert!(rows.iter().all(|row| row.row.vault == HOME));
}
