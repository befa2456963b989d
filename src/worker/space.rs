//! One space as a worker sees it: a prefix of its log, the requests that wait, and what the volume
//! was asked last.
//!
//! All that waits is decided together on what is known, in one *round*, once that is no less than any
//! of them has heard of. If that changes anything it becomes the next entry; if not, the next entry is
//! looked for, unless that was done since the last of them asked. Either way the answers hold only if
//! nobody was faster, and it is all decided anew if somebody was. An unclear creation is looked up by
//! its number: the entry's name tells whose it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::file::Chore;
use super::prepare::{Known, Preparation, Task};
use super::{Output, Rules, Ticket, Worker, is_untidy};
use crate::flaw::{Flaw, Flaws};
use crate::id::UserId;
use crate::log::{self, Draft, Entry, EntryId, Key, Position, State};
use crate::message::Response;
use crate::point::Point;
use crate::time::{Now, Span, Time};
use crate::volume::{self, CallId, Reply};

/// What a worker knows of a space.
#[derive(Clone, Debug)]
pub(super) struct Space {
    state: State,
    queue: VecDeque<(Task, Known)>,
    /// Tasks that need to know more of the volume.
    pub(super) preparing: Vec<Preparation>,
    phase: Phase,
    /// The log is read up to this entry, or to its end, before anything is decided.
    upto: u64,
    /// How many waited when another entry was last looked for.
    looked_for: usize,
    /// What the volume was asked, and when that is given up.
    call: Option<(CallId, Time)>,
    /// After a failure: when to go on.
    rests_until: Option<Time>,
    failures: u32,
    /// The commits after which snapshots are known, the newest last.
    snapshots: VecDeque<u64>,
    /// A decision that is not taken anew after a lost race (flaws).
    stale: Option<Round>,
    /// What was known when a request arrived (flaws).
    seen: BTreeMap<Ticket, State>,
}

/// So many snapshots are kept: a list may be late, and name one that was removed.
const SNAPSHOTS: usize = 3;

/// A snapshot is written when this part of the state may be new.
const SNAPSHOT_SHARE: u64 = 2;

/// What is to be found out next.
#[derive(Clone, Debug)]
enum Phase {
    /// Which snapshots are there?
    Cold,
    /// What do these hold, the newest last?
    Loading(Vec<volume::Key>),
    /// Is there another entry?
    Following,
    /// Is there another entry, and is it this one, of which that is unclear?
    Unclear(Round),
    /// Nothing, until somebody asks. So many who wait asked before it was seen that there is no
    /// other entry.
    Ready(usize),
    /// Is there still no other entry?
    Proving(Round),
    /// Is the next number free?
    Committing(Round),
}

