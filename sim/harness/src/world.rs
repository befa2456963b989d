//! The world of one run: a loop over its owners. The queue says what is due, the network decides about
//! messages, hosts hold machines, the active faults make conditions, and the history keeps what happened.
//!
//! One simulated millisecond in which something is due is a *turn*. First everything that is due happens;
//! then each host that something has reached works, and what it did is carried out. Nothing that a host
//! does takes effect in the same turn, so the order in which hosts work cannot be observed.

use std::sync::Arc;

use crate::conditions::Lost;
use crate::fault::{Active, Does};
use crate::history::{Entry, Fact, History, MessageId, WORLD};
use crate::host::{Effect, Host, Struck};
use crate::hosts::Hosts;
use crate::network::{Fate, Network};
use crate::observation::{HostId, OpId};
use crate::plan::{Act, Plan};
use crate::queue::{Class, Queue};
use crate::random::Draw;
use crate::settling::Settling;
use crate::step::{StepId, last_read};
use crate::system::{Input, System};
use crate::time::{Span, Time};
use crate::watch::{Call, Watch};
use crate::word::Values;

/// How long a host stays down after a panic.
const RECOVERY: Span = Span(1_000);

/// Something that is due. What is about an incarnation of a host means nothing to the next one.
#[derive(Clone, Debug)]
enum Event<S: System> {
    Step(StepId),
    EndFault(StepId),
    /// A host goes on from the stop of this number.
    GoOn(HostId, u32),
    /// A commit of an incarnation is durable.
    Durable(HostId, u32, u32, Draw),
    /// The host hears of that.
    Persisted(HostId, u32, u32, Draw),
    Wake(HostId, u32, Time),
    Arrive(Packet<S>),
    EndFaults,
    /// Is everything at rest?
    Look,
    ReadAll,
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
    Going,
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
    hosts: Hosts<S>,
    faults: Active,
    settling: Settling,
    history: History<S>,
    watch: Watch,
}

impl<S: System> World<S> {
    /// A run of a plan before its first turn.
    pub fn new(plan: Arc<Plan<S>>, watch: Watch) -> Self {
        let mut world = Self {
            now: Time(0),
            phase: Phase::Going,
            queue: Queue::default(),
            network: Network::new(plan.nature, plan.surroundings.network),
            hosts: Hosts::new(&plan),
            faults: Active::default(),
            settling: Settling::default(),
            history: History::default(),
            watch,
            plan: plan.clone(),
        };
        world.watch.begin_run();
        for id in world.hosts.ids() {
            let order = world.draw("start").and(id.0.into());
            world.schedule(Span(1), Class::World, order, Event::GoOn(id, 0));
        }
        for step in &plan.steps {
            let order = world.draw("step").and(step.id.0.into());
            world.schedule(step.at - Time(0), Class::World, order, Event::Step(step.id));
        }
        world.schedule(plan.lasts, Class::World, world.draw("end"), Event::EndFaults);
        world
    }

    /// All that has happened so far.
    pub fn history(&self) -> &History<S> {
        &self.history
    }

