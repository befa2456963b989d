//! The processor's conversation with the server: a session, and under it one action at a time, sent
//! under one number until it is answered, whichever worker it reaches and however often.

use super::Timing;
use crate::entropy::Entropy;
use crate::exchange::{Due, Exchange, Wake};
use crate::id::{Build, UserId};
use crate::log::Position;
use crate::message::{
    Action, Client, Command, DeviceKey, Fence, Refusal, Reply, Request, Response, WorkAction,
    WorkReply,
};
use crate::remote::{CallId, Credential};
use crate::time::{Now, Span, Time};

/// The identity under which a processor asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    pub(super) user: UserId,
    pub(super) device: DeviceKey,
    pub(super) client: Client,
    pub(super) timing: Timing,
}

/// The conversation.
#[derive(Clone, Debug)]
pub(super) struct Line {
    speaker: Speaker,
    credential: Option<Credential>,
    session: Option<Fence>,
    /// How many actions of this life have been answered.
    done: u32,
    /// The newest commit that was heard of, of the log that was answered from last.
    heard: Position,
    wanted: Option<Wanted>,
    exchange: Exchange<Command>,
    next_call: u32,
}

#[derive(Clone, Debug)]
enum Wanted {
    Act(WorkAction),
    /// That the session ends.
    Close,
}

/// What a response means for the work.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// Nothing yet.
    Nothing,
    /// The action is to be sent again later: others are at it, or the worker has too much to do.
    Busy,
    /// The action was answered.
    Answer(Result<WorkReply, Refusal>),
    /// The session has ended.
    Closed,
}

impl Line {
    pub(super) fn new(speaker: Speaker) -> Self {
        Self {
            speaker,
            credential: None,
            session: None,
            done: 0,
            heard: Position::START,
            wanted: None,
            exchange: Exchange::default(),
            next_call: 0,
        }
    }

    pub(super) fn trust(&mut self, credential: Credential) {
        if credential.user == self.speaker.user {
            self.credential = Some(credential);
        }
    }

    /// Is there something to ask, and no credential to ask it with?
    pub(super) fn needs_credential(&self) -> bool {
        self.wanted.is_some() && self.credential.is_none()
    }

    pub(super) fn want(&mut self, action: WorkAction) {
        assert!(self.wanted.is_none(), "one action is under way at a time");
        self.wanted = Some(Wanted::Act(action));
    }

    pub(super) fn want_close(&mut self) {
        assert!(self.wanted.is_none(), "a session is not ended under an action");
        assert!(self.session.is_some(), "only a session that was granted is ended");
        self.wanted = Some(Wanted::Close);
    }

    /// What was wanted is not wanted any more: it was refused, or never sent. A copy that is still on
    /// its way may yet take effect, so its number is not used again.
    pub(super) fn abandon(&mut self) {
        let command = self.exchange.abandon();
        self.done += u32::from(command.is_some_and(|it| matches!(it, Command::Act { .. })));
        self.wanted = None;
    }

