//! A worker of the sync server: takes requests from devices and commits them to the logs of their
//! spaces. A state machine with the same contract as a device.
//!
//! It keeps nothing durably. What it knows of a space is a prefix of that space's log, so stale
//! knowledge can cost a round trip and never correctness: a worker that was paused finds its next
//! entry number taken.

mod account;
mod file;
mod job;
mod known;
mod prepare;
mod session;
mod space;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use self::known::{Known, Stop};
use self::prepare::Task;
use self::space::Space;
use crate::entropy::Entropy;
use crate::flaw::{Flaw, Flaws};
use crate::id::UserId;
use crate::log::{Draft, Position, State};
#[cfg(feature = "flaws")]
use crate::message::FileAction;
use crate::message::{Action, Command, Refusal, Reply, Request, Response};
use crate::point::Point;
use crate::time::{Now, Span, Time};
use crate::volume;

/// What a worker is started with.
#[derive(Clone, Debug)]
pub struct Boot {
    /// A fresh seed for this incarnation.
    pub entropy: [u8; 32],
    /// Its time-outs, waits and limits.
    pub timing: Timing,
    /// Known bugs that are switched on.
    pub flaws: Flaws,
}

/// The time-outs, waits and limits of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The length of a session lease and of a claim.
    pub session: Span,
    /// A call to the volume without an answer is given up after this.
    pub timeout: Span,
    /// The wait after the first failure is between half of this and all of it, doubled with each.
    pub retry_base: Span,
    /// No wait is longer than this.
    pub retry_cap: Span,
    /// The number of requests that may wait in one space; further ones are refused as busy.
    pub queue: u16,
    /// The least number of entries between two snapshots.
    pub snapshot_every: u32,
    /// The length of the lease on an upload, from when it was begun or renewed.
    pub upload: Span,
    /// The number of nodes that are moved in one commit at most; a longer batch becomes a job.
    pub batch: u16,
}

/// The caller's number for a request, within one incarnation of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// An input of a worker.
#[derive(Clone, Debug)]
pub enum Input {
    /// A request of a device. It is answered by at most one [`Output::Answer`].
    Asked(Ticket, Box<Request>),
    /// An answer of the volume.
    Volume(volume::Return),
    /// The time of [`Worker::poll_wakeup`] has come.
    Wakeup,
}

/// An output of a worker.
#[derive(Clone, Debug)]
pub enum Output {
    /// A call to the volume.
    Ask(volume::Call),
    /// The response to a request.
    Answer(Ticket, Response),
    /// Reports a coverage point.
    Reached(Point),
}

/// One worker.
#[derive(Clone, Debug)]
pub struct Worker {
    boot: Boot,
    entropy: Entropy,
    spaces: BTreeMap<UserId, Space>,
    /// The calls in flight, and the space that each is for.
    calls: BTreeMap<volume::CallId, UserId>,
    next_call: u64,
    outputs: VecDeque<Output>,
}

impl Worker {
    /// Starts a worker, which knows no space.
    pub fn start(boot: Boot) -> Self {
        let entropy = Entropy::new(boot.entropy);
        let (spaces, calls) = (BTreeMap::new(), BTreeMap::new());
        Self { boot, entropy, spaces, calls, next_call: 0, outputs: VecDeque::new() }
    }

    /// Handles one input.
    ///
    /// # Panics
    ///
    /// If the outputs of the input before were not drained.
    pub fn handle(&mut self, now: Now, input: Input) {
        assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        match input {
            Input::Asked(ticket, request) => self.admit(now, ticket, request),
            Input::Volume(answer) => match self.calls.remove(&answer.id) {
                Some(space) => self.take_answer(now, space, answer),
                // The call was given up before its answer came, or its answer came twice.
                None => tracing::debug!(asked = answer.id.0, "a late answer of the volume"),
            },
            Input::Wakeup => self.wake_up(now),
        }
    }

    /// The next output; drain to `None` before the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to give it [`Input::Wakeup`], and why.
    pub fn poll_wakeup(&self) -> Option<(Time, &'static str)> {
        self.spaces.values().filter_map(Space::wakeup).min()
    }

    /// The number of requests that wait for a response.
    pub fn waiting(&self) -> usize {
        self.spaces.values().map(Space::waiting).sum()
    }

