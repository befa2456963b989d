//! Processors in front of a lab's workers, in the hands of a test: when a step ends, and who crashes
//! after which of its effects. And the books that must be right whatever happens.

use std::collections::BTreeMap;

use engine::date::{Calendar, DateKey};
use engine::dedup::{DedupKey, Message, Origin, Thread};
use engine::flaw::Flaws;
use engine::id::{OpId, ReplicaId, Token};
use engine::ingest::{Conversation, Path, Vault};
use engine::job::{BlobHash, Item, Job, Place, Stored, Summary};
use engine::log::{Doc, Entry, Key, State};
use engine::message::{Client, DeviceKey, Reply, WorkReply};
use engine::processor::{Answer, Ask, Boot, Input, Output, Processor, StepId, Timing};
use engine::record::{Payload, Value};
use engine::remote::Credential;
use engine::seal::{self, KeyName, Keyring};
use engine::time::{Now, Span, Time};
use engine::worker::Ticket;

use super::lab::{ANNA, Fate, Lab, Story};

/// What becomes of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Steps {
    Work,
    Fail,
    /// They end when the test says so.
    Hang,
}

#[derive(Clone, Debug)]
pub(super) struct Plant {
    pub(super) lab: Lab,
    pub(super) steps: Steps,
    /// Steps under way, and whose.
    pub(super) under_way: Vec<(usize, StepId, Thread)>,
    pub(super) answers: Vec<(OpId, Answer)>,
    /// So many steps were begun.
    pub(super) begun: usize,
    /// So many effects the first processor had.
    pub(super) effects: usize,
    /// After which of them it crashes.
    pub(super) crashes_after: Option<usize>,
    /// How far a processor's clock is behind.
    pub(super) behind: [u64; 2],
    processors: [Option<Processor>; 2],
    lives: [u32; 2],
    flaws: Flaws,
    sent: BTreeMap<Ticket, (usize, u32)>,
    heard: usize,
    ops: u32,
}

fn keys() -> BTreeMap<KeyName, seal::Key> {
    BTreeMap::from([(KeyName { generation: 1, draw: 7 }, seal::Key([1; 32]))])
}

pub(super) fn vault(flaws: Flaws) -> Vault {
    Vault {
        id: ANNA.into(),
        secret: seal::Key([9; 32]),
        keyring: Keyring::new(keys(), None),
        calendar: Calendar::new("Europe/Berlin").expect("a zone"),
        flaws,
    }
}

pub(super) fn origin(id: &str) -> Origin {
    Origin { service: "chat".to_owned(), id: id.to_owned() }
}

/// A part of a conversation: these messages of it.
pub(super) fn part(id: &str, range: std::ops::RangeInclusive<u32>) -> Box<Conversation> {
    let message = |n: u32| {
        let token = Token([u8::try_from(n).expect("few"); 16]);
        Message { n, edit: 0, payload: Payload { token, value: Value::Text(format!("{n}")) } }
    };
    Box::new(Conversation {
        origin: origin(id),
        title: "Soup".to_owned(),
        began: "3 Apr 2024".to_owned(),
        messages: range.map(message).collect(),
    })
}

/// What a step makes of a conversation.
fn worked(thread: &Thread) -> Payload {
    let count = u8::try_from(thread.messages().len()).expect("few");
    Payload { token: Token([100 + count; 16]), value: Value::Text(format!("{count} read")) }
}

impl Plant {
    /// Two processors, each before a worker of its own.
    pub(super) fn new(flaws: Flaws) -> Self {
        let mut plant = Self {
            lab: Lab::new(2, flaws),
            steps: Steps::Work,
            under_way: Vec::new(),
            answers: Vec::new(),
            begun: 0,
            effects: 0,
            crashes_after: None,
            behind: [0; 2],
            processors: [None, None],
            lives: [0; 2],
            flaws,
            sent: BTreeMap::new(),
            heard: 0,
            ops: 0,
        };
        plant.starts(0);
        plant.starts(1);
        plant
    }

    fn now(&self, who: usize) -> Now {
        Now { mono: Time(self.lab.now), wall: Time(self.lab.now.saturating_sub(self.behind[who])) }
    }

    /// A processor starts, or starts again.
    pub(super) fn starts(&mut self, who: usize) {
        self.lives[who] += 1;
        let n = u8::try_from(who).expect("two");
        let life = self.lives[who];
        let boot = Boot {
            entropy: [16 * n + u8::try_from(life).expect("few"); 32],
            user: ANNA,
            device: DeviceKey(100 + u64::from(n)),
            client: Client { replica: ReplicaId(100 + u64::from(n)), life },
            vault: vault(self.flaws),
            timing: Timing {
                timeout: Span(1_000_000),
                retry_base: Span(10),
                retry_cap: Span(10),
                patience: Span(1_000_000),
                poll: Span(1_000_000_000),
            },
        };
        self.processors[who] = Some(Processor::start(self.now(who), boot));
        let credential = Credential { user: ANNA, until: Time(u64::MAX) };
        self.give(who, Input::Credential(credential));
    }

