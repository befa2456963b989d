//! A device and a worker, with a volume in memory between two inputs of the worker: requests go in,
//! calls to the volume and responses come out, and each test decides what becomes of each call.

mod files;
mod space;

use std::collections::{BTreeMap, VecDeque};

use super::{Boot, Input, Output, Ticket, Timing, Worker};
use crate::Bytes;
use crate::flaw::Flaws;
use crate::id::{AccountField, Build, ReplicaId, Token, UserId};
use crate::log::{Entry, EntryId, Position, encode, entry_key};
use crate::message::{
    Action, Client, Command, DeviceKey, FileAction, FileRefusal, FileReply, Refusal, Reply,
    Request, Response,
};
use crate::record::{Payload, Value};
use crate::remote::{CallId, Credential};
use crate::time::{Now, Span, Time};
use crate::volume::{self, Key};

const ANNA: UserId = UserId(0);
const BEN: UserId = UserId(1);
/// A call without an answer is given up after this.
const TIMEOUT: Span = Span(100);
/// The rest after a failure has no luck in it.
const RETRY: Span = Span(10);
/// An upload that nobody renews is given up after this.
const LEASE: Span = Span(1_000);

fn timing() -> Timing {
    Timing {
        session: Span(1_000),
        timeout: TIMEOUT,
        retry_base: RETRY,
        retry_cap: RETRY,
        queue: 3,
        snapshot_every: 100,
        upload: LEASE,
        batch: 2,
    }
}

/// What becomes of a call to the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    /// It takes effect, and the worker receives an error.
    Unknown,
    /// It has no effect, and the worker receives an error.
    Fails,
    /// It takes effect, and no answer comes.
    Silent,
}
use Fate::{Fails, Silent, Unknown, Works};

/// The objects of a volume.
#[derive(Clone, Debug, Default)]
struct Volume(BTreeMap<Key, Bytes>);

impl Volume {
    fn handle(&mut self, request: &volume::Request) -> volume::Reply {
        match request {
            volume::Request::Create(key, _) if self.0.contains_key(key) => volume::Reply::Exists,
            volume::Request::Create(key, bytes) | volume::Request::Put(key, bytes) => {
                self.0.insert(key.clone(), bytes.clone());
                volume::Reply::Done
            }
            volume::Request::Get(key) => match self.0.get(key) {
                Some(bytes) => volume::Reply::Found(bytes.clone()),
                None => volume::Reply::NotFound,
            },
            volume::Request::List(prefix) => {
                let all = self.0.keys().filter(|key| key.starts_with(prefix.as_str()));
                volume::Reply::Listed(all.cloned().collect())
            }
            volume::Request::Delete(key) => {
                self.0.remove(key);
                volume::Reply::Done
            }
        }
    }
}

/// What a call asks, in words: `create log/0/000000000001`.
fn text(request: &volume::Request) -> String {
    match request {
        volume::Request::Create(key, _) => format!("create {key}"),
        volume::Request::Put(key, _) => format!("put {key}"),
        volume::Request::Get(key) => format!("get {key}"),
        volume::Request::List(prefix) => format!("list {prefix}"),
        volume::Request::Delete(key) => format!("delete {key}"),
    }
}

/// A worker, what it has asked of the volume, and what it has answered.
struct Pair {
    worker: Worker,
    volume: Volume,
    calls: VecDeque<volume::Call>,
    answers: Vec<(Ticket, Response)>,
    now: Time,
    tickets: u64,
}

impl Pair {
    fn new() -> Self {
        Self::with(timing())
    }

    fn with(timing: Timing) -> Self {
        Self {
            worker: Worker::start(Boot { entropy: [1; 32], timing, flaws: Flaws::NONE }),
            volume: Volume::default(),
            calls: VecDeque::new(),
            answers: Vec::new(),
            now: Time(1),
            tickets: 0,
        }
    }

    /// Another worker on the same volume takes this worker's place: it knows nothing.
    fn restart(&mut self, entropy: u8) {
        let timing = self.worker.boot.timing;
        self.worker = Worker::start(Boot { entropy: [entropy; 32], timing, flaws: Flaws::NONE });
        self.calls.clear();
    }

    fn give(&mut self, input: Input) {
        self.worker.handle(Now { mono: self.now, wall: self.now }, input);
        while let Some(output) = self.worker.poll_output() {
            match output {
                Output::Ask(call) => self.calls.push_back(call),
                Output::Answer(ticket, response) => self.answers.push((ticket, response)),
                Output::Reached(_) => {}
            }
        }
        self.worker.check_thoroughly();
    }

    fn ask(&mut self, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.give(Input::Asked(ticket, request.into()));
        ticket
    }

