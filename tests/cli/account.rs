//! A run made by hand: of two updates of Anna's account at once, the second writes the first away.

use harness::random::Chance;
use harness::time::SpanRange;
use std::sync::Arc;

use engine::flaw::{Flaw, Flaws};
use engine::id::{AccountField, DeviceId, OpId, ReplicaId, Token, UserId};
use engine::log::{Doc, Entry as Commit, EntryId, Key, Op, Position, Session};
use engine::message::{Client, DeviceKey, Fence, Refusal, Reply};
use engine::record::{Payload, Value};
use engine::remote::CallId;
use engine::worker;
use harness::time::{Span, Time};
use sim::fault::{CrashWorker, Effects, SlowVolume, Times};
use sim::history::{Answered, Asked, Done, Entry, Fact, MessageId, Refused, Said, Wants};
use sim::invariant::{Invariant, Violation};
use sim::plan::{Errand, MessageKind, Node, Plan, ServerPlan, VolumePlan, WorkerId, WorkerPlan};
use sim::run::Outcome;
use sim::time::ToEngine;

const PHONE: Node = Node::Device(DeviceId(0));
const TABLET: Node = Node::Device(DeviceId(1));
const WORKERS: [Node; 2] = [Node::Worker(WorkerId(0)), Node::Worker(WorkerId(1))];
const FIRST: Token = Token([11; 16]);
const EMAIL: Token = Token([12; 16]);
const NUMBER: Token = Token([13; 16]);

pub(super) fn plan() -> Plan {
    let worker =
        |name: &str| WorkerPlan { name: name.to_owned(), clock_offset_ms: 0, clock_drift_ppm: 0 };
    let server = ServerPlan {
        workers: vec![worker("worker-1"), worker("worker-2")],
        piece: 1_024,
        timing: worker::Timing {
            session: Span(5_000).to_engine(),
            timeout: Span(500).to_engine(),
            retry_base: Span(50).to_engine(),
            retry_cap: Span(500).to_engine(),
            queue: 8,
            snapshot_every: 20,
            upload: Span::from_secs(60).to_engine(),
            batch: 50,
        },
        pipeline: sim::plan::PipelinePlan::none(),
        volume: VolumePlan {
            delay: SpanRange { low: Span(5), high: Span(5) },
            failure: Chance(0),
            reply_loss: Chance(0),
            list_lag: Span(0),
        },
    };
    let flaws = Flaws::only(Flaw::I42Rmw);
    Plan { server: Some(server), flaws, ..super::example::plan() }
}

