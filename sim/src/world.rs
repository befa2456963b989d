//! The world: everything that is not a machine. It owns the agenda, the post, the disks, clocks,
//! keychain and history, and takes a run through its turns.
//!
//! One simulated millisecond with something due is a *turn*. [`World::begin_turn`] lets happen what
//! is due, the world's own events first, and lays what nodes are given on their desks; each node
//! that was called works by itself; [`World::end_turn`] carries out what they emitted, node by node.
//! The driver of the turns decides nothing but the order in which the nodes of one turn work, and that
//! cannot be observed.

mod backup;
mod effects;
mod ended;
mod event;
mod file;
mod founding;
mod fuse;
mod intruder;
mod item;
mod looks;
mod phases;
mod power;
mod process;
mod processor;
mod script;
mod server;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use engine::device::{Input, Snapshot};
use engine::id::{DeviceId, OpId, Remote, UserId, VaultId};
use engine::message::JobId;
use engine::point::Point;
use engine::seal::Memo;
use engine::time::{Span, Time};

use self::event::Event;
use self::fuse::Fuse;
use self::phases::Phase;
pub use self::phases::settle_bound;
use self::process::Process;
use self::processor::Pipeline;
use self::script::Script;
use self::server::Bench;
use crate::agenda::Agenda;
use crate::clock::Clock;
use crate::desk::{Arrival, Desk, Emitted};
use crate::disk::Disk;
use crate::fault::{Ongoing, Weather};
use crate::history::recorder::Recorder;
use crate::history::{Boot, Fact, Incarnation, Trouble};
use crate::keychain::{Keychain, SignInDesk};
use crate::network::Network;
use crate::outcome::LogLine;
use crate::plan::{Effect, Node, Plan, StepId};
use crate::random::Draw;
use crate::shell::{SharedDouble, Shell};
use crate::volume::Volume;
use crate::workload;

/// The world of one run.
#[derive(Clone, Debug)]
pub(crate) struct World {
    plan: Arc<Plan>,
    now: Time,
    agenda: Agenda<Event>,
    network: Network,
    keychain: Keychain,
    ongoing: Vec<Ongoing>,
    weather: Weather,
    fuses: Vec<Fuse>,
    /// Moves of several files that have not been answered.
    batches: BTreeSet<(DeviceId, OpId)>,
    /// Those that were too long for one commit, and are not done with.
    jobs: BTreeSet<(UserId, JobId)>,
    script: Script,
    phase: Phase,
    /// A device that kept the run from being settled when that was last asked.
    holdup: Option<usize>,
    /// What the scenario or the plan keeps from settling, as far as it is known yet.
    scars: trouble::Scars,
    devices: Vec<Site>,
    doubles: Vec<SharedDouble>,
    workers: Vec<Bench>,
    processes: Vec<Process>,
    pipeline: Pipeline,
    volume: Volume,
    /// The last change of each space's files.
    files: file::Heads,
    /// The last name of each node.
    names: file::Names,
    /// The name of each entry of the logs.
    entries: file::Entries,
    /// What somebody who is not of this house waits for.
    intruder: BTreeMap<engine::remote::CallId, engine::message::Request>,
    /// All nodes: devices in order, then remotes, then workers, then processors.
    stations: Vec<Station>,
    /// The nodes that were called in this turn.
    ready: Vec<usize>,
    orders: Vec<Order>,
    /// The last number of an operation of each user's own.
    own_ops: BTreeMap<Node, u32>,
    /// The hints that each device's saves have caused.
    hints: BTreeMap<Node, u32>,
    memo: Memo,
    needle: [u8; 8],
    recorder: Recorder,
    log: Vec<LogLine>,
    coverage: BTreeMap<&'static str, u64>,
    reached: BTreeMap<Point, u64>,
    events: u64,
    /// With more events than this the run is taken for endless.
    most_events: u64,
    messages: u64,
    spare: Vec<Emitted>,
    /// A message's bytes, while it is looked at.
    scratch: Vec<u8>,
}

/// What the driver has to do with the tasks of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Drop the machine.
    Kill(usize),
    /// Make room for a new one.
    Start(usize),
}

/// One node's desk, and what is planned for it.
#[derive(Clone, Debug)]
struct Station {
    desk: Desk,
    /// Called in this turn.
    called: bool,
    /// Raised when the deadline moves, so that an older wake-up is recognised.
    deadline: u32,
}

