//! Conversations: one key whichever way they come, and copies that merge without a duplicate or a
//! gap, in any order and as often as one likes.
//!
//! The merge is compared with sets of numbers, which know no threads.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use engine::date::Calendar;
use engine::dedup::{DedupKey, Message, Origin, Thread};
use engine::flaw::{Flaw, Flaws};
use engine::id::{Token, VaultId};
use engine::ingest::{Conversation, Ingest, Path, Step, Vault};
use engine::job::{BlobHash, BlobName, Content, Item, Job};
use engine::message::{Found, WorkAction, WorkReply};
use engine::record::{Payload, Value};
use engine::seal::{Key, KeyName, Keyring};
use proptest::prelude::*;

use crate::laws::drawn;

fn origin(service: &str, id: &str) -> Origin {
    Origin { service: service.to_owned(), id: id.to_owned() }
}

fn message(n: u32, edit: u32) -> Message {
    let value = Value::Text(format!("message {n}, state {edit}"));
    Message {
        n,
        edit,
        payload: Payload { token: Token([u8::try_from(n).expect("few"); 16]), value },
    }
}

fn vault(flaws: Flaws) -> Vault {
    let name = KeyName { generation: 1, draw: 7 };
    Vault {
        id: VaultId(3),
        secret: Key([9; 32]),
        keyring: Keyring::new(BTreeMap::from([(name, Key([1; 32]))]), None),
        calendar: Calendar::new("Europe/Berlin").expect("a zone"),
        flaws,
    }
}

fn thread(messages: Vec<Message>) -> Thread {
    let day = vault(Flaws::NONE).calendar.day("2024-04-03").expect("a day");
    Thread::new(origin("chat", "c1"), day, messages)
}

fn of(range: RangeInclusive<u32>) -> Thread {
    thread(range.map(|n| message(n, 0)).collect())
}

fn joined(mut one: Thread, other: &Thread) -> Thread {
    one.join(other);
    one
}

fn numbers(thread: &Thread) -> Vec<u32> {
    thread.messages().iter().map(|message| message.n).collect()
}

fn secret() -> Key {
    Key([9; 32])
}

#[test]
fn copies_that_overlap_give_every_message_once_and_in_order() {
    let merged = joined(of(1..=5), &of(3..=8));
    assert_eq!(numbers(&merged), (1..=8).collect::<Vec<_>>());
    assert_eq!(merged.gap(), 0);
    for (a, b) in (1..=6).flat_map(|a| (a..=6).map(move |b| (a, b))) {
        for (c, d) in (1..=6).flat_map(|c| (c..=6).map(move |d| (c, d))) {
            let merged = joined(of(a..=b), &of(c..=d));
            let all: BTreeSet<u32> = (a..=b).chain(c..=d).collect();
            assert_eq!(numbers(&merged), all.iter().copied().collect::<Vec<_>>());
            let last = *all.last().expect("not empty");
            assert_eq!(merged.gap(), (1..=last).filter(|n| !all.contains(n)).count());
        }
    }
}

fn any_thread() -> impl Strategy<Value = Thread> {
    let messages = prop::collection::vec((1u32..9, 0u32..3), 0..12);
    messages.prop_map(|all| thread(all.into_iter().map(|(n, edit)| message(n, edit)).collect()))
}

