//! What both doubles promise to the stage and to the judges: faults that hit what they name and
//! nothing else, draws that depend on the call alone, and facts that are true.

use std::collections::BTreeMap;

use engine::id::{DeviceId, RecordId, Remote};
use engine::remote::{
    Call, CallId, Cursor, Order, Policy, Refusal, Reply, Request, Return, Served,
};
use harness::time::SpanRange;
use harness::time::{Span, Time};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sim::fault::Age;
use sim::history::Page;
use sim::plan::Node;
use sim::remote::{Asker, Control, Effect, RemoteFact};

use super::client::{Client, HOME, Lab, device, letters, meal, put, text};

#[test]
fn a_damaged_row_keeps_its_tag_and_is_one_object_until_it_is_saved_anew() {
    for remote in Remote::ALL {
        let mut lab = Lab::new(remote);
        let tag = lab.give(HOME, meal(1), "a");
        lab.give(HOME, meal(2), "b");
        lab.control(Control::Corrupt(HOME, meal(1), None, true));
        let who = device(1, HOME);
        let order = lab.order();
        let (page, again) = (lab.rows(who, order, None), lab.fetch(who, &[meal(1)]));
        let served = page.rows.iter().find(|row| row.row.id == meal(1)).expect("it is listed");
        assert_eq!(served.tag, tag);
        assert_ne!(served.row.blob, letters("a"));
        assert!(std::ptr::eq(&*served.row.blob, &*again[0].row.blob), "the same object");
        assert_eq!(lab.stored()[&meal(1)], "a", "what is stored is as it was");

        assert!(lab.save(who, meal(1), "ax", Some(tag)).is_ok());
        assert_eq!(text(&lab.fetch(who, &[meal(1)])[0].row.blob), "ax");
    }
}

#[test]
fn damage_for_one_device_is_seen_by_no_other() {
    for remote in Remote::ALL {
        let mut lab = Lab::new(remote);
        lab.give(HOME, meal(1), "a");
        let (struck, other) = (device(1, HOME), device(2, HOME));
        let corrupt = |on| Control::Corrupt(HOME, meal(1), Some(DeviceId(1)), on);
        lab.control(corrupt(true));
        let shown = |lab: &mut Lab, who| text(&lab.fetch(who, &[meal(1)])[0].row.blob);
        assert_ne!(shown(&mut lab, struck), "a");
        assert_eq!(shown(&mut lab, other), "a");
        lab.control(corrupt(false));
        assert_eq!(shown(&mut lab, struck), "a");
        // What is not stored has no bytes to damage.
        lab.control(Control::Corrupt(HOME, meal(9), None, true));
        assert!(lab.save(struck, meal(9), "n", None).is_ok());
        assert_eq!(text(&lab.fetch(struck, &[meal(9)])[0].row.blob), "n");
    }
}

#[test]
fn a_request_turned_away_has_no_effect() {
    for remote in Remote::ALL {
        for control in [Control::Outage(true), Control::Throttle(Some(Span::from_secs(9)))] {
            let mut lab = Lab::new(remote);
            lab.control(control);
            let puts = vec![put(meal(1), "a", None)];
            let save = Request::Save { vault: HOME, policy: Policy::IfUnchanged, puts };
            let reply = lab.ask(device(1, HOME), save);
            assert!(
                matches!(
                    reply,
                    Reply::Refused(
                        Refusal::Unavailable(_) | Refusal::RateLimited(engine::time::Span(9_000))
                    )
                ),
                "{reply:?}"
            );
            assert!(lab.stored().is_empty() && lab.hints.is_empty());
            assert_eq!((lab.declined(), lab.facts.len()), (1, 1));
        }
    }
}

