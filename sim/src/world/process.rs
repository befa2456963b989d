//! Processes: workers and processors come and go alike. A process keeps nothing over a loss of power,
//! so each start is a new life of it that knows nothing.

use engine::time::{Now, Span, Time};

use super::{Event, Order, State, World};
use crate::clock::{Clock, EPOCH_MS};
use crate::desk::{Arrival, ForProcessor};
use crate::history::{Boot, Fact, Incarnation, Lost, PipeTrouble, ServerTrouble, Trouble};
use crate::plan::{Node, Plan, ProcessorId, StepId, WorkerId};
use crate::random::Draw;

/// How long a process that died by itself stays away.
const RECOVERY: Span = Span(500);

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProcessId {
    Worker(WorkerId),
    Processor(ProcessorId),
}

impl From<WorkerId> for ProcessId {
    fn from(worker: WorkerId) -> Self {
        Self::Worker(worker)
    }
}

impl From<ProcessorId> for ProcessId {
    fn from(processor: ProcessorId) -> Self {
        Self::Processor(processor)
    }
}

impl From<ProcessId> for Node {
    fn from(id: ProcessId) -> Self {
        match id {
            ProcessId::Worker(worker) => Self::Worker(worker),
            ProcessId::Processor(processor) => Self::Processor(processor),
        }
    }
}

impl ProcessId {
    /// Its number among its like.
    fn number(self) -> u16 {
        match self {
            Self::Worker(worker) => worker.0,
            Self::Processor(processor) => processor.0,
        }
    }

    /// What is drawn for its start, and for its going on.
    fn concerns(self) -> [&'static str; 2] {
        match self {
            Self::Worker(_) => ["worker start", "worker resumes"],
            Self::Processor(_) => ["processor start", "processor resumes"],
        }
    }

    fn pause(self) -> Trouble {
        match self {
            Self::Worker(worker) => Trouble::Server(ServerTrouble::Pause(worker)),
            Self::Processor(processor) => Trouble::Pipe(PipeTrouble::Pause(processor)),
        }
    }
}

/// A process as the world keeps it while its machine comes and goes.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) id: ProcessId,
    state: State,
    pub(super) incarnation: Incarnation,
    paused: bool,
    pub(super) clock: Clock,
    /// Names the latest planned start.
    start: u32,
    /// The troubles that end with the next start.
    pub(super) troubles: Vec<Trouble>,
}

impl Process {
    /// All of a plan: the workers, then the processors.
    pub(super) fn of(plan: &Plan) -> Vec<Self> {
        let workers = plan.server.iter().flat_map(|server| &server.workers);
        let workers = workers.map(|it| Clock::new(it.clock_offset_ms, it.clock_drift_ppm));
        let workers = (0..).map(WorkerId).zip(workers).map(|(id, clock)| (id.into(), clock));
        let processors = plan.processors().iter();
        let processors = processors.map(|it| Clock::new(it.clock_offset_ms, it.clock_drift_ppm));
        let processors = (0..).map(ProcessorId).zip(processors);
        let processors = processors.map(|(id, clock)| (id.into(), clock));
        let process = |(id, clock)| Self {
            id,
            state: State::New,
            incarnation: 0,
            paused: false,
            clock,
            start: 0,
            troubles: Vec::new(),
        };
        workers.chain(processors).map(process).collect()
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Running
    }

    /// Is it up, and in this life, if it has to be a certain one?
    pub(super) fn lives(&self, life: Option<Incarnation>) -> bool {
        self.is_up() && life.is_none_or(|life| life == self.incarnation)
    }

    /// Does it take nothing from its desk now?
    pub(super) fn stands_still(&self) -> bool {
        self.paused || !self.is_up()
    }

    /// Its clocks. The sign-in service counts from the start of a run, and so do they.
    pub(super) fn now(&self, at: Time) -> Now {
        let Now { mono, wall } = self.clock.show(at);
        Now { mono, wall: Time(wall.0.saturating_sub(EPOCH_MS)) }
    }
}

impl World {
    fn index_of(&self, id: ProcessId) -> usize {
        let before = match id {
            ProcessId::Worker(_) => 0,
            ProcessId::Processor(_) => self.workers.len(),
        };
        before + usize::from(id.number())
    }

    pub(super) fn process(&self, id: impl Into<ProcessId>) -> &Process {
        &self.processes[self.index_of(id.into())]
    }

    pub(super) fn process_mut(&mut self, id: impl Into<ProcessId>) -> &mut Process {
        let index = self.index_of(id.into());
        &mut self.processes[index]
    }

    /// The stations of processes come after those of devices and remotes.
    pub(super) fn station_of_process(&self, id: impl Into<ProcessId>) -> usize {
        self.devices.len() + self.plan.remotes.len() + self.index_of(id.into())
    }

    /// The process at a station, if there is one.
    pub(super) fn process_at(&self, station: usize) -> Option<&Process> {
        let first = self.devices.len() + self.plan.remotes.len();
        self.processes.get(station.checked_sub(first)?)
    }

