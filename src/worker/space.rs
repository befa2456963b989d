//! One space as a worker sees it: a prefix of its log, the requests that wait, and the call to the
//! volume that is in flight.
//!
//! All queued requests are decided in one *round*, once the worker has read the log as far as any of
//! them has heard of it. If the round changes something, it becomes the next entry of the log. If not,
//! the worker reads the next entry number: finding nothing there proves that the state was current,
//! and one such proof serves every request that arrived before it was asked for. If another worker
//! created that entry first, the round is decided again on the newer state. A create whose outcome is
//! unknown is resolved by reading that entry and comparing ids.

mod check;
#[cfg(feature = "flaws")]
mod flawed;
mod snapshot;

use std::collections::VecDeque;

use super::file::BackgroundTask;
use super::known::Known;
use super::prepare::{Preparation, Task};
use super::{Output, Rules, Ticket, Worker, is_untidy};
use crate::flaw::{Flaw, Flaws};
use crate::id::UserId;
use crate::log::{self, Draft, Entry, EntryId, State};
use crate::message::Response;
use crate::point::Point;
use crate::time::{Now, Span, Time};
use crate::volume::{self, CallId, Reply};

/// What a worker knows of a space.
#[derive(Clone, Debug)]
pub(super) struct Space {
    state: State,
    queue: VecDeque<(Task, Known)>,
    /// Tasks that need answers of the volume before they can be decided.
    pub(super) preparing: Vec<Preparation>,
    phase: Phase,
    /// The number of the entry up to which the log is read, or to its end, before a round is decided.
    upto: u64,
    /// The length of the queue when the next entry was last looked for.
    looked_for: usize,
    /// The call to the volume that is in flight, and when it is given up.
    call: Option<(CallId, Time)>,
    /// After a failure of the volume: when it is asked again.
    rests_until: Option<Time>,
    /// Failures of the volume in a row.
    failures: u32,
    /// The entry numbers of the snapshots that are known, the newest last.
    snapshots: VecDeque<u64>,
    #[cfg(feature = "flaws")]
    flawed: flawed::Flawed,
}

/// What is to be found out next.
#[derive(Clone, Debug)]
enum Phase {
    /// Which snapshots the volume has.
    Cold,
    /// What the last of these snapshots holds.
    Loading(Vec<volume::Key>),
    /// Whether there is another entry.
    Following,
    /// Whether there is another entry, and whether it is that of this round: the outcome of its create
    /// is unknown.
    Unclear(Round),
    /// Nothing, until a request arrives. That many of the first tasks of the queue arrived before the
    /// worker saw that there is no other entry.
    Ready(usize),
    /// Whether there is still no other entry: then this round, which changes nothing, holds.
    Proving(Round),
    /// Whether this round, which changes something, becomes the next entry.
    Committing(Round),
}

/// A decision about the first tasks of the queue.
#[derive(Clone, Debug)]
struct Round {
    /// The number of tasks that it decides.
    covers: usize,
    answers: Vec<(Ticket, Response)>,
    points: Vec<Point>,
    /// What it changes; none if it only reads or refuses.
    entry: Option<Entry>,
}

impl Round {
    /// Can no other entry make these answers wrong?
    fn lasts(&self) -> bool {
        self.entry.is_none() && self.answers.iter().all(|(_, answer)| answer.reply.lasts())
    }
}

impl Space {
    pub(super) fn new() -> Self {
        Self {
            state: State::default(),
            queue: VecDeque::new(),
            preparing: Vec::new(),
            phase: Phase::Cold,
            upto: u64::MAX,
            looked_for: 0,
            call: None,
            rests_until: None,
            failures: 0,
            snapshots: VecDeque::new(),
            #[cfg(feature = "flaws")]
            flawed: flawed::Flawed::default(),
        }
    }

    /// The number of requests that wait. The worker's own background tasks do not count against the limit.
    pub(super) fn waiting(&self) -> usize {
        let tasks = self.queue.iter().map(|(task, _)| task);
        let tasks = tasks.chain(self.preparing.iter().map(|it| &it.task));
        tasks.filter(|task| matches!(task, Task::Asked(..))).count()
    }

    /// A requester has heard of this entry, or of one that a restore has destroyed: no round is decided
    /// before the worker has looked for it.
    pub(super) fn hear_of(&mut self, seq: u64) {
        self.upto = self.upto.max(seq);
    }

