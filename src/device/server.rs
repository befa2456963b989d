//! The conversation with the sync server: one errand at a time, of the user first and then of the
//! device itself, and a session around those that change something.
//!
//! What is asked is sent under one number until it is answered, whichever worker it reaches and
//! however often; the number names it within one life of this replica, and lives are counted durably.

use std::collections::{BTreeSet, VecDeque};

use super::errand::{Errand, Next, Then, Wanted};
use super::lane::CallState;
use super::{Answer, Device, Output, Reason};
use crate::flaw::Flaw;
use crate::id::{NodeId, OpId};
use crate::log::Position;
use crate::message::{
    Action, Client, Command, DeviceKey, Fence, Refusal, Reply, Request, Response,
};
use crate::point::Point;
use crate::remote::CallId;
use crate::time::{Now, Span, Time};

/// The device's side of it.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// What the user wants, in order.
    pub(super) errands: VecDeque<(OpId, Errand)>,
    /// What the device wants: to upload something, or to read the feed.
    own: Option<Errand>,
    /// Whose action was sent and not answered: nothing else is sent under its number.
    owed: Option<Party>,
    session: Option<Fence>,
    /// Which life this is, once the server has to know.
    life: Option<u32>,
    /// How many actions of this life have been answered.
    done: u32,
    /// The newest commit that was heard of, of the log that was answered from last.
    heard: Position,
    call: Option<ServerCall>,
    /// Nothing is asked until then: the server asked for it, or the last errand failed inside.
    rest_until: Time,
    /// How often in a row an own errand failed inside.
    failures: u32,
    /// When the feed is read next.
    feed_due: Option<Time>,
    /// When the last pull of the feed that reached its head was asked for.
    fed_at: Option<Time>,
    /// Files in conflict, of which copies are to be made (the flaw FB-09).
    pub(super) to_copy: BTreeSet<NodeId>,
}

/// Who wants something of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    User,
    Own,
}

/// A request that has not been answered.
#[derive(Debug)]
struct ServerCall {
    id: CallId,
    attempt: u16,
    command: Command,
    /// For whom.
    party: Option<Party>,
    state: CallState,
    /// Sent in this very transition.
    fresh: bool,
}

impl Server {
    /// The conversation of a device that starts: it has heard of what it knows to be published.
    pub(super) fn resume(heard: Position) -> Self {
        Self { heard, ..Self::default() }
    }

    /// Errands of the user that have not been answered.
    pub(super) fn waiting(&self) -> usize {
        self.errands.len()
    }

    /// Is nothing wanted but what is new? Reading the feed, and the end of a session, go on for ever.
    pub(super) fn is_idle(&self) -> bool {
        let reads = |own: &Errand| matches!(own.then, Then::Feed(_));
        self.errands.is_empty() && self.own.as_ref().is_none_or(reads)
    }

    /// The newest commit that was heard of.
    pub(super) fn heard(&self) -> Position {
        self.heard
    }

    /// When the last pull of the feed that reached its head was asked for.
    pub(super) fn fed_at(&self) -> Option<Time> {
        self.fed_at
    }

    /// When the feed is read next.
    pub(super) fn feed_due(&self) -> Option<Time> {
        self.feed_due
    }

    /// The feed is read no later than then.
    pub(super) fn pull_feed(&mut self, at: Time) {
        self.feed_due = Some(self.feed_due.map_or(at, |due| due.min(at)));
    }

    /// The feed was read to its head.
    pub(super) fn end_pull(&mut self, asked_at: Time, due: Time) {
        (self.fed_at, self.feed_due) = (Some(asked_at), Some(due));
    }

    /// An own errand has got somewhere.
    pub(super) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Ends a transition. If a commit stands before what was sent, its deadline is not running yet.
    pub(super) fn settle_deadline(&mut self, held: bool) {
        if let Some(call) = self.call.as_mut().filter(|call| call.fresh) {
            call.fresh = false;
            if held {
                call.state = CallState::Held;
            }
        }
    }