    #[inline(always)]
    pub(super) fn draw_for_process(&self, concern: &'static str, id: impl Into<ProcessId>) -> Draw {
        let id = id.into();
        let life = u64::from(self.process(id).incarnation);
        self.draw(concern).and(u64::from(id.number())).and(life)
    }

    pub(super) fn plan_process_starts(&mut self) {
        for n in 0..self.processes.len() {
            self.plan_process_start(self.processes[n].id, Span(0));
        }
    }

    pub(super) fn plan_process_start(&mut self, id: impl Into<ProcessId>, after: Span) {
        let id = id.into();
        let process = self.process_mut(id);
        process.start += 1;
        let start = process.start;
        let order = self.draw_for_process(id.concerns()[0], id).and(u64::from(start));
        self.file(self.now + after, order, Event::StartProcess(id, start));
    }

    /// Starts a process, in a new life, if this is still the latest plan for it.
    pub(super) fn start_process(&mut self, id: ProcessId, start: u32) {
        let process = self.process_mut(id);
        if process.start != start || process.is_up() {
            return;
        }
        let boot = if process.state == State::New {
            Boot::First
        } else {
            process.incarnation += 1;
            Boot::Restart
        };
        process.state = State::Running;
        for trouble in std::mem::take(&mut process.troubles) {
            self.note(id.into(), Fact::Ended(trouble));
        }
        let fact = Fact::Started { boot, hash: 0, commit: 0, holds: Vec::new() };
        self.note(id.into(), fact);
        let start = match id {
            ProcessId::Worker(worker) => self.boot_of_worker(worker),
            ProcessId::Processor(processor) => self.boot_of_processor(processor),
        };
        let station = self.station_of_process(id);
        self.orders.push(Order::Start(station));
        self.call(station, |desk| desk.arrivals.push_back(start));
    }

    /// A process loses power, and with it all that it was at. What it has asked of others happens
    /// all the same.
    pub(super) fn stop_process(&mut self, id: impl Into<ProcessId>) {
        let id = id.into();
        self.note(id.into(), Fact::Killed { keeps: 0, between: false });
        let station = self.station_of_process(id);
        let unread = self.stations[station].desk.clear();
        self.stations[station].called = false;
        self.stations[station].deadline += 1;
        for arrival in unread {
            if let Arrival::Message(mail) = arrival {
                self.lose(&mail, Lost::Dead);
            } else if let Arrival::ForProcessor(ForProcessor::Order(step, _)) = arrival {
                self.note(id.into(), Fact::Skipped(step));
            }
        }
        match id {
            ProcessId::Worker(_) => self.interrupt_batches(),
            ProcessId::Processor(processor) => self.owes_nothing(processor),
        }
        let process = self.process_mut(id);
        process.state = State::Off;
        if std::mem::take(&mut process.paused) {
            self.note(id.into(), Fact::Ended(id.pause()));
        }
        self.orders.push(Order::Kill(station));
    }

    /// Power is lost, and back after a while, when the trouble ends.
    pub(super) fn crash_process(&mut self, id: impl Into<ProcessId>, back: Span, trouble: Trouble) {
        let id = id.into();
        self.stop_process(id);
        self.process_mut(id).troubles.push(trouble);
        self.plan_process_start(id, Span(back.0.max(1)));
    }

    /// A process has died by itself.
    pub(super) fn lose_process(&mut self, id: impl Into<ProcessId>, message: String) {
        let id = id.into();
        self.note(id.into(), Fact::Panicked(message));
        self.stop_process(id);
        self.plan_process_start(id, RECOVERY);
    }

    pub(super) fn pause_process(&mut self, id: impl Into<ProcessId>, span: Span, step: StepId) {
        let id = id.into();
        let process = self.process_mut(id);
        process.paused = true;
        let life = process.incarnation;
        let order = self.draw_for_step(id.concerns()[1], step);
        let at = self.now + Span(span.0.max(1));
        self.file(at, order, Event::ResumeProcess(id, life));
    }

    /// A process that stood still goes on, if it is the same life.
    pub(super) fn resume_process(&mut self, id: ProcessId, life: Incarnation) {
        let process = self.process_mut(id);
        if process.lives(Some(life)) && std::mem::take(&mut process.paused) {
            self.note(id.into(), Fact::Ended(id.pause()));
            let station = self.station_of_process(id);
            self.call(station, |_| {});
        }
    }

    /// Starts a process that is down, soon, or wakes one that stands still.
    pub(super) fn bring_process_back(&mut self, id: impl Into<ProcessId>) {
        let id = id.into();
        let Process { state, incarnation, .. } = *self.process(id);
        match state {
            State::Off => self.plan_process_start(id, Span(1)),
            State::Running => self.resume_process(id, incarnation),
            State::New | State::Gone => {}
        }
    }
}
