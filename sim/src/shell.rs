//! The shells: thin loops around machines. A shell works off its desk and turns what the machine
//! puts out into effects; time, storage and messages are the world's.
//!
//! The machine lives in its shell, and the shell in a task of its node, so that a kill drops it.
//! A panic ends here: the machine is taken for crashed. A logged error is written down, and the
//! machine goes on as the product would.

mod processor;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use engine::device::{Device, Input, Output, Status};
use engine::id::{Remote, UserId};
use engine::time::{Now, Time};
use engine::worker::{self, Ticket, Worker};

use self::processor::ProcessorShell;
use crate::alarm::quietly;
use crate::desk::{Arrival, Desk, Emitted, Standing, Start};
use crate::history::Fact;
use crate::message::{Asker, Body, Message};
use crate::plan::Node;
use crate::remote::{Double, Effect};
use crate::workload::Agent;

/// A double that outlives its node: the storage of a remote does not lose power.
pub(crate) type SharedDouble = Arc<Mutex<Box<dyn Double>>>;

/// What runs on a node.
#[derive(Clone, Debug)]
pub(crate) enum Shell {
    Device(Option<Box<Machine>>),
    Remote(RemoteShell),
    Worker(Option<Box<WorkerShell>>),
    Processor(Option<Box<ProcessorShell>>),
}

impl Shell {
    /// A device that has not been started.
    pub(crate) fn device() -> Self {
        Self::Device(None)
    }

    /// A remote whose askers' accounts are these, by device.
    pub(crate) fn remote(double: SharedDouble, accounts: Arc<[UserId]>) -> Self {
        let remote = double.lock().expect("nothing has panicked yet").remote();
        Self::Remote(RemoteShell { remote, double, accounts, wake: None })
    }

    /// A worker that has not been started.
    pub(crate) fn worker() -> Self {
        Self::Worker(None)
    }

    /// A processor that has not been started.
    pub(crate) fn processor() -> Self {
        Self::Processor(None)
    }

    /// The same, in a world that has been forked: of a remote, the storage is that world's.
    pub(crate) fn fork(&self, storage: Option<&SharedDouble>) -> Self {
        let mut fork = self.clone();
        if let (Self::Remote(shell), Some(storage)) = (&mut fork, storage) {
            shell.double = storage.clone();
        }
        fork
    }

    /// Works off the desk.
    pub(crate) fn work(&mut self, desk: &mut Desk) {
        let outcome = quietly(|| {
            match self {
                Self::Device(machine) => work_device(machine, desk),
                Self::Remote(remote) => remote.work(desk),
                Self::Worker(worker) => work_worker(worker, desk),
                Self::Processor(processor) => processor::work(processor, desk),
            }
            desk.take_log();
        });
        if let Err(heard) = outcome {
            match self {
                Self::Device(machine) => *machine = None,
                Self::Worker(worker) => *worker = None,
                Self::Processor(processor) => *processor = None,
                Self::Remote(_) => {}
            }
            desk.emitted.extend(heard.log.into_iter().map(Emitted::Logged));
            desk.emitted.push(Emitted::Crashed(heard.panic));
        }
    }
}

fn work_device(machine: &mut Option<Box<Machine>>, desk: &mut Desk) {
    if let Some(Arrival::Start(_)) = desk.arrivals.front() {
        let Some(Arrival::Start(start)) = desk.arrivals.pop_front() else {
            unreachable!("it was in front")
        };
        *machine = Some(Box::new(Machine::start(*start, desk)));
    }
    if let Some(machine) = machine {
        machine.work(desk);
    }
}

/// A running device with the user in front of it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    device: Device,
    agent: Agent,
    /// A synced commit is under way: nothing goes in, and nothing after it comes out.
    waits: bool,
    held: VecDeque<Output>,
    wake: Option<Time>,
    has_server: bool,
}

/// More outputs than this after one input are taken for an endless loop.
const OUTPUTS_PER_INPUT: u32 = 100_000;

impl Machine {
    fn start(start: Start, desk: &mut Desk) -> Self {
        let agent = Agent::new(start.needle, start.who(), start.last_op);
        let has_server = start.boot.server;
        let device = Device::recover(start.boot, start.snapshot, desk.now);
        desk.take_log();
        let held = VecDeque::new();
        let mut machine = Self { device, agent, waits: false, held, wake: None, has_server };
        machine.drain(desk);
        machine
    }

    fn work(&mut self, desk: &mut Desk) {
        if std::mem::take(&mut desk.persisted) {
            self.waits = false;
            self.release(desk);
            if !self.waits {
                self.give(desk, Input::Persisted);
            }
        }
        while !self.waits {
            if let Some(request) = self.agent.next_request() {
                desk.emitted.push(Emitted::Fact(Fact::Asked(request.op, request.asked.into())));
                self.give(desk, Input::User { op: request.op, ask: request.ask });
            } else if let Some(arrival) = desk.arrivals.pop_front() {
                self.take(desk, arrival);
            } else if std::mem::take(&mut desk.woken) {
                self.wake_up(desk);
            } else {
                break;
            }
        }
        self.say_when_to_wake(desk);
        if desk.watched {
            desk.standing = Some(self.standing());
        }
    }

