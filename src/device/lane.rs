//! A lane: the conversation with one remote. One request is in flight at a time and sent again until it
//! is answered.
//!
//! The two lanes run side by side and share nothing but the store: all that they bring goes through
//! one join. An answer to a request that was given up is ignored, also if it says that a zone was purged:
//! another device may have created the zone again by then. The purge still arrives, as the deletes of the
//! device that did receive that answer.

mod pull;
mod push;

use tracing::{debug, debug_span, trace};

use self::pull::{Page, Pull};
use self::push::{Push, Sent};
use super::core::Core;
use super::credential::Credentials;
use super::intake::Intake;
use super::io::Output;
use crate::exchange::{Due, Exchange, Wake};
use crate::flaw::Flaw;
use crate::id::{RecordId, Remote};
use crate::point::Point;
use crate::remote::{Call, Ending, Refusal, Reply, Request, Return};
use crate::time::{Span, Time};

/// The conversation with one remote.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    remote: Remote,
    exchange: Exchange<Question>,
    pull: Pull,
    push: Push,
    /// Must the zone be created first?
    zone_missing: bool,
}

/// A request, and what its answer is for.
#[derive(Clone, Debug)]
struct Question {
    request: Request,
    purpose: Purpose,
}

/// What a request is for.
#[derive(Clone, Debug)]
enum Purpose {
    /// A page of the feed, first asked for at this time.
    Page { asked_at: Time },
    /// A save of these states.
    Save(Vec<Sent>),
    /// A look at single rows.
    LookUp(Vec<RecordId>),
    /// The zone's creation.
    CreateZone,
    /// The flaw FB-03: a removal of tombstones.
    #[cfg(feature = "flaws")]
    Remove,
}

impl Purpose {
    /// Is this an answer to that question? A remote may answer anything.
    fn is_answered_by(&self, reply: &Reply) -> bool {
        match (self, reply) {
            (Self::Page { .. }, Reply::Page { .. })
            | (Self::Save(_), Reply::Saved(_))
            | (Self::LookUp(_), Reply::Found(_))
            | (Self::CreateZone, Reply::Done) => true,
            #[cfg(feature = "flaws")]
            (Self::Remove, Reply::Done) => true,
            (_, _) => false,
        }
    }
}

/// What an answer means for other parts of the device.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Outcome {
    /// Nothing.
    Nothing,
    /// The feed was read to its head. If that ended a full listing, the remote counts as merged; in
    /// either case [`end_pull`] follows.
    Head { listed: bool },
    /// The credential is not accepted, or not any more.
    NotAuthenticated,
}

impl Lane {
    pub(super) fn new(remote: Remote) -> Self {
        Self {
            remote,
            exchange: Exchange::default(),
            pull: Pull::default(),
            push: Push::default(),
            zone_missing: false,
        }
    }

    pub(super) fn remote(&self) -> Remote {
        self.remote
    }

    /// When the last pull that reached the head was asked for.
    pub(super) fn head_at(&self) -> Option<Time> {
        self.pull.head_at()
    }

    /// Is a save of this record in flight?
    pub(super) fn is_saving(&self, id: RecordId) -> bool {
        match self.exchange.question().map(|question| &question.purpose) {
            Some(Purpose::Save(sent)) => sent.iter().any(|sent| sent.id == id),
            Some(_) | None => false,
        }
    }

    /// Is no request in flight?
    pub(super) fn is_idle(&self) -> bool {
        self.exchange.is_idle()
    }

    /// When this lane needs to be woken, and why. The caller knows that a user is signed in.
    pub(super) fn wakeup(&self, credentials: &Credentials) -> Option<(Time, &'static str)> {
        match self.exchange.due() {
            Due::Held => None,
            Due::Timeout(deadline) => Some((deadline, "timeout")),
            Due::Retry(until) => Some((until, "retry")),
            Due::Idle if credentials.lacks_for(self.remote) => None,
            Due::Idle => {
                let (at, why) = self.pull.due();
                Some((at.max(self.exchange.rest_until()), why))
            }
        }
    }

