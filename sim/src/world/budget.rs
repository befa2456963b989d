//! What a run may use until it is taken for one that never ends.
//!
//! The bounds follow from the plan, and a plan can set others. Of 300 seeds of every shipped scenario none has
//! used more than 53 % of its facts: `one-vault` and `growth`, which have 400 devices of one user; no other more
//! than 10 %, and none more than 15 % of its events.

use engine::id::UserId;
#[cfg(test)]
use harness::time::Span;
use harness::time::Time;

use super::bounds::{file_requests, last_reads_of_files, patience, requests_of_a_file};
use crate::plan::{Act, Excess, Expectation, MOST_FACTS, Plan};

/// What a run has used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) events: u64,
    pub(super) facts: u64,
    pub(super) bytes: u64,
    pub(super) now: Time,
}

/// The most that a run may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    most: Used,
}

impl Budget {
    /// The bounds of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let limits = plan.limits;
        let usual = usual(plan);
        let simulated = limits.simulated.map_or(usual.now, |span| Time(0) + span);
        Self {
            most: Used {
                events: limits.events.unwrap_or(usual.events),
                facts: limits.facts.unwrap_or(usual.facts),
                bytes: limits.bytes.unwrap_or(usual.bytes),
                now: simulated,
            },
        }
    }

    /// What of this is too much.
    pub(super) fn excess(&self, used: Used) -> Option<Excess> {
        let most = self.most;
        match () {
            () if used.events > most.events => Some(Excess::Events(most.events)),
            () if used.facts > most.facts => Some(Excess::Facts(most.facts)),
            () if used.bytes > most.bytes => Some(Excess::Bytes(most.bytes)),
            () if used.now > most.now => Some(Excess::Simulated(most.now - Time(0))),
            () => None,
        }
    }
}

/// Facts of any run, and more for each host: its starts, its clocks, its last reads.
const FACTS: u64 = 200_000;
const FACTS_PER_HOST: u64 = 2_000;

/// Facts of a step where it is taken, and at each other device of the vault, which hears of it.
const FACTS_PER_STEP: u64 = 100;
const FACTS_PER_STEP_AND_DEVICE: u64 = 3;

/// A device that hears of very many steps takes them together: it has no more facts in a second.
const FACTS_PER_SECOND: u64 = 50;

/// Facts of a request: sent, delivered, served or committed, its answer, and a commit of the asker.
const FACTS_PER_REQUEST: u64 = 12;

/// The facts up to which a run may wait for quiescence, however long that is: a run in which one request stays
/// unanswered while everything else goes its way is over when the patience is, and all judges speak about it.
const MOST_WAITING: u64 = 1_500_000;

/// Events to a fact: some wake a host that has nothing to say.
const EVENTS_PER_FACT: u64 = 2;

/// Bytes of any history, and more for each fact.
const BYTES: u64 = 64 << 20;
const BYTES_PER_FACT: u64 = 256;

/// The bounds that follow from a plan.
fn usual(plan: &Plan) -> Used {
    let patience = patience(plan).0 + last_reads_of_files(plan).0;
    let whole = plan.storm.0.saturating_add(patience);
    let of_user = |user: UserId| plan.devices.iter().filter(|it| it.user == user).count() as u64;
    let vaults: Vec<u64> = (0..plan.users.len()).map(|n| of_user(UserId(n as u16))).collect();
    let devices = plan.devices.len() as u64;
    let workers = plan.server.as_ref().map_or(0, |server| server.workers.len());
    let hosts = devices + (workers + plan.processors().len()) as u64;
    let heard = plan.steps.iter().map(|step| match &step.act {
        Act::User(device, _) => vaults[usize::from(plan.devices[usize::from(device.0)].user.0)],
        Act::Processor(..) | Act::Fault(..) | Act::Wait => devices,
    });
    let looks = plan.at_end.iter().map(Expectation::looks).sum::<u64>();
    let looks = looks.saturating_mul(1 + requests_of_a_file(plan));
    let heard = heard.sum::<u64>().saturating_mul(FACTS_PER_STEP_AND_DEVICE);
    let busy = (plan.storm.0 / 1_000 + 1).saturating_mul(devices).saturating_mul(FACTS_PER_SECOND);
    let requests = |lasts| requests(plan, &vaults, lasts).saturating_mul(FACTS_PER_REQUEST);
    let facts = FACTS
        .saturating_add(hosts * FACTS_PER_HOST)
        .saturating_add(plan.steps.len() as u64 * FACTS_PER_STEP)
        .saturating_add(heard.min(busy))
        .saturating_add(requests(plan.storm.0))
        .saturating_add(looks.saturating_mul(FACTS_PER_REQUEST))
        .min(MOST_FACTS);
    let facts = facts.saturating_add(requests(patience)).min(facts.max(MOST_WAITING));
    Used {
        events: facts.saturating_mul(EVENTS_PER_FACT),
        facts,
        bytes: facts.saturating_mul(BYTES_PER_FACT).saturating_add(BYTES),
        now: Time(whole.saturating_mul(2).saturating_add(3_600_000)),
    }
}

/// Requests that come by themselves in so long: pulls, listings, looks at the feed; and those about files.
fn requests(plan: &Plan, vaults: &[u64], lasts: u64) -> u64 {
    let (timing, devices) = (&plan.timing, plan.devices.len() as u64);
    let times = |every: u64| lasts / every.max(1) + 1;
    let remotes = plan.remotes.len() as u64;
    let pulls = times(timing.pull_every.0).saturating_mul(devices * remotes);
    let feeds = times(timing.feed_every.0).saturating_mul(devices);
    let page = plan.remotes.iter().map(|it| it.page).min().unwrap_or(1).min(timing.page).max(1);
    let rows = |user: usize| {
        let given = plan.given.iter().filter(|it| usize::from(it.user.0) == user).count();
        given as u64 / u64::from(page) + 1
    };
    let listed: u64 = vaults.iter().enumerate().map(|(user, devices)| rows(user) * devices).sum();
    let lists = times(timing.relist_every.0).saturating_mul(listed * remotes);
    let largest = vaults.iter().copied().max().unwrap_or(0);
    let files = file_requests(plan).saturating_mul(largest + 1);
    pulls.saturating_add(feeds).saturating_add(lists).saturating_add(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_exceeds_what_is_bounded_and_nothing_else() {
        let budget = Budget { most: Used { events: 9, facts: 9, bytes: 9, now: Time(9) } };
        let used = Used { events: 9, facts: 9, bytes: 9, now: Time(9) };
        assert_eq!(budget.excess(used), None);
        assert_eq!(budget.excess(Used { events: 10, ..used }), Some(Excess::Events(9)));
        assert_eq!(budget.excess(Used { facts: 10, ..used }), Some(Excess::Facts(9)));
        assert_eq!(budget.excess(Used { bytes: 10, ..used }), Some(Excess::Bytes(9)));
        assert_eq!(budget.excess(Used { now: Time(10), ..used }), Some(Excess::Simulated(Span(9))));
    }
}
