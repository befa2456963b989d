//! A run made by hand: Anna's edit on her phone is lost when the phone takes an older row.

use harness::random::Chance;
use harness::time::SpanRange;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::device::{Presence, Timing};
use engine::flaw::{Flaw, Flaws};
use engine::id::{DeviceId, FieldId, Kind, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::record::Value;
use engine::remote::{CallId, Order, Policy, Tag};
use harness::time::{Span, Time};
use sim::fault::GoOffline;
use sim::history::{
    Answered, Asked, BlobId, Boot, Change, Contents, Entry, Fact, Lost, MessageId, Page, Shown,
    WriteKind,
};
use sim::invariant::{Invariant, Violation};
use sim::plan::{
    Act, DevicePlan, Disk, Lasting, MessageKind, Network, Node, Plan, RemotePlan, SignIn, Start,
    Step, StepId, UserOperation, When,
};
use sim::run::{Counts, Outcome, Verdict};
use sim::time::ToEngine;

pub(super) const PHONE: Node = Node::Device(DeviceId(0));
const TABLET: Node = Node::Device(DeviceId(1));
const CLOUDKIT: Node = Node::Remote(Remote::Zone);
pub(super) const MEAL: RecordId = RecordId { kind: Kind::Meal, key: 42 };
const KCAL: FieldId = FieldId(1);
const OFFLINE: GoOffline = GoOffline { device: DeviceId(0) };
const EDIT: Token = Token([1; 16]);
const OTHER: Token = Token([2; 16]);

fn device(name: &str) -> DevicePlan {
    DevicePlan {
        name: name.to_owned(),
        user: UserId(0),
        start: Start::Prepared(Time(0)),
        clock_offset_ms: 0,
        clock_drift_ppm: 0,
    }
}

const fn span(ms: u64) -> SpanRange {
    SpanRange { low: Span(ms), high: Span(ms) }
}

pub(super) fn plan() -> Plan {
    let remote = |name: &str, kind| RemotePlan {
        name: name.to_owned(),
        kind,
        page: 100,
        batch: 50,
        commit: span(1),
    };
    let edit = UserOperation::Edit(MEAL, vec![(KCAL, Value::Int(350))]);
    Plan {
        server: None,
        scenario: "lunch".to_owned(),
        seed: 7,
        nature: 1,
        users: vec!["anna".to_owned()],
        devices: vec![device("phone"), device("tablet")],
        remotes: vec![remote("cloudkit", Remote::Zone), remote("supabase", Remote::Rows)],
        given: Vec::new(),
        timing: Timing {
            pull_every: Span(5_000).to_engine(),
            relist_every: Span(40_000).to_engine(),
            feed_every: Span(10_000).to_engine(),
            login_patience: Span(10_000).to_engine(),
            timeout: Span(3_000).to_engine(),
            retry_base: Span(500).to_engine(),
            retry_cap: Span(15_000).to_engine(),
            page: 100,
            batch: 50,
        },
        network: Network {
            grain: Span(1),
            typical: Span(40),
            p99: Span(400),
            loss: Chance(0),
            duplicate: Chance(0),
            reply_loss: Chance(0),
            hint_loss: Chance(0),
        },
        disk: Disk { commit: span(1), answer: span(1) },
        keychain: span(50),
        sign_in: SignIn {
            delay: span(20),
            valid: Span(3_600_000),
            expired_first: Chance(0),
            foreign_first: Chance(0),
        },
        steps: vec![
            Step { id: StepId(0), when: When::At(Time(2_000)), act: Act::User(DeviceId(0), edit) },
            Step {
                id: StepId(1),
                when: When::At(Time(1_000)),
                act: Act::Fault(OFFLINE.into(), Lasting::For(Span(9_000))),
            },
        ],
        storm: Span(12_000),
        at_end: Vec::new(),
        settle_within: None,
        limits: sim::plan::Limits::default(),
        flaws: Flaws::only(Flaw::DeepSync003),
    }
}

fn at(ms: u64, node: Node, fact: Fact) -> Entry {
    Entry { at: Time(ms), node, incarnation: 0, fact }
}

fn holding(token: Token) -> Option<Arc<Contents>> {
    Some(Arc::new(Contents { live: true, cells: vec![(KCAL, token)] }))
}

fn write(token: Token, kcal: i64) -> Asked {
    Asked::Write {
        id: MEAL,
        token,
        set: vec![(KCAL, Value::Int(kcal))],
        kind: WriteKind::Set,
        exposed: Vec::new(),
        saw_deleted: false,
    }
}

fn shown(token: Token, kcal: i64) -> Answered {
    Answered::Read(Arc::new(Shown {
        id: MEAL,
        presence: Presence::Live,
        fields: vec![(KCAL, Value::Int(kcal), vec![token], Vec::new())],
        sealed: false,
        partial: false,
    }))
}

fn persisted(commit: u32, token: Token) -> Fact {
    Fact::Persisted {
        commit,
        sync: true,
        hash: 0,
        changes: vec![Change::Record(MEAL, holding(token)), Change::Meta],
    }
}

fn last_reads(node: Node) -> [Entry; 2] {
    let op = OpId(9);
    [
        at(20_000, node, Fact::Asked(op, Asked::Read { id: MEAL, last: true }.into())),
        at(20_001, node, Fact::Answered(op, shown(OTHER, 320).into())),
    ]
}

fn history() -> Vec<Entry> {
    let message_id =
        MessageId { call: CallId(4), attempt: 1, message_kind: MessageKind::Push, answer: false };
    let started = Fact::Started { boot: Boot::First, hash: 0, commit: 0, holds: Vec::new() };
    let served = Page {
        to: PHONE,
        call: CallId(5),
        vault: VaultId(0),
        order: Order::Token,
        since: None,
        rows: vec![(VaultId(0), MEAL, Tag(3), 1)],
        next: None,
        never_again_below: 1,
        end: true,
    };
    let stored = Fact::Committed {
        vault: VaultId(0),
        id: MEAL,
        pos: 1,
        tag: Tag(3),
        blob: BlobId(0),
        by: TABLET,
        contents: holding(OTHER),
        policy: Policy::IfUnchanged,
    };
    let found = Fact::Found {
        vault: VaultId(0),
        id: MEAL,
        contents: holding(OTHER),
        values: vec![(KCAL, Value::Int(320))],
    };
    let mut history = vec![
        at(0, PHONE, started),
        at(500, TABLET, Fact::Asked(OpId(1), write(OTHER, 320).into())),
        at(505, TABLET, Fact::Answered(OpId(1), Answered::Saved.into())),
        at(700, CLOUDKIT, stored),
        at(1_000, PHONE, Fact::Faulted(OFFLINE.into())),
        at(2_000, PHONE, Fact::Asked(OpId(1), write(EDIT, 350).into())),
        at(2_000, PHONE, persisted(1, EDIT)),
        at(2_005, PHONE, Fact::Durable(1)),
        at(2_006, PHONE, Fact::Answered(OpId(1), Answered::Saved.into())),
        at(2_100, PHONE, Fact::Lost { to: CLOUDKIT, message_id, why: Lost::Cut }),
        at(10_000, PHONE, Fact::Ended(OFFLINE.into())),
        at(10_231, CLOUDKIT, Fact::Served(served.into())),
        at(10_412, PHONE, persisted(2, OTHER)),
        at(12_000, Node::World, Fact::FaultsEnded),
        at(15_000, Node::World, Fact::Settled { pending: Vec::new() }),
    ];
    history.extend(last_reads(PHONE));
    history.extend(last_reads(TABLET));
    history.push(at(20_002, CLOUDKIT, found));
    history
}

pub(super) fn outcome() -> Outcome {
    let history = history();
    let lost = Violation {
        invariant: Invariant::NoLostWrites,
        at: Time(10_412),
        node: PHONE,
        record: Some(MEAL),
        token: Some(EDIT),
        site: "replaced-unseen",
        message: "An acknowledged write is nowhere, and nobody who had seen it replaced it."
            .to_owned(),
        evidence: vec![5, 8, 11, 12],
    };
    let unsent =
        Violation { invariant: Invariant::UnsentEditsSurvive, site: "local", ..lost.clone() };
    Outcome {
        verdict: Verdict::Violated,
        violations: vec![lost, unsent],
        excused: Vec::new(),
        coverage: BTreeMap::from([("conflict", 2)]),
        moments: Vec::new(),
        struck: BTreeSet::new(),
        counts: Counts { messages: 9, facts: history.len() as u64, ..Counts::default() },
        history,
        log: Vec::new(),
    }
}
