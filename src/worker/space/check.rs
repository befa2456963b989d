//! What holds of a space between two inputs.
//!
//! Only what this worker made itself is checked here. What its state says came from the volume, which
//! may be damaged or restored; [`Space::check_log`] is for logs that are known to be sound.

use super::snapshot::SNAPSHOTS;
use super::{Phase, Space};
use crate::volume::CallId;
use crate::worker::prepare::{Preparation, Task};

impl Space {
    /// The calls in flight whose answers are waited for.
    pub(in crate::worker) fn calls(&self) -> impl Iterator<Item = CallId> {
        let own = self.call.map(|(call, _)| call);
        self.preparing.iter().filter_map(Preparation::call).chain(own)
    }

    /// Asserts what holds between two inputs. Takes time in proportion to the queue.
    pub(in crate::worker) fn check(&self, queue: usize) {
        assert!(self.waiting() <= queue, "a request that finds the queue full is refused");
        assert!(
            self.call.is_none() || self.rests_until.is_none(),
            "a space that waits for the volume does not rest as well"
        );
        assert!(self.snapshots.len() <= SNAPSHOTS, "older snapshots are deleted");
        assert!(
            self.snapshots.back().is_none_or(|newest| *newest <= self.state.seq),
            "a snapshot is of a state that was known"
        );
        let busy = self.call.is_some() || self.rests_until.is_some();
        let next = self.state.seq + 1;
        match &self.phase {
            // A request may have been refused before anything was asked for this space.
            Phase::Cold => assert!(busy || self.queue.is_empty(), "a cold space is being read"),
            Phase::Loading(_) => assert!(busy, "a snapshot that is wanted is being read"),
            Phase::Following => {
                assert!(busy, "an entry that is looked for is being read");
                assert!(self.looked_for <= self.queue.len(), "tasks stay while a space looks on");
            }
            Phase::Ready(proven) => {
                assert!(self.call.is_none(), "a space that is ready waits for nothing");
                assert!(busy || self.queue.is_empty(), "what waits in a ready space is decided");
                assert!(*proven <= self.queue.len(), "tasks stay until they are decided");
            }
            Phase::Proving(round) => {
                assert!(busy, "a round that is to be proven is being proven");
                assert!(round.entry.is_none(), "a round that changes something is committed");
                assert!(round.covers <= self.queue.len(), "tasks stay until they are answered");
            }
            Phase::Committing(round) | Phase::Unclear(round) => {
                assert!(busy, "a round that is committed is being committed");
                assert_eq!(
                    round.entry.as_ref().map(|entry| entry.seq),
                    Some(next),
                    "a round is decided on all entries before its own"
                );
                assert!(round.covers <= self.queue.len(), "tasks stay until they are answered");
            }
        }
    }

    /// Asserts that what is known of the space is what a sound log amounts to.
    pub(in crate::worker) fn check_log(&self) {
        self.state.check();
    }

    /// Asserts that no request waits twice, and that preparations wait for different calls. Takes
    /// quadratic time.
    pub(in crate::worker) fn check_tasks(&self) {
        let queued = self.queue.iter().map(|(task, _)| task);
        let tasks: Vec<&Task> = queued.chain(self.preparing.iter().map(|it| &it.task)).collect();
        for (at, task) in tasks.iter().enumerate() {
            let twice = tasks[..at].iter().any(|other| match (task, other) {
                (Task::Asked(one, _), Task::Asked(other, _)) => one == other,
                (Task::Own(one), Task::Own(other)) => one == other,
                (Task::Asked(..), Task::Own(_)) | (Task::Own(_), Task::Asked(..)) => false,
            });
            assert!(!twice, "a task is in one place at a time");
        }
    }
}
