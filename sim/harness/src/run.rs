//! One run, from plan to outcome: the only door to a simulation.

use std::sync::Arc;

use tracing::Level;

use crate::alarm::listen;
use crate::history::History;
use crate::judge::{self, Violation};
use crate::observer::{names, observe};
use crate::plan::Plan;
use crate::system::System;
use crate::watch::{Call, Watch};
use crate::world::World;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome<S: System> {
    /// What does not hold, by time.
    pub violations: Vec<Violation>,
    /// Everything that happened.
    pub history: History<S>,
}

/// Runs a plan and judges what happened.
pub fn run<S: System>(plan: &Plan<S>) -> Outcome<S> {
    let mut run = Run::start(plan);
    while run.turn() {}
    run.end()
}

/// The same under a watch; `None` if the run was asked to end before it was over.
pub fn run_watched<S: System>(plan: &Plan<S>, watch: &Watch) -> Option<Outcome<S>> {
    let mut run = Run::watched(plan, watch);
    while run.turn() {}
    (watch.call() == Call::GoOn).then(|| run.end())
}

/// A run, turn by turn. A clone is a *fork*: it goes on from the same moment by itself, and, since nothing
/// is left to chance, in the same way.
#[derive(Clone, Debug)]
pub struct Run<S: System> {
    plan: Arc<Plan<S>>,
    world: World<S>,
}

impl<S: System> Run<S> {
    /// A run of a plan before its first turn.
    pub fn start(plan: &Plan<S>) -> Self {
        Self::watched(plan, &Watch::default())
    }

    fn watched(plan: &Plan<S>, watch: &Watch) -> Self {
        let plan = Arc::new(plan.clone());
        Self { world: World::new(plan.clone(), watch.clone()), plan }
    }

    /// Takes the next turn: one simulated millisecond in which something is due. False once the run is
    /// over.
    pub fn turn(&mut self) -> bool {
        let _listening = listen(Level::ERROR);
        self.world.turn()
    }

    /// Judges what has happened.
    pub fn end(self) -> Outcome<S> {
        let history = self.world.history().clone();
        let (entries, claims) = (history.entries(), self.plan.system.claims());
        let violations = judge::judge(&claims, &names(&self.plan, entries), &observe(entries));
        Outcome { violations, history }
    }
}
