//! When steps happen, as far as that can be said before they do.
//!
//! An event that a step waits for has no known moment. It is put a little after the step before;
//! only a fault that is healed across such a step depends on the guess, and the lint says so.

use harness::time::{Span, Time};

use crate::plan::{Trigger, When};
use crate::scenario::{Lasts, Moment, Scenario};

/// The guess for an event: two messages and some work.
const EVENT: Span = Span::from_millis(300);
/// The guess for quiet, unless it is given less time.
const QUIET: Span = Span::from_secs(10);
/// The longest time that an unknown event may take, where a storm's end has to be found.
const SLOW_EVENT: Span = Span::from_secs(30);

/// Walks along steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    pub(super) now: Time,
}

impl Clock {
    /// Goes on to the next step.
    pub(super) fn pass(&mut self, when: &When) {
        self.now = match when {
            When::At(at) => *at,
            When::After(span) => self.now + *span,
            When::On(Trigger::Quiet(limit), span) => self.now + (*limit).min(QUIET) + *span,
            When::On(_, span) => self.now + EVENT + *span,
        };
    }
}

/// By when the script has surely passed, faults with a known end included.
pub(super) fn latest(scenario: &Scenario) -> Span {
    let span = |millis: i64| Span(u64::try_from(millis).unwrap_or(0));
    let (mut now, mut end) = (Span::ZERO, Span::ZERO);
    for line in &scenario.script {
        now = match &line.when {
            Moment::At(at) => span(at.high()).max(now),
            Moment::After(after) => now + span(after.high()),
            Moment::On(Trigger::Quiet(limit), after) => now + *limit + span(after.high()),
            Moment::On(_, after) => now + SLOW_EVENT + span(after.high()),
        };
        let lasts = line.acts.iter().map(|(_, lasts)| match lasts {
            Lasts::For(choice) => span(choice.high()),
            Lasts::AsWritten | Lasts::Until(_) => Span::ZERO,
        });
        end = end.max(now + lasts.max().unwrap_or(Span::ZERO));
    }
    end + Span::from_secs(1)
}
