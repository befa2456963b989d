//! The known bugs of a space that need a memory of their own. The product has none of this.

use std::collections::BTreeMap;

use super::{Round, Space, Task};
use crate::flaw::{Flaw, Flaws};
use crate::log::{Entry, EntryId, FileKey, Key, Position, State};
use crate::message::{Action, Command, WorkAction};
use crate::worker::Ticket;

/// What the flaws of a space remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Flawed {
    /// A round that is committed again as it is after another entry came first.
    stale: Option<Round>,
    /// The state of the space when each request arrived.
    arrivals: BTreeMap<Ticket, State>,
}

impl Flawed {
    /// CV-STATE-TORN and I42-RMW: reads the state before the request is decided.
    pub(super) fn arrive(&mut self, task: &Task, state: &State) {
        if let Task::Asked(ticket, _) = task {
            self.arrivals.entry(*ticket).or_insert_with(|| state.clone());
        }
    }

    pub(super) fn arrival(&self, task: &Task) -> Option<&State> {
        match task {
            Task::Asked(ticket, _) => self.arrivals.get(ticket),
            Task::Own(_) => None,
        }
    }

    pub(super) fn forget(&mut self, ticket: Ticket) {
        self.arrivals.remove(&ticket);
    }
}

impl Space {
    /// I42-RETRY-STALE, BP-NOLOCK and CV-SESSION-DOUBLE: the round that lost the race is sent again.
    #[track_caller]
    pub(super) fn keep_stale(&mut self, round: Round, flaws: Flaws) {
        let mut tasks = self.queue.iter().take(round.covers).map(|(task, _)| task);
        if flaws.has(Flaw::I42RetryStale)
            || flaws.has(Flaw::BpNolock) && tasks.clone().any(is_work)
            || flaws.has(Flaw::CvSessionDouble) && tasks.all(opens)
        {
            self.flawed.stale = Some(round);
        }
    }

    /// The round that is sent again, under the next number.
    #[track_caller]
    pub(super) fn take_stale(&mut self, name: EntryId, flaws: Flaws) -> Option<Round> {
        let mut round = self.flawed.stale.take()?;
        assert!(
            flaws.has(Flaw::I42RetryStale)
                || flaws.has(Flaw::BpNolock)
                || flaws.has(Flaw::CvSessionDouble),
            "a round is kept by one of these flaws"
        );
        let seq = self.state.seq + 1;
        let at = Position { seq, entry: name };
        round.answers.iter_mut().for_each(|(_, response)| response.at = at);
        round.entry.iter_mut().for_each(|entry| (entry.seq, entry.id) = (seq, name));
        Some(round)
    }

    /// VF-CACHE-STALE and I42-WORKER-CACHE: an entry without the changes that the worker's caches hide
    /// from it.
    #[track_caller]
    pub(super) fn without_cached(&self, mut entry: Entry, flaws: Flaws) -> Entry {
        for op in &mut entry.ops {
            for (key, doc) in std::mem::take(&mut op.puts) {
                let is_cached = match key {
                    Key::Account(_) | Key::Was(..) => flaws.has(Flaw::I42WorkerCache),
                    Key::File(FileKey::Named(..)) => {
                        self.state.get(key).is_some() && flaws.has(Flaw::VfCacheStale)
                    }
                    Key::Session(_) | Key::Receipt(_) | Key::Work(_) | Key::File(_) => false,
                };
                if !is_cached {
                    op.puts.push((key, doc));
                }
            }
        }
        entry
    }
}

/// Does it start a session?
fn opens(task: &Task) -> bool {
    let Task::Asked(_, request) = task else { return false };
    matches!(request.command, Command::Open)
}

/// Does it take up work on a conversation, or end it?
fn is_work(task: &Task) -> bool {
    let Task::Asked(_, request) = task else { return false };
    let Command::Act { action: Action::Work(action), .. } = &request.command else { return false };
    matches!(action, WorkAction::Claim(_) | WorkAction::Finish { .. })
}