    /// The commit is durable: now the deadline counts.
    pub(super) fn start_deadline(&mut self, deadline: Time) {
        if let Some(call) = self.call.as_mut().filter(|call| call.state == CallState::Held) {
            call.state = CallState::Sent(deadline);
        }
    }

    /// The server asks to be left alone. It means whatever comes next, also where it says so late.
    fn leave_alone(&mut self, until: Time) {
        self.rest_until = self.rest_until.max(until);
        if let Some(CallState::Waiting(at)) = self.call.as_mut().map(|call| &mut call.state) {
            *at = self.rest_until.max(*at);
        }
    }
}

impl Device {
    /// When the conversation with the sync server needs to be woken, and why.
    pub(super) fn server_wakeup(&self) -> Option<(Time, &'static str)> {
        match self.server.call.as_ref().map(|call| call.state) {
            Some(CallState::Held) => None,
            Some(CallState::Sent(deadline)) => Some((deadline, "server timeout")),
            Some(CallState::Waiting(until)) => Some((until, "server retry")),
            // Whoever waits for a credential or at the gate is woken by that.
            None if self.credential_asked.is_some() || self.login.is_some() => None,
            None => self.server.feed_due.map(|due| (due, "feed")),
        }
    }

    /// Takes an errand of the user, unless it is done or refused already.
    pub(super) fn run_errand(&mut self, op: OpId, errand: Result<Errand, Answer>) {
        match errand {
            _ if !self.boot.server => self.answer(op, Answer::Refused(Reason::NoServer)),
            Ok(errand) => self.server.errands.push_back((op, errand)),
            Err(answer) => self.answer(op, answer),
        }
    }

    /// Who goes on: whoever waits for an answer, or the user, or the device itself.
    fn turn(&mut self, now: Now) -> Option<Party> {
        if let Some(owed) = self.server.owed {
            return Some(owed);
        }
        let front = self.front_errand();
        let waits = front.is_some_and(|errand| self.waits_for(errand).next().is_some());
        if front.is_some() && !waits {
            return Some(Party::User);
        }
        if self.server.own.is_none() {
            self.server.own = self.own_errand(now);
        }
        // What cannot be sent without a key must not keep the user waiting; a page of the feed that is
        // under way may.
        match &self.server.own {
            Some(_) => Some(Party::Own),
            None => (waits && self.login.is_none()).then_some(Party::User),
        }
    }

    /// What the user has waited for the longest.
    pub(super) fn front_errand(&self) -> Option<&Errand> {
        self.server.errands.front().map(|(_, errand)| errand)
    }

    /// What the device wants of its own accord.
    fn own_errand(&mut self, now: Now) -> Option<Errand> {
        if !self.boot.server || self.login.is_some() {
            return None;
        }
        self.next_upload().or_else(|| self.next_copy()).or_else(|| self.next_pull(now))
    }

    fn wanted(&self, party: Option<Party>) -> Option<&Wanted> {
        let errand = match party? {
            Party::User => self.front_errand(),
            Party::Own => self.server.own.as_ref(),
        };
        errand.map(|errand| &errand.wanted)
    }

    /// Sends what comes next: a session before what changes something, and its end when nothing is
    /// wanted any more.
    pub(super) fn proceed_with_server(&mut self, now: Now) {
        if self.server.call.is_some() {
            return;
        }
        let party = self.turn(now);
        if party.is_none() && self.server.session.is_none() || !self.has_any_credential(now) {
            return;
        }
        let command = match (self.wanted(party), self.server.session) {
            (Some(Wanted::Status), _) => Command::Status,
            (Some(Wanted::Act(action)), _) if action.only_reads() => Command::Read(action.clone()),
            (Some(Wanted::Act(action)), Some(fence)) => {
                Command::Act { fence, n: self.server.done + 1, action: action.clone() }
            }
            (Some(Wanted::Act(_)), None) => Command::Open,
            (None, Some(fence)) => Command::Close(fence),
            (None, None) => return,
        };
        if matches!(command, Command::Act { .. }) {
            self.server.owed = party;
        }
        if self.server.life.is_none() {
            self.store.change_meta(|meta| meta.life += 1);
            self.server.life = Some(self.store.meta().life);
        }
        let id = CallId(self.next_call);
        self.next_call += 1;
        let state = match self.server.rest_until {
            until if until > now.mono => CallState::Waiting(until),
            _ => CallState::Sent(now.mono + self.boot.timing.timeout),
        };
        self.server.call = Some(ServerCall { id, attempt: 0, command, party, state, fresh: true });
        if matches!(state, CallState::Sent(_)) {
            self.send_to_server();
        }
    }