/// A decision about all that waited.
#[derive(Clone, Debug)]
struct Round {
    /// How many tasks.
    covers: usize,
    answers: Vec<(Ticket, Response)>,
    points: Vec<Point>,
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
            stale: None,
            seen: BTreeMap::new(),
        }
    }

    /// How many requests wait. The worker's own chores keep nobody out.
    pub(super) fn waiting(&self) -> usize {
        let tasks = self.queue.iter().map(|(task, _)| task);
        let tasks = tasks.chain(self.preparing.iter().map(|it| &it.task));
        tasks.filter(|task| matches!(task, Task::Asked(..))).count()
    }

    /// Somebody has heard of this entry, or of one that was lost: no decision without it can hold.
    pub(super) fn hear_of(&mut self, seq: u64) {
        self.upto = self.upto.max(seq);
    }

    pub(super) fn enqueue(&mut self, task: Task, known: Known, flaws: Flaws) {
        if let Task::Asked(ticket, _) = &task
            && (flaws.has(Flaw::CvStateTorn) || flaws.has(Flaw::I42Rmw))
        {
            self.seen.entry(*ticket).or_insert_with(|| self.state.clone());
        }
        self.queue.push_back((task, known));
    }

    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        let gives_up = self.call.map(|(_, at)| (at, "volume timeout"));
        let own = gives_up.or(self.rests_until.map(|at| (at, "volume retry")));
        self.preparing.iter().filter_map(Preparation::wakeup).chain(own).min()
    }

    /// Takes up what has to be done and nobody does here.
    fn take_up_chores(&mut self, rules: Rules) {
        let under_way = |chore: &Chore| {
            let is = |task: &Task| matches!(task, Task::Own(own) if own == chore);
            self.preparing.iter().any(|it| is(&it.task)) || self.queue.iter().any(|it| is(&it.0))
        };
        let chores: Vec<Chore> =
            super::file::chores(&self.state, rules).filter(|chore| !under_way(chore)).collect();
        chores
            .into_iter()
            .for_each(|chore| self.queue.push_back((Task::Own(chore), Known::default())));
    }

    /// Somebody else took the number: their entry comes first, and all is decided anew.
    fn lose_race(&mut self, round: Round, flaws: Flaws) {
        self.phase = Phase::Following;
        self.hear_of(self.state.seq + 1);
        let opens = |(task, _): &(Task, Known)| task.opens();
        let works = |(task, _): &(Task, Known)| task.is_work();
        if flaws.has(Flaw::I42RetryStale)
            || flaws.has(Flaw::BpNolock) && self.queue.iter().take(round.covers).any(works)
            || flaws.has(Flaw::CvSessionDouble) && self.queue.iter().take(round.covers).all(opens)
        {
            self.stale = Some(round);
        }
    }

    /// Decides all that waits, on what is known.
    fn decide(&mut self, rules: Rules, name: EntryId) -> Round {
        if let Some(mut round) = self.stale.take() {
            let seq = self.state.seq + 1;
            let at = Position { seq, entry: name };
            round.answers.iter_mut().for_each(|(_, response)| response.at = at);
            round.entry.iter_mut().for_each(|entry| (entry.seq, entry.id) = (seq, name));
            return round;
        }
        let mut draft = Draft::new(&self.state, name);
        let mut answers = Vec::new();
        let mut covers = 0;
        while let Some((task, known)) = self.queue.get_mut(covers) {
            match task.decide(&mut draft, known, rules, &self.seen) {
                Ok(answer) => {
                    answers.extend(answer);
                    covers += 1;
                }
                Err(needs) => {
                    let task = self.queue.remove(covers);
                    let prepared = task.map(|(task, known)| Preparation::new(task, known, needs));
                    self.preparing.extend(prepared);
                }
            }
        }
        super::file::tidy(&mut draft, rules);
        let seq = draft.seq();
        let (ops, points) = draft.end();
        let entry = (!ops.is_empty()).then_some(Entry { seq, id: name, ops });
        Round { covers, answers, points, entry }
    }
}

