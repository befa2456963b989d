//! All conversations with remotes, side by side.

use super::ask::Status;
use super::core::Core;
use super::credential::Credentials;
use super::lane::Lane;
use crate::id::{RecordId, Remote};
use crate::time::Time;

/// One lane for each remote, in the order of [`Boot::remotes`](super::io::Boot::remotes).
#[derive(Clone, Debug)]
pub(super) struct Lanes(Vec<Lane>);

impl Lanes {
    pub(super) fn new(remotes: &[Remote]) -> Self {
        Self(remotes.iter().map(|remote| Lane::new(*remote)).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.0.iter()
    }

    /// The lane of a remote, if the device uses that remote.
    pub(super) fn get_mut(&mut self, remote: Remote) -> Option<&mut Lane> {
        self.0.iter_mut().find(|lane| lane.remote() == remote)
    }

    /// Is a save of this record in flight, to any remote?
    pub(super) fn are_saving(&self, id: RecordId) -> bool {
        self.0.iter().any(|lane| lane.is_saving(id))
    }

    /// Have all feeds been read to their heads, each in a pull that was asked for at `at` or later?
    pub(super) fn were_at_head(&self, at: Time) -> bool {
        self.0.iter().all(|lane| lane.head_at() >= Some(at))
    }

    /// Pulls all remotes as soon as they can be, and no later than at `at`.
    pub(super) fn pull_at(&mut self, at: Time) {
        self.0.iter_mut().for_each(|lane| lane.pull_at(at));
    }

    /// Takes up the usual conversations after a start.
    pub(super) fn resume(&mut self, core: &mut Core) {
        self.0.iter_mut().for_each(|lane| lane.resume(core));
    }

    /// Forgets what is in flight, and lists every remote from the start.
    pub(super) fn start_over(&mut self, core: &mut Core) {
        self.0.iter_mut().for_each(|lane| lane.start_over(core));
    }

    /// Forgets all conversations, with the account.
    pub(super) fn sign_out(&mut self) {
        self.0.iter_mut().for_each(|lane| *lane = Lane::new(lane.remote()));
    }

    /// When to be woken, and why.
    pub(super) fn wakeup(&self, credentials: &Credentials) -> Option<(Time, &'static str)> {
        self.0.iter().filter_map(|lane| lane.wakeup(credentials)).min()
    }

    /// Gives up what is overdue, and sends again what has waited long enough.
    pub(super) fn wake(&mut self, core: &mut Core, credentials: &Credentials) {
        for remote in Remote::ALL {
            if let Some(lane) = self.get_mut(remote) {
                lane.wake(core, credentials);
            }
        }
    }

    /// Sends the next request to every remote that is not being asked.
    pub(super) fn proceed(&mut self, core: &mut Core, credentials: &mut Credentials) {
        self.0.iter_mut().for_each(|lane| lane.proceed(core, credentials));
    }

    /// Ends a transition.
    pub(super) fn settle(&mut self, held: bool) {
        self.0.iter_mut().for_each(|lane| lane.settle(held));
    }

    /// The commit that held back what was sent is durable.
    pub(super) fn release(&mut self, deadline: Time) {
        self.0.iter_mut().for_each(|lane| lane.release(deadline));
    }

    /// How things stand with all of them.
    pub(super) fn status(&self, core: &Core) -> Status {
        let mut status = Status::default();
        if let Some(session) = core.store.session() {
            let is_unmerged = |lane: &Lane| !session.merged[lane.remote().index()];
            status.open = session.open;
            status.partial = session.open && self.0.iter().any(is_unmerged);
        }
        for lane in &self.0 {
            let (at, side) = (lane.remote().index(), core.store.side(lane.remote()));
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            status.unsent[at] = count(side.unsent().len());
            status.sealed[at] = count(side.sealed().len());
            status.parked[at] = count(side.parked().len());
        }
        status
    }

    /// Asserts what must hold between two inputs, in constant time.
    pub(super) fn check(&self, core: &Core) {
        self.0.iter().for_each(|lane| lane.check(core));
        let mut remotes = self.0.iter().map(Lane::remote);
        assert!(remotes.by_ref().eq(core.boot.remotes.iter().copied()), "a remote has one lane");
    }
}