    fn take(&mut self, desk: &mut Desk, arrival: Arrival) {
        match arrival {
            Arrival::Deed(step, deed) => {
                if !self.agent.does(step, deed) {
                    desk.emitted.push(Emitted::Fact(Fact::Skipped(step)));
                }
            }
            Arrival::SignIn => self.agent.signs_in(),
            Arrival::Last(share) => self.agent.reads_all(self.has_server.then_some(share)),
            Arrival::Input(input) => self.give(desk, *input),
            Arrival::Message(mail) => self.receive(desk, mail),
            Arrival::Start(_) => unreachable!("a device is started once in a life"),
            Arrival::Control(_)
            | Arrival::StartWorker(_)
            | Arrival::Volume(_)
            | Arrival::ForProcessor(_) => {
                unreachable!("this is a device")
            }
        }
    }

    fn receive(&mut self, desk: &mut Desk, mail: Message) {
        desk.emitted.push(Emitted::Fact(mail.delivered()));
        match (mail.body, mail.from) {
            (Body::Hint, Node::Remote(from)) => self.give(desk, Input::Hint(from)),
            (Body::Return(answer), Node::Remote(from)) => {
                self.give(desk, Input::Returned { from, answer: *answer });
            }
            (Body::Response(response), _) => self.give(desk, Input::Responded(*response)),
            (Body::Hint | Body::Return(_) | Body::Call(_) | Body::Request(_), _) => {
                unreachable!("nobody calls a device, and only remotes hint and return")
            }
        }
    }

    /// The deadline may have moved while the wake-up was waiting behind other inputs.
    fn wake_up(&mut self, desk: &mut Desk) {
        self.wake = None;
        if self.device.poll_wakeup().is_some_and(|(at, _)| at <= desk.now.mono) {
            self.give(desk, Input::Wakeup);
        }
    }

    fn give(&mut self, desk: &mut Desk, input: Input) {
        self.device.handle(desk.now, input);
        self.device.check();
        desk.take_log();
        self.drain(desk);
    }

    fn drain(&mut self, desk: &mut Desk) {
        for _ in 0..OUTPUTS_PER_INPUT {
            let Some(output) = self.device.poll_output() else { return };
            if self.waits {
                self.held.push_back(output);
            } else {
                self.effect(desk, output);
            }
        }
        panic!("the device put out {OUTPUTS_PER_INPUT} outputs after one input and did not stop");
    }

    fn release(&mut self, desk: &mut Desk) {
        while !self.waits
            && let Some(output) = self.held.pop_front()
        {
            self.effect(desk, output);
        }
    }

    fn effect(&mut self, desk: &mut Desk, output: Output) {
        desk.emitted.push(match output {
            Output::Persist(batch) => {
                self.waits = batch.sync;
                Emitted::Persist(batch)
            }
            Output::Send(remote, call) => Emitted::Send(remote, call.into()),
            Output::Request(request) => Emitted::Request(request),
            Output::Answer(op, answer) => return self.agent.hears(op, answer, &mut desk.emitted),
            Output::StoreKey(name, key) => Emitted::StoreKey(name, key),
            Output::NeedCredential => Emitted::NeedCredential,
            Output::Reached(point) => Emitted::Reached(point),
        });
    }

    fn say_when_to_wake(&mut self, desk: &mut Desk) {
        let wake = self.device.poll_wakeup().map(|(at, _)| at);
        if self.wake != wake {
            self.wake = wake;
            desk.emitted.push(Emitted::Wake(wake));
        }
    }

    /// The answers that are due. A new key is not made while rows are sealed, and some may be for
    /// ever.
    fn owed(&self, status: &Status) -> usize {
        let (all, new_keys) = self.agent.owed();
        if status.sealed == [0, 0] { all } else { all - new_keys }
    }

    fn standing(&self) -> Standing {
        let status = self.device.status();
        Standing {
            signed_in: self.device.signed_in(),
            owed: self.owed(&status),
            status,
            cursors: Remote::ALL.map(|remote| self.device.cursor(remote)),
            listed_at: Remote::ALL.map(|remote| self.device.listed_at(remote)),
            unfinished: Remote::ALL.map(|remote| self.device.unfinished(remote).collect()),
            files_unsent: self.device.files_unsent(),
            files_sealed: self.device.files_sealed(),
            done_with_server: self.device.is_done_with_server(),
        }
    }
}

/// A remote's node.
#[derive(Clone, Debug)]
pub(crate) struct RemoteShell {
    remote: Remote,
    double: SharedDouble,
    accounts: Arc<[UserId]>,
    wake: Option<Time>,
}

