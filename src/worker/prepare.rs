//! Decisions that need the volume, beyond the log: the objects of a blob, or an old entry.
//!
//! A decision is pure. If it needs answers of the volume, it returns the calls. The task leaves the
//! queue, the worker makes the calls one after the other, and the task is queued again with the
//! answers. It is then decided on the state of that time. If that decision needs other calls,
//! because the state has changed, the task leaves the queue again. Only a piece of a file's content is
//! answered without another look at the log: it is named by its hash, so no entry can make the answer wrong.

use super::known::Known;
use super::{Rules, Ticket, Worker};
use crate::flaw::Flaw;
use crate::id::{Build, UserId};
use crate::log::Draft;
use crate::message::{Request, Response};
use crate::point::Point;
use crate::time::{Now, Time};
use crate::volume::{self, CallId, Reply};

/// A task to decide.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// The request of a device.
    Asked(Ticket, Box<Request>),
    /// A background task of the worker.
    Own(super::file::BackgroundTask),
}

impl Task {
    /// The number of the newest commit that the client has heard of.
    pub(super) fn heard(&self) -> u64 {
        match self {
            Self::Asked(_, request) => request.heard.seq,
            Self::Own(_) => 0,
        }
    }

    /// Decides the task: the response if a client waits for one, or the calls that the decision
    /// needs.
    pub(super) fn decide(
        &self,
        draft: &mut Draft<'_>,
        known: &mut Known,
        rules: Rules,
    ) -> Result<Option<(Ticket, Response)>, Vec<volume::Request>> {
        match self {
            Self::Asked(ticket, request) => {
                let (replica, call) = (request.client.replica.0, request.id.0);
                let _request = tracing::debug_span!("request", replica, call).entered();
                let (reply, at) = super::decide(draft, request, known, rules)?;
                let (id, attempt) = (request.id, request.attempt);
                // A receipt keeps the reply as it is: a client that was updated meanwhile reads all of it.
                let in_newest_form = rules.flaws.has(Flaw::Fb31);
                let build = if in_newest_form { Build::Current } else { request.build };
                if request.build != Build::Current {
                    tracing::debug!(call, asked = ?request.build, given = ?build, "answers another build");
                }
                let reply = reply.for_build(build);
                Ok(Some((*ticket, Response { id, attempt, at, reply })))
            }
            Self::Own(background_task) => {
                let _task = tracing::debug_span!("background_task").entered();
                super::file::do_background_task(draft, *background_task, known, rules)
                    .map(|()| None)
            }
        }
    }
}

/// A task that waits for the volume.
#[derive(Clone, Debug)]
pub(super) struct Preparation {
    pub(super) task: Task,
    known: Known,
    /// The call in flight, and when it is given up.
    call: Option<(CallId, Time)>,
    /// After a failure of the volume: when it is asked again.
    rests_until: Option<Time>,
    failures: u32,
}

impl Preparation {
    pub(super) fn new(task: Task, known: Known, asked: Vec<volume::Request>) -> Self {
        Self { task, known: known.asking(asked), call: None, rests_until: None, failures: 0 }
    }

    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        let gives_up = self.call.map(|(_, at)| (at, "volume timeout"));
        gives_up.or(self.rests_until.map(|at| (at, "volume retry")))
    }

    /// Asserts what holds between two inputs.
    pub(super) fn check(&self) {
        assert!(self.known.next().is_some(), "a task that needs no more is queued again");
        assert_ne!(
            self.call.is_some(),
            self.rests_until.is_some(),
            "a task that needs an answer has a call in flight or rests"
        );
    }

    /// The call that is in flight for it.
    pub(super) fn call(&self) -> Option<CallId> {
        self.call.map(|(call, _)| call)
    }

    pub(super) fn waits_for(&self, call: CallId) -> bool {
        self.call.is_some_and(|(waited, _)| waited == call)
    }
}

impl Worker {
    /// Makes the next call of each task, and queues the tasks that have all answers.
    pub(super) fn prepare(&mut self, now: Now, id: UserId) {
        let flaws = self.boot.flaws;
        let (mut waiting, mut ready) = (Vec::new(), false);
        for mut preparation in std::mem::take(&mut self.space(id).preparing) {
            if preparation.call.is_some() || preparation.rests_until.is_some() {
                waiting.push(preparation);
            } else if let Some(request) = preparation.known.next().cloned() {
                let call = self.ask(id, request);
                preparation.call = Some((call, now.mono + self.boot.timing.timeout));
                waiting.push(preparation);
            } else {
                ready = true;
                self.space(id).enqueue(preparation.task, preparation.known, flaws);
            }
        }
        let space = self.space(id);
        assert!(space.preparing.is_empty(), "nothing is decided while preparations go on");
        space.preparing = waiting;
        if ready {
            tracing::debug!("a task has the answers of the volume; deciding it again");
            self.reach(Point::TaskPrepared);
            self.proceed(now, id);
        }
    }

    /// The volume answered a call of a task.
    pub(super) fn take_knowledge(&mut self, now: Now, id: UserId, call: CallId, reply: Reply) {
        let waits = |it: &Preparation| it.waits_for(call);
        let at = self.space(id).preparing.iter().position(waits);
        // Whether a snapshot was written or deleted is of no interest: it is written again later.
        let Some(at) = at else { return };
        let waiting = &mut self.space(id).preparing[at];
        if reply != Reply::Failed {
            waiting.known.learn(reply);
            (waiting.call, waiting.failures) = (None, 0);
            return self.prepare(now, id);
        }
        let failures = waiting.failures;
        let until = now.mono + self.backoff(failures);
        tracing::debug!(failures, %until, "the volume failed a task; asking again later");
        let waiting = &mut self.space(id).preparing[at];
        (waiting.call, waiting.rests_until) = (None, Some(until));
        waiting.failures = failures.saturating_add(1);
    }

    /// Gives up what is overdue, and goes on where a rest is over.
    pub(super) fn wake_preparations(&mut self, now: Now, id: UserId) {
        let space = self.space(id);
        let overdue = space.preparing.iter().filter_map(|it| it.call);
        let overdue: Vec<CallId> =
            overdue.filter(|(_, at)| *at <= now.mono).map(|(call, _)| call).collect();
        let mut rested = false;
        for preparation in &mut space.preparing {
            if preparation.rests_until.is_some_and(|at| at <= now.mono) {
                preparation.rests_until = None;
                rested = true;
            }
        }
        for call in overdue {
            let space = self.calls.remove(&call);
            assert_eq!(space, Some(id), "a call in flight is known until it is given up");
            tracing::debug!(asked = call.0, "the volume gave a task no answer in time");
            self.take_knowledge(now, id, call, Reply::Failed);
        }
        if rested {
            self.prepare(now, id);
        }
    }
}
