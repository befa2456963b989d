//! Workers on one volume, driven by hand: what each has asked of the volume waits until the test
//! decides what becomes of it.

use std::collections::{BTreeSet, VecDeque};

use engine::flaw::Flaws;
use engine::id::{Build, Dot, ReplicaId, UserId};
use engine::log::{Doc, Entry, FileDoc, Position, State, entry_key};
use engine::message::{Action, Client, Command, DeviceKey, Fence, Reply, Request, Response};
use engine::remote::{CallId, Credential};
use engine::time::{Now, Span, Time};
use engine::volume::{self, Return};
use engine::worker::{Boot, Input, Output, Ticket, Timing, Worker};
use sim::time::ToSimulated;
use sim::volume::Volume;

pub(super) const ANNA: UserId = UserId(0);

/// A device that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) device: DeviceKey,
    pub(super) client: Client,
}

impl Asker {
    pub(super) fn new(n: u64) -> Self {
        Self { device: DeviceKey(n), client: Client { replica: ReplicaId(n), life: 1 } }
    }

    /// What it asks.
    pub(super) fn asks(self, command: Command) -> Request {
        Request {
            id: CallId(0),
            attempt: 0,
            credential: Some(Credential { user: ANNA, until: Time(u64::MAX) }),
            space: ANNA,
            device: self.device,
            client: self.client,
            build: Build::Current,
            heard: Position::START,
            command,
        }
    }

    pub(super) fn acts(self, fence: Fence, n: u32, action: Action) -> Request {
        self.asks(Command::Act { fence, n, action })
    }
}

/// What becomes of a request to the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Works,
    /// It takes effect, and no worker learns of it.
    AnswerLost,
    Fails,
}

fn boot(n: usize, flaws: Flaws) -> Boot {
    Boot {
        entropy: [u8::try_from(n).expect("workers are few"); 32],
        timing: Timing {
            session: Span(1_000),
            timeout: Span(100),
            retry_base: Span(10),
            retry_cap: Span(10),
            queue: 100,
            snapshot_every: 2,
            upload: LEASE,
            batch: 3,
        },
        flaws,
    }
}

/// So long an upload is kept.
pub(super) const LEASE: Span = Span(1_000);

/// The volume is set back before the request of this number to it, to what it was before that one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restore {
    pub(super) at: usize,
    pub(super) to: usize,
}

/// A server that a test drives.
#[derive(Clone, Debug)]
pub(super) struct Lab {
    pub(super) workers: Vec<Worker>,
    /// What each worker has asked of the volume, in order.
    pub(super) asked: Vec<VecDeque<volume::Call>>,
    pub(super) volume: Volume,
    pub(super) answers: Vec<(Ticket, Response)>,
    pub(super) now: u64,
    /// What the volume was before each request to it that was done with, if that is kept.
    pub(super) was: Vec<Volume>,
    restores: Option<VecDeque<Restore>>,
    /// How often the volume was set back.
    pub(super) restored: usize,
    tickets: u64,
    lives: usize,
    flaws: Flaws,
}

/// What can go on in more than one order.
pub(super) trait Story: Clone {
    /// The workers that have asked something of the volume.
    fn busy(&self) -> Vec<usize>;
    /// The oldest such request of this worker is done with, and all that follows without a choice.
    fn go_on(&mut self, worker: usize, fate: Fate);
}

impl Story for Lab {
    fn busy(&self) -> Vec<usize> {
        (0..self.workers.len()).filter(|worker| !self.asked[*worker].is_empty()).collect()
    }

    fn go_on(&mut self, worker: usize, fate: Fate) {
        self.settle(worker, fate);
    }
}

/// Every order of events from here on, with at most that number of mishaps; returns how many there
/// are, and how many of those end well.
pub(super) fn explore<S: Story>(
    story: &S,
    mishaps: u32,
    ends_well: &mut impl FnMut(&S) -> bool,
) -> (u64, u64) {
    let busy = story.busy();
    if busy.is_empty() {
        return (1, u64::from(ends_well(story)));
    }
    let (mut all, mut well) = (0, 0);
    for worker in busy {
        for fate in [Fate::Works, Fate::AnswerLost, Fate::Fails] {
            let Some(left) = mishaps.checked_sub(u32::from(fate != Fate::Works)) else { continue };
            let mut next = story.clone();
            next.go_on(worker, fate);
            let (more, better) = explore(&next, left, ends_well);
            all += more;
            well += better;
        }
    }
    (all, well)
}

impl Lab {
    pub(super) fn new(workers: usize, flaws: Flaws) -> Self {
        Self {
            workers: (0..workers).map(|n| Worker::start(boot(n, flaws))).collect(),
            asked: vec![VecDeque::new(); workers],
            volume: Volume::new(false),
            answers: Vec::new(),
            now: 1,
            was: Vec::new(),
            restores: None,
            restored: 0,
            tickets: 0,
            lives: 0,
            flaws,
        }
    }

