//! All hosts of a run, and which of them something has reached in this turn.

use std::collections::BTreeSet;

use crate::clock::Clock;
use crate::host::{Effect, Host};
use crate::observation::HostId;
use crate::plan::Plan;
use crate::random::Draw;
use crate::system::System;
use crate::time::Time;
use crate::watch::Watch;

/// The hosts of a run.
#[derive(Clone, Debug)]
pub struct Hosts<S: System> {
    hosts: Vec<Host<S>>,
    called: BTreeSet<HostId>,
}

impl<S: System> Hosts<S> {
    /// The hosts of a plan, none of them started.
    pub fn new(plan: &Plan<S>) -> Self {
        let count = u32::try_from(plan.system.hosts().len()).expect("settings are checked");
        let host = |id| Host::new(HostId(id), plan.nature, clock(plan, id));
        Self { hosts: (0..count).map(host).collect(), called: BTreeSet::new() }
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = HostId> + use<S> {
        (0..).map(HostId).take(self.hosts.len())
    }

    /// A host; `None` for what stands for the run as a whole.
    pub fn get(&self, id: HostId) -> Option<&Host<S>> {
        self.hosts.get(id.0 as usize)
    }

    /// A host, to change it.
    pub fn get_mut(&mut self, id: HostId) -> &mut Host<S> {
        &mut self.hosts[id.0 as usize]
    }

    /// Changes a host if `reaches` says so, and has it work at the end of the turn.
    pub fn call(&mut self, id: HostId, reaches: impl FnOnce(&mut Host<S>) -> bool) -> bool {
        let is_reached = reaches(self.get_mut(id));
        if is_reached {
            self.called.insert(id);
        }
        is_reached
    }

    /// Has the hosts that were called work; what each has done, in order. `watch` learns which one works.
    pub fn work(&mut self, system: &S, now: Time, watch: &Watch) -> Vec<(HostId, Vec<Effect<S>>)> {
        let called = std::mem::take(&mut self.called).into_iter();
        let work = |id: HostId| {
            watch.begin_work(id.0 as usize);
            let effects = self.get_mut(id).work(system, now);
            watch.end_work();
            (id, effects)
        };
        called.map(work).collect()
    }
}

/// The clocks of a host: how far they are off is drawn for each by itself.
fn clock<S: System>(plan: &Plan<S>, id: u32) -> Clock {
    let clocks = plan.surroundings.clocks;
    let draw = |concern| Draw::new(plan.nature, concern).and(u64::from(id));
    let offset = draw("clock offset").between(clocks.offset.0.low, clocks.offset.0.high);
    let drift = draw("clock drift").between(clocks.drift.0.low, clocks.drift.0.high);
    Clock::new(offset, i32::try_from(drift).expect("drifts are checked when they are read"))
}
