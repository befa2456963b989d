//! The fast judge of the server's order, itself judged: by a search that knows nothing of logs
//! but the places that it gives to changes.
//!
//! The search tries every order of what overlapped, as Wing and Gong's does (*Testing and verifying
//! concurrent objects*, 1993), with a model of its own: an account is a list of changes. A change
//! takes place between its commit and its answer, a reading between question and answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::device::Timing;
use engine::flaw::{Flaw, Flaws};
use engine::id::{AccountField, DeviceId, OpId, Remote, ReplicaId, Token, UserId};
use engine::log::{Doc, Entry as Commit, EntryId, Key, Op};
use engine::message::{Client, Reply};
use engine::record::{Payload, Value};
use harness::random::{Stream, stream};
use harness::time::Time;
use sim::history::{Account, Answered, Asked, Done, Entry, Fact};
use sim::invariant::{HostNames, Invariant, JudgeContext, judge};
use sim::plan::{Errand, Node, ServerPlan, WorkerId};
use sim::run::run;
use sim::scenario::{Scenario, draw, read};

/// One operation on an account, and when it may have taken place.
#[derive(Clone, Debug)]
struct Operation {
    from: usize,
    /// Nobody knows, or it is not over.
    to: Option<usize>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// The change that stands at this place of the log.
    Change(usize),
    /// It showed these versions.
    Reading(Versions),
}

type Versions = BTreeSet<(AccountField, usize, Token)>;

/// Is there an order of all operations that everybody agrees with?
fn is_linearizable(operations: &[Operation], states: &[Versions]) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![(BTreeSet::new(), 0)];
    while let Some((done, state)) = open.pop() {
        let left: Vec<usize> = (0..operations.len()).filter(|n| !done.contains(n)).collect();
        if left.iter().all(|n| operations[*n].to.is_none()) {
            return true;
        }
        // Nothing can come before what was over when it began.
        let first_end = left.iter().filter_map(|n| operations[*n].to).min();
        for n in left {
            let operation = &operations[n];
            if first_end.is_some_and(|end| end < operation.from) {
                continue;
            }
            let next = match &operation.what {
                What::Change(place) if *place == state + 1 => state + 1,
                What::Reading(versions) if *versions == states[state] => state,
                What::Change(_) | What::Reading(_) => continue,
            };
            let mut done: BTreeSet<usize> = done.clone();
            done.insert(n);
            if seen.insert((done.clone(), next)) {
                open.push((done, next));
            }
        }
    }
    false
}

/// What the search is given of a history, by user.
fn operations(history: &[Entry], devices: &[UserId]) -> BTreeMap<UserId, Told> {
    let mut told: BTreeMap<UserId, Told> = BTreeMap::new();
    let mut asked = BTreeMap::new();
    for (at, entry) in history.iter().enumerate() {
        match (&entry.fact, entry.node) {
            (Fact::Asked(op, question), Node::Device(device)) => {
                let Asked::Errand { token, .. } = &**question else { continue };
                asked.insert((device, *op), (at, *token));
                let user = told.entry(devices[usize::from(device.0)]).or_default();
                user.asked.extend(token.map(|token| (token, at)));
            }
            (Fact::Answered(op, answer), Node::Device(device)) => {
                let Answered::Done(done) = &**answer else { continue };
                let (from, token) = asked[&(device, *op)];
                let user = told.entry(devices[usize::from(device.0)]).or_default();
                match done {
                    Done::Patched => {
                        user.acknowledged.insert(token.expect("a patch has a label"), at);
                    }
                    Done::Account(shown) => {
                        let what = What::Reading(versions(shown));
                        user.readings.push(Operation { from, to: Some(at), what });
                    }
                    Done::Session(_) => {}
                }
            }
            (Fact::Logged { space, entry }, _) => {
                told.entry(*space).or_default().log(at, entry);
            }
            _ => {}
        }
    }
    told
}

fn versions(shown: &Account) -> Versions {
    let numbered = |(field, versions): &(AccountField, Vec<(Token, Value)>)| {
        let field = *field;
        versions.iter().enumerate().map(move |(n, it)| (field, n, it.0)).collect::<Vec<_>>()
    };
    shown.iter().flat_map(numbered).collect()
}

