//! One exchange: a single request in flight, sent again until it is answered.
//!
//! Every conversation of the engine has at most one request in flight, gives a try up at a deadline,
//! repeats a failed try after a wait, and ignores stale answers. That is done here. The owner of an
//! exchange draws the waits, builds the messages and decides what an answer means.
//!
//! Call order: [`Exchange::begin`], [`Exchange::settle`] at the end of the transition, then
//! [`Exchange::expects`] for each answer and [`Exchange::wake`] for each wake-up, until
//! [`Exchange::finish`] or [`Exchange::abandon`].

use crate::entropy::Entropy;
use crate::remote::CallId;
use crate::time::{Span, Time};

/// At most one request in flight, and the time before which no new one is sent.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<Q> {
    in_flight: Option<InFlight<Q>>,
    /// The other side asked for no request before this time, whichever request comes next.
    rest_until: Time,
}

/// A request without an answer.
#[derive(Clone, Debug)]
struct InFlight<Q> {
    id: CallId,
    /// 0 for the first try.
    attempt: u16,
    question: Q,
    stage: Stage,
    /// Begun or sent again in the transition that has not been settled yet.
    fresh: bool,
}

/// How far a request in flight has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Sent behind a commit that is not durable yet; the deadline is set once it is.
    Held,
    /// Sent; the try ends at this time.
    Sent(Time),
    /// The last try failed, or none was made yet; the next one is made at this time.
    Waiting(Time),
}

/// What a wake-up means for a request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The deadline has passed: call [`Exchange::back_off`].
    TimedOut,
    /// The wait is over: call [`Exchange::send_again`].
    Retry,
}

/// When an exchange needs a wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// No request is in flight.
    Idle,
    /// Not before a commit is durable, which is an input of its own.
    Held,
    /// At this deadline.
    Timeout(Time),
    /// At this time, to send again.
    Retry(Time),
}

impl<Q> Default for Exchange<Q> {
    fn default() -> Self {
        Self { in_flight: None, rest_until: Time(0) }
    }
}

