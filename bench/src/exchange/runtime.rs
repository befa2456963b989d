//! The exchange as the stage drives its machines: one madsim node each, behind an inbox, and links
//! of our own in one heap.

use madsim::runtime::{Handle, Runtime};
use madsim::time::{Duration, sleep};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Agenda, Due, Event, Machine};

/// Runs the exchange and tells when it ended, in simulated milliseconds.
pub(super) fn run(seed: u64) -> u64 {
    Runtime::with_seed_and_config(seed, madsim::Config::default()).block_on(pump(seed))
}

/// Hands out what is due and files what comes of it, a turn for each millisecond with something due.
async fn pump(seed: u64) -> u64 {
    let (done, mut emitted) = unbounded_channel();
    let mut inboxes = Vec::new();
    for machine in Machine::all(seed) {
        let (inbox, arrivals) = unbounded_channel();
        let node = Handle::current().create_node().build();
        node.spawn(serve(machine, arrivals, done.clone()));
        inboxes.push(inbox);
    }
    let mut agenda = Agenda::default();
    for due in Machine::openings(seed) {
        agenda.file(due);
    }
    let mut now = 0;
    while let Some(at) = agenda.next_due() {
        sleep(Duration::from_millis(at - now)).await;
        now = at;
        let mut called = 0;
        while agenda.next_due() == Some(now) {
            let (to, event) = agenda.take().expect("something is due");
            inboxes[to].send((now, event)).expect("nodes live as long as their inbox");
            called += 1;
        }
        for _ in 0..called {
            for due in emitted.recv().await.expect("the pump holds a sender itself") {
                agenda.file(due);
            }
        }
    }
    now
}

/// A node's task: it ends when its inbox is dropped.
async fn serve(
    mut machine: Machine,
    mut arrivals: UnboundedReceiver<(u64, Event)>,
    done: UnboundedSender<Vec<Due>>,
) {
    while let Some((now, event)) = arrivals.recv().await {
        let mut due = Vec::new();
        machine.handle(now, event, &mut due);
        if done.send(due).is_err() {
            return;
        }
    }
}
