//! The shells: thin loops around machines. A shell takes the events out of its mailbox and turns what the
//! machine puts out into effects; time, storage and messages are the world's.
//!
//! The machine lives in its shell, and the shell in a task of its host, so that a kill drops it.
//! A panic ends here: the machine is taken for crashed. A logged error is written down, and the
//! machine goes on as the product would.

mod processor;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use engine::device::{Device, Input, Output};
use engine::id::{Remote, UserId};
use engine::worker::{self, Ticket, Worker};
use harness::alarm::quietly;
use harness::time::{Now, Time};

use self::processor::ProcessorShell;
use crate::history::{Fact, Skip};
use crate::mailbox::{Effect, Inbound, Mailbox, ServiceCall, Start};
use crate::message::{Asker, Body, Message};
use crate::plan::Node;
use crate::remote::{self, Double};
use crate::time::{ToEngine, ToSimulated};
use crate::workload::Agent;

/// A double that outlives its machine: the storage of a remote does not lose power.
pub(crate) type SharedDouble = Arc<Mutex<Box<dyn Double>>>;

/// What runs on a host.
#[derive(Clone, Debug)]
pub(crate) enum Shell {
    Device(Option<Box<Machine>>),
    Remote(RemoteShell),
    Worker(Option<Box<WorkerShell>>),
    Processor(Option<Box<ProcessorShell>>),
}

impl Shell {
    /// A remote whose askers' accounts are these, by device.
    fn remote(double: SharedDouble, accounts: Arc<[UserId]>) -> Self {
        let remote = double.lock().expect("nothing has panicked yet").remote();
        Self::Remote(RemoteShell { remote, double, accounts, wake: None })
    }

    /// The same, in a world that has been forked: of a remote, the storage is that world's.
    pub(crate) fn fork(&self, storage: Option<&SharedDouble>) -> Self {
        let mut fork = self.clone();
        if let (Self::Remote(shell), Some(storage)) = (&mut fork, storage) {
            shell.double = storage.clone();
        }
        fork
    }

    /// Works off the mailbox.
    pub(crate) fn work(&mut self, mailbox: &mut Mailbox) {
        let outcome = quietly(|| {
            match self {
                Self::Device(machine) => work_device(machine, mailbox),
                Self::Remote(remote) => remote.work(mailbox),
                Self::Worker(worker) => work_worker(worker, mailbox),
                Self::Processor(processor) => processor::work(processor, mailbox),
            }
            mailbox.take_log();
        });
        if let Err(heard) = outcome {
            match self {
                Self::Device(machine) => *machine = None,
                Self::Worker(worker) => *worker = None,
                Self::Processor(processor) => *processor = None,
                Self::Remote(_) => {}
            }
            mailbox.effects_mut().extend(heard.log.into_iter().map(Effect::Logged));
            mailbox.emit(Effect::Crashed(heard.panic));
        }
    }
}

/// Makes the shell of a host, as often as the host is started.
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
            Self::Device => Shell::Device(None),
            Self::Worker => Shell::Worker(None),
            Self::Processor => Shell::Processor(None),
            Self::Remote(double, accounts) => Shell::remote(double.clone(), accounts.clone()),
        }
    }
}