/// What a device is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not switched on yet, or not made yet.
    New,
    Running,
    /// Without power; a start is planned.
    Off,
    Gone,
}

/// A device as the world keeps it while its machine comes and goes.
#[derive(Clone, Debug)]
struct Site {
    id: DeviceId,
    user: UserId,
    state: State,
    incarnation: Incarnation,
    disk: Disk,
    clock: Clock,
    /// How it will start next.
    boot: Boot,
    /// The last commit that survived the last crash.
    kept: u32,
    install: u64,
    installs: u64,
    paused: bool,
    /// Names the latest planned start.
    start: u32,
    /// The troubles that end with the next start.
    troubles: Vec<Trouble>,
    image: Option<Snapshot>,
    sign_in: SignInDesk,
}

impl Site {
    fn node(&self) -> Node {
        Node::Device(self.id)
    }

    fn is_up(&self) -> bool {
        self.state == State::Running
    }
}

/// Without an end in sight after so many events, and so many more for each device, a run is taken
/// for endless. A busy device has some hundred a minute, an idle one those of its pulls.
const EVENTS: u64 = 1_000_000;
const EVENTS_PER_DEVICE: u64 = 50_000;
const EVENTS_PER_PULL: u64 = 32;

/// The most events that a run of a plan with so many machines may have.
fn most_events(plan: &Plan, machines: usize) -> u64 {
    let pulls = plan.storm.0 / plan.timing.pull_every.0.max(1);
    let each = EVENTS_PER_DEVICE.saturating_add(EVENTS_PER_PULL.saturating_mul(pulls));
    each.saturating_mul(machines as u64).saturating_add(EVENTS)
}

impl World {
    /// When something happens next; `None` when the run is over. Most wake-ups have been put off
    /// before they are due: none of those is worth a turn.
    pub(crate) fn next_due(&mut self) -> Option<Time> {
        if self.phase == Phase::Over {
            return None;
        }
        let stations = &self.stations;
        self.agenda.drop_stale(
            |event| matches!(event, Event::Wake(node, was) if stations[*node].deadline != *was),
        );
        self.agenda.next_due()
    }

    /// Lets happen what is due next.
    pub(crate) fn begin_turn(&mut self) {
        self.now = self.agenda.next_due().expect("the driver has looked");
        while let Some(event) = self.agenda.take_due(self.now) {
            self.events += 1;
            self.happen(event);
        }
        if self.events > self.most_events {
            self.give_up();
        }
        // A node may have lost power after it was called.
        self.ready.retain(|node| self.stations[*node].called);
        self.ready.sort_unstable();
    }

    /// The nodes that have something to do in this turn, in order.
    pub(crate) fn ready(&self) -> &[usize] {
        &self.ready
    }

    /// Carries out what the nodes of this turn emitted.
    pub(crate) fn end_turn(&mut self) {
        let ready = std::mem::take(&mut self.ready);
        for &node in &ready {
            self.stations[node].called = false;
            let mut emitted = std::mem::take(&mut self.spare);
            std::mem::swap(&mut emitted, &mut self.desk(node).emitted);
            self.carry_out(node, &mut emitted);
            emitted.clear();
            self.spare = emitted;
        }
        self.ready = ready;
        self.ready.clear();
        self.advance_phase();
    }

    /// What the driver has to do before the nodes of a turn work, in order.
    pub(crate) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// A world that is as this one, and goes on by itself. Nothing is shared but what is never changed,
    /// and the memory of opened blobs, whose contents are a function of their bytes.
    pub(crate) fn fork(&self) -> Self {
        let mut fork = self.clone();
        for shared in &mut fork.doubles {
            let double = shared.lock().expect("no double has panicked").fork();
            *shared = Arc::new(Mutex::new(double));
        }
        fork
    }

    /// The desk of a node.
    pub(crate) fn desk(&mut self, node: usize) -> &mut Desk {
        &mut self.stations[node].desk
    }

