//! A sweep: many seeds of one scenario on all cores, and the distinct bugs that they show.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use crate::plan::Plan;
use crate::pool::{Ended, Event, Failure, Pool};
use crate::run::run_watched;
use crate::scenario::Scenario;
use crate::signature::Signature;
use crate::system::System;
use crate::watch::{Place, Watch};

/// A bug that a sweep has found.
#[derive(Clone, Debug)]
pub struct Bug<S> {
    /// What it is. A seed's bug is its first violation.
    pub signature: Signature,
    /// The seeds that show it.
    pub seeds: Vec<u64>,
    /// The plan of the first of them.
    pub plan: Plan<S>,
}

/// What a sweep has seen.
#[derive(Clone, Debug)]
pub struct Sweep<S> {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many facts they had together.
    pub facts: u64,
    /// The distinct bugs, in the order in which they were found.
    pub bugs: Vec<Bug<S>>,
    /// The seeds that came to no end, each with where it was.
    pub endless: Vec<(u64, Place)>,
    /// Did the user stop it?
    pub interrupted: bool,
}

/// Runs seeds of a scenario. `hear` is called after each, with the number of bugs so far. `Err` is a
/// panic of the harness.
pub fn sweep<S: System>(
    scenario: &Scenario<S>,
    seeds: Range<u64>,
    pool: &Pool,
    mut hear: impl FnMut(u64, usize),
) -> Result<Sweep<S>, String> {
    let mut sweep =
        Sweep { seeds: 0, facts: 0, bugs: Vec::new(), endless: Vec::new(), interrupted: false };
    let mut known = BTreeMap::new();
    let mut trouble = None;
    let plans = seeds.map(|seed| scenario.draw(seed));
    let work = |plan: Plan<S>, watch: &Watch| {
        let outcome = run_watched(&plan, watch)?;
        let facts = outcome.history.entries().len() as u64;
        Some((facts, outcome.violations.first().map(Signature::of)))
    };
    let ended = pool.each(
        plans,
        None,
        |plan| format!("seed {}", plan.seed),
        work,
        |event| match event {
            Event::Idle | Event::Slow(..) => ControlFlow::Continue(()),
            Event::Done { result: Err(Failure::Panic(panic)), .. } => {
                trouble = Some(format!("the harness panicked: {panic}"));
                ControlFlow::Break(())
            }
            Event::Done { item: plan, result: Err(Failure::Hung(hung)), .. } => {
                sweep.seeds += 1;
                sweep.endless.push((plan.seed, hung.place));
                hear(sweep.seeds, sweep.bugs.len());
                ControlFlow::Continue(())
            }
            Event::Done { item: plan, result: Ok((facts, found)), .. } => {
                sweep.seeds += 1;
                sweep.facts += facts;
                if let Some(signature) = found {
                    let at = *known.entry(signature.clone()).or_insert(sweep.bugs.len());
                    if at == sweep.bugs.len() {
                        sweep.bugs.push(Bug { signature, seeds: Vec::new(), plan: plan.clone() });
                    }
                    sweep.bugs[at].seeds.push(plan.seed);
                }
                hear(sweep.seeds, sweep.bugs.len());
                ControlFlow::Continue(())
            }
        },
    );
    sweep.interrupted = ended == Ended::Stopped;
    trouble.map_or(Ok(sweep), Err)
}
