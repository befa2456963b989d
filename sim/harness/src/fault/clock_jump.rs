//! `clock-jump`: a wall clock is set forward or back.

use super::{Blow, Does, Fault};
use crate::quantity::{Range, Unit};
use crate::word::{Kind, Parameter, Word};

/// A wall clock jumps; the monotonic clock does not.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "clock-jump",
        sentence: "the wall clock of {on} jumps by {by}",
        parameters: &[
            Parameter::host("on"),
            Parameter {
                name: "by",
                kind: Kind::Quantity(Unit::Shift, Range { low: -60_000, high: 60_000 }),
            },
        ],
    },
    does: Does::Once(|values| Blow::ClockJump { host: values.host(0), by: values.number(1) }),
};
