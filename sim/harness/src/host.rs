//! A host: one simulated machine of whatever kind, with its clocks, disk and mailbox. Life and death are
//! written once, here.

use std::collections::VecDeque;

use crate::alarm::{quietly, take_log};
use crate::clock::Clock;
use crate::disk::{Disk, Put, Wreck};
use crate::observation::{HostId, OpId};
use crate::random::Draw;
use crate::step::StepId;
use crate::system::{Boot, Input, Machine, Output, System};
use crate::time::{Now, Span, Time};

/// More outputs than this after one input are taken for an endless loop.
const OUTPUTS_PER_INPUT: u32 = 100_000;

/// What a host is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    /// It does not run, and will start.
    Down,
    Running,
    /// It stands still, with what it has in memory.
    Paused,
    /// It is gone for good.
    Gone,
}

/// A simulated machine.
#[derive(Clone, Debug)]
pub struct Host<S: System> {
    id: HostId,
    nature: u64,
    power: Power,
    incarnation: u32,
    machine: Option<S::Machine>,
    clock: Clock,
    disk: Disk<S::Store>,
    /// What has reached the host, each with what it descends from.
    mailbox: VecDeque<(Draw, Input<S>)>,
    /// A synced commit is under way: nothing goes in, and nothing after it comes out.
    waits: bool,
    held: VecDeque<(Draw, Output<S>)>,
    /// Everything that was put out is durable, and the machine has not heard of it.
    persisted: Option<Draw>,
    wakes: Option<Time>,
    crash: Option<Countdown>,
}

/// A loss of power after a number of effects.
#[derive(Clone, Copy, Debug)]
struct Countdown {
    step: StepId,
    left: u64,
    back: Span,
}

/// What a host did, in order.
#[derive(Debug)]
pub enum Effect<S: System> {
    /// Its machine has started.
    Started,
    /// It sends a message, which descends from this.
    Send(Draw, HostId, S::Message),
    /// It has handed a commit to its disk.
    Commit {
        /// What it descends from.
        lineage: Draw,
        /// Its number.
        number: u32,
        /// What is put or removed.
        puts: Vec<Put<S::Store>>,
        /// Does the host wait until it is durable?
        sync: bool,
    },
    /// It answers a user.
    Answer(OpId, S::Answer),
    /// From now on it wants to be woken then.
    Wake(Time),
    /// It has done as much as a crash of this step waited for.
    PowerLost(StepId, Span),
    /// Its machine logged an error.
    Logged(String),
    /// Its machine panicked and is gone.
    Panicked(String),
}

impl<S: System> Host<S> {
    /// A host that has not been started.
    pub fn new(id: HostId, nature: u64, clock: Clock) -> Self {
        Self {
            id,
            nature,
            power: Power::Down,
            incarnation: 0,
            machine: None,
            clock,
            disk: Disk::default(),
            mailbox: VecDeque::new(),
            waits: false,
            held: VecDeque::new(),
            persisted: None,
            wakes: None,
            crash: None,
        }
    }

    /// How often it has started before.
    pub fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Can anything reach it?
    pub fn is_up(&self) -> bool {
        matches!(self.power, Power::Running | Power::Paused)
    }

    /// Is this incarnation of it alive?
    pub fn lives(&self, incarnation: u32) -> bool {
        self.is_up() && self.incarnation == incarnation
    }

    /// Can it still start?
    pub fn is_down(&self) -> bool {
        self.power == Power::Down
    }

    /// Is it gone for good?
    pub fn is_gone(&self) -> bool {
        self.power == Power::Gone
    }

    /// Switches it on.
    pub fn start(&mut self) {
        self.power = Power::Running;
    }

    /// Power is lost. Of its commits that are not durable, a drawn number of the oldest survive.
    pub fn cut_power(&mut self, draw: Draw) -> Wreck {
        self.power = Power::Down;
        self.incarnation += 1;
        self.machine = None;
        self.mailbox.clear();
        self.held.clear();
        (self.waits, self.persisted, self.wakes, self.crash) = (false, None, None, None);
        self.disk.crash(draw)
    }

    /// It is gone for good.
    pub fn destroy(&mut self, draw: Draw) {
        self.cut_power(draw);
        self.power = Power::Gone;
        self.disk = Disk::default();
    }

    /// It loses power once it has had so many more effects.
    pub fn crash_after(&mut self, step: StepId, effects: u64, back: Span) {
        self.crash = Some(Countdown { step, left: effects, back });
    }

    /// It stands still.
    pub fn pause(&mut self) {
        self.power = Power::Paused;
    }

    /// It goes on after a pause; false if it does not stand still.
    pub fn resume(&mut self) -> bool {
        let was_paused = self.power == Power::Paused;
        if was_paused {
            self.power = Power::Running;
        }
        was_paused
    }

    /// Sets its wall clock.
    pub fn jump_clock(&mut self, by: i64) {
        self.clock.jump(by);
    }

