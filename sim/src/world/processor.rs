//! Processors: they come and go as workers do, are told what to do, and have the expensive step done
//! by somebody who may be slow, fail, or never answer.
//!
//! What the step makes of a conversation is a function of what that says. Whether and when it ends is
//! drawn from who has it done, of what, and for the how-manieth time.

use std::collections::{BTreeMap, BTreeSet};

use engine::date::Calendar;
use engine::dedup::{DedupKey, Thread};
use engine::flaw::Flaws;
use engine::id::{OpId, ReplicaId, UserId};
use engine::ingest::Vault;
use engine::job::{Job, MOST_TRIES, Place, Stored};
use engine::log::{Doc, Entry as Commit, Key as LogKey};
use engine::message::{Client, DeviceKey};
use engine::processor::{Boot as ProcessorBoot, Input, StepId};
use engine::seal::{Key, KeyName};
use engine::time::{Now, Span, Time};
use xxhash_rust::xxh3::xxh3_64;

use super::fuse::effect_of;
use super::looks::last_looks;
use super::{Event, Order as Driver, State, World};
use crate::clock::{Clock, EPOCH_MS};
use crate::history::{Asked, Boot, Fact, Lost, PipeTrouble, Talk, Trouble};
use crate::inbox::{Arrival, Emitted, ForProcessor, StartProcessor};
use crate::keychain::{HOME, Keychain, SignInDesk};
use crate::plan::{Node, PipeFault, Plan, ProcessorId};
use crate::random::Draw;
use crate::workload::talk;

/// How long a processor that died by itself stays away.
const RECOVERY: Span = Span(500);

/// How long what was drawn of a slow step may take at the most: nobody waits longer.
const LONGEST_STEP: Span = Span::from_secs(24 * 60 * 60);

/// A processor as the world keeps it while its machine comes and goes.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: ProcessorId,
    pub(super) user: UserId,
    pub(super) state: State,
    pub(super) incarnation: u16,
    paused: bool,
    clock: Clock,
    /// Names the latest planned start.
    start: u32,
    /// The troubles that end with the next start.
    troubles: Vec<Trouble>,
    sign_in: SignInDesk,
    /// What it was told to do and has not answered.
    owed: BTreeSet<OpId>,
}

/// What the world knows of conversations.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) seats: Vec<Seat>,
    pub(super) calendar: Calendar,
    /// The conversations on which there is work left to be done, by the log.
    pub(super) open: BTreeSet<(UserId, DedupKey)>,
    /// How often each processor has had each state of a conversation worked on.
    tried: BTreeMap<(ProcessorId, u64), u64>,
}

impl Pipeline {
    pub(super) fn of(plan: &Plan) -> Self {
        let seats = plan.processors().iter().enumerate().map(|(n, processor)| Seat {
            id: ProcessorId(u16::try_from(n).expect("processors are few")),
            user: processor.user,
            state: State::New,
            incarnation: 0,
            paused: false,
            clock: Clock::new(processor.clock_offset_ms, processor.clock_drift_ppm),
            start: 0,
            troubles: Vec::new(),
            sign_in: SignInDesk::default(),
            owed: BTreeSet::new(),
        });
        let calendar = Calendar::new(HOME).expect("the engine knows this zone");
        Self { seats: seats.collect(), calendar, open: BTreeSet::new(), tried: BTreeMap::new() }
    }

    /// How many conversations have work left to be done.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }
}

impl Seat {
    pub(super) fn is_up(&self) -> bool {
        self.state == State::Running
    }

    /// Does it take nothing from its desk now?
    pub(super) fn stands_still(&self) -> bool {
        self.paused || !self.is_up()
    }

    /// Its clocks: its wall clock counts from the start of a run, as those of workers do.
    pub(super) fn now(&self, at: Time) -> Now {
        let Now { mono, wall } = self.clock.show(at);
        Now { mono, wall: Time(wall.0.saturating_sub(EPOCH_MS)) }
    }

    /// How many answers it owes.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }
}