/// The moments and answers of device 1's saves, with or without those of device 2 in between.
fn answers(remote: Remote, company: bool) -> Vec<(Time, Return)> {
    let takes = SpanRange { low: Span::from_millis(1), high: Span::from_millis(400) };
    let mut lab = Lab::with(remote, takes);
    lab.give(HOME, meal(0), "a");
    let mut answers = Vec::new();
    let mut wake = |lab: &mut Lab| {
        while let Some(effect) = lab.double.poll_effect() {
            if let Effect::Reply(Asker { node: Node::Device(DeviceId(1)), .. }, answer) = effect {
                answers.push((lab.now, answer));
            }
        }
    };
    for n in 0..50 {
        for who in [1, 2].into_iter().take(1 + usize::from(company)) {
            let request = Request::Save {
                vault: HOME,
                policy: Policy::IfUnchanged,
                puts: vec![put(meal(0), "z", None)], // Refused, so that tags stay the same.
            };
            let from = device(who, HOME);
            let credential = from.credential;
            let call = Call { id: CallId(n), attempt: 0, credential, request };
            lab.double.handle(lab.now, Asker::new(from.node, 0, &call), from.account, &call);
            wake(&mut lab);
        }
        let end = lab.now + Span::from_millis(100);
        while let Some(at) = lab.double.poll_wakeup().filter(|&at| at <= end) {
            lab.now = at;
            lab.double.wake(at);
            wake(&mut lab);
        }
        lab.now = end;
    }
    answers
}

#[test]
fn luck_depends_on_the_call_and_not_on_the_company() {
    for remote in Remote::ALL {
        let alone = answers(remote, false);
        assert!(alone.len() > 40, "{}", alone.len());
        assert_eq!(alone, answers(remote, true));
    }
}

#[test]
fn a_duplicate_is_executed_and_answered_again() {
    for remote in Remote::ALL {
        let mut lab = Lab::new(remote);
        let who = device(1, HOME);
        let puts = vec![put(meal(1), "a", None)];
        let request = Request::Save { vault: HOME, policy: Policy::Overwrite, puts };
        let (id, credential) = (CallId(1), who.credential);
        let call = Call { id, attempt: 0, credential, request };
        let mut answers = Vec::new();
        for _ in 0..2 {
            lab.double.handle(lab.now, Asker::new(who.node, 0, &call), who.account, &call);
            while let Some(effect) = lab.double.poll_effect() {
                if let Effect::Reply(_, Return { reply: Reply::Saved(rows), .. }) = effect {
                    answers.push(rows[0].1.clone().expect("an overwrite succeeds"));
                }
            }
        }
        assert!(answers.len() == 2 && answers[0] != answers[1], "no idempotency keys here");
    }
}

/// What may happen between two pages.
#[derive(Clone, Debug)]
enum Step {
    Save(Vec<u32>),
    Upsert(u32),
    Remove(u32),
    Elsewhere(u32),
    Hide(u32, bool),
    Slow(bool),
    Pass(u64),
    Page(Order, bool),
}

fn steps(hide: bool) -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..12_u32;
    let order = prop_oneof![Just(Order::CommitSeq), Just(Order::UpdatedAt)];
    let step = prop_oneof![
        3 => prop::collection::btree_set(key(), 1..4).prop_map(|set| Step::Save(set.into_iter().rev().collect())),
        2 => key().prop_map(Step::Upsert),
        1 => key().prop_map(Step::Remove),
        1 => key().prop_map(Step::Elsewhere),
        1 => (key(), any::<bool>()).prop_map(move |(key, on)| Step::Hide(key, on && hide)),
        1 => any::<bool>().prop_map(Step::Slow),
        2 => (0..30_u64).prop_map(Step::Pass),
        4 => (order, any::<bool>()).prop_map(|(order, ids)| Step::Page(order, ids)),
    ];
    prop::collection::vec(step, 1..60)
}

/// A feed that is being followed.
#[derive(Debug, Default)]
struct Reader {
    since: Option<Cursor>,
    local: BTreeMap<RecordId, String>,
}

/// What a page's fact claims.
#[derive(Debug)]
struct Claim {
    order: Order,
    next: Option<Cursor>,
    never_again_below: u64,
    end: bool,
}

/// Follows a feed from here to its end, and gives back the positions served.
fn positions(lab: &mut Lab, order: Order, mut since: Option<Cursor>) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        lab.facts.clear();
        let page = lab.rows(device(9, HOME), order, since);
        let (next, rows, _, _) = served(lab);
        all.extend(rows);
        since = next;
        if !page.more {
            return all;
        }
    }
}