    /// Something reaches it.
    pub fn enqueue(&mut self, lineage: Draw, input: Input<S>) {
        self.mailbox.push_back((lineage, input));
    }

    /// A commit, and all earlier ones, are durable.
    pub fn make_durable(&mut self, commit: u32) {
        self.disk.make_durable(commit);
    }

    /// It hears that a commit is durable, and goes on with what had to wait for that.
    pub fn hear_of_commit(&mut self, commit: u32, lineage: Draw) {
        self.disk.answer(commit);
        if self.disk.is_busy() {
            return;
        }
        self.waits = false;
        self.persisted = Some(lineage);
    }

    /// The moment at which it wanted to be woken has come, unless it has changed its mind.
    pub fn wake(&mut self, at: Time) {
        if self.wakes == Some(at) {
            self.wakes = None;
            let lineage = self.draw("wake").and(at.0);
            self.mailbox.push_back((lineage, Input::Wakeup));
        }
    }

    /// Works off its mailbox. What its machine does is returned, in order.
    pub fn work(&mut self, system: &S, at: Time) -> Vec<Effect<S>> {
        let mut effects = Vec::new();
        if self.power != Power::Running {
            return effects;
        }
        let now = self.clock.show(at);
        let worked = quietly(|| {
            self.work_on(system, now, &mut effects);
            take_errors(&mut effects);
        });
        if let Err(heard) = worked {
            self.machine = None;
            effects.extend(heard.log.into_iter().map(|logged| Effect::Logged(logged.text)));
            effects.push(Effect::Panicked(heard.panic));
        }
        effects
    }

    fn work_on(&mut self, system: &S, now: Now, effects: &mut Vec<Effect<S>>) {
        if self.machine.is_none() {
            self.boot(system, now, effects);
        }
        while !self.waits && self.machine.is_some() {
            if let Some((lineage, output)) = self.held.pop_front() {
                self.put_out(lineage, output, effects);
            } else if let Some(lineage) = self.persisted.take() {
                self.give(now, lineage, Input::Persisted, effects);
            } else if let Some((lineage, input)) = self.mailbox.pop_front() {
                self.give(now, lineage, input, effects);
            } else {
                break;
            }
        }
        let wakes = self.machine.as_ref().and_then(Machine::poll_wakeup);
        if self.wakes != wakes {
            self.wakes = wakes;
            effects.extend(wakes.map(Effect::Wake));
        }
    }

    fn boot(&mut self, system: &S, now: Now, effects: &mut Vec<Effect<S>>) {
        effects.push(Effect::Started);
        let lineage = self.draw("start");
        let (host, incarnation) = (self.id, self.incarnation);
        let (image, entropy) = (self.disk.image(), self.draw("entropy").value());
        self.machine = Some(system.boot(Boot { host, incarnation, now, image, entropy }));
        self.drain(lineage, effects);
    }

    fn give(&mut self, now: Now, lineage: Draw, input: Input<S>, effects: &mut Vec<Effect<S>>) {
        let Some(machine) = &mut self.machine else { return };
        machine.handle(now, input);
        machine.check();
        take_errors(effects);
        self.drain(lineage, effects);
    }

    fn drain(&mut self, lineage: Draw, effects: &mut Vec<Effect<S>>) {
        for nth in 0..OUTPUTS_PER_INPUT {
            let Some(output) = self.machine.as_mut().and_then(Machine::poll_output) else { return };
            let lineage = lineage.and(u64::from(nth));
            if self.waits {
                self.held.push_back((lineage, output));
            } else {
                self.put_out(lineage, output, effects);
            }
        }
        panic!("the machine put out {OUTPUTS_PER_INPUT} outputs after one input and did not stop");
    }

    fn put_out(&mut self, lineage: Draw, output: Output<S>, effects: &mut Vec<Effect<S>>) {
        effects.push(match output {
            Output::Send(to, message) => Effect::Send(lineage, to, message),
            Output::Answer(op, answer) => Effect::Answer(op, answer),
            Output::Persist { puts, sync } => {
                self.waits = sync;
                Effect::Commit { lineage, number: self.disk.commit(&puts, sync), puts, sync }
            }
        });
        let Some(countdown) = &mut self.crash else { return };
        countdown.left = countdown.left.saturating_sub(1);
        if countdown.left == 0 {
            effects.push(Effect::PowerLost(countdown.step, countdown.back));
            self.machine = None;
        }
    }

    /// A draw about this incarnation.
    fn draw(&self, concern: &'static str) -> Draw {
        Draw::new(self.nature, concern).and(u64::from(self.id.0)).and(u64::from(self.incarnation))
    }
}

/// Takes over what the machine has logged until now, so that it stands where it was logged.
fn take_errors<S: System>(effects: &mut Vec<Effect<S>>) {
    effects.extend(take_log().into_iter().map(|logged| Effect::Logged(logged.text)));
}
