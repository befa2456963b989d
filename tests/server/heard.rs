//! How far a request says that its asker has heard of the log: it spares a worker that lags behind
//! what would be in vain, and tells one whose log was restored.

use engine::flaw::Flaws;
use engine::id::{AccountField, NodeId, Token};
use engine::log::{EntryId, Position, entry_key};
use engine::message::{Action, Command, FileAction, FileReply, Refusal, Reply};
use engine::record::{Payload, Value};
use engine::volume;

use super::desk::name;
use super::lab::{ANNA, Asker, Fate, Lab};

fn patch(label: u8) -> Action {
    let value = Value::Text(format!("{label}"));
    Action::Patch(vec![(AccountField::Email, Payload { token: Token([label; 16]), value })])
}

/// What a worker that knows the first commit asks of the volume for a client that wants the fourth made
/// and has heard of a commit of this number: the commits that it reads or creates, in order, and what
/// it answers. The commit is one of the log if there is one of that number, and `named` so.
fn asked(heard: u64, named: bool) -> (Vec<(&'static str, u64)>, Reply) {
    let mut lab = Lab::new(2, Flaws::NONE);
    let asker = Asker::new(1);
    let fence = lab.opens(0, asker);
    lab.ask_and_wait(1, asker.asks(Command::Status));
    for n in [1, 2] {
        lab.ask_and_wait(0, asker.acts(fence, n, patch(n.try_into().expect("small"))));
    }
    let mut request = asker.acts(fence, 3, patch(3));
    let there = lab.log().into_iter().find(|entry| named && entry.seq == heard);
    let entry = there.map_or(EntryId(0), |entry| entry.id);
    request.heard = Position { seq: heard, entry };
    let ticket = lab.ask(1, request);
    let mut asked = Vec::new();
    while lab.answer(ticket).is_none() {
        asked.push(told(&lab.asked[1][0].request));
        lab.settle(1, Fate::Works);
    }
    let reply = lab.answer(ticket).expect("it is answered");
    assert_eq!(lab.log().len(), if reply == Reply::Patched { 4 } else { 3 });
    (asked, reply)
}

fn told(request: &volume::Request) -> (&'static str, u64) {
    let of = |key: &volume::Key| (1..99).find(|seq| *key == entry_key(ANNA, *seq));
    match request {
        volume::Request::Get(key) => ("read", of(key).expect("an entry")),
        volume::Request::Create(key, _) => ("create", of(key).expect("an entry")),
        volume::Request::Put(..) | volume::Request::List(_) | volume::Request::Delete(_) => {
            panic!("{request:?} is not about an entry")
        }
    }
}

#[test]
fn a_worker_reads_on_to_what_its_asker_has_heard_of_and_no_further() {
    let (read, create) = (|n| ("read", n), |n| ("create", n));
    let patched = |asked: &[_]| (asked.to_vec(), Reply::Patched);
    assert_eq!(asked(3, true), patched(&[read(2), read(3), create(4)]));
    assert_eq!(asked(2, true), patched(&[read(2), create(3), read(3), create(4)]));
    assert_eq!(asked(0, true), patched(&[create(2), read(2), create(3), read(3), create(4)]));
}

#[test]
fn who_has_heard_of_a_commit_that_is_not_there_is_told_that_the_log_was_restored() {
    let restored = Reply::Refused(Refusal::AnotherLog);
    for heard in [4, 99, u64::MAX] {
        let looks = vec![("read", 2), ("read", 3), ("read", 4)];
        assert_eq!(asked(heard, true), (looks, restored.clone()));
    }
    // The same number, and another commit.
    for heard in [1, 2, 3] {
        let (looks, reply) = asked(heard, false);
        assert!(looks.iter().all(|(how, _)| *how == "read"), "{looks:?}");
        assert_eq!(reply, restored);
    }
}

/// A commit that is older than the names that a worker keeps is looked up, and a request that needs
/// more of the volume after that does not look again.
#[test]
fn an_old_commit_is_looked_up_once() {
    let mut lab = Lab::new(1, Flaws::NONE);
    let asker = Asker::new(1);
    let fence = lab.opens(0, asker);
    for n in 1..=70 {
        lab.ask_and_wait(0, asker.acts(fence, n, patch(1)));
    }
    let first = &lab.log()[0];
    let known = Position { seq: 1, entry: first.id };
    for (heard, reply) in [
        (known, Reply::File(FileReply::Found(None))),
        (Position { entry: EntryId(0), ..known }, Reply::Refused(Refusal::AnotherLog)),
    ] {
        let lookup = FileAction::Lookup(NodeId::ROOT, name("one").key);
        let mut request = asker.asks(Command::Read(Action::File(lookup)));
        request.heard = heard;
        let ticket = lab.ask(0, request);
        assert_eq!(told(&lab.asked[0][0].request), ("read", 1));
        lab.finish();
        assert_eq!(lab.answer(ticket), Some(reply));
    }
}
