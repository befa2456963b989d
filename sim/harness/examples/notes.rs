//! A toy under the harness: clients keep notes, and a hub brings them to each other. The last writer wins,
//! by the wall clock. `--set stale-stamps=true` plants a bug; no judge was written for it.
//!
//! `cargo run --release -p seawall-harness --example notes -- sweep --set stale-stamps=true`

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::process::ExitCode;

use harness::disk::Layout;
use harness::judge::{Allowance, Claims, Concurrent, Deletes, JUDGES, LINEARIZABILITY};
use harness::observation::{self, HostId, Key, OpId, Promise, Token};
use harness::observer::disk_of;
use harness::system::{Boot, Does, Input, Machine, Output, System, Verb, token_of};
use harness::time::{Now, Span, Time};
use harness::word::{HostSpec, Parameter, Word};
use serde::{Deserialize, Serialize};

const HUB: HostId = HostId(0);

/// How often a client asks the hub for news, and how long it waits before it tries again.
const POLL: Span = Span::from_secs(1);

fn main() -> ExitCode {
    harness::cli::main::<Notes>(include_str!("notes.toml"))
}

/// The settings of the toy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Notes {
    clients: u8,
    notes: u8,
    /// The bug: a client stamps a note by its wall clock alone, even if that is behind what it was shown.
    stale_stamps: bool,
}

/// Who wrote a note when. The greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Stamp {
    wall: u64,
    client: u32,
}

/// A note, or what is left of one that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Note {
    stamp: Stamp,
    write: u64,
    deleted: bool,
}

type Copies = BTreeMap<u64, Note>;

/// What users ask for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) enum Op {
    Read(u64),
    Write(u64),
    Delete(u64),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Answer {
    Shown(Option<u64>),
    Saved,
}

/// To the hub, what it may lack; from the hub, all that it has.
#[derive(Clone, Debug)]
pub(crate) struct Sync(Copies);

/// On disk, notes stand by their number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Store;

impl Layout for Store {
    type Key = u64;
    type Value = Note;

    fn digest(key: &u64, note: &Note) -> u64 {
        note.write ^ note.stamp.wall.rotate_left(32) ^ key.rotate_left(48)
    }
}

/// A client or the hub: both keep copies and merge what they receive.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    host: HostId,
    stale_stamps: bool,
    copies: Copies,
    /// Notes that the hub is not known to have.
    unsent: Copies,
    poll: Option<Time>,
    outputs: VecDeque<Output<Notes>>,
}

impl Replica {
    fn put(&mut self, number: u64, note: Note) {
        self.copies.insert(number, note);
        self.outputs.push_back(Output::Persist { puts: vec![(number, Some(note))], sync: true });
    }

    fn write(&mut self, now: Now, op: OpId, number: u64, deleted: bool) {
        let seen = self.copies.get(&number).map_or(0, |note| note.stamp.wall);
        let wall = if self.stale_stamps { now.wall.0 } else { now.wall.0.max(seen + 1) };
        let stamp = Stamp { wall, client: self.host.0 };
        let note = Note { stamp, write: op.0, deleted };
        if self.copies.get(&number).is_none_or(|known| known.stamp < stamp) {
            self.put(number, note);
            self.unsent.insert(number, note);
        }
        self.outputs.push_back(Output::Answer(op, Answer::Saved));
        self.sync(now);
    }

    fn merge(&mut self, received: Copies) {
        for (number, note) in received {
            if self.copies.get(&number).is_none_or(|known| known.stamp < note.stamp) {
                self.put(number, note);
            }
            if self.unsent.get(&number).is_some_and(|sent| sent.stamp <= note.stamp) {
                self.unsent.remove(&number);
            }
        }
    }

    fn sync(&mut self, now: Now) {
        self.outputs.push_back(Output::Send(HUB, Sync(self.unsent.clone())));
        self.poll = Some(now.mono + POLL);
    }
}

