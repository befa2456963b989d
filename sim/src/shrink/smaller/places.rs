//! The places of those who stay in a smaller plan, and what each sentence of the plan becomes.

use engine::id::{DeviceId, Remote};

use crate::fault::{Spare, Value};
use crate::plan::{
    Act, Expectation, Fault, Node, Plan, ProcessorId, Step, Trigger, When, WorkerId,
};

/// Where those who stay find themselves: by their place so far. What does not leave keeps it.
pub(super) struct Places<'k> {
    devices: Option<&'k [usize]>,
    workers: Option<&'k [usize]>,
    processors: Option<&'k [usize]>,
    /// Remotes are named by their kind, and keep that name.
    remotes: Option<&'k [Remote]>,
}

impl<'k> Places<'k> {
    const ALL: Self = Self { devices: None, workers: None, processors: None, remotes: None };

    pub(super) const fn devices(kept: &'k [usize]) -> Self {
        Self { devices: Some(kept), ..Self::ALL }
    }

    pub(super) const fn workers(kept: &'k [usize]) -> Self {
        Self { workers: Some(kept), ..Self::ALL }
    }

    pub(super) const fn processors(kept: &'k [usize]) -> Self {
        Self { processors: Some(kept), ..Self::ALL }
    }

    pub(super) const fn remotes(kept: &'k [Remote]) -> Self {
        Self { remotes: Some(kept), ..Self::ALL }
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

    fn remote(&self, remote: Remote) -> Option<Remote> {
        self.remotes.is_none_or(|kept| kept.contains(&remote)).then_some(remote)
    }

    fn node(&self, node: Node) -> Option<Node> {
        match node {
            Node::Device(device) => self.device(device).map(Node::Device),
            Node::Worker(worker) => self.worker(worker).map(Node::Worker),
            Node::Processor(processor) => self.processor(processor).map(Node::Processor),
            Node::Remote(remote) => self.remote(remote).map(Node::Remote),
            Node::World | Node::Volume | Node::Intruder => Some(node),
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
            Act::User(device, operation) => Act::User(self.device(*device)?, operation.clone()),
            Act::Fault(fault, lasting) => Act::Fault(self.fault(fault)?, *lasting),
            Act::Processor(id, order) => Act::Processor(self.processor(*id)?, order.clone()),
            Act::Wait => Act::Wait,
        };
        Some(Step { id: step.id, when, act })
    }

    fn trigger(&self, trigger: &Trigger) -> Option<Trigger> {
        let node = |it: &Node| self.node(*it);
        Some(match trigger {
            Trigger::Got(to, message_kind, from) => {
                Trigger::Got(node(to)?, *message_kind, node(from)?)
            }
            Trigger::Sent(from, message_kind, to) => {
                Trigger::Sent(node(from)?, *message_kind, node(to)?)
            }
            Trigger::Lost(from, message_kind, to) => {
                Trigger::Lost(node(from)?, *message_kind, node(to)?)
            }
            Trigger::Committed(device) => Trigger::Committed(self.device(*device)?),
            Trigger::Quiet(most) => Trigger::Quiet(*most),
        })
    }

    fn fault(&self, fault: &Fault) -> Option<Fault> {
        fault.map(|value| {
            Some(match value {
                Value::Device(id) => Value::Device(self.device(id)?),
                Value::Worker(id) => Value::Worker(self.worker(id)?),
                Value::Processor(id) => Value::Processor(self.processor(id)?),
                Value::Host(node) => Value::Host(self.node(node)?),
                Value::Spare(Spare(id)) => Value::Spare(Spare(self.device(id)?)),
                Value::SeenBy(Some(id)) => Value::SeenBy(Some(self.device(id)?)),
                Value::Remote(remote) => Value::Remote(self.remote(remote)?),
                Value::SeenBy(None)
                | Value::User(_)
                | Value::Row(_)
                | Value::Ending(_)
                | Value::Times(_)
                | Value::Wait(_)
                | Value::Age(_)
                | Value::Shift(_)
                | Value::Effects(_) => value,
            })
        })
    }

    /// What can still be expected.
    pub(super) fn expectations(&self, plan: &Plan) -> Vec<Expectation> {
        plan.at_end.iter().filter_map(|it| self.expectation(it)).collect()
    }

    fn expectation(&self, it: &Expectation) -> Option<Expectation> {
        let on: Vec<Node> = it.on.iter().filter_map(|node| self.node(*node)).collect();
        (!on.is_empty()).then(|| Expectation { on, ..it.clone() })
    }
}
