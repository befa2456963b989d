//! Fuses: a machine loses power right after it has done a given number of things. A test of all
//! numbers is a test of every point at which it can die.

use engine::volume;

use super::World;
use crate::desk::Emitted;
use crate::fault::Fault;
use crate::plan::{Effect, Lasting, Node, StepId};

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
    fault: Fault,
    lasting: Lasting,
    /// The number of effects that are left until then.
    left: u16,
}

impl Fuse {
    /// One that waits for as many effects of its host as the fault says.
    pub(super) fn new(step: StepId, fault: Fault, lasting: Lasting) -> Self {
        Self { step, fault, lasting, left: fault.effects() }
    }
}

impl World {
    /// A machine has done something; true if it died of it.
    pub(super) fn burns_down(&mut self, node: Node, effect: Effect) -> bool {
        for fuse in self.fuses.iter_mut().filter(|fuse| fuse.fault.host() == node) {
            fuse.left -= 1;
        }
        // Two that end at once are one loss of power.
        let burnt = self.fuses.extract_if(.., |fuse| fuse.left == 0).next();
        self.fuses.retain(|fuse| fuse.left > 0);
        let Some(Fuse { step, fault, lasting, .. }) = burnt else { return false };
        self.cover(effect.name());
        self.strike(step, &fault, lasting)
    }
}
