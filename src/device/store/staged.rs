//! The changes that the next commit will make durable.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::io::{Batch, StoreKey, Stored};

/// Changes of the tables since the last commit, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Staged {
    puts: BTreeMap<StoreKey, Option<Stored>>,
    /// Must the commit be durable before anything that follows it happens?
    sync: bool,
}

impl Staged {
    /// Stages a put, in place of an earlier one of the same key.
    pub(super) fn put(&mut self, key: StoreKey, stored: Stored) {
        self.puts.insert(key, Some(stored));
    }

    /// Stages a removal.
    pub(super) fn remove(&mut self, key: StoreKey) {
        self.puts.insert(key, None);
    }

    /// Nothing that follows the commit may happen before the commit is durable.
    pub(super) fn require_sync(&mut self) {
        assert!(!self.puts.is_empty(), "only a staged change can need a sync");
        self.sync = true;
    }

    /// Lets the commit go without waiting for it.
    pub(super) fn without_sync(&mut self) {
        self.sync = false;
    }

    /// Is a change staged?
    pub(super) fn is_empty(&self) -> bool {
        self.puts.is_empty()
    }

    /// The staged changes as one commit; `None` if there are none.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let sync = std::mem::take(&mut self.sync);
        if self.puts.is_empty() {
            assert!(!sync, "a sync without a change would hold back the outputs for nothing");
            return None;
        }
        let puts = std::mem::take(&mut self.puts).into_iter().collect();
        Some(Batch { puts, sync })
    }
}

/// A value as it is stored, in postcard.
pub(in crate::device) fn encode(value: &impl Serialize) -> Stored {
    Stored { tag: 0, bytes: crate::log::encode(value) }
}
