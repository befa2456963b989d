//! How much a run may take until it is taken for one that never ends.

use std::fmt;

use harness::time::Span;
use serde::Serialize;

/// The most facts of a run that sets no other limit: about a gigabyte.
pub const MOST_FACTS: u64 = 5_000_000;

/// What a scenario sets of that. What it leaves open follows from the rest of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Events.
    pub events: Option<u64>,
    /// Facts of its history.
    pub facts: Option<u64>,
    /// Bytes that its history keeps.
    pub bytes: Option<u64>,
    /// Simulated time.
    pub simulated: Option<Span>,
}

/// What a run has exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Excess {
    /// So many events.
    Events(u64),
    /// So many facts.
    Facts(u64),
    /// So many bytes.
    Bytes(u64),
    /// So much simulated time.
    Simulated(Span),
    /// The processor time that a seed may take.
    Time,
    /// The processor time that a machine may take for what it is given at a moment.
    Turn,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(most) => write!(f, "{} events", grouped(*most)),
            Self::Facts(most) => write!(f, "{} facts", grouped(*most)),
            Self::Bytes(most) => write!(f, "{} bytes of history", grouped(*most)),
            Self::Simulated(most) => write!(f, "{most} of simulated time"),
            Self::Time => f.write_str("the processor time that a seed may take"),
            Self::Turn => f.write_str("the processor time that a machine may take for one turn"),
        }
    }
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut out = digits[..first].to_owned();
    for at in (first..digits.len()).step_by(3) {
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&digits[at..at + 3]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        assert_eq!(
            [7, 70, 700, 7_000, 70_000, 1_234_567].map(grouped),
            ["7", "70", "700", "7,000", "70,000", "1,234,567"]
        );
    }
}
