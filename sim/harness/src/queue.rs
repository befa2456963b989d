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

    /// When the next event is due.
    pub fn next_due(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse((due, ..))| due.time())
    }

    /// Drops what is at the front and means nothing any more.
    pub fn drop_stale(&mut self, is_stale: impl Fn(&E) -> bool) {
        while let Some(&Reverse((_, _, slot))) = self.heap.peek()
            && self.slots[slot].as_ref().is_some_and(&is_stale)
        {
            self.heap.pop();
            self.free.push(slot);
            self.slots[slot] = None;
        }
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
        if self.next_due()? > now {
            return None;
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
    fn what_is_stale_makes_nothing_due() {
        let mut queue = Queue::default();
        queue.schedule(Time(1), Class::Input, 0, "stale");
        queue.schedule(Time(2), Class::Input, 0, "fresh");
        queue.schedule(Time(3), Class::Input, 0, "stale");
        queue.drop_stale(|event| *event == "stale");
        assert_eq!(queue.next_due(), Some(Time(2)));
        assert_eq!(drain(&mut queue, 9), ["fresh", "stale"]);
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
