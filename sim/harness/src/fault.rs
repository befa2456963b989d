//! Faults: what can go wrong around the machines. A fault is one declaration in a file of its own, and its
//! line in [`FAULTS`].
//!
//! What lasts changes the [`Conditions`], which are a pure function of the faults that are active, so that
//! faults that overlap need no care. What happens once is a [`Blow`] to a host.

mod clock_jump;
mod crash;
mod cut;
mod destroy;
mod offline;
mod pause;
mod slow_disk;
mod slow_link;

use crate::conditions::Conditions;
use crate::observation::HostId;
use crate::step::StepId;
use crate::time::Span;
use crate::word::{Values, Word};

/// Every fault that there is.
pub static FAULTS: [Fault; 8] = [
    clock_jump::FAULT,
    crash::FAULT,
    cut::FAULT,
    destroy::FAULT,
    offline::FAULT,
    pause::FAULT,
    slow_disk::FAULT,
    slow_link::FAULT,
];

/// Something that can go wrong.
#[derive(Debug)]
pub struct Fault {
    /// How it is written, drawn and told.
    pub word: Word,
    /// What it does.
    pub does: Does,
}

/// How a fault makes conditions worse.
pub type Worsens = fn(&mut Conditions, Values<'_>);

/// What a fault does.
#[derive(Debug)]
pub enum Does {
    /// It makes conditions worse for as long as its last parameter says, or until all faults end.
    While(Worsens),
    /// It strikes a host, once.
    Once(fn(Values<'_>) -> Blow),
}

/// What happens to a host, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It loses power right after it has done this many things more, and starts again after a while.
    Crash {
        /// The host.
        host: HostId,
        /// How many effects later; 0 is at once.
        after: u64,
        /// How long it stays down.
        back: Span,
    },
    /// It stands still, and goes on after a while with what it had in memory.
    Pause {
        /// The host.
        host: HostId,
        /// For how long.
        lasts: Span,
    },
    /// It is gone for good, with its disk.
    Destroy {
        /// The host.
        host: HostId,
    },
    /// Its wall clock is set forward or back.
    ClockJump {
        /// The host.
        host: HostId,
        /// By how many milliseconds.
        by: i64,
    },
}

impl Blow {
    /// The host that it strikes.
    pub const fn host(self) -> HostId {
        let (Self::Crash { host, .. }
        | Self::Pause { host, .. }
        | Self::Destroy { host }
        | Self::ClockJump { host, .. }) = self;
        host
    }
}

/// The faults that are active.
#[derive(Clone, Debug, Default)]
pub struct Active {
    /// Each with the step that began it.
    faults: Vec<(StepId, Worsens, Vec<i64>)>,
    conditions: Conditions,
}

impl Active {
    /// What they make of links and disks.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// A fault begins.
    pub fn begin(&mut self, step: StepId, worsens: Worsens, values: Vec<i64>) {
        self.faults.push((step, worsens, values));
        self.judge_conditions();
    }

    /// A fault ends; false if it has ended before.
    pub fn end(&mut self, step: StepId) -> bool {
        let before = self.faults.len();
        self.faults.retain(|fault| fault.0 != step);
        self.judge_conditions();
        self.faults.len() < before
    }

    /// All faults end; the steps that had begun them.
    pub fn end_all(&mut self) -> Vec<StepId> {
        self.conditions = Conditions::default();
        std::mem::take(&mut self.faults).into_iter().map(|fault| fault.0).collect()
    }

    fn judge_conditions(&mut self) {
        self.conditions = Conditions::default();
        for (_, worsens, values) in &self.faults {
            worsens(&mut self.conditions, Values(values));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Lost;
    use crate::word::Kind;

    #[test]
    fn faults_that_overlap_end_each_by_itself() {
        let mut active = Active::default();
        let Does::While(cuts) = cut::FAULT.does else { panic!("a cut lasts") };
        for step in [1, 2] {
            active.begin(StepId(step), cuts, vec![0, 1, 1_000]);
        }
        assert_eq!(active.conditions().stop(HostId(0), HostId(1)), Some(Lost::Cut));
        assert_eq!(active.conditions().stop(HostId(1), HostId(0)), None);
        assert!(active.end(StepId(1)));
        assert!(active.conditions().stop(HostId(0), HostId(1)).is_some());
        assert!(active.end(StepId(2)) && !active.end(StepId(2)));
        assert_eq!(*active.conditions(), Conditions::default());
    }

    #[test]
    fn the_slowest_of_two_faults_counts() {
        let mut active = Active::default();
        let Does::While(slows) = slow_disk::FAULT.does else { panic!("a slow disk lasts") };
        active.begin(StepId(1), slows, vec![0, 50, 1_000]);
        active.begin(StepId(2), slows, vec![0, 5, 1_000]);
        assert_eq!(active.conditions().disk_slowness(HostId(0)), 50);
        assert_eq!(active.end_all(), [StepId(1), StepId(2)]);
        assert_eq!(active.conditions().disk_slowness(HostId(0)), 1);
    }

    #[test]
    fn words_differ_and_what_lasts_says_for_how_long() {
        for (at, fault) in FAULTS.iter().enumerate() {
            assert!(FAULTS[..at].iter().all(|other| other.word.name != fault.word.name));
            for parameter in fault.word.parameters {
                let place = format!("{{{}}}", parameter.name);
                assert!(fault.word.sentence.contains(&place), "{} is not told", parameter.name);
            }
            if let Does::While(_) = fault.does {
                let last = fault.word.parameters.last().expect("it says for how long");
                assert!(last.name == "for" && matches!(last.kind, Kind::Quantity(..)));
            }
        }
    }
}