fn at(ms: u64, node: Node, fact: Fact) -> Entry {
    Entry { at: Time(ms), node, incarnation: 0, fact }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn patch(op: u32, token: Token, set: &[(AccountField, &str)]) -> Fact {
    let set = set.iter().map(|(field, value)| (*field, text(value))).collect();
    let token = Some(token);
    let asked = Asked::Errand { errand: Errand::Patch(set), token, last: false };
    Fact::Asked(OpId(op), asked.into())
}

fn client(replica: u64) -> Client {
    Client { replica: ReplicaId(replica), life: 1 }
}

fn asks(replica: u64) -> Fact {
    let message_id = MessageId {
        call: CallId(1),
        attempt: 0,
        message_kind: MessageKind::Session,
        answer: false,
    };
    let (device, client) = (DeviceKey(replica), client(replica));
    let (by, space, about) = (Some(UserId(0)), UserId(0), UserId(0));
    let heard = Position::START;
    let said = Said::Asks { device, client, by, space, about, heard, wants: Wants::Session };
    let (rows, server) = ([].into(), Some(said.into()));
    Fact::Sent { to: WORKERS[0], message_id, size: 32, rows, plaintext: false, server }
}

fn busy() -> Fact {
    let message_id =
        MessageId { call: CallId(1), attempt: 0, message_kind: MessageKind::Session, answer: true };
    let refused = Some(Refused::Server(Refusal::Busy(Span(200).to_engine())).into());
    Fact::Delivered { from: WORKERS[0], message_id, refused, rows_refused: [].into() }
}

fn logged(seq: u64, ops: Vec<Op>) -> Fact {
    let entry = Commit { seq, id: EntryId(seq), ops };
    Fact::Logged { space: UserId(0), entry: Arc::new(entry) }
}

fn op(puts: Vec<(Key, Option<Doc>)>) -> Op {
    Op { receipt: None, puts, reply: Reply::Patched }
}

fn set(field: AccountField, version: u32, value: &str, token: Token) -> (Key, Option<Doc>) {
    let payload = Payload { token, value: text(value) };
    (Key::Account(field), Some(Doc::Field(version, payload)))
}

fn granted(seq: u64, replica: u64) -> Fact {
    let fence = Fence(Position { seq, entry: EntryId(seq) });
    let session = Session { client: client(replica), fence, until: Time(9_000).to_engine() };
    let session = (Key::Session(DeviceKey(replica)), Some(Doc::Session(session)));
    logged(seq, vec![op(vec![session])])
}

fn last_reads(node: Node) -> [Entry; 2] {
    let asked = Asked::Errand { errand: Errand::ReadAccount, token: None, last: true };
    let fields = vec![
        (AccountField::Email, vec![(FIRST, text("old@example.com"))]),
        (AccountField::Phone, vec![(NUMBER, text("555-1234"))]),
    ];
    let shown = Answered::Done(Done::Account(Arc::new(fields)));
    [
        at(20_000, node, Fact::Asked(OpId(29), asked.into())),
        at(20_050, node, Fact::Answered(OpId(29), shown.into())),
    ]
}

fn history() -> Vec<Entry> {
    use AccountField::{Email, Phone};
    let patched = |op| Fact::Answered(OpId(op), Answered::Done(Done::Patched).into());
    let ended = (Key::Session(DeviceKey(7)), None);
    let slow = SlowVolume { times: Times(4) }.into();
    let down = CrashWorker { worker: WorkerId(1), effects: Effects(0) }.into();
    let mut history = vec![
        at(1_000, PHONE, patch(21, FIRST, &[(Email, "old@example.com"), (Phone, "555-0000")])),
        at(1_010, PHONE, asks(7)),
        at(1_040, WORKERS[0], granted(1, 7)),
        at(
            1_120,
            WORKERS[0],
            logged(
                2,
                vec![op(vec![
                    set(Email, 1, "old@example.com", FIRST),
                    set(Phone, 1, "555-0000", FIRST),
                ])],
            ),
        ),
        at(1_150, PHONE, patched(21)),
        at(2_000, Node::Volume, Fact::Faulted(slow)),
        at(4_000, PHONE, patch(22, EMAIL, &[(Email, "new@example.com")])),
        at(4_000, TABLET, patch(21, NUMBER, &[(Phone, "555-1234")])),
        at(4_005, TABLET, asks(8)),
        at(4_030, TABLET, busy()),
        at(4_060, WORKERS[1], granted(3, 8)),
        at(4_100, WORKERS[0], logged(4, vec![op(vec![set(Email, 2, "new@example.com", EMAIL)])])),
        at(4_130, PHONE, patched(22)),
        at(
            4_140,
            WORKERS[1],
            logged(
                5,
                vec![op(vec![
                    set(Email, 1, "old@example.com", FIRST),
                    set(Phone, 2, "555-1234", NUMBER),
                ])],
            ),
        ),
        at(4_170, TABLET, patched(21)),
        at(4_300, WORKERS[0], logged(6, vec![op(vec![ended])])),
        at(6_000, WORKERS[1], Fact::Faulted(down)),
        at(12_000, Node::World, Fact::FaultsEnded),
    ];
    history.extend(last_reads(PHONE));
    history.extend(last_reads(TABLET));
    history
}

/// The judge names no evidence: what became of the write is found in the history.
pub(super) fn outcome() -> Outcome {
    let history = history();
    let lost = Violation {
        invariant: Invariant::NoLostWrites,
        at: Time(4_140),
        node: WORKERS[1],
        record: None,
        token: Some(EMAIL),
        site: "account",
        message: "An acknowledged update of an account is nowhere in it.".to_owned(),
        evidence: Vec::new(),
    };
    let mut outcome = super::example::outcome();
    outcome.violations = vec![lost];
    outcome.history = history;
    outcome
}
