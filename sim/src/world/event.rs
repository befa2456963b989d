//! What can be due in a world, and in which order within a millisecond: what the world does comes
//! before what reaches a node.

use engine::id::DeviceId;

use super::phases::Phase;
use super::process::ProcessId;
use crate::agenda::Class;
use crate::desk::{Arrival, ForProcessor};
use crate::history::Incarnation;
use crate::message::Message;
use crate::plan::{ProcessorId, StepId, WorkerId};

/// What is due.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The step at this place of the plan.
    Step(usize),
    /// A device is switched on, if this is still the latest plan for it.
    Start(DeviceId, u32),
    /// A device that stood still goes on, if it is the same life.
    Resume(DeviceId, Incarnation),
    /// The fault that this step began ends.
    EndFault(StepId),
    /// A commit of this life of a device is durable.
    Durable(DeviceId, Incarnation, u32),
    /// A device of this life learns that its commit is durable.
    Persisted(DeviceId, Incarnation, u32),
    /// The step at this place has waited for quiet long enough.
    QuietEnough(usize),
    /// The phase that the run is in ends.
    EndPhase(Phase),
    /// A process is switched on, if this is still the latest plan for it.
    StartProcess(ProcessId, u32),
    /// A process that stood still goes on, if it is the same life.
    ResumeProcess(ProcessId, Incarnation),
    /// A request of this life of a worker takes effect.
    AtVolume(WorkerId, Incarnation, engine::volume::Call),
    /// A worker of this life is answered.
    FromVolume(WorkerId, Incarnation, engine::volume::Return),
    /// A processor is told something, in any life or in this one only.
    ForProcessor(ProcessorId, Option<Incarnation>, Box<ForProcessor>),
    /// A message arrives.
    Arrive(Message),
    /// A device is given something, in any life or in this one only.
    Give(DeviceId, Option<Incarnation>, Arrival),
    /// A node is woken, if its deadline has not moved.
    Wake(usize, u32),
}

impl Event {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Step(_)
            | Self::Start(..)
            | Self::Resume(..)
            | Self::EndFault(_)
            | Self::Durable(..)
            | Self::QuietEnough(_)
            | Self::StartProcess(..)
            | Self::ResumeProcess(..)
            | Self::AtVolume(..)
            | Self::EndPhase(_) => Class::World,
            Self::Persisted(..)
            | Self::FromVolume(..)
            | Self::ForProcessor(..)
            | Self::Arrive(_)
            | Self::Give(..)
            | Self::Wake(..) => Class::Input,
        }
    }
}
