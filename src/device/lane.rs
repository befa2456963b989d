//! A lane: the conversation with one remote. One request at a time, tried again until answered.
//!
//! The two lanes run side by side and never touch each other: all they bring goes through one join.

use std::collections::BTreeSet;

use super::{Device, Output};
use crate::flaw::Flaw;
use crate::id::{RecordId, Remote};
use crate::point::Point;
use crate::record::Encoded;
use crate::remote::{Call, CallId, Refusal, Reply, Request, Return};
use crate::time::{Now, Span, Time};

/// One conversation.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) remote: Remote,
    pub(super) call: Option<InFlight>,
    /// When the next pull is due; `None` if only a hint brings it.
    pub(super) pull_due: Option<Time>,
    /// Has the feed been left before its end?
    pub(super) behind: bool,
    /// When the next listing is due.
    pub(super) relist_due: Time,
    /// A listing under way.
    pub(super) listing: Option<Listing>,
    /// When the last listing that has ended began.
    pub(super) listed_at: Option<Time>,
    /// When the last pull that reached the head was asked for.
    pub(super) head_at: Option<Time>,
    /// Must the zone be created first?
    pub(super) zone_missing: bool,
    /// Rows to look at singly, since a save of them met something it was not shown.
    pub(super) look_up: BTreeSet<RecordId>,
    /// Rows that are gone for good (a flaw's garbage).
    pub(super) remove: BTreeSet<RecordId>,
    /// The remote asked to be left alone until then, by whatever request.
    pub(super) rest_until: Time,
    /// Rows in one save; halved when the remote says that it was too many.
    pub(super) batch: Option<u16>,
}

/// A full listing: what it has shown so far.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) began: Time,
    pub(super) seen: BTreeSet<RecordId>,
}

/// A request that has not been answered.
#[derive(Debug)]
pub(super) struct InFlight {
    id: CallId,
    attempt: u16,
    request: Request,
    pub(super) purpose: Purpose,
    pub(super) state: CallState,
    /// Sent in this very transition.
    fresh: bool,
}

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallState {
    /// Sent behind a commit: the deadline counts from when that is durable.
    Held,
    /// Sent; given up at this moment.
    Sent(Time),
    /// Failed; sent again at this moment.
    Waiting(Time),
}

/// What a request is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A page of the feed. The set is what was unsent when it was asked for.
    Page { asked_at: Time, unsent_before: BTreeSet<RecordId> },
    /// A save of these states.
    Save(Vec<Sent>),
    /// A look at single rows.
    LookUp(Vec<RecordId>),
    /// The zone's creation.
    CreateZone,
    /// A removal.
    Remove,
}

/// What a save sent of a record.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: RecordId,
    /// The state sealed; `None` if a blob was put back unopened.
    pub(super) state: Option<Encoded>,
}

impl Lane {
    pub(super) fn new(remote: Remote) -> Self {
        Self {
            remote,
            call: None,
            pull_due: None,
            behind: false,
            relist_due: Time(0),
            listing: None,
            listed_at: None,
            head_at: None,
            zone_missing: false,
            look_up: BTreeSet::new(),
            remove: BTreeSet::new(),
            rest_until: Time(0),
            batch: None,
        }
    }

    /// The lane's place in arrays of two.
    pub(super) fn at(&self) -> usize {
        self.remote.index()
    }

    /// Is a save of this record under way?
    pub(super) fn is_saving(&self, id: RecordId) -> bool {
        match self.call.as_ref().map(|call| &call.purpose) {
            Some(Purpose::Save(sent)) => sent.iter().any(|sent| sent.id == id),
            Some(
                Purpose::Page { .. } | Purpose::LookUp(_) | Purpose::CreateZone | Purpose::Remove,
            )
            | None => false,
        }
    }

    /// Ends a transition. If a commit stands before what it sent, the deadline is not running yet.
    pub(super) fn settle_deadline(&mut self, held: bool) {
        if let Some(call) = self.call.as_mut().filter(|call| call.fresh) {
            call.fresh = false;
            if held {
                call.state = CallState::Held;
            }
        }
    }
}

impl Device {
    /// When this lane needs to be woken, and why.
    pub(super) fn lane_wakeup(&self, lane: &Lane) -> Option<(Time, &'static str)> {
        self.store.session()?;
        match lane.call.as_ref().map(|call| call.state) {
            Some(CallState::Held) => None,
            Some(CallState::Sent(deadline)) => Some((deadline, "timeout")),
            Some(CallState::Waiting(until)) => Some((until, "retry")),
            None if self.lacks_credential(lane.remote) => None,
            None => {
                let pull = lane.pull_due.map(|at| (at, "pull"));
                let (at, why) = pull.into_iter().chain([(lane.relist_due, "relist")]).min()?;
                Some((at.max(lane.rest_until), why))
            }
        }
    }

