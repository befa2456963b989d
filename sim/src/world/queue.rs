//! The event queue of a run, and the only source of "now".

use harness::queue::Queue as Events;
use harness::random::Draw;
use harness::time::Time;

use super::event::Event;

/// What is due, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    events: Events<Event>,
    now: Time,
    taken: u64,
}

impl Queue {
    /// The simulated time.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// How many events have happened.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Schedules an event; `order` decides its position among those of its millisecond.
    pub(super) fn schedule(&mut self, at: Time, order: Draw, event: Event) {
        self.events.schedule(at, event.class(), order.value(), event);
    }

    /// The host at this place is woken at this time and no other.
    pub(super) fn set_alarm(&mut self, place: usize, alarm: Option<(Time, Draw)>) {
        let event = Event::Wake(place);
        let alarm = alarm.map(|(at, order)| (at, event.class(), order.value(), event));
        self.events.set_alarm(place, alarm);
    }

    /// When something happens next.
    pub(super) fn next_due(&self) -> Option<Time> {
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
