//! What a task with the sync server does after an answer.

use super::ask::Answer;
use crate::time::Time;

/// What comes next; `E` is what can be asked.
#[derive(Clone, Debug)]
pub(super) enum Next<E> {
    /// Something else is asked.
    Ask(E),
    /// The user is answered.
    Answer(Answer),
    /// It failed inside. Nothing is asked before this time, and then this.
    Rest(Time, Option<E>),
    /// The task is done.
    End,
}

impl<E> Next<E> {
    /// Asks this, or ends where it cannot be asked.
    pub(super) fn ask(asked: Option<E>) -> Self {
        asked.map_or(Self::End, Self::Ask)
    }

    /// The same with another kind of what can be asked.
    pub(super) fn map<F>(self, wrap: impl FnOnce(E) -> F) -> Next<F> {
        match self {
            Self::Ask(asked) => Next::Ask(wrap(asked)),
            Self::Answer(answer) => Next::Answer(answer),
            Self::Rest(until, asked) => Next::Rest(until, asked.map(wrap)),
            Self::End => Next::End,
        }
    }
}
