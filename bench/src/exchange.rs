//! An exchange of messages: what a message costs under three drivers.
//!
//! One operation is four messages: device, server, remote, server, device. Devices think between
//! operations; every link takes 1 to 10 ms; a deadline of 500 ms is armed on every operation. Each
//! message is encoded and decoded at every hop. The bare loop and madsim drive the very same
//! machines with the very same delays, so both end at the same instant; turmoil has its own.

mod bare;
mod runtime;
mod turmoil;

use std::time::Duration;

use harness::random::Draw;
use serde::{Deserialize, Serialize};

use crate::gauge::{cpu_of, on_a_fresh_thread};

pub(crate) const DEVICES: usize = 4;
pub(crate) const OPERATIONS: u32 = 100;
const SERVER: usize = 0;
const REMOTE: usize = 1;
const FIRST_DEVICE: usize = 2;
const DEADLINE_MS: u64 = 500;
/// Fills a message up to some 70 bytes.
const FILLER: usize = 64;

/// CPU time per operation under each driver: the least of all rounds.
pub(crate) struct Costs {
    pub(crate) bare: Duration,
    pub(crate) madsim: Duration,
    pub(crate) turmoil: Duration,
}

/// Measures. The drivers take turns, so that what disturbs one disturbs the others too.
pub(crate) fn measure() -> Costs {
    let mut costs = Costs { bare: Duration::MAX, madsim: Duration::MAX, turmoil: Duration::MAX };
    for round in 0..5 {
        let times = |repeat: u64, run: fn(u64) -> u64| {
            let seeds = round * repeat..(round + 1) * repeat;
            let ((), spent) = cpu_of(|| {
                for seed in seeds {
                    on_a_fresh_thread(|| run(seed));
                }
            });
            let operations = u32::try_from(repeat).expect("it is small") * OPERATIONS;
            spent / (operations * u32::try_from(DEVICES).expect("it is small"))
        };
        costs.bare = costs.bare.min(times(50, bare::run));
        costs.madsim = costs.madsim.min(times(50, runtime::run));
        costs.turmoil = costs.turmoil.min(times(4, turmoil::run));
    }
    let end = bare::run(1);
    assert_eq!(end, on_a_fresh_thread(|| runtime::run(1)), "both drive the same exchange");
    costs
}

/// A message on its way.
#[derive(Debug, Serialize, Deserialize)]
struct Message {
    device: u16,
    operation: u32,
    hop: u8,
    filler: Vec<u8>,
}

impl Message {
    fn first(device: usize, operation: u32) -> Self {
        let device = u16::try_from(device).expect("there are few devices");
        Self { device, operation, hop: 0, filler: vec![7; FILLER] }
    }

    fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a message is plain data")
    }

    fn decode(bytes: &[u8]) -> Self {
        postcard::from_bytes(bytes).expect("nothing damages messages here")
    }

    /// The same message one hop on.
    fn onward(mut self) -> Self {
        self.hop += 1;
        self
    }

    /// Where this hop leads.
    fn goes_to(&self) -> usize {
        match self.hop {
            0 | 2 => SERVER,
            1 => REMOTE,
            _ => usize::from(self.device),
        }
    }
}

/// What a machine is given.
#[derive(Debug)]
enum Event {
    Message(Vec<u8>),
    /// Time for the next operation.
    Start,
    /// The time for this operation is up.
    Deadline(u32),
}

/// Something that is to happen to a machine.
#[derive(Debug)]
struct Due {
    at: u64,
    to: usize,
    event: Event,
}

/// One node of the exchange.
#[derive(Debug)]
struct Machine {
    seed: u64,
    id: usize,
    operation: u32,
}

impl Machine {
    fn all(seed: u64) -> Vec<Self> {
        (0..FIRST_DEVICE + DEVICES).map(|id| Self { seed, id, operation: 0 }).collect()
    }

    /// What happens first of all.
    fn openings(seed: u64) -> Vec<Due> {
        let devices = FIRST_DEVICE..FIRST_DEVICE + DEVICES;
        devices.map(|to| Due { at: think(seed, to, 0), to, event: Event::Start }).collect()
    }

    fn handle(&mut self, now: u64, event: Event, due: &mut Vec<Due>) {
        match event {
            Event::Start => {
                due.push(self.send(now, &Message::first(self.id, self.operation)));
                let event = Event::Deadline(self.operation);
                due.push(Due { at: now + DEADLINE_MS, to: self.id, event });
            }
            Event::Message(bytes) if self.id >= FIRST_DEVICE => {
                assert_eq!(Message::decode(&bytes).operation, self.operation);
                self.operation += 1;
                if self.operation < OPERATIONS {
                    let at = now + think(self.seed, self.id, self.operation);
                    due.push(Due { at, to: self.id, event: Event::Start });
                }
            }
            Event::Message(bytes) => {
                due.push(self.send(now, &Message::decode(&bytes).onward()));
            }
            Event::Deadline(operation) => {
                assert_ne!(operation, self.operation, "four hops take at most 40 ms");
            }
        }
    }

    fn send(&self, now: u64, message: &Message) -> Due {
        let latency = Draw::new(self.seed, "latency")
            .and(message.device.into())
            .and(message.operation.into())
            .and(message.hop.into())
            .below(10);
        let event = Event::Message(message.encode());
        Due { at: now + 1 + latency, to: message.goes_to(), event }
    }
}

/// How long a device thinks before an operation, in milliseconds.
fn think(seed: u64, device: usize, operation: u32) -> u64 {
    1 + Draw::new(seed, "think").and(device as u64).and(operation.into()).below(50)
}

/// Everything that is due, by time and then by filing.
#[derive(Debug, Default)]
struct Agenda {
    heap: std::collections::BinaryHeap<std::cmp::Reverse<(u64, u64, usize)>>,
    events: Vec<Option<(usize, Event)>>,
    free: Vec<usize>,
    filed: u64,
}

impl Agenda {
    fn file(&mut self, due: Due) {
        let entry = Some((due.to, due.event));
        let slot = if let Some(slot) = self.free.pop() {
            self.events[slot] = entry;
            slot
        } else {
            self.events.push(entry);
            self.events.len() - 1
        };
        self.filed += 1;
        self.heap.push(std::cmp::Reverse((due.at, self.filed, slot)));
    }

    fn next_due(&self) -> Option<u64> {
        self.heap.peek().map(|next| next.0.0)
    }

    fn take(&mut self) -> Option<(usize, Event)> {
        let std::cmp::Reverse((_, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.events[slot].take()
    }
}
