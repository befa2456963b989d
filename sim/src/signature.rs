//! What makes two violations look like the same bug, over all seeds, shrunk plans and builds. Whether they are is
//! for `triage` to say.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::invariant::{Invariant, Violation};
use crate::run::Outcome;

/// What makes two violations the same bug.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// What is violated.
    #[serde(with = "by_name")]
    pub invariant: Invariant,
    /// The place in the judge that found it.
    pub site: String,
}

impl Signature {
    /// The signature of a violation.
    pub fn of(violation: &Violation) -> Self {
        Self { invariant: violation.invariant, site: violation.site.to_owned() }
    }

    /// Does this run show the same bug?
    pub fn is_in(&self, outcome: &Outcome) -> bool {
        self.find(outcome).is_some()
    }

    /// The first violation of a run that shows the same bug.
    pub fn find<'a>(&self, outcome: &'a Outcome) -> Option<&'a Violation> {
        outcome.violations.iter().find(|violation| Self::of(violation) == *self)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", self.invariant.name(), self.site)
    }
}

/// An invariant is written by its name.
mod by_name {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::invariant::Invariant;

    pub(super) fn serialize<S: Serializer>(
        invariant: &Invariant,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(invariant.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Invariant, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Invariant::ALL.iter().find(|it| it.name() == name);
        known.copied().ok_or_else(|| D::Error::custom(format!("there is no invariant `{name}`")))
    }
}
