//! `slow-disk`: commits of a host take longer.

use super::{Does, Fault};
use crate::word::{Parameter, Word};

/// The disk of a host is slow.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "slow-disk",
        sentence: "commits of {on} take {times} times as long for {for}",
        parameters: &[
            Parameter::host("on"),
            Parameter::count("times", 2, 200),
            Parameter::span("for", 100, 20_000),
        ],
    },
    does: Does::While(|conditions, values| {
        let slowness = conditions.slow_disks.entry(values.host(0)).or_insert(1);
        *slowness = values.count(1).max(*slowness);
    }),
};