    pub(super) fn enqueue(&mut self, task: Task, known: Known, flaws: Flaws) {
        if flaws.has(Flaw::CvStateTorn) || flaws.has(Flaw::I42Rmw) {
            #[cfg(feature = "flaws")]
            self.flawed.arrive(&task, &self.state);
        }
        self.queue.push_back((task, known));
    }

    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        let gives_up = self.call.map(|(_, at)| (at, "volume timeout"));
        let own = gives_up.or(self.rests_until.map(|at| (at, "volume retry")));
        self.preparing.iter().filter_map(Preparation::wakeup).chain(own).min()
    }

    /// Is this the call that is in flight for the space itself?
    fn waits_for(&self, call: CallId) -> bool {
        self.call.is_some_and(|(waited, _)| waited == call)
    }

    /// Queues the background tasks of the space that this worker has not taken up yet.
    fn take_up_background_tasks(&mut self, rules: Rules) {
        let under_way = |background_task: &BackgroundTask| {
            let is = |task: &Task| matches!(task, Task::Own(own) if own == background_task);
            self.preparing.iter().any(|it| is(&it.task)) || self.queue.iter().any(|it| is(&it.0))
        };
        let background_tasks: Vec<BackgroundTask> =
            super::file::background_tasks(&self.state, rules)
                .filter(|background_task| !under_way(background_task))
                .collect();
        background_tasks.into_iter().for_each(|background_task| {
            self.queue.push_back((Task::Own(background_task), Known::default()));
        });
    }

    /// Another worker created the entry first: that entry is read, and the round is decided again.
    fn lose_race(&mut self, round: &Round) {
        assert!(round.entry.is_some(), "only a round that changes something is committed");
        self.phase = Phase::Following;
        self.hear_of(self.state.seq + 1);
    }

    /// Decides all that is queued, on the state that was read.
    fn decide(&mut self, rules: Rules, name: EntryId) -> Round {
        #[cfg(feature = "flaws")]
        if let Some(round) = self.take_stale(name, rules.flaws) {
            return round;
        }
        let mut draft = Draft::new(&self.state, name);
        let _round = tracing::debug_span!("round", seq = draft.seq()).entered();
        let mut answers = Vec::new();
        let mut covers = 0;
        while let Some((task, known)) = self.queue.get_mut(covers) {
            #[cfg(feature = "flaws")]
            draft.arrived_at(self.flawed.arrival(task));
            match task.decide(&mut draft, known, rules) {
                Ok(answer) => {
                    answers.extend(answer);
                    covers += 1;
                }
                Err(needs) => {
                    let (task, known) = self.queue.remove(covers).expect("it was just decided");
                    self.preparing.push(Preparation::new(task, known, needs));
                }
            }
        }
        assert_eq!(covers, self.queue.len(), "a round decides all that is queued");
        assert!(answers.len() <= covers, "a task is answered at most once");
        super::file::tidy(&mut draft, rules);
        let seq = draft.seq();
        let (ops, points) = draft.end();
        let entry = (!ops.is_empty()).then_some(Entry { seq, id: name, ops });
        Round { covers, answers, points, entry }
    }

    /// There is no other entry. A request that arrived after the worker asked for it may have heard of
    /// an entry that was created since.
    fn reach_end(&mut self) -> Phase {
        assert!(
            self.looked_for <= self.queue.len(),
            "tasks stay while the next entry is looked for"
        );
        let since = self.queue.iter().skip(self.looked_for);
        self.upto = since.map(|(task, _)| task.heard()).max().unwrap_or(0);
        Phase::Ready(self.looked_for)
    }

    /// What the volume is asked in this phase; nothing if the phase needs no call.
    fn next_request(&mut self, id: UserId) -> Option<volume::Request> {
        assert!(self.call.is_none(), "a space has one call of its own in flight at a time");
        assert!(self.rests_until.is_none(), "a space that rests asks nothing");
        Some(match &mut self.phase {
            Phase::Ready(_) => return None,
            Phase::Cold => volume::Request::List(log::snapshots_of(id)),
            Phase::Loading(keys) => volume::Request::Get(keys.last()?.clone()),
            Phase::Following | Phase::Unclear(_) | Phase::Proving(_) => {
                self.looked_for = self.queue.len();
                volume::Request::Get(log::entry_key(id, self.state.seq + 1))
            }
            Phase::Committing(Round { entry, .. }) => {
                let entry = entry.as_ref().expect("only what changes something is committed");
                assert_eq!(entry.seq, self.state.seq + 1, "numbers are taken without a gap");
                volume::Request::Create(log::entry_key(id, entry.seq), log::encode(entry))
            }
        })
    }
}

impl Worker {
    /// The space that a call or a task is about.
    pub(super) fn space(&mut self, id: UserId) -> &mut Space {
        self.spaces.get_mut(&id).expect("a space is made for its first request and never removed")
    }

