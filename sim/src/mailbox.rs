//! The mailbox of a host: the only thing that the world and a host share. The world puts inbound events
//! and the time into it and calls the host; the host takes the events and leaves its effects.
//!
//! A host touches nothing but its own mailbox while it works, so the order in which the hosts of one
//! turn work cannot be observed.

use std::collections::VecDeque;

use engine::device::{self, Batch, Input, Snapshot};
use engine::id::{DeviceId, Remote, Token, UserId, VaultId};
use engine::point::Point;
use engine::remote::{Call, Return};
use engine::seal::{Key, KeyName};
use engine::{processor, volume};
use harness::alarm::{Logged, take_log};
use harness::time::{Now, Time};

use crate::fault::Hit;
use crate::history::Fact;
use crate::message::{Asker, Message};
use crate::plan::{Effect as EffectKind, Node, ProcessorCommand, StepId, UserOperation};
use crate::remote::{Control, RemoteFact};

/// What reaches a host.
#[derive(Clone, Debug)]
pub(crate) enum Inbound {
    /// Starts a device.
    Start(Box<Start>),
    /// Starts a worker.
    StartWorker(Box<engine::worker::Boot>),
    /// Starts a processor.
    StartProcessor(Box<StartProcessor>),
    /// A step of the plan: the user does something.
    Operation(StepId, UserOperation),
    /// A step of the plan: a processor is commanded to do something.
    Command(StepId, ProcessorCommand),
    /// The user signs in on a device that is new.
    SignIn,
    /// The user reads everything for the last time; of what is the same on all devices, this part.
    Last(Share),
    /// The last commands to a processor: it shows everything.
    LastCommands(Vec<ProcessorCommand>),
    /// Something for a device from outside of the network.
    Input(Box<Input>),
    /// Something for a processor from outside of the network.
    ProcessorInput(Box<processor::Input>),
    /// A message.
    Message(Message),
    /// Something happens to a remote.
    Control(Control),
    /// The volume answers a worker.
    Volume(engine::volume::Return),
}

impl Inbound {
    /// The message that it is, if it is one.
    pub(crate) fn into_message(self) -> Option<Message> {
        if let Self::Message(message) = self { Some(message) } else { None }
    }

    /// Is it a key that another device has made?
    pub(crate) fn is_new_key(&self) -> bool {
        matches!(self, Self::Input(input) if matches!(**input, Input::KeyArrived(..)))
    }

    /// The step on a conversation that ends with this, and the label of its result.
    pub(crate) fn ended_step(&self) -> Option<(processor::StepId, Option<Token>)> {
        let Self::ProcessorInput(input) = self else { return None };
        let processor::Input::Stepped(step, result) = &**input else { return None };
        Some((*step, result.as_ref().map(|result| result.token)))
    }

    /// What it is, for people.
    fn tell(&self, name: &impl Fn(Node) -> String) -> String {
        match self {
            Self::Start(_) | Self::StartWorker(_) | Self::StartProcessor(_) => {
                "its start".to_owned()
            }
            Self::Operation(step, _) | Self::Command(step, _) => format!("step {}", step.0),
            Self::SignIn => "the sign-in of its user".to_owned(),
            Self::Last(_) | Self::LastCommands(_) => "the last reads".to_owned(),
            Self::Input(_) | Self::ProcessorInput(_) => "something from its system".to_owned(),
            Self::Message(message) => {
                let what = if message.message_id.answer { "answer to a " } else { "" };
                format!("the {what}{} of {}", message.message_id.message_kind, name(message.from))
            }
            Self::Control(_) => "a fault".to_owned(),
            Self::Volume(_) => "an answer of the volume".to_owned(),
        }
    }

    /// The step of the plan that this is, if it is one: it is skipped where it cannot be done.
    pub(crate) fn step(&self) -> Option<StepId> {
        match self {
            Self::Operation(step, _) | Self::Command(step, _) => Some(*step),
            Self::Start(_)
            | Self::StartWorker(_)
            | Self::StartProcessor(_)
            | Self::SignIn
            | Self::Last(_)
            | Self::LastCommands(_)
            | Self::Input(_)
            | Self::ProcessorInput(_)
            | Self::Message(_)
            | Self::Control(_)
            | Self::Volume(_) => None,
        }
    }
}

