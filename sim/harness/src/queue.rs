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
pub struct Due(u128);

impl Due {
    /// After everything that is due.
    pub const NEVER: Self = Self(u128::MAX);

    /// At a time; `order` decides the position within its millisecond and class.
    pub fn new(at: Time, class: Class, order: u64) -> Self {
        // What is further away than half of all time is never due.
        let at = at.0.min(u64::MAX >> 1);
        Self(u128::from(at) << 65 | (class as u128) << 64 | u128::from(order))
    }

    /// Its time, if it has one.
    pub fn time(self) -> Option<Time> {
        (self != Self::NEVER).then_some(Time((self.0 >> 65) as u64))
    }

    /// Is it due at this time?
    pub fn is_by(self, now: Time) -> bool {
        self.time().is_some_and(|at| at <= now)
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
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), scheduled: 0 }
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

    /// The time, class and draw of the next event.
    pub fn first(&self) -> Due {
        self.heap.peek().map_or(Due::NEVER, |Reverse((due, ..))| *due)
    }

    /// When the next event is due.
    pub fn next_due(&self) -> Option<Time> {
        self.first().time()
    }

    /// Takes out the events that are not to happen any more, in order.
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
        if !self.first().is_by(now) {
            return None;
        }
        let Reverse((_, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        Some(self.slots[slot].take().expect("a slot in the heap is filled"))
    }
}

/// What each sleeper is woken by. An alarm that is moved leaves nothing behind.
#[derive(Clone, Debug)]
pub struct Alarms {
    alarms: Vec<Due>,
    /// The first of them, and whose it is.
    first: (Due, usize),
}

impl Default for Alarms {
    fn default() -> Self {
        Self { alarms: Vec::new(), first: (Due::NEVER, 0) }
    }
}

impl Alarms {
    /// Sets the alarm of a sleeper in the place of the one that it has.
    pub fn set(&mut self, sleeper: usize, alarm: Due) {
        if self.alarms.len() <= sleeper {
            self.alarms.resize(sleeper + 1, Due::NEVER);
        }
        self.alarms[sleeper] = alarm;
        if self.first.1 == sleeper {
            let alarms = self.alarms.iter().copied().zip(0..);
            self.first = alarms.min_by_key(|(alarm, _)| *alarm).expect("there is one at least");
        } else if alarm < self.first.0 {
            self.first = (alarm, sleeper);
        }
    }

    /// The first alarm.
    pub fn first(&self) -> Due {
        self.first.0
    }

    /// Takes the first alarm if it is due at `now`; whose it is.
    pub fn take_due(&mut self, now: Time) -> Option<usize> {
        let (alarm, sleeper) = self.first;
        alarm.is_by(now).then(|| {
            self.set(sleeper, Due::NEVER);
            sleeper
        })
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
    fn an_alarm_comes_once_and_only_when_it_was_last_set_for() {
        let mut alarms = Alarms::default();
        assert_eq!((alarms.first(), alarms.take_due(Time(9))), (Due::NEVER, None));
        let due = |at, order| Due::new(Time(at), Class::Input, order);
        for (sleeper, alarm) in [(3, due(1, 0)), (0, due(4, 5)), (1, due(2, 0)), (3, due(4, 1))] {
            alarms.set(sleeper, alarm);
        }
        alarms.set(1, Due::NEVER);
        assert_eq!((alarms.first(), alarms.take_due(Time(3))), (due(4, 1), None));
        let taken: Vec<_> = std::iter::from_fn(|| alarms.take_due(Time(4))).collect();
        assert_eq!((taken, alarms.first()), (vec![3, 0], Due::NEVER));
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