    /// The remote is pulled as soon as it can be, and no later than at `at`.
    pub(super) fn pull_at(&mut self, at: Time) {
        self.pull.pull_at(at);
    }

    /// The device starts with an open vault: pull at once, and list at some moment of the usual span. A
    /// remote that was not merged when a crash came is listed at once: what was listed of it until then does
    /// not say what it lacks, and the view is partial as long as that is not known.
    pub(super) fn resume(&mut self, core: &mut Core) {
        let session = core.store.session().expect("a user is signed in where the vault is open");
        let is_merged = session.merged[self.remote.index()];
        self.pull.resume(core);
        if !is_merged {
            self.list(core);
        }
    }

    /// Lists from the start. What is in flight goes on.
    pub(super) fn list(&mut self, core: &mut Core) {
        self.pull.start_listing(core, self.remote);
    }

    /// Forgets what is in flight, and lists from the start.
    pub(super) fn start_over(&mut self, core: &mut Core) {
        self.exchange.abandon();
        self.list(core);
    }

    /// Ends a transition.
    pub(super) fn settle(&mut self, held: bool) {
        self.exchange.settle(held);
    }

    /// The commit that held back what was sent is durable.
    pub(super) fn release(&mut self, deadline: Time) {
        self.exchange.release(deadline);
    }

    /// Gives up what is overdue, or sends again what has waited long enough.
    pub(super) fn wake(&mut self, core: &mut Core, credentials: &Credentials) {
        match self.exchange.wake(core.now.mono) {
            Some(Wake::TimedOut) => {
                debug!(remote = ?self.remote, "no answer in time");
                core.reach(Point::TimedOut);
                self.back_off(core, None);
            }
            Some(Wake::Retry) => {
                self.exchange.send_again(core.deadline());
                self.send(core, credentials);
            }
            None => {}
        }
    }

    /// Sends the next request, if the lane is idle and there is one: what must come first comes
    /// first, a pull comes before a push, and a push carries whatever is unsent.
    pub(super) fn proceed(&mut self, core: &mut Core, credentials: &mut Credentials) {
        let now = core.now.mono;
        if !self.exchange.is_idle()
            || now < self.exchange.rest_until()
            || !credentials.has_for(core, self.remote)
        {
            return;
        }
        assert!(core.store.session().is_some(), "a remote is asked only while a user is signed in");
        if self.pull.is_listing_due(now) {
            self.list(core);
        }
        let Some(question) = self.next_question(core) else {
            // Nothing is behind, due or unsent.
            return;
        };
        let id = core.next_call();
        let sends = self.exchange.begin(now, core.boot.timing.timeout, id, question);
        assert!(sends, "the end of the rest was waited for above");
        self.send(core, credentials);
    }

    fn next_question(&mut self, core: &mut Core) -> Option<Question> {
        let vault = core.vault();
        if self.zone_missing {
            let request = Request::CreateZone { vault };
            return Some(Question { request, purpose: Purpose::CreateZone });
        }
        if let Some(ids) = self.push.take_look_ups() {
            let request = Request::Fetch { vault, ids: ids.clone() };
            return Some(Question { request, purpose: Purpose::LookUp(ids) });
        }
        let now = core.now.mono;
        if self.pull.wants_page(now) {
            let request = self.pull.request(core, self.remote);
            return Some(Question { request, purpose: Purpose::Page { asked_at: now } });
        }
        #[cfg(feature = "flaws")]
        if let Some(ids) = core.flawed.take_removals(self.remote) {
            let request = Request::Remove { vault, ids };
            return Some(Question { request, purpose: Purpose::Remove });
        }
        let (request, sent) = self.push.request(core, self.remote)?;
        Some(Question { request, purpose: Purpose::Save(sent) })
    }

    fn send(&mut self, core: &mut Core, credentials: &Credentials) {
        // A zone knows its user by the account of the device.
        let credential = credentials.current().filter(|_| self.remote == Remote::Rows);
        let (id, attempt, question) = self.exchange.outgoing();
        trace!(remote = ?self.remote, call = id.0, attempt, "request");
        let call = Call { id, attempt, credential, request: question.request.clone() };
        core.out.send(Output::Send(self.remote, call));
    }