impl<Q> Exchange<Q> {
    /// True if no request is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_none()
    }

    /// What the request in flight asks.
    pub(crate) fn question(&self) -> Option<&Q> {
        self.in_flight.as_ref().map(|it| &it.question)
    }

    /// The same, to be changed between two tries.
    pub(crate) fn question_mut(&mut self) -> Option<&mut Q> {
        self.in_flight.as_mut().map(|it| &mut it.question)
    }

    /// Before this time no request should be begun.
    pub(crate) fn rest_until(&self) -> Time {
        self.rest_until
    }

    /// Puts a request in flight. Returns whether it is to be sent now; otherwise the other side asked
    /// for a rest that is not over, and the request waits for its end.
    ///
    /// # Panics
    ///
    /// If a request is in flight already.
    #[must_use]
    pub(crate) fn begin(&mut self, now: Time, timeout: Span, id: CallId, question: Q) -> bool {
        assert!(
            self.in_flight.is_none(),
            "the owner begins a request only while none is in flight"
        );
        let rests = self.rest_until > now;
        let stage =
            if rests { Stage::Waiting(self.rest_until) } else { Stage::Sent(now + timeout) };
        self.in_flight = Some(InFlight { id, attempt: 0, question, stage, fresh: true });
        !rests
    }

    /// The message to send for the request in flight: its id, which try this is, what it asks.
    ///
    /// # Panics
    ///
    /// If no request is in flight, or the one in flight is not to be sent now.
    pub(crate) fn outgoing(&self) -> (CallId, u16, &Q) {
        let it = self.in_flight.as_ref().expect("a message is built only for a request in flight");
        assert!(
            matches!(it.stage, Stage::Sent(_)) && it.fresh,
            "a try is sent in the transition that makes it, and never while it waits"
        );
        (it.id, it.attempt, &it.question)
    }

    /// Ends a transition. If the transition put out a synced commit, what was sent after the commit
    /// leaves the device only once the commit is durable, so the deadline is not running yet.
    pub(crate) fn settle(&mut self, held: bool) {
        if let Some(it) = self.in_flight.as_mut().filter(|it| it.fresh) {
            it.fresh = false;
            if held {
                it.stage = Stage::Held;
            }
        }
    }

    /// The commit is durable: the deadline of a request that was sent behind it starts to run.
    pub(crate) fn release(&mut self, deadline: Time) {
        if let Some(it) = self.in_flight.as_mut().filter(|it| it.stage == Stage::Held) {
            assert!(!it.fresh, "a request is held by the end of its transition, not before");
            it.stage = Stage::Sent(deadline);
        }
    }

    /// When it needs a wake-up.
    pub(crate) fn due(&self) -> Due {
        match self.in_flight.as_ref().map(|it| it.stage) {
            None => Due::Idle,
            Some(Stage::Held) => Due::Held,
            Some(Stage::Sent(deadline)) => Due::Timeout(deadline),
            Some(Stage::Waiting(until)) => Due::Retry(until),
        }
    }

    /// What is due now; `None` if the wake-up was for something else.
    pub(crate) fn wake(&self, now: Time) -> Option<Wake> {
        match self.due() {
            Due::Timeout(deadline) if deadline <= now => Some(Wake::TimedOut),
            Due::Retry(until) if until <= now => Some(Wake::Retry),
            Due::Idle | Due::Held | Due::Timeout(_) | Due::Retry(_) => None,
        }
    }

    /// Makes the next try of the request in flight.
    ///
    /// # Panics
    ///
    /// If the request in flight is not waiting.
    pub(crate) fn send_again(&mut self, deadline: Time) {
        let it = self.in_flight.as_mut().expect("only a request in flight is sent again");
        assert!(
            matches!(it.stage, Stage::Waiting(_)),
            "two tries of one request are separated by a failure and a wait"
        );
        // A request may be tried for days; 65,535 tries only stop being told apart.
        it.attempt = it.attempt.saturating_add(1);
        it.stage = Stage::Sent(deadline);
        it.fresh = true;
    }

    /// How many tries of the request in flight have failed before this one.
    ///
    /// # Panics
    ///
    /// If no request is in flight.
    pub(crate) fn attempt(&self) -> u16 {
        self.in_flight.as_ref().expect("only a request in flight has tries").attempt
    }

    /// The try failed. The next one is made at `until`, or at the end of the rest that the other side
    /// asked for, whichever is later.
    ///
    /// # Panics
    ///
    /// If no request is in flight.
    pub(crate) fn back_off(&mut self, until: Time) {
        let until = until.max(self.rest_until);
        let it = self.in_flight.as_mut().expect("only a request in flight can fail");
        it.stage = Stage::Waiting(until);
        assert!(until >= self.rest_until, "a wait never ends before the rest that was asked for");
    }

    /// The other side asks to be left alone. It means whichever request comes next: a late answer to
    /// an earlier try may end the request in flight before its next try is due.
    pub(crate) fn rest(&mut self, until: Time) {
        self.rest_until = self.rest_until.max(until);
        if let Some(Stage::Waiting(at)) = self.in_flight.as_mut().map(|it| &mut it.stage) {
            *at = self.rest_until.max(*at);
        }
    }

    /// Is this the answer to the request in flight, to whichever try of it? Any other answer is stale:
    /// its request was answered by another try, or given up.
    pub(crate) fn expects(&self, id: CallId) -> bool {
        self.in_flight.as_ref().is_some_and(|it| it.id == id)
    }

    /// The request in flight is answered. Returns what it asked.
    ///
    /// # Panics
    ///
    /// If no request is in flight.
    pub(crate) fn finish(&mut self) -> Q {
        let it = self.in_flight.take().expect("only a request in flight can be answered");
        it.question
    }

    /// Forgets the request in flight, if there is one: its answer will be stale.
    pub(crate) fn abandon(&mut self) -> Option<Q> {
        self.in_flight.take().map(|it| it.question)
    }

    /// Asserts what must hold between two inputs.
    pub(crate) fn check(&self) {
        if let Some(it) = &self.in_flight {
            assert!(!it.fresh, "every transition is settled before the next input");
            assert!(
                !matches!(it.stage, Stage::Waiting(until) if until < self.rest_until),
                "a request waits at least until the end of the rest that was asked for"
            );
        }
    }
}

