//! What makes two violations the same bug, over all seeds, smaller plans and builds.

use std::fmt;

use crate::judge::Violation;
use crate::run::Outcome;
use crate::system::System;

/// What makes two violations the same bug.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// What is violated.
    pub invariant: String,
    /// The rule of the judge that is broken.
    pub site: String,
}

impl Signature {
    /// The signature of a violation.
    pub fn of(violation: &Violation) -> Self {
        Self { invariant: violation.invariant.to_owned(), site: violation.site.to_owned() }
    }

    /// The first violation of a run that shows this bug.
    pub fn find<'a, S: System>(&self, outcome: &'a Outcome<S>) -> Option<&'a Violation> {
        outcome.violations.iter().find(|violation| Self::of(violation) == *self)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", self.invariant, self.site)
    }
}
