//! What was stored before each change, for a store that a fault may set back.

use std::collections::BTreeMap;

use harness::time::Time;

/// What stood under a key before each change, in order. A store that is never set back keeps none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Journal<K, S>(Option<Vec<(Time, K, Option<S>)>>);

impl<K: Clone + Ord, S: Clone> Journal<K, S> {
    /// An empty one. Without `backups` it stays empty.
    pub(crate) fn new(backups: bool) -> Self {
        Self(backups.then(Vec::new))
    }

    /// Something was changed; this is what had stood there.
    pub(crate) fn note(&mut self, now: Time, key: K, before: Option<S>) {
        if let Some(changes) = &mut self.0 {
            changes.push((now, key, before));
        }
    }

    /// What stood under each key that was changed later, after all that had happened by then.
    pub(crate) fn at(&self, then: Time) -> BTreeMap<K, Option<S>> {
        let changes = self.0.as_deref().unwrap_or_default();
        let since = changes.partition_point(|change| change.0 <= then);
        // Of what changed several times it counts how it was first.
        let later = changes[since..].iter().rev();
        later.map(|(_, key, before)| (key.clone(), before.clone())).collect()
    }
}