    fn give(&mut self, worker: usize, input: Input) {
        let now = Now { mono: Time(self.now), wall: Time(self.now) };
        self.workers[worker].handle(now, input);
        while let Some(output) = self.workers[worker].poll_output() {
            match output {
                Output::Ask(call) => self.asked[worker].push_back(call),
                Output::Answer(ticket, response) => self.answers.push((ticket, response)),
                Output::Reached(_) => {}
            }
        }
        self.workers[worker].check();
        // A worker that waits for nothing knows all that it will: the moment for the costly part.
        if self.flaws == Flaws::NONE && self.asked[worker].is_empty() {
            self.workers[worker].check_thoroughly();
        }
    }

    /// A request reaches a worker.
    pub(super) fn ask(&mut self, worker: usize, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.give(worker, Input::Asked(ticket, request.into()));
        ticket
    }

    /// Time passes in which nobody does anything.
    pub(super) fn wait(&mut self, span: Span) {
        self.now += span.0;
    }

    /// A worker dies, and another one takes its place. What it had asked never arrives.
    pub(super) fn crash(&mut self, worker: usize) {
        self.asked[worker].clear();
        self.lives += 1;
        self.workers[worker] = Worker::start(boot(self.workers.len() + self.lives, self.flaws));
    }

    /// The volume is set back to what it was, and all workers start again.
    pub(super) fn set_back(&mut self, backup: &Volume) {
        self.volume = backup.clone();
        self.restored += 1;
        (0..self.workers.len()).for_each(|worker| self.crash(worker));
    }

    /// From now on it is kept what the volume was, and it is set back at these moments.
    pub(super) fn keep_backups(&mut self, restores: &[Restore]) {
        self.restores = Some(restores.iter().copied().collect());
    }

    /// Sets the volume back, if it is time to.
    fn is_set_back(&mut self) -> bool {
        let Some(restores) = &mut self.restores else { return false };
        self.was.push(self.volume.clone());
        let due = restores.pop_front_if(|next| next.at < self.was.len());
        let Some(Restore { to, .. }) = due else { return false };
        let backup = self.was[to].clone();
        self.set_back(&backup);
        true
    }

    /// The oldest request of a worker to the volume is done with.
    pub(super) fn settle(&mut self, worker: usize, fate: Fate) {
        if self.is_set_back() {
            return;
        }
        let call = self.asked[worker].pop_front().expect("it has asked something");
        let reply = match fate {
            Fate::Fails => volume::Reply::Failed,
            Fate::Works | Fate::AnswerLost => self.volume.handle(
                Time(self.now).to_simulated(),
                &call.request,
                Span(0).to_simulated(),
            ),
        };
        let reply = if fate == Fate::AnswerLost { volume::Reply::Failed } else { reply };
        self.give(worker, Input::Volume(Return { id: call.id, reply }));
        // A client that rests is woken at once: how long a rest is does not matter here.
        while let Some((at, "volume retry")) = self.workers[worker].poll_wakeup() {
            self.now = self.now.max(at.0);
            self.give(worker, Input::Wakeup);
        }
    }

    /// Everything goes well until nothing is left to do.
    pub(super) fn finish(&mut self) {
        while let Some(worker) = self.asked.iter().position(|asked| !asked.is_empty()) {
            self.settle(worker, Fate::Works);
        }
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask_and_wait(&mut self, worker: usize, request: Request) -> Reply {
        let ticket = self.ask(worker, request);
        self.finish();
        self.answer(ticket).expect("everything went well")
    }

    pub(super) fn answer(&self, ticket: Ticket) -> Option<Reply> {
        let of = |(answered, _): &&(Ticket, Response)| *answered == ticket;
        self.answers.iter().find(of).map(|(_, response)| response.reply.clone())
    }

    pub(super) fn opens(&mut self, worker: usize, asker: Asker) -> Fence {
        let reply = self.ask_and_wait(worker, asker.asks(Command::Open));
        let Reply::Opened(fence) = reply else {
            panic!("a session is granted, and not {reply:?}");
        };
        fence
    }

    /// The writes of files that the log has.
    pub(super) fn filed(&mut self) -> BTreeSet<Dot> {
        let log = self.log();
        let puts = log.iter().flat_map(|entry| &entry.ops).flat_map(|op| &op.puts);
        puts.filter_map(|(_, doc)| match doc {
            Some(Doc::File(FileDoc::Version(version))) => Some(version.write),
            _ => None,
        })
        .collect()
    }

    /// The log as the volume has it.
    pub(super) fn log(&mut self) -> Vec<Entry> {
        let mut log = Vec::new();
        loop {
            let key = entry_key(ANNA, log.len() as u64 + 1);
            let reply = self.volume.handle(
                Time(self.now).to_simulated(),
                &volume::Request::Get(key),
                Span(0).to_simulated(),
            );
            let volume::Reply::Found(bytes) = reply else { return log };
            log.push(Entry::decode(&bytes).expect("an entry"));
        }
    }

    /// What the log amounts to.
    pub(super) fn state(&mut self) -> State {
        let mut state = State::default();
        self.log().iter().for_each(|entry| state.apply(entry.clone()));
        state
    }
}
