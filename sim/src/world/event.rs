//! What can be due in a run, and in which order within a millisecond: what the world does comes
//! before what reaches a host.

use engine::volume::Call;
use harness::queue::Class;

use super::phase::Phase;
use crate::history::Incarnation;
use crate::mailbox::Inbound;
use crate::message::Message;
use crate::plan::{Node, StepId, WorkerId};

/// What is due.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The step at this place of the plan.
    Step(usize),
    /// The expectation at this place of the plan is to be shown.
    Look(usize),
    /// A host starts, if this is still the latest plan for it.
    Start(Node, u32),
    /// A host that stood still goes on, if it is the same incarnation.
    Resume(Node, Incarnation),
    /// The fault that this step began ends.
    EndFault(StepId),
    /// A commit of this incarnation of a device is durable.
    Durable(Node, Incarnation, u32),
    /// A device of this incarnation learns that its commit is durable.
    Persisted(Node, Incarnation, u32),
    /// The step at this place has waited for quiescence long enough.
    QuietEnough(usize),
    /// The phase that the run is in ends.
    EndPhase(Phase),
    /// A request of this incarnation of a worker takes effect.
    AtVolume(WorkerId, Incarnation, Call),
    /// A message arrives.
    Arrive(Message),
    /// A host is given something, in any incarnation or in this one only.
    Give(Node, Option<Incarnation>, Inbound),
    /// The host at this place is woken.
    Wake(usize),
}

impl Event {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Step(_)
            | Self::Look(_)
            | Self::Start(..)
            | Self::Resume(..)
            | Self::EndFault(_)
            | Self::Durable(..)
            | Self::QuietEnough(_)
            | Self::AtVolume(..)
            | Self::EndPhase(_) => Class::World,
            Self::Persisted(..) | Self::Arrive(_) | Self::Give(..) | Self::Wake(_) => Class::Input,
        }
    }

    /// The message that arrives with it, if one does.
    pub(super) fn into_message(self) -> Option<Message> {
        if let Self::Arrive(message) = self { Some(message) } else { None }
    }

    /// Is it something under way between a worker and others? It ends with the worker's connections.
    pub(super) fn is_on_a_connection_of_a_worker(&self) -> bool {
        match self {
            Self::AtVolume(..) => true,
            Self::Arrive(message) => message.is_of_worker(),
            Self::Give(_, _, inbound) => matches!(inbound, Inbound::Volume(_)),
            Self::Step(_)
            | Self::Look(_)
            | Self::Start(..)
            | Self::Resume(..)
            | Self::EndFault(_)
            | Self::Durable(..)
            | Self::Persisted(..)
            | Self::QuietEnough(_)
            | Self::EndPhase(_)
            | Self::Wake(_) => false,
        }
    }
}
