//! What the judges of conversations share: what the log says of each item and each day, turn by turn;
//! what objects hold; what was asked and answered; and what processors had done.
//!
//! A model of its own: it puts what the log says where the log says, and knows no rules.

use std::collections::BTreeMap;

use engine::dedup::DedupKey;
use engine::id::{OpId, UserId};
use engine::job::{BlobHash, Item, Job, Place, Stored, Summary};
use engine::log::{Doc, Key};
use engine::message::{Client, Reply};

use super::Evidence;
use crate::history::{Answered, Asked, Filed, Incarnation, Talk, Worked};
use crate::invariant::JudgeContext;
use crate::plan::talk::talk_of;
use crate::plan::{Day, Excerpt, Node, ProcessorCommand, TalkId};

/// Everything about conversations.
#[derive(Debug, Default)]
pub(crate) struct ConversationWork<'a> {
    /// What was asked of processors and devices, in order.
    pub(crate) operations: Vec<ConversationOperation<'a>>,
}

/// Something that was asked about conversations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConversationOperation<'a> {
    pub(crate) node: Node,
    pub(crate) user: UserId,
    pub(crate) asked: usize,
    pub(crate) command: &'a ProcessorCommand,
    pub(crate) last: bool,
    pub(crate) answer: Option<(usize, &'a Answered)>,
}

impl<'a> ConversationOperation<'a> {
    /// The outcome, if it was answered with one.
    pub(crate) fn worked(&self) -> Option<(usize, &'a Worked)> {
        match self.answer {
            Some((at, Answered::Worked(worked))) => Some((at, worked)),
            Some(_) | None => None,
        }
    }

    /// The part of a conversation that it brings.
    pub(crate) fn brings(&self) -> Option<&'a Excerpt> {
        match self.command {
            ProcessorCommand::Ingest(excerpt) => Some(excerpt),
            ProcessorCommand::Process(_)
            | ProcessorCommand::Reset(_)
            | ProcessorCommand::Read(..)
            | ProcessorCommand::ReadDay(_) => None,
        }
    }

    /// The version that it was called saved as, and when.
    pub(crate) fn saved(&self) -> Option<(usize, DedupKey, u32)> {
        match self.worked() {
            Some((at, Worked::Saved(key, version))) => Some((at, *key, *version)),
            Some(_) | None => None,
        }
    }
}

/// What a user's space has of conversations.
#[derive(Debug, Default)]
pub(crate) struct Conversations<'a> {
    /// What became of items, in order.
    pub(crate) item_changes: Vec<ItemChange<'a>>,
    /// What became of the sums of days, in order, by the entry that says so.
    pub(crate) sums: Vec<(usize, Day, Option<Summary>)>,
    /// What objects hold, with the fact that says so.
    pub(crate) objects: BTreeMap<BlobHash, (usize, DedupKey, Option<&'a Filed>)>,
    /// How items stand now: while hearing, and at the end.
    pub(crate) items: BTreeMap<DedupKey, Stored>,
}

/// An op of a log changes an item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ItemChange<'a> {
    pub(crate) at: usize,
    /// Which op of the entry.
    op: usize,
    pub(crate) key: DedupKey,
    pub(crate) before: Option<Stored>,
    pub(crate) now: Option<Stored>,
    pub(crate) receipt: Option<(Client, u32)>,
    pub(crate) reply: &'a Reply,
}

/// What a stored item is: one of the old format waits.
pub(crate) fn item_of(stored: &Stored) -> Option<Item> {
    match stored {
        Stored::Item(item) => Some(*item),
        Stored::Old(content) => Some(Item { content: *content, job: Job::Pending { tries: 0 } }),
        Stored::Day(_) => None,
    }
}

/// Is there work left to be done on an item?
pub(crate) fn is_open(stored: &Stored) -> bool {
    item_of(stored).is_some_and(|item| match item.job {
        Job::Pending { .. } | Job::Processing { .. } => true,
        Job::Failed { tries, .. } => tries < MOST_TRIES,
        Job::Success { .. } => false,
    })
}