    /// The worker makes these calls, one after the other, and this becomes of each. Where it rests, it
    /// is woken.
    fn exchange(&mut self, calls: &[(&str, Fate)]) {
        for (expected, fate) in calls {
            let call = self.calls.pop_front().unwrap_or_else(|| panic!("no call `{expected}`"));
            assert_eq!(text(&call.request), *expected);
            let reply = match fate {
                Fails => volume::Reply::Failed,
                Works | Unknown | Silent => self.volume.handle(&call.request),
            };
            match fate {
                Works => self.give(Input::Volume(volume::Return { id: call.id, reply })),
                Unknown | Fails => {
                    let reply = volume::Reply::Failed;
                    self.give(Input::Volume(volume::Return { id: call.id, reply }));
                    self.wait(RETRY);
                }
                Silent => {}
            }
        }
        let left: Vec<String> = self.calls.iter().map(|call| text(&call.request)).collect();
        assert_eq!(left, [""; 0], "the worker asks nothing else");
    }

    /// Every call works until there are no more.
    fn finish(&mut self) {
        while let Some(call) = self.calls.pop_front() {
            let reply = self.volume.handle(&call.request);
            self.give(Input::Volume(volume::Return { id: call.id, reply }));
        }
    }

    /// Time passes, and the worker is woken if it is to be.
    fn wait(&mut self, span: Span) {
        self.now = self.now + span;
        while self.worker.poll_wakeup().is_some_and(|(at, _)| at <= self.now) {
            self.give(Input::Wakeup);
        }
    }

    /// Asks, and everything works.
    fn done(&mut self, request: Request) -> Response {
        let ticket = self.ask(request);
        self.finish();
        self.response(ticket)
    }

    /// The one response to a request.
    fn response(&self, ticket: Ticket) -> Response {
        let all: Vec<&Response> =
            self.answers.iter().filter(|(of, _)| *of == ticket).map(|(_, it)| it).collect();
        assert_eq!(all.len(), 1, "a request is answered once");
        all[0].clone()
    }

    fn reply(&self, ticket: Ticket) -> Reply {
        self.response(ticket).reply
    }

    fn is_open(&self, ticket: Ticket) -> bool {
        self.answers.iter().all(|(of, _)| *of != ticket)
    }

    /// Everything works until the device has a session.
    fn open(&mut self, device: Device) -> Act {
        let reply = self.done(device.opens()).reply;
        let Reply::Opened(fence) = reply else { panic!("a session is granted, and not {reply:?}") };
        Act { device, fence }
    }

    /// The entries of the log.
    fn log(&self) -> Vec<Entry> {
        let entry = |seq| self.volume.0.get(&entry_key(ANNA, seq)).map(|it| Entry::decode(it));
        (1..).map_while(entry).map(|entry| entry.expect("an entry")).collect()
    }

    /// Another worker's entry is the next of the log. It changes nothing that a test looks at.
    fn another_commits(&mut self) -> Position {
        let (seq, id) = (self.log().len() as u64 + 1, EntryId(u64::MAX));
        let entry = Entry { seq, id, ops: Vec::new() };
        self.volume.0.insert(entry_key(ANNA, seq), encode(&entry));
        Position { seq, entry: id }
    }
}

/// A device of Anna's, by its number.
#[derive(Clone, Copy)]
struct Device(u64);

impl Device {
    fn sends(self, command: Command) -> Request {
        Request {
            id: CallId(0),
            attempt: 0,
            credential: Some(Credential { user: ANNA, until: Time(u64::MAX) }),
            space: ANNA,
            device: DeviceKey(self.0),
            client: Client { replica: ReplicaId(self.0), life: 1 },
            build: Build::Current,
            heard: Position::START,
            command,
        }
    }

    fn opens(self) -> Request {
        self.sends(Command::Open)
    }

    fn reads(self, action: Action) -> Request {
        self.sends(Command::Read(action))
    }
}

/// A device under a session.
#[derive(Clone, Copy)]
struct Act {
    device: Device,
    fence: crate::message::Fence,
}

impl Act {
    fn does(self, n: u32, action: Action) -> Request {
        self.device.sends(Command::Act { fence: self.fence, n, action })
    }

    fn files(self, n: u32, action: FileAction) -> Request {
        self.does(n, Action::File(action))
    }
}

/// Sets the phone of the account.
fn phone(number: &str) -> Action {
    let payload = Payload { token: Token::NONE, value: Value::Text(number.into()) };
    Action::Patch(vec![(AccountField::Phone, payload)])
}

fn refused(refusal: FileRefusal) -> Reply {
    Reply::Refused(Refusal::File(refusal))
}