/// All about one account.
#[derive(Debug, Default)]
struct Told {
    asked: BTreeMap<Token, usize>,
    acknowledged: BTreeMap<Token, usize>,
    readings: Vec<Operation>,
    /// When which change was committed, and the account after it.
    logged: Vec<(usize, Token, Versions)>,
}

impl Told {
    fn log(&mut self, at: usize, entry: &Commit) {
        for op in &entry.ops {
            let mut next = self.logged.last().map(|last| last.2.clone()).unwrap_or_default();
            let mut made = None;
            for (key, doc) in &op.puts {
                if let (Key::Account(field), Some(Doc::Field(n, payload))) = (key, doc) {
                    let n = usize::try_from(*n).expect("versions are few") - 1;
                    next.insert((*field, n, payload.token));
                    made = Some(payload.token);
                }
            }
            self.logged.extend(made.map(|token| (at, token, next)));
        }
    }

    fn is_linearizable(&self) -> bool {
        let mut operations = self.readings.clone();
        let mut states = vec![Versions::new()];
        for (n, (at, token, state)) in self.logged.iter().enumerate() {
            let asked = self.asked.get(token).copied().unwrap_or(0);
            let to = self.acknowledged.get(token).copied();
            if to.is_some_and(|to| to < *at) {
                return false; // It was over before it began.
            }
            let what = What::Change(n + 1);
            operations.push(Operation { from: asked.max(*at), to, what });
            states.push(state.clone());
        }
        is_linearizable(&operations, &states)
    }
}

/// Do the search and the judges of the order agree about a history?
#[track_caller]
fn agree(context: &JudgeContext, history: &[Entry]) -> bool {
    let by_search = operations(history, &context.devices).values().all(Told::is_linearizable);
    let order = [Invariant::ServerIsLinearizable, Invariant::CachesAreCoherent];
    let against: Vec<_> = judge(context, history)
        .violations
        .into_iter()
        .filter(|it| order.contains(&it.invariant) && it.site != "status-never-so")
        .collect();
    assert_eq!(against.is_empty(), by_search, "{against:#?}");
    by_search
}

// Small histories made by hand of chance.

/// A history of one account in the making.
#[derive(Debug)]
struct Tale {
    history: Vec<Entry>,
    states: Vec<Account>,
    ops: u32,
}

const DEVICES: u16 = 3;

impl Tale {
    fn fact(&mut self, node: Node, fact: Fact) {
        let at = Time(self.history.len() as u64);
        self.history.push(Entry { at, node, incarnation: 0, fact });
    }

    fn asks(&mut self, device: u16, errand: Errand) -> (OpId, Token) {
        self.ops += 1;
        let mut token = [b'#'; 16];
        token[8..10].copy_from_slice(&[0, 0]);
        token[12..].copy_from_slice(&self.ops.to_be_bytes());
        let (op, token) = (OpId(self.ops), Token(token));
        let label = matches!(errand, Errand::Patch(_)).then_some(token);
        let asked = Asked::Errand { errand, token: label, last: false };
        self.fact(Node::Device(DeviceId(device)), Fact::Asked(op, asked.into()));
        (op, token)
    }

    fn answers(&mut self, device: u16, op: OpId, done: Done) {
        let answer = Fact::Answered(op, Answered::Done(done).into());
        self.fact(Node::Device(DeviceId(device)), answer);
    }

    fn commits(&mut self, device: u16, token: Token, field: AccountField) {
        let mut account = self.states.last().expect("there is a first").clone();
        if !account.iter().any(|(known, _)| *known == field) {
            account.push((field, Vec::new()));
            account.sort_by_key(|(field, _)| *field);
        }
        let (_, versions) =
            account.iter_mut().find(|(known, _)| *known == field).expect("it was just put");
        let payload = |token| Payload { token, value: text() };
        let was = u32::try_from(versions.len()).expect("versions are few");
        let mut puts = Vec::new();
        if let Some((old, _)) = versions.last() {
            puts.push((Key::Was(field, was), Some(Doc::Version(payload(*old)))));
        }
        puts.push((Key::Account(field), Some(Doc::Field(was + 1, payload(token)))));
        versions.push((token, text()));
        let client = Client { replica: ReplicaId(device.into()), life: 1 };
        let receipt = Some((client, self.ops));
        let ops = vec![Op { receipt, puts, reply: Reply::Patched }];
        let seq = self.states.len() as u64;
        self.states.push(account);
        let entry = Arc::new(Commit { seq, id: EntryId(seq), ops });
        self.fact(Node::Worker(WorkerId(0)), Fact::Logged { space: UserId(0), entry });
    }
}