/// So often an item is tried.
pub(crate) const MOST_TRIES: u8 = 3;

/// The day of an item.
pub(crate) fn day_of(item: &Item) -> Option<Day> {
    Day::of_iso(&item.content.day.to_string())
}

/// The items of a day.
pub(crate) fn of_day(
    items: &BTreeMap<DedupKey, Stored>,
    day: Option<Day>,
) -> BTreeMap<DedupKey, Item> {
    let all = items.iter().filter_map(|(key, stored)| Some((*key, item_of(stored)?)));
    all.filter(|(_, item)| day_of(item) == day).collect()
}

impl<'a> Conversations<'a> {
    /// What a version says, where the log names its object and that can be opened.
    pub(crate) fn thread(&self, item: &Item) -> Option<&'a Talk> {
        match self.objects.get(&item.content.blob)? {
            (_, _, Some(Filed::Thread(talk))) => Some(talk),
            (_, _, Some(Filed::Result(_)) | None) => None,
        }
    }

    /// Every version of a conversation that can be opened, by the fact that stores it, with its key.
    pub(crate) fn threads(&self) -> impl Iterator<Item = (usize, DedupKey, &'a Talk)> {
        let mut objects: Vec<_> = self.objects.values().collect();
        objects.sort_by_key(|(at, ..)| *at);
        objects.into_iter().filter_map(|(at, key, holds)| match holds {
            Some(Filed::Thread(held)) => Some((*at, *key, held)),
            Some(Filed::Result(_)) | None => None,
        })
    }

    /// The items as they stood after a moment.
    pub(crate) fn items_at(&self, moment: usize) -> BTreeMap<DedupKey, Stored> {
        let mut items = BTreeMap::new();
        let changes = self.item_changes.iter().take_while(|change| change.at <= moment);
        changes.for_each(|change| put(&mut items, change));
        items
    }

    /// Was there a moment from one fact to another at which this held of all items?
    pub(crate) fn was_ever(
        &self,
        (from, to): (usize, usize),
        holds: impl Fn(&BTreeMap<DedupKey, Stored>) -> bool,
    ) -> bool {
        let mut items = BTreeMap::new();
        let mut item_changes = self.item_changes.iter().peekable();
        while let Some(item_change) = item_changes.next_if(|item_change| item_change.at <= from) {
            put(&mut items, item_change);
        }
        if holds(&items) {
            return true;
        }
        while let Some(item_change) = item_changes.next_if(|item_change| item_change.at <= to) {
            put(&mut items, item_change);
            // Who asks for nothing but a look stands between two ops of an entry, but inside of none.
            let is_whole = item_changes
                .peek()
                .is_none_or(|next| (next.at, next.op) != (item_change.at, item_change.op));
            if is_whole && holds(&items) {
                return true;
            }
        }
        false
    }
}

fn put(items: &mut BTreeMap<DedupKey, Stored>, item_change: &ItemChange<'_>) {
    match item_change.now {
        Some(stored) => items.insert(item_change.key, stored),
        None => items.remove(&item_change.key),
    };
}

/// A message that a part brings and a conversation lacks, if any.
pub(crate) fn missing(held: &Talk, excerpt: &Excerpt) -> Option<u32> {
    let has = |n: u32| {
        let mut of_n = held.messages.iter().filter(|message| message.0 == n);
        of_n.any(|message| message.1 >= excerpt.edit.into())
    };
    (excerpt.first..=excerpt.last).find(|n| !has(*n))
}