    /// When to wake it, and why.
    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        match self.exchange.due() {
            Due::Timeout(deadline) => Some((deadline, "server timeout")),
            Due::Retry(until) => Some((until, "server retry")),
            Due::Idle | Due::Held => None,
        }
    }

    /// What is to be sent now, if anything.
    pub(super) fn proceed(&mut self, now: Now, entropy: &mut Entropy) -> Option<Request> {
        self.credential?;
        let timeout = self.speaker.timing.timeout;
        if !self.exchange.is_idle() {
            return match self.exchange.wake(now.mono)? {
                Wake::TimedOut => {
                    self.wait(now, Span::ZERO, entropy);
                    None
                }
                Wake::Retry => {
                    self.exchange.send_again(now.mono + timeout);
                    Some(self.request())
                }
            };
        }
        let command = match (self.wanted.as_ref()?, self.session) {
            (Wanted::Act(action), Some(fence)) => {
                let action = Action::Work(action.clone());
                Command::Act { fence, n: self.done + 1, action }
            }
            (Wanted::Act(_), None) => Command::Open,
            (Wanted::Close, Some(fence)) => Command::Close(fence),
            (Wanted::Close, None) => return None,
        };
        let id = CallId(self.next_call);
        self.next_call += 1;
        let sends = self.exchange.begin(now.mono, timeout, id, command);
        assert!(sends, "a processor never rests: it adds what the server asks for to its waits");
        Some(self.request())
    }

    fn request(&mut self) -> Request {
        let Speaker { user, device, client, .. } = self.speaker;
        let (id, attempt, command) = self.exchange.outgoing();
        let (credential, command) = (self.credential, command.clone());
        assert!(credential.is_some(), "nothing is sent without a credential");
        // A processor stores nothing, so no commit ever holds a request back.
        self.exchange.settle(false);
        let (space, heard, build) = (user, self.heard, Build::Current);
        Request { id, attempt, credential, space, device, client, build, heard, command }
    }

    /// Sends again later: no sooner than asked, and later with each failure.
    fn wait(&mut self, now: Now, after: Span, entropy: &mut Entropy) {
        let failures = u32::from(self.exchange.attempt());
        let wait = self.speaker.timing.backoff(failures, entropy);
        tracing::debug!(failures, %after, ms = wait.0, "waits before it tries again");
        self.exchange.back_off(now.mono + after + wait);
    }

    /// Takes a response, if it is to what was asked last.
    pub(super) fn take(&mut self, now: Now, response: Response, entropy: &mut Entropy) -> Heard {
        if !self.exchange.expects(response.id) {
            // Stale: the request was answered by another try, or given up.
            return Heard::Nothing;
        }
        self.heard = response.heard_after(self.heard);
        let command = self.exchange.question().expect("an answer was expected to it");
        let acts = matches!(command, Command::Act { .. });
        let again = match (command, &response.reply) {
            (_, Reply::Refused(Refusal::Busy(after))) => Some(*after),
            // A later life of this very processor has the session: this one is over.
            (
                Command::Open | Command::Status | Command::Read(_),
                Reply::Refused(Refusal::Fenced),
            ) => Some(Span::ZERO),
            (_, _) => None,
        };
        if let Some(after) = again {
            self.wait(now, after, entropy);
            let busy = acts && matches!(response.reply, Reply::Refused(Refusal::Busy(_)));
            return if busy { Heard::Busy } else { Heard::Nothing };
        }
        let command = self.exchange.finish();
        match (&command, response.reply) {
            (_, Reply::Refused(Refusal::Fenced)) => {
                self.session = None;
                Heard::Nothing
            }
            (_, Reply::Refused(Refusal::NotAuthenticated)) => {
                self.credential = None;
                Heard::Nothing
            }
            (Command::Open, Reply::Opened(fence)) => {
                assert!(self.session.is_none(), "a session is asked for only where there is none");
                self.session = Some(fence);
                Heard::Nothing
            }
            (Command::Close(_), _) => {
                (self.session, self.wanted) = (None, None);
                Heard::Closed
            }
            (_, Reply::Refused(Refusal::AnotherLog)) => {
                self.session = None;
                Heard::Nothing
            }
            (_, Reply::Refused(refusal)) => {
                self.end(acts);
                Heard::Answer(Err(refusal))
            }
            (_, Reply::Work(reply)) => {
                self.end(acts);
                Heard::Answer(Ok(reply))
            }
            // An answer to another question.
            (
                _,
                Reply::Opened(_)
                | Reply::Closed
                | Reply::Status(_)
                | Reply::Patched
                | Reply::Account(_)
                | Reply::File(_),
            ) => {
                self.end(acts);
                Heard::Answer(Err(Refusal::Internal))
            }
        }
    }

    fn end(&mut self, acts: bool) {
        assert!(self.wanted.is_some(), "what is answered was wanted");
        self.wanted = None;
        if acts {
            self.done += 1;
        }
    }

    /// Is there no session to end?
    pub(super) fn is_closed(&self) -> bool {
        self.session.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ReplicaId;
    use crate::message::Part;

    /// The claim may have been granted by a worker that is slow to say so, after another said that
    /// all work is others'.
    #[test]
    fn the_number_of_what_was_given_up_is_not_used_again() {
        let span = Span(1_000);
        let timing =
            Timing { timeout: span, retry_base: span, retry_cap: span, patience: span, poll: span };
        let user = UserId(0);
        let client = Client { replica: ReplicaId(1), life: 1 };
        let mut line = Line::new(Speaker { user, device: DeviceKey(1), client, timing });
        line.trust(Credential { user, until: Time(u64::MAX) });
        let (now, mut entropy) = (Now { mono: Time(0), wall: Time(0) }, Entropy::new([0; 32]));
        let mut numbers = Vec::new();
        let key = postcard::from_bytes(&[7; 16]).expect("sixteen bytes");
        for action in [WorkAction::Claim(None), WorkAction::Read(key, Part::Current)] {
            line.want(action);
            while let Some(request) = line.proceed(now, &mut entropy) {
                let reply = match request.command {
                    Command::Act { n, .. } => {
                        numbers.push(n);
                        Reply::Refused(Refusal::Busy(span))
                    }
                    Command::Open | Command::Close(_) | Command::Status | Command::Read(_) => {
                        Reply::Opened(Fence(Position::START))
                    }
                };
                let Request { id, attempt, .. } = request;
                line.take(now, Response { id, attempt, at: Position::START, reply }, &mut entropy);
            }
            line.abandon();
        }
        assert_eq!(numbers, [1, 2]);
    }
}
