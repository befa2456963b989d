//! Two devices before a lab's workers, each with a disk that loses what was not synced. Requests and
//! answers can be lost or come twice, and a device can crash after any of its effects.

use std::collections::{BTreeMap, BTreeSet};

use engine::date::Calendar;
use engine::device::{
    Answer, Ask, Batch, Boot, Device, FileAnswer, FileTarget, Head, Input, Listed, Output, Reason,
    Snapshot, StoreKey, Timing, prepared,
};
use engine::flaw::Flaws;
use engine::id::{Build, DeviceId, Dot, NodeId, OpId, Token};
use engine::message::Request;
use engine::record::{Payload, Value};
use engine::remote::Credential;
use engine::seal::{self, KeyName};
use engine::time::{Now, Span, Time};
use engine::worker::Ticket;

use super::lab::{ANNA, Fate, Lab, Story};

pub(super) const ROOT: NodeId = NodeId::ROOT;

pub(super) const FIRST_KEY: KeyName = KeyName { generation: 1, draw: 7 };

/// What goes wrong between devices and workers, by the number of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    RequestLost(usize),
    AnswerLost(usize),
    /// It comes again at the other worker, after the answer.
    Twice(usize),
}

#[derive(Debug, Default)]
struct Disk {
    durable: Snapshot,
    /// Commits that a crash undoes.
    pending: Vec<Batch>,
}

impl Disk {
    fn persist(&mut self, batch: Batch) {
        let sync = batch.sync;
        self.pending.push(batch);
        if sync {
            for (key, stored) in self.pending.drain(..).flat_map(|batch| batch.puts) {
                match stored {
                    Some(stored) => self.durable.insert(key, stored),
                    None => self.durable.remove(&key),
                };
            }
        }
    }
}

impl Disk {
    /// The own writes of files as the device knows them, all commits counted.
    fn uploads(&self) -> BTreeSet<Dot> {
        let mut uploads: BTreeSet<Dot> = self.durable.keys().filter_map(upload).collect();
        for (key, stored) in self.pending.iter().flat_map(|batch| &batch.puts) {
            match (upload(key), stored) {
                (Some(dot), Some(_)) => uploads.insert(dot),
                (Some(dot), None) => uploads.remove(&dot),
                (None, _) => false,
            };
        }
        uploads
    }
}

/// The own write of a file that is kept there.
fn upload(key: &StoreKey) -> Option<Dot> {
    let StoreKey::Upload(dot) = key else { return None };
    Some(*dot)
}

#[derive(Debug)]
pub(super) struct Home {
    pub(super) lab: Lab,
    devices: [Option<Device>; 2],
    disks: [Disk; 2],
    pub(super) installs: [u64; 2],
    lives: [u8; 2],
    pub(super) offline: [bool; 2],
    pub(super) mishap: Option<Mishap>,
    /// So many effects the first device had.
    pub(super) effects: usize,
    /// After which of them it crashes.
    pub(super) crashes_after: Option<usize>,
    pub(super) requests: usize,
    /// The writes of files that the log must have in the end: what the first device has saved, since the
    /// volume was set back last or not sent by then, and what the backup had.
    pub(super) owed: BTreeSet<Dot>,
    restored: usize,
    answers: Vec<(OpId, Answer)>,
    sent: BTreeMap<Ticket, (usize, u8, Request, usize)>,
    heard: usize,
    ops: u32,
    flaws: Flaws,
}

pub(super) fn says(n: u8) -> Payload {
    Payload { token: Token([n; 16]), value: Value::Text(format!("{n} says {}", "much ".repeat(9))) }
}

pub(super) fn new(name: &str) -> FileTarget {
    FileTarget::New { parent: ROOT, name: name.to_owned() }
}

/// What a user writes who has looked.
pub(super) fn over(listed: &Listed) -> FileTarget {
    FileTarget::Version { node: listed.node, seen: listed.seen.clone() }
}

impl Home {
    pub(super) fn new(flaws: Flaws) -> Self {
        let keys = BTreeMap::from([(FIRST_KEY, seal::Key([1; 32]))]);
        let disk = |install, keys| {
            let durable = prepared(ANNA, install, keys, &[], [None; 2]);
            Disk { durable, pending: Vec::new() }
        };
        let mut home = Self {
            lab: Lab::new(2, flaws),
            devices: [None, None],
            disks: [disk(100, &keys), disk(200, &keys)],
            installs: [100, 200],
            lives: [0; 2],
            offline: [false; 2],
            mishap: None,
            effects: 0,
            crashes_after: None,
            requests: 0,
            owed: BTreeSet::new(),
            restored: 0,
            answers: Vec::new(),
            sent: BTreeMap::new(),
            heard: 0,
            ops: 0,
            flaws,
        };
        home.starts(0);
        home.starts(1);
        home
    }

