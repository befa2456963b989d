//! A host: a simulated device, worker, processor or remote. Its power, incarnations, clock, mailbox and
//! disk are the same for all of them, whatever machine runs on it.
//!
//! Only a device has a disk. All else keeps nothing over a loss of power; what a remote stores is the
//! double's, and a remote never loses power.

use std::collections::BTreeSet;

use engine::device::{Batch, Snapshot};
use engine::id::OpId;
use harness::clock::{Clock, EPOCH_MS};
use harness::disk::Wreck;
use harness::random::Draw;
use harness::time::{Now, Span, SpanRange, Time};

use super::action::{Action, Actions};
use super::event::Event;
use super::planned::Planned;
use super::storage::Storage;
use crate::fault::{Conditions, Fault, Hit};
use crate::history::recorder::Recorder as Facts;
use crate::history::{Asked, Boot, Fact, Incarnation, Lost, Skip};
use crate::mailbox::{Inbound, Mailbox};
use crate::plan::{Node, StepId};
use crate::workload::UNPLANNED;

/// How long a device, and anything else, that crashed by itself stays away.
const RECOVERY: SpanRange = SpanRange { low: Span(100), high: Span(5_000) };
const RECOVERY_OF_PROCESS: SpanRange = SpanRange { low: Span(500), high: Span(500) };

/// Whether a host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    /// It has never run.
    New,
    Running,
    /// It has lost power; a start is planned.
    Off,
    /// It never comes back.
    Gone,
}

/// A loss of power that waits for its moment: a host crashes right after this many more effects. A test
/// of all numbers is a test of every point at which a machine can crash.
#[derive(Clone, Debug)]
pub(super) struct CrashAfter {
    /// The fault that begins then.
    pub(super) planned: Planned,
    /// How many more effects.
    pub(super) effects: u16,
}

/// The losses of power that wait for their moments.
#[derive(Clone, Debug, Default)]
pub(super) struct Crashes(Vec<CrashAfter>);

impl Crashes {
    /// One more waits.
    pub(super) fn add(&mut self, crash: CrashAfter) {
        self.0.push(crash);
    }

    /// None waits any more.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// An effect has reached beyond the host; the loss of power that waited for it. Two that come at
    /// once are one.
    pub(super) fn count_effect(&mut self) -> Option<CrashAfter> {
        if self.0.is_empty() {
            return None;
        }
        self.0.iter_mut().for_each(|crash| crash.effects -= 1);
        let crash = self.0.extract_if(.., |crash| crash.effects == 0).next();
        self.0.retain(|crash| crash.effects > 0);
        crash
    }
}

/// The clocks of a host.
#[derive(Clone, Debug)]
pub(super) struct HostClock {
    clock: Clock,
    /// What the clock was at the start.
    first: Clock,
    /// The jumps since then.
    jumps: Vec<Fault>,
    /// What the wall clock counts from.
    epoch: u64,
}

impl HostClock {
    /// A device's: its wall clock shows a date.
    pub(super) fn of_device(clock: Clock) -> Self {
        Self { clock, first: clock, jumps: Vec::new(), epoch: 0 }
    }

    /// Anything else's: it counts from the start of the run, as the sign-in service does.
    pub(super) fn of_run(clock: Clock) -> Self {
        Self { epoch: EPOCH_MS, ..Self::of_device(clock) }
    }

    fn show(&self, at: Time) -> Now {
        let Now { mono, wall } = self.clock.show(at);
        Now { mono, wall: Time(wall.0.saturating_sub(self.epoch)) }
    }
}

/// A host.
#[derive(Clone, Debug)]
pub(super) struct Host {
    node: Node,
    /// Decides all that is drawn about it.
    nature: u64,
    power: Power,
    incarnation: Incarnation,
    /// What made it stand still, if it does.
    paused_by: Option<Fault>,
    /// The faults that end with the next start.
    until_start: Vec<Fault>,
    crashes: Crashes,
    clock: HostClock,
    mailbox: Mailbox,
    /// Does it have something to do in this turn?
    is_called: bool,
    /// Names the latest planned start.
    start: u32,
    /// What it was asked for in this incarnation and did not answer.
    unanswered: BTreeSet<OpId>,
    /// Which of that is a new key.
    new_keys: BTreeSet<OpId>,
    /// The last number of an operation that no step of the plan names, in any incarnation.
    last_op: u32,
    storage: Option<Storage>,
}

