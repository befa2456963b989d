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

use super::super::JudgeContext;
use super::Evidence;
use crate::history::{Answered, Asked, Filed, Talk, Worked};
use crate::plan::talk::talk_of;
use crate::plan::{Day, Excerpt, Node, Order, TalkId};

/// Everything about conversations.
#[derive(Debug, Default)]
pub(in super::super) struct ConversationWork<'a> {
    /// What was asked of processors and devices, in order.
    pub(in super::super) operations: Vec<ConversationOperation<'a>>,
}

/// Something that was asked about conversations.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ConversationOperation<'a> {
    pub(in super::super) node: Node,
    pub(in super::super) user: UserId,
    pub(in super::super) asked: usize,
    pub(in super::super) order: &'a Order,
    pub(in super::super) last: bool,
    pub(in super::super) answer: Option<(usize, &'a Answered)>,
}

impl<'a> ConversationOperation<'a> {
    /// What came of it, if it was answered in so many words.
    pub(in super::super) fn worked(&self) -> Option<(usize, &'a Worked)> {
        match self.answer {
            Some((at, Answered::Worked(worked))) => Some((at, worked)),
            Some(_) | None => None,
        }
    }

    /// The part of a conversation that it brings.
    pub(in super::super) fn brings(&self) -> Option<&'a Excerpt> {
        match self.order {
            Order::Ingest(excerpt) => Some(excerpt),
            Order::Process(_) | Order::Reset(_) | Order::Read(..) | Order::ReadDay(_) => None,
        }
    }

    /// The version that it was called saved as, and when.
    pub(in super::super) fn saved(&self) -> Option<(usize, DedupKey, u32)> {
        match self.worked() {
            Some((at, Worked::Saved(key, version))) => Some((at, *key, *version)),
            Some(_) | None => None,
        }
    }
}

/// What a user's space has of conversations.
#[derive(Debug, Default)]
pub(in super::super) struct Conversations<'a> {
    /// What became of items, in order.
    pub(in super::super) item_changes: Vec<ItemChange<'a>>,
    /// What became of the sums of days, in order, by the entry that says so.
    pub(in super::super) sums: Vec<(usize, Day, Option<Summary>)>,
    /// What objects hold, with the fact that says so.
    pub(in super::super) objects: BTreeMap<BlobHash, (usize, DedupKey, Option<&'a Filed>)>,
    /// How items stand now: while hearing, and at the end.
    pub(in super::super) items: BTreeMap<DedupKey, Stored>,
}

/// An op of a log changes an item.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ItemChange<'a> {
    pub(in super::super) at: usize,
    /// Which op of the entry.
    op: usize,
    pub(in super::super) key: DedupKey,
    pub(in super::super) before: Option<Stored>,
    pub(in super::super) now: Option<Stored>,
    pub(in super::super) receipt: Option<(Client, u32)>,
    pub(in super::super) reply: &'a Reply,
}

/// What a stored item is: one of the old format waits.
pub(in super::super) fn item_of(stored: &Stored) -> Option<Item> {
    match stored {
        Stored::Item(item) => Some(*item),
        Stored::Old(content) => Some(Item { content: *content, job: Job::Pending { tries: 0 } }),
        Stored::Day(_) => None,
    }
}

/// The day of an item.
pub(in super::super) fn day_of(item: &Item) -> Option<Day> {
    Day::of_iso(&item.content.day.to_string())
}

impl<'a> Conversations<'a> {
    /// What a version says, where the log names its object and that can be opened.
    pub(in super::super) fn thread(&self, item: &Item) -> Option<&'a Talk> {
        match self.objects.get(&item.content.blob)? {
            (_, _, Some(Filed::Thread(talk))) => Some(talk),
            (_, _, Some(Filed::Result(_)) | None) => None,
        }
    }

    /// Was there a moment from one fact to another at which this held of all items?
    pub(in super::super) fn was_ever(
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

impl<'a> ConversationWork<'a> {
    /// Hears the whole history, if conversations are worked on in it.
    pub(super) fn gather(evidence: &Evidence<'a>) -> Self {
        let (mut work, context) = (Self::default(), evidence.context);
        let Some(server) = &context.server else { return work };
        let processors: Vec<UserId> =
            server.pipeline.processors.iter().map(|processor| processor.user).collect();
        let user_of = |node: Node| match node {
            Node::Device(device) => context.devices.get(usize::from(device.0)).copied(),
            Node::Processor(processor) => processors.get(usize::from(processor.0)).copied(),
            Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => None,
        };
        let mut open: BTreeMap<(Node, u16, OpId), usize> = BTreeMap::new();
        for &(at, entry) in &evidence.off_wire {
            let node = entry.node;
            if let Some((op, Asked::Work { order, last })) = entry.fact.asked()
                && let Some(user) = user_of(node)
            {
                let (last, answer) = (*last, None);
                open.insert((node, entry.incarnation, op), work.operations.len());
                work.operations.push(ConversationOperation {
                    node,
                    user,
                    asked: at,
                    order,
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

    /// All parts of conversations of a user that somebody may have brought by some moment.
    pub(in super::super) fn brought(
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
    pub(in super::super) fn talk(
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
    pub(super) fn take(&mut self, (at, n): (usize, usize), op: &'a engine::log::Op) {
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
