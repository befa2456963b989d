//! Conversations in a case: what is brought in, kept, worked on and shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::dedup::DedupKey;
use engine::id::{OpId, ReplicaId, UserId};
use engine::job::{BlobHash, BlobName, Claim, Content, Item, Job, Place, Stored, Summary, Why};
use engine::log::{Doc, EntryId, Key, Op, Position};
use engine::message::{Client, DeviceKey, Fence, Refusal, Reply, WorkReply};
use engine::processor::StepId;
use engine::remote::CallId;
use harness::time::{Span, Time};

use super::{Case, WORKER};
use crate::history::{Answered, Asked, Boot, Fact, Filed, MessageId, Said, Talk, Wants, Worked};
use crate::plan::talk::{message_token, result_token, spelled};
use crate::plan::{
    Began, Day, Excerpt, MessageKind, Node, PipelinePlan, ProcessorCommand, ProcessorId,
    ProcessorPlan, TalkId, TalkPart,
};
use crate::time::ToEngine;

const ANNA: UserId = UserId(0);
pub(crate) const READER: ProcessorId = ProcessorId(0);
pub(crate) const SCHOLAR: ProcessorId = ProcessorId(1);
pub(crate) const SOUP: TalkId = TalkId(1);
pub(crate) const DAY: Day = Day { year: 2024, month: 4, day: 3 };

/// What the log has of conversations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talks {
    pub(super) items: BTreeMap<TalkId, (Item, Talk)>,
    /// What sums are kept, where that is not what they should be.
    pub(crate) off: u32,
    numbers: BTreeMap<Client, u32>,
    /// Under which day each was kept last.
    days: BTreeMap<TalkId, Key>,
    steps: u64,
    last: BTreeMap<TalkId, (Item, Talk)>,
}

/// These messages of a conversation, of the usual day.
pub(crate) fn part(talk: TalkId, first: u32, last: u32) -> Excerpt {
    Excerpt { talk, spelling: 0, began: Began::on(DAY), first, last, edit: 0 }
}

pub(crate) fn key(talk: TalkId) -> DedupKey {
    let n = u8::try_from(talk.0).expect("a case is small");
    postcard::from_bytes(&[n; 16]).expect("sixteen bytes")
}

fn talk(talk: TalkId, day: Day, messages: &[u32]) -> Talk {
    let (service, id) = spelled(talk, 0);
    let message = |n: &u32| (*n, 0, message_token([b'#'; 8], ANNA, (talk, *n, 0)));
    Talk { service: service.into(), id, day, messages: messages.iter().map(message).collect() }
}

fn content(version: u32, since: u64, held: &Talk) -> Content {
    let Day { year, month, day } = held.day;
    let day = (i16::try_from(year).unwrap(), month as i8, day as i8);
    let day = postcard::to_allocvec(&day).expect("it is small");
    let bytes = postcard::to_allocvec(&(version, held)).expect("it is small");
    Content {
        version,
        since,
        day: postcard::from_bytes(&day).expect("a day"),
        messages: u32::try_from(held.messages.len()).expect("a case is small"),
        blob: BlobHash::of(&bytes),
    }
}

impl Talks {
    /// From now on the summaries count this many conversations too many.
    pub(crate) fn miscounts(&mut self, by: u32) {
        self.off = by;
    }

    /// Keeps in mind how a conversation is now.
    pub(crate) fn remembers(&mut self, of: TalkId) {
        self.last.insert(of, self.items[&of].clone());
    }
}

/// One who brings conversations in and works on them: a processor, or the user of a device.
#[derive(Debug)]
pub(crate) struct Actor<'a> {
    pub(super) case: &'a mut Case,
    pub(super) who: Node,
}

