//! One run, from plan to outcome: the only door to a simulation.
//!
//! Two drivers take the turns. Under madsim each node is a node with a task that holds its machine,
//! and the order in which the ready ones work is madsim's; the bare loop works them off one by one.
//! Both give the same history, since that order cannot be observed.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::time::{Span, Time};
use madsim::runtime::{Handle, Runtime};
use madsim::task::NodeId;

use crate::alarm::{listen, quietly};
use crate::history::recorder::digest;
use crate::history::{Entry, Fact};
use crate::inbox::{Inbox, Turnstile};
use crate::invariant::{self, Violation};
use crate::plan::Plan;
use crate::shell::{Shell, serve};
pub use crate::world::settle_bound;
use crate::world::{Order, ShellMaker, World};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// In a word.
    pub verdict: Verdict,
    /// What does not hold, by time.
    pub violations: Vec<Violation>,
    /// How often each fault, fact and coverage point was reached, by name.
    pub coverage: BTreeMap<&'static str, u64>,
    /// Sizes of the run.
    pub counts: Counts,
    /// When each step of the plan happened, unless it was skipped.
    pub moments: Vec<Option<Time>>,
    /// Everything that happened.
    pub history: Vec<Entry>,
}

impl Outcome {
    /// The digest of the canonical bytes of all facts. Most runs are never asked for it, and it costs
    /// a twentieth of a run.
    pub fn digest(&self) -> u128 {
        digest(&self.history).0
    }

    /// How many canonical bytes all facts have.
    pub fn fact_bytes(&self) -> u64 {
        digest(&self.history).1
    }
}

/// An outcome in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything holds.
    Held,
    /// Something does not.
    Violated,
}

/// Sizes of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Simulated time from start to settled.
    pub simulated: Span,
    /// Events taken from the agenda.
    pub events: u64,
    /// Messages delivered.
    pub messages: u64,
    /// Facts.
    pub facts: u64,
    /// Rows sealed.
    pub sealed: u64,
    /// Blobs really opened.
    pub opened: u64,
    /// When everything had settled.
    pub settled_at: Time,
}

/// Who takes the turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// madsim, with a seed that must not be observable.
    Madsim {
        /// Decides the order in which the ready nodes of a turn work.
        seed: u64,
    },
    /// A loop without a runtime.
    Bare,
}

/// Runs a plan on madsim. Panics never; what panics inside becomes a violation.
pub fn run(plan: &Plan) -> Outcome {
    run_with(plan, Driver::Madsim { seed: plan.nature })
}

/// Runs a plan under a driver of one's choice.
pub fn run_with(plan: &Plan, driver: Driver) -> Outcome {
    let _listening = listen();
    let mut world = World::new(plan);
    match driver {
        Driver::Madsim { seed } => drive_madsim(&mut world, seed),
        Driver::Bare => drive_bare(&mut world),
    }
    judge(plan, world)
}

/// The heap loop: serves the nodes of each turn in order.
fn drive_bare(world: &mut World<'_>) {
    let nodes = world.nodes();
    let mut shells: Vec<Shell> = nodes.iter().map(|(_, _, maker)| maker.make()).collect();
    while world.next_due().is_some() {
        world.begin_turn();
        obey_bare(world, &nodes, &mut shells);
        for &node in world.ready() {
            shells[node].work(&mut nodes[node].1.desk());
        }
        world.end_turn();
    }
}

fn obey_bare(
    world: &mut World<'_>,
    nodes: &[(String, Arc<Inbox>, ShellMaker)],
    shells: &mut [Shell],
) {
    for order in world.take_orders() {
        let (Order::Kill(node) | Order::Start(node)) = order;
        shells[node] = nodes[node].2.make();
    }
}

/// So much madsim's clock may be behind the agenda.
const CLOCK_LAG: Span = Span(1_000);

/// madsim: a node and a task for each of ours; this task is the pump.
fn drive_madsim(world: &mut World<'_>, seed: u64) {
    let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.block_on(async {
        let turnstile = Arc::new(Turnstile::default());
        let handle = Handle::current();
        let mut inboxes = Vec::new();
        let mut ids = Vec::new();
        for (name, inbox, maker) in world.nodes() {
            ids.push(create_node(&handle, name, inbox.clone(), maker, turnstile.clone()));
            inboxes.push(inbox);
        }
        let mut last = Time(0);
        while let Some(due) = world.next_due() {
            // Nobody waits for madsim's clock, so it may be a little late: to sleep until each event,
            // or to move the clock for each, would only be a detour.
            if due - last >= CLOCK_LAG {
                madsim::time::advance(std::time::Duration::from_millis((due - last).0));
                last = due;
            }
            world.begin_turn();
            obey_madsim(world, &handle, &ids);
            turnstile.expect(world.ready().len());
            for &node in world.ready() {
                inboxes[node].call();
            }
            turnstile.empty().await;
            world.end_turn();
        }
        // A task that is pending when the runtime is dropped is never freed.
        ids.into_iter().for_each(|id| handle.kill(id));
        madsim::time::sleep(std::time::Duration::from_millis(1)).await;
    });
}

fn create_node(
    handle: &Handle,
    name: String,
    inbox: Arc<Inbox>,
    maker: ShellMaker,
    turnstile: Arc<Turnstile>,
) -> NodeId {
    let init = move || serve(maker.make(), inbox.clone(), turnstile.clone());
    handle.create_node().name(name).init(init).build().id()
}

fn obey_madsim(world: &mut World<'_>, handle: &Handle, ids: &[NodeId]) {
    for order in world.take_orders() {
        match order {
            Order::Kill(node) => handle.kill(ids[node]),
            // A first start finds its task waiting; any other was killed before.
            Order::Start(node) => {
                if handle.is_exit(ids[node]) {
                    handle.restart(ids[node]);
                }
            }
        }
    }
}

/// Judges what happened.
fn judge(plan: &Plan, world: World<'_>) -> Outcome {
    let ended = world.end(plan);
    let mut violations = quietly(|| invariant::judge(&ended.brief, &ended.history))
        .unwrap_or_else(|message| vec![broken_judge(&ended.history, message)]);
    violations.sort_by_key(|violation| violation.at);
    let settled = |entry: &&Entry| matches!(entry.fact, Fact::Settled { .. });
    let settled_at = ended.history.iter().find(settled).map_or(Time(0), |entry| entry.at);
    let counts = Counts {
        simulated: settled_at - Time(0),
        facts: ended.history.len() as u64,
        settled_at,
        ..ended.counts
    };
    let verdict = if violations.is_empty() { Verdict::Held } else { Verdict::Violated };
    let (coverage, history) = (ended.coverage, ended.history);
    Outcome { verdict, violations, coverage, counts, moments: ended.moments, history }
}

/// A judge that panics has judged nothing: that must not look like innocence.
fn broken_judge(history: &[Entry], message: String) -> Violation {
    Violation {
        invariant: invariant::Invariant::NothingPanics,
        at: history.last().map_or(Time(0), |entry| entry.at),
        node: crate::plan::Node::World,
        record: None,
        token: None,
        site: "judge",
        message: format!("a judge panicked: {message}"),
        evidence: Vec::new(),
    }
}