    /// Asserts what holds between two inputs, once the outputs are drained. Takes time in proportion
    /// to the requests that wait.
    ///
    /// # Panics
    ///
    /// If it does not hold: the worker has a bug. Nothing that a device or the volume sends can do that.
    pub fn check(&self) {
        let newest = self.calls.last_key_value().map(|(call, _)| call.0);
        assert!(newest.is_none_or(|call| call < self.next_call), "calls are numbered in order");
        for (id, space) in &self.spaces {
            space.check(usize::from(self.boot.timing.queue));
            for call in space.calls() {
                assert_eq!(self.calls.get(&call), Some(id), "a call in flight is known");
            }
            for preparation in &space.preparing {
                preparation.check();
            }
        }
    }

    /// Asserts all that [`Self::check`] does and what is too slow for every input of a long run: that
    /// no task is in two places, and that what each space knows is what a sound log amounts to. Only
    /// for a worker without flaws on a volume that was never damaged.
    ///
    /// # Panics
    ///
    /// If it does not hold.
    pub fn check_thoroughly(&self) {
        self.check();
        for space in self.spaces.values() {
            space.check_tasks();
            space.check_log();
        }
    }

    /// Queues a request if its credential is valid and for its space.
    fn admit(&mut self, now: Now, ticket: Ticket, request: Box<Request>) {
        let _arrival = tracing::debug_span!(
            "arrival",
            space = request.space.0,
            replica = request.client.replica.0,
            call = request.id.0,
            attempt = request.attempt,
        )
        .entered();
        let Some(credential) = request.credential.filter(|it| now.wall <= it.until) else {
            return self.refuse(ticket, &request, Refusal::NotAuthenticated);
        };
        if request.space != credential.user && !self.boot.flaws.has(Flaw::ForgedId) {
            tracing::warn!(user = credential.user.0, "a request for the space of another user");
            self.reach(Point::ForgedSpace);
            return self.refuse(ticket, &request, Refusal::Forbidden);
        }
        let id = request.space;
        #[cfg(feature = "flaws")]
        let id = if self.boot.flaws.has(Flaw::CursorOfOther) { cursor_of(&request) } else { id };
        let limit = usize::from(self.boot.timing.queue);
        let space = self.spaces.entry(id).or_insert_with(Space::new);
        if space.waiting() >= limit {
            let after = self.entropy.span(self.boot.timing.retry_base, self.boot.timing.retry_cap);
            tracing::debug!(limit, %after, "the queue is full");
            self.reach(Point::Overloaded);
            return self.refuse(ticket, &request, Refusal::Busy(after));
        }
        if !self.boot.flaws.has(Flaw::Fb15) {
            space.hear_of(request.heard.seq);
        }
        tracing::debug!(user = credential.user.0, waiting = space.waiting(), "admits a request");
        space.enqueue(Task::Asked(ticket, request), Known::default(), self.boot.flaws);
        self.proceed(now, id);
    }

    fn refuse(&mut self, ticket: Ticket, request: &Request, refusal: Refusal) {
        let reply = Reply::Refused(refusal);
        let response =
            Response { id: request.id, attempt: request.attempt, at: Position::START, reply };
        self.outputs.push_back(Output::Answer(ticket, response));
    }

    fn reach(&mut self, point: Point) {
        self.outputs.push_back(Output::Reached(point));
    }
}

/// CURSOR-OF-OTHER: a feed is read from the space that its cursor names, as if only the owner of the
/// space could know that cursor.
#[cfg(feature = "flaws")]
fn cursor_of(request: &Request) -> UserId {
    match request.command.action() {
        Some(Action::File(FileAction::Feed(Some(since), _))) => since.space,
        Some(_) | None => request.space,
    }
}

/// What a decision depends on beside the state.
#[derive(Clone, Copy, Debug)]
struct Rules {
    space: UserId,
    wall: Time,
    session: Span,
    upload: Span,
    batch: usize,
    flaws: Flaws,
}

impl Worker {
    fn rules(&self, now: Now, space: UserId) -> Rules {
        let Timing { session, upload, batch, .. } = self.boot.timing;
        let flaws = self.boot.flaws;
        Rules { space, wall: now.wall, session, upload, batch: usize::from(batch), flaws }
    }
}

