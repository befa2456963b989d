//! A host: one simulated machine of whatever kind, with its clocks, disk and mailbox. Life and death are
//! written once, here.

use std::collections::VecDeque;

use crate::alarm::{quietly, take_log};
use crate::clock::Clock;
use crate::disk::{Disk, Put, Wreck};
use crate::fault::Blow;
use crate::history::Fact;
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
    /// How often it has started.
    starts: u32,
    /// How often it has stopped or stood still: names the moment from which it goes on.
    stops: u32,
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
    countdown: Option<Countdown>,
}

/// A loss of power after a number of effects.
#[derive(Clone, Copy, Debug)]
struct Countdown {
    step: StepId,
    left: u64,
    back: Span,
}

/// What came of a fault that struck a host.
#[derive(Debug)]
pub struct Struck<S: System> {
    /// What can be seen of it.
    pub fact: Option<Fact<S>>,
    /// After how long the host goes on, and from which stop.
    pub goes_on: Option<(Span, u32)>,
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
            starts: 0,
            stops: 0,
            machine: None,
            clock,
            disk: Disk::default(),
            mailbox: VecDeque::new(),
            waits: false,
            held: VecDeque::new(),
            persisted: None,
            wakes: None,
            countdown: None,
        }
    }

    /// Its incarnation, from 0: how often it had started before this one.
    pub fn incarnation(&self) -> u32 {
        self.starts.saturating_sub(1)
    }

    /// Can anything reach it?
    pub fn is_up(&self) -> bool {
        matches!(self.power, Power::Running | Power::Paused)
    }

    /// Is this incarnation of it alive?
    pub fn lives(&self, incarnation: u32) -> bool {
        self.is_up() && self.incarnation() == incarnation
    }

    /// Goes on from the stop of this number: starts, or ends a pause. False if it has done so before, or
    /// is gone.
    pub fn go_on(&mut self, stop: u32) -> bool {
        let goes_on = stop == self.stops && matches!(self.power, Power::Down | Power::Paused);
        if goes_on {
            self.starts += u32::from(self.power == Power::Down);
            self.power = Power::Running;
        }
        goes_on
    }

    /// Ends a pause, if it stands still.
    pub fn resume(&mut self) -> bool {
        self.power == Power::Paused && self.go_on(self.stops)
    }

    /// A fault strikes it; `None` if it has nothing to lose.
    pub fn strike(&mut self, step: StepId, blow: Blow, draw: Draw) -> Option<Struck<S>> {
        let is_felt = match blow {
            Blow::Destroy { .. } => self.power != Power::Gone,
            Blow::Crash { .. } | Blow::Pause { .. } | Blow::ClockJump { .. } => self.is_up(),
        };
        if !is_felt {
            return None;
        }
        Some(match blow {
            Blow::Crash { after: 0, back, .. } => self.crash(draw, back),
            Blow::Crash { after, back, .. } => {
                self.countdown = Some(Countdown { step, left: after, back });
                Struck { fact: None, goes_on: None }
            }
            Blow::Pause { lasts, .. } => {
                self.power = Power::Paused;
                self.stops += 1;
                Struck { fact: Some(Fact::Paused), goes_on: Some((lasts, self.stops)) }
            }
            Blow::Destroy { .. } => {
                self.cut_power(draw);
                self.power = Power::Gone;
                self.disk = Disk::default();
                Struck { fact: Some(Fact::Destroyed), goes_on: None }
            }
            Blow::ClockJump { by, .. } => {
                self.clock.jump(by);
                Struck { fact: Some(Fact::ClockJumped(by)), goes_on: None }
            }
        })
    }

    /// It loses power, and starts again after a while.
    pub fn crash(&mut self, draw: Draw, back: Span) -> Struck<S> {
        let keeps = self.cut_power(draw).keeps;
        Struck { fact: Some(Fact::Crashed { keeps }), goes_on: Some((back, self.stops)) }
    }

    /// Power is lost. Of its commits that are not durable, a drawn number of the oldest survive.
    fn cut_power(&mut self, draw: Draw) -> Wreck {
        self.power = Power::Down;
        self.stops += 1;
        self.machine = None;
        self.mailbox.clear();
        self.held.clear();
        (self.waits, self.persisted, self.wakes, self.countdown) = (false, None, None, None);
        self.disk.crash(draw)
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
        let (host, incarnation) = (self.id, self.incarnation());
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
        let Some(countdown) = &mut self.countdown else { return };
        countdown.left = countdown.left.saturating_sub(1);
        if countdown.left == 0 {
            effects.push(Effect::PowerLost(countdown.step, countdown.back));
            self.machine = None;
        }
    }

    /// A draw about this incarnation.
    fn draw(&self, concern: &'static str) -> Draw {
        Draw::new(self.nature, concern).and(u64::from(self.id.0)).and(u64::from(self.incarnation()))
    }
}

/// Takes over what the machine has logged until now, so that it stands where it was logged.
fn take_errors<S: System>(effects: &mut Vec<Effect<S>>) {
    effects.extend(take_log().into_iter().map(|logged| Effect::Logged(logged.text)));
}