/// The last served fact, in parts: cursor after it, positions, claim, and whether it is the end.
fn served(lab: &Lab) -> (Option<Cursor>, Vec<u64>, u64, bool) {
    let Some(RemoteFact::Served(page)) = lab.facts.last() else { panic!("a page is a fact") };
    let Page { next, rows, never_again_below, end, .. } = &**page;
    (*next, rows.iter().map(|row| row.3).collect(), *never_again_below, *end)
}

/// Reads one page and checks what its fact says of this moment.
fn read(lab: &mut Lab, order: Order, ids: bool, reader: &mut Reader, hidden: bool) -> Claim {
    lab.facts.clear();
    let since = reader.since.map(|cursor| match cursor {
        Cursor::After { epoch, stamp, .. } if !ids => Cursor::After { epoch, stamp, id: None },
        Cursor::After { .. } | Cursor::Token(_) => cursor,
    });
    let page = lab.rows(device(1, HOME), order, since);
    let (next, _, never_again_below, end) = served(lab);
    reader.local.extend(page.rows.iter().map(|row| (row.row.id, text(&row.row.blob))));
    page.deleted.iter().for_each(|id| drop(reader.local.remove(id)));
    reader.since = next;

    let ahead = positions(lab, order, next);
    let first = ahead.iter().copied().min();
    assert!(first.is_none_or(|pos| pos > never_again_below), "{first:?} {never_again_below}");
    if lab.double.remote() == Remote::Zone {
        assert_eq!(end, !page.more); // Deletions may be ahead, which have no rows.
    } else if matches!(since, Some(Cursor::After { id: None, .. })) {
        assert!(!end || ahead.is_empty()); // Page for page it skips what shares a stamp.
    } else {
        assert_eq!(end, ahead.is_empty());
        let head = lab.double.stored().iter().map(|row| row.tag.0).max().unwrap_or(0);
        let largest = first.map_or(never_again_below >= head, |pos| pos == never_again_below + 1);
        assert!(largest || hidden, "{first:?} {never_again_below} {head}");
    }
    Claim { order, next, never_again_below, end }
}

/// Plays the steps and checks every fact; gives back what a reader in the order of commits has.
fn play(remote: Remote, steps: &[Step], hide: bool) -> (Lab, BTreeMap<RecordId, String>) {
    let takes = SpanRange { low: Span::ZERO, high: Span::from_millis(9) };
    let mut lab = Lab::with(remote, takes);
    let (mut product, mut late) = (Reader::default(), Reader::default());
    let (mut claims, mut n) = (Vec::new(), 0);
    for step in steps {
        n += 1;
        let content = format!("{n}");
        let request = |policy, keys: &[u32]| Request::Save {
            vault: HOME,
            policy,
            puts: keys.iter().map(|&key| put(meal(key), &content, None)).collect(),
        };
        match step {
            Step::Save(keys) => {
                lab.send(device(2, HOME), request(Policy::Overwrite, keys));
            }
            Step::Upsert(key) => {
                lab.send(device(3, HOME), request(Policy::Overwrite, &[*key]));
            }
            Step::Remove(key) => {
                // Of which a table's feed says nothing: see its own suite.
                if remote == Remote::Zone {
                    let ids = vec![meal(*key)];
                    lab.send(device(2, HOME), Request::Remove { vault: HOME, ids });
                }
            }
            Step::Elsewhere(key) => {
                lab.give(super::client::ELSEWHERE, meal(*key), &content);
            }
            Step::Hide(key, on) => lab.control(Control::Hide(HOME, meal(*key), *on)),
            Step::Slow(on) => {
                lab.control(Control::SlowCommits(on.then_some(Span::from_millis(80))));
            }
            Step::Pass(ms) => lab.pass(Span::from_millis(*ms)),
            Step::Page(Order::UpdatedAt, ids) if remote == Remote::Rows => {
                claims.push(read(&mut lab, Order::UpdatedAt, *ids, &mut late, hide));
            }
            Step::Page(..) => {
                let order = lab.order();
                claims.push(read(&mut lab, order, true, &mut product, hide));
            }
        }
    }
    lab.pass(Span::from_secs(1));
    for Claim { order, next, never_again_below, .. } in claims {
        let later = positions(&mut lab, order, next);
        assert!(later.iter().all(|&pos| pos > never_again_below), "{later:?}");
    }
    let order = lab.order();
    while !read(&mut lab, order, true, &mut product, hide).end {}
    (lab, product.local)
}

