//! The conversation with the sync server: one errand at a time, of the user first and then of the
//! device itself, and a session around those that change something.
//!
//! A request is sent under one number until it is answered, whichever worker it reaches and however often;
//! the number names it within one incarnation of this replica, and incarnations are counted durably. A
//! request without an answer is sent again before any other, in a new session too: its number may have been
//! used. So an upload lets the user's errands in between two of its steps, and never within one.

use std::collections::VecDeque;

use tracing::{debug, debug_span, error, trace};

use super::ask::{Answer, Reason};
use super::conversation;
use super::core::Core;
use super::credential::Credentials;
use super::errand::{Errand, Then, Wanted};
use super::file::{Files, waits_for};
use super::io::Output;
use super::next::Next;
use crate::exchange::{Due, Exchange, Wake};
use crate::flaw::{Flaw, Flaws};
use crate::id::{Dot, OpId};
use crate::log::Position;
use crate::message::{
    Action, Client, Command, DeviceKey, Fence, Refusal, Reply, Request, Response,
};
use crate::point::Point;
use crate::time::{Span, Time};

/// The device's side of the conversation.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    /// What the user wants, in order.
    errands: VecDeque<(OpId, Errand)>,
    /// What the device wants of its own accord.
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
    exchange: Exchange<Question>,
}

/// A request, and whose errand it is of.
#[derive(Clone, Debug)]
struct Question {
    command: Command,
    /// `None` for the end of a session.
    party: Option<Party>,
}

/// Who wants something of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Party {
    User,
    Own,
}

/// What an answer means for other parts of the device.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Outcome {
    /// Nothing.
    Nothing,
    /// The credential is not accepted, or not any more.
    NotAuthenticated,
}

impl Server {
    /// The conversation of a device that starts: it has heard of what it knows to be published.
    pub(super) fn resume(heard: Position) -> Self {
        Self { heard, ..Self::default() }
    }

    /// Takes an errand of the user, unless it is done or refused already.
    pub(super) fn take_errand(
        &mut self,
        core: &mut Core,
        op: OpId,
        errand: Result<impl Into<Errand>, Answer>,
    ) {
        match errand {
            _ if !core.boot.server => core.out.answer(op, Answer::Refused(Reason::NoServer)),
            Ok(errand) => self.errands.push_back((op, errand.into())),
            Err(answer) => core.out.answer(op, answer),
        }
    }

    /// What the user has waited for the longest.
    fn first_op(&self) -> Option<u32> {
        self.errands.front().map(|(op, _)| op.0)
    }

    /// Errands of the user that have not been answered.
    pub(super) fn waiting(&self) -> usize {
        self.errands.len()
    }

