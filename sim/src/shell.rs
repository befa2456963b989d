//! The shells: thin loops around machines. A shell works off its desk and turns what the machine
//! puts out into effects; time, storage and messages are the world's.
//!
//! The machine lives in its shell, and the shell in a task of its node, so that a kill drops it.
//! A panic or a logged error ends here: the machine is taken for crashed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use engine::device::{Device, Input, Output};
use engine::id::{Remote, UserId};
use engine::time::{Now, Time};

use crate::alarm::quietly;
use crate::history::{Fact, Letter};
use crate::inbox::{Arrival, Desk, Emitted, Inbox, Standing, Start, Turnstile};
use crate::plan::{Node, Parcel};
use crate::post::{self, Body, Envelope, Mail};
use crate::remote::{Double, Effect};
use crate::workload::Agent;

/// A double that outlives its node: the storage of a remote does not lose power.
pub(crate) type SharedDouble = Arc<Mutex<Box<dyn Double>>>;

/// What runs on a node.
#[derive(Debug)]
pub(crate) enum Shell {
    Device(Option<Box<Machine>>),
    Remote(RemoteShell),
}

/// The task of a node.
pub(crate) async fn serve(mut shell: Shell, inbox: Arc<Inbox>, turnstile: Arc<Turnstile>) {
    loop {
        inbox.called().await;
        shell.work(&mut inbox.desk());
        turnstile.pass();
    }
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

    /// Works off the desk.
    pub(crate) fn work(&mut self, desk: &mut Desk) {
        let outcome = quietly(|| match self {
            Self::Device(machine) => work_device(machine, desk),
            Self::Remote(remote) => remote.work(desk),
        });
        if let Err(message) = outcome {
            if let Self::Device(machine) = self {
                *machine = None;
            }
            desk.emitted.push(Emitted::Crashed(message));
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
#[derive(Debug)]
pub(crate) struct Machine {
    device: Device,
    agent: Agent,
    /// A synced commit is under way: nothing goes in, and nothing after it comes out.
    waits: bool,
    held: VecDeque<Output>,
    wake: Option<Time>,
}

/// More outputs than this after one input are taken for an endless loop.
const OUTPUTS_PER_INPUT: u32 = 100_000;

impl Machine {
    fn start(start: Start, desk: &mut Desk) -> Self {
        let agent = Agent::new(start.needle, start.who());
        let device = Device::recover(start.boot, start.snapshot, desk.now);
        let mut machine = Self { device, agent, waits: false, held: VecDeque::new(), wake: None };
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
                desk.emitted.push(Emitted::Fact(Fact::Asked(request.op, request.asked)));
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
            Arrival::Last => self.agent.reads_all(),
            Arrival::Input(input) => self.give(desk, input),
            Arrival::Mail(mail) => self.receive(desk, mail),
            Arrival::Start(_) => unreachable!("a device is started once in a life"),
            Arrival::Control(_) => unreachable!("only remotes are controlled"),
        }
    }

    fn receive(&mut self, desk: &mut Desk, mail: Mail) {
        let Node::Remote(from) = mail.from else { unreachable!("devices hear from remotes only") };
        desk.emitted.push(Emitted::Fact(delivered(&mail)));
        match mail.body {
            Body::Hint => self.give(desk, Input::Hint(from)),
            Body::Return(answer) => self.give(desk, Input::Returned { from, answer }),
            Body::Call(_) => unreachable!("nobody calls a device"),
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
            Output::Send(remote, call) => Emitted::Send(remote, call),
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
    fn owed(&self) -> usize {
        let (all, new_keys) = self.agent.owed();
        if self.device.status().sealed == [0, 0] { all } else { all - new_keys }
    }

    fn standing(&self) -> Standing {
        Standing {
            signed_in: self.device.signed_in(),
            status: self.device.status(),
            cursors: Remote::ALL.map(|remote| self.device.cursor(remote)),
            listed_at: Remote::ALL.map(|remote| self.device.listed_at(remote)),
            unfinished: Remote::ALL.map(|remote| self.device.unfinished(remote).collect()),
            owed: self.owed(),
        }
    }
}

/// A remote's node.
#[derive(Debug)]
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
                Arrival::Mail(mail) => {
                    desk.emitted.push(Emitted::Fact(delivered(&mail)));
                    let Body::Call(call) = &mail.body else {
                        unreachable!("a remote is only asked")
                    };
                    double.handle(now, mail.from, self.account(mail.from), call);
                }
                Arrival::Start(_)
                | Arrival::Deed(..)
                | Arrival::SignIn
                | Arrival::Last
                | Arrival::Input(_) => unreachable!("{:?} is not a device", self.remote),
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
            Node::World | Node::Remote(_) | Node::Intruder => None,
        }
    }
}

/// Takes over what a double did.
pub(crate) fn report(double: &mut dyn Double, emitted: &mut Vec<Emitted>) {
    while let Some(effect) = double.poll_effect() {
        emitted.push(match effect {
            Effect::Reply(to, answer) => Emitted::Reply(to, answer),
            Effect::Hint(vault, saver) => Emitted::Hint(vault, saver),
            Effect::Fact(fact) => Emitted::Remote(fact),
        });
    }
}

/// The fact that a message arrived and was handled.
pub(crate) fn delivered(mail: &Mail) -> Fact {
    let (refused, rows_refused) = match &mail.body {
        Body::Return(answer) => post::refusals(&answer.reply),
        Body::Call(_) | Body::Hint => (None, Vec::new()),
    };
    Fact::Delivered { from: mail.from, letter: mail.letter, refused, rows_refused }
}

/// The letter of a reply, from the envelope number that the remote was given.
pub(crate) fn letter_of_reply(answer: &engine::remote::Return) -> (Letter, u16) {
    let Envelope { life, parcel, call } = Envelope::unpack(answer.id);
    (Letter { call, attempt: answer.attempt, parcel, answer: true }, life)
}

/// The letter of a hint.
pub(crate) fn letter_of_hint(n: u32) -> Letter {
    let call = engine::remote::CallId(n);
    Letter { call, attempt: 0, parcel: Parcel::Hint, answer: false }
}
