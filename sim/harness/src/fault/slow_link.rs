//! `slow-link`: messages from one host to another take longer.

use super::{Does, Fault};
use crate::word::{Parameter, Word};

/// A link is slow in one direction.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "slow-link",
        sentence: "messages from {from} to {to} take {times} times as long for {for}",
        parameters: &[
            Parameter::host("from"),
            Parameter::host("to"),
            Parameter::count("times", 2, 100),
            Parameter::span("for", 100, 20_000),
        ],
    },
    does: Does::While(|conditions, values| {
        let slowness = conditions.slow_links.entry((values.host(0), values.host(1))).or_insert(1);
        *slowness = values.count(2).max(*slowness);
    }),
};
