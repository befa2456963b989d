//! What is left when a world has ended: the history, and what its judges have to know.

use std::collections::BTreeMap;

use engine::time::Time;

use super::World;
use crate::history::Entry;
use crate::invariant::{HostNames, JudgeContext};
use crate::outcome::{Counts, LogLine};

/// What is left when a world has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) context: JudgeContext,
    pub(crate) history: Vec<Entry>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) coverage: BTreeMap<&'static str, u64>,
    pub(crate) counts: Counts,
    pub(crate) moments: Vec<Option<Time>>,
}

impl World {
    /// Ends the world and tells what there is to judge.
    pub(crate) fn end(self) -> Ended {
        let plan = &self.plan;
        let context = JudgeContext {
            devices: self.devices.iter().map(|site| site.user).collect(),
            remotes: plan.remotes.iter().map(|remote| remote.kind).collect(),
            timing: plan.timing,
            incurable: self.incurable(),
            server: plan.server.clone(),
            at_end: plan.at_end.clone(),
            healed_at: Time(plan.storm.0),
            names: HostNames::of(plan),
        };
        let counts = Counts {
            events: self.events,
            messages: self.messages,
            sealed: self.recorder.blobs(),
            opened: self.memo.opened(),
            ..Counts::default()
        };
        let mut coverage = self.coverage;
        self.reached.iter().for_each(|(it, n)| *coverage.entry(it.name()).or_default() += n);
        let (history, moments) = (self.recorder.entries, self.script.moments);
        Ended { context, history, log: self.log, coverage, counts, moments }
    }
}