    /// The request failed in passing: it is sent again after a wait, and no sooner than asked.
    fn back_off(&mut self, core: &mut Core, asked: Option<Span>) {
        let wait = core.wait_after(self.exchange.attempt(), asked);
        self.exchange.back_off(core.now.mono + wait);
    }

    /// Takes an answer of the remote.
    pub(super) fn take(&mut self, core: &mut Core, answer: Return) -> Outcome {
        if !self.exchange.expects(answer.id) {
            // Stale: the request was answered by another try, or given up for a login, a sign-out, a
            // lost cursor, zone or credential. It counts for nothing, even if it says that the zone is
            // gone: by now the zone may have been created again.
            debug!(remote = ?self.remote, call = answer.id.0, "a stale answer");
            return Outcome::Nothing;
        }
        let question = self.exchange.question().expect("an answer to it was expected");
        match answer.reply {
            Reply::Refused(refusal) => self.take_refusal(core, refusal),
            reply if question.purpose.is_answered_by(&reply) => self.take_reply(core, reply),
            // Hostile, or broken: an answer to another question. The remote is asked again in a while.
            Reply::Page { .. } | Reply::Found(_) | Reply::Saved(_) | Reply::Done => {
                debug!(remote = ?self.remote, "an answer to another question");
                self.back_off(core, None);
                Outcome::Nothing
            }
        }
    }

    /// Takes the answer that was asked for.
    fn take_reply(&mut self, core: &mut Core, reply: Reply) -> Outcome {
        match (self.exchange.finish().purpose, reply) {
            (Purpose::Page { asked_at }, Reply::Page { rows, deleted, token, more, epoch }) => {
                let _span = debug_span!("pull", remote = ?self.remote, rows = rows.len()).entered();
                let page = Page { rows, deleted, token, more, epoch };
                return match self.pull.take_page(core, self.remote, page, asked_at) {
                    Some(listed) => Outcome::Head { listed },
                    None => Outcome::Nothing,
                };
            }
            (Purpose::Save(sent), Reply::Saved(results)) => {
                let _span = debug_span!("push", remote = ?self.remote, rows = sent.len()).entered();
                self.push.take_results(core, self.remote, &sent, results);
                #[cfg(feature = "flaws")]
                if core.flawed.takes_rest() {
                    self.exchange.rest(core.now.mono + core.boot.timing.retry_cap);
                }
            }
            (Purpose::LookUp(ids), Reply::Found(rows)) => {
                self.push.take_found(core, self.remote, &ids, &rows);
            }
            (Purpose::CreateZone, Reply::Done) => {
                assert!(self.zone_missing, "only a missing zone is created");
                self.zone_missing = false;
                self.list(core);
            }
            #[cfg(feature = "flaws")]
            (Purpose::Remove, Reply::Done) => {}
            (purpose, reply) => unreachable!("{reply:?} was taken for an answer to {purpose:?}"),
        }
        Outcome::Nothing
    }

    /// The flaw AUTH-RESTORE-RACE: takes a refusal for an empty feed.
    #[cfg(feature = "flaws")]
    pub(super) fn take_nothing_for_all(&mut self, core: &mut Core) -> Option<bool> {
        let (rows, deleted) = (Vec::new(), Vec::new());
        let page = Page { rows, deleted, token: None, more: false, epoch: 0 };
        self.pull.take_page(core, self.remote, page, core.now.mono)
    }

