//! Conversations in a case: what is brought, kept, worked on and shown, told right unless a lie is
//! asked for.

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

use super::Case;
use crate::history::{Answered, Asked, Fact, Filed, Letter, Said, Talk, Wants, Worked};
use crate::plan::talk::{message_token, result_token, spelled};
use crate::plan::{
    Began, Day, Excerpt, Node, Order, Parcel, PipelinePlan, ProcessorId, ProcessorPlan, TalkId,
    TalkPart, WorkerId,
};
use crate::time::ToEngine;

const WORKER: Node = Node::Worker(WorkerId(0));
const ANNA: UserId = UserId(0);
pub(crate) const READER: ProcessorId = ProcessorId(0);
pub(crate) const SCHOLAR: ProcessorId = ProcessorId(1);
pub(crate) const SOUP: TalkId = TalkId(1);
pub(crate) const DAY: Day = Day { year: 2024, month: 4, day: 3 };

/// What the log has of conversations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talks {
    items: BTreeMap<TalkId, (Item, Talk)>,
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

fn key(talk: TalkId) -> DedupKey {
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

    pub(crate) fn orders(&mut self, who: impl Into<Node>, order: Order) -> OpId {
        let op = OpId(self.fresh());
        self.fact(who, Fact::Asked(op, Asked::Work { order, last: false }.into()));
        op
    }

    pub(crate) fn obeys(&mut self, who: impl Into<Node>, op: OpId, worked: Worked) {
        self.fact(who, Fact::Answered(op, Answered::Worked(worked).into()));
    }

    /// Somebody brings a part of a conversation; it is joined, kept and acknowledged.
    pub(crate) fn brings(&mut self, who: impl Into<Node>, excerpt: Excerpt) {
        let who = who.into();
        let op = self.orders(who, Order::Ingest(excerpt.clone()));
        let held = self.talks.items.get(&excerpt.talk).map(|(_, held)| held.messages.clone());
        let held = held.unwrap_or_default().into_iter().map(|message| message.0);
        let mut messages: Vec<u32> = held.chain(excerpt.first..=excerpt.last).collect();
        messages.sort_unstable();
        messages.dedup();
        let version = self.saves_as(who, excerpt.talk, excerpt.began.day.unwrap_or(DAY), &messages);
        self.obeys(who, op, Worked::Saved(key(excerpt.talk), version));
    }

    /// The next version of a conversation is kept with these messages, whatever was there.
    pub(crate) fn saves_as(
        &mut self,
        who: impl Into<Node>,
        of: TalkId,
        day: Day,
        messages: &[u32],
    ) -> u32 {
        let held = talk(of, day, messages);
        let was = self.talks.items.get(&of).map(|(item, _)| *item);
        let version = was.map_or(1, |was| was.content.version + 1);
        let content = content(version, u64::from(self.fresh()), &held);
        let name = BlobName { key: key(of), version, hash: content.blob };
        self.stores(name, Filed::Thread(held.clone()));
        let item = Item { content, job: Job::Pending { tries: 0 } };
        self.talks.items.insert(of, (item, held));
        self.puts(who, &[of], Reply::Work(WorkReply::Saved(version)));
        version
    }

    fn stores(&mut self, name: BlobName, holds: Filed) {
        self.fact(WORKER, Fact::Filed { space: ANNA, name, holds: Some(Arc::new(holds)) });
    }

    /// The log puts items as they are now, and the sums of their days.
    fn puts(&mut self, who: impl Into<Node>, talks: &[TalkId], reply: Reply) {
        let client = client(who.into());
        let n = self.talks.numbers.entry(client).or_insert(1_000);
        *n += 1;
        let receipt = Some((client, *n));
        let mut puts = Vec::new();
        for of in talks {
            let item = self.talks.items[of].0;
            puts.push((Key::Work(Place::Item(key(*of))), Some(Doc::Work(Stored::Item(item)))));
            let all = self.talks.items.values().map(|(item, _)| *item);
            let mut sum = Summary { items: self.talks.off, ..Summary::default() };
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
            if let Some(old) = self.talks.days.insert(*of, day).filter(|old| *old != day) {
                puts.push((old, None));
            }
        }
        let session = (ANNA, DeviceKey(client.replica.0), client);
        self.acts(session, Op { receipt, puts, reply });
    }

    /// From now on the sums that are kept count so many conversations too many.
    pub(crate) fn miscounts(&mut self, by: u32) {
        self.talks.off = by;
    }

    /// A processor is granted a conversation, even if another one is at it.
    pub(crate) fn claims(&mut self, who: ProcessorId, of: TalkId) -> Claim {
        let fence = Fence(Position { seq: self.fresh().into(), entry: EntryId(0) });
        let until = Time(self.now + 20_000).to_engine();
        let item = &mut self.talks.items.get_mut(&of).expect("it was brought").0;
        let tries = item.job.tries() + 1;
        item.job = Job::Processing { tries, fence, until };
        let claim = Claim { key: key(of), version: item.content.version, fence, tries, until };
        self.puts(Node::Processor(who), &[of], Reply::Work(WorkReply::Claimed(Some(claim))));
        claim
    }

    /// A processor has the step done, which ends with a result or without one.
    pub(crate) fn has_done(&mut self, who: ProcessorId, of: TalkId, works: bool) {
        let held = Arc::new(self.talks.items[&of].1.clone());
        self.talks.steps += 1;
        let step = StepId(self.talks.steps);
        let token = works.then(|| what_comes_of(&held));
        self.fact(Node::Processor(who), Fact::StepBegan(step, held));
        self.fact(Node::Processor(who), Fact::StepEnded(step, token));
    }

    /// What came of the step is kept, under whichever claim.
    pub(crate) fn finishes(&mut self, who: ProcessorId, of: TalkId, works: bool) {
        let (item, held) = self.talks.items[&of].clone();
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
        self.becomes(who, of, job);
    }

    /// The log says that a processor has ended its work so.
    pub(crate) fn becomes(&mut self, who: ProcessorId, of: TalkId, job: Job) {
        self.talks.items.get_mut(&of).expect("it was brought").0.job = job;
        self.puts(Node::Processor(who), &[of], Reply::Work(WorkReply::Finished));
    }

    /// A processor takes a conversation up, has it worked on and ends that.
    pub(crate) fn works_on(&mut self, who: ProcessorId, of: TalkId, works: bool) {
        self.claims(who, of);
        self.has_done(who, of, works);
        self.finishes(who, of, works);
    }

    /// Keeps in mind how a conversation is now.
    pub(crate) fn remembers(&mut self, of: TalkId) {
        self.talks.last.insert(of, self.talks.items[&of].clone());
    }

    /// A processor asks the server for work, under the number with which each of its lives begins.
    pub(crate) fn asks_for_work(&mut self, who: ProcessorId) -> Letter {
        let letter = Letter { call: CallId(1), attempt: 0, parcel: Parcel::Work, answer: false };
        let client = client(who.into());
        let (device, by) = (DeviceKey(client.replica.0), Some(ANNA));
        let heard = self.position(ANNA);
        let wants = Wants::Act(Fence(Position { seq: 1, entry: EntryId(1) }), 1);
        let said = Said::Asks { device, client, by, space: ANNA, about: ANNA, heard, wants };
        self.sends_letter(who.into(), WORKER, letter, said);
        letter
    }

    /// What a processor asked arrives.
    pub(crate) fn arrives(&mut self, who: ProcessorId, letter: Letter) {
        let (from, rows_refused) = (who.into(), [].into());
        self.fact(WORKER, Fact::Delivered { from, letter, refused: None, rows_refused });
    }

    /// A worker tells a processor to come back.
    pub(crate) fn is_told_that_all_is_taken(&mut self, who: ProcessorId, letter: Letter) {
        self.is_told_of_work(who, letter, Some(Refusal::Busy(Span(1_000).to_engine())));
    }

    /// A worker answers what a processor asked.
    pub(crate) fn is_told_of_work(
        &mut self,
        who: ProcessorId,
        letter: Letter,
        refused: Option<Refusal>,
    ) {
        let letter = Letter { answer: true, ..letter };
        self.sends_letter(WORKER, who.into(), letter, Said::Answers { seq: 0, refused });
    }

    /// A processor shows a conversation; as it was, if that is kept in mind.
    pub(crate) fn shows_talk(&mut self, who: ProcessorId, of: TalkId, part: TalkPart) {
        let op = self.orders(Node::Processor(who), Order::Read(of, part));
        let (item, held) = self.talks.items[&of].clone();
        let held = self.talks.last.get(&of).map_or(held, |(_, old)| old.clone());
        self.obeys(Node::Processor(who), op, Worked::Thread(item, Arc::new(held)));
    }

    /// A processor shows the usual day.
    pub(crate) fn shows_day(&mut self, who: ProcessorId) {
        let op = self.orders(Node::Processor(who), Order::ReadDay(Began::on(DAY)));
        let items: Vec<_> =
            self.talks.items.iter().map(|(of, (item, _))| (key(*of), *item)).collect();
        let sum = Summary::of(items.iter().map(|(_, item)| *item));
        self.obeys(Node::Processor(who), op, Worked::Day(sum, items));
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

impl From<ProcessorId> for Node {
    fn from(processor: ProcessorId) -> Self {
        Self::Processor(processor)
    }
}

impl Case {
    /// A processor loses power.
    pub(crate) fn is_stopped(&mut self, who: ProcessorId) {
        self.fact(who, Fact::Killed { keeps: 0, between: false });
    }

    /// Why a date is refused.
    pub(crate) fn refuses_the_date(&self) -> engine::processor::Reason {
        // The first variant says that it cannot be read.
        let error = postcard::from_bytes(&[0]).expect("an error");
        engine::processor::Reason::Date(error)
    }
}
