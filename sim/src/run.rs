//! One run, from plan to outcome: the only door to a simulation.
//!
//! Two drivers take the turns. Under madsim each node is a node with a task that holds its machine,
//! and the order in which the ready ones work is madsim's; the bare loop works them off one by one.
//! Both give the same history, since that order cannot be observed.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use harness::alarm::{listen, quietly};
use harness::time::{Span, Time};
use harness::watch::{Call, Place, Watch};
use madsim::runtime::{Handle, Runtime};
use madsim::task::NodeId;
use tracing::Level;

use crate::history::{Entry, Fact};
use crate::invariant::{self, Judgement, Violation};
pub use crate::outcome::{Counts, LogLine, Outcome, Verdict};
use crate::plan::{Node, Plan};
use crate::shell::{Shell, ShellMaker};
pub use crate::world::settle_bound;
use crate::world::{Ended, Order, World};

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

impl Driver {
    /// The driver of all commands: madsim.
    pub fn of(plan: &Plan) -> Self {
        Self::Madsim { seed: plan.nature }
    }
}

/// Runs a plan on madsim. Panics never; what panics inside becomes a violation.
pub fn run(plan: &Plan) -> Outcome {
    run_with(plan, Driver::of(plan))
}

/// Runs a plan under a driver of one's choice.
pub fn run_with(plan: &Plan, driver: Driver) -> Outcome {
    run_logged(plan, driver, Level::ERROR)
}

/// Runs a plan and collects what machines log, down to a level. The history is the same at all levels.
pub fn run_logged(plan: &Plan, driver: Driver, level: Level) -> Outcome {
    run_watched(plan, driver, level, &Watch::default()).expect("nobody tells it to leave")
}

/// The same under a watch; `None` if the run was asked to leave.
pub fn run_watched(plan: &Plan, driver: Driver, level: Level, watch: &Watch) -> Option<Outcome> {
    let _listening = listen(level);
    let world = match driver {
        Driver::Madsim { seed } => {
            drive_madsim(World::new(Arc::new(plan.clone()), watch.clone()), seed)
        }
        Driver::Bare => drive_bare(BareRun::watched(plan, watch)),
    };
    (watch.call() < Call::Leave).then(|| judge(world))
}

/// The outcome of a run that is known to hang at a place: its history up to there.
pub fn run_before(plan: &Plan, place: Place) -> Outcome {
    let watch = Watch::before(place);
    run_watched(plan, Driver::of(plan), Level::ERROR, &watch).expect("nobody tells it to leave")
}

/// A run under the bare driver, turn by turn. A clone is a *fork*: it goes on from the same moment by
/// itself, and, since nothing is left to chance, in the same way.
///
/// ```
/// # use sim::{run::{BareRun, run_with, Driver}, scenario};
/// # let text = br#"[scenario]
/// # title = "Nothing happens"
/// # [remotes]
/// # cloudkit = { kind = "cloudkit" }
/// # [devices]
/// # phone = { user = "anna" }"#;
/// # let scenario = scenario::read("doc", "doc", text).unwrap().0;
/// # let plan = scenario::draw(&scenario, 0, engine::flaw::Flaws::NONE);
/// let mut run = BareRun::start(&plan);
/// run.turn();
/// let mut fork = run.clone();
/// while fork.turn() {}
/// assert_eq!(fork.end().digest(), run_with(&plan, Driver::Bare).digest());
/// ```
#[derive(Debug)]
pub struct BareRun {
    world: World,
    makers: Vec<ShellMaker>,
    shells: Vec<Shell>,
}

impl Clone for BareRun {
    fn clone(&self) -> Self {
        let world = self.world.fork();
        let makers: Vec<ShellMaker> = world.nodes().into_iter().map(|(_, maker)| maker).collect();
        let shells = self.shells.iter().zip(&makers);
        let shells = shells.map(|(shell, maker)| shell.fork(maker.storage())).collect();
        Self { world, makers, shells }
    }
}

impl BareRun {
    /// A run of a plan before its first turn.
    pub fn start(plan: &Plan) -> Self {
        Self::watched(plan, &Watch::default())
    }