impl RemoteShell {
    fn work(&mut self, desk: &mut Desk) {
        let mut double = self.double.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Now { mono: now, .. } = desk.now;
        while let Some(arrival) = desk.arrivals.pop_front() {
            match arrival {
                Arrival::Control(control) => double.control(now, &control),
                Arrival::Message(mail) => {
                    desk.emitted.push(Emitted::Fact(mail.delivered()));
                    let Body::Call(call) = &mail.body else {
                        unreachable!("a remote is only asked")
                    };
                    double.handle(now, mail.asker(), self.account(mail.from), call);
                }
                Arrival::Start(_)
                | Arrival::Deed(..)
                | Arrival::SignIn
                | Arrival::Last(_)
                | Arrival::Input(_)
                | Arrival::StartWorker(_)
                | Arrival::ForProcessor(_)
                | Arrival::Volume(_) => unreachable!("{:?} is a remote", self.remote),
            }
            report(double.as_mut(), &mut desk.emitted);
        }
        if std::mem::take(&mut desk.woken) {
            self.wake = None;
            double.wake(now);
            report(double.as_mut(), &mut desk.emitted);
        }
        let wake = double.poll_wakeup();
        if self.wake != wake {
            self.wake = wake;
            desk.emitted.push(Emitted::Wake(wake));
        }
    }

    fn account(&self, asker: Node) -> Option<UserId> {
        match asker {
            Node::Device(device) => self.accounts.get(usize::from(device.0)).copied(),
            Node::World
            | Node::Remote(_)
            | Node::Worker(_)
            | Node::Processor(_)
            | Node::Volume
            | Node::Intruder => None,
        }
    }
}

/// A worker's node.
#[derive(Clone, Debug)]
pub(crate) struct WorkerShell {
    worker: Worker,
    /// Who waits for an answer, and to what.
    tickets: BTreeMap<Ticket, Asker>,
    next: u64,
    wake: Option<Time>,
}

fn work_worker(worker: &mut Option<Box<WorkerShell>>, desk: &mut Desk) {
    while let Some(arrival) = desk.arrivals.pop_front() {
        match (arrival, worker.as_mut()) {
            (Arrival::StartWorker(boot), _) => {
                let started = Worker::start(*boot);
                let tickets = BTreeMap::new();
                let shell = WorkerShell { worker: started, tickets, next: 0, wake: None };
                *worker = Some(Box::new(shell));
            }
            (Arrival::Message(mail), Some(worker)) => {
                desk.emitted.push(Emitted::Fact(mail.delivered()));
                let asker = mail.asker();
                let Body::Request(request) = mail.body else {
                    unreachable!("a worker is only asked")
                };
                let ticket = Ticket(worker.next);
                worker.next += 1;
                worker.tickets.insert(ticket, asker);
                worker.give(desk, worker::Input::Asked(ticket, request));
            }
            (Arrival::Volume(answer), Some(worker)) => {
                worker.give(desk, worker::Input::Volume(answer));
            }
            (
                Arrival::Message(_)
                | Arrival::Volume(_)
                | Arrival::Start(_)
                | Arrival::Deed(..)
                | Arrival::SignIn
                | Arrival::Last(_)
                | Arrival::Input(_)
                | Arrival::ForProcessor(_)
                | Arrival::Control(_),
                _,
            ) => unreachable!("a worker is started before it is asked, and is no device"),
        }
    }
    let Some(worker) = worker else { return };
    if std::mem::take(&mut desk.woken) {
        worker.wake = None;
        if worker.worker.poll_wakeup().is_some_and(|(at, _)| at <= desk.now.mono) {
            worker.give(desk, worker::Input::Wakeup);
        }
    }
    let wake = worker.worker.poll_wakeup().map(|(at, _)| at);
    if worker.wake != wake {
        worker.wake = wake;
        desk.emitted.push(Emitted::Wake(wake));
    }
}

impl WorkerShell {
    fn give(&mut self, desk: &mut Desk, input: worker::Input) {
        self.worker.handle(desk.now, input);
        desk.take_log();
        for _ in 0..OUTPUTS_PER_INPUT {
            let Some(output) = self.worker.poll_output() else { return self.worker.check() };
            desk.emitted.push(match output {
                worker::Output::Ask(call) => Emitted::Volume(call),
                worker::Output::Answer(ticket, response) => {
                    let Some(to) = self.tickets.remove(&ticket) else { continue };
                    Emitted::Respond(to, response.into())
                }
                worker::Output::Reached(point) => Emitted::Reached(point),
            });
        }
        panic!("the worker put out {OUTPUTS_PER_INPUT} outputs after one input and did not stop");
    }
}

/// Takes over what a double did.
pub(crate) fn report(double: &mut dyn Double, emitted: &mut Vec<Emitted>) {
    while let Some(effect) = double.poll_effect() {
        emitted.push(match effect {
            Effect::Reply(to, answer) => Emitted::Reply(to, answer.into()),
            Effect::Hint(vault, saver) => Emitted::Hint(vault, saver),
            Effect::Fact(fact) => Emitted::Remote(fact),
        });
    }
}