impl Host {
    /// A host that is off until its first start; a remote runs from the beginning.
    pub(super) fn new(node: Node, nature: u64, clock: HostClock, storage: Option<Storage>) -> Self {
        let power = if node.remote().is_some() { Power::Running } else { Power::New };
        Self {
            node,
            nature,
            power,
            incarnation: 0,
            paused_by: None,
            until_start: Vec::new(),
            crashes: Crashes::default(),
            clock,
            mailbox: Mailbox::new(),
            is_called: false,
            start: 0,
            unanswered: BTreeSet::new(),
            new_keys: BTreeSet::new(),
            last_op: 0,
            storage,
        }
    }

    pub(super) fn node(&self) -> Node {
        self.node
    }

    /// From now on everything about it is drawn from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.nature = nature;
    }

    pub(super) fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    pub(super) fn power(&self) -> Power {
        self.power
    }

    pub(super) fn is_up(&self) -> bool {
        self.power == Power::Running
    }

    /// Does it run, and in this incarnation, if it has to be a certain one?
    pub(super) fn lives(&self, incarnation: Option<Incarnation>) -> bool {
        self.is_up() && incarnation.is_none_or(|it| it == self.incarnation)
    }

    /// Does it take nothing out of its mailbox now?
    pub(super) fn stands_still(&self) -> bool {
        self.paused_by.is_some() || !self.is_up()
    }

    pub(super) fn mailbox_mut(&mut self) -> &mut Mailbox {
        &mut self.mailbox
    }

    /// What a device keeps; nothing else keeps anything.
    pub(super) fn storage(&self) -> Option<&Storage> {
        self.storage.as_ref()
    }

    pub(super) fn storage_mut(&mut self) -> Option<&mut Storage> {
        self.storage.as_mut()
    }

    /// The last number of an operation that no step of the plan names, in any incarnation.
    pub(super) fn last_op(&self) -> u32 {
        self.last_op
    }

    /// How many operations it was asked for in this incarnation and did not answer: all, and those for a new
    /// key.
    pub(super) fn unanswered(&self) -> (usize, usize) {
        (self.unanswered.len(), self.new_keys.len())
    }

    /// Is it about to be asked for something, or about to answer?
    pub(super) fn is_working(&self) -> bool {
        self.mailbox.has_events() || self.storage.as_ref().is_some_and(Storage::is_busy)
    }

    /// What is drawn about this incarnation.
    #[inline(always)]
    pub(super) fn draw(&self, concern: &'static str) -> Draw {
        let number = match self.node {
            Node::Device(device) => device.0,
            Node::Worker(worker) => worker.0,
            Node::Processor(processor) => processor.0,
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => 0,
        };
        let root = Draw::new(self.nature, concern).and(u64::from(number));
        root.and(u64::from(self.incarnation))
    }

    /// Puts something into the mailbox; true if the host now has something to do that it had not.
    pub(super) fn call(&mut self, now: Time, put: impl FnOnce(&mut Mailbox)) -> bool {
        self.mailbox.set_now(self.clock.show(now));
        put(&mut self.mailbox);
        !self.stands_still() && !std::mem::replace(&mut self.is_called, true)
    }

    /// Does it have something to do in this turn?
    pub(super) fn is_called(&self) -> bool {
        self.is_called
    }

    /// It has worked.
    pub(super) fn has_worked(&mut self) {
        self.is_called = false;
    }

    /// Plans the next start, in place of any other that was planned.
    pub(super) fn plan_start(&mut self, at: Time, out: &mut Actions) {
        self.start += 1;
        let order = match self.node {
            Node::Worker(_) => self.draw("worker start"),
            Node::Processor(_) => self.draw("processor start"),
            Node::World | Node::Device(_) | Node::Remote(_) | Node::Volume | Node::Intruder => {
                self.draw("start")
            }
        };
        let (order, event) =
            (order.and(u64::from(self.start)), Event::Start(self.node, self.start));
        out.push(Action::Schedule(at, order, event));
    }

    /// Is this the start that was planned last?
    pub(super) fn is_planned(&self, start: u32) -> bool {
        self.start == start && !self.is_up()
    }

    /// Starts, in a new incarnation; true if it is the first one.
    pub(super) fn start(&mut self, facts: &mut Facts, out: &mut Actions) -> bool {
        let is_first = self.power == Power::New;
        self.incarnation += u32::from(!is_first);
        self.power = Power::Running;
        for fault in self.until_start.drain(..) {
            out.push(Action::Note(self.node, Fact::Ended(fault)));
        }
        let fact = self.storage.as_mut().map_or_else(
            || {
                let boot = if is_first { Boot::First } else { Boot::Restart };
                Fact::Started { boot, hash: 0, commit: 0, holds: Vec::new() }
            },
            |storage| storage.start(facts),
        );
        out.push(Action::Note(self.node, fact));
        is_first
    }

    /// Power is lost, and with it all that was not durable. What was asked of others happens all the
    /// same; what its user was about to do is not done.
    pub(super) fn cut_power(&mut self, out: &mut Actions) {
        let draw = self.draw("crash");
        let wreck = self.storage.as_mut().map(|storage| storage.crash(draw));
        let wreck = wreck.unwrap_or(Wreck { keeps: 0, unanswered: false, under_way: false });
        let fact = Fact::Killed { keeps: wreck.keeps, between: wreck.unanswered };
        out.push(Action::Note(self.node, fact));
        if wreck.unanswered || wreck.under_way {
            out.push(Action::Count("crash between two durable steps"));
        }
        end_pause(self, out);
        for inbound in self.mailbox.clear() {
            if let Some(step) = inbound.step() {
                out.push(Action::Note(self.node, Fact::Skipped(step, Skip::Interrupted)));
            } else if let Inbound::Message(message) = inbound {
                out.push(Action::Lose(message, Lost::Dead));
            }
        }
        self.power = Power::Off;
        self.is_called = false;
        out.push(Action::Wake(self.node, None));
        self.unanswered.clear();
        self.new_keys.clear();
    }

    /// Loses power; the fault ends with the next start.
    pub(super) fn crash(&mut self, back_at: Time, fault: Fault, out: &mut Actions) {
        self.cut_power(out);
        self.until_start.push(fault);
        self.plan_start(back_at, out);
    }

    /// This fault ends with the next start.
    pub(super) fn end_with_start(&mut self, fault: Option<Fault>) {
        self.until_start.extend(fault);
    }

    /// Is switched off, if it runs, and starts from its backup at this time.
    pub(super) fn restore(&mut self, back_at: Time, fault: Fault, out: &mut Actions) {
        if self.is_up() {
            self.cut_power(out);
        }
        self.reinstall(Boot::Restored);
        self.until_start.push(fault);
        self.plan_start(back_at, out);
    }

    /// Starts at this time from a copy of another device's disk.
    pub(super) fn start_as_copy(
        &mut self,
        at: Time,
        boot: Boot,
        disk: Snapshot,
        out: &mut Actions,
    ) {
        self.storage_mut().expect("only disks of devices are copied").set_image(disk);
        self.reinstall(boot);
        self.plan_start(at, out);
    }

    fn reinstall(&mut self, boot: Boot) {
        let device = self.node.device().map_or(0, |device| u64::from(device.0));
        let root = Draw::new(self.nature, "install").and(device);
        self.storage.as_mut().expect("only devices are set back or copied").reinstall(root, boot);
    }

    /// Is gone for ever.
    pub(super) fn destroy(&mut self, out: &mut Actions) {
        if self.is_up() {
            self.cut_power(out);
        }
        self.power = Power::Gone;
        self.start += 1;
    }

    /// Its machine has crashed by itself; the host comes back after a while.
    pub(super) fn fail(&mut self, now: Time, out: &mut Actions) {
        self.cut_power(out);
        let range = if self.storage.is_some() { RECOVERY } else { RECOVERY_OF_PROCESS };
        let after = self.draw("recovery").span(range);
        self.plan_start(now + after, out);
    }

    /// Stands still until this time.
    pub(super) fn pause(&mut self, until: Time, step: StepId, fault: Fault, out: &mut Actions) {
        self.paused_by = Some(fault);
        let order = match self.node {
            Node::Worker(_) => Draw::new(self.nature, "worker resumes"),
            Node::Processor(_) => Draw::new(self.nature, "processor resumes"),
            Node::World | Node::Device(_) | Node::Remote(_) | Node::Volume | Node::Intruder => {
                Draw::new(self.nature, "resume")
            }
        };
        let order = order.and(u64::from(step.0));
        let event = Event::Resume(self.node, self.incarnation);
        out.push(Action::Schedule(until, order, event));
    }

    /// Goes on, if it stands still and this is the same incarnation; true if it does.
    pub(super) fn resume(&mut self, incarnation: Incarnation, out: &mut Actions) -> bool {
        let goes_on = self.lives(Some(incarnation)) && self.paused_by.is_some();
        if goes_on {
            end_pause(self, out);
        }
        goes_on
    }

    /// Its wall clock jumps.
    pub(super) fn jump_clock(&mut self, ms: i64, fault: Fault) {
        self.clock.clock.jump(ms);
        self.clock.jumps.push(fault);
    }

    /// Its clock is what it was at the start: that ends its jumps.
    pub(super) fn set_clock_right(&mut self, out: &mut Actions) {
        self.clock.clock = self.clock.first;
        for fault in self.clock.jumps.drain(..) {
            out.push(Action::Note(self.node, Fact::Ended(fault)));
        }
    }

    /// The losses of power that wait for their moments.
    pub(super) fn crashes_mut(&mut self) -> &mut Crashes {
        &mut self.crashes
    }

    /// Takes note of what it was asked for and what it answered.
    pub(super) fn observe(&mut self, fact: &Fact) {
        if let Some((op, asked)) = fact.asked() {
            if op.0 >= UNPLANNED {
                // What follows from an answer has a number after that of what was answered, which may
                // be less than that of what was asked in the meantime.
                self.last_op = self.last_op.max(op.0);
            }
            self.unanswered.insert(op);
            if matches!(asked, Asked::RotateKey) {
                self.new_keys.insert(op);
            }
        } else if let Fact::Answered(op, _) = fact {
            self.unanswered.remove(op);
            self.new_keys.remove(op);
        }
    }

    /// Hands a commit to the disk; false if it failed, and the process with it.
    pub(super) fn persist(
        &mut self,
        now: Time,
        batch: &Batch,
        (conditions, facts): (&Conditions, &mut Facts),
        out: &mut Actions,
    ) -> bool {
        let (node, incarnation, draw) = (self.node, self.incarnation, self.draw("disk"));
        let device = node.device().expect("only a device has a disk");
        let storage = self.storage.as_mut().expect("only a device has a disk");
        if conditions.disk_is_full(device) {
            out.push(Action::Note(node, storage.refuse()));
            return false;
        }
        let (commit, fact) = storage.commit(batch, facts);
        out.push(Action::Note(node, fact));
        if batch.sync {
            let draw = draw.and(u64::from(commit));
            let at = now + storage.commit_takes(draw, conditions.disk_slowness(device));
            out.push(Action::Schedule(at, draw, Event::Durable(node, incarnation, commit)));
        }
        true
    }

    /// A commit of this incarnation is durable; false if that incarnation is over.
    pub(super) fn make_durable(&mut self, incarnation: Incarnation, commit: u32) -> bool {
        let lives = self.lives(Some(incarnation));
        self.storage.iter_mut().filter(|_| lives).for_each(|storage| storage.make_durable(commit));
        lives
    }

    /// The disk will say that a commit is durable.
    pub(super) fn answer_commit_later(&self, now: Time, commit: u32, out: &mut Actions) {
        let Some(storage) = &self.storage else { return };
        let draw = self.draw("disk answer").and(u64::from(commit));
        let event = Event::Persisted(self.node, self.incarnation, commit);
        out.push(Action::Schedule(now + storage.answer_takes(draw), draw, event));
    }

    /// The disk has said that a commit is durable; false if the incarnation that wanted to know is over.
    pub(super) fn answer_commit(&mut self, incarnation: Incarnation, commit: u32) -> bool {
        let lives = self.lives(Some(incarnation));
        self.storage.iter_mut().filter(|_| lives).for_each(|storage| storage.answer(commit));
        lives
    }
}

/// A host that stands still does so no more.
fn end_pause(host: &mut Host, out: &mut Actions) {
    let Some(fault) = host.paused_by.take() else { return };
    if host.mailbox.has_any() {
        out.push(Action::Hit(Hit::Stalled(host.node)));
    }
    out.push(Action::Note(host.node, Fact::Ended(fault)));
}