proptest! {
    #![proptest_config(drawn(1_000))]

    #[test]
    fn the_order_of_copies_does_not_matter(a in any_thread(), b in any_thread(), c in any_thread()) {
        let there = joined(joined(a.clone(), &b), &c);
        prop_assert_eq!(&there, &joined(a.clone(), &joined(c.clone(), &b)));
        prop_assert_eq!(&there, &joined(there.clone(), &b), "once is enough");
        prop_assert_eq!(&joined(a.clone(), &a), &a);
        let newest = |n| {
            let all = [&a, &b, &c].into_iter().flat_map(|it| it.messages());
            all.filter(|it| it.n == n).map(|it| it.edit).max()
        };
        for n in 1..9 {
            let held: Vec<u32> =
                there.messages().iter().filter(|it| it.n == n).map(|it| it.edit).collect();
            prop_assert_eq!(held, newest(n).into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn conversations_have_one_key_each(
        [a, b] in [("[a-c]{1,2}", "[a-cA-C]{1,3}"), ("[a-c]{1,2}", "[a-cA-C]{1,3}")],
        space in "[ \\t]{0,2}",
    ) {
        let key = |(service, id): &(String, String)| DedupKey::new(&secret(), &origin(service, id));
        prop_assert_eq!(key(&a) == key(&b), a == b);
        let padded = (a.0.to_uppercase(), format!("{space}{}{space}", a.1));
        prop_assert_eq!(key(&padded), key(&a));
        let elsewhere = DedupKey::new(&Key([8; 32]), &origin(&a.0, &a.1));
        prop_assert_ne!(key(&a), elsewhere, "without the secret nobody can tell");
    }
}

#[test]
fn a_uuid_is_the_same_however_it_is_written() {
    let key = |id: &str| DedupKey::new(&secret(), &origin("chat", id));
    let plain = key("6fa459ea-ee8a-3ca4-894e-db77e160355e");
    for id in [
        "6FA459EA-EE8A-3CA4-894E-DB77E160355E",
        "6fa459eaee8a3ca4894edb77e160355e",
        "{6fa459ea-ee8a-3ca4-894e-db77e160355e}",
        "urn:uuid:6fa459ea-ee8a-3ca4-894e-db77e160355e",
    ] {
        assert_eq!(key(id), plain, "{id}");
    }
    assert_ne!(key("6fa459ea-ee8a-3ca4-894e-db77e160355f"), plain);
    assert_ne!(key("6fa4-59ea-ee8a-3ca4-894edb77e160355e"), plain, "no UUID");
}

fn conversation(title: &str, began: &str, range: RangeInclusive<u32>) -> Conversation {
    Conversation {
        origin: origin("chat", "  C-1 "),
        title: title.to_owned(),
        began: began.to_owned(),
        messages: range.map(|n| message(n, 0)).collect(),
    }
}

/// What a save by each path says: upload first.
fn saves(flaws: Flaws, began: &str) -> Vec<WorkAction> {
    let vault = vault(flaws);
    let save = |(path, title): (Path, &str)| {
        let ingest = Ingest::new(&vault, path, conversation(title, began, 1..=3)).expect("a day");
        match ingest.take(&vault, Ok(WorkReply::Item(None)), [5; 24]) {
            Ok(Step::Ask(action)) => action,
            other => panic!("it is to be saved, and not {other:?}"),
        }
    };
    [(Path::Upload, "Soup"), (Path::Daily, "soup, renamed")].map(save).to_vec()
}

#[test]
fn both_paths_save_the_same_under_the_same_key_and_day() {
    let same = |saves: &[WorkAction]| saves[0] == saves[1];
    assert!(same(&saves(Flaws::NONE, "3 Apr 2024")));
    assert!(!same(&saves(Flaws::only(Flaw::BpDedupSplit), "3 Apr 2024")));
    assert!(!same(&saves(Flaws::only(Flaw::BpDateLocale), "03/04/2024")));
    let refused = conversation("Soup", "03/04/2024", 1..=3);
    for path in [Path::Upload, Path::Daily] {
        assert!(Ingest::new(&vault(Flaws::NONE), path, refused.clone()).is_err());
    }
}

#[test]
fn the_server_is_shown_nothing_that_can_be_read() {
    for save in saves(Flaws::NONE, "3 Apr 2024") {
        let WorkAction::Save { blob, .. } = &save else { panic!("a save") };
        let shown = format!("{save:?}").to_lowercase();
        for canary in ["soup", "c-1", "chat"] {
            assert!(!shown.contains(canary), "{canary} in {shown}");
        }
        for canary in [&b"message"[..], b"chat", b"C-1", &[1; 16]] {
            assert!(!blob.windows(canary.len()).any(|window| window == canary));
        }
    }
}

/// The saved blob, as the server would show it under this name.
fn shown(save: &WorkAction, version: u32, other_key: bool) -> Found {
    let WorkAction::Save { key, day, messages, blob, .. } = save else { panic!("a save") };
    let key = if other_key { DedupKey::new(&secret(), &origin("chat", "c2")) } else { *key };
    let hash = BlobHash::of(blob);
    let content = Content { version, since: 1, day: *day, messages: *messages, blob: hash };
    let item = Item { content, job: Job::NEW };
    Found { item, name: BlobName { key, version, hash }, blob: blob.clone() }
}

#[test]
fn a_blob_opens_as_that_version_of_that_conversation_only() {
    let vault = vault(Flaws::NONE);
    let save = &saves(Flaws::NONE, "3 Apr 2024")[0];
    let thread = vault.open_thread(&shown(save, 1, false)).expect("it is this one");
    assert_eq!(numbers(&thread), [1, 2, 3]);
    assert!(vault.open_thread(&shown(save, 2, false)).is_err(), "an older version for a newer");
    assert!(vault.open_thread(&shown(save, 1, true)).is_err(), "another conversation's");
    assert!(vault.open_result(&shown(save, 1, false)).is_err(), "what it says for what came of it");
}
