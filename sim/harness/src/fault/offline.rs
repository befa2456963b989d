//! `offline`: a host reaches nobody and nobody reaches it.

use super::{Does, Fault};
use crate::word::{Parameter, Word};

/// A host is cut off in both directions.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "offline",
        sentence: "{on} is offline for {for}",
        parameters: &[Parameter::host("on"), Parameter::span("for", 100, 20_000)],
    },
    does: Does::While(|conditions, values| {
        conditions.offline.insert(values.host(0));
    }),
};