fn text() -> Value {
    Value::Text("a few words".into())
}

/// What a device has under way.
#[derive(Clone, Copy, Debug)]
enum Busy {
    Patch(OpId, Token, AccountField, bool),
    Reading(OpId),
}

/// Devices that change and read at will, and a server that lies now and then.
fn tale(random: &mut Stream) -> Vec<Entry> {
    let mut tale = Tale { history: Vec::new(), states: vec![Vec::new()], ops: 0 };
    let mut busy: [Option<Busy>; DEVICES as usize] = [None; DEVICES as usize];
    let lies = [0, 50_000, 300_000][random.below(3) as usize];
    for _ in 0..14 + random.below(20) {
        let device = random.below(DEVICES.into()) as u16;
        let place = usize::from(device);
        busy[place] = match busy[place] {
            None if random.chance(500_000) => {
                Some(Busy::Reading(tale.asks(device, Errand::ReadAccount).0))
            }
            None => {
                let field = *random.pick(&[AccountField::Email, AccountField::Phone]);
                let (op, token) = tale.asks(device, Errand::Patch(vec![(field, text())]));
                Some(Busy::Patch(op, token, field, false))
            }
            Some(Busy::Patch(op, token, field, false)) if !random.chance(lies / 2) => {
                tale.commits(device, token, field);
                Some(Busy::Patch(op, token, field, true))
            }
            Some(Busy::Patch(op, token, field, made)) => {
                tale.answers(device, op, Done::Patched);
                if !made {
                    tale.commits(device, token, field);
                }
                None
            }
            Some(Busy::Reading(op)) => {
                let last = tale.states.len() as u64 - 1;
                let older = if random.chance(lies) { random.below(last + 1) } else { 0 };
                let shown = tale.states[(last - older) as usize].clone();
                tale.answers(device, op, Done::Account(Arc::new(shown)));
                None
            }
        };
    }
    tale.history
}

fn context(devices: Vec<UserId>, server: Option<ServerPlan>, timing: Timing) -> JudgeContext {
    JudgeContext {
        devices,
        remotes: Remote::ALL.to_vec(),
        server,
        timing,
        incurable: Vec::new(),
        at_end: Vec::new(),
        texts: std::collections::BTreeMap::new(),
        healed_at: Time(0),
        names: HostNames::default(),
    }
}

#[test]
fn the_fast_judge_and_the_search_agree_about_small_histories() {
    let (mut good, mut bad) = (0, 0);
    let plan = draw(&everyday(), 0, Flaws::NONE);
    let devices = vec![UserId(0); DEVICES.into()];
    let context = context(devices, plan.server, plan.timing);
    for seed in 0..2_000 {
        let history = tale(&mut stream(seed, "tale"));
        *(if agree(&context, &history) { &mut good } else { &mut bad }) += 1;
    }
    assert!(good > 500 && bad > 500, "{good} good and {bad} bad");
}

// Histories of the product and of its flaws.

fn everyday() -> Scenario {
    load("everyday/everyday")
}

fn load(path: &str) -> Scenario {
    let path = format!("{}/../scenarios/{path}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).expect("it is shipped");
    read("scenario", &path, &text).expect("it is checked elsewhere").0
}

#[test]
fn the_fast_judge_and_the_search_agree_about_the_product_and_its_stale_reads() {
    let (sound, stale) = (Flaws::NONE, Flaws::only(Flaw::Fb15));
    let all = [
        ("everyday/everyday", sound, 12),
        ("incidents/issue-42", sound, 24),
        ("incidents/cloudvault-sessions", sound, 24),
        ("incidents/issue-42", stale, 48),
    ];
    for (path, flaws, seeds) in all {
        let scenario = load(path);
        let mut bad = 0;
        for seed in 0..seeds {
            let plan = draw(&scenario, seed, flaws);
            let history = run(&plan).history;
            let devices = plan.devices.iter().map(|device| device.user).collect();
            let context = context(devices, plan.server, plan.timing);
            bad += u32::from(!agree(&context, &history));
        }
        // A read of an account that is provably stale is rare.
        assert_eq!(bad > 0, flaws == stale, "{path}: {bad} of {seeds} seeds");
    }
}