/// Decides one request on top of the decisions before it: the reply, and the commit that the reply
/// reflects. Repeated on the newer state whenever another worker's entry came first. If the
/// decision needs answers of the volume, the error lists the calls.
fn decide(
    draft: &mut Draft<'_>,
    request: &Request,
    known: &mut Known,
    rules: Rules,
) -> Result<(Reply, Position), Vec<volume::Request>> {
    assert!(!draft.has_effect(), "the decision before was ended or abandoned");
    let decided = match &request.command {
        _ if !has_heard_of_this_log(draft.base(), request, known, rules)? => {
            draft.reach(Point::AnotherLog);
            Err(Refusal::AnotherLog.into())
        }
        Command::Open => session::open(draft, request, rules).map_err(Stop::Refused),
        Command::Close(fence) => Ok(session::close(draft, request, *fence, rules)),
        Command::Status => session::status(draft, request, rules).map_err(Stop::Refused),
        // Numbers begin with 1, and an action that only reads needs none.
        Command::Read(action) if action.only_reads() => {
            act(draft, request, 0, action, known, rules)
        }
        Command::Read(_) => Err(Refusal::Invalid.into()),
        Command::Act { fence, n, action } => session::guard(draft, request, *fence, rules)
            .map_err(Stop::Refused)
            .and_then(|()| act(draft, request, *n, action, known, rules)),
    };
    if let Some(stray) = file::stray(draft, request, known)
        && !matches!(decided, Err(Stop::Needs(_)))
    {
        // Whatever the answer is, it is given once the object is gone.
        draft.abandon_op();
        return Err(vec![volume::Request::Delete(stray.clone())]);
    }
    match decided {
        Ok((reply, at)) => {
            let receipt = match request.command {
                Command::Act { n, .. } => Some((request.client, n)),
                Command::Open | Command::Close(_) | Command::Status | Command::Read(_) => None,
            };
            let reads = match &request.command {
                Command::Open | Command::Close(_) => false,
                Command::Status | Command::Read(_) => true,
                Command::Act { action, .. } => action.only_reads(),
            };
            assert!(!(reads && draft.has_effect()), "what only reads changes nothing");
            draft.end_op(receipt, &reply);
            Ok((reply, at))
        }
        Err(Stop::Refused(refusal)) => {
            tracing::debug!(call = request.id.0, ?refusal, "refused");
            if refusal == Refusal::Internal {
                // Each of these is where a space that only this code has written contradicts itself.
                tracing::error!(
                    space = request.space.0,
                    "a request is refused as an internal error: the log of its space contradicts itself"
                );
            }
            draft.abandon_op();
            Ok((Reply::Refused(refusal), draft.seen()))
        }
        Err(Stop::Needs(requests)) => {
            draft.abandon_op();
            Err(requests)
        }
    }
}

/// Is the newest commit that the client has heard of part of this log? A request is decided only
/// after the log was read up to there or to its end, so a commit that is missing here is missing in
/// the log.
fn has_heard_of_this_log(
    state: &State,
    request: &Request,
    known: &mut Known,
    rules: Rules,
) -> Result<bool, Vec<volume::Request>> {
    if rules.flaws.has(Flaw::Fb15) && request.heard.seq > state.seq {
        return Ok(true);
    }
    known.is_logged(request.heard, state, rules)
}

/// Decides an action.
fn act(
    draft: &mut Draft<'_>,
    request: &Request,
    n: u32,
    action: &Action,
    known: &mut Known,
    rules: Rules,
) -> Result<(Reply, Position), Stop> {
    match action {
        Action::Patch(fields) => session::once(draft, request, n, action, |draft| {
            #[cfg(feature = "flaws")]
            account::rewrite(draft, rules.flaws);
            account::patch(draft, fields).map_err(Stop::Refused)
        }),
        Action::ReadAccount => Ok((account::read(draft), draft.seen())),
        Action::Work(about) => session::once(draft, request, n, action, |draft| {
            job::act(draft, about, known, rules).map(Reply::Work)
        }),
        Action::File(about) => file::act(draft, request, n, (action, about), known, rules),
    }
}

/// Has the space work to do that no request asks for, and that a commit alone can do?
fn is_untidy(state: &State, wall: Time) -> bool {
    file::is_untidy(state, wall)
}
