//! A device by its inputs and outputs: a pair of the device and a script that plays the remotes, the
//! workers and the keychain.

mod login;
mod pull;
mod push;
mod upload;

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::date::Calendar;
use crate::flaw::Flaws;
use crate::id::{Build, DeviceId, Dot, FieldId, Kind, UserId, VaultId};
use crate::message::{self, Command, Response};
use crate::record::{Encoded, Payload, Record, Value};
use crate::remote::{Call, CallId, Credential, Cursor, Reply, Request, Return, Row, Served, Tag};
use crate::seal::Keyring;
use crate::time::{Hlc, Span};

const ANNA: UserId = UserId(0);
const KEY: KeyName = KeyName { generation: 1, draw: 7 };
const LATE_KEY: KeyName = KeyName { generation: 2, draw: 8 };
const SOUP: RecordId = RecordId { kind: Kind::Meal, key: 1 };
const CAKE: RecordId = RecordId { kind: Kind::Meal, key: 2 };
const NAME: FieldId = FieldId(0);
const TIMEOUT: Span = Span::from_secs(5);

/// A device, and all that surrounds it.
struct Pair {
    device: Device,
    boot: Boot,
    now: u64,
    disk: Snapshot,
    /// The commits of the last input.
    commits: Vec<Batch>,
    /// The outputs of the last input, without the commits, in order.
    outputs: Vec<Output>,
    calls: VecDeque<(Remote, Call)>,
    requests: VecDeque<message::Request>,
    answers: BTreeMap<u32, Answer>,
    ops: u32,
}

fn key(name: KeyName) -> Key {
    Key([u8::try_from(name.generation).expect("few keys"); 32])
}

/// The keys that another device of the same user has.
fn ring() -> Keyring {
    Keyring::new(BTreeMap::from([(KEY, key(KEY)), (LATE_KEY, key(LATE_KEY))]), None)
}

fn text(says: &str) -> Value {
    Value::Text(says.to_owned())
}

/// The state of a record that another replica has written once.
fn written(says: &str) -> Encoded {
    let mut record = Record::default();
    let dot = Dot { replica: ReplicaId(900), n: 1 };
    let hlc = Hlc { wall: 50, count: 0 };
    let payload = Payload { token: Token([9; 16]), value: text(says) };
    record.write(&Handle::blind(), dot, hlc, [(NAME, payload)]);
    Encoded::new(record)
}

/// A row under the key that all devices have.
fn row(id: RecordId, state: &Encoded) -> Row {
    row_under(KEY, id, state)
}

fn row_under(name: KeyName, id: RecordId, state: &Encoded) -> Row {
    let keys = BTreeMap::from([(name, key(name))]);
    let vault = VaultId::from(ANNA);
    let blob = Keyring::new(keys, None).seal(vault, id, state, [3; 24]).expect("there is a key");
    Row { id, vault, blob }
}

fn served(row: Row, tag: u64) -> Served {
    Served { row, tag: Tag(tag), stamp: tag }
}

/// The last page of a zone's feed.
fn page(rows: Vec<Served>, token: u64) -> Reply {
    let token = Some(Cursor::Token(token));
    Reply::Page { rows, deleted: Vec::new(), token, more: false, epoch: 0 }
}

/// The last page of the rows' feed: an empty one.
fn end_of_rows() -> Reply {
    Reply::Page { rows: Vec::new(), deleted: Vec::new(), token: None, more: false, epoch: 0 }
}

fn credential(user: UserId) -> Credential {
    Credential { user, until: Time(u64::MAX) }
}

impl Pair {
    /// A device that uses these remotes, whose disk is as a device in use leaves it.
    fn new(remotes: &[Remote], server: bool) -> Self {
        let keys = BTreeMap::from([(KEY, key(KEY))]);
        Self::with_disk(remotes, server, prepared(ANNA, 1, &keys, &[], [None; 2]))
    }

    /// The same, with soup that the zone holds under tag 1.
    fn with_soup() -> Self {
        let keys = BTreeMap::from([(KEY, key(KEY))]);
        let rows = [(SOUP, written("soup"), [Some(Tag(1)), None])];
        let disk = prepared(ANNA, 1, &keys, &rows, [Some(Cursor::Token(1)), None]);
        Self::with_disk(&[Remote::Zone], false, disk)
    }

    fn with_disk(remotes: &[Remote], server: bool, disk: Snapshot) -> Self {
        let timing = Timing {
            pull_every: Span::from_secs(60),
            relist_every: Span::from_secs(100_000),
            feed_every: Span::from_secs(60),
            login_patience: Span::from_secs(20),
            timeout: TIMEOUT,
            retry_base: Span::from_secs(1),
            retry_cap: Span::from_secs(30),
            page: 10,
            batch: 4,
        };
        let boot = Boot {
            device: DeviceId(0),
            user: ANNA,
            install: 1,
            entropy: [5; 32],
            build: Build::Current,
            remotes: remotes.to_vec(),
            server,
            secret: Key([6; 32]),
            calendar: Calendar::new("Europe/Berlin").expect("it is in the database"),
            piece: 4_096,
            timing,
            flaws: Flaws::NONE,
            memo: None,
        };
        let now = Now { mono: Time(1_000), wall: Time(1_000) };
        let device = Device::recover(boot.clone(), disk.clone(), now);
        let mut pair = Self {
            device,
            boot,
            now: 1_000,
            disk,
            commits: Vec::new(),
            outputs: Vec::new(),
            calls: VecDeque::new(),
            requests: VecDeque::new(),
            answers: BTreeMap::new(),
            ops: 0,
        };
        pair.drain();
        pair
    }

