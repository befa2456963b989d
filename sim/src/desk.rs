//! The desk: the only thing that the world and a node share. The world lays arrivals and the time on
//! it and calls; the node works them off and leaves what it emitted.
//!
//! A node touches nothing but its own desk while it works, so the order in which the nodes of one
//! turn are served cannot be observed.

use std::collections::VecDeque;

use engine::device::{self, Batch, Input, Snapshot, Status, Unfinished};
use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::point::Point;
use engine::remote::{Call, Cursor, Return};
use engine::seal::{Key, KeyName};
use engine::time::{Now, Time};

use crate::alarm::{Logged, take_log};
use crate::history::Fact;
use crate::message::{Asker, Message};
use crate::plan::{Deed, Node, Order, StepId};
use crate::remote::{Control, RemoteFact};

/// What reaches a node.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    /// Switches a device on.
    Start(Box<Start>),
    /// A step of the plan: the user does something.
    Deed(StepId, Deed),
    /// The user signs in on a device that is new.
    SignIn,
    /// The user reads everything for the last time; of what is the same on all devices, this part.
    Last(Share),
    /// Something from outside of the network.
    Input(Box<Input>),
    /// A message.
    Message(Message),
    /// A remote is told what happens to it.
    Control(Control),
    /// Switches a worker on.
    StartWorker(Box<engine::worker::Boot>),
    /// Something for a processor.
    ForProcessor(ForProcessor),
    /// The volume answers a worker.
    Volume(engine::volume::Return),
}

/// Which of so many equal parts.
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

/// What reaches a processor, beside messages.
#[derive(Clone, Debug)]
pub(crate) enum ForProcessor {
    /// Switches it on.
    Start(Box<StartProcessor>),
    /// A step of the plan: it is told to do something.
    Order(StepId, Order),
    /// The last looks at everything.
    Last(Vec<Order>),
    /// Something from outside of the network.
    Input(Box<engine::processor::Input>),
}

/// All that a processor needs to start.
#[derive(Clone, Debug)]
pub(crate) struct StartProcessor {
    pub(crate) boot: engine::processor::Boot,
    /// The last number of an operation that no step of the plan names, in any life.
    pub(crate) last_op: u32,
    /// The prefix of all tokens of the run.
    pub(crate) needle: [u8; 8],
}

/// All that a device needs to start.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) boot: device::Boot,
    /// The last number of an operation that no step of the plan names, in any life.
    pub(crate) last_op: u32,
    pub(crate) snapshot: Snapshot,
    /// The prefix of all tokens of the run.
    pub(crate) needle: [u8; 8],
}

/// What a node did, in order.
#[derive(Clone, Debug)]
pub(crate) enum Emitted {
    /// Something for the history as it is.
    Fact(Fact),
    /// A commit for the disk.
    Persist(Batch),
    /// A request for the post.
    Send(Remote, Box<Call>),
    /// A request to the sync server.
    Request(Box<engine::message::Request>),
    /// A worker asks the volume.
    Volume(engine::volume::Call),
    /// A worker answers.
    Respond(Asker, Box<engine::message::Response>),
    /// A key for the keychain.
    StoreKey(KeyName, Key),
    /// A question to the sign-in service.
    NeedCredential,
    /// A processor has a conversation worked on.
    Step(engine::processor::StepId, Box<engine::dedup::Thread>),
    /// A coverage point.
    Reached(Point),
    /// When to be woken, from now on.
    Wake(Option<Time>),
    /// The machine logged this; the history is the same without, unless it is an error.
    Logged(Logged),
    /// A panic; the machine is gone.
    Crashed(String),
    /// A remote answers.
    Reply(Asker, Box<Return>),
    /// A remote hints to everyone of a vault but one.
    Hint(VaultId, Node),
    /// A remote did something.
    Remote(RemoteFact),
}

/// How a device stands, as far as settling is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) signed_in: bool,
    pub(crate) status: Status,
    pub(crate) cursors: [Option<Cursor>; 2],
    pub(crate) listed_at: [Option<Time>; 2],
    /// The records with which the device and a remote are not done.
    pub(crate) unfinished: [Vec<(RecordId, Unfinished)>; 2],
    /// Own contents of files that the sync server lacks.
    pub(crate) files_unsent: usize,
    /// Files and folders whose key it lacks.
    pub(crate) files_sealed: usize,
    /// Has it nothing more to do with the sync server?
    pub(crate) done_with_server: bool,
    /// Requests of the user that should have been answered.
    pub(crate) owed: usize,
}

/// What lies on a node's desk.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) now: Now,
    pub(crate) arrivals: VecDeque<Arrival>,
    /// The synced commit is durable.
    pub(crate) persisted: bool,
    /// The deadline has come.
    pub(crate) woken: bool,
    pub(crate) emitted: Vec<Emitted>,
    /// Does the world want to know how the device stands?
    pub(crate) watched: bool,
    pub(crate) standing: Option<Standing>,
}

impl Desk {
    /// One with nothing on it.
    pub(crate) fn new() -> Self {
        Self {
            now: Now { mono: Time(0), wall: Time(0) },
            arrivals: VecDeque::new(),
            persisted: false,
            woken: false,
            emitted: Vec::new(),
            watched: false,
            standing: None,
        }
    }

    /// Takes over what the machine has logged until now, so that it stands among its effects where
    /// it was logged.
    pub(crate) fn take_log(&mut self) {
        self.emitted.extend(take_log().into_iter().map(Emitted::Logged));
    }

    /// Clears what a node that lost power had not worked off; returns it.
    pub(crate) fn clear(&mut self) -> VecDeque<Arrival> {
        (self.persisted, self.woken, self.standing) = (false, false, None);
        self.emitted.clear();
        std::mem::take(&mut self.arrivals)
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
    fn a_node_that_loses_power_leaves_an_empty_desk_and_what_it_had_not_read() {
        let mut desk = Desk::new();
        desk.arrivals.push_back(Arrival::SignIn);
        desk.persisted = true;
        assert_eq!(desk.clear().len(), 1);
        assert!(desk.arrivals.is_empty() && !desk.persisted);
    }
}
