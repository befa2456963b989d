//! The world of one run: a loop over its owners. The queue says what is due, the network decides about
//! messages, hosts hold machines, the active faults make conditions, and the history keeps what happened.
//!
//! One simulated millisecond in which something is due is a *turn*. First everything that is due happens;
//! then each host that something has reached works, and what it did is carried out. Nothing that a host
//! does takes effect in the same turn, so the order in which hosts work cannot be observed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Clock;
use crate::conditions::{Conditions, Lost};
use crate::fault::{Active, Blow, Does};
use crate::history::{Entry, Fact, History, MessageId, WORLD};
use crate::host::{Effect, Host};
use crate::network::{Fate, Network};
use crate::observation::{HostId, OpId};
use crate::plan::{Act, Plan};
use crate::queue::{Class, Queue};
use crate::random::Draw;
use crate::settling::Settling;
use crate::step::{Step, StepId, last_read};
use crate::system::{Input, System};
use crate::time::{Span, Time};
use crate::word::Values;

/// How long a host stays down after a panic.
const RECOVERY: Span = Span(1_000);

/// Something that is due.
#[derive(Clone, Debug)]
enum Event<S: System> {
    Step(StepId),
    EndFault(StepId),
    Start(HostId, u32),
    Resume(HostId, u32),
    Durable(HostId, u32, u32, Draw),
    Persisted(HostId, u32, u32, Draw),
    Arrive(Packet<S>),
    Wake(HostId, u32, Time),
    EndFaults,
    /// Is everything at rest?
    Look,
    LastReads,
    GiveUp,
}

/// A message on its way.
#[derive(Clone, Debug)]
struct Packet<S: System> {
    from: HostId,
    to: HostId,
    lineage: Draw,
    message: S::Message,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Faults,
    Settling,
    AtRest,
    LastReads,
    Over,
}

/// Everything of a run. A clone of it goes on by itself, in the same way.
#[derive(Clone, Debug)]
pub struct World<S: System> {
    plan: Arc<Plan<S>>,
    now: Time,
    phase: Phase,
    queue: Queue<Event<S>>,
    network: Network,
    hosts: Vec<Host<S>>,
    /// The hosts that something has reached in this turn.
    called: BTreeSet<HostId>,
    faults: Active,
    settling: Settling,
    history: History<S>,
}

impl<S: System> World<S> {
    /// A run of a plan before its first turn.
    pub fn new(plan: Arc<Plan<S>>) -> Self {
        let count = u32::try_from(plan.system.hosts().len()).expect("settings are checked");
        let clocks = plan.surroundings.clocks;
        let clock = |id: u32| {
            let draw = |concern| Draw::new(plan.nature, concern).and(u64::from(id));
            let offset = draw("clock offset").between(clocks.offset.0.low, clocks.offset.0.high);
            let drift = draw("clock drift").between(clocks.drift.0.low, clocks.drift.0.high);
            Clock::new(offset, i32::try_from(drift).expect("drifts are checked when read"))
        };
        let hosts = (0..count).map(|id| Host::new(HostId(id), plan.nature, clock(id))).collect();
        let mut world = Self {
            now: Time(0),
            phase: Phase::Faults,
            queue: Queue::default(),
            network: Network::new(plan.nature, plan.surroundings.network),
            hosts,
            called: BTreeSet::new(),
            faults: Active::default(),
            settling: Settling::default(),
            history: History::default(),
            plan,
        };
        world.schedule_all(count);
        world
    }

    fn schedule_all(&mut self, hosts: u32) {
        for id in 0..hosts {
            let order = self.draw("start").and(u64::from(id));
            self.schedule(Span(1), Class::World, order, Event::Start(HostId(id), 0));
        }
        for step in &self.plan.clone().steps {
            let order = self.draw("step").and(u64::from(step.id.0));
            self.schedule(step.at - Time(0), Class::World, order, Event::Step(step.id));
        }
        self.schedule(self.plan.lasts, Class::World, self.draw("end"), Event::EndFaults);
    }

    /// All that has happened so far.
    pub fn history(&self) -> &History<S> {
        &self.history
    }

    /// Takes the next turn; false once the run is over.
    pub fn turn(&mut self) -> bool {
        if self.phase == Phase::Over {
            return false;
        }
        let Some(due) = self.queue.next_due() else { return false };
        self.now = due;
        while let Some(event) = self.queue.take_due(due) {
            self.dispatch(event);
        }
        let plan = self.plan.clone();
        for id in std::mem::take(&mut self.called) {
            for effect in self.host(id).work(&plan.system, due) {
                self.carry_out(id, effect);
            }
        }
        if self.phase == Phase::LastReads && self.settling.owes_no_answer() {
            self.phase = Phase::Over;
        }
        true
    }

