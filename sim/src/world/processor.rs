//! Processors: they come and go as workers do, are told what to do, and have the expensive step done
//! by somebody who may be slow, fail, or never answer.
//!
//! What the step makes of a conversation is a function of what that says. Whether and when it ends is
//! drawn from who has it done, of what, and the count of tries.

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
use harness::random::Draw;
use harness::time::Span;
use xxhash_rust::xxh3::xxh3_64;

use super::fuse::effect_of;
use super::looks::last_looks;
use super::{Event, World};
use crate::desk::{Arrival, Emitted, ForProcessor, StartProcessor};
use crate::history::{Asked, Fact, Incarnation, Talk};
use crate::keychain::{HOME, Keychain, SignInDesk};
use crate::plan::{Node, Plan, ProcessorId};
use crate::workload::talk;

/// The longest time that a slow step is drawn to take: no processor waits longer.
const LONGEST_STEP: Span = Span::from_secs(24 * 60 * 60);

/// A processor as the world keeps it while its machine comes and goes.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) id: ProcessorId,
    pub(super) user: UserId,
    sign_in: SignInDesk,
    /// What it was told to do and has not answered.
    owed: BTreeSet<OpId>,
}

/// What the world knows of conversations.
#[derive(Clone, Debug)]
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
    /// How many answers it owes.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }
}

impl World {
    pub(super) fn seat(&self, processor: ProcessorId) -> &Seat {
        &self.pipeline.seats[usize::from(processor.0)]
    }

    fn seat_mut(&mut self, processor: ProcessorId) -> &mut Seat {
        &mut self.pipeline.seats[usize::from(processor.0)]
    }

    /// What a processor is started with: its keys are all that it knows.
    pub(super) fn boot_of_processor(&mut self, processor: ProcessorId) -> Arrival {
        let life = self.process(processor).incarnation;
        let seat = self.seat_mut(processor);
        seat.sign_in = SignInDesk::default();
        let user = seat.user;
        let name = |concern| self.draw(concern).and(u64::from(processor.0)).value();
        let replica = ReplicaId(name("processor replica"));
        let boot = ProcessorBoot {
            entropy: self.draw_for_process("processor entropy", processor).bytes(),
            user,
            device: DeviceKey(name("processor key")),
            client: Client { replica, life: life + 1 },
            vault: self.vault_of(user, self.plan.flaws),
            timing: self.plan.server.as_ref().expect("somebody works here").pipeline.timing,
        };
        let last_op = self.last_op(Node::Processor(processor));
        let start = StartProcessor { boot, last_op, needle: self.needle };
        Arrival::ForProcessor(ForProcessor::Start(Box::new(start)))
    }

    /// A processor that lost power answers nothing any more.
    pub(super) fn owes_nothing(&mut self, processor: ProcessorId) {
        self.seat_mut(processor).owed.clear();
    }

    /// Starts the processors that are down, soon, and wakes those that stand still.
    pub(super) fn bring_processors_back(&mut self) {
        for n in 0..self.pipeline.seats.len() {
            self.bring_process_back(self.pipeline.seats[n].id);
        }
    }

    /// A processor is told something, if it is up, and in this life.
    pub(super) fn tell_processor(
        &mut self,
        processor: ProcessorId,
        life: Option<Incarnation>,
        what: ForProcessor,
    ) {
        if self.process(processor).lives(life) {
            if let ForProcessor::Input(input) = &what
                && let Input::Stepped(step, result) = &**input
            {
                let token = result.as_ref().map(|result| result.token);
                self.note(Node::Processor(processor), Fact::StepEnded(*step, token));
            }
            let station = self.station_of_process(processor);
            let arrival = Arrival::ForProcessor(what);
            self.call(station, |desk| desk.arrivals.push_back(arrival));
        } else if let ForProcessor::Order(step, _) = what {
            self.note(Node::Processor(processor), Fact::Skipped(step));
        }
    }

    fn file_for_processor(
        &mut self,
        (processor, life): (ProcessorId, Option<Incarnation>),
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
        let life = self.process(processor).incarnation;
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
                Emitted::Reached(point) => self.reach(point),
                Emitted::Wake(at) => self.set_deadline(node, at),
                Emitted::Logged(logged) => self.log(from, logged),
                Emitted::Crashed(message) => return self.lose_process(processor, message),
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
        let life = self.process(processor).incarnation;
        let seat = self.seat_mut(processor);
        let user = seat.user;
        let who = (nature, 1 << 32 | u64::from(processor.0), life);
        let (after, credential) = seat.sign_in.issue(who, &rules, now, user, users);
        let order = self.draw_for_process("processor sign-in", processor).and(now.0);
        let what = ForProcessor::Input(Input::Credential(credential).into());
        self.file_for_processor((processor, Some(life)), after, order, what);
    }

    /// A new key of a user is on its way to their processors.
    pub(super) fn send_key_to_processors(&mut self, user: UserId, name: KeyName, key: &Key) {
        for n in 0..self.pipeline.seats.len() {
            let Seat { id, user: whose, .. } = self.pipeline.seats[n];
            if whose != user {
                continue;
            }
            let draw = self.draw_for_process("processor key arrives", id);
            let draw = draw.and(u64::from(name.generation)).and(name.draw);
            let after = draw.span(self.plan.keychain);
            let what = ForProcessor::Input(Input::Key(name, key.clone()).into());
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
        let (user, life) = (self.seat(processor).user, self.process(processor).incarnation);
        let node = Node::Processor(processor);
        let draw = |concern| {
            Draw::new(self.plan.nature, concern).and(node.lineage()).and(state).and(tried)
        };
        let (silent, fails, takes) = (draw("step silent"), draw("step fails"), draw("step takes"));
        let in_storm = self.is_storm();
        let is_silent = in_storm && silent.happens(plan.silence);
        let has_failed = self.conditions.step.fails || in_storm && fails.happens(plan.failure);
        let times = u64::from(self.conditions.step.times.max(1));
        let after = takes.span(plan.takes).0.saturating_mul(times).min(LONGEST_STEP.0);
        let result = (!has_failed).then(|| talk::result(self.needle, user, &talk));
        self.note(node, Fact::StepBegan(step, talk.into()));
        if is_silent {
            return self.cover("step never ended");
        }
        self.cover(if has_failed { "step failed" } else { "step done" });
        let what = ForProcessor::Input(Input::Stepped(step, result).into());
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
            let mut seats = self.pipeline.seats.iter();
            let first = seats.find(|seat| seat.user == user && self.process(seat.id).is_up());
            let Some(processor) = first.map(|seat| seat.id) else { continue };
            let orders = last_looks(&self.plan, user);
            looks += orders.len() as u64;
            self.tell_processor(processor, None, ForProcessor::Last(orders));
            // What is on its desk is owed: it is asked in this turn.
            let station = self.station_of_process(processor);
            self.call(station, |_| {});
        }
        looks
    }

    /// Does a processor still owe an answer, or is about to be asked?
    pub(super) fn some_processor_is_asked(&self) -> bool {
        self.pipeline.seats.iter().any(|seat| {
            let station = self.station_of_process(seat.id);
            let desk = &self.stations[station].desk;
            self.process(seat.id).is_up() && (seat.owed() > 0 || !desk.arrivals.is_empty())
        })
    }
}