    /// Asks the volume for what a space needs next, if the space has something to do.
    pub(super) fn proceed(&mut self, now: Now, id: UserId) {
        let rules = self.rules(now, id);
        let space = self.space(id);
        if space.call.is_some() || space.rests_until.is_some() {
            return;
        }
        if let Phase::Ready(proven) = space.phase {
            assert!(proven <= space.queue.len(), "tasks stay until they are decided");
            let is_proven = space.queue.len() <= proven;
            space.take_up_background_tasks(rules);
            if space.queue.is_empty() && !is_untidy(&space.state, now.wall) {
                return;
            }
            if space.state.seq < space.upto {
                space.phase = Phase::Following;
                return self.ask_for_phase(now, id);
            }
            tracing::debug!(tasks = space.queue.len(), is_proven, "decides a round");
            let name = EntryId(self.entropy.next_u64());
            let round = self.space(id).decide(rules, name);
            let idle = round.covers == 0 && round.entry.is_none();
            self.space(id).phase = match round.entry {
                Some(_) => Phase::Committing(round),
                None if idle => Phase::Ready(0),
                None if is_proven
                    || round.lasts()
                    || rules.flaws.has(Flaw::Fb15)
                    || rules.flaws.has(Flaw::I42WorkerCache) =>
                {
                    self.conclude(now, id, round);
                    return self.prepare(now, id);
                }
                None => Phase::Proving(round),
            };
            self.prepare(now, id);
        }
        self.ask_for_phase(now, id);
    }

    /// Asks the volume what the phase of a space is about.
    fn ask_for_phase(&mut self, now: Now, id: UserId) {
        let gives_up = now.mono + self.boot.timing.timeout;
        let space = self.space(id);
        // The preparations may have put a task back and asked already.
        if space.call.is_some() || space.rests_until.is_some() {
            return;
        }
        if matches!(&space.phase, Phase::Loading(keys) if keys.is_empty()) {
            space.phase = Phase::Following;
            return self.proceed(now, id);
        }
        let Some(request) = space.next_request(id) else { return };
        let call = self.ask(id, request);
        self.space(id).call = Some((call, gives_up));
    }