impl World<'_> {
    pub(super) fn seat(&self, processor: ProcessorId) -> &Seat {
        &self.pipeline.seats[usize::from(processor.0)]
    }

    fn seat_mut(&mut self, processor: ProcessorId) -> &mut Seat {
        &mut self.pipeline.seats[usize::from(processor.0)]
    }

    /// Is the processor up, and in this life?
    fn attends(&self, processor: ProcessorId, life: u16) -> bool {
        let seat = self.seat(processor);
        seat.is_up() && seat.incarnation == life
    }

    fn first_processor(&self) -> usize {
        self.devices.len() + self.plan.remotes.len() + self.workers.len()
    }

    pub(super) fn station_of_processor(&self, processor: ProcessorId) -> usize {
        self.first_processor() + usize::from(processor.0)
    }

    /// The processor at a station, if there is one.
    pub(super) fn processor_at(&self, node: usize) -> Option<&Seat> {
        self.pipeline.seats.get(node.checked_sub(self.first_processor())?)
    }

    fn draw_for_processor(&self, concern: &'static str, processor: ProcessorId) -> Draw {
        let life = u64::from(self.seat(processor).incarnation);
        self.draw(concern).and(u64::from(processor.0)).and(life)
    }

    pub(super) fn file_processor_starts(&mut self) {
        for n in 0..self.pipeline.seats.len() {
            let processor = self.pipeline.seats[n].id;
            self.plan_processor_start(processor, Span(0));
        }
    }

    fn plan_processor_start(&mut self, processor: ProcessorId, after: Span) {
        let seat = self.seat_mut(processor);
        seat.start += 1;
        let start = seat.start;
        let order = self.draw_for_processor("processor start", processor).and(u64::from(start));
        self.file(self.now + after, order, Event::StartProcessor(processor, start));
    }

    /// Starts a processor, in a new life that knows nothing but its keys.
    pub(super) fn start_processor(&mut self, processor: ProcessorId, start: u32) {
        let Some(server) = &self.plan.server else { return };
        let seat = self.seat_mut(processor);
        if seat.start != start || seat.is_up() {
            return;
        }
        let boot = if seat.state == State::New {
            Boot::First
        } else {
            seat.incarnation += 1;
            Boot::Restart
        };
        seat.state = State::Running;
        seat.sign_in = SignInDesk::default();
        let (user, life) = (seat.user, seat.incarnation);
        for trouble in std::mem::take(&mut self.seat_mut(processor).troubles) {
            self.note(Node::Processor(processor), Fact::Ended(trouble));
        }
        let fact = Fact::Started { boot, hash: 0, commit: 0, holds: Vec::new() };
        self.note(Node::Processor(processor), fact);
        let name = |concern| self.draw(concern).and(u64::from(processor.0)).value();
        let replica = ReplicaId(name("processor replica"));
        let boot = ProcessorBoot {
            entropy: self.draw_for_processor("processor entropy", processor).bytes(),
            user,
            device: DeviceKey(name("processor key")),
            client: Client { replica, life: u32::from(life) + 1 },
            vault: self.vault_of(user, self.plan.flaws),
            timing: server.pipeline.timing,
        };
        let start = StartProcessor { boot, life, needle: self.needle };
        let station = self.station_of_processor(processor);
        self.orders.push(Driver::Start(station));
        let arrival = Arrival::ForProcessor(ForProcessor::Start(Box::new(start)));
        self.call(station, |desk| desk.arrivals.push_back(arrival));
    }

    /// A processor loses power, and with it all that it was at.
    fn stop_processor(&mut self, processor: ProcessorId) {
        self.note(Node::Processor(processor), Fact::Killed { keeps: 0, between: false });
        let station = self.station_of_processor(processor);
        let unread = self.stations[station].inbox.desk().clear();
        self.stations[station].called = false;
        self.stations[station].deadline += 1;
        for arrival in unread {
            if let Arrival::Mail(mail) = arrival {
                self.lose(&mail, Lost::Dead);
            } else if let Arrival::ForProcessor(ForProcessor::Order(step, _)) = arrival {
                self.note(Node::Processor(processor), Fact::Skipped(step));
            }
        }
        let seat = self.seat_mut(processor);
        seat.state = State::Off;
        seat.owed.clear();
        if std::mem::take(&mut seat.paused) {
            let pause = Trouble::Pipe(PipeTrouble::Pause(processor));
            self.note(Node::Processor(processor), Fact::Ended(pause));
        }
        self.orders.push(Driver::Kill(station));
    }

    pub(super) fn resume_processor(&mut self, processor: ProcessorId, life: u16) {
        if self.attends(processor, life) && self.seat(processor).paused {
            self.seat_mut(processor).paused = false;
            let pause = Trouble::Pipe(PipeTrouble::Pause(processor));
            self.note(Node::Processor(processor), Fact::Ended(pause));
            let station = self.station_of_processor(processor);
            self.call(station, |_| {});
        }
    }

    /// Starts the processors that are down, soon, and wakes those that stand still.
    pub(super) fn bring_processors_back(&mut self) {
        for n in 0..self.pipeline.seats.len() {
            let Seat { id, state, incarnation, .. } = self.pipeline.seats[n];
            match state {
                State::Off => self.plan_processor_start(id, Span(1)),
                State::Running => self.resume_processor(id, incarnation),
                State::New | State::Gone => {}
            }
        }
    }

    pub(super) fn can_befall_pipeline(&self, fault: &PipeFault) -> bool {
        let seat = |processor: &ProcessorId| self.pipeline.seats.get(usize::from(processor.0));
        match fault {
            PipeFault::Crash(processor, ..) | PipeFault::ClockJump(processor, _) => {
                seat(processor).is_some_and(Seat::is_up)
            }
            PipeFault::Pause(processor, _) => {
                seat(processor).is_some_and(|seat| !seat.stands_still())
            }
            PipeFault::SlowStep(..) | PipeFault::FailingStep(_) => !self.pipeline.seats.is_empty(),
        }
    }

    pub(super) fn befall_pipeline(&mut self, step: usize, fault: &PipeFault, trouble: Trouble) {
        match *fault {
            PipeFault::Crash(processor, back, _) => {
                self.stop_processor(processor);
                self.seat_mut(processor).troubles.push(trouble);
                self.plan_processor_start(processor, Span(back.0.max(1)));
            }
            PipeFault::Pause(processor, span) => {
                let seat = self.seat_mut(processor);
                seat.paused = true;
                let life = seat.incarnation;
                let order = self.draw("processor resumes").and(step as u64);
                let at = self.now + Span(span.0.max(1));
                self.file(at, order, Event::ResumeProcessor(processor, life));
            }
            PipeFault::ClockJump(processor, ms) => self.seat_mut(processor).clock.jump(ms),
            PipeFault::SlowStep(..) | PipeFault::FailingStep(_) => {}
        }
    }

    /// A processor is told something, if it is up, and in this life.
    pub(super) fn tell_processor(
        &mut self,
        processor: ProcessorId,
        life: Option<u16>,
        what: ForProcessor,
    ) {
        let seat = self.seat(processor);
        if seat.is_up() && life.is_none_or(|life| life == seat.incarnation) {
            if let ForProcessor::Input(Input::Stepped(step, result)) = &what {
                let token = result.as_ref().map(|result| result.token);
                self.note(Node::Processor(processor), Fact::StepEnded(*step, token));
            }
            let station = self.station_of_processor(processor);
            let arrival = Arrival::ForProcessor(what);
            self.call(station, |desk| desk.arrivals.push_back(arrival));
        } else if let ForProcessor::Order(step, _) = what {
            self.note(Node::Processor(processor), Fact::Skipped(step));
        }
    }

    fn file_for_processor(
        &mut self,
        (processor, life): (ProcessorId, Option<u16>),
        after: Span,
        order: Draw,
        what: ForProcessor,
    ) {
        let at = self.now + Span(after.0.max(1));
        self.file(at, order, Event::ForProcessor(processor, life, Box::new(what)));
    }

    /// Carries out what a processor emitted.
    pub(super) fn carry_out_processor(
        &mut self,
        processor: ProcessorId,
        node: usize,
        effects: &mut Vec<Emitted>,
    ) {
        let from = Node::Processor(processor);
        let life = self.seat(processor).incarnation;
        for effect in effects.drain(..) {
            let kind = effect_of(&effect);
            match effect {
                Emitted::Fact(fact) => {
                    self.keep_count(processor, &fact);
                    self.note(from, fact);
                }
                Emitted::Request(request) => self.request(from, life, request),
                Emitted::NeedCredential => self.issue_processor_credential(processor),
                Emitted::Step(step, thread) => self.begin_step(processor, step, &thread),
                Emitted::Reached(point) => self.cover(point.name()),
                Emitted::Wake(at) => self.set_deadline(node, at),
                Emitted::Crashed(message) => {
                    self.note(from, Fact::Panicked(message));
                    self.stop_processor(processor);
                    self.plan_processor_start(processor, RECOVERY);
                    return;
                }
                Emitted::Persist(_)
                | Emitted::Send(..)
                | Emitted::Volume(_)
                | Emitted::Respond(..)
                | Emitted::StoreKey(..)
                | Emitted::Reply(..)
                | Emitted::Hint(..)
                | Emitted::Remote(_) => unreachable!("processors ask, answer and have steps done"),
            }
            if kind.is_some_and(|kind| self.burns_down(from, kind)) {
                return;
            }
        }
    }

    fn keep_count(&mut self, processor: ProcessorId, fact: &Fact) {
        let owed = &mut self.seat_mut(processor).owed;
        if let Some((op, Asked::Work { .. })) = fact.asked() {
            owed.insert(op);
        } else if let Fact::Answered(op, _) = fact {
            owed.remove(op);
        }
    }

    fn issue_processor_credential(&mut self, processor: ProcessorId) {
        let (nature, now, users) = (self.plan.nature, self.now, self.plan.users.len());
        let rules = self.plan.sign_in;
        let seat = self.seat_mut(processor);
        let (user, life) = (seat.user, seat.incarnation);
        let who = (nature, 1 << 32 | u64::from(processor.0), life);
        let (after, credential) = seat.sign_in.issue(who, &rules, now, user, users);
        let order = self.draw_for_processor("processor sign-in", processor).and(now.0);
        let what = ForProcessor::Input(Input::Credential(credential));
        self.file_for_processor((processor, Some(life)), after, order, what);
    }

    /// A new key of a user is on its way to their processors.
    pub(super) fn send_key_to_processors(&mut self, user: UserId, name: KeyName, key: &Key) {
        for n in 0..self.pipeline.seats.len() {
            let Seat { id, user: whose, .. } = self.pipeline.seats[n];
            if whose != user {
                continue;
            }
            let draw = self.draw_for_processor("processor key arrives", id);
            let draw = draw.and(u64::from(name.generation)).and(name.draw);
            let after = draw.span(self.plan.keychain);
            let what = ForProcessor::Input(Input::Key(name, key.clone()));
            self.file_for_processor((id, None), after, draw, what);
        }
    }

    /// The step is begun for a processor.
    fn begin_step(&mut self, processor: ProcessorId, step: StepId, thread: &Thread) {
        let plan = self.plan.server.as_ref().expect("somebody works here").pipeline.step;
        let talk = Talk::of(thread);
        let bytes = postcard::to_allocvec(&talk).expect("memory is the only limit");
        let state = xxh3_64(&bytes);
        let tried = self.pipeline.tried.entry((processor, state)).or_default();
        *tried += 1;
        let tried = *tried;
        let Seat { user, incarnation: life, .. } = *self.seat(processor);
        let node = Node::Processor(processor);
        let draw = |concern| Draw::new(self.plan.nature, concern).at(node).and(state).and(tried);
        let (silent, fails, takes) = (draw("step silent"), draw("step fails"), draw("step takes"));
        let in_storm = self.is_storm();
        let is_silent = in_storm && silent.happens(plan.silence);
        let has_failed = self.weather.step.fails || in_storm && fails.happens(plan.failure);
        let times = u64::from(self.weather.step.times.max(1));
        let after = takes.span(plan.takes).0.saturating_mul(times).min(LONGEST_STEP.0);
        let result = (!has_failed).then(|| talk::result(self.needle, user, &talk));
        self.note(node, Fact::StepBegan(step, talk.into()));
        if is_silent {
            return self.cover("step never ended");
        }
        self.cover(if has_failed { "step failed" } else { "step done" });
        let what = ForProcessor::Input(Input::Stepped(step, result));
        self.file_for_processor((processor, Some(life)), Span(after), takes, what);
    }

    /// Keeps in mind on what there is work left to be done.
    pub(super) fn keep_book(&mut self, space: UserId, commit: &Commit) {
        for (key, doc) in commit.ops.iter().flat_map(|op| &op.puts) {
            let LogKey::Work(Place::Item(key)) = key else { continue };
            let is_done = match doc {
                Some(Doc::Work(Stored::Item(item))) => match item.job {
                    Job::Success { .. } => true,
                    Job::Failed { tries, .. } => tries >= MOST_TRIES,
                    Job::Pending { .. } | Job::Processing { .. } => false,
                },
                Some(Doc::Work(Stored::Old(_))) => false,
                Some(_) | None => true,
            };
            if is_done {
                self.pipeline.open.remove(&(space, *key));
            } else {
                self.pipeline.open.insert((space, *key));
            }
        }
    }

    /// What an enrolled machine knows of a user's vault.
    pub(super) fn vault_of(&self, user: UserId, flaws: Flaws) -> Vault {
        Vault {
            id: user.into(),
            secret: Keychain::secret(self.plan.nature, user),
            keyring: self.keychain.ring(user),
            calendar: self.pipeline.calendar.clone(),
            flaws,
        }
    }

    /// One processor of each user looks at all that its user ever had. How many looks that are.
    pub(super) fn look_at_all_conversations(&mut self) -> u64 {
        let mut looks = 0;
        let users: BTreeSet<UserId> = self.pipeline.seats.iter().map(|seat| seat.user).collect();
        for user in users {
            let first = self.pipeline.seats.iter().find(|seat| seat.user == user && seat.is_up());
            let Some(processor) = first.map(|seat| seat.id) else { continue };
            let orders = last_looks(self.plan, user);
            looks += orders.len() as u64;
            self.tell_processor(processor, None, ForProcessor::Last(orders));
            // What is on its desk is owed: it is asked in this turn.
            let station = self.station_of_processor(processor);
            self.call(station, |_| {});
        }
        looks
    }

    /// Does a processor still owe an answer, or is about to be asked?
    pub(super) fn some_processor_is_asked(&self) -> bool {
        self.pipeline.seats.iter().any(|seat| {
            let station = self.station_of_processor(seat.id);
            let desk = self.stations[station].inbox.desk();
            seat.is_up() && (seat.owed() > 0 || !desk.arrivals.is_empty())
        })
    }
}