    /// When the conversation needs to be woken.
    pub(super) fn due(&self) -> Due {
        self.exchange.due()
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
    pub(super) fn wake(&mut self, core: &mut Core, credentials: &mut Credentials) {
        match self.exchange.wake(core.now.mono) {
            Some(Wake::TimedOut) => {
                debug!("no answer of the server in time");
                core.reach(Point::TimedOut);
                self.back_off(core, Span::ZERO);
            }
            Some(Wake::Retry) => self.try_again(core, credentials),
            None => {}
        }
    }

    fn try_again(&mut self, core: &mut Core, credentials: &mut Credentials) {
        // The credential was lost, or a user signed in, since the request was first sent. It is built
        // again, for the user that is signed in then.
        if !credentials.has_any(core) {
            self.exchange.abandon();
            return;
        }
        self.exchange.send_again(core.deadline());
        debug!(attempt = self.exchange.attempt(), "asks the server again");
        if core.has(Flaw::Fb05)
            && let Some(Command::Act { n, .. }) =
                self.exchange.question_mut().map(|question| &mut question.command)
        {
            self.done += 1;
            *n = self.done + 1;
        }
        self.send(core, credentials);
    }

    /// The request failed in passing, and is sent again no sooner than the server asked.
    fn back_off(&mut self, core: &mut Core, after: Span) {
        let asked = Some(after).filter(|after| after.0 > 0);
        let wait = core.wait_after(self.exchange.attempt(), asked);
        self.exchange.back_off(core.now.mono + wait);
    }

    /// Sends what comes next: a session before what changes something, and its end when nothing is
    /// wanted any more.
    pub(super) fn proceed(
        &mut self,
        core: &mut Core,
        credentials: &mut Credentials,
        files: &mut Files,
    ) {
        if !self.exchange.is_idle() {
            return;
        }
        let party = self.turn(core, files);
        if party.is_none() && self.session.is_none() || !credentials.has_any(core) {
            return;
        }
        let command = match (self.wanted(party), self.session) {
            (Some(Wanted::Status), _) => Command::Status,
            (Some(Wanted::Act(action)), _) if action.only_reads() => Command::Read(action.clone()),
            (Some(Wanted::Act(action)), Some(fence)) => {
                Command::Act { fence, n: self.done + 1, action: action.clone() }
            }
            (Some(Wanted::Act(_)), None) => Command::Open,
            (None, Some(fence)) => Command::Close(fence),
            (None, None) => return,
        };
        if matches!(command, Command::Act { .. }) {
            assert!(
                self.owed.is_none() || self.owed == party,
                "an action that may have been done is asked for until it is answered"
            );
            self.owed = party;
        }
        if self.life.is_none() {
            core.store.change_meta(|meta| meta.life += 1);
            self.life = Some(core.store.meta().life);
        }
        let id = core.next_call();
        let question = Question { command, party };
        if self.exchange.begin(core.now.mono, core.boot.timing.timeout, id, question) {
            self.send(core, credentials);
        }
    }

    /// Who goes on: the one that waits for an answer, or the user, or the device itself.
    fn turn(&mut self, core: &mut Core, files: &mut Files) -> Option<Party> {
        if let Some(owed) = self.owed {
            return Some(owed);
        }
        let waited_for = self.front_waits_for(core);
        if !self.errands.is_empty() && waited_for.is_none() {
            return Some(Party::User);
        }
        if self.own.is_none() {
            self.own = files.next_task(core, waited_for).map(Errand::from);
        }
        // What cannot be sent without a key must not keep the user waiting; a page of the feed that is
        // under way may.
        match &self.own {
            Some(_) => Some(Party::Own),
            None => (waited_for.is_some() && !core.is_at_login()).then_some(Party::User),
        }
    }

    /// The oldest own write that must be sent before what the user has waited for the longest.
    fn front_waits_for(&self, core: &Core) -> Option<Dot> {
        let (_, errand) = self.errands.front()?;
        let (Wanted::Act(Action::File(action)), Then::File(task)) = (&errand.wanted, &errand.then)
        else {
            // It is not about files.
            return None;
        };
        waits_for(core, action, task).next()
    }

    fn wanted(&self, party: Option<Party>) -> Option<&Wanted> {
        let errand = match party? {
            Party::User => self.errands.front().map(|(_, errand)| errand),
            Party::Own => self.own.as_ref(),
        };
        errand.map(|errand| &errand.wanted)
    }

    fn send(&mut self, core: &mut Core, credentials: &Credentials) {
        let meta = core.store.meta();
        assert!(meta.session.is_some(), "the server is asked only while a user is signed in");
        assert_eq!(self.life, Some(meta.life), "a request names a life that is counted durably");
        let (id, attempt, question) = self.exchange.outgoing();
        trace!(call = id.0, attempt, "request to the server");
        let request = Request {
            id,
            attempt,
            credential: credentials.current(),
            space: core.store.session().map_or(core.boot.user, |session| session.user),
            device: DeviceKey(meta.device),
            client: Client { replica: meta.replica, life: meta.life },
            build: core.boot.build,
            heard: self.heard,
            command: question.command.clone(),
        };
        core.out.send(Output::Request(request.into()));
    }

    /// Takes an answer of the server.
    pub(super) fn take(
        &mut self,
        core: &mut Core,
        files: &mut Files,
        Response { id, attempt, at, reply }: Response,
    ) -> Outcome {
        if let Reply::Refused(Refusal::Busy(after)) = reply {
            // It means whatever comes next, also where it says so late.
            self.exchange.rest(core.now.mono + after);
        }
        if !self.exchange.expects(id) {
            debug!(call = id.0, "a stale answer of the server");
            return Outcome::Nothing;
        }
        if !reply.is_for_build(core.boot.build) {
            error!(
                call = id.0,
                ?reply,
                "an answer of the server is of a later build than this one"
            );
            self.back_off(core, Span::ZERO);
            return Outcome::Nothing;
        }
        let response = Response { id, attempt, at, reply };
        self.heard = response.heard_after(self.heard);
        let question = self.exchange.question().expect("an answer to it was expected");
        match (&question.command, response.reply) {
            (_, Reply::Refused(refusal)) => return self.take_refusal(core, files, refusal),
            (Command::Open, Reply::Opened(fence)) => {
                self.exchange.finish();
                assert!(self.session.is_none(), "a session is asked for only where there is none");
                self.session = Some(fence);
                debug!(fence = fence.0.seq, op = self.first_op(), "has a session");
                #[cfg(feature = "flaws")]
                if core.has(Flaw::CvNilmapPending) {
                    self.forget_changes(core, 1);
                }
            }
            (Command::Close(_), Reply::Closed) => {
                self.exchange.finish();
                self.session = None;
            }
            (Command::Status, reply @ Reply::Status(_))
            | (
                Command::Read(_) | Command::Act { .. },
                reply @ (Reply::Account(_) | Reply::Work(_) | Reply::File(_)),
            )
            | (Command::Act { .. }, reply @ Reply::Patched) => self.end(core, files, Ok(reply)),
            // Hostile, or broken: an answer to another question. The server is asked again in a while.
            (
                _,
                Reply::Opened(_)
                | Reply::Closed
                | Reply::Status(_)
                | Reply::Patched
                | Reply::Account(_)
                | Reply::Work(_)
                | Reply::File(_),
            ) => self.back_off(core, Span::ZERO),
        }
        Outcome::Nothing
    }

    fn take_refusal(&mut self, core: &mut Core, files: &mut Files, refusal: Refusal) -> Outcome {
        debug!(?refusal, op = self.first_op(), "refused by the server");
        match refusal {
            Refusal::Busy(after) => {
                core.reach(Point::Throttled);
                #[cfg(feature = "flaws")]
                if core.has(Flaw::CvChangeDropBusy) {
                    self.forget_changes(core, self.errands.len());
                }
                self.back_off(core, after);
            }
            Refusal::Fenced => {
                core.reach(Point::SessionLost);
                self.exchange.finish();
                self.session = None;
            }
            // The log is not the one that was heard of: its session is none of this one.
            Refusal::AnotherLog => {
                self.exchange.finish();
                self.session = None;
                files.take_another_log(core);
            }
            Refusal::NotAuthenticated => {
                core.reach(Point::CredentialExpired);
                self.exchange.finish();
                return Outcome::NotAuthenticated;
            }
            Refusal::Misnumbered
            | Refusal::Forbidden
            | Refusal::Invalid
            | Refusal::Internal
            | Refusal::Changed(_)
            | Refusal::LeaseLost
            | Refusal::File(_) => self.end(core, files, Err(refusal)),
        }
        Outcome::Nothing
    }

    /// The request was answered: the number of an action is used up, and its errand goes on.
    fn end(&mut self, core: &mut Core, files: &mut Files, answer: Result<Reply, Refusal>) {
        let Question { command, party } = self.exchange.finish();
        if matches!(command, Command::Act { .. }) {
            assert!(
                self.owed == party || core.boot.flaws != Flaws::NONE,
                "the action that is answered is the one whose answer is owed"
            );
            self.done += 1;
            self.owed = None;
        }
        match party {
            Some(Party::User) => self.end_step(core, files, answer),
            Some(Party::Own) => self.end_own_step(core, files, answer),
            // The session could not be ended. That is tried again.
            None => {}
        }
    }

    /// A step of the user's first errand is done.
    fn end_step(&mut self, core: &mut Core, files: &mut Files, answer: Result<Reply, Refusal>) {
        let _span = debug_span!("errand", party = "user").entered();
        let Some((op, errand)) = self.errands.pop_front() else {
            assert!(core.boot.flaws != Flaws::NONE, "an errand is answered after its request");
            return;
        };
        debug!(op = op.0, refusal = ?answer.as_ref().err(), "takes the answer to an errand");
        #[cfg(feature = "flaws")]
        if core.has(Flaw::CvDeleteNilErr) && super::wrong::has_no_cause(&errand, &answer) {
            self.forget_errands(core);
            core.out.answer(op, Answer::Refused(Reason::Internal));
            return;
        }
        match self.go_on(core, files, errand, answer) {
            Next::Ask(errand) => self.errands.push_front((op, errand)),
            Next::Answer(answer) => core.out.answer(op, answer),
            Next::Rest(..) | Next::End => unreachable!("what a user asked for ends in an answer"),
        }
    }

    /// A step of the device's own errand is done.
    fn end_own_step(&mut self, core: &mut Core, files: &mut Files, answer: Result<Reply, Refusal>) {
        let _span = debug_span!("errand", party = "own").entered();
        let errand = self.own.take().expect("it is kept until its request is answered");
        debug!(refusal = ?answer.as_ref().err(), "takes the answer to an errand");
        match self.go_on(core, files, errand, answer) {
            Next::Ask(errand) => self.own = Some(errand),
            Next::Rest(until, errand) => {
                self.exchange.rest(until);
                self.own = errand;
            }
            Next::End => {}
            #[cfg(feature = "flaws")]
            Next::Answer(answer) if core.has(Flaw::Fb09) => core.copy_losers(answer),
            Next::Answer(_) => unreachable!("no user asked for what the device does by itself"),
        }
    }

    /// Takes the answer to what was asked.
    fn go_on(
        &mut self,
        core: &mut Core,
        files: &mut Files,
        errand: Errand,
        answer: Result<Reply, Refusal>,
    ) -> Next<Errand> {
        match errand.then {
            Then::Tell => Next::Answer(match answer {
                Ok(Reply::Status(held)) => {
                    let own = core.store.meta().replica;
                    Answer::Session(held.map(|(replica, _)| replica == own))
                }
                answer => Answer::told(answer),
            }),
            Then::File(task) => files.take(core, self.heard, task, answer).map(Errand::from),
            Then::Ingest(ingest) => conversation::take(core, ingest, answer),
        }
    }

    /// The flaws CV-NILMAP-PENDING and CV-CHANGE-DROP-BUSY: changes are answered and not made.
    #[cfg(feature = "flaws")]
    fn forget_changes(&mut self, core: &mut Core, most: usize) {
        let patches = self.errands.iter().map(|(_, errand)| &errand.wanted);
        let patches = patches.take_while(|it| matches!(it, Wanted::Act(Action::Patch(_))));
        let count = patches.take(most).count();
        self.owed.take_if(|owed| count > 0 && *owed == Party::User);
        for (op, _) in self.errands.drain(..count) {
            core.out.answer(op, Answer::Patched);
        }
    }

    /// The flaw CV-DELETE-NILERR: what still waits is answered and not done.
    #[cfg(feature = "flaws")]
    fn forget_errands(&mut self, core: &mut Core) {
        for (op, errand) in std::mem::take(&mut self.errands) {
            match super::wrong::taken_for_done(&errand) {
                Some(answer) => core.out.answer(op, answer),
                None => self.errands.push_back((op, errand)),
            }
        }
    }

    /// Asserts what must hold between two inputs, in constant time.
    pub(super) fn check(&self, core: &Core) {
        self.exchange.check();
        assert!(
            core.store.session().is_some() || self.exchange.is_idle(),
            "nothing is asked of the server while no user is signed in"
        );
        assert!(
            self.own.is_some() || self.owed != Some(Party::Own),
            "an action that may have been done is kept until it is answered"
        );
        assert!(
            self.life.is_none() || self.life == Some(core.store.meta().life),
            "a life that the server has heard of is counted durably"
        );
        assert!(
            core.boot.server || (self.errands.is_empty() && self.own.is_none()),
            "nothing is wanted of a sync server that is not there"
        );
    }
}
