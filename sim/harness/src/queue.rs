//! The event queue: everything that is due, by time. The only source of "now" in a run.
//!
//! Events of one millisecond come in two classes, the world's own before what hosts are given, and
//! within a class by a keyed draw. The order of scheduling decides nothing, or the removal of one step
//! would reorder the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Time;

/// Which events of a millisecond come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What happens to hosts.
    World,
    /// What hosts are given.
    Input,
}

/// When an entry is due: its time, class and draw, as the digits of one number that is compared at
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due(u128);

impl Due {
    fn new(at: Time, class: Class, order: u64) -> Self {
        // What is further away than half of all time is never due.
        let at = at.0.min(u64::MAX >> 1);
        Self(u128::from(at) << 65 | (class as u128) << 64 | u128::from(order))
    }

    fn time(self) -> Time {
        Time((self.0 >> 65) as u64)
    }
}

/// The events of a run that are still to come.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    /// The count of scheduled events only breaks what is equal by chance.
    heap: BinaryHeap<Reverse<(Due, u64, usize)>>,
    /// Events live outside of the heap, so that ordering moves small entries.
    slots: Vec<Option<E>>,
    free: Vec<usize>,
    scheduled: u64,
    /// What each sleeper is woken by. An alarm that is moved leaves nothing behind.
    alarms: Vec<Option<(Due, E)>>,
    /// The first of them, and whose it is.
    first_alarm: Option<(Due, usize)>,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            scheduled: 0,
            alarms: Vec::new(),
            first_alarm: None,
        }
    }
}

impl<E> Queue<E> {
    /// Schedules an event; `order` decides its position within its millisecond and class.
    pub fn schedule(&mut self, at: Time, class: Class, order: u64, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                self.slots.len() - 1
            }
        };
        self.scheduled += 1;
        self.heap.push(Reverse((Due::new(at, class, order), self.scheduled, slot)));
    }

    /// Sets the alarm of a sleeper in the place of the one that it has: an event that is scheduled in the
    /// same way, or none.
    pub fn set_alarm(&mut self, sleeper: usize, alarm: Option<(Time, Class, u64, E)>) {
        if self.alarms.len() <= sleeper {
            self.alarms.resize_with(sleeper + 1, || None);
        }
        let alarm = alarm.map(|(at, class, order, event)| (Due::new(at, class, order), event));
        let due = alarm.as_ref().map(|(due, _)| (*due, sleeper));
        self.alarms[sleeper] = alarm;
        if self.first_alarm.is_some_and(|(_, first)| first == sleeper) {
            self.find_first_alarm();
        } else {
            self.first_alarm = self.first_alarm.into_iter().chain(due).min();
        }
    }

    fn find_first_alarm(&mut self) {
        let alarms = self.alarms.iter().enumerate();
        let due = alarms.filter_map(|(sleeper, alarm)| Some((alarm.as_ref()?.0, sleeper)));
        self.first_alarm = due.min();
    }

    fn first(&self) -> Option<Due> {
        let event = self.heap.peek().map(|Reverse((due, ..))| *due);
        match (event, self.first_alarm) {
            (Some(event), Some((alarm, _))) => Some(event.min(alarm)),
            (event, alarm) => event.or(alarm.map(|(alarm, _)| alarm)),
        }
    }

    /// When the next event is due.
    pub fn next_due(&self) -> Option<Time> {
        self.first().map(Due::time)
    }

    /// Takes out the events that are not to happen any more, in order; alarms stay.
    pub fn take_out(&mut self, is_out: impl Fn(&E) -> bool) -> Vec<E> {
        let (out, heap): (Vec<_>, Vec<_>) = std::mem::take(&mut self.heap)
            .into_sorted_vec()
            .into_iter()
            .rev()
            .partition(|Reverse((_, _, slot))| self.slots[*slot].as_ref().is_some_and(&is_out));
        self.heap = heap.into();
        self.free.extend(out.iter().map(|Reverse((_, _, slot))| *slot));
        out.into_iter().filter_map(|Reverse((_, _, slot))| self.slots[slot].take()).collect()
    }

    /// Takes the next event that is due at `now`.
    pub fn take_due(&mut self, now: Time) -> Option<E> {
        let due = self.first().filter(|due| due.time() <= now)?;
        if let Some((alarm, sleeper)) = self.first_alarm
            && alarm == due
        {
            let (_, event) = self.alarms[sleeper].take().expect("the first alarm is set");
            self.find_first_alarm();
            return Some(event);
        }
        let Reverse((_, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        Some(self.slots[slot].take().expect("a slot in the heap is filled"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut Queue<&'static str>, now: u64) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.take_due(Time(now))).collect()
    }

    #[test]
    fn events_come_by_time_class_and_draw_and_not_by_scheduling() {
        let mut queue = Queue::default();
        queue.schedule(Time(5), Class::Input, 1, "input");
        queue.schedule(Time(5), Class::World, 9, "late kill");
        queue.schedule(Time(5), Class::World, 2, "early kill");
        queue.schedule(Time(4), Class::Input, 9, "before");
        queue.schedule(Time(6), Class::World, 0, "after");
        assert_eq!(queue.next_due(), Some(Time(4)));
        assert_eq!(drain(&mut queue, 5), ["before", "early kill", "late kill", "input"]);
        assert_eq!(queue.next_due(), Some(Time(6)));
    }

    #[test]
    fn an_alarm_comes_among_events_and_only_when_it_was_last_set_for() {
        let mut queue = Queue::default();
        let set = |queue: &mut Queue<_>, sleeper, at, order, event| {
            queue.set_alarm(sleeper, Some((Time(at), Class::Input, order, event)));
        };
        set(&mut queue, 3, 1, 0, "moved");
        set(&mut queue, 0, 4, 5, "phone");
        set(&mut queue, 1, 2, 0, "off");
        set(&mut queue, 3, 4, 1, "tablet");
        queue.set_alarm(1, None);
        queue.schedule(Time(4), Class::Input, 3, "input");
        queue.schedule(Time(5), Class::Input, 0, "after");
        assert_eq!(queue.next_due(), Some(Time(4)));
        assert_eq!(drain(&mut queue, 4), ["tablet", "input", "phone"]);
        assert_eq!(drain(&mut queue, 9), ["after"]);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn what_is_scheduled_for_now_while_now_is_being_taken_still_comes() {
        let mut queue = Queue::default();
        queue.schedule(Time(1), Class::World, 0, "step");
        assert_eq!(queue.take_due(Time(1)), Some("step"));
        queue.schedule(Time(1), Class::Input, 0, "input");
        assert_eq!(drain(&mut queue, 1), ["input"]);
    }
}