/// Which of this number of equal parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) part: u64,
    pub(crate) of: u64,
}

impl Share {
    /// The only part.
    pub(crate) const WHOLE: Self = Self { part: 0, of: 1 };

    /// Does something of this number belong to it?
    pub(crate) fn has(self, n: u64) -> bool {
        n % self.of == self.part
    }
}

/// All that a processor needs to start.
#[derive(Clone, Debug)]
pub(crate) struct StartProcessor {
    pub(crate) boot: processor::Boot,
    /// The last number of an operation that no step of the plan names, in any life.
    pub(crate) last_op: u32,
    /// The prefix of all tokens of the run.
    pub(crate) canary: [u8; 8],
}

/// All that a device needs to start.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) boot: device::Boot,
    /// The last number of an operation that no step of the plan names, in any life.
    pub(crate) last_op: u32,
    pub(crate) snapshot: Snapshot,
    /// The prefix of all tokens of the run.
    pub(crate) canary: [u8; 8],
}

/// What a host put out, in order.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Something for the history as it is.
    Fact(Fact),
    /// A commit for the disk.
    Persist(Batch),
    /// A request to a remote.
    Send(Remote, Box<Call>),
    /// A request to the sync server.
    Request(Box<engine::message::Request>),
    /// A worker answers.
    Respond(Asker, Box<engine::message::Response>),
    /// A call of a service.
    Call(ServiceCall),
    /// A coverage point.
    Reached(Point),
    /// When to be woken, from now on.
    Wake(Option<Time>),
    /// The machine logged this; the history is the same without, unless it is an error.
    Logged(Logged),
    /// A panic; the machine has crashed.
    Crashed(String),
    /// A remote answers.
    Reply(Asker, Box<Return>),
    /// A remote hints to everyone of a vault but one.
    Hint(VaultId, Node),
    /// A remote did something.
    Remote(RemoteFact),
    /// A remote did otherwise than it would without an active fault.
    Hit(Hit),
}

/// What hosts ask of services that are not hosts.
#[derive(Clone, Debug)]
pub(crate) enum ServiceCall {
    /// A worker asks the volume.
    Volume(volume::Call),
    /// A key for the keychain.
    StoreKey(KeyName, Key),
    /// A question to the sign-in service.
    NeedCredential,
    /// A processor has a conversation worked on.
    Step(processor::StepId, Box<engine::dedup::Thread>),
}

impl ServiceCall {
    fn kind(&self) -> EffectKind {
        match self {
            Self::StoreKey(..) => EffectKind::NewKey,
            Self::NeedCredential => EffectKind::Credential,
            Self::Step(..) => EffectKind::Step,
            Self::Volume(call) => match call.request {
                volume::Request::Create(..) | volume::Request::Put(..) => EffectKind::Write,
                volume::Request::Get(_) => EffectKind::Get,
                volume::Request::List(_) => EffectKind::List,
                volume::Request::Delete(_) => EffectKind::Delete,
            },
        }
    }
}

impl Effect {
    /// As what a loss of power after it is counted, if it reaches beyond the host.
    pub(crate) fn kind(&self) -> Option<EffectKind> {
        Some(match self {
            Self::Persist(_) => EffectKind::Commit,
            Self::Send(..) => EffectKind::Call,
            Self::Request(_) => EffectKind::Request,
            Self::Fact(Fact::Answered(..)) => EffectKind::Answer,
            Self::Call(call) => call.kind(),
            Self::Respond(..) => EffectKind::Response,
            Self::Fact(_)
            | Self::Reached(_)
            | Self::Wake(_)
            | Self::Logged(_)
            | Self::Crashed(_)
            | Self::Reply(..)
            | Self::Hint(..)
            | Self::Remote(_)
            | Self::Hit(_) => return None,
        })
    }
}

