//! The conversation with the sync server: one session, and under it the user's errands, one by one.
//!
//! An errand is sent under one number until it is answered, whichever worker it reaches and however
//! often; the number names it within one life of this replica, and lives are counted durably.

use std::collections::VecDeque;

use super::lane::CallState;
use super::{Answer, Device, Output, Reason};
use crate::flaw::Flaw;
use crate::id::OpId;
use crate::message::{
    Action, Client, Command, DeviceKey, Fence, Refusal, Reply, Request, Response,
};
use crate::point::Point;
use crate::remote::CallId;
use crate::time::{Now, Time};

/// The device's side of it.
#[derive(Debug, Default)]
pub(super) struct Server {
    errands: VecDeque<(OpId, Errand)>,
    session: Option<Fence>,
    /// Which life this is, once the server has to know.
    life: Option<u32>,
    /// How many errands of this life have been answered.
    done: u32,
    call: Option<ServerCall>,
    /// The server asked to be left alone until then.
    rest_until: Time,
    /// When the last pull of the feed that reached its head was asked for.
    fed_at: Option<Time>,
}

/// What the user wants of the server.
#[derive(Clone, Debug)]
pub(super) enum Errand {
    /// Something under the session.
    Act(Action),
    /// To know whose the session is.
    Status,
}

/// A request that has not been answered.
#[derive(Debug)]
struct ServerCall {
    id: CallId,
    attempt: u16,
    command: Command,
    state: CallState,
    /// Sent in this very transition.
    fresh: bool,
}

impl Server {
    /// Errands that have not been answered.
    pub(super) fn waiting(&self) -> usize {
        self.errands.len()
    }

    /// When the last pull of the feed that reached its head was asked for.
    pub(super) fn fed_at(&self) -> Option<Time> {
        self.fed_at
    }

    /// Is nothing going on?
    pub(super) fn is_idle(&self) -> bool {
        self.errands.is_empty() && self.call.is_none() && self.session.is_none()
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

    /// When this conversation needs to be woken, and why.
    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        match self.call.as_ref()?.state {
            CallState::Held => None,
            CallState::Sent(deadline) => Some((deadline, "server timeout")),
            CallState::Waiting(until) => Some((until, "server retry")),
        }
    }
}

impl Device {
    /// Takes an errand of the user.
    pub(super) fn run_errand(&mut self, op: OpId, errand: Errand) {
        if self.boot.server {
            self.server.errands.push_back((op, errand));
        } else {
            self.answer(op, Answer::Refused(Reason::NoServer));
        }
    }

    /// Sends what comes next: a session before an errand, and its end after the last.
    pub(super) fn proceed_with_server(&mut self, now: Now) {
        let server = &self.server;
        if server.call.is_some() || server.errands.is_empty() && server.session.is_none() {
            return;
        }
        if !self.has_any_credential(now) {
            return;
        }
        let server = &self.server;
        let command = match (server.errands.front(), server.session) {
            (Some((_, Errand::Status)), _) => Command::Status,
            (Some((_, Errand::Act(action))), Some(fence)) => {
                Command::Act { fence, n: server.done + 1, action: action.clone() }
            }
            (Some((_, Errand::Act(_))), None) => Command::Open,
            (None, Some(fence)) => Command::Close(fence),
            (None, None) => return,
        };
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
        self.server.call = Some(ServerCall { id, attempt: 0, command, state, fresh: true });
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
            command: call.command.clone(),
        };
        self.following.push(Output::Request(request));
    }

    /// Gives up what is overdue, and sends again what has waited long enough.
    pub(super) fn wake_server(&mut self, now: Now) {
        match self.server.call.as_ref().map(|call| call.state) {
            Some(CallState::Sent(deadline)) if deadline <= now.mono => {
                self.reach(Point::TimedOut);
                self.try_server_later(now, crate::time::Span::ZERO);
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
    fn try_server_later(&mut self, now: Now, after: crate::time::Span) {
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
        match (&call.command, response.reply) {
            (_, Reply::Refused(refusal)) => {
                self.server.call = Some(call);
                self.handle_server_refusal(now, refusal);
            }
            (Command::Open, Reply::Opened(fence)) => {
                self.server.session = Some(fence);
                if self.boot.flaws.has(Flaw::CvNilmapPending) {
                    self.forget_changes(1);
                }
            }
            (Command::Close(_), Reply::Closed) => self.server.session = None,
            (Command::Status, Reply::Status(held)) => {
                let own = self.store.meta().replica;
                let answer = Answer::Session(held.map(|(replica, _)| replica == own));
                self.end_errand(answer);
            }
            (Command::Act { .. }, Reply::Patched) => self.end_act(Answer::Patched),
            (Command::Act { .. }, Reply::Account(fields)) => self.end_act(Answer::Account(fields)),
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
                self.try_server_later(now, crate::time::Span::ZERO);
            }
        }
    }

    fn handle_server_refusal(&mut self, now: Now, refusal: Refusal) {
        match refusal {
            Refusal::Busy(after) => {
                self.reach(Point::Throttled);
                if self.boot.flaws.has(Flaw::CvChangeDropBusy) {
                    self.forget_changes(self.server.errands.len());
                }
                self.try_server_later(now, after);
            }
            Refusal::Fenced => {
                self.reach(Point::SessionLost);
                self.server.call = None;
                self.server.session = None;
            }
            Refusal::NotAuthenticated => {
                self.reach(Point::CredentialExpired);
                self.server.call = None;
                self.credential = None;
            }
            Refusal::Invalid => {
                self.server.call = None;
                self.end_act(Answer::Refused(Reason::WrongField));
            }
            Refusal::Forbidden
            | Refusal::Misnumbered
            | Refusal::Internal
            | Refusal::Changed(_)
            | Refusal::LeaseLost
            | Refusal::File(_) => {
                self.server.call = None;
                self.end_act(Answer::Refused(Reason::Internal));
            }
        }
    }

    /// An action was answered: its number is used up.
    fn end_act(&mut self, answer: Answer) {
        self.server.done += 1;
        self.end_errand(answer);
    }

    fn end_errand(&mut self, answer: Answer) {
        if let Some((op, _)) = self.server.errands.pop_front() {
            self.answer(op, answer);
        }
    }

    /// The flaws CV-NILMAP-PENDING and CV-CHANGE-DROP-BUSY: changes are answered and not made.
    fn forget_changes(&mut self, most: usize) {
        for _ in 0..most {
            let Some((_, Errand::Act(Action::Patch(_)))) = self.server.errands.front() else {
                return;
            };
            self.end_errand(Answer::Patched);
        }
    }

    /// What is asked of the server is dropped with the account that it was asked for.
    pub(super) fn leave_server(&mut self) {
        self.server = Server::default();
    }
}