    /// The device loses power and starts again.
    fn crashes(&mut self) {
        self.boot.entropy = [8; 32];
        self.device = Device::recover(self.boot.clone(), self.disk.clone(), self.clocks());
        (self.calls, self.requests) = (VecDeque::new(), VecDeque::new());
        self.drain();
    }

    fn clocks(&self) -> Now {
        Now { mono: Time(self.now), wall: Time(self.now) }
    }

    fn gives(&mut self, input: Input) {
        self.device.handle(self.clocks(), input);
        self.device.check_thoroughly();
        if self.drain() {
            self.device.handle(self.clocks(), Input::Persisted);
            self.device.check_thoroughly();
            let (commits, outputs) = (self.commits.clone(), self.outputs.clone());
            assert!(!self.drain(), "a durable commit needs no other one");
            self.commits.splice(0..0, commits);
            self.outputs.splice(0..0, outputs);
        }
    }

    /// Takes the outputs; true if there was a synced commit.
    fn drain(&mut self) -> bool {
        (self.commits, self.outputs) = (Vec::new(), Vec::new());
        while let Some(output) = self.device.poll_output() {
            match &output {
                Output::Persist(batch) => {
                    assert!(self.outputs.is_empty(), "a commit comes before all that needs it");
                    for (key, stored) in batch.puts.clone() {
                        match stored {
                            Some(stored) => self.disk.insert(key, stored),
                            None => self.disk.remove(&key),
                        };
                    }
                    self.commits.push(batch.clone());
                    continue;
                }
                Output::Send(to, call) => self.calls.push_back((*to, call.clone())),
                Output::Request(request) => self.requests.push_back((**request).clone()),
                Output::Answer(op, answer) => {
                    let before = self.answers.insert(op.0, answer.clone());
                    assert_eq!(before, None, "a request is answered once");
                }
                Output::StoreKey(..) | Output::NeedCredential | Output::Reached(_) => {}
            }
            self.outputs.push(output);
        }
        self.commits.iter().any(|batch| batch.sync)
    }

    /// The user asks; returns the number of the request.
    fn asks(&mut self, ask: Ask) -> u32 {
        self.ops += 1;
        self.gives(Input::User { op: OpId(self.ops), ask });
        self.ops
    }

    /// The user asks and is answered at once.
    fn is_answered(&mut self, ask: Ask) -> Answer {
        let op = self.asks(ask);
        self.answers.remove(&op).expect("it is answered at once")
    }

    fn reads(&mut self, id: RecordId) -> Reading {
        let Answer::Read(reading) = self.is_answered(Ask::Read(id)) else { panic!("it is shown") };
        reading
    }

    /// The user writes what builds on what is shown.
    fn writes(&mut self, id: RecordId, says: &str) {
        let handle = self.reads(id).handle;
        let token = Token([u8::try_from(self.ops).expect("few writes"); 16]);
        let changes = vec![(NAME, text(says))];
        let answer = self.is_answered(Ask::Write { id, handle, changes, token });
        assert_eq!(answer, Answer::Saved);
    }

    /// What is said in the field of a record, all siblings of it.
    fn says(&mut self, id: RecordId) -> Vec<String> {
        let record = self.device.core.store.state(id);
        let says = record.field(NAME).iter().map(|cell| match &cell.payload.value {
            Value::Text(says) => says.clone(),
            Value::Int(_) | Value::Set(_) | Value::Draft { .. } => panic!("it is a text"),
        });
        says.collect()
    }

    /// How things stand, as the user is shown it.
    fn status(&mut self) -> Status {
        let Answer::Status(status) = self.is_answered(Ask::Status) else { panic!("a status") };
        status
    }

    /// How far the feed of a remote was read, by the disk.
    fn cursor(&self, remote: Remote) -> Option<Cursor> {
        postcard::from_bytes(&self.disk.get(&StoreKey::Cursor(remote))?.bytes).ok()
    }

    /// How many own writes of files are on the disk and not known to be published.
    fn unsent_files(&self) -> usize {
        let writes = self.disk.iter().filter(|(key, _)| matches!(key, StoreKey::Upload(_)));
        let write = |bytes: &[u8]| postcard::from_bytes::<OwnWrite>(bytes).expect("an own write");
        writes.filter(|(_, stored)| write(&stored.bytes).published.is_none()).count()
    }

    /// The next request to a remote.
    fn call(&mut self) -> (Remote, Call) {
        self.calls.pop_front().expect("a remote is asked")
    }

    fn returns(&mut self, (from, call): &(Remote, Call), reply: Reply) {
        let answer = Return { id: call.id, attempt: call.attempt, reply };
        self.gives(Input::Returned { from: *from, answer });
    }

    /// The next request to the server.
    fn request(&mut self) -> message::Request {
        self.requests.pop_front().expect("the server is asked")
    }

    fn responds(&mut self, request: &message::Request, reply: message::Reply) {
        self.responds_at(request, 1, reply);
    }

    /// A response that tells of a commit of this number.
    fn responds_at(&mut self, request: &message::Request, seq: u64, reply: message::Reply) {
        let at = crate::log::Position { seq, entry: crate::log::EntryId(seq) };
        let (id, attempt) = (request.id, request.attempt);
        self.gives(Input::Responded(Response { id, attempt, at, reply }));
    }

    /// Goes on to the next wake-up; returns what for.
    fn wakes(&mut self) -> &'static str {
        let (at, why) = self.device.poll_wakeup().expect("it waits for something");
        self.now = self.now.max(at.0);
        self.gives(Input::Wakeup);
        why
    }

    /// Starts the conversation with the one remote, and ends its first pull.
    fn is_pulled(&mut self, rows: Vec<Served>, token: u64) {
        self.gives(Input::Wakeup);
        let call = self.call();
        self.returns(&call, page(rows, token));
    }
}
