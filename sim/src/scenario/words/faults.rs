//! The verbs of faults: whom each names and which keys it has, by the declaration of its fault.

use super::{Verb, Who};
use crate::fault::{Argument, ArgumentKind, FaultKind, Lasts};

/// Whom a fault happens to.
pub(super) fn who(kind: FaultKind) -> Who {
    let Some(target) = kind.declaration().target() else { return Who::Nobody };
    let named = [Who::Device, Who::Remote, Who::Worker, Who::Processor, Who::User];
    let named = named.into_iter().find(|who| who.key() == Some(target.key));
    named.expect("a target is under the key of its kind")
}

/// May an argument be left out?
fn is_optional(argument: &Argument) -> bool {
    match argument.kind {
        ArgumentKind::User | ArgumentKind::SeenBy | ArgumentKind::Effects => true,
        ArgumentKind::Device
        | ArgumentKind::Remote
        | ArgumentKind::Worker
        | ArgumentKind::Processor
        | ArgumentKind::Host
        | ArgumentKind::Row
        | ArgumentKind::Spare
        | ArgumentKind::Ending
        | ArgumentKind::Times
        | ArgumentKind::Wait
        | ArgumentKind::Age
        | ArgumentKind::Shift => false,
    }
}

impl Verb {
    /// The fault that it begins.
    pub fn begins(self) -> Option<FaultKind> {
        if let Self::Begin(kind) = self { Some(kind) } else { None }
    }

    /// The fault that it ends.
    pub fn ends(self) -> Option<FaultKind> {
        if let Self::End(kind) = self { Some(kind) } else { None }
    }

    /// The fault that it begins or ends.
    pub(in crate::scenario) fn fault(self) -> Option<FaultKind> {
        self.begins().or(self.ends())
    }

    /// The keys of a fault's arguments and of its length: those that are needed, or the others. What
    /// ends a fault does not say how strong that is.
    pub(super) fn keys_of_fault(self, needed: bool) -> Vec<&'static str> {
        let Some(kind) = self.fault() else { return Vec::new() };
        let ends = self.ends().is_some();
        let arguments = kind.declaration().rest().iter();
        let arguments = arguments.filter(|it| !ends || it.kind.strength().is_none());
        let mut keys: Vec<_> =
            arguments.filter(|it| is_optional(it) != needed).map(|it| it.key).collect();
        let says_how_long = match kind.lasts() {
            Lasts::AtOnce => false,
            Lasts::UntilBack => needed,
            Lasts::Until(..) => !needed && !ends,
        };
        keys.extend(says_how_long.then_some("for"));
        keys
    }
}
