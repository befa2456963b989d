//! The event queue of a run, and the only source of "now".

use harness::queue::Queue as Events;
use harness::random::Draw;
use harness::time::Time;

use super::event::Event;
use crate::plan::Plan;

/// Without an end in sight after this number of events, and that for each machine, a run is taken
/// for endless. A busy device has some hundred a minute, an idle one those of its pulls.
const EVENTS: u64 = 1_000_000;
const EVENTS_PER_MACHINE: u64 = 50_000;
const EVENTS_PER_PULL: u64 = 32;

/// What is due, and when.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    events: Events<Event>,
    now: Time,
    taken: u64,
    /// With more events than this the run is taken for endless.
    most: u64,
}

impl Queue {
    pub(super) fn new(plan: &Plan) -> Self {
        let machines = plan.devices.len() + plan.processors().len();
        let pulls = plan.storm.0 / plan.timing.pull_every.0.max(1);
        let each = EVENTS_PER_MACHINE.saturating_add(EVENTS_PER_PULL.saturating_mul(pulls));
        let most = each.saturating_mul(machines as u64).saturating_add(EVENTS);
        Self { events: Events::default(), now: Time(0), taken: 0, most }
    }

    /// The simulated time.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// How many events have happened.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Have more events happened than in any run that comes to an end?
    pub(super) fn is_endless(&self) -> bool {
        self.taken > self.most
    }

    /// Schedules an event; `order` decides its position among those of its millisecond.
    pub(super) fn schedule(&mut self, at: Time, order: Draw, event: Event) {
        self.events.schedule(at, event.class(), order.value(), event);
    }

    /// When something happens next, apart from what means nothing any more: most wake-ups have been put
    /// off before they are due, and none of those is worth a turn.
    pub(super) fn next_due(&mut self, is_stale: impl Fn(&Event) -> bool) -> Option<Time> {
        self.events.drop_stale(is_stale);
        self.events.next_due()
    }

    /// It is the time of what is due next.
    pub(super) fn advance(&mut self) {
        self.now = self.events.next_due().expect("the driver has looked");
    }

    /// Takes the next event that is due now.
    pub(super) fn take(&mut self) -> Option<Event> {
        let event = self.events.take_due(self.now)?;
        self.taken += 1;
        Some(event)
    }

    /// Takes out events that will not happen, in order.
    pub(super) fn take_out(&mut self, is_out: impl Fn(&Event) -> bool) -> Vec<Event> {
        self.events.take_out(is_out)
    }
}