/// Does a version of an item that the log had by then say all that was brought?
pub(crate) fn is_in(
    conversations: &Conversations<'_>,
    key: DedupKey,
    version: u32,
    operation: &ConversationOperation<'_>,
    by: usize,
) -> bool {
    let Some(excerpt) = operation.brings() else { return true };
    let mut versions = conversations
        .item_changes
        .iter()
        .filter(|item_change| item_change.key == key && item_change.at <= by);
    versions.any(|item_change| {
        let item = item_change.now.as_ref().and_then(item_of);
        item.filter(|item| item.content.version == version)
            .and_then(|item| conversations.thread(&item))
            .is_some_and(|held| missing(held, excerpt).is_none())
    })
}

impl<'a> ConversationWork<'a> {
    /// Hears the whole history, if conversations are worked on in it.
    pub(crate) fn gather(evidence: &Evidence<'a>) -> Self {
        let (mut work, context) = (Self::default(), evidence.context);
        let Some(server) = &context.server else { return work };
        let processors: Vec<UserId> =
            server.pipeline.processors.iter().map(|processor| processor.user).collect();
        let user_of = |node: Node| match node {
            Node::Device(device) => context.devices.get(usize::from(device.0)).copied(),
            Node::Processor(processor) => processors.get(usize::from(processor.0)).copied(),
            Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => None,
        };
        let mut open: BTreeMap<(Node, Incarnation, OpId), usize> = BTreeMap::new();
        for &(at, entry) in &evidence.off_wire {
            let node = entry.node;
            if let Some((op, Asked::Work { command, last })) = entry.fact.asked()
                && let Some(user) = user_of(node)
            {
                let (last, answer) = (*last, None);
                open.insert((node, entry.incarnation, op), work.operations.len());
                work.operations.push(ConversationOperation {
                    node,
                    user,
                    asked: at,
                    command,
                    last,
                    answer,
                });
            } else if let Some((op, answer)) = entry.fact.answered()
                && let Some(operation) = open.remove(&(node, entry.incarnation, op))
            {
                work.operations[operation].answer = Some((at, answer));
            }
        }
        work
    }

    /// All parts of conversations of a user that a host may have brought in by a moment.
    pub(crate) fn brought(
        &self,
        context: &'a JudgeContext,
        user: UserId,
        by: usize,
    ) -> impl Iterator<Item = &'a Excerpt> + '_ {
        let asked = self
            .operations
            .iter()
            .filter(move |operation| operation.user == user && operation.asked <= by);
        let given = context.server.iter().flat_map(|server| &server.pipeline.given);
        let given = given.filter(move |given| given.user == user).map(|given| &given.excerpt);
        asked.filter_map(ConversationOperation::brings).chain(given)
    }

    /// Which of a user's conversations this is.
    pub(crate) fn talk(
        &self,
        context: &'a JudgeContext,
        user: UserId,
        talk: &Talk,
    ) -> Option<TalkId> {
        let among = self.brought(context, user, usize::MAX).map(|excerpt| excerpt.talk);
        talk_of((&talk.service, &talk.id), among)
    }
}

impl<'a> Conversations<'a> {
    pub(crate) fn take(&mut self, (at, n): (usize, usize), op: &'a engine::log::Op) {
        for (key, doc) in &op.puts {
            let Key::Work(place) = *key else { continue };
            let stored = match doc {
                Some(Doc::Work(stored)) => Some(*stored),
                Some(_) | None => None,
            };
            match place {
                Place::Item(key) => {
                    let before = match stored {
                        Some(stored) => self.items.insert(key, stored),
                        None => self.items.remove(&key),
                    };
                    let (receipt, reply) = (op.receipt, &op.reply);
                    self.item_changes.push(ItemChange {
                        at,
                        op: n,
                        key,
                        before,
                        now: stored,
                        receipt,
                        reply,
                    });
                }
                Place::Day(day) => {
                    let sum = match stored {
                        Some(Stored::Day(sum)) => Some(sum),
                        Some(Stored::Item(_) | Stored::Old(_)) | None => None,
                    };
                    if let Some(day) = Day::of_iso(&day.to_string()) {
                        self.sums.push((at, day, sum));
                    }
                }
                Place::Was(..) => {}
            }
        }
    }
}
