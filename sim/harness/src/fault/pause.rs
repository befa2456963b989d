//! `pause`: a host stands still and goes on.

use super::{Blow, Does, Fault};
use crate::word::{Parameter, Word};

/// A host does nothing for a while and then goes on, without having noticed.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "pause",
        sentence: "{on} stands still for {for}",
        parameters: &[Parameter::host("on"), Parameter::span("for", 100, 20_000)],
    },
    does: Does::Once(|values| Blow::Pause { host: values.host(0), lasts: values.span(1) }),
};