/// The mailbox of a host.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    now: Now,
    inbound: VecDeque<Inbound>,
    is_persisted: bool,
    is_woken: bool,
    effects: Vec<Effect>,
}

impl Mailbox {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            now: Now { mono: Time(0), wall: Time(0) },
            inbound: VecDeque::new(),
            is_persisted: false,
            is_woken: false,
            effects: Vec::new(),
        }
    }

    /// What the clocks of the host show in this turn.
    pub(crate) fn now(&self) -> Now {
        self.now
    }

    /// The clocks of the host show this from now on.
    pub(crate) fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    /// Puts an event in, behind all others.
    pub(crate) fn put(&mut self, inbound: Inbound) {
        self.inbound.push_back(inbound);
    }

    /// The synced commit is durable.
    pub(crate) fn tell_persisted(&mut self) {
        self.is_persisted = true;
    }

    /// The time for which the host asked has come.
    pub(crate) fn tell_time(&mut self) {
        self.is_woken = true;
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Option<Inbound> {
        self.inbound.pop_front()
    }

    /// What starts a device, if that comes next.
    pub(crate) fn next_start(&mut self) -> Option<Box<Start>> {
        let is_start = |inbound: &mut Inbound| matches!(inbound, Inbound::Start(_));
        let next = self.inbound.pop_front_if(is_start)?;
        if let Inbound::Start(start) = next { Some(start) } else { None }
    }

    /// What the host has been given and not taken yet, a line each.
    pub(crate) fn tell(&self, name: impl Fn(Node) -> String) -> Vec<String> {
        let inbound = self.inbound.iter().map(|inbound| inbound.tell(&name));
        let persisted = self.is_persisted.then(|| "the answer of its disk".to_owned());
        let woken = self.is_woken.then(|| "its deadline".to_owned());
        inbound.chain(persisted).chain(woken).collect()
    }

    /// Has the host not taken all events?
    pub(crate) fn has_events(&self) -> bool {
        !self.inbound.is_empty()
    }

    /// Has anything reached the host that it has not taken?
    pub(crate) fn has_any(&self) -> bool {
        self.has_events() || self.is_persisted || self.is_woken
    }

    /// Has the synced commit become durable since this was last asked?
    pub(crate) fn take_persisted(&mut self) -> bool {
        std::mem::take(&mut self.is_persisted)
    }

    /// Has the time come since this was last asked?
    pub(crate) fn take_time(&mut self) -> bool {
        std::mem::take(&mut self.is_woken)
    }

    /// Leaves an effect, after all others.
    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Where effects are left.
    pub(crate) fn effects_mut(&mut self) -> &mut Vec<Effect> {
        &mut self.effects
    }

    /// Takes over what the machine has logged until now, so that it stands among its effects where
    /// it was logged.
    pub(crate) fn take_log(&mut self) {
        let log = take_log();
        if !log.is_empty() {
            self.effects.extend(log.into_iter().map(Effect::Logged));
        }
    }

    /// Takes out events that will not happen.
    pub(crate) fn take_out(&mut self, is_out: impl Fn(&Inbound) -> bool) -> Vec<Inbound> {
        let (out, stay): (VecDeque<_>, _) =
            std::mem::take(&mut self.inbound).into_iter().partition(is_out);
        self.inbound = stay;
        out.into()
    }

    /// Clears what a host that lost power had not taken; returns it.
    pub(crate) fn clear(&mut self) -> VecDeque<Inbound> {
        (self.is_persisted, self.is_woken) = (false, false);
        self.effects.clear();
        std::mem::take(&mut self.inbound)
    }
}

impl Start {
    /// Which device starts, and whose it is.
    pub(crate) fn who(&self) -> (DeviceId, UserId) {
        (self.boot.device, self.boot.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_loses_power_leaves_an_empty_mailbox_and_what_it_had_not_taken() {
        let mut mailbox = Mailbox::new();
        mailbox.put(Inbound::SignIn);
        mailbox.tell_persisted();
        assert_eq!(mailbox.clear().len(), 1);
        assert!(!mailbox.has_events() && !mailbox.take_persisted());
    }
}
