//! `cut`: messages from one host to another vanish; the other direction works.

use super::{Does, Fault};
use crate::word::{Parameter, Word};

/// A link is cut in one direction.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "cut",
        sentence: "messages from {from} to {to} vanish for {for}",
        parameters: &[
            Parameter::host("from"),
            Parameter::host("to"),
            Parameter::span("for", 100, 20_000),
        ],
    },
    does: Does::While(|conditions, values| {
        conditions.cut.insert((values.host(0), values.host(1)));
    }),
};