    fn now(&self) -> Now {
        Now { mono: Time(self.lab.now), wall: Time(self.lab.now) }
    }

    /// A device starts, or starts again, from what is durable.
    pub(super) fn starts(&mut self, who: usize) {
        self.lives[who] += 1;
        self.disks[who].pending.clear();
        let boot = Boot {
            device: DeviceId(u16::try_from(who).expect("two")),
            user: ANNA,
            install: self.installs[who],
            entropy: [100 * u8::try_from(who).expect("two") + self.lives[who]; 32],
            build: Build::Current,
            remotes: Vec::new(),
            server: true,
            secret: seal::Key([9; 32]),
            calendar: Calendar::new("Europe/Berlin").expect("a zone"),
            piece: 40,
            timing: Timing {
                pull_every: Span(100_000),
                relist_every: Span(100_000),
                feed_every: Span(100_000),
                login_patience: Span(100),
                timeout: Span(1_000),
                retry_base: Span(10),
                retry_cap: Span(10),
                page: 2,
                batch: 10,
            },
            flaws: self.flaws,
            memo: None,
        };
        let snapshot = self.disks[who].durable.clone();
        self.devices[who] = Some(Device::recover(boot, snapshot, self.now()));
        self.drain(who);
        self.give(who, Input::Credential(Credential { user: ANNA, until: Time(u64::MAX) }));
    }

    /// The other device's disk becomes a copy of this one's.
    pub(super) fn clones(&mut self, from: usize, to: usize) {
        self.disks[to].durable = self.disks[from].durable.clone();
        self.installs[to] += 1;
        self.starts(to);
    }

    /// The device forgets its keys, as one that never got them.
    pub(super) fn loses_keys(&mut self, who: usize) {
        self.disks[who].durable.retain(|key, _| !matches!(key, StoreKey::Key(_)));
        self.starts(who);
    }

    pub(super) fn gets_key(&mut self, who: usize) {
        self.give(who, Input::KeyArrived(FIRST_KEY, seal::Key([1; 32])));
    }

    pub(super) fn has_crashed(&self, who: usize) -> bool {
        self.devices[who].is_none()
    }

    pub(super) fn crash(&mut self, who: usize) {
        self.devices[who] = None;
    }

    /// How many own writes of files a device keeps, since the feed has not shown them.
    pub(super) fn uploads(&self, who: usize) -> usize {
        self.disks[who].uploads().len()
    }

    fn give(&mut self, who: usize, input: Input) {
        let now = self.now();
        let Some(device) = &mut self.devices[who] else { return };
        device.handle(now, input);
        device.check_thoroughly();
        self.drain(who);
    }

    fn drain(&mut self, who: usize) {
        let mut synced = false;
        while let Some(output) = self.devices[who].as_mut().and_then(Device::poll_output) {
            match output {
                Output::Persist(batch) => {
                    synced |= batch.sync;
                    let saved = batch.puts.iter().filter(|(_, stored)| stored.is_some());
                    let saved = saved.filter(|_| who == 0).filter_map(|(key, _)| upload(key));
                    self.owed.extend(saved);
                    self.disks[who].persist(batch);
                }
                Output::Request(request) => self.send(who, *request),
                Output::Answer(op, answer) => self.answers.push((op, answer)),
                Output::Send(..) => panic!("there are no remotes"),
                Output::StoreKey(..) | Output::NeedCredential | Output::Reached(_) => continue,
            }
            if who == 0 {
                self.effects += 1;
                if self.crashes_after == Some(self.effects) {
                    self.crash(0);
                }
            }
        }
        if synced {
            self.give(who, Input::Persisted);
        }
    }

    fn send(&mut self, who: usize, request: Request) {
        self.requests += 1;
        if self.offline[who] || self.mishap == Some(Mishap::RequestLost(self.requests)) {
            return;
        }
        let ticket = self.lab.ask(who, request.clone());
        self.sent.insert(ticket, (who, self.lives[who], request, self.requests));
    }

    pub(super) fn ask(&mut self, who: usize, ask: Ask) -> OpId {
        self.ops += 1;
        let op = OpId(self.ops);
        self.give(who, Input::User { op, ask });
        op
    }

    /// Asks, and waits for the answer.
    pub(super) fn does(&mut self, who: usize, ask: Ask) -> Answer {
        let op = self.ask(who, ask);
        self.rest();
        self.answer(op).expect("it is answered")
    }

    pub(super) fn answer(&self, op: OpId) -> Option<Answer> {
        self.answers.iter().find(|(answered, _)| *answered == op).map(|(_, it)| it.clone())
    }

    /// The number of the last thing that was asked.
    pub(super) fn asked(&self) -> u32 {
        self.ops
    }