    pub(super) fn has_crashed(&self, who: usize) -> bool {
        self.processors[who].is_none()
    }

    fn give(&mut self, who: usize, input: Input) {
        let now = self.now(who);
        let Some(processor) = &mut self.processors[who] else { return };
        processor.handle(now, input);
        while let Some(output) = self.processors[who].as_mut().and_then(Processor::poll_output) {
            match output {
                Output::Request(request) => {
                    let ticket = self.lab.ask(who, *request);
                    self.sent.insert(ticket, (who, self.lives[who]));
                }
                Output::Step(step, thread) => {
                    self.begun += 1;
                    self.under_way.push((who, step, *thread));
                }
                Output::Answer(op, answer) => self.answers.push((op, answer)),
                Output::NeedCredential => panic!("it was given one"),
                Output::Reached(_) => continue,
            }
            if who == 0 {
                self.effects += 1;
                if self.crashes_after == Some(self.effects) {
                    self.crash(0);
                }
            }
        }
    }

    pub(super) fn crash(&mut self, who: usize) {
        self.processors[who] = None;
        self.under_way.retain(|(of, ..)| *of != who);
    }

    pub(super) fn ask(&mut self, who: usize, ask: Ask) -> OpId {
        self.ops += 1;
        self.give(who, Input::Ask(OpId(self.ops), ask));
        OpId(self.ops)
    }

    pub(super) fn ask_and_wait(&mut self, who: usize, ask: Ask) -> Answer {
        let op = self.ask(who, ask);
        self.run(true);
        self.answer(op).expect("nothing goes wrong")
    }

    pub(super) fn ingests(&mut self, who: usize, path: Path, part: Box<Conversation>) -> u32 {
        let answer = self.ask_and_wait(who, Ask::Ingest(path, part));
        let Answer::Saved(_, version) = answer else { panic!("it is saved, and not {answer:?}") };
        version
    }

    pub(super) fn answer(&self, op: OpId) -> Option<Answer> {
        self.answers.iter().find(|(answered, _)| *answered == op).map(|(_, it)| it.clone())
    }

    /// A step that is under way ends.
    pub(super) fn ends_step(&mut self, at: usize, works: bool) {
        let (who, step, thread) = self.under_way.remove(at);
        let result = works.then(|| worked(&thread));
        self.give(who, Input::Stepped(step, result));
    }

    /// Delivers what workers have answered.
    fn deliver(&mut self) {
        while let Some((ticket, response)) = self.lab.answers.get(self.heard).cloned() {
            self.heard += 1;
            let Some((who, life)) = self.sent.remove(&ticket) else { continue };
            if life == self.lives[who] {
                self.give(who, Input::Response(response));
            }
        }
    }

    /// Wakes the clients that wait to try again; false if none does.
    fn wake(&mut self) -> bool {
        let due = |who: &usize| match self.processors[*who].as_ref()?.poll_wakeup()? {
            (at, "server retry" | "retry") => Some((at, *who)),
            // What was asked of workers that were stopped is never answered.
            (at, "server timeout") if self.lab.restored > 0 => Some((at, *who)),
            _ => None,
        };
        let Some((at, who)) = [0, 1].iter().filter_map(due).min() else { return false };
        self.lab.now = self.lab.now.max(at.0);
        self.give(who, Input::Wakeup);
        true
    }

    /// Everything goes well until nothing is left to do; if it is to wake, also after a wait.
    pub(super) fn run(&mut self, wakes: bool) {
        // What waits for ever is a finding, and not a test that hangs.
        for _ in 0..10_000 {
            self.deliver();
            if let Some(worker) = self.lab.busy().first() {
                self.lab.settle(*worker, Fate::Works);
            } else if self.steps != Steps::Hang && !self.under_way.is_empty() {
                self.ends_step(0, self.steps == Steps::Work);
            } else if !(wakes && self.wake()) {
                return;
            }
        }
    }

    /// When a processor goes on by itself.
    pub(super) fn wakes_at(&self, who: usize) -> Time {
        let wakeup = self.processors[who].as_ref().and_then(Processor::poll_wakeup);
        wakeup.expect("it waits for something").0
    }

    pub(super) fn passes(&mut self, millis: u64) {
        self.lab.now += millis;
    }

    pub(super) fn key(&self, id: &str) -> DedupKey {
        vault(self.flaws).key(&origin(id))
    }