    /// Sends a request and remembers what for.
    pub(super) fn call(&mut self, now: Now, remote: Remote, request: Request, purpose: Purpose) {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let state = CallState::Sent(now.mono + self.boot.timing.timeout);
        let call = InFlight { id, attempt: 0, request, purpose, state, fresh: true };
        if let Some(lane) = self.lane(remote) {
            lane.call = Some(call);
        }
        self.send(remote);
    }

    fn send(&mut self, remote: Remote) {
        let credential = self.credential.filter(|_| remote == Remote::Rows);
        let Some(call) = self.lane(remote).and_then(|lane| lane.call.as_ref()) else { return };
        let message =
            Call { id: call.id, attempt: call.attempt, credential, request: call.request.clone() };
        self.following.push(Output::Send(remote, message));
    }

    /// The commit that held back what was sent is durable: now its deadlines count.
    pub(super) fn start_deadlines(&mut self, now: Now) {
        let deadline = now.mono + self.boot.timing.timeout;
        self.server.start_deadline(deadline);
        for call in self.lanes.iter_mut().filter_map(|lane| lane.call.as_mut()) {
            if call.state == CallState::Held {
                call.state = CallState::Sent(deadline);
            }
        }
    }

    /// Gives up what is overdue and sends again what has waited long enough.
    pub(super) fn handle_wakeup(&mut self, now: Now) {
        for remote in Remote::ALL {
            let state = self.lane(remote).and_then(|lane| lane.call.as_ref()).map(|c| c.state);
            match state {
                Some(CallState::Sent(deadline)) if deadline <= now.mono => {
                    self.reach(Point::TimedOut);
                    self.wait_to_retry(now, remote, None);
                }
                Some(CallState::Waiting(until)) if until <= now.mono => self.try_again(now, remote),
                Some(CallState::Held | CallState::Sent(_) | CallState::Waiting(_)) | None => {}
            }
        }
        self.wake_server(now);
        self.lose_patience(now);
    }

    fn try_again(&mut self, now: Now, remote: Remote) {
        let deadline = now.mono + self.boot.timing.timeout;
        let Some(call) = self.lane(remote).and_then(|lane| lane.call.as_mut()) else { return };
        call.attempt = call.attempt.saturating_add(1);
        call.state = CallState::Sent(deadline);
        call.fresh = true;
        self.send(remote);
    }

    /// The wait after a failure; whoever names a time is left alone at least so long.
    pub(super) fn backoff(&mut self, attempt: u16, after: Option<Span>) -> Span {
        let timing = self.boot.timing;
        let drawn = self.entropy.backoff(timing.retry_base, timing.retry_cap, u32::from(attempt));
        let wait = match after {
            Some(after) => drawn.max(after + Span(drawn.0 / 4)),
            None => drawn,
        };
        if self.boot.flaws.has(Flaw::FixedRetry) { Span::from_secs(30) } else { wait }
    }

    /// The request failed in passing: it is sent again after a wait.
    pub(super) fn wait_to_retry(&mut self, now: Now, remote: Remote, after: Option<Span>) {
        let Some(attempt) = self.lane(remote).and_then(|l| l.call.as_ref()).map(|c| c.attempt)
        else {
            return;
        };
        let wait = self.backoff(attempt, after);
        let Some(lane) = self.lane(remote) else { return };
        let until = (now.mono + wait).max(lane.rest_until);
        if let Some(call) = &mut lane.call {
            call.state = CallState::Waiting(until);
        }
    }

