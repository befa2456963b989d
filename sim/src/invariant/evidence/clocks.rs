//! What the wall clocks of the workers can have shown: each has an offset and a drift, and jumps by faults.

use engine::time::Time as Deadline;
use harness::time::Time;

use super::Evidence;
use crate::history::{ServerTrouble, Trouble};
use crate::plan::{ServerPlan, WorkerId};
use crate::time::ToSimulated;

/// What the wall clocks of the workers can have shown.
#[derive(Debug)]
pub(crate) struct Clocks<'e> {
    evidence: &'e Evidence<'e>,
    plan: &'e ServerPlan,
    jumps: Vec<Jump>,
}

/// A clock that is wrong for a while.
#[derive(Clone, Copy, Debug)]
struct Jump {
    worker: WorkerId,
    ms: i64,
    from: usize,
    /// When the clock was set right again.
    to: Option<usize>,
}

impl<'e> Clocks<'e> {
    pub(crate) fn of(evidence: &'e Evidence<'e>, plan: &'e ServerPlan) -> Self {
        let jumps = evidence.faults.iter().filter_map(|fault| {
            if let Trouble::Server(ServerTrouble::ClockJump(worker, ms)) = fault.kind {
                Some(Jump { worker, ms, from: fault.from, to: fault.to })
            } else {
                None
            }
        });
        Self { evidence, plan, jumps: jumps.collect() }
    }

    /// What a worker's clock showed right before and after a moment.
    fn around(&self, worker: WorkerId, moment: usize) -> [Time; 2] {
        let Some(bench) = self.plan.workers.get(usize::from(worker.0)) else { return [Time(0); 2] };
        let at = self.evidence.time(moment).0;
        let show = |jumps: &mut dyn Iterator<Item = i64>| {
            let jumped: i128 = jumps.map(i128::from).sum();
            let drift = i128::from(at) * i128::from(bench.clock_drift_ppm) / 1_000_000;
            let wall = i128::from(at) + i128::from(bench.clock_offset_ms) + drift + jumped;
            Time(u64::try_from(wall.max(0)).unwrap_or(u64::MAX))
        };
        let own = || self.jumps.iter().filter(move |jump| jump.worker == worker);
        let before =
            own().filter(|jump| jump.from < moment && jump.to.is_none_or(|to| to >= moment));
        let after =
            own().filter(|jump| jump.from <= moment && jump.to.is_none_or(|to| to > moment));
        let (before, after) = (before.map(|jump| jump.ms), after.map(|jump| jump.ms));
        [show(&mut { before }), show(&mut { after })]
    }

    /// All that a worker's clock showed where it may have turned, from one moment to another.
    fn shown(&self, worker: WorkerId, from: usize, to: usize) -> impl Iterator<Item = Time> + '_ {
        let turns = self.jumps.iter().flat_map(|jump| [Some(jump.from), jump.to]).flatten();
        let turns = turns.filter(move |at| (from..=to).contains(at));
        [from, to].into_iter().chain(turns).flat_map(move |at| self.around(worker, at))
    }

    /// Can any worker have taken something for over?
    pub(crate) fn may_be_over(&self, until: Deadline, from: usize, to: usize) -> bool {
        let until = until.to_simulated();
        let workers = 0..self.plan.workers.len();
        workers.filter_map(|n| u16::try_from(n).ok()).any(|n| {
            let mut shown = self.shown(WorkerId(n), from, to);
            shown.any(|wall| wall >= until)
        })
    }

    /// Can this worker have taken something for not yet over?
    pub(crate) fn may_last(
        &self,
        worker: WorkerId,
        until: Deadline,
        from: usize,
        to: usize,
    ) -> bool {
        let until = until.to_simulated();
        self.shown(worker, from, to).any(|wall| wall < until)
    }
}
