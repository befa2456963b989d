//! How far a request says that its asker has heard of the log: it spares a worker that lags behind
//! what would be in vain, and is never believed.

use engine::flaw::Flaws;
use engine::id::{AccountField, Token};
use engine::log::entry_key;
use engine::message::{Action, Command, Reply};
use engine::record::{Payload, Value};
use engine::volume;

use super::lab::{ANNA, Asker, Fate, Lab};

fn patch(label: u8) -> Action {
    let value = Value::Text(format!("{label}"));
    Action::Patch(vec![(AccountField::Email, Payload { token: Token([label; 16]), value })])
}

/// What a worker that knows the first commit asks of the volume to make the fourth, for somebody who
/// has heard of this one: the commits that it reads or creates, in order.
fn asked(heard: u64) -> Vec<(&'static str, u64)> {
    let mut lab = Lab::new(2, Flaws::NONE);
    let asker = Asker::new(1);
    let fence = lab.opens(0, asker);
    lab.ask_and_wait(1, asker.asks(Command::Status));
    for n in [1, 2] {
        lab.ask_and_wait(0, asker.acts(fence, n, patch(n.try_into().expect("small"))));
    }
    let mut request = asker.acts(fence, 3, patch(3));
    request.heard = heard;
    let ticket = lab.ask(1, request);
    let mut asked = Vec::new();
    while lab.answer(ticket).is_none() {
        asked.push(told(&lab.asked[1][0].request));
        lab.settle(1, Fate::Works);
    }
    assert_eq!((lab.answer(ticket), lab.log().len()), (Some(Reply::Patched), 4));
    asked
}

fn told(request: &volume::Request) -> (&'static str, u64) {
    let of = |key: &volume::Key| (1..9).find(|seq| *key == entry_key(ANNA, *seq));
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
    assert_eq!(asked(3), [read(2), read(3), create(4)]);
    assert_eq!(asked(2), [read(2), create(3), read(3), create(4)]);
    assert_eq!(asked(0), [create(2), read(2), create(3), read(3), create(4)]);
}

#[test]
fn to_have_heard_of_what_is_not_there_costs_one_look() {
    for heard in [4, 99, u64::MAX] {
        assert_eq!(asked(heard), [("read", 2), ("read", 3), ("read", 4), ("create", 4)]);
    }
}