    /// All nodes, with the shells that belong to them.
    pub(crate) fn nodes(&self) -> Vec<(String, ShellMaker)> {
        let accounts: Arc<[UserId]> = self.devices.iter().map(|site| site.user).collect();
        let named = |node: Node, maker| (self.plan.name(node).to_owned(), maker);
        let devices = self.devices.iter().map(|site| named(site.node(), ShellMaker::Device));
        let remotes = self.doubles.iter().zip(&self.plan.remotes).map(|(double, plan)| {
            (plan.name.clone(), ShellMaker::Remote(double.clone(), accounts.clone()))
        });
        let worker = |id| named(Node::Worker(id), ShellMaker::Worker);
        let workers = self.workers.iter().map(|bench| worker(bench.id));
        let processor = |id| named(Node::Processor(id), ShellMaker::Processor);
        let processors = self.pipeline.seats.iter().map(|seat| processor(seat.id));
        devices.chain(remotes).chain(workers).chain(processors).collect()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(step) => self.take_step(step),
            Event::Start(device, start) => {
                if self.site(device).start == start {
                    self.switch_on(device);
                }
            }
            Event::Resume(device, life) => self.resume(device, life),
            Event::EndFault(step) => self.end_fault(step),
            Event::Durable(device, life, commit) => self.make_durable(device, life, commit),
            Event::Persisted(device, life, commit) => {
                if self.lives(device, life) {
                    self.site_mut(device).disk.answer(commit);
                    self.call(usize::from(device.0), |desk| desk.persisted = true);
                }
            }
            Event::QuietEnough(step) => self.stop_waiting_for_quiet(step),
            Event::EndPhase(phase) => self.end_phase(phase),
            Event::StartProcess(id, start) => self.start_process(id, start),
            Event::ResumeProcess(id, life) => self.resume_process(id, life),
            Event::ForProcessor(processor, life, what) => {
                self.tell_processor(processor, life, *what);
            }
            Event::AtVolume(worker, life, call) => self.ask_volume(worker, life, call),
            Event::FromVolume(worker, life, answer) => self.hear_volume(worker, life, answer),
            Event::Arrive(mail) => self.arrive(mail),
            Event::Give(device, life, arrival) => self.give(device, life, arrival),
            Event::Wake(node, deadline) => {
                if self.stations[node].deadline == deadline {
                    self.call(node, |desk| desk.woken = true);
                }
            }
        }
    }

    fn site(&self, device: DeviceId) -> &Site {
        &self.devices[usize::from(device.0)]
    }

    fn site_mut(&mut self, device: DeviceId) -> &mut Site {
        &mut self.devices[usize::from(device.0)]
    }

    /// Is the device up, and in this life?
    fn lives(&self, device: DeviceId, life: Incarnation) -> bool {
        let site = self.site(device);
        site.is_up() && site.incarnation == life
    }

    /// The place of a remote among the doubles, if there is such a remote.
    fn place(&self, remote: Remote) -> Option<usize> {
        self.plan.remotes.iter().position(|plan| plan.kind == remote)
    }

    fn station_of(&self, remote: Remote) -> Option<usize> {
        self.place(remote).map(|place| self.devices.len() + place)
    }

    // This and what is built on it is inlined, so that concerns are hashed when they are compiled.
    #[inline(always)]
    fn draw(&self, concern: &'static str) -> Draw {
        Draw::new(self.plan.nature, concern)
    }

    #[inline(always)]
    fn draw_for(&self, concern: &'static str, device: DeviceId) -> Draw {
        let life = u64::from(self.site(device).incarnation);
        self.draw(concern).and(u64::from(device.0)).and(life)
    }

    #[inline(always)]
    fn draw_for_step(&self, concern: &'static str, step: StepId) -> Draw {
        self.draw(concern).and(u64::from(step.0))
    }

    /// Puts an event on the agenda, in the place among those of its millisecond that `order` draws.
    fn file(&mut self, at: Time, order: Draw, event: Event) {
        self.agenda.file(at, event.class(), order.value(), event);
    }

    /// Files something for a device, after a while.
    fn file_gift(
        &mut self,
        device: DeviceId,
        life: Option<Incarnation>,
        after: Span,
        order: Draw,
        arrival: Arrival,
    ) {
        let at = self.now + Span(after.0.max(1));
        self.file(at, order, Event::Give(device, life, arrival));
    }

    /// The last number of an operation that no step of the plan names, in any life of this node.
    fn last_op(&self, node: Node) -> u32 {
        self.own_ops.get(&node).copied().unwrap_or_default()
    }

    /// Writes a fact down.
    fn note(&mut self, node: Node, fact: Fact) {
        let incarnation = self.incarnation_of(node);
        self.watch_for_triggers(node, &fact);
        if let Some((OpId(op), _)) = fact.asked()
            && op >= workload::UNPLANNED
        {
            // What follows from an answer has a number after that of what was answered, which may be
            // less than that of what was asked in the meantime.
            let last = self.own_ops.entry(node).or_default();
            *last = op.max(*last);
        }
        self.recorder.note(self.now, node, incarnation, fact);
    }

    fn cover(&mut self, name: &'static str) {
        *self.coverage.entry(name).or_default() += 1;
    }

    fn reach(&mut self, point: Point) {
        *self.reached.entry(point).or_default() += 1;
    }

    /// Lays something on a node's desk and calls the node, unless it stands still.
    fn call(&mut self, node: usize, lay: impl FnOnce(&mut Desk)) {
        let (now, stands_still) = if let Some(site) = self.devices.get(node) {
            (site.clock.show(self.now), site.paused || !site.is_up())
        } else if let Some(process) = self.process_at(node) {
            (process.now(self.now), process.stands_still())
        } else {
            (engine::time::Now { mono: self.now, wall: self.now }, false)
        };
        let station = &mut self.stations[node];
        station.desk.now = now;
        lay(&mut station.desk);
        if !stands_still && !station.called {
            station.called = true;
            self.ready.push(node);
        }
    }

    /// Gives a device something, if it is up.
    fn give(&mut self, device: DeviceId, life: Option<Incarnation>, arrival: Arrival) {
        let site = self.site(device);
        let right_life = life.is_none_or(|life| life == site.incarnation);
        if site.is_up() && right_life && !self.is_held_back(device, &arrival) {
            self.call(usize::from(device.0), |desk| desk.arrivals.push_back(arrival));
        } else if let Arrival::Deed(step, _) = arrival {
            self.note(Node::Device(device), Fact::Skipped(step));
        }
    }

    fn is_held_back(&self, device: DeviceId, arrival: &Arrival) -> bool {
        let Arrival::Input(input) = arrival else { return false };
        matches!(**input, Input::KeyArrived(..)) && self.weather.holds_keys(device)
    }

    fn make_durable(&mut self, device: DeviceId, life: Incarnation, commit: u32) {
        if !self.lives(device, life) {
            return;
        }
        self.site_mut(device).disk.make_durable(commit);
        self.note(Node::Device(device), Fact::Durable(commit));
        if self.burns_down(Node::Device(device), Effect::Durable) {
            return;
        }
        let draw = self.draw_for("disk answer", device).and(u64::from(commit));
        let at = self.now + Span(draw.span(self.plan.disk.answer).0.max(1));
        self.file(at, draw, Event::Persisted(device, life, commit));
    }

    /// The devices of a vault.
    fn devices_of(&self, vault: VaultId) -> Vec<DeviceId> {
        let of_vault = |site: &&Site| VaultId::from(site.user) == vault;
        self.devices.iter().filter(of_vault).map(|site| site.id).collect()
    }
}

/// Makes the shell of a node, as often as the node is started.
#[derive(Clone, Debug)]
pub(crate) enum ShellMaker {
    Device,
    Remote(SharedDouble, Arc<[UserId]>),
    Worker,
    Processor,
}

impl ShellMaker {
    /// The storage behind a shell, if it is a remote's.
    pub(crate) fn storage(&self) -> Option<&SharedDouble> {
        if let Self::Remote(double, _) = self { Some(double) } else { None }
    }

    pub(crate) fn make(&self) -> Shell {
        match self {
            Self::Device => Shell::device(),
            Self::Worker => Shell::worker(),
            Self::Processor => Shell::processor(),
            Self::Remote(double, accounts) => Shell::remote(double.clone(), accounts.clone()),
        }
    }
}

/// The step that asked for this, if a step did.
fn skipped(op: OpId) -> Option<Fact> {
    workload::step_of(op).map(Fact::Skipped)
}

/// The vaults of a plan.
fn vaults(plan: &Plan) -> Vec<VaultId> {
    let users = BTreeSet::from_iter(plan.devices.iter().map(|device| device.user));
    users.into_iter().map(VaultId::from).collect()
}