    /// The same under a watch; it is over when that asks it to leave.
    pub fn watched(plan: &Plan, watch: &Watch) -> Self {
        let world = World::new(Arc::new(plan.clone()), watch.clone());
        let makers: Vec<ShellMaker> = world.nodes().into_iter().map(|(_, maker)| maker).collect();
        let shells = makers.iter().map(ShellMaker::make).collect();
        Self { world, makers, shells }
    }

    /// Takes the next turn: one simulated millisecond in which something is due. False once the run is
    /// over.
    pub fn turn(&mut self) -> bool {
        let _listening = listen(Level::ERROR);
        self.step()
    }

    /// When the next turn is; none once the run is over.
    pub fn next_due(&mut self) -> Option<Time> {
        self.world.next_due()
    }

    /// From now on what is left to chance (delays, losses, failures) is drawn from this nature. With the
    /// nature of its plan a run goes on as it would have.
    pub fn redraw(&mut self, nature: u64) {
        self.world.redraw(nature);
    }

    /// Judges what has happened.
    pub fn end(self) -> Outcome {
        judge(self.world)
    }

    /// Takes a turn in which the hosts with something to do are served in order.
    fn step(&mut self) -> bool {
        let Self { world, makers, shells } = self;
        if world.next_due().is_none() {
            return false;
        }
        world.begin_turn();
        for order in world.take_orders() {
            let (Order::Kill(node) | Order::Start(node)) = order;
            shells[node] = makers[node].make();
        }
        for at in 0..world.ready().len() {
            let node = world.ready()[at];
            shells[node].work(world.mailbox(node));
        }
        world.end_turn();
        true
    }
}

fn drive_bare(mut run: BareRun) -> World {
    while run.step() {}
    run.world
}

/// So much madsim's clock may be behind the event queue.
const CLOCK_LAG: Span = Span(1_000);

/// madsim: a node and a task for each of ours. The last node of a turn to have worked takes the run to
/// the next one: a task for that alone would be every second one that is woken.
fn drive_madsim(world: World, seed: u64) -> World {
    let nodes = world.nodes();
    let stage = Arc::new(Mutex::new(Stage::new(world)));
    let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.block_on(async {
        let handle = Handle::current();
        for (number, (name, maker)) in nodes.into_iter().enumerate() {
            let (stage, shared) = (&stage, stage.clone());
            let init = move || serve(number, maker.make(), shared.clone());
            let id = handle.create_node().name(name).init(init).build().id();
            on(stage).tasks.push(HostTask { id, called: false, waker: Waker::noop().clone() });
        }
        on(&stage).go_on(None);
        poll_fn(|context| on(&stage).poll_over(context)).await;
        // A task that is pending when the runtime is dropped is never freed.
        on(&stage).tasks.iter().for_each(|task| handle.kill(task.id));
        madsim::time::sleep(std::time::Duration::from_millis(1)).await;
    });
    drop(runtime);
    let stage = Arc::into_inner(stage).expect("the nodes are gone");
    stage.into_inner().expect(UNHURT).world
}

/// The task of a node. It works while it is polled, as long as there is work for it: to wait for the call
/// first would be another poll.
async fn serve(node: usize, mut shell: Shell, stage: Arc<Mutex<Stage>>) {
    poll_fn(|context| -> Poll<()> {
        let mut stage = on(&stage);
        let mut has_work = stage.tasks[node].is_called(context);
        while has_work {
            shell.work(stage.world.mailbox(node));
            has_work = stage.one_has_worked(node);
        }
        Poll::Pending
    })
    .await;
}

/// What the tasks of a run on madsim share. One at a time has it, and while a node works it touches
/// nothing but its own desk.
struct Stage {
    world: World,
    tasks: Vec<HostTask>,
    /// So many nodes of this turn have not worked yet.
    at_work: usize,
    /// madsim's clock, but for [`CLOCK_LAG`].
    clock: Time,
    over: bool,
    audience: Waker,
}

/// A node, and how its task is called to its desk.
struct HostTask {
    id: NodeId,
    called: bool,
    waker: Waker,
}

impl HostTask {
    fn call(&mut self) {
        self.called = true;
        self.waker.wake_by_ref();
    }

