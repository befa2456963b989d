//! `crash`: a host loses power and starts again.

use super::{Blow, Does, Fault};
use crate::word::{Parameter, Word};

/// A host loses what was in memory, and those of its last commits that were not durable.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "crash",
        sentence: "{on} loses power for {back}, {after} effects later",
        parameters: &[
            Parameter::host("on"),
            Parameter::span("back", 100, 10_000),
            Parameter::count("after", 0, 5),
        ],
    },
    does: Does::Once(|values| Blow::Crash {
        host: values.host(0),
        back: values.span(1),
        after: values.count(2),
    }),
};