impl Actor<'_> {
    /// A command is given.
    pub(crate) fn commands(&mut self, command: ProcessorCommand) -> OpId {
        let op = OpId(self.case.fresh());
        self.case.fact(self.who, Fact::Asked(op, Asked::Work { command, last: false }.into()));
        op
    }

    /// A command is answered.
    pub(crate) fn obeys(&mut self, op: OpId, worked: Worked) {
        self.case.fact(self.who, Fact::Answered(op, Answered::Worked(worked).into()));
    }

    /// Brings a part of a conversation in; it is joined, kept and acknowledged.
    pub(crate) fn brings(&mut self, excerpt: Excerpt) {
        let op = self.commands(ProcessorCommand::Ingest(excerpt.clone()));
        let held = self.case.talks.items.get(&excerpt.talk).map(|(_, held)| held.messages.clone());
        let held = held.unwrap_or_default().into_iter().map(|message| message.0);
        let mut messages: Vec<u32> = held.chain(excerpt.first..=excerpt.last).collect();
        messages.sort_unstable();
        messages.dedup();
        let version = self.saves_as(excerpt.talk, excerpt.began.day.unwrap_or(DAY), &messages);
        self.obeys(op, Worked::Saved(key(excerpt.talk), version));
    }

    /// The next version of a conversation is kept with these messages, whatever was there.
    pub(crate) fn saves_as(&mut self, of: TalkId, day: Day, messages: &[u32]) -> u32 {
        let held = talk(of, day, messages);
        let was = self.case.talks.items.get(&of).map(|(item, _)| *item);
        let version = was.map_or(1, |was| was.content.version + 1);
        let content = content(version, u64::from(self.case.fresh()), &held);
        let name = BlobName { key: key(of), version, hash: content.blob };
        self.stores(name, Filed::Thread(held.clone()));
        let item = Item { content, job: Job::Pending { tries: 0 } };
        self.case.talks.items.insert(of, (item, held));
        self.puts(&[of], Reply::Work(WorkReply::Saved(version)));
        version
    }

    /// The log puts items as they are now, and the sums of their days.
    fn puts(&mut self, talks: &[TalkId], reply: Reply) {
        let client = client(self.who);
        let n = self.case.talks.numbers.entry(client).or_insert(1_000);
        *n += 1;
        let receipt = Some((client, *n));
        let mut puts = Vec::new();
        for of in talks {
            let item = self.case.talks.items[of].0;
            puts.push((Key::Work(Place::Item(key(*of))), Some(Doc::Work(Stored::Item(item)))));
            let all = self.case.talks.items.values().map(|(item, _)| *item);
            let mut sum = Summary { items: self.case.talks.off, ..Summary::default() };
            for other in all.filter(|other| other.content.day == item.content.day) {
                sum.items += 1;
                sum.messages += other.content.messages;
                match other.job {
                    Job::Pending { .. } => sum.pending += 1,
                    Job::Processing { .. } => sum.processing += 1,
                    Job::Success { .. } => sum.success += 1,
                    Job::Failed { .. } => sum.failed += 1,
                }
            }
            let day = Key::Work(Place::Day(item.content.day));
            puts.push((day, Some(Doc::Work(Stored::Day(sum)))));
            // A day that nothing is of any more has no sum.
            if let Some(old) = self.case.talks.days.insert(*of, day).filter(|old| *old != day) {
                puts.push((old, None));
            }
        }
        let session = (DeviceKey(client.replica.0), client);
        self.case.log(ANNA).does(session, Op { receipt, puts, reply });
    }

    /// A processor is granted a conversation, even if another one is at it.
    pub(crate) fn claims(&mut self, of: TalkId) -> Claim {
        let fence = Fence(Position { seq: self.case.fresh().into(), entry: EntryId(0) });
        let until = Time(self.case.now + 20_000).to_engine();
        let item = &mut self.case.talks.items.get_mut(&of).expect("it was brought").0;
        let tries = item.job.tries() + 1;
        item.job = Job::Processing { tries, fence, until };
        let claim = Claim { key: key(of), version: item.content.version, fence, tries, until };
        self.puts(&[of], Reply::Work(WorkReply::Claimed(Some(claim))));
        claim
    }

    /// A processor has the step done, which ends with a result or without one.
    pub(crate) fn has_done(&mut self, of: TalkId, works: bool) {
        let held = Arc::new(self.case.talks.items[&of].1.clone());
        self.case.talks.steps += 1;
        let step = StepId(self.case.talks.steps);
        let token = works.then(|| what_comes_of(&held));
        self.case.fact(self.who, Fact::StepBegan(step, held));
        self.case.fact(self.who, Fact::StepEnded(step, token));
    }

    /// What came of the step is kept, under whichever claim.
    pub(crate) fn finishes(&mut self, of: TalkId, works: bool) {
        let (item, held) = self.case.talks.items[&of].clone();
        let tries = item.job.tries();
        let job = if works {
            let token = what_comes_of(&held);
            let result = BlobHash::of(&token.0);
            let version = item.content.version;
            self.stores(BlobName { key: key(of), version, hash: result }, Filed::Result(token));
            Job::Success { tries, result }
        } else {
            Job::Failed { tries, why: Why::StepFailed }
        };
        self.becomes(of, job);
    }

    /// The log says that a processor has ended its work so.
    pub(crate) fn becomes(&mut self, of: TalkId, job: Job) {
        self.case.talks.items.get_mut(&of).expect("it was brought").0.job = job;
        self.puts(&[of], Reply::Work(WorkReply::Finished));
    }

    /// A processor takes a conversation up, has it worked on and ends that.
    pub(crate) fn works_on(&mut self, of: TalkId, works: bool) {
        self.claims(of);
        self.has_done(of, works);
        self.finishes(of, works);
    }

    /// A processor asks the server for work, under the number with which each of its lives begins.
    pub(crate) fn asks_for_work(&mut self) -> MessageId {
        let message_id = MessageId {
            call: CallId(1),
            attempt: 0,
            message_kind: MessageKind::Work,
            answer: false,
        };
        let client = client(self.who);
        let (device, by) = (DeviceKey(client.replica.0), Some(ANNA));
        let heard = self.case.log(ANNA).position();
        let wants = Wants::Act(Fence(Position { seq: 1, entry: EntryId(1) }), 1);
        let said = Said::Asks { device, client, by, space: ANNA, about: ANNA, heard, wants };
        self.case.sends_message(self.who, WORKER, message_id, said);
        message_id
    }

    /// What a processor asked arrives.
    pub(crate) fn arrives(&mut self, message_id: MessageId) {
        let (from, rows_refused) = (self.who, [].into());
        self.case.fact(WORKER, Fact::Delivered { from, message_id, refused: None, rows_refused });
    }

    /// A worker tells a processor to come back.
    pub(crate) fn is_refused_as_busy(&mut self, message_id: MessageId) {
        self.is_answered(message_id, Some(Refusal::Busy(Span(1_000).to_engine())));
    }

    /// A worker answers what a processor asked.
    pub(crate) fn is_answered(&mut self, message_id: MessageId, refused: Option<Refusal>) {
        let message_id = MessageId { answer: true, ..message_id };
        self.case.sends_message(WORKER, self.who, message_id, Said::Answers { seq: 0, refused });
    }

    /// A processor shows a conversation; as it was, if that is kept in mind.
    pub(crate) fn shows_talk(&mut self, of: TalkId, part: TalkPart) {
        let op = self.commands(ProcessorCommand::Read(of, part));
        let (item, held) = self.case.talks.items[&of].clone();
        let held = self.case.talks.last.get(&of).map_or(held, |(_, old)| old.clone());
        self.obeys(op, Worked::Thread(item, Arc::new(held)));
    }

    /// A processor shows the usual day.
    pub(crate) fn shows_day(&mut self) {
        let op = self.commands(ProcessorCommand::ReadDay(Began::on(DAY)));
        let items: Vec<_> =
            self.case.talks.items.iter().map(|(of, (item, _))| (key(*of), *item)).collect();
        let sum = Summary::of(items.iter().map(|(_, item)| *item));
        self.obeys(op, Worked::Day(sum, items));
    }

    /// A processor loses power.
    pub(crate) fn is_stopped(&mut self) {
        self.case.fact(self.who, Fact::Killed { keeps: 0, between: false });
    }

    /// It starts again.
    pub(crate) fn starts(&mut self) {
        let boot = Boot::Restart;
        self.case.fact(self.who, Fact::Started { boot, hash: 0, commit: 0, holds: Vec::new() });
    }

    fn stores(&mut self, name: BlobName, holds: Filed) {
        self.case.fact(WORKER, Fact::Filed { space: ANNA, name, holds: Some(Arc::new(holds)) });
    }
}

impl Case {
    /// A case with a sync server and two processors of the first user.
    pub(crate) fn worked() -> Self {
        let mut case = Self::served();
        let name = |name: &str| ProcessorPlan {
            name: name.into(),
            user: ANNA,
            clock_offset_ms: 0,
            clock_drift_ppm: 0,
        };
        let processors = vec![name("reader"), name("scholar")];
        let server = case.context.server.as_mut().expect("it has one");
        server.pipeline = PipelinePlan { processors, ..PipelinePlan::none() };
        case
    }
}

fn what_comes_of(held: &Talk) -> engine::id::Token {
    result_token([b'#'; 8], ANNA, held.messages.iter().map(|message| message.2))
}

fn client(who: Node) -> Client {
    let replica = match who {
        Node::Processor(processor) => 200 + u64::from(processor.0),
        Node::Device(device) => 300 + u64::from(device.0),
        Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => 400,
    };
    Client { replica: ReplicaId(replica), life: 1 }
}

/// Why a date is refused.
pub(crate) fn refused_date() -> engine::processor::Reason {
    // The first variant says that it cannot be read.
    let error = postcard::from_bytes(&[0]).expect("an error");
    engine::processor::Reason::Date(error)
}
