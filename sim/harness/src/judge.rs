//! Judges of any system: each checks one invariant of a run, and knows nothing but its observations.
//!
//! `evidence` reads all observations once. A judge is a function from the evidence to what does not hold.
//! What a write had observed is what its author was shown, and what the plan destroyed is excused; the
//! system is never asked. A system says in its [`Claims`] which judges hold it to account, and may add
//! judges of its own.

mod bounded_growth;
mod convergence;
mod crashes_lose_nothing;
mod evidence;
mod linearizability;
mod no_lost_writes;
mod no_phantoms;
mod no_resurrection;
mod nothing_panics;
mod reads_never_go_back;
mod settles_in_time;

#[cfg(test)]
mod case;
#[cfg(test)]
mod model;

pub use self::bounded_growth::BOUNDED_GROWTH;
pub use self::convergence::CONVERGENCE;
pub use self::crashes_lose_nothing::CRASHES_LOSE_NOTHING;
pub use self::evidence::{Evidence, Reading, Rest, Written};
pub use self::linearizability::LINEARIZABILITY;
pub use self::no_lost_writes::NO_LOST_WRITES;
pub use self::no_phantoms::NO_PHANTOMS;
pub use self::no_resurrection::NO_RESURRECTION;
pub use self::nothing_panics::NOTHING_PANICS;
pub use self::reads_never_go_back::READS_NEVER_GO_BACK;
pub use self::settles_in_time::SETTLES_IN_TIME;

use crate::observation::{HostId, Key, Names, Observation, Token};
use crate::time::{Span, Time};

/// A judge of one invariant.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    /// The name of the invariant, as people write it.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub meaning: &'static str,
    /// Reports what does not hold.
    pub check: fn(&Evidence<'_>) -> Vec<Finding>,
}

/// All judges of this package.
pub const JUDGES: [Judge; 10] = [
    NO_LOST_WRITES,
    NO_PHANTOMS,
    NO_RESURRECTION,
    CONVERGENCE,
    READS_NEVER_GO_BACK,
    CRASHES_LOSE_NOTHING,
    SETTLES_IN_TIME,
    NOTHING_PANICS,
    BOUNDED_GROWTH,
    LINEARIZABILITY,
];

/// What a system claims of itself.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The judges that it submits to.
    pub judges: Vec<Judge>,
    /// What becomes of writes of one key whose authors had not observed each other.
    pub concurrent: Concurrent,
    /// What a delete does.
    pub deletes: Deletes,
    /// What a host may send and write at rest.
    pub at_rest: Allowance,
}

/// What becomes of concurrent writes of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concurrent {
    /// All of them are kept: a write is replaced only by one whose author had observed it.
    Kept,
    /// One of them wins, and the others may be dropped, as under "last writer wins".
    OneWins,
}

/// What a delete does to the writes that its author had observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// They are gone, whatever else is in the key.
    Remove,
    /// They are not shown as long as the key has no other write: one that the delete had not observed
    /// brings back the key as a whole.
    Hide,
}

/// What a host may send and write at rest, as for a heartbeat: `effects` in each span of `each`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// How many effects.
    pub effects: u64,
    /// In each span of this length, of which the last is rarely a whole one.
    pub each: Span,
}

impl Allowance {
    /// What is allowed in `span`.
    pub fn within(self, span: Span) -> u64 {
        self.effects.saturating_mul(span.0 / self.each.0.max(1) + 1)
    }
}

/// What a judge found not to hold. Places in the run are positions in the list of observations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule of the judge that is broken.
    pub site: &'static str,
    /// The observation that shows it.
    pub at: usize,
    /// The key that it is about, if it is about one.
    pub key: Option<Key>,
    /// The write that it is about, if it is about one.
    pub token: Option<Token>,
    /// Subject, object, what was expected and what was found.
    pub message: String,
    /// Observations that prove it, beside `at`.
    pub with: Vec<usize>,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// The rule of the judge that is broken: with the invariant, what makes two violations the same bug.
    pub site: &'static str,
    /// When it was seen not to hold.
    pub at: Time,
    /// The host that the proving observation is about.
    pub host: HostId,
    /// The key that it is about, if it is about one.
    pub key: Option<Key>,
    /// The write that it is about, if it is about one.
    pub token: Option<Token>,
    /// What is wrong, in a sentence: the subject, the object, what was expected and what was found.
    pub message: String,
    /// The facts that prove it, as indices into the history, ascending.
    pub evidence: Vec<usize>,
}

/// Judges a run by all that the system claims. Violations are sorted by time, then by evidence.
///
/// A run without any observation proves nothing and is accused of nothing but that: see
/// [`SETTLES_IN_TIME`].
///
/// ```
/// use std::collections::BTreeSet;
/// use harness::judge::{Allowance, Claims, Concurrent, Deletes, NO_LOST_WRITES, judge};
/// use harness::observation::*;
/// use harness::time::{Span, Time};
///
/// // A write is acknowledged, and the final read does not show it.
/// let (op, session, key) = (OpId(1), Session(0), Key(0));
/// let write = Write { token: Token(1), deletes: false, replaces: BTreeSet::new() };
/// let events = [
///     Event::Asked { op, session, key, ask: Ask::Write(write) },
///     Event::Answered { op, answer: Answer::Acknowledged(Promise::Copies(1)) },
///     Event::QuietAsked { within: Span::from_secs(1) },
///     Event::QuietReached,
///     Event::Asked { op: OpId(2), session, key, ask: Ask::Read },
///     Event::Answered { op: OpId(2), answer: Answer::Shown(BTreeSet::new()) },
/// ];
/// let observation = |(fact, event)| {
///     let at = Time(fact as u64);
///     Observation { at, host: HostId(0), incarnation: 0, fact, event }
/// };
/// let observations: Vec<Observation> = events.into_iter().enumerate().map(observation).collect();
///
/// let claims = Claims {
///     judges: vec![NO_LOST_WRITES],
///     concurrent: Concurrent::Kept,
///     deletes: Deletes::Remove,
///     at_rest: Allowance::default(),
/// };
/// let violations = judge(&claims, &Names::default(), &observations);
/// assert_eq!((violations[0].invariant, violations[0].site), ("no-lost-writes", "gone"));
/// assert_eq!(violations[0].evidence, [0, 1, 5]);
/// ```
pub fn judge(claims: &Claims, names: &Names, observations: &[Observation]) -> Vec<Violation> {
    let evidence = Evidence::gather(claims, names, observations);
    let mut violations: Vec<Violation> = Vec::new();
    for judge in &claims.judges {
        let findings = (judge.check)(&evidence).into_iter();
        violations.extend(findings.map(|finding| violation(judge.name, finding, observations)));
    }
    violations.sort_by(|one, other| (one.at, &one.evidence).cmp(&(other.at, &other.evidence)));
    violations
}

fn violation(invariant: &'static str, finding: Finding, observations: &[Observation]) -> Violation {
    let mut evidence: Vec<usize> = finding.with.iter().map(|at| observations[*at].fact).collect();
    let shown = observations.get(finding.at);
    evidence.extend(shown.map(|shown| shown.fact));
    evidence.sort_unstable();
    evidence.dedup();
    Violation {
        invariant,
        site: finding.site,
        at: shown.map_or(Time(0), |shown| shown.at),
        host: shown.map_or(HostId(0), |shown| shown.host),
        key: finding.key,
        token: finding.token,
        message: finding.message,
        evidence,
    }
}