    /// An item as the log has it.
    pub(super) fn item(&self, id: &str) -> Option<Item> {
        let mut lab = self.lab.clone();
        match lab.state().get(Key::Work(Place::Item(self.key(id)))) {
            Some(Doc::Work(Stored::Item(item))) => Some(*item),
            _ => None,
        }
    }

    /// The numbers of the messages that a conversation has.
    pub(super) fn messages(&mut self, id: &str) -> Vec<u32> {
        let read = Ask::Read(origin(id), engine::message::Part::Current);
        let answer = self.ask_and_wait(1, read);
        let Answer::Thread(_, thread) = answer else { panic!("it is there, and not {answer:?}") };
        thread.messages().iter().map(|it| it.n).collect()
    }

    pub(super) fn books(&self) -> Result<(), String> {
        books(&self.lab.clone().log())
    }
}

impl Story for Plant {
    fn busy(&self) -> Vec<usize> {
        self.lab.busy()
    }

    fn go_on(&mut self, worker: usize, fate: Fate) {
        self.lab.settle(worker, fate);
        self.deliver();
        while self.lab.busy().is_empty() && self.wake() {
            self.deliver();
        }
    }
}

/// May an item that was `old` become `new`?
fn may_follow(old: Option<Item>, new: Item, reset: bool) -> bool {
    let Some(old) = old else { return new.job == Job::NEW && new.content.version == 1 };
    if old.content != new.content {
        return new.job == Job::NEW && new.content.version == old.content.version + 1;
    }
    match (old.job, new.job) {
        (Job::Failed { .. }, Job::Pending { tries: 0 }) if reset => true,
        (Job::Pending { tries: was }, Job::Processing { tries, .. }) => {
            tries == was + 1 && tries <= 3
        }
        (Job::Processing { tries: was, .. }, Job::Success { tries, result }) => {
            tries == was && result != BlobHash::default()
        }
        (Job::Processing { tries: was, .. }, Job::Failed { tries, .. }) => tries == was,
        (
            Job::Processing { tries: was, .. } | Job::Failed { tries: was, .. },
            Job::Pending { tries },
        ) => tries == was && tries < 3,
        _ => false,
    }
}

fn items(state: &State) -> BTreeMap<DedupKey, Item> {
    let everything = Key::Session(DeviceKey(0))..=last_key();
    let of = |(key, doc): (&Key, &Doc)| match (*key, doc) {
        (Key::Work(Place::Item(key)), Doc::Work(Stored::Item(item))) => Some((key, *item)),
        (Key::Work(Place::Item(key)), Doc::Work(Stored::Old(content))) => {
            Some((key, Item { content: *content, job: Job::NEW }))
        }
        _ => None,
    };
    state.range(everything).filter_map(of).collect()
}

fn last_key() -> Key {
    Key::Work(Place::Day(vault(Flaws::NONE).calendar.day("2199-12-30").expect("a day")))
}

/// Statuses change as they may, and after each commit every summary is what its items amount to.
pub(super) fn books(log: &[Entry]) -> Result<(), String> {
    let mut state = State::default();
    for entry in log {
        let mut known = items(&state);
        for op in &entry.ops {
            for (key, doc) in &op.puts {
                if let (Key::Work(Place::Item(key)), Some(Doc::Work(Stored::Item(new)))) =
                    (key, doc)
                {
                    let old = known.insert(*key, *new);
                    if !may_follow(old, *new, op.reply == Reply::Work(WorkReply::WasReset)) {
                        return Err(format!("{}: {old:?} became {new:?}", entry.seq));
                    }
                }
            }
        }
        let written = entry.ops.iter().flat_map(|op| &op.puts);
        let changed: Vec<DateKey> = written
            .filter_map(|(_, doc)| match doc {
                Some(Doc::Work(Stored::Item(item))) => Some(item.content.day),
                _ => None,
            })
            .collect();
        state.apply(entry.clone());
        for day in changed {
            let of_day = items(&state).into_values().filter(|item| item.content.day == day);
            let (mut sum, mut all) = ([0u32; 4], (0u32, 0u32));
            for item in of_day {
                all = (all.0 + 1, all.1 + item.content.messages);
                sum[match item.job {
                    Job::Pending { .. } => 0,
                    Job::Processing { .. } => 1,
                    Job::Success { .. } => 2,
                    Job::Failed { .. } => 3,
                }] += 1;
            }
            let [pending, processing, success, failed] = sum;
            let (items, messages) = all;
            let expected = Summary { items, messages, pending, processing, success, failed };
            let stored = state.get(Key::Work(Place::Day(day))).cloned();
            if stored != Some(Doc::Work(Stored::Day(expected))) && expected != Summary::default() {
                return Err(format!("{}: {stored:?} for {expected:?}", entry.seq));
            }
        }
    }
    Ok(())
}
