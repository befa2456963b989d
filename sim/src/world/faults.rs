//! The faults of a run: which are active, what they make of the environment, and what they leave behind.

use engine::id::{DeviceId, Remote};
use harness::random::Draw;
use harness::time::{Span, Time};

use super::action::{Action, Actions};
use super::damage::Damage;
use super::event::Event;
use super::host::{CrashAfter, Host, Power};
use super::owners::Owners;
use crate::fault::{self, Ongoing, Weather, lasting};
use crate::plan::{Fault, Lasting, Node, PipeFault, ServerFault, StepId};
use crate::remote::Control;

/// The faults of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    nature: u64,
    ongoing: Vec<Ongoing>,
    active: Weather,
    damage: Damage,
}

impl Faults {
    pub(super) fn new(nature: u64) -> Self {
        Self { nature, ..Self::default() }
    }

    /// What the active faults make of the environment.
    pub(super) fn active(&self) -> &Weather {
        &self.active
    }

    /// What faults leave behind.
    pub(super) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// A fault has begun: it may leave something behind, and is active from now on, if it is one that lasts.
    pub(super) fn begin(&mut self, now: Time, (step, fault): (StepId, &Fault), out: &mut Actions) {
        self.damage.leave(fault);
        let Some(lasting) = lasting(fault) else { return };
        self.ongoing.push(Ongoing::new(step, fault.clone()));
        self.active = Weather::of(&self.ongoing);
        if let Lasting::For(span) = lasting {
            let order = Draw::new(self.nature, "fault ends").and(u64::from(step.0));
            let at = now + Span(span.0.max(1));
            out.push(Action::Schedule(at, order, Event::EndFault(step)));
        }
    }

    /// The fault that this step began ends, unless it has ended already. Returns it, with what a remote is
    /// to be told.
    pub(super) fn end(&mut self, step: StepId) -> Option<(Fault, Option<(Remote, Control)>)> {
        let at = self.ongoing.iter().position(|ongoing| ongoing.step == step)?;
        let Ongoing { fault, .. } = self.ongoing.remove(at);
        self.active = Weather::of(&self.ongoing);
        let control = fault::ending_control(&fault, &self.ongoing);
        Some((fault, control))
    }

    /// The steps whose faults end when the faults of a plan end.
    pub(super) fn that_can_end(&self) -> Vec<StepId> {
        let ends = |ongoing: &&Ongoing| !ongoing.outlasts_the_storm();
        self.ongoing.iter().filter(ends).map(|ongoing| ongoing.step).collect()
    }
}

/// The fault of a host that loses power at once.
pub(super) fn crash_now(node: Node, back: Span) -> Option<Fault> {
    Some(match node {
        Node::Device(device) => Fault::Crash(device, back, 0),
        Node::Worker(worker) => Fault::Server(ServerFault::Crash(worker, back, 0)),
        Node::Processor(processor) => Fault::Pipe(PipeFault::Crash(processor, back, 0)),
        Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => return None,
    })
}

/// The loss of power that waits, if this fault is one.
pub(super) fn crash_after(step: StepId, fault: &Fault) -> Option<(Node, CrashAfter)> {
    let (node, back, effects) = if let Fault::Crash(device, back, effects) = *fault {
        (Node::Device(device), back, effects)
    } else if let Fault::Server(ServerFault::Crash(worker, back, effects)) = *fault {
        (Node::Worker(worker), back, effects)
    } else if let Fault::Pipe(PipeFault::Crash(processor, back, effects)) = *fault {
        (Node::Processor(processor), back, effects)
    } else {
        return None;
    };
    (effects > 0).then_some((node, CrashAfter { step, effects, back }))
}

/// Can a fault happen as things are?
pub(super) fn can_happen(fault: &Fault, owners: Owners<'_>) -> bool {
    let host = |node| owners.hosts.find(node);
    let device = |device: &DeviceId| owners.hosts.get(Node::Device(*device));
    let is_up = |node| host(node).is_some_and(Host::is_up);
    let is_awake = |node| host(node).is_some_and(|host| !host.stands_still());
    let has_disk = |id: &DeviceId| matches!(device(id).power(), Power::Running | Power::Off);
    let has = |remote| owners.services.remotes.shared(remote).is_some();
    match fault {
        Fault::Crash(id, ..) => is_up(Node::Device(*id)),
        Fault::Pause(id, _) => is_awake(Node::Device(*id)),
        Fault::Destroy(id) => device(id).power() != Power::Gone,
        Fault::SaveImage(id) => has_disk(id),
        Fault::RestoreImage(id, _) => {
            let storage = device(id).storage();
            device(id).power() != Power::Gone && storage.is_some_and(|it| it.has_image())
        }
        Fault::Clone(from, to) => {
            has_disk(from)
                && device(to).power() == Power::New
                && owners.hosts.user_of(Node::Device(*from))
                    == owners.hosts.user_of(Node::Device(*to))
        }
        Fault::Outage(remote, _)
        | Fault::Throttle(remote, ..)
        | Fault::ExpireCursors(remote)
        | Fault::CorruptRow(remote, ..)
        | Fault::RejectRow(remote, ..)
        | Fault::Intrude(remote, _) => has(*remote),
        Fault::ExpireCredential(_)
        | Fault::HideRow(..)
        | Fault::DropPolicy(_)
        | Fault::SlowCommits(..) => has(Remote::Rows),
        Fault::EndZone(..) => has(Remote::Zone),
        Fault::Server(ServerFault::Crash(it, ..) | ServerFault::ClockJump(it, _)) => {
            is_up(Node::Worker(*it))
        }
        Fault::Server(ServerFault::Pause(it, _)) => is_awake(Node::Worker(*it)),
        Fault::Server(
            ServerFault::Volume(..) | ServerFault::Restore(..) | ServerFault::Intrude(_),
        ) => owners.plan.server.is_some(),
        Fault::Pipe(PipeFault::Crash(it, ..) | PipeFault::ClockJump(it, _)) => {
            is_up(Node::Processor(*it))
        }
        Fault::Pipe(PipeFault::Pause(it, _)) => is_awake(Node::Processor(*it)),
        Fault::Pipe(PipeFault::SlowStep(..) | PipeFault::FailingStep(_)) => {
            owners.hosts.processors().next().is_some()
        }
        Fault::Cut(..)
        | Fault::Offline(..)
        | Fault::SlowLink(..)
        | Fault::LoseReplies(..)
        | Fault::LoseHints(..)
        | Fault::ClockJump(..)
        | Fault::DiskFull(..)
        | Fault::DiskSlow(..)
        | Fault::HoldKeys(..) => true,
    }
}