impl Worker {
    /// Asks the volume for what a space needs next, if it is asked for anything.
    pub(super) fn proceed(&mut self, now: Now, id: UserId) {
        let rules = self.rules(now, id);
        let Some(space) = self.spaces.get_mut(&id) else { return };
        if space.call.is_some() || space.rests_until.is_some() {
            return;
        }
        if let Phase::Ready(heard) = space.phase {
            let is_proven = space.queue.len() <= heard;
            space.take_up_chores(rules);
            if space.queue.is_empty() && !is_untidy(&space.state, now.wall) {
                return;
            }
            if space.state.seq < space.upto {
                space.phase = Phase::Following;
                return self.ask_for_phase(now, id);
            }
            let round = space.decide(rules, EntryId(self.entropy.next_u64()));
            let idle = round.covers == 0 && round.entry.is_none();
            space.phase = match round.entry {
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
        let Some(space) = self.spaces.get_mut(&id) else { return };
        if space.call.is_some() || space.rests_until.is_some() {
            return;
        }
        let request = match &mut space.phase {
            Phase::Ready(_) => return,
            Phase::Cold => volume::Request::List(log::snapshots_of(id)),
            Phase::Loading(keys) => match keys.last() {
                Some(key) => volume::Request::Get(key.clone()),
                None => {
                    space.phase = Phase::Following;
                    return self.proceed(now, id);
                }
            },
            Phase::Following | Phase::Unclear(_) | Phase::Proving(_) => {
                space.looked_for = space.queue.len();
                volume::Request::Get(log::entry_key(id, space.state.seq + 1))
            }
            Phase::Committing(Round { entry, .. }) => {
                let entry = entry.as_ref().expect("only what changes something is committed");
                volume::Request::Create(log::entry_key(id, entry.seq), log::encode(entry))
            }
        };
        let call = self.ask(id, request);
        if let Some(space) = self.spaces.get_mut(&id) {
            space.call = Some((call, now.mono + self.boot.timing.timeout));
        }
    }

    pub(super) fn ask(&mut self, space: UserId, request: volume::Request) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.calls.insert(id, space);
        self.outputs.push_back(Output::Ask(volume::Call { id, request }));
        id
    }

    /// Gives up what is overdue, and goes on where a wait is over.
    pub(super) fn wake_up(&mut self, now: Now) {
        let ids: Vec<UserId> = self.spaces.keys().copied().collect();
        for id in ids {
            let Some(space) = self.spaces.get_mut(&id) else { continue };
            if let Some((call, at)) = space.call
                && at <= now.mono
            {
                self.calls.remove(&call);
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
        let current = self.spaces.get(&id).and_then(|space| space.call);
        // The answer about a snapshot that was written is of no interest.
        if current.is_some_and(|(call, _)| call == answer.id) {
            self.take_reply(now, id, answer.reply);
        } else {
            self.take_knowledge(now, id, answer.id, answer.reply);
        }
    }

    fn take_reply(&mut self, now: Now, id: UserId, reply: Reply) {
        let Some(space) = self.spaces.get_mut(&id) else { return };
        space.call = None;
        if reply != Reply::Failed {
            space.failures = 0;
        }
        let phase = std::mem::replace(&mut space.phase, Phase::Ready(0));
        space.phase = match (phase, reply) {
            (Phase::Cold, Reply::Listed(keys)) => Phase::Loading(keys),
            (Phase::Loading(mut keys), Reply::Found(bytes)) => match State::decode(&bytes) {
                Some(state) => {
                    space.snapshots = VecDeque::from([state.seq]);
                    space.state = state;
                    Phase::Following
                }
                None => {
                    keys.pop();
                    Phase::Loading(keys)
                }
            },
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
                return self.follow(now, id, &bytes, None);
            }
            (Phase::Following | Phase::Unclear(_), Reply::NotFound) => {
                // Who came after the question may have heard of an entry that was made since.
                let since = space.queue.iter().skip(space.looked_for);
                space.upto = since.map(|(task, _)| task.heard()).max().unwrap_or(0);
                Phase::Ready(space.looked_for)
            }
            (Phase::Proving(round), Reply::NotFound) => return self.conclude(now, id, round),
            (Phase::Committing(round), Reply::Done) => return self.conclude(now, id, round),
            (Phase::Committing(round), Reply::Exists) => {
                space.lose_race(round, self.boot.flaws);
                self.reach(Point::CommitRaced);
                return self.proceed(now, id);
            }
            (Phase::Committing(round), Reply::Failed) => {
                space.phase = Phase::Unclear(round);
                self.reach(Point::CommitUnclear);
                return self.rest(now, id);
            }
            // A failure, or an answer to another question: the volume is asked again in a while.
            (
                phase,
                Reply::Failed
                | Reply::Done
                | Reply::Exists
                | Reply::Found(_)
                | Reply::NotFound
                | Reply::Listed(_),
            ) => {
                space.phase = phase;
                return self.rest(now, id);
            }
        };
        self.proceed(now, id);
    }

    /// Takes the next entry of the log. What was decided without it is decided anew.
    fn follow(&mut self, now: Now, id: UserId, bytes: &[u8], unclear: Option<Round>) {
        let flaws = self.boot.flaws;
        let Some(space) = self.spaces.get_mut(&id) else { return };
        space.phase = Phase::Ready(0);
        let next = space.state.seq + 1;
        // An object that is no entry of that number was never written by this build.
        let Some(entry) = Entry::decode(bytes).filter(|entry| entry.seq == next) else {
            return self.rest(now, id);
        };
        if let Some(round) = unclear {
            let own = round.entry.as_ref().is_some_and(|own| own.id == entry.id);
            if own {
                self.reach(Point::CommitWasOwn);
                return self.conclude(now, id, round);
            }
            if flaws.has(Flaw::I42TailRace) {
                self.give_answers(id, round);
            }
        }
        if let Some(space) = self.spaces.get_mut(&id) {
            let names = if flaws.has(Flaw::VfCacheStale) {
                super::file::names(&space.state)
            } else {
                BTreeSet::new()
            };
            let cached = |key: &Key| {
                let account = matches!(key, Key::Account(_) | Key::Was(..));
                account && flaws.has(Flaw::I42WorkerCache) || names.contains(key)
            };
            space.state.apply(entry, cached);
        }
        self.proceed(now, id);
    }

    /// A round holds: nobody was faster.
    fn conclude(&mut self, now: Now, id: UserId, mut round: Round) {
        if let Some(space) = self.spaces.get_mut(&id) {
            space.phase = Phase::Ready(0);
            if let Some(entry) = round.entry.take() {
                space.state.apply(entry, |_| false);
                self.save_snapshot(id);
            }
        }
        self.give_answers(id, round);
        self.proceed(now, id);
    }

    fn give_answers(&mut self, id: UserId, round: Round) {
        if let Some(space) = self.spaces.get_mut(&id) {
            space.queue.drain(..round.covers);
        }
        if round.covers > 1 {
            self.reach(Point::CommitShared);
        }
        round.points.into_iter().for_each(|point| self.reach(point));
        for (ticket, response) in round.answers {
            if let Some(space) = self.spaces.get_mut(&id) {
                space.seen.remove(&ticket);
            }
            self.outputs.push_back(Output::Answer(ticket, response));
        }
    }

    /// Writes down what the log amounts to, now and then, so that a worker that knows nothing need
    /// not read all of it. The wait grows with the state, so a commit's share of it does not.
    fn save_snapshot(&mut self, id: UserId) {
        let Some(space) = self.spaces.get_mut(&id) else { return };
        let since = space.state.seq - space.snapshots.back().copied().unwrap_or(0);
        let size = u64::try_from(space.state.len()).unwrap_or(u64::MAX);
        if since < u64::from(self.boot.timing.snapshot_every).max(size / SNAPSHOT_SHARE) {
            return;
        }
        let seq = space.state.seq;
        space.snapshots.push_back(seq);
        let bytes = log::encode(&space.state);
        let old = (space.snapshots.len() > SNAPSHOTS).then(|| space.snapshots.pop_front());
        self.ask(id, volume::Request::Create(log::snapshot_key(id, seq), bytes));
        if let Some(old) = old.flatten() {
            self.ask(id, volume::Request::Delete(log::snapshot_key(id, old)));
        }
        self.reach(Point::SnapshotWritten);
    }

    /// The volume failed: it is asked again after a while.
    fn rest(&mut self, now: Now, id: UserId) {
        let Some(space) = self.spaces.get_mut(&id) else { return };
        let failures = space.failures;
        space.failures = failures.saturating_add(1);
        let until = now.mono + self.backoff(failures);
        if let Some(space) = self.spaces.get_mut(&id) {
            space.rests_until = Some(until);
        }
    }

    /// How long to wait after so many failures in a row.
    pub(super) fn backoff(&mut self, failures: u32) -> Span {
        let timing = self.boot.timing;
        self.entropy.backoff(timing.retry_base, timing.retry_cap, failures)
    }
}
