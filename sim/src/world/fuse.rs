//! Fuses: a machine loses power right after it has done a given number of things. A test of all
//! numbers is a test of every point at which it can die.

use engine::volume;
use harness::time::Span;

use super::World;
use crate::desk::Emitted;
use crate::plan::{Effect, Fault, Node, PipeFault, ServerFault, StepId};

/// What a node emitted; nothing if it is only for the stage.
pub(super) fn effect_of(emitted: &Emitted) -> Option<Effect> {
    Some(match emitted {
        Emitted::Persist(_) => Effect::Commit,
        Emitted::Send(..) => Effect::Call,
        Emitted::Request(_) => Effect::Request,
        Emitted::Fact(crate::history::Fact::Answered(..)) => Effect::Answer,
        Emitted::StoreKey(..) => Effect::NewKey,
        Emitted::NeedCredential => Effect::Credential,
        Emitted::Volume(call) => match call.request {
            volume::Request::Create(..) | volume::Request::Put(..) => Effect::Write,
            volume::Request::Get(_) => Effect::Get,
            volume::Request::List(_) => Effect::List,
            volume::Request::Delete(_) => Effect::Delete,
        },
        Emitted::Respond(..) => Effect::Response,
        Emitted::Step(..) => Effect::Step,
        Emitted::Fact(_)
        | Emitted::Reached(_)
        | Emitted::Wake(_)
        | Emitted::Logged(_)
        | Emitted::Crashed(_)
        | Emitted::Reply(..)
        | Emitted::Hint(..)
        | Emitted::Remote(_) => return None,
    })
}

/// A loss of power that waits for its moment.
#[derive(Clone, Debug)]
pub(super) struct Fuse {
    step: StepId,
    node: Node,
    /// So many more effects.
    left: u16,
    back: Span,
}

impl World {
    /// Lights a fuse, if this fault is one.
    pub(super) fn light(&mut self, step: StepId, fault: &Fault) -> bool {
        let (node, back, left) = if let Fault::Crash(device, back, left) = *fault {
            (Node::Device(device), back, left)
        } else if let Fault::Server(ServerFault::Crash(worker, back, left)) = *fault {
            (Node::Worker(worker), back, left)
        } else if let Fault::Pipe(PipeFault::Crash(processor, back, left)) = *fault {
            (Node::Processor(processor), back, left)
        } else {
            return false;
        };
        if left > 0 {
            self.fuses.push(Fuse { step, node, left, back });
        }
        left > 0
    }

    /// A machine has done something; true if it died of it.
    pub(super) fn burns_down(&mut self, node: Node, effect: Effect) -> bool {
        for fuse in self.fuses.iter_mut().filter(|fuse| fuse.node == node) {
            fuse.left -= 1;
        }
        // Two that end at once are one loss of power.
        let burnt = self.fuses.extract_if(.., |fuse| fuse.left == 0).next();
        self.fuses.retain(|fuse| fuse.left > 0);
        let Some(Fuse { step, back, .. }) = burnt else { return false };
        self.cover(effect.name());
        let crash = match node {
            Node::Device(device) => Fault::Crash(device, back, 0),
            Node::Worker(worker) => Fault::Server(ServerFault::Crash(worker, back, 0)),
            Node::Processor(processor) => Fault::Pipe(PipeFault::Crash(processor, back, 0)),
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => return false,
        };
        self.begin_fault(step, &crash)
    }
}
