//! The places of those who stay in a smaller plan, and what each sentence of the plan becomes.

use engine::id::DeviceId;

use crate::plan::{
    Act, AtEnd, Fault, Node, PipeFault, Plan, ProcessorId, ServerFault, Step, Trigger, When,
    WorkerId,
};

/// Where those who stay find themselves: by their place so far. What does not leave keeps it.
pub(super) struct Places<'k> {
    devices: Option<&'k [usize]>,
    workers: Option<&'k [usize]>,
    processors: Option<&'k [usize]>,
}

impl<'k> Places<'k> {
    pub(super) const fn devices(kept: &'k [usize]) -> Self {
        Self { devices: Some(kept), workers: None, processors: None }
    }

    pub(super) const fn workers(kept: &'k [usize]) -> Self {
        Self { devices: None, workers: Some(kept), processors: None }
    }

    pub(super) const fn processors(kept: &'k [usize]) -> Self {
        Self { devices: None, workers: None, processors: Some(kept) }
    }

    /// The new place, if there still is one.
    fn place(kept: Option<&[usize]>, at: u16) -> Option<u16> {
        let Some(kept) = kept else { return Some(at) };
        kept.iter().position(|&it| it == usize::from(at)).map(|at| at as u16)
    }

    fn device(&self, id: DeviceId) -> Option<DeviceId> {
        Self::place(self.devices, id.0).map(DeviceId)
    }

    fn worker(&self, id: WorkerId) -> Option<WorkerId> {
        Self::place(self.workers, id.0).map(WorkerId)
    }

    fn processor(&self, id: ProcessorId) -> Option<ProcessorId> {
        Self::place(self.processors, id.0).map(ProcessorId)
    }

    fn node(&self, node: Node) -> Option<Node> {
        match node {
            Node::Device(device) => self.device(device).map(Node::Device),
            Node::Worker(worker) => self.worker(worker).map(Node::Worker),
            Node::Processor(processor) => self.processor(processor).map(Node::Processor),
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => Some(node),
        }
    }

    /// The steps that still can be.
    pub(super) fn steps(&self, plan: &Plan) -> Vec<Step> {
        plan.steps.iter().filter_map(|step| self.step(step)).collect()
    }

    fn step(&self, step: &Step) -> Option<Step> {
        let when = match &step.when {
            When::On(trigger, span) => When::On(self.trigger(trigger)?, *span),
            when @ (When::At(_) | When::After(_)) => when.clone(),
        };
        let act = match &step.act {
            Act::User(device, deed) => Act::User(self.device(*device)?, deed.clone()),
            Act::Fault(fault) => Act::Fault(self.fault(fault)?),
            Act::Order(id, order) => Act::Order(self.processor(*id)?, order.clone()),
            Act::Wait => Act::Wait,
        };
        Some(Step { id: step.id, when, act })
    }

    fn trigger(&self, trigger: &Trigger) -> Option<Trigger> {
        let node = |it: &Node| self.node(*it);
        Some(match trigger {
            Trigger::Got(to, parcel, from) => Trigger::Got(node(to)?, *parcel, node(from)?),
            Trigger::Sent(from, parcel, to) => Trigger::Sent(node(from)?, *parcel, node(to)?),
            Trigger::Lost(from, parcel, to) => Trigger::Lost(node(from)?, *parcel, node(to)?),
            Trigger::Committed(device) => Trigger::Committed(self.device(*device)?),
            Trigger::Quiet(most) => Trigger::Quiet(*most),
        })
    }

    fn fault(&self, fault: &Fault) -> Option<Fault> {
        Some(match fault {
            Fault::Cut(from, to, lasting) => {
                Fault::Cut(self.node(*from)?, self.node(*to)?, *lasting)
            }
            Fault::Offline(id, lasting) => Fault::Offline(self.device(*id)?, *lasting),
            Fault::SlowLink(id, at, times, lasting) => {
                Fault::SlowLink(self.device(*id)?, *at, *times, *lasting)
            }
            Fault::Crash(id, down, fuse) => Fault::Crash(self.device(*id)?, *down, *fuse),
            Fault::Pause(id, span) => Fault::Pause(self.device(*id)?, *span),
            Fault::Destroy(id) => Fault::Destroy(self.device(*id)?),
            Fault::SaveImage(id) => Fault::SaveImage(self.device(*id)?),
            Fault::RestoreImage(id, down) => Fault::RestoreImage(self.device(*id)?, *down),
            Fault::Clone(from, to) => Fault::Clone(self.device(*from)?, self.device(*to)?),
            Fault::ClockJump(id, by) => Fault::ClockJump(self.device(*id)?, *by),
            Fault::DiskFull(id, lasting) => Fault::DiskFull(self.device(*id)?, *lasting),
            Fault::DiskSlow(id, times, lasting) => {
                Fault::DiskSlow(self.device(*id)?, *times, *lasting)
            }
            Fault::HoldKeys(id, lasting) => Fault::HoldKeys(self.device(*id)?, *lasting),
            Fault::ExpireCredential(id) => Fault::ExpireCredential(self.device(*id)?),
            Fault::CorruptRow(at, user, id, Some(seen_by), lasting) => {
                Fault::CorruptRow(*at, *user, *id, Some(self.device(*seen_by)?), *lasting)
            }
            Fault::Server(fault) => Fault::Server(self.server_fault(fault)?),
            Fault::Pipe(fault) => Fault::Pipe(self.pipe_fault(fault)?),
            Fault::CorruptRow(_, _, _, None, _)
            | Fault::LoseReplies(..)
            | Fault::LoseHints(..)
            | Fault::Outage(..)
            | Fault::Throttle(..)
            | Fault::ExpireCursors(_)
            | Fault::HideRow(..)
            | Fault::RejectRow(..)
            | Fault::EndZone(..)
            | Fault::DropPolicy(_)
            | Fault::SlowCommits(..)
            | Fault::Intrude(..) => fault.clone(),
        })
    }

    fn pipe_fault(&self, fault: &PipeFault) -> Option<PipeFault> {
        Some(match *fault {
            PipeFault::Crash(id, down, fuse) => PipeFault::Crash(self.processor(id)?, down, fuse),
            PipeFault::Pause(id, span) => PipeFault::Pause(self.processor(id)?, span),
            PipeFault::ClockJump(id, by) => PipeFault::ClockJump(self.processor(id)?, by),
            PipeFault::SlowStep(..) | PipeFault::FailingStep(_) => *fault,
        })
    }

    fn server_fault(&self, fault: &ServerFault) -> Option<ServerFault> {
        Some(match *fault {
            ServerFault::Crash(id, down, fuse) => ServerFault::Crash(self.worker(id)?, down, fuse),
            ServerFault::Pause(id, span) => ServerFault::Pause(self.worker(id)?, span),
            ServerFault::ClockJump(id, by) => ServerFault::ClockJump(self.worker(id)?, by),
            ServerFault::Volume(..) | ServerFault::Restore(..) | ServerFault::Intrude(_) => *fault,
        })
    }

    pub(super) fn expectation(&self, it: &AtEnd) -> Option<AtEnd> {
        let on: Vec<Node> = it.on.iter().filter_map(|node| self.node(*node)).collect();
        (!on.is_empty()).then(|| AtEnd { on, ..it.clone() })
    }
}
