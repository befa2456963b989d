//! The doubles of the remotes. A double is shared with the machine of its host: what a remote stores does
//! not lose power.

use std::sync::{Arc, Mutex, MutexGuard};

use engine::id::{RecordId, Remote, VaultId};
use engine::remote::Served;

use crate::remote::Double;
use crate::shell::SharedDouble;

/// The doubles, in the order of the plan.
#[derive(Clone, Debug)]
pub(super) struct Remotes {
    doubles: Vec<(Remote, SharedDouble)>,
}

impl Remotes {
    pub(super) fn new(doubles: Vec<Box<dyn Double>>) -> Self {
        let shared = |double: Box<dyn Double>| (double.remote(), Arc::new(Mutex::new(double)));
        Self { doubles: doubles.into_iter().map(shared).collect() }
    }

    /// The same remotes, which go on by themselves.
    pub(super) fn fork(&self) -> Self {
        Self::new(self.doubles.iter().map(|(_, shared)| locked(shared).fork()).collect())
    }

    /// From now on the remotes draw from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.doubles.iter().for_each(|(_, shared)| locked(shared).redraw(nature));
    }

    /// The double of a remote, if there is such a remote.
    pub(super) fn find(&self, remote: Remote) -> Option<MutexGuard<'_, Box<dyn Double>>> {
        self.shared(remote).map(locked)
    }

    /// The double of a remote, as its host has it.
    pub(super) fn shared(&self, remote: Remote) -> Option<&SharedDouble> {
        self.doubles.iter().find(|(it, _)| *it == remote).map(|(_, shared)| shared)
    }

    /// The row of a record as it is stored.
    pub(super) fn row(&self, remote: Remote, vault: VaultId, id: RecordId) -> Option<Served> {
        self.find(remote)?.row(vault, id)
    }

    /// All rows as they are stored.
    pub(super) fn rows(&self) -> Vec<(Remote, Served)> {
        let rows = self.doubles.iter().flat_map(|(remote, shared)| {
            locked(shared).stored().into_iter().map(|row| (*remote, row))
        });
        rows.collect()
    }
}

fn locked(shared: &SharedDouble) -> MutexGuard<'_, Box<dyn Double>> {
    shared.lock().expect("no double has panicked")
}