    fn dispatch(&mut self, event: Event<S>) {
        match event {
            Event::Step(id) => self.step(id),
            Event::EndFault(step) => {
                if self.faults.end(step) {
                    self.note(WORLD, Fact::FaultEnded(step));
                }
            }
            Event::Start(id, incarnation) => {
                let host = self.host(id);
                if host.is_down() && host.incarnation() == incarnation {
                    host.start();
                    self.called.insert(id);
                }
            }
            Event::Resume(id, incarnation) => {
                let host = self.host(id);
                if host.lives(incarnation) && host.resume() {
                    self.note(id, Fact::Resumed);
                    self.called.insert(id);
                }
            }
            Event::Durable(id, incarnation, commit, lineage) => {
                if self.host(id).lives(incarnation) {
                    self.host(id).make_durable(commit);
                    self.note(id, Fact::Durable(commit));
                    let event = Event::Persisted(id, incarnation, commit, lineage);
                    self.schedule(Span(1), Class::Input, lineage, event);
                }
            }
            Event::Persisted(id, incarnation, commit, lineage) => {
                self.reach(id, incarnation, |host| host.hear_of_commit(commit, lineage));
            }
            Event::Wake(id, incarnation, at) => self.reach(id, incarnation, |host| host.wake(at)),
            Event::Arrive(packet) => self.arrive(packet),
            Event::EndFaults => self.end_faults(),
            Event::Look => self.look(),
            Event::LastReads => self.read_all(),
            Event::GiveUp => {
                if self.phase != Phase::LastReads || !self.settling.owes_no_answer() {
                    self.phase = Phase::Over;
                }
            }
        }
    }

    fn step(&mut self, id: StepId) {
        let plan = self.plan.clone();
        let step = plan.step(id).expect("only steps of the plan are scheduled");
        match Act::<S>::of(step.word).expect("words are checked when a plan is read or drawn") {
            Act::Ask(verb) => {
                let values = Values(&step.values);
                let lineage = self.draw("asked").and(u64::from(id.0));
                if self.host(values.host(0)).is_up() {
                    self.ask(values.host(0), id.op(), lineage, (verb.op)(values));
                } else {
                    self.note(values.host(0), Fact::Skipped(id));
                }
            }
            Act::Fault(fault) => match fault.does {
                Does::While(worsens) => self.worsen(step, worsens),
                Does::Once(blow) => self.strike(id, blow(Values(&step.values))),
            },
        }
    }

    fn ask(&mut self, host: HostId, op: OpId, lineage: Draw, what: S::Op) {
        self.note(host, Fact::Asked(op, what.clone()));
        self.host(host).enqueue(lineage, Input::Asked(op, what));
        self.called.insert(host);
    }

