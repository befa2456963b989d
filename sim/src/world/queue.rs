//! The event queue of a run, and the only source of "now".

use harness::queue::{Alarms, Due, Queue as Events};
use harness::random::Draw;
use harness::time::Time;

use super::event::Event;

/// What is due, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    events: Events<Event>,
    /// When each host is woken, by its place.
    alarms: Alarms,
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
        let class = Event::Wake(place).class();
        let due = alarm.map_or(Due::NEVER, |(at, order)| Due::new(at, class, order.value()));
        self.alarms.set(place, due);
    }

    /// When something happens next.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.alarms.first().min(self.events.first()).time()
    }

    /// It is the time of what is due next.
    pub(super) fn advance(&mut self) {
        self.now = self.next_due().expect("the driver has looked");
    }

    /// Takes the next event that is due now.
    pub(super) fn take(&mut self) -> Option<Event> {
        let is_alarm = self.alarms.first() <= self.events.first();
        let event = if is_alarm {
            Event::Wake(self.alarms.take_due(self.now)?)
        } else {
            self.events.take_due(self.now)?
        };
        self.taken += 1;
        Some(event)
    }

    /// Takes out events that will not happen, in order; alarms stay.
    pub(super) fn take_out(&mut self, is_out: impl Fn(&Event) -> bool) -> Vec<Event> {
        self.events.take_out(is_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Node;

    #[test]
    fn an_alarm_comes_in_its_place_among_events() {
        let draw = |n| Draw::new(n, "order");
        let mut draws = [1, 2, 3].map(draw);
        draws.sort_unstable_by_key(|draw| draw.value());
        let mut queue = Queue::default();
        // Hosts are woken and given things in one class: only the draw decides.
        let given = |step| Event::Persisted(Node::World, 0, step);
        queue.schedule(Time(4), draws[2], given(2));
        queue.schedule(Time(4), draws[0], given(0));
        queue.set_alarm(7, Some((Time(4), draws[1])));
        assert_eq!(queue.next_due(), Some(Time(4)));
        queue.advance();
        let taken: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
        assert!(
            matches!(
                taken[..],
                [Event::Persisted(_, _, 0), Event::Wake(7), Event::Persisted(_, _, 2)]
            ),
            "{taken:?}"
        );
        assert_eq!((queue.taken(), queue.next_due()), (3, None));
    }
}