    /// Was it called since it last was? The next call wakes this task.
    fn is_called(&mut self, context: &Context<'_>) -> bool {
        self.waker.clone_from(context.waker());
        std::mem::take(&mut self.called)
    }
}

const UNHURT: &str = "a panic outside of a machine ends the run";

fn on(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().expect(UNHURT)
}

impl Stage {
    fn new(world: World) -> Self {
        let audience = Waker::noop().clone();
        Self { world, tasks: Vec::new(), at_work: 0, clock: Time(0), over: false, audience }
    }

    /// A node has worked; the last one of a turn ends it. True if the same node has more to do at once.
    fn one_has_worked(&mut self, node: usize) -> bool {
        self.at_work = self.at_work.checked_sub(1).expect("only nodes that were called work");
        if self.at_work > 0 {
            return false;
        }
        self.world.end_turn();
        self.go_on(Some(node))
    }

    /// Takes turns until nodes have something to do, or nothing is left. Their tasks are called, but for the
    /// one that is running: true if its node has something to do. If any task was killed or started, that one
    /// is called too, since it may not be the node's any more.
    fn go_on(&mut self, mut running: Option<usize>) -> bool {
        while let Some(due) = self.world.next_due() {
            self.set_clock(due);
            self.world.begin_turn();
            if self.obey() {
                running = None;
            }
            self.at_work = self.world.ready().len();
            if self.at_work > 0 {
                let ready = self.world.ready();
                let others = ready.iter().filter(|node| running != Some(**node));
                others.for_each(|&node| self.tasks[node].call());
                return running.is_some_and(|node| ready.contains(&node));
            }
            self.world.end_turn();
        }
        self.over = true;
        self.audience.wake_by_ref();
        false
    }

    /// Nobody waits for madsim's clock, so it may be a little late: to sleep until each event, or to
    /// move the clock for each, would only be a detour.
    fn set_clock(&mut self, due: Time) {
        if due - self.clock >= CLOCK_LAG {
            madsim::time::advance(std::time::Duration::from_millis((due - self.clock).0));
            self.clock = due;
        }
    }

    /// Kills and starts tasks; true if there were any to be.
    fn obey(&mut self) -> bool {
        let orders = self.world.take_orders();
        let are_some = !orders.is_empty();
        for order in orders {
            let handle = Handle::current();
            match order {
                Order::Kill(node) => handle.kill(self.tasks[node].id),
                // A first start finds its task waiting; any other was killed before.
                Order::Start(node) => {
                    if handle.is_exit(self.tasks[node].id) {
                        handle.restart(self.tasks[node].id);
                    }
                }
            }
        }
        are_some
    }

    fn poll_over(&mut self, context: &Context<'_>) -> Poll<()> {
        self.audience.clone_from(context.waker());
        if self.over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Judges what happened.
fn judge(world: World) -> Outcome {
    let ended = world.end();
    let Judgement { violations, excused } =
        quietly(|| invariant::judge(&ended.context, &ended.history))
            .unwrap_or_else(|heard| broken_judge(&ended.history, &heard.panic));
    let settled = |entry: &&Entry| matches!(entry.fact, Fact::Settled { .. } | Fact::CutOff { .. });
    let settled_at = ended.history.iter().find(settled).map_or(Time(0), |entry| entry.at);
    let counts = Counts {
        simulated: settled_at - Time(0),
        facts: ended.history.len() as u64,
        settled_at,
        ..ended.counts
    };
    let verdict = if violations.is_empty() { Verdict::Held } else { Verdict::Violated };
    let Ended { coverage, history, log, moments, struck, .. } = ended;
    Outcome { verdict, violations, excused, coverage, counts, moments, struck, history, log }
}

/// A judge that panics has judged nothing: that must not look like innocence.
fn broken_judge(history: &[Entry], message: &str) -> Judgement {
    let violation = Violation {
        invariant: invariant::Invariant::NothingPanics,
        at: history.last().map_or(Time(0), |entry| entry.at),
        node: Node::World,
        record: None,
        token: None,
        site: "judge",
        message: format!("a judge panicked: {message}"),
        evidence: Vec::new(),
    };
    Judgement { violations: vec![violation], excused: Vec::new() }
}
