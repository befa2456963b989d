//! The sync server: its workers come and go, requests reach any of them, and the volume does what
//! they ask of it.
//!
//! A worker and the volume exchange no messages in the history: what matters is what the volume then holds,
//! and the history has that; the messages would be half of all facts. A request takes effect on its way,
//! whatever becomes of its worker.

use engine::blob::Address;
use engine::id::UserId;
use engine::log::Entry;
use engine::message::Request;
use engine::time::Span;
use engine::volume::{self, Call, Return};
use engine::worker;

use super::fuse::effect_of;
use super::{Event, World};
use crate::clock::Clock;
use crate::desk::{Arrival, Emitted};
use crate::history::{Fact, Incarnation, ServerTrouble, Trouble};
use crate::message::{Asker, Body, Message};
use crate::plan::{Chance, Node, ServerFault, ServerPlan, StepId, WorkerId};
use crate::random::Draw;

/// A worker as the world keeps it while its machine comes and goes.
#[derive(Clone, Debug)]
pub(super) struct Bench {
    pub(super) id: WorkerId,
    /// What its clock was at the start, and by how much it was set wrong since.
    right: (Clock, Vec<i64>),
}

impl Bench {
    pub(super) fn of(plan: Option<&ServerPlan>) -> Vec<Self> {
        let workers = plan.map_or(&[][..], |server| &server.workers);
        let bench = |(n, worker): (usize, &crate::plan::WorkerPlan)| {
            let clock = Clock::new(worker.clock_offset_ms, worker.clock_drift_ppm);
            Self {
                id: WorkerId(u16::try_from(n).expect("workers are few")),
                right: (clock, Vec::new()),
            }
        };
        workers.iter().enumerate().map(bench).collect()
    }
}

impl World {
    fn bench_mut(&mut self, worker: WorkerId) -> &mut Bench {
        &mut self.workers[usize::from(worker.0)]
    }

    /// What a worker is started with.
    pub(super) fn boot_of_worker(&self, worker: WorkerId) -> Arrival {
        let timing = self.plan.server.as_ref().expect("somebody works here").timing;
        let entropy = self.draw_for_process("worker entropy", worker).bytes();
        Arrival::StartWorker(Box::new(worker::Boot { entropy, timing, flaws: self.plan.flaws }))
    }

    /// Starts the workers that are down, soon, wakes those that stand still, and sets all clocks as
    /// they were at the start: servers keep time as soon as nothing disturbs them.
    pub(super) fn bring_workers_back(&mut self) {
        for n in 0..self.workers.len() {
            self.set_clock_right(self.workers[n].id);
            self.bring_process_back(self.workers[n].id);
        }
    }

    fn set_clock_right(&mut self, worker: WorkerId) {
        let (clock, jumps) = &mut self.bench_mut(worker).right;
        let (clock, jumps) = (*clock, std::mem::take(jumps));
        self.process_mut(worker).clock = clock;
        for ms in jumps {
            let jump = Trouble::Server(ServerTrouble::ClockJump(worker, ms));
            self.note(Node::Worker(worker), Fact::Ended(jump));
        }
    }

    fn has_worker(&self, worker: WorkerId) -> bool {
        usize::from(worker.0) < self.workers.len()
    }

    pub(super) fn can_begin_at_server(&self, fault: &ServerFault) -> bool {
        match fault {
            ServerFault::Crash(worker, ..) | ServerFault::ClockJump(worker, _) => {
                self.has_worker(*worker) && self.process(*worker).is_up()
            }
            ServerFault::Pause(worker, _) => {
                self.has_worker(*worker) && !self.process(*worker).stands_still()
            }
            ServerFault::Volume(..) | ServerFault::Restore(..) | ServerFault::Intrude(_) => {
                self.plan.server.is_some()
            }
        }
    }

    pub(super) fn begin_at_server(&mut self, step: StepId, fault: &ServerFault, trouble: Trouble) {
        match *fault {
            ServerFault::Crash(worker, back, _) => self.crash_process(worker, back, trouble),
            ServerFault::Pause(worker, span) => self.pause_process(worker, span, step),
            ServerFault::ClockJump(worker, ms) => {
                self.process_mut(worker).clock.jump(ms);
                self.bench_mut(worker).right.1.push(ms);
            }
            ServerFault::Restore(age, back) => self.restore_volume(age, back, trouble),
            ServerFault::Intrude(user) => self.intrude_server(step, user),
            ServerFault::Volume(..) => {}
        }
    }

    /// Carries out what a worker emitted.
    pub(super) fn carry_out_worker(
        &mut self,
        worker: WorkerId,
        node: usize,
        effects: &mut Vec<Emitted>,
    ) {
        let life = self.process(worker).incarnation;
        for effect in effects.drain(..) {
            let kind = effect_of(&effect);
            match effect {
                Emitted::Fact(fact) => self.note(Node::Worker(worker), fact),
                Emitted::Volume(call) => self.send_to_volume(worker, life, call),
                Emitted::Respond(to, response) => {
                    let body = Body::Response(response);
                    self.dispatch(Message::reply(Node::Worker(worker), to, body));
                }
                Emitted::Reached(point) => self.reach(point),
                Emitted::Wake(at) => self.set_deadline(node, at),
                Emitted::Logged(logged) => self.log(Node::Worker(worker), logged),
                Emitted::Crashed(message) => return self.lose_process(worker, message),
                Emitted::Persist(_)
                | Emitted::Send(..)
                | Emitted::Request(_)
                | Emitted::StoreKey(..)
                | Emitted::NeedCredential
                | Emitted::Step(..)
                | Emitted::Reply(..)
                | Emitted::Hint(..)
                | Emitted::Remote(_) => unreachable!("workers only commit and answer"),
            }
            if kind.is_some_and(|kind| self.burns_down(Node::Worker(worker), kind)) {
                return;
            }
        }
    }

