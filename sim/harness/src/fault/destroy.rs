//! `destroy`: a host is gone for good.

use super::{Blow, Does, Fault};
use crate::word::{Parameter, Word};

/// A host and its disk are destroyed. What only this disk had stored is lost, and nobody is blamed.
pub(super) const FAULT: Fault = Fault {
    word: Word {
        name: "destroy",
        sentence: "{on} is destroyed",
        parameters: &[Parameter::host("on")],
    },
    does: Does::Once(|values| Blow::Destroy { host: values.host(0) }),
};