/// The wait after `failures` failed tries: drawn below `cap`, and at least what the other side asked
/// for plus a quarter of the draw, so that those who were turned away together do not return together.
pub(crate) fn wait_after(
    entropy: &mut Entropy,
    (base, cap): (Span, Span),
    failures: u16,
    asked: Option<Span>,
) -> Span {
    let drawn = entropy.backoff(base, cap, u32::from(failures));
    assert!(drawn <= cap, "no drawn wait is longer than the cap");
    match asked {
        Some(asked) => drawn.max(asked + Span(drawn.0 / 4)),
        None => drawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Span = Span::from_secs(5);

    fn begun(now: u64) -> Exchange<&'static str> {
        let mut exchange = Exchange::default();
        assert!(exchange.begin(Time(now), TIMEOUT, CallId(7), "a page"), "no rest was asked for");
        exchange.settle(false);
        exchange
    }

    #[test]
    fn a_request_times_out_waits_and_is_sent_again_under_the_same_id() {
        let mut exchange = begun(100);
        assert_eq!(exchange.due(), Due::Timeout(Time(5_100)));
        assert_eq!(exchange.wake(Time(5_099)), None, "too early");
        assert_eq!(exchange.wake(Time(5_100)), Some(Wake::TimedOut));
        exchange.back_off(Time(6_000));
        assert_eq!(exchange.wake(Time(5_999)), None, "it waits");
        assert_eq!(exchange.wake(Time(6_000)), Some(Wake::Retry));
        exchange.send_again(Time(11_000));
        assert_eq!(exchange.outgoing(), (CallId(7), 1, &"a page"));
        exchange.settle(false);
        exchange.check();
        assert_eq!(exchange.due(), Due::Timeout(Time(11_000)));
    }

    #[test]
    fn an_answer_to_another_request_is_stale() {
        let mut exchange = begun(0);
        assert!(!exchange.expects(CallId(6)), "it was given up");
        assert!(exchange.expects(CallId(7)));
        assert_eq!(exchange.finish(), "a page");
        assert!(!exchange.expects(CallId(7)), "it comes a second time");
    }

    #[test]
    fn a_late_answer_ends_a_request_that_waits_for_its_next_try() {
        let mut exchange = begun(0);
        exchange.back_off(Time(9_000));
        assert!(exchange.expects(CallId(7)));
        exchange.finish();
        assert_eq!(exchange.due(), Due::Idle);
    }

    #[test]
    fn the_deadline_of_a_request_behind_a_commit_starts_when_that_is_durable() {
        let mut exchange = Exchange::default();
        assert!(exchange.begin(Time(0), TIMEOUT, CallId(0), "a save"));
        exchange.settle(true);
        assert_eq!(exchange.due(), Due::Held);
        assert_eq!(exchange.wake(Time(1_000_000)), None, "the disk may be slow");
        exchange.release(Time(1_005_000));
        assert_eq!(exchange.due(), Due::Timeout(Time(1_005_000)));
    }

    #[test]
    fn a_commit_of_a_later_transition_does_not_hold_what_was_sent_before() {
        let mut exchange = begun(0);
        exchange.settle(true);
        assert_eq!(exchange.due(), Due::Timeout(Time(5_000)));
        exchange.release(Time(9_999));
        assert_eq!(exchange.due(), Due::Timeout(Time(5_000)));
    }

    #[test]
    fn a_rest_holds_for_the_try_that_waits_and_for_the_next_request() {
        let mut exchange = begun(0);
        exchange.back_off(Time(1_000));
        exchange.rest(Time(30_000));
        assert_eq!(exchange.due(), Due::Retry(Time(30_000)));
        exchange.rest(Time(20_000));
        assert_eq!(exchange.due(), Due::Retry(Time(30_000)), "the longest rest counts");
        exchange.finish();
        assert!(!exchange.begin(Time(2_000), TIMEOUT, CallId(8), "a save"), "the rest is not over");
        assert_eq!(exchange.due(), Due::Retry(Time(30_000)));
    }

    #[test]
    fn a_wait_is_never_shorter_than_what_was_asked_for() {
        let mut entropy = Entropy::new([1; 32]);
        let (base, cap) = (Span(500), Span(60_000));
        for failures in 0..40 {
            let wait = wait_after(&mut entropy, (base, cap), failures, Some(Span(20_000)));
            assert!(wait >= Span(20_000) && wait <= Span(60_000 + 15_000), "{wait}");
            let free = wait_after(&mut entropy, (base, cap), failures, None);
            assert!(free >= Span(250) && free <= cap, "{free}");
        }
    }

    #[test]
    fn a_second_request_cannot_be_begun() {
        let mut exchange = begun(0);
        let second = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = exchange.begin(Time(1), TIMEOUT, CallId(8), "a save");
        }));
        assert!(second.is_err());
    }
}
