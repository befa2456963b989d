//! The bare loop: one heap, no futures. The least that such an exchange can cost.

use super::{Agenda, Machine};

/// Runs the exchange and tells when it ended, in simulated milliseconds.
pub(super) fn run(seed: u64) -> u64 {
    let mut machines = Machine::all(seed);
    let mut agenda = Agenda::default();
    let mut emitted = Machine::openings(seed);
    let mut now = 0;
    loop {
        for due in emitted.drain(..) {
            agenda.file(due);
        }
        let Some(at) = agenda.next_due() else { return now };
        now = at;
        let (to, event) = agenda.take().expect("something is due");
        machines[to].handle(now, event, &mut emitted);
    }
}