    pub(super) fn is_answered(&self, op: u32) -> bool {
        self.answers.iter().any(|(answered, _)| answered.0 == op)
    }

    pub(super) fn writes(&mut self, who: usize, target: FileTarget, content: u8) -> OpId {
        self.ask(who, Ask::WriteFile { target, content: says(content) })
    }

    pub(super) fn lists(&mut self, who: usize) -> Vec<Listed> {
        let op = self.ask(who, Ask::ListFiles);
        let Some(Answer::Files(files)) = self.answer(op) else { panic!("it lists at once") };
        files
    }

    pub(super) fn lists_if_signed_in(&mut self, who: usize) -> Option<Vec<Listed>> {
        let op = self.ask(who, Ask::ListFiles);
        let Some(Answer::Files(files)) = self.answer(op) else { return None };
        Some(files)
    }

    /// The file of this name that is not deleted.
    pub(super) fn file(&mut self, who: usize, name: &str) -> Listed {
        let mut files = self.lists(who).into_iter();
        files.find(|it| it.name == name && !it.deleted).expect("there is such a file")
    }

    /// The labels of what a file says.
    pub(super) fn reads(&mut self, who: usize, node: NodeId) -> Vec<Token> {
        let answer = self.does(who, Ask::ReadFile(node));
        let Answer::File(FileAnswer::Content(heads)) = answer else {
            panic!("it is read, and not {answer:?}")
        };
        let contents = heads.into_iter().map(|(_, content)| content.expect("it opens"));
        contents.map(|content| content.token).collect()
    }

    /// The same, of what is here.
    pub(super) fn reads_here(&mut self, who: usize, node: NodeId) -> Vec<Token> {
        let op = self.ask(who, Ask::ReadFile(node));
        let Some(Answer::File(FileAnswer::Content(heads))) = self.answer(op) else {
            panic!("it is read at once")
        };
        heads.into_iter().filter_map(|(head, _)| head.token).collect()
    }

    /// Every version of a file.
    pub(super) fn versions(&mut self, who: usize, node: NodeId) -> Vec<Head> {
        let answer = self.does(who, Ask::ReadVersions(node));
        let Answer::File(FileAnswer::Versions(versions)) = answer else {
            panic!("they are listed, and not {answer:?}")
        };
        versions
    }

    pub(super) fn is_refused(&mut self, who: usize, ask: Ask) -> Reason {
        let answer = self.does(who, ask);
        let Answer::Refused(reason) = answer else { panic!("it is refused, and not {answer:?}") };
        reason
    }

    fn deliver(&mut self) {
        while let Some((ticket, response)) = self.lab.answers.get(self.heard).cloned() {
            self.heard += 1;
            let Some((who, life, request, n)) = self.sent.remove(&ticket) else { continue };
            if self.mishap == Some(Mishap::Twice(n)) {
                self.lab.ask(1 - who, request.clone());
            }
            if life != self.lives[who] || self.mishap == Some(Mishap::AnswerLost(n)) {
                continue;
            }
            self.give(who, Input::Responded(response));
        }
    }

    fn wake(&mut self) -> bool {
        let due = |who: &usize| {
            let device = self.devices[*who].as_ref()?;
            let (at, _) = device.poll_wakeup()?;
            (!self.offline[*who]).then_some((at, *who))
        };
        let Some((at, who)) = [0, 1].iter().filter_map(due).min() else { return false };
        self.lab.now = self.lab.now.max(at.0);
        self.give(who, Input::Wakeup);
        true
    }

    /// Has a device nothing to do but to look at the feed at some later time?
    fn is_at_rest(&self, who: usize) -> bool {
        let next = |device: &Device| device.poll_wakeup();
        let waits = |(at, why): (Time, &str)| why == "feed" && at.0 > self.lab.now;
        self.offline[who] || self.devices[who].as_ref().and_then(next).is_none_or(waits)
    }

    /// Goes on until each device has sent what it has, and read what the others have sent.
    pub(super) fn rest(&mut self) {
        self.send_and_read();
        self.send_and_read();
    }

    fn send_and_read(&mut self) {
        self.lab.now += 1;
        for who in [0, 1] {
            self.ask(who, Ask::Sync);
        }
        // What waits for ever is a finding, and not a test that hangs.
        for _ in 0..20_000 {
            self.deliver();
            if let Some(worker) = self.lab.busy().first().copied() {
                self.lab.settle(worker, Fate::Works);
                if self.lab.restored > self.restored {
                    self.restored = self.lab.restored;
                    self.owed = self.disks[0].uploads();
                    self.owed.extend(self.lab.filed());
                }
            } else if self.is_at_rest(0) && self.is_at_rest(1) || !self.wake() {
                return;
            }
        }
        panic!("the devices do not come to rest");
    }
}