impl Machine<Notes> for Replica {
    fn handle(&mut self, now: Now, input: Input<Notes>) {
        match input {
            Input::Asked(op, Op::Read(number)) => {
                let shown = self.copies.get(&number).filter(|note| !note.deleted);
                let shown = Answer::Shown(shown.map(|note| note.write));
                self.outputs.push_back(Output::Answer(op, shown));
            }
            Input::Asked(op, Op::Write(number)) => self.write(now, op, number, false),
            Input::Asked(op, Op::Delete(number)) => self.write(now, op, number, true),
            Input::Received(from, Sync(copies)) => {
                self.merge(copies);
                if self.host == HUB {
                    self.outputs.push_back(Output::Send(from, Sync(self.copies.clone())));
                }
            }
            Input::Wakeup => self.sync(now),
            Input::Persisted => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output<Notes>> {
        self.outputs.pop_front()
    }

    fn poll_wakeup(&self) -> Option<Time> {
        self.poll
    }

    fn check(&self) {
        for (number, unsent) in &self.unsent {
            let known = self.copies.get(number).expect("what was not sent is known");
            assert!(unsent.stamp <= known.stamp, "a copy is never older than what is to be sent");
        }
    }
}

const NOTE: Parameter = Parameter::count("note", 1, 2);
const ON: Parameter = Parameter::host_of("on", "client");

static VERBS: [Verb<Notes>; 3] = [
    Verb {
        word: Word { name: "read", sentence: "{on} reads note {note}", parameters: &[ON, NOTE] },
        op: |values| Op::Read(values.count(1)),
    },
    Verb {
        word: Word { name: "write", sentence: "{on} writes note {note}", parameters: &[ON, NOTE] },
        op: |values| Op::Write(values.count(1)),
    },
    Verb {
        word: Word {
            name: "delete",
            sentence: "{on} deletes note {note}",
            parameters: &[ON, NOTE],
        },
        op: |values| Op::Delete(values.count(1)),
    },
];

impl System for Notes {
    type Machine = Replica;
    type Message = Sync;
    type Op = Op;
    type Answer = Answer;
    type Store = Store;

    const REST: Span = Span::from_secs(5);

    fn check(&self) -> Result<(), String> {
        let is_sane = (1..=50).contains(&self.clients) && (1..=2).contains(&self.notes);
        is_sane.then_some(()).ok_or_else(|| "there are 1 to 50 clients and 1 or 2 notes".to_owned())
    }

    fn hosts(&self) -> Vec<HostSpec> {
        let clients = (1..=self.clients).map(|number| format!("client-{number}"));
        let clients = clients.map(|name| HostSpec { name, role: "client" });
        [HostSpec { name: "hub".to_owned(), role: "hub" }].into_iter().chain(clients).collect()
    }

    fn boot(&self, boot: Boot<'_, Self>) -> Replica {
        let host = boot.host;
        let copies = boot.image.clone();
        // It may not have been told that the hub has these: the hub does not mind to get one again.
        let unsent = if host == HUB { Copies::new() } else { copies.clone() };
        let poll = (host != HUB).then_some(boot.now.mono + POLL);
        let stale_stamps = self.stale_stamps;
        Replica { host, stale_stamps, copies, unsent, poll, outputs: VecDeque::new() }
    }

    fn describe(Sync(copies): &Sync) -> (&'static str, usize) {
        ("sync", 32 * copies.len())
    }

    fn verbs() -> &'static [Verb<Self>] {
        &VERBS
    }

    fn final_reads(&self) -> Vec<(HostId, Op)> {
        let clients = 1..=u32::from(self.clients);
        let reads = |number| clients.clone().map(move |client| (HostId(client), Op::Read(number)));
        (1..=u64::from(self.notes)).flat_map(reads).collect()
    }

    fn does(op: &Op) -> Does {
        match *op {
            Op::Read(number) => Does::Reads(Key(number)),
            Op::Write(number) => Does::Writes(Key(number)),
            Op::Delete(number) => Does::Deletes(Key(number)),
        }
    }

    fn name(Key(number): Key) -> String {
        format!("note {number}")
    }

    fn says(host: HostId, answer: &Answer) -> observation::Answer {
        match answer {
            Answer::Saved => observation::Answer::Acknowledged(Promise::Saved(disk_of(host))),
            Answer::Shown(write) => observation::Answer::Shown(
                write.iter().map(|write| token_of(OpId(*write))).collect(),
            ),
        }
    }

    fn holds(_: &u64, note: &Note) -> Vec<Token> {
        vec![token_of(OpId(note.write))]
    }

    fn claims(&self) -> Claims {
        let judges =
            JUDGES.into_iter().filter(|judge| judge.name != LINEARIZABILITY.name).collect();
        let effects = u64::from(self.clients) + 1;
        let at_rest = Allowance { effects, each: POLL };
        Claims { judges, concurrent: Concurrent::OneWins, deletes: Deletes::Remove, at_rest }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(number) => write!(f, "read note {number}"),
            Self::Write(number) => write!(f, "write note {number}"),
            Self::Delete(number) => write!(f, "delete note {number}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(None) => f.write_str("there is no such note"),
            Self::Shown(Some(write)) => write!(f, "it shows {}", token_of(OpId(*write))),
            Self::Saved => f.write_str("saved"),
        }
    }
}
