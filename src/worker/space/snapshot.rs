//! Snapshots: the state after an entry, as an object, so that a worker that starts need not read the
//! whole log. Any of them may be missing or damaged; then an older one is read, or all entries.

use std::collections::VecDeque;

use super::{Phase, Space, Worker};
use crate::id::UserId;
use crate::log::{self, State};
use crate::point::Point;
use crate::volume;

/// The number of snapshots that are kept: a list of the volume may be late and name one that was
/// removed since.
pub(super) const SNAPSHOTS: usize = 3;

/// A snapshot is written when as many entries as this part of the documents followed the last one.
const SNAPSHOT_SHARE: u64 = 2;

impl Space {
    /// Takes the state of a snapshot, or goes on to an older one if this is none.
    pub(super) fn load(&mut self, mut keys: Vec<volume::Key>, bytes: &[u8]) -> Phase {
        match State::decode(bytes) {
            Some(state) => {
                tracing::debug!(seq = state.seq, "read a snapshot");
                self.snapshots = VecDeque::from([state.seq]);
                self.state = state;
                Phase::Following
            }
            None => {
                tracing::warn!("the object of a snapshot holds no state; reading an older one");
                keys.pop();
                Phase::Loading(keys)
            }
        }
    }
}

impl Worker {
    /// Writes a snapshot when enough entries followed the last one, so that a worker that starts need
    /// not read the whole log. The interval grows with the state, so each commit's share of the cost
    /// does not.
    pub(super) fn save_snapshot(&mut self, id: UserId) {
        let every = u64::from(self.boot.timing.snapshot_every);
        let space = self.space(id);
        let seq = space.state.seq;
        let newest = space.snapshots.back().copied().unwrap_or(0);
        assert!(newest <= seq, "a snapshot is of a state that was known");
        let size = u64::try_from(space.state.len()).unwrap_or(u64::MAX);
        if seq - newest < every.max(size / SNAPSHOT_SHARE) {
            return;
        }
        space.snapshots.push_back(seq);
        let bytes = log::encode(&space.state);
        let old = (space.snapshots.len() > SNAPSHOTS).then(|| space.snapshots.pop_front());
        assert!(space.snapshots.len() <= SNAPSHOTS, "one snapshot goes for each that comes");
        tracing::debug!(seq, bytes = bytes.len(), "writing a snapshot");
        self.ask(id, volume::Request::Create(log::snapshot_key(id, seq), bytes));
        if let Some(old) = old.flatten() {
            self.ask(id, volume::Request::Delete(log::snapshot_key(id, old)));
        }
        self.reach(Point::SnapshotWritten);
    }
}