    /// Takes the next turn; false once the run is over, or has been told to end.
    pub fn turn(&mut self) -> bool {
        if self.phase == Phase::Over || self.watch.call() > Call::GoOn {
            return false;
        }
        let Some(due) = self.queue.next_due() else { return false };
        self.now = due;
        self.watch.begin_turn(due);
        while let Some(event) = self.queue.take_due(due) {
            self.dispatch(event);
        }
        for (id, effects) in self.hosts.work(&self.plan.system, due, &self.watch) {
            effects.into_iter().for_each(|effect| self.carry_out(id, effect));
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
            Event::GoOn(id, stop) => {
                let was_up = self.hosts.get(id).is_some_and(Host::is_up);
                if self.hosts.call(id, |host| host.go_on(stop)) && was_up {
                    self.note(id, Fact::Resumed);
                }
            }
            Event::Durable(id, incarnation, commit, lineage) => {
                let host = self.hosts.get_mut(id);
                if host.lives(incarnation) {
                    host.make_durable(commit);
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
            Event::ReadAll => self.read_all(),
            Event::GiveUp => self.phase = Phase::Over,
        }
    }

    fn carry_out(&mut self, id: HostId, effect: Effect<S>) {
        let incarnation = self.incarnation(id);
        match effect {
            Effect::Started => self.note(id, Fact::Started),
            Effect::Send(lineage, to, message) => {
                self.send(Packet { from: id, to, lineage, message });
            }
            Effect::Commit { lineage, number, puts, sync } => {
                self.note(id, Fact::Committed { number, puts, sync });
                if sync {
                    let draw = self.draw("disk").and(lineage.value());
                    let takes = draw.span(self.plan.surroundings.disk.commit).0;
                    let takes = takes.saturating_mul(self.faults.conditions().disk_slowness(id));
                    let event = Event::Durable(id, incarnation, number, lineage);
                    self.schedule(Span(takes), Class::World, lineage, event);
                }
            }
            Effect::Answer(op, answer) => self.note(id, Fact::Answered(op, answer)),
            Effect::Wake(at) => {
                let order = self.draw("woken").and(id.0.into()).and(at.0);
                let event = Event::Wake(id, incarnation, at);
                self.schedule(at - self.now, Class::Input, order, event);
            }
            Effect::Logged(text) => self.note(id, Fact::Logged(text)),
            Effect::Panicked(text) => {
                self.note(id, Fact::Panicked(text));
                let draw = self.draw("panic").and(id.0.into()).and(incarnation.into());
                let struck = self.hosts.get_mut(id).crash(draw, RECOVERY);
                self.suffer(id, draw, struck);
            }
            Effect::PowerLost(step, back) => {
                let draw = self.draw("blow").and(step.0.into());
                let struck = self.hosts.get_mut(id).crash(draw, back);
                self.suffer(id, draw, struck);
            }
        }
    }

    fn step(&mut self, id: StepId) {
        let plan = self.plan.clone();
        let step = plan.step(id).expect("only steps of the plan are scheduled");
        let values = Values(&step.values);
        match Act::<S>::of(step.word).expect("words are checked when a plan is read or drawn") {
            Act::Ask(verb) => {
                let lineage = self.draw("asked").and(id.0.into());
                if !self.ask(values.host(0), id.op(), lineage, (verb.op)(values)) {
                    self.note(values.host(0), Fact::Skipped(id));
                }
            }
            Act::Fault(fault) => match fault.does {
                Does::While(worsens) => {
                    self.faults.begin(id, worsens, step.values.clone());
                    self.note(WORLD, Fact::FaultBegan(id));
                    let order = self.draw("fault ends").and(id.0.into());
                    let lasts = values.span(step.values.len() - 1);
                    self.schedule(lasts, Class::World, order, Event::EndFault(id));
                }
                Does::Once(blow) => {
                    let (blow, draw) = (blow(values), self.draw("blow").and(id.0.into()));
                    let host = blow.host();
                    match self.hosts.get_mut(host).strike(id, blow, draw) {
                        Some(struck) => self.suffer(host, draw, struck),
                        None => self.note(host, Fact::Skipped(id)),
                    }
                }
            },
        }
    }

    /// A user asks a host; false if it is not running.
    fn ask(&mut self, id: HostId, op: OpId, lineage: Draw, what: S::Op) -> bool {
        let is_up = self.hosts.get(id).is_some_and(Host::is_up);
        if is_up {
            self.note(id, Fact::Asked(op, what.clone()));
            self.reach(id, self.incarnation(id), |host| {
                host.enqueue(lineage, Input::Asked(op, what));
            });
        }
        is_up
    }

    fn suffer(&mut self, id: HostId, draw: Draw, struck: Struck<S>) {
        if let Some(fact) = struck.fact {
            self.note(id, fact);
        }
        if let Some((after, stop)) = struck.goes_on {
            self.schedule(after, Class::World, draw, Event::GoOn(id, stop));
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
        if self.hosts.get(to).is_some_and(Host::is_up) {
            self.note(to, Fact::Received { id, from, kind });
            self.reach(to, self.incarnation(to), |host| {
                host.enqueue(lineage.and(to.0.into()), Input::Received(from, message));
            });
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
        for id in self.hosts.ids() {
            if self.hosts.call(id, Host::resume) {
                self.note(id, Fact::Resumed);
            }
        }
        self.schedule(S::REST, Class::World, self.draw("look"), Event::Look);
        self.schedule(within + Span(1), Class::World, self.draw("give up"), Event::GiveUp);
    }

    /// Is everything at rest? If not, looks again when it can be.
    fn look(&mut self) {
        let since = self.settling.still_since();
        let rested = since.map_or(Span::ZERO, |since| self.now - since);
        if rested < S::REST {
            let rest = Span(S::REST.0 - rested.0);
            return self.schedule(rest, Class::World, self.draw("look"), Event::Look);
        }
        self.note(WORLD, Fact::AtRest);
        // No more than the last reads is waited for. Before them the run is watched at rest for a while:
        // what goes on then would go on for ever.
        self.queue.take_out(|event| matches!(event, Event::GiveUp));
        self.schedule(S::REST, Class::World, self.draw("read all"), Event::ReadAll);
    }

    fn read_all(&mut self) {
        self.phase = Phase::LastReads;
        for (nth, (host, op)) in (0..).zip(self.plan.system.final_reads()) {
            self.ask(host, last_read(nth), self.draw("last read").and(nth.into()), op);
        }
        let within = self.plan.rests_within;
        self.schedule(within, Class::World, self.draw("give up"), Event::GiveUp);
    }

    /// Does something to a host if this incarnation of it lives, and has it work.
    fn reach(&mut self, id: HostId, incarnation: u32, what: impl FnOnce(&mut Host<S>)) {
        self.hosts.call(id, |host| {
            let lives = host.lives(incarnation);
            if lives {
                what(host);
            }
            lives
        });
    }

    fn incarnation(&self, id: HostId) -> u32 {
        self.hosts.get(id).map_or(0, Host::incarnation)
    }

    fn note(&mut self, host: HostId, fact: Fact<S>) {
        let entry = Entry { at: self.now, host, incarnation: self.incarnation(host), fact };
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