    fn send_to_server(&mut self) {
        let Some(call) = &self.server.call else { return };
        let meta = self.store.meta();
        let request = Request {
            id: call.id,
            attempt: call.attempt,
            credential: self.credential,
            space: self.store.session().map_or(self.boot.user, |session| session.user),
            device: DeviceKey(meta.device),
            client: Client { replica: meta.replica, life: meta.life },
            heard: self.server.heard,
            command: call.command.clone(),
        };
        self.following.push(Output::Request(request.into()));
    }

    /// Gives up what is overdue, and sends again what has waited long enough.
    pub(super) fn wake_server(&mut self, now: Now) {
        match self.server.call.as_ref().map(|call| call.state) {
            Some(CallState::Sent(deadline)) if deadline <= now.mono => {
                self.reach(Point::TimedOut);
                self.try_server_later(now, Span::ZERO);
            }
            Some(CallState::Waiting(until)) if until <= now.mono => self.try_server_again(now),
            Some(CallState::Held | CallState::Sent(_) | CallState::Waiting(_)) | None => {}
        }
    }

    fn try_server_again(&mut self, now: Now) {
        // Somebody signed in since: what was asked on behalf of nobody waits for a credential.
        if !self.has_any_credential(now) {
            self.server.call = None;
            return;
        }
        let deadline = now.mono + self.boot.timing.timeout;
        let renumbers = self.boot.flaws.has(Flaw::Fb05);
        let Some(call) = &mut self.server.call else { return };
        call.attempt = call.attempt.saturating_add(1);
        call.state = CallState::Sent(deadline);
        call.fresh = true;
        if let Command::Act { n, .. } = &mut call.command
            && renumbers
        {
            self.server.done += 1;
            *n = self.server.done + 1;
        }
        self.send_to_server();
    }

    /// The request failed in passing, and is sent again no sooner than the server asked.
    fn try_server_later(&mut self, now: Now, after: Span) {
        let Some(attempt) = self.server.call.as_ref().map(|call| call.attempt) else { return };
        let until = now.mono + self.backoff(attempt, Some(after).filter(|after| after.0 > 0));
        if let Some(call) = &mut self.server.call {
            call.state = CallState::Waiting(until.max(self.server.rest_until));
        }
    }