    /// A device asks the server: the address stands for any worker, drawn again for every try.
    pub(super) fn request(&mut self, from: Node, life: Incarnation, request: Box<Request>) {
        if self.workers.is_empty() {
            return;
        }
        let letter = Message::letter_of(&request);
        let asker = Asker { node: from, incarnation: life, letter };
        let to = Node::Worker(self.any_worker(asker, 0));
        let body = Body::Request(request);
        self.dispatch(Message { from, to, letter, incarnation: life, body });
    }

    /// Where a copy of a request goes.
    pub(super) fn any_worker(&self, asker: Asker, copy: u64) -> WorkerId {
        let n = asker.lineage(self.draw("worker")).and(copy).below(self.workers.len() as u64);
        WorkerId(u16::try_from(n).expect("workers are few"))
    }

    fn send_to_volume(&mut self, worker: WorkerId, life: Incarnation, call: Call) {
        let draw = self.draw_for_process("to the volume", worker).and(call.id.0);
        let after = self.volume_delay(draw);
        self.file(self.now + after, draw, Event::AtVolume(worker, life, call));
    }

    /// Something of the server fails while several files are being moved.
    pub(super) fn interrupt_batches(&mut self) {
        if !self.batches.is_empty() || !self.jobs.is_empty() {
            self.cover("batch interrupted");
        }
    }

    fn volume_delay(&self, draw: Draw) -> Span {
        let plan = self.plan.server.as_ref().expect("somebody works here");
        let times = u64::from(self.weather.volume.times.max(1));
        Span(draw.span(plan.volume.delay).0.saturating_mul(times).max(1))
    }

    /// A request has reached the volume, whether or not its worker still lives.
    pub(super) fn ask_volume(&mut self, worker: WorkerId, life: Incarnation, call: Call) {
        let plan = self.plan.server.as_ref().expect("somebody works here").volume;
        let nature = self.plan.nature;
        let draw = |root: Draw| root.and(u64::from(worker.0)).and(u64::from(life)).and(call.id.0);
        let (weather, is_storm) = (self.weather.volume, self.is_storm());
        // What cannot happen is not drawn for.
        let happens =
            |root, chance: Chance| is_storm && chance > Chance(0) && draw(root).happens(chance);
        let mut reply =
            if weather.is_out || happens(Draw::new(nature, "volume fails"), plan.failure) {
                self.cover("volume failed");
                self.interrupt_batches();
                volume::Reply::Failed
            } else {
                let lag = plan.list_lag.max(weather.list_lag);
                let deletes = matches!(call.request, volume::Request::Delete(_));
                let was_there = deletes && self.volume.has(&call.request);
                let reply = self.volume.handle(self.now, &call.request, lag);
                self.note_commit(worker, &call.request, &reply);
                self.note_content(worker, &call.request, &reply, was_there);
                reply
            };
        let lost = weather.loses_replies
            || happens(Draw::new(nature, "volume answer lost"), plan.reply_loss);
        if lost && reply != volume::Reply::Failed {
            self.cover("volume answer lost");
            self.interrupt_batches();
            reply = volume::Reply::Failed;
        }
        let back = draw(Draw::new(nature, "from the volume"));
        let after = self.volume_delay(back);
        let answer = Return { id: call.id, reply };
        self.file(self.now + after, back, Event::FromVolume(worker, life, answer));
    }

    /// Notes an entry of a log that was created just now.
    fn note_commit(&mut self, worker: WorkerId, request: &volume::Request, reply: &volume::Reply) {
        if let (volume::Request::Create(key, bytes), volume::Reply::Done) = (request, reply)
            && let Some(space) = space_of("log/", key)
            && let Some(entry) = Entry::decode(bytes)
        {
            self.keep_book(space, &entry);
            self.note_files(space, &entry);
            let names = self.names_in(space, &entry);
            let fact = Fact::Logged { space, entry: entry.into() };
            self.note(Node::Worker(worker), fact);
            for (node, name) in names {
                self.note(Node::Worker(worker), Fact::Named { space, node, name });
            }
        }
    }

    /// Notes what has become of an object with content of a file just now.
    fn note_content(
        &mut self,
        worker: WorkerId,
        request: &volume::Request,
        reply: &volume::Reply,
        was_there: bool,
    ) {
        let (key, bytes) = match request {
            volume::Request::Create(key, bytes) | volume::Request::Put(key, bytes) => {
                (key, Some(bytes))
            }
            volume::Request::Delete(key) if was_there => (key, None),
            volume::Request::Delete(_) | volume::Request::Get(_) | volume::Request::List(_) => {
                return;
            }
        };
        if let (Some(space), volume::Reply::Done) = (space_of("blob/", key), reply) {
            let hash = bytes.map(|bytes| Box::new(Address::of(bytes)));
            let fact = Fact::Kept { space, key: key.as_str().into(), hash };
            self.note(Node::Worker(worker), fact);
        }
        if let (volume::Request::Create(key, bytes), volume::Reply::Done) = (request, reply) {
            self.note_item(Node::Worker(worker), key, bytes);
        }
    }

    /// The volume's answer reaches the worker, if that still lives.
    pub(super) fn hear_volume(&mut self, worker: WorkerId, life: Incarnation, answer: Return) {
        if self.process(worker).lives(Some(life)) {
            let station = self.station_of_process(worker);
            self.call(station, |desk| desk.arrivals.push_back(Arrival::Volume(answer)));
        }
    }
}

/// Whose an object of this kind is, if it is of this kind.
pub(super) fn space_of(kind: &str, key: &str) -> Option<UserId> {
    key.strip_prefix(kind)?.split_once('/')?.0.parse().ok().map(UserId)
}
