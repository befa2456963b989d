//! One space: who is answered, when, and after which calls.

use super::*;

const LIST: &str = "list snapshot/0/";
const GET_1: &str = "get log/0/000000000001";
const GET_2: &str = "get log/0/000000000002";
const CREATE_1: &str = "create log/0/000000000001";
const CREATE_2: &str = "create log/0/000000000002";

/// A worker that has read the empty log of Anna's space.
fn ready() -> Pair {
    let mut pair = Pair::new();
    let ticket = pair.ask(Device(1).sends(Command::Status));
    pair.exchange(&[(LIST, Works), (GET_1, Works)]);
    assert_eq!(pair.reply(ticket), Reply::Status(None));
    pair
}

#[test]
fn a_worker_that_knows_nothing_reads_the_log_before_it_commits() {
    let mut pair = Pair::new();
    let ticket = pair.ask(Device(1).opens());
    pair.exchange(&[(LIST, Works), (GET_1, Works), (CREATE_1, Works)]);
    let Response { at, reply, .. } = pair.response(ticket);
    assert_eq!(reply, Reply::Opened(crate::message::Fence(at)));
    assert_eq!(at, Position { seq: 1, entry: pair.log()[0].id });
}

#[test]
fn a_write_that_nobody_contends_for_takes_one_call() {
    let mut pair = ready();
    let ticket = pair.ask(Device(1).opens());
    pair.exchange(&[(CREATE_1, Works)]);
    assert!(matches!(pair.reply(ticket), Reply::Opened(_)));
}

#[test]
fn a_read_is_answered_after_a_look_for_another_entry() {
    let mut pair = ready();
    let ticket = pair.ask(Device(1).sends(Command::Status));
    assert!(pair.is_open(ticket));
    pair.exchange(&[(GET_1, Works)]);
    assert_eq!(pair.reply(ticket), Reply::Status(None));
}

#[test]
fn requests_that_wait_together_share_an_entry() {
    let mut pair = Pair::new();
    let tickets = [1, 2, 3].map(|n| pair.ask(Device(n).opens()));
    pair.exchange(&[(LIST, Works), (GET_1, Works), (CREATE_1, Works)]);
    for ticket in tickets {
        assert_eq!(pair.response(ticket).at.seq, 1);
    }
    assert_eq!(pair.log()[0].ops.len(), 3);
}

/// The answer of the volume may be older than the request that arrived while it was on its way.
#[test]
fn a_read_that_arrives_during_a_look_is_not_answered_by_that_look() {
    let mut pair = ready();
    let first = pair.ask(Device(1).sends(Command::Status));
    let second = pair.ask(Device(2).sends(Command::Status));
    let call = pair.calls.pop_front().expect("the look for the first");
    let reply = pair.volume.handle(&call.request);
    pair.give(Input::Volume(volume::Return { id: call.id, reply }));
    assert!(!pair.is_open(first) && pair.is_open(second));
    pair.exchange(&[(GET_1, Works)]);
    assert!(!pair.is_open(second));
}

#[test]
fn a_write_whose_number_another_worker_took_is_decided_again_after_its_entry() {
    let mut pair = ready();
    pair.another_commits();
    let ticket = pair.ask(Device(1).opens());
    pair.exchange(&[(CREATE_1, Works), (GET_1, Works), (CREATE_2, Works)]);
    assert_eq!(pair.response(ticket).at.seq, 2);
    assert_eq!(pair.log().len(), 2);
}

#[test]
fn a_read_is_decided_again_when_the_look_finds_another_entry() {
    let mut pair = ready();
    let at = pair.another_commits();
    let ticket = pair.ask(Device(1).sends(Command::Status));
    pair.exchange(&[(GET_1, Works), (GET_2, Works)]);
    assert_eq!(pair.response(ticket).at, at);
}

#[test]
fn a_commit_of_unknown_outcome_that_happened_is_answered_and_not_repeated() {
    let mut pair = ready();
    let ticket = pair.ask(Device(1).opens());
    pair.exchange(&[(CREATE_1, Unknown), (GET_1, Works)]);
    assert_eq!(pair.response(ticket).at.entry, pair.log()[0].id);
    assert_eq!(pair.log().len(), 1);
}