    /// Takes an answer, if it is to the request that is under way.
    pub(super) fn handle_response(&mut self, now: Now, response: Response) {
        if let Reply::Refused(Refusal::Busy(after)) = response.reply {
            self.server.leave_alone(now.mono + after);
        }
        let Some(call) = self.server.call.take_if(|call| call.id == response.id) else { return };
        self.server.heard = response.heard_after(self.server.heard);
        match (&call.command, response.reply) {
            (_, Reply::Refused(Refusal::Busy(after))) => {
                self.reach(Point::Throttled);
                if self.boot.flaws.has(Flaw::CvChangeDropBusy) {
                    self.forget_changes(self.server.errands.len());
                }
                self.server.call = Some(call);
                self.try_server_later(now, after);
            }
            (_, Reply::Refused(Refusal::Fenced)) => {
                self.reach(Point::SessionLost);
                self.server.session = None;
            }
            (_, Reply::Refused(Refusal::AnotherLog)) => self.take_another_log(now),
            (_, Reply::Refused(Refusal::NotAuthenticated)) => {
                self.reach(Point::CredentialExpired);
                self.credential = None;
            }
            (Command::Act { .. }, Reply::Refused(refusal)) => {
                self.end_action(now, call.party, Err(refusal));
            }
            (_, Reply::Refused(refusal)) => self.end_step(now, call.party, Err(refusal)),
            (Command::Open, Reply::Opened(fence)) => {
                self.server.session = Some(fence);
                if self.boot.flaws.has(Flaw::CvNilmapPending) {
                    self.forget_changes(1);
                }
            }
            (Command::Close(_), Reply::Closed) => self.server.session = None,
            (Command::Status, reply @ Reply::Status(_))
            | (Command::Read(_), reply @ (Reply::Account(_) | Reply::Work(_) | Reply::File(_))) => {
                self.end_step(now, call.party, Ok(reply));
            }
            (
                Command::Act { .. },
                reply @ (Reply::Patched | Reply::Account(_) | Reply::Work(_) | Reply::File(_)),
            ) => self.end_action(now, call.party, Ok(reply)),
            // An answer to another question: the server is asked again in a while.
            (
                _,
                Reply::Opened(_)
                | Reply::Closed
                | Reply::Status(_)
                | Reply::Patched
                | Reply::Account(_)
                | Reply::Work(_)
                | Reply::File(_),
            ) => {
                self.server.call = Some(call);
                self.try_server_later(now, Span::ZERO);
            }
        }
    }

    /// The log is not the one that was heard of: its session is none of this one, and what it had
    /// published may be gone.
    fn take_another_log(&mut self, now: Now) {
        self.server.session = None;
        self.send_published_again();
        self.server.pull_feed(now.mono);
    }

    /// An action was answered: its number is used up.
    fn end_action(&mut self, now: Now, party: Option<Party>, answer: Result<Reply, Refusal>) {
        self.server.done += 1;
        self.server.owed = None;
        self.end_step(now, party, answer);
    }

    /// A step of somebody's errand is done.
    fn end_step(&mut self, now: Now, party: Option<Party>, answer: Result<Reply, Refusal>) {
        match party {
            Some(Party::User) => {
                let Some((op, errand)) = self.server.errands.pop_front() else { return };
                match self.go_on(now, errand, answer) {
                    Next::Ask(errand) => self.server.errands.push_front((op, errand)),
                    Next::Answer(answer) => self.answer(op, answer),
                    Next::End => {}
                }
            }
            Some(Party::Own) => {
                let Some(errand) = self.server.own.take() else { return };
                match self.go_on(now, errand, answer) {
                    Next::Ask(errand) => self.server.own = Some(errand),
                    Next::Answer(answer) => self.copy_losers(now, answer),
                    Next::End => {}
                }
            }
            None => {}
        }
    }

    /// An own errand failed inside. It is taken up again after a while.
    pub(super) fn rest(&mut self, now: Now) -> Next {
        let failures = u16::try_from(self.server.failures).unwrap_or(u16::MAX);
        self.server.failures = self.server.failures.saturating_add(1);
        let until = now.mono + self.backoff(failures, None);
        self.server.leave_alone(until);
        Next::End
    }

    /// The flaws CV-NILMAP-PENDING and CV-CHANGE-DROP-BUSY: changes are answered and not made.
    fn forget_changes(&mut self, most: usize) {
        let patches = self.server.errands.iter().map(|(_, errand)| &errand.wanted);
        let patches = patches.take_while(|it| matches!(it, Wanted::Act(Action::Patch(_))));
        let count = patches.take(most).count();
        self.server.owed.take_if(|owed| count > 0 && *owed == Party::User);
        for (op, _) in self.server.errands.drain(..count).collect::<Vec<_>>() {
            self.answer(op, Answer::Patched);
        }
    }

    /// What is asked of the server is dropped with the account that it was asked for.
    pub(super) fn leave_server(&mut self) {
        self.server = Server::default();
    }
}