    fn take_refusal(&mut self, core: &mut Core, refusal: Refusal) -> Outcome {
        debug!(remote = ?self.remote, ?refusal, "refused");
        match refusal {
            Refusal::RateLimited(after) => {
                core.reach(Point::Throttled);
                self.leave_alone(core, after);
            }
            Refusal::Unavailable(Some(after)) => self.leave_alone(core, after),
            Refusal::CursorExpired => self.lose_cursor(core),
            Refusal::ZoneNotFound(ending) => self.lose_zone(core, ending),
            Refusal::LimitExceeded => self.halve_batch(core),
            Refusal::NotAuthenticated => {
                self.exchange.abandon();
                return Outcome::NotAuthenticated;
            }
            Refusal::Unavailable(None) => self.back_off(core, None),
            // Hostile, or broken: refusals of single rows never come for a whole request.
            Refusal::Changed(_)
            | Refusal::UnknownItem
            | Refusal::Exists
            | Refusal::NoRowMatched
            | Refusal::BatchFailed
            | Refusal::Rejected => self.back_off(core, None),
        }
        Outcome::Nothing
    }

    /// The remote names a time, before which it gets no request, whichever comes next.
    fn leave_alone(&mut self, core: &mut Core, after: Span) {
        debug!(remote = ?self.remote, %after, "leaves a remote alone");
        self.exchange.rest(core.now.mono + after);
        self.back_off(core, Some(after));
    }

    /// The cursor means nothing any more: list from the start. Local edits are not touched.
    fn lose_cursor(&mut self, core: &mut Core) {
        core.reach(Point::TokenExpired);
        #[cfg(feature = "flaws")]
        if core.has(Flaw::Fb06) {
            core.forget_records();
        }
        self.start_over(core);
        debug!(remote = ?self.remote, "lists from the start, since the cursor is lost");
    }

    /// Too many rows in one save.
    fn halve_batch(&mut self, core: &mut Core) {
        core.reach(Point::BatchSplit);
        let question = self.exchange.question().expect("the refusal is an answer to it");
        let rows = if let Purpose::Save(sent) = &question.purpose {
            sent.len()
        } else {
            // Hostile, or broken: a request that saves nothing cannot be too large.
            usize::from(core.boot.timing.batch)
        };
        if rows <= 1 {
            // One row cannot be split. The remote may change its mind.
            self.back_off(core, None);
            return;
        }
        debug!(remote = ?self.remote, rows, "halves the rows of a save");
        self.push.limit_batch(rows / 2);
        self.exchange.abandon();
    }

    /// The zone is gone. What that means for what is here depends on why.
    fn lose_zone(&mut self, core: &mut Core, ending: Ending) {
        self.exchange.abandon();
        let (point, purged) = match ending {
            Ending::Deleted => (Point::ZoneDeleted, false),
            Ending::Purged => (Point::ZonePurged, true),
            Ending::EncryptedDataReset => (Point::ZoneReset, core.has(Flaw::Fb28)),
        };
        core.reach(point);
        debug!(remote = ?self.remote, ?ending, purged, "the zone is lost");
        let side = core.store.side(self.remote);
        if purged {
            let mirrored: Vec<_> = side.mirrors().keys().copied().collect();
            for id in mirrored {
                debug!(remote = ?self.remote, %id, "deletes what the zone held");
                core.erase_mirrored(self.remote, id);
            }
            core.store.side_mut(self.remote).drop_all_sealed();
        } else {
            let sealed: Vec<_> = side.sealed().keys().copied().collect();
            let mut intake = Intake::new(core, self.remote);
            for id in sealed {
                debug!(remote = ?self.remote, %id, "keeps a sealed row that the zone held");
                intake.note_missing(id);
            }
        }
        core.store.side_mut(self.remote).forget();
        self.zone_missing = true;
    }

    /// Asserts what must hold between two inputs, in constant time.
    pub(super) fn check(&self, core: &Core) {
        self.exchange.check();
        self.pull.check(core, self.remote);
        assert!(
            core.store.session().is_some() || self.exchange.is_idle(),
            "nothing is asked of a remote while no user is signed in"
        );
    }
}

/// Ends a pull that reached the head: what is sealed is tried again, since keys arrive at any time.
pub(super) fn end_pull(core: &mut Core, remote: Remote) {
    Intake::new(core, remote).retry_sealed();
    #[cfg(feature = "flaws")]
    if core.has(Flaw::Fb03) {
        core.collect_tombstones();
    }
}