fn work_device(machine: &mut Option<Box<Machine>>, mailbox: &mut Mailbox) {
    if let Some(start) = mailbox.next_start() {
        *machine = Some(Box::new(Machine::start(*start, mailbox)));
    }
    if let Some(machine) = machine {
        machine.work(mailbox);
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
    fn start(start: Start, mailbox: &mut Mailbox) -> Self {
        let agent = Agent::new(start.canary, start.who(), start.last_op);
        let has_server = start.boot.server;
        let device = Device::recover(start.boot, start.snapshot, mailbox.now().to_engine());
        mailbox.take_log();
        let held = VecDeque::new();
        let mut machine = Self { device, agent, waits: false, held, wake: None, has_server };
        machine.drain(mailbox);
        machine
    }

    fn work(&mut self, mailbox: &mut Mailbox) {
        if mailbox.take_persisted() {
            self.waits = false;
            self.release(mailbox);
            if !self.waits {
                self.give(mailbox, Input::Persisted);
            }
        }
        while !self.waits {
            if let Some(request) = self.agent.next_request() {
                mailbox.emit(Effect::Fact(Fact::Asked(request.op, request.asked.into())));
                self.give(mailbox, Input::User { op: request.op, ask: request.ask });
            } else if let Some(inbound) = mailbox.next() {
                self.take(mailbox, inbound);
            } else if mailbox.take_time() {
                self.wake_up(mailbox);
            } else {
                break;
            }
        }
        self.say_when_to_wake(mailbox);
    }

    fn take(&mut self, mailbox: &mut Mailbox, inbound: Inbound) {
        match inbound {
            Inbound::Operation(step, operation) => {
                if !self.agent.does(step, operation) {
                    mailbox.emit(Effect::Fact(Fact::Skipped(step, Skip::Nothing)));
                }
            }
            Inbound::SignIn => self.agent.signs_in(),
            Inbound::Last(share) => self.agent.reads_all(self.has_server.then_some(share)),
            Inbound::Input(input) => self.give(mailbox, *input),
            Inbound::Message(message) => self.receive(mailbox, message),
            Inbound::Start(_) => unreachable!("a device is started once in a life"),
            Inbound::StartWorker(_)
            | Inbound::StartProcessor(_)
            | Inbound::Command(..)
            | Inbound::LastCommands(_)
            | Inbound::ProcessorInput(_)
            | Inbound::Control(_)
            | Inbound::Volume(_) => unreachable!("this is a device"),
        }
    }

    fn receive(&mut self, mailbox: &mut Mailbox, message: Message) {
        mailbox.emit(Effect::Fact(message.delivered()));
        match (message.body, message.from) {
            (Body::Hint, Node::Remote(from)) => self.give(mailbox, Input::Hint(from)),
            (Body::Return(answer), Node::Remote(from)) => {
                self.give(mailbox, Input::Returned { from, answer: *answer });
            }
            (Body::Response(response), _) => self.give(mailbox, Input::Responded(*response)),
            (Body::Hint | Body::Return(_) | Body::Call(_) | Body::Request(_), _) => {
                unreachable!("nobody calls a device, and only remotes hint and return")
            }
        }
    }

    /// The deadline may have moved while the wake-up was waiting behind other inputs.
    fn wake_up(&mut self, mailbox: &mut Mailbox) {
        self.wake = None;
        if self.device.poll_wakeup().is_some_and(|(at, _)| at.to_simulated() <= mailbox.now().mono)
        {
            self.give(mailbox, Input::Wakeup);
        }
    }

    fn give(&mut self, mailbox: &mut Mailbox, input: Input) {
        self.device.handle(mailbox.now().to_engine(), input);
        self.device.check();
        mailbox.take_log();
        self.drain(mailbox);
    }

    fn drain(&mut self, mailbox: &mut Mailbox) {
        for _ in 0..OUTPUTS_PER_INPUT {
            let Some(output) = self.device.poll_output() else { return };
            if self.waits {
                self.held.push_back(output);
            } else {
                self.effect(mailbox, output);
            }
        }
        panic!("the device put out {OUTPUTS_PER_INPUT} outputs after one input and did not stop");
    }

    fn release(&mut self, mailbox: &mut Mailbox) {
        while !self.waits
            && let Some(output) = self.held.pop_front()
        {
            self.effect(mailbox, output);
        }
    }

    fn effect(&mut self, mailbox: &mut Mailbox, output: Output) {
        mailbox.emit(match output {
            Output::Persist(batch) => {
                self.waits = batch.sync;
                Effect::Persist(batch)
            }
            Output::Send(remote, call) => Effect::Send(remote, call.into()),
            Output::Request(request) => Effect::Request(request),
            Output::Answer(op, answer) => {
                return self.agent.hears(op, answer, mailbox.effects_mut());
            }
            Output::StoreKey(name, key) => Effect::Call(ServiceCall::StoreKey(name, key)),
            Output::NeedCredential => Effect::Call(ServiceCall::NeedCredential),
            Output::Reached(point) => Effect::Reached(point),
        });
    }

    fn say_when_to_wake(&mut self, mailbox: &mut Mailbox) {
        let wake = self.device.poll_wakeup().map(|(at, _)| at.to_simulated());
        if self.wake != wake {
            self.wake = wake;
            mailbox.emit(Effect::Wake(wake));
        }
    }
}

/// A remote's host.
#[derive(Clone, Debug)]
pub(crate) struct RemoteShell {
    remote: Remote,
    double: SharedDouble,
    accounts: Arc<[UserId]>,
    wake: Option<Time>,
}

impl RemoteShell {
    fn work(&mut self, mailbox: &mut Mailbox) {
        let mut double = self.double.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Now { mono: now, .. } = mailbox.now();
        while let Some(inbound) = mailbox.next() {
            match inbound {
                Inbound::Control(control) => double.control(now, &control),
                Inbound::Message(message) => {
                    mailbox.emit(Effect::Fact(message.delivered()));
                    let Body::Call(call) = &message.body else {
                        unreachable!("a remote is only asked")
                    };
                    double.handle(now, message.asker(), self.account(message.from), call);
                }
                Inbound::Start(_)
                | Inbound::StartWorker(_)
                | Inbound::StartProcessor(_)
                | Inbound::Operation(..)
                | Inbound::Command(..)
                | Inbound::SignIn
                | Inbound::Last(_)
                | Inbound::LastCommands(_)
                | Inbound::Input(_)
                | Inbound::ProcessorInput(_)
                | Inbound::Volume(_) => unreachable!("{:?} is a remote", self.remote),
            }
            report(double.as_mut(), mailbox.effects_mut());
        }
        if mailbox.take_time() {
            self.wake = None;
            double.wake(now);
            report(double.as_mut(), mailbox.effects_mut());
        }
        let wake = double.poll_wakeup();
        if self.wake != wake {
            self.wake = wake;
            mailbox.emit(Effect::Wake(wake));
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

/// A worker's host.
#[derive(Clone, Debug)]
pub(crate) struct WorkerShell {
    worker: Worker,
    /// Who waits for an answer, and to what.
    tickets: BTreeMap<Ticket, Asker>,
    next: u64,
    wake: Option<Time>,
}

fn work_worker(worker: &mut Option<Box<WorkerShell>>, mailbox: &mut Mailbox) {
    while let Some(inbound) = mailbox.next() {
        match (inbound, worker.as_mut()) {
            (Inbound::StartWorker(boot), _) => {
                let started = Worker::start(*boot);
                let tickets = BTreeMap::new();
                let shell = WorkerShell { worker: started, tickets, next: 0, wake: None };
                *worker = Some(Box::new(shell));
            }
            (Inbound::Message(message), Some(worker)) => {
                mailbox.emit(Effect::Fact(message.delivered()));
                let asker = message.asker();
                let Body::Request(request) = message.body else {
                    unreachable!("a worker is only asked")
                };
                let ticket = Ticket(worker.next);
                worker.next += 1;
                worker.tickets.insert(ticket, asker);
                worker.give(mailbox, worker::Input::Asked(ticket, request));
            }
            (Inbound::Volume(answer), Some(worker)) => {
                worker.give(mailbox, worker::Input::Volume(answer));
            }
            (
                Inbound::Message(_)
                | Inbound::Volume(_)
                | Inbound::Start(_)
                | Inbound::StartProcessor(_)
                | Inbound::Operation(..)
                | Inbound::Command(..)
                | Inbound::SignIn
                | Inbound::Last(_)
                | Inbound::LastCommands(_)
                | Inbound::Input(_)
                | Inbound::ProcessorInput(_)
                | Inbound::Control(_),
                _,
            ) => unreachable!("a worker is started before it is asked, and is no device"),
        }
    }
    let Some(worker) = worker else { return };
    if mailbox.take_time() {
        worker.wake = None;
        if worker
            .worker
            .poll_wakeup()
            .is_some_and(|(at, _)| at.to_simulated() <= mailbox.now().mono)
        {
            worker.give(mailbox, worker::Input::Wakeup);
        }
    }
    let wake = worker.worker.poll_wakeup().map(|(at, _)| at.to_simulated());
    if worker.wake != wake {
        worker.wake = wake;
        mailbox.emit(Effect::Wake(wake));
    }
}

impl WorkerShell {
    fn give(&mut self, mailbox: &mut Mailbox, input: worker::Input) {
        self.worker.handle(mailbox.now().to_engine(), input);
        mailbox.take_log();
        for _ in 0..OUTPUTS_PER_INPUT {
            let Some(output) = self.worker.poll_output() else { return self.worker.check() };
            mailbox.emit(match output {
                worker::Output::Ask(call) => Effect::Call(ServiceCall::Volume(call)),
                worker::Output::Answer(ticket, response) => {
                    let Some(to) = self.tickets.remove(&ticket) else { continue };
                    Effect::Respond(to, response.into())
                }
                worker::Output::Reached(point) => Effect::Reached(point),
            });
        }
        panic!("the worker put out {OUTPUTS_PER_INPUT} outputs after one input and did not stop");
    }
}

/// Takes over what a double did.
pub(crate) fn report(double: &mut dyn Double, emitted: &mut Vec<Effect>) {
    while let Some(effect) = double.poll_effect() {
        emitted.push(match effect {
            remote::Effect::Reply(to, answer) => Effect::Reply(to, answer.into()),
            remote::Effect::Hint(vault, saver) => Effect::Hint(vault, saver),
            remote::Effect::Fact(fact) => Effect::Remote(fact),
            remote::Effect::Hit(hit) => Effect::Hit(hit),
        });
    }
}
