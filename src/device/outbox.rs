//! What a transition puts out, in the order in which it takes effect: commits first, then the rest.

use std::collections::VecDeque;

use super::ask::Answer;
use super::io::{Batch, Output};
use crate::id::OpId;
use crate::point::Point;

/// The outputs of a device that have not been drained.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    ready: VecDeque<Output>,
    /// Outputs of the transition under way that follow its commit.
    following: Vec<Output>,
    /// Has this transition put out a synced commit, which holds back all that follows it?
    holds_back: bool,
}

impl Outbox {
    /// Begins a transition.
    pub(super) fn begin(&mut self) {
        assert!(self.ready.is_empty(), "all outputs are drained before the next input");
        assert!(self.following.is_empty(), "the transition before was flushed");
        self.holds_back = false;
    }

    /// Puts out a commit before all that has been put out since the last flush.
    pub(super) fn persist(&mut self, batch: Batch) {
        assert!(!batch.puts.is_empty(), "a commit without changes is not put out");
        self.holds_back |= batch.sync;
        self.ready.push_back(Output::Persist(batch));
    }

    /// Answers the user.
    pub(super) fn answer(&mut self, op: OpId, answer: Answer) {
        self.following.push(Output::Answer(op, answer));
    }

    /// Notes a coverage point.
    pub(super) fn reach(&mut self, point: Point) {
        self.following.push(Output::Reached(point));
    }

    /// Puts out anything else that follows the commit.
    pub(super) fn send(&mut self, output: Output) {
        assert!(!matches!(output, Output::Persist(_)), "a commit never follows what depends on it");
        self.following.push(output);
    }

    /// Ends a transition, or a part of it that is durable by itself. Returns whether a synced commit
    /// holds back what has been put out.
    pub(super) fn flush(&mut self, batch: Option<Batch>) -> bool {
        if let Some(batch) = batch {
            self.persist(batch);
        }
        self.ready.extend(self.following.drain(..));
        self.holds_back
    }

    /// The next output.
    pub(super) fn pop(&mut self) -> Option<Output> {
        self.ready.pop_front()
    }

    /// Asserts what must hold between two inputs.
    pub(super) fn check(&self) {
        assert!(self.following.is_empty(), "every transition ends with a flush");
    }
}