#[test]
fn a_commit_of_unknown_outcome_that_did_not_happen_is_tried_again() {
    let mut pair = ready();
    let ticket = pair.ask(Device(1).opens());
    pair.exchange(&[(CREATE_1, Fails), (GET_1, Works), (CREATE_1, Works)]);
    assert_eq!(pair.response(ticket).at.seq, 1);
}

#[test]
fn a_commit_of_unknown_outcome_is_not_taken_for_anothers_entry_of_its_number() {
    let mut pair = ready();
    let ticket = pair.ask(Device(1).opens());
    pair.another_commits();
    pair.exchange(&[(CREATE_1, Fails), (GET_1, Works), (CREATE_2, Works)]);
    assert_eq!(pair.response(ticket).at, Position { seq: 2, entry: pair.log()[1].id });
}

#[test]
fn the_answer_of_a_call_that_was_given_up_changes_nothing() {
    let mut pair = ready();
    let ticket = pair.ask(Device(1).opens());
    let id = pair.calls[0].id;
    pair.exchange(&[(CREATE_1, Silent)]);
    pair.wait(TIMEOUT);
    pair.give(Input::Volume(volume::Return { id, reply: volume::Reply::Done }));
    assert!(pair.is_open(ticket), "the commit is looked up first");
    pair.wait(RETRY);
    pair.exchange(&[(GET_1, Works)]);
    assert_eq!(pair.response(ticket).at.seq, 1);
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    let mut pair = ready();
    let ticket = pair.ask(Device(1).opens());
    let call = pair.calls.pop_front().expect("a create");
    let reply = pair.volume.handle(&call.request);
    for _ in 0..2 {
        pair.give(Input::Volume(volume::Return { id: call.id, reply: reply.clone() }));
    }
    assert_eq!(pair.response(ticket).at.seq, 1);
}

#[test]
fn a_worker_reads_as_far_as_a_requester_has_heard_before_it_commits() {
    let mut pair = ready();
    let heard = pair.another_commits();
    let ticket = pair.ask(Request { heard, ..Device(1).opens() });
    pair.exchange(&[(GET_1, Works), (CREATE_2, Works)]);
    assert_eq!(pair.response(ticket).at.seq, 2);
}

#[test]
fn a_requester_that_has_heard_of_a_destroyed_commit_is_refused() {
    let mut pair = ready();
    pair.another_commits();
    let heard = Position { seq: 1, entry: EntryId(7) };
    let ticket = pair.ask(Request { heard, ..Device(1).opens() });
    pair.exchange(&[(GET_1, Works), (GET_2, Works)]);
    assert_eq!(pair.reply(ticket), Reply::Refused(Refusal::AnotherLog));
    assert_eq!(pair.log().len(), 1);
}

#[test]
fn a_full_queue_refuses_without_a_call() {
    let mut pair = ready();
    let waiting = [1, 2, 3].map(|n| pair.ask(Device(n).opens()));
    let ticket = pair.ask(Device(4).opens());
    assert_eq!(pair.reply(ticket), Reply::Refused(Refusal::Busy(RETRY)));
    assert_eq!(pair.calls.len(), 1);
    pair.finish();
    assert!(waiting.iter().all(|ticket| matches!(pair.reply(*ticket), Reply::Opened(_))));
}

#[test]
fn a_request_without_a_valid_credential_or_for_another_space_is_refused_without_a_call() {
    let mut pair = Pair::new();
    let expired = Some(Credential { user: ANNA, until: Time(0) });
    let cases = [
        (Request { credential: None, ..Device(1).opens() }, Refusal::NotAuthenticated),
        (Request { credential: expired, ..Device(1).opens() }, Refusal::NotAuthenticated),
        (Request { space: BEN, ..Device(1).opens() }, Refusal::Forbidden),
    ];
    for (request, refusal) in cases {
        let ticket = pair.ask(request);
        pair.exchange(&[]);
        assert_eq!(pair.reply(ticket), Reply::Refused(refusal));
    }
}