    pub(super) fn ask(&mut self, space: UserId, request: volume::Request) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let before = self.calls.insert(id, space);
        assert!(before.is_none(), "a call's number is used once");
        self.outputs.push_back(Output::Ask(volume::Call { id, request }));
        id
    }

    /// Gives up what is overdue, and goes on where a wait is over.
    pub(super) fn wake_up(&mut self, now: Now) {
        let ids: Vec<UserId> = self.spaces.keys().copied().collect();
        for id in ids {
            let _space = tracing::debug_span!("wakeup", space = id.0).entered();
            let space = self.space(id);
            if let Some((call, at)) = space.call
                && at <= now.mono
            {
                let space = self.calls.remove(&call);
                assert_eq!(space, Some(id), "a call in flight is known until it is given up");
                tracing::debug!(asked = call.0, "the volume gave no answer in time");
                self.take_reply(now, id, Reply::Failed);
            } else if space.rests_until.is_some_and(|at| at <= now.mono) {
                space.rests_until = None;
                self.proceed(now, id);
            }
            self.wake_preparations(now, id);
        }
    }

    /// The volume answered something that was asked for a space.
    pub(super) fn take_answer(&mut self, now: Now, id: UserId, answer: volume::Return) {
        let _space = tracing::debug_span!("volume", space = id.0, asked = answer.id.0).entered();
        if self.space(id).waits_for(answer.id) {
            self.take_reply(now, id, answer.reply);
        } else {
            self.take_knowledge(now, id, answer.id, answer.reply);
        }
    }

    fn take_reply(&mut self, now: Now, id: UserId, reply: Reply) {
        #[cfg(feature = "flaws")]
        let flaws = self.boot.flaws;
        let space = self.space(id);
        assert!(space.rests_until.is_none(), "a space that rests waits for no answer");
        space.call = None;
        if reply != Reply::Failed {
            space.failures = 0;
        }
        let phase = std::mem::replace(&mut space.phase, Phase::Ready(0));
        space.phase = match (phase, reply) {
            (Phase::Cold, Reply::Listed(keys)) => Phase::Loading(keys),
            (Phase::Loading(keys), Reply::Found(bytes)) => space.load(keys, &bytes),
            (Phase::Loading(mut keys), Reply::NotFound) => {
                keys.pop();
                Phase::Loading(keys)
            }
            (Phase::Following, Reply::Found(bytes)) => return self.follow(now, id, &bytes, None),
            (Phase::Unclear(round), Reply::Found(bytes)) => {
                return self.follow(now, id, &bytes, Some(round));
            }
            (Phase::Proving(_), Reply::Found(bytes)) => {
                space.upto = u64::MAX;
                tracing::debug!("the log has another entry; deciding again");
                return self.follow(now, id, &bytes, None);
            }
            (Phase::Following | Phase::Unclear(_), Reply::NotFound) => space.reach_end(),
            (Phase::Proving(round), Reply::NotFound) => return self.conclude(now, id, round),
            (Phase::Committing(round), Reply::Done) => return self.conclude(now, id, round),
            (Phase::Committing(round), Reply::Exists) => {
                space.lose_race(&round);
                #[cfg(feature = "flaws")]
                space.keep_stale(round, flaws);
                tracing::debug!("the entry was written by another worker; deciding again");
                self.reach(Point::CommitRaced);
                return self.proceed(now, id);
            }
            (Phase::Committing(round), Reply::Failed) => {
                space.phase = Phase::Unclear(round);
                tracing::debug!("the outcome of the commit is unknown; its number is looked up");
                self.reach(Point::CommitUnclear);
                return self.rest(now, id);
            }
            // A failure, or an answer to another question: the volume is asked again in a while.
            (
                phase,
                reply @ (Reply::Failed
                | Reply::Done
                | Reply::Exists
                | Reply::Found(_)
                | Reply::NotFound
                | Reply::Listed(_)),
            ) => {
                space.phase = phase;
                if reply != Reply::Failed {
                    tracing::warn!("the volume answered another question than it was asked");
                }
                return self.rest(now, id);
            }
        };
        self.proceed(now, id);
    }

    /// Takes the next entry of the log. What was decided without it is decided again.
    fn follow(&mut self, now: Now, id: UserId, bytes: &[u8], unclear: Option<Round>) {
        let flaws = self.boot.flaws;
        let space = self.space(id);
        space.phase = Phase::Ready(0);
        let next = space.state.seq + 1;
        // An object that is no entry of that number was never written by this build: the volume is
        // damaged, and an operator may repair it.
        let Some(entry) = Entry::decode(bytes).filter(|entry| entry.seq == next) else {
            tracing::warn!(seq = next, "the object of an entry holds no entry of that number");
            return self.rest(now, id);
        };
        if let Some(round) = unclear {
            let own = round.entry.as_ref().expect("only a round with an entry can be unclear");
            assert_eq!(own.seq, next, "a round is decided on all entries before its own");
            if own.id == entry.id {
                tracing::debug!(seq = next, "the commit of unknown outcome had happened");
                self.reach(Point::CommitWasOwn);
                return self.conclude(now, id, round);
            }
            tracing::debug!(seq = next, "another worker's entry took the number; deciding again");
            if flaws.has(Flaw::I42TailRace) {
                self.give_answers(id, round);
            }
        }
        tracing::debug!(seq = next, ops = entry.ops.len(), "takes an entry of the log");
        let space = self.space(id);
        #[cfg(feature = "flaws")]
        let entry = space.without_cached(entry, flaws);
        space.state.apply(entry);
        self.proceed(now, id);
    }

    /// A round holds: no other entry came before it. Its answers are given after its entry is applied,
    /// so that whatever a requester hears of is part of the state.
    fn conclude(&mut self, now: Now, id: UserId, mut round: Round) {
        let space = self.space(id);
        space.phase = Phase::Ready(0);
        if let Some(entry) = round.entry.take() {
            tracing::debug!(seq = entry.seq, tasks = round.covers, "committed");
            space.state.apply(entry);
            self.save_snapshot(id);
        }
        self.give_answers(id, round);
        self.proceed(now, id);
    }

    fn give_answers(&mut self, id: UserId, round: Round) {
        let space = self.space(id);
        assert!(round.covers <= space.queue.len(), "tasks stay until they are answered");
        space.queue.drain(..round.covers);
        if round.covers > 1 {
            self.reach(Point::CommitShared);
        }
        round.points.into_iter().for_each(|point| self.reach(point));
        for (ticket, response) in round.answers {
            #[cfg(feature = "flaws")]
            self.space(id).flawed.forget(ticket);
            self.outputs.push_back(Output::Answer(ticket, response));
        }
    }

    /// The volume failed: it is asked again after a while.
    fn rest(&mut self, now: Now, id: UserId) {
        let space = self.space(id);
        assert!(space.call.is_none(), "a space that waits for an answer does not rest");
        let failures = space.failures;
        space.failures = failures.saturating_add(1);
        let until = now.mono + self.backoff(failures);
        tracing::debug!(failures, %until, "the volume failed; asking again later");
        self.space(id).rests_until = Some(until);
    }

    /// How long to wait after that number of failures in a row.
    pub(super) fn backoff(&mut self, failures: u32) -> Span {
        let timing = self.boot.timing;
        self.entropy.backoff(timing.retry_base, timing.retry_cap, failures)
    }
}