    fn worsen(&mut self, step: &Step, worsens: fn(&mut Conditions, Values<'_>)) {
        self.faults.begin(step.id, worsens, step.values.clone());
        self.note(WORLD, Fact::FaultBegan(step.id));
        let lasts = Values(&step.values).span(step.values.len() - 1);
        let order = self.draw("fault ends").and(u64::from(step.id.0));
        self.schedule(lasts, Class::World, order, Event::EndFault(step.id));
    }

    fn strike(&mut self, step: StepId, blow: Blow) {
        let (Blow::Crash { host, .. }
        | Blow::Pause { host, .. }
        | Blow::Destroy { host }
        | Blow::ClockJump { host, .. }) = blow;
        let draw = self.draw("blow").and(u64::from(step.0));
        let incarnation = self.host(host).incarnation();
        if self.host(host).is_gone()
            || (!self.host(host).is_up() && blow != (Blow::Destroy { host }))
        {
            return self.note(host, Fact::Skipped(step));
        }
        match blow {
            Blow::Crash { after: 0, back, .. } => self.crash(host, draw, back),
            Blow::Crash { after, back, .. } => self.host(host).crash_after(step, after, back),
            Blow::Pause { lasts, .. } => {
                self.host(host).pause();
                self.note(host, Fact::Paused);
                self.schedule(lasts, Class::World, draw, Event::Resume(host, incarnation));
            }
            Blow::Destroy { .. } => {
                self.note(host, Fact::Destroyed);
                self.host(host).destroy(draw);
            }
            Blow::ClockJump { by, .. } => {
                self.host(host).jump_clock(by);
                self.note(host, Fact::ClockJumped(by));
            }
        }
    }

    fn crash(&mut self, id: HostId, draw: Draw, back: Span) {
        let before = self.host(id).incarnation();
        let keeps = self.host(id).cut_power(draw).keeps;
        self.note_of(id, before, Fact::Crashed { keeps });
        self.schedule(back, Class::World, draw, Event::Start(id, before + 1));
    }

    fn carry_out(&mut self, id: HostId, effect: Effect<S>) {
        let incarnation = self.host(id).incarnation();
        match effect {
            Effect::Started => self.note(id, Fact::Started),
            Effect::Send(lineage, to, message) => {
                self.send(Packet { from: id, to, lineage, message });
            }
            Effect::Commit { lineage, number, puts, sync } => {
                self.note(id, Fact::Committed { number, puts, sync });
                if sync {
                    let times = self.faults.conditions().disk_slowness(id);
                    let draw = self.draw("disk").and(lineage.value());
                    let takes = draw.span(self.plan.surroundings.disk.commit).0;
                    let event = Event::Durable(id, incarnation, number, lineage);
                    self.schedule(Span(takes.saturating_mul(times)), Class::World, lineage, event);
                }
            }
            Effect::Answer(op, answer) => self.note(id, Fact::Answered(op, answer)),
            Effect::Wake(at) => {
                let order = self.draw("woken").and(u64::from(id.0)).and(at.0);
                let event = Event::Wake(id, incarnation, at);
                self.schedule(at - self.now, Class::Input, order, event);
            }
            Effect::Logged(text) => self.note(id, Fact::Logged(text)),
            Effect::Panicked(text) => {
                self.note(id, Fact::Panicked(text));
                let draw = self.draw("panic").and(u64::from(id.0)).and(u64::from(incarnation));
                self.crash(id, draw, RECOVERY);
            }
            Effect::PowerLost(step, back) => {
                self.crash(id, self.draw("blow").and(u64::from(step.0)), back);
            }
        }
    }

    fn send(&mut self, packet: Packet<S>) {
        let (from, to, lineage) = (packet.from, packet.to, packet.lineage);
        let id = MessageId(lineage.value());
        let (kind, size) = S::describe(&packet.message);
        self.note(from, Fact::Sent { id, to, kind, size });
        match self.network.fate(self.now, self.faults.conditions(), (from, to), lineage) {
            Fate::Lost(why) => self.note(from, Fact::Lost { id, to, kind, why }),
            Fate::Arrives(first, second) => {
                for (copy, at) in (0..).zip([Some(first), second].into_iter().flatten()) {
                    let order = self.draw("order").and(lineage.value()).and(copy);
                    let event = Event::Arrive(packet.clone());
                    self.schedule(at - self.now, Class::Input, order, event);
                }
            }
        }
    }

    fn arrive(&mut self, packet: Packet<S>) {
        let Packet { from, to, lineage, message } = packet;
        let (id, kind) = (MessageId(lineage.value()), S::describe(&message).0);
        if self.host(to).is_up() {
            self.note(to, Fact::Received { id, from, kind });
            self.host(to).enqueue(lineage.and(u64::from(to.0)), Input::Received(from, message));
            self.called.insert(to);
        } else {
            self.note(from, Fact::Lost { id, to, kind, why: Lost::Down });
        }
    }

    /// No fault is active any more: links are whole and hosts go on.
    fn end_faults(&mut self) {
        for step in self.faults.end_all() {
            self.note(WORLD, Fact::FaultEnded(step));
        }
        self.network.calm();
        let within = self.plan.rests_within;
        self.note(WORLD, Fact::FaultsEnded { within });
        for id in (0..).map(HostId).take(self.hosts.len()) {
            if self.host(id).resume() {
                self.note(id, Fact::Resumed);
                self.called.insert(id);
            }
        }
        self.phase = Phase::Settling;
        self.schedule(S::REST, Class::World, self.draw("look"), Event::Look);
        self.schedule(within, Class::World, self.draw("give up"), Event::GiveUp);
    }

    /// Is everything at rest? If not, looks again when it can be.
    fn look(&mut self) {
        let since = self.settling.still_since();
        let rested = since.map_or(Span::ZERO, |since| self.now - since);
        if rested >= S::REST {
            self.phase = Phase::AtRest;
            self.note(WORLD, Fact::AtRest);
            // It is watched at rest for a while: what goes on then would go on for ever.
            self.schedule(S::REST, Class::World, self.draw("last reads"), Event::LastReads);
        } else {
            let rest = Span(S::REST.0 - rested.0);
            self.schedule(rest, Class::World, self.draw("look"), Event::Look);
        }
    }

    fn read_all(&mut self) {
        self.phase = Phase::LastReads;
        for (nth, (host, op)) in (0..).zip(self.plan.system.final_reads()) {
            if self.host(host).is_up() {
                self.ask(host, last_read(nth), self.draw("last read").and(nth.into()), op);
            }
        }
        let within = self.plan.rests_within;
        self.schedule(within, Class::World, self.draw("give up"), Event::GiveUp);
    }

    fn reach(&mut self, id: HostId, incarnation: u32, what: impl FnOnce(&mut Host<S>)) {
        if self.host(id).lives(incarnation) {
            what(self.host(id));
            self.called.insert(id);
        }
    }

    fn host(&mut self, id: HostId) -> &mut Host<S> {
        &mut self.hosts[id.0 as usize]
    }

    fn note(&mut self, host: HostId, fact: Fact<S>) {
        let incarnation = self.hosts.get(host.0 as usize).map_or(0, Host::incarnation);
        self.note_of(host, incarnation, fact);
    }

    fn note_of(&mut self, host: HostId, incarnation: u32, fact: Fact<S>) {
        let entry = Entry { at: self.now, host, incarnation, fact };
        self.settling.watch(&entry);
        self.history.note(entry);
    }

    fn draw(&self, concern: &'static str) -> Draw {
        Draw::new(self.plan.nature, concern)
    }

    /// Schedules an event, at the earliest in the next turn; `order` decides its position within its turn.
    fn schedule(&mut self, after: Span, class: Class, order: Draw, event: Event<S>) {
        let at = self.now + Span(after.0.max(1));
        self.queue.schedule(at, class, order.value(), event);
    }
}