/// The same cases every time.
fn drawn() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(drawn())]

    #[test]
    fn the_product_order_of_a_feed_misses_nothing(steps in steps(false)) {
        for remote in Remote::ALL {
            let (lab, local) = play(remote, &steps, false);
            prop_assert_eq!(&local, &lab.stored());
        }
    }

    #[test]
    fn what_is_claimed_of_a_cursor_stays_true_while_rows_are_hidden_and_shown(steps in steps(true)) {
        play(Remote::Rows, &steps, true);
    }
}

#[test]
fn a_restored_remote_has_what_it_had_and_knows_no_cursor_of_before() {
    for remote in Remote::ALL {
        let (mut lab, mut client) = Client::settled(remote);
        let who = device(2, HOME);
        let (tag, before) = (client.tags[&meal(1)], lab.stored());
        lab.pass(Span::from_secs(10));
        let newer = lab.save(who, meal(1), "ax", Some(tag)).expect("the tag is right");
        assert!(lab.save(who, meal(4), "d", None).is_ok());
        lab.ask(who, Request::Remove { vault: HOME, ids: vec![meal(2)] });
        client.pull(&mut lab);
        lab.facts.clear();
        lab.control(Control::Restore(Age(Span::from_secs(5))));
        assert_eq!(lab.stored(), before);
        let restored = |fact: &RemoteFact| {
            matches!(
                fact,
                RemoteFact::Committed { by: Node::Remote(_), .. }
                    | RemoteFact::Removed { by: Node::Remote(_), .. }
            )
        };
        assert_eq!(lab.facts.len(), 3, "each row that changed");
        assert!(lab.facts.iter().all(restored));

        let page = lab.page(client.who, lab.order(), client.cursor);
        assert_eq!(page, Reply::Refused(Refusal::CursorExpired));
        assert!(lab.save(who, meal(1), "axy", Some(newer)).is_err(), "nobody knows that state");
        let next = lab.save(who, meal(1), "ay", Some(tag)).expect("this one is there again");
        assert!(next > newer, "a tag never names two states");
    }
}

#[test]
fn a_restore_can_be_taken_back() {
    for remote in Remote::ALL {
        let (mut lab, _) = Client::settled(remote);
        lab.pass(Span::from_secs(10));
        lab.give(HOME, meal(4), "d");
        let latest = lab.stored();
        lab.pass(Span::from_secs(10));
        lab.control(Control::Restore(Age(Span::from_secs(15))));
        assert_ne!(lab.stored(), latest);
        lab.pass(Span::from_secs(10));
        lab.control(Control::Restore(Age(Span::from_secs(12))));
        assert_eq!(lab.stored(), latest, "the backup of before the first restore");
    }
}

#[test]
fn a_cursor_at_the_head_is_served_nothing() {
    for remote in Remote::ALL {
        let mut lab = Lab::with(remote, SpanRange { low: Span::ZERO, high: Span::ZERO });
        let order = lab.order();
        for key in 0..8 {
            let head = lab.double.head(HOME);
            assert!(lab.double.is_at_head(HOME, head));
            assert!(lab.rows(device(1, HOME), order, Some(head)).rows.is_empty());
            lab.give(HOME, meal(key), "n");
            assert!(!lab.double.is_at_head(HOME, head));
            let rows: Vec<Served> = lab.rows(device(1, HOME), order, Some(head)).rows;
            assert_eq!(rows.len(), 1);
        }
        let head = lab.double.head(HOME);
        let mut client = Client::new(1);
        client.pull(&mut lab);
        assert!(lab.double.is_at_head(HOME, client.cursor.expect("there were pages")));
        lab.control(Control::ExpireCursors);
        assert!(!lab.double.is_at_head(HOME, head), "it would be refused");
    }
}