#[test]
fn a_damaged_entry_stops_its_space_until_it_is_repaired() {
    let mut pair = ready();
    pair.another_commits();
    let whole = pair.volume.0.insert(entry_key(ANNA, 1), Bytes::from(&b"?"[..])).expect("an entry");
    let ticket = pair.ask(Device(1).sends(Command::Status));
    pair.exchange(&[(GET_1, Works)]);
    assert!(pair.is_open(ticket));
    pair.volume.0.insert(entry_key(ANNA, 1), whole);
    pair.wait(RETRY);
    pair.finish();
    assert_eq!(pair.response(ticket).at.seq, 1);
}

#[test]
fn a_worker_that_starts_reads_the_newest_snapshot_that_is_whole() {
    let mut pair = Pair::with(Timing { snapshot_every: 2, ..timing() });
    for _ in 0..3 {
        let Act { device, fence } = pair.open(Device(1));
        pair.done(device.sends(Command::Close(fence)));
    }
    for (seq, bytes) in [(6, Some(Bytes::from(&b"?"[..]))), (4, None)] {
        let key = crate::log::snapshot_key(ANNA, seq);
        assert!(pair.volume.0.remove(&key).is_some(), "there is a snapshot of {seq}");
        pair.volume.0.extend(bytes.map(|bytes| (key, bytes)));
    }
    pair.restart(2);
    let ticket = pair.ask(Device(1).sends(Command::Status));
    pair.exchange(&[
        (LIST, Works),
        ("get snapshot/0/000000000006", Works),
        ("get snapshot/0/000000000002", Works),
        ("get log/0/000000000003", Works),
        ("get log/0/000000000004", Works),
        ("get log/0/000000000005", Works),
        ("get log/0/000000000006", Works),
        ("get log/0/000000000007", Works),
    ]);
    assert_eq!(pair.response(ticket).at.seq, 6);
}

#[test]
fn a_worker_that_has_lost_track_of_its_calls_or_its_queue_fails_its_check() {
    type Breaks = fn(&mut Worker);
    let breakages: [(&str, Breaks); 3] = [
        ("a call in flight that is not known", |worker| worker.calls.clear()),
        ("a call from the future", |worker| worker.next_call = 0),
        ("a longer queue than is allowed", |worker| worker.boot.timing.queue = 0),
    ];
    for (what, breaks) in breakages {
        let mut pair = Pair::new();
        pair.ask(Device(1).opens());
        let mut worker = pair.worker.clone();
        breaks(&mut worker);
        assert!(std::panic::catch_unwind(|| worker.check()).is_err(), "{what}");
    }
}

#[test]
fn three_snapshots_are_kept() {
    let mut pair = Pair::with(Timing { snapshot_every: 1, ..timing() });
    let act = pair.open(Device(1));
    for n in 1..=20 {
        pair.done(act.does(n, phone("1")));
    }
    let snapshots = pair.volume.0.keys().filter(|key| key.starts_with("snapshot/"));
    assert_eq!(snapshots.count(), 3);
}

#[test]
fn an_action_that_is_sent_twice_takes_effect_once_and_has_one_answer() {
    let mut pair = ready();
    let act = pair.open(Device(1));
    let first = pair.done(act.does(1, phone("1")));
    pair.restart(2);
    let again = pair.done(act.does(1, phone("1")));
    assert_eq!((again.reply, again.at), (first.reply, first.at));
    assert_eq!(pair.log().len(), 2);
}

#[test]
fn a_number_that_was_used_for_something_else_is_refused() {
    let mut pair = ready();
    let act = pair.open(Device(1));
    pair.done(act.does(2, phone("1")));
    for (n, number) in [(2, "2"), (1, "1")] {
        let reply = pair.done(act.does(n, phone(number))).reply;
        assert_eq!(reply, Reply::Refused(Refusal::Misnumbered));
    }
}

#[test]
fn what_is_done_under_a_session_that_was_taken_over_is_refused() {
    let mut pair = ready();
    let act = pair.open(Device(1));
    pair.wait(timing().session);
    let clone = Client { replica: ReplicaId(9), life: 1 };
    let taken = pair.done(Request { client: clone, ..Device(1).opens() }).reply;
    assert!(matches!(taken, Reply::Opened(fence) if fence > act.fence));
    let reply = pair.done(act.does(1, phone("1"))).reply;
    assert_eq!(reply, Reply::Refused(Refusal::Fenced));
}
