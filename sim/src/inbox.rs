//! The inbox: the only thing that the world and a node share. The world lays arrivals and the time
//! on the desk and calls; the node works them off and leaves what it emitted.
//!
//! A node touches nothing but its own desk while it works, so the order in which the nodes of one
//! turn are served cannot be observed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use engine::device::{self, Batch, Input, Snapshot, Status, Unfinished};
use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::point::Point;
use engine::remote::{Call, Cursor, Return};
use engine::seal::{Key, KeyName};
use engine::time::{Now, Time};

use crate::history::{Fact, Letter};
use crate::plan::{Deed, Node, Order};
use crate::post::Mail;
use crate::remote::{Control, RemoteFact};

/// What reaches a node.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Switches a device on.
    Start(Box<Start>),
    /// A step of the plan: the user does something.
    Deed(u32, Deed),
    /// The user signs in on a device that is new.
    SignIn,
    /// The user reads everything for the last time; of what is the same on all devices, this part.
    Last(Share),
    /// Something from outside of the network.
    Input(Box<Input>),
    /// A message.
    Mail(Mail),
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
#[derive(Debug)]
pub(crate) enum ForProcessor {
    /// Switches it on.
    Start(Box<StartProcessor>),
    /// A step of the plan: it is told to do something.
    Order(u32, Order),
    /// The last looks at everything.
    Last(Vec<Order>),
    /// Something from outside of the network.
    Input(Box<engine::processor::Input>),
}

/// All that a processor needs to start.
#[derive(Debug)]
pub(crate) struct StartProcessor {
    pub(crate) boot: engine::processor::Boot,
    /// Which life of the processor this is, from 0.
    pub(crate) life: u16,
    /// The prefix of all tokens of the run.
    pub(crate) needle: [u8; 8],
}

/// All that a device needs to start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) boot: device::Boot,
    /// Which life of the device this is, from 0.
    pub(crate) life: u16,
    pub(crate) snapshot: Snapshot,
    /// The prefix of all tokens of the run.
    pub(crate) needle: [u8; 8],
}

/// What a node did, in order.
#[derive(Debug)]
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
    /// A worker answers this life of somebody.
    Respond(Node, u16, Letter, Box<engine::message::Response>),
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
    /// A panic or a logged error; the machine is gone.
    Crashed(String),
    /// A remote answers.
    Reply(Node, Box<Return>),
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
#[derive(Debug)]
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
    called: bool,
    waker: Waker,
}

/// One node's desk, shared with the world.
#[derive(Debug)]
pub(crate) struct Inbox(Mutex<Desk>);

impl Inbox {
    pub(crate) fn new() -> Arc<Self> {
        let now = Now { mono: Time(0), wall: Time(0) };
        Arc::new(Self(Mutex::new(Desk {
            now,
            arrivals: VecDeque::new(),
            persisted: false,
            woken: false,
            emitted: Vec::new(),
            watched: false,
            standing: None,
            called: false,
            waker: Waker::noop().clone(),
        })))
    }

    /// The desk.
    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().expect("a node's panics are caught while it works")
    }

    /// Calls the node to its desk.
    pub(crate) fn call(&self) {
        let mut desk = self.desk();
        desk.called = true;
        desk.waker.wake_by_ref();
    }

    /// The desk, if the node was called to it. The next call wakes this task.
    pub(crate) fn called(&self, context: &Context<'_>) -> Option<MutexGuard<'_, Desk>> {
        let mut desk = self.desk();
        desk.waker.clone_from(context.waker());
        std::mem::take(&mut desk.called).then_some(desk)
    }
}

impl Desk {
    /// Clears what a node that lost power had not worked off; returns it.
    pub(crate) fn clear(&mut self) -> VecDeque<Arrival> {
        (self.persisted, self.woken, self.standing) = (false, false, None);
        self.emitted.clear();
        std::mem::take(&mut self.arrivals)
    }
}

/// Lets the pump wait until every node of a turn has worked.
#[derive(Debug, Default)]
pub(crate) struct Turnstile {
    /// So many nodes are at work.
    nodes: AtomicUsize,
    /// The pump is one task from beginning to end.
    pump: OnceLock<Waker>,
}

impl Turnstile {
    /// So many nodes are at work.
    pub(crate) fn expect(&self, nodes: usize) {
        self.nodes.store(nodes, Ordering::Release);
    }

    /// One of them is done.
    pub(crate) fn pass(&self) {
        let nodes = self.nodes.fetch_sub(1, Ordering::AcqRel);
        assert!(nodes > 0, "only nodes that were called pass");
        if nodes == 1
            && let Some(pump) = self.pump.get()
        {
            pump.wake_by_ref();
        }
    }

    /// Waits until all are done.
    pub(crate) async fn empty(&self) {
        poll_fn(|context| {
            self.pump.get_or_init(|| context.waker().clone());
            if self.nodes.load(Ordering::Acquire) == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Start {
    /// Which device starts, in which life, and whose it is.
    pub(crate) fn who(&self) -> (DeviceId, u16, UserId) {
        (self.boot.device, self.life, self.boot.user)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn is_ready(future: impl Future<Output = ()>) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_call_is_answered_once_also_when_it_came_first() {
        let (inbox, context) = (Inbox::new(), Context::from_waker(Waker::noop()));
        assert!(inbox.called(&context).is_none());
        inbox.call();
        assert!(inbox.called(&context).is_some());
        assert!(inbox.called(&context).is_none());
    }

    #[test]
    fn the_turnstile_is_empty_when_the_last_node_has_passed() {
        let turnstile = Turnstile::default();
        turnstile.expect(2);
        turnstile.pass();
        assert!(!is_ready(turnstile.empty()));
        turnstile.pass();
        assert!(is_ready(turnstile.empty()));
    }

    #[test]
    fn a_node_that_loses_power_leaves_an_empty_desk_and_what_it_had_not_read() {
        let inbox = Inbox::new();
        let mut desk = inbox.desk();
        desk.arrivals.push_back(Arrival::SignIn);
        desk.persisted = true;
        assert_eq!(desk.clear().len(), 1);
        assert!(desk.arrivals.is_empty() && !desk.persisted);
    }
}