    /// Takes an answer, if it is to the request that is under way. A late or second answer is none.
    pub(super) fn handle_return(&mut self, now: Now, from: Remote, answer: Return) {
        let Some(lane) = self.lane(from) else { return };
        let Some(call) = lane.call.take_if(|call| call.id == answer.id) else { return };
        if let Reply::Refused(refusal) = &answer.reply {
            let refusal = refusal.clone();
            lane.call = Some(call);
            self.handle_refusal(now, from, &refusal);
            return;
        }
        match (call.purpose, answer.reply) {
            (
                Purpose::Page { asked_at, unsent_before },
                Reply::Page { rows, deleted, token, more, epoch },
            ) => {
                let page = super::pull::Page { rows, deleted, token, more, epoch };
                self.take_page(now, from, page, asked_at, &unsent_before);
            }
            (Purpose::Save(sent), Reply::Saved(results)) => {
                self.take_results(now, from, &sent, results);
            }
            (Purpose::LookUp(ids), Reply::Found(rows)) => self.take_found(now, from, &ids, rows),
            (Purpose::CreateZone, Reply::Done) => {
                if let Some(lane) = self.lane(from) {
                    lane.zone_missing = false;
                }
                self.start_listing(now, from);
            }
            (Purpose::Remove, Reply::Done) => {}
            // An answer to another question: a remote that does so is asked again in a while.
            (
                purpose,
                Reply::Page { .. }
                | Reply::Saved(_)
                | Reply::Found(_)
                | Reply::Done
                | Reply::Refused(_),
            ) => {
                if let Some(lane) = self.lane(from) {
                    let state = CallState::Held;
                    lane.call = Some(InFlight {
                        id: call.id,
                        attempt: call.attempt,
                        request: call.request,
                        purpose,
                        state,
                        fresh: false,
                    });
                }
                self.wait_to_retry(now, from, None);
            }
        }
    }

    fn handle_refusal(&mut self, now: Now, from: Remote, refusal: &Refusal) {
        match refusal {
            Refusal::RateLimited(after) => {
                self.reach(Point::Throttled);
                self.leave_alone(now, from, *after);
            }
            Refusal::Unavailable(Some(after)) => self.leave_alone(now, from, *after),
            Refusal::Unavailable(None) => self.wait_to_retry(now, from, None),
            Refusal::CursorExpired => self.lose_cursor(now, from),
            Refusal::ZoneNotFound(ending) => self.lose_zone(now, from, *ending),
            Refusal::LimitExceeded => self.halve_batch(now, from),
            Refusal::NotAuthenticated => self.lose_credential(now, from),
            // Refusals of single rows never come for a whole request.
            Refusal::Changed(_)
            | Refusal::UnknownItem
            | Refusal::Exists
            | Refusal::NoRowMatched
            | Refusal::BatchFailed
            | Refusal::Rejected => self.wait_to_retry(now, from, None),
        }
    }

    /// The remote names a time. It holds for whatever comes next: a late answer to an earlier try may
    /// end this request before its next one is due.
    fn leave_alone(&mut self, now: Now, remote: Remote, after: Span) {
        if let Some(lane) = self.lane(remote) {
            lane.rest_until = lane.rest_until.max(now.mono + after);
        }
        self.wait_to_retry(now, remote, Some(after));
    }

    /// Forgets the request under way.
    pub(super) fn drop_call(&mut self, remote: Remote) {
        if let Some(lane) = self.lane(remote) {
            lane.call = None;
        }
    }

    /// Something may be new over there.
    pub(super) fn handle_hint(&mut self, now: Now, remote: Remote) {
        if let Some(lane) = self.lane(remote) {
            lane.pull_due = Some(now.mono);
        }
    }

    /// Gives every idle lane its next request: what must come first comes first, a pull comes
    /// before a push, and a push carries whatever is unsent.
    pub(super) fn proceed(&mut self, now: Now) {
        if self.store.session().is_none() {
            return;
        }
        self.rotate(now);
        for at in 0..self.boot.remotes.len() {
            self.proceed_lane(now, self.boot.remotes[at]);
        }
        self.proceed_with_server(now);
    }

    fn proceed_lane(&mut self, now: Now, remote: Remote) {
        if self.lane(remote).is_none_or(|lane| lane.call.is_some() || now.mono < lane.rest_until)
            || !self.has_credential(now, remote)
        {
            return;
        }
        let vault = self.vault();
        let relist = self
            .lane(remote)
            .is_some_and(|lane| lane.relist_due <= now.mono && lane.listing.is_none());
        if relist {
            self.start_listing(now, remote);
        }
        let Some(lane) = self.lane(remote) else { return };
        if lane.zone_missing {
            self.call(now, remote, Request::CreateZone { vault }, Purpose::CreateZone);
        } else if !lane.look_up.is_empty() {
            let ids: Vec<_> = std::mem::take(&mut lane.look_up).into_iter().collect();
            let request = Request::Fetch { vault, ids: ids.clone() };
            self.call(now, remote, request, Purpose::LookUp(ids));
        } else if lane.behind || lane.pull_due.is_some_and(|due| due <= now.mono) {
            self.ask_for_page(now, remote);
        } else if !lane.remove.is_empty() {
            let ids = std::mem::take(&mut lane.remove).into_iter().collect();
            self.call(now, remote, Request::Remove { vault, ids }, Purpose::Remove);
        } else {
            self.push(now, remote);
        }
    }
}
