//! The messages of a history: each copy with where it was sent and what became of it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::history::{Entry, Fact, MessageId};
use crate::plan::Node;

/// One copy of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) struct Message {
    /// The fact that sends it.
    pub(in crate::report) sent: usize,
    /// The fact of its arrival or loss.
    pub(in crate::report) end: Option<usize>,
    fate: Fate,
}

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    Lost,
    /// It arrived, and was not the first to do so.
    Duplicate,
    /// The run ended before it arrived.
    UnderWay,
}

impl Message {
    /// It arrived here, if it did.
    pub(in crate::report) fn arrived(&self) -> Option<usize> {
        let has_arrived = matches!(self.fate, Fate::Delivered | Fate::Duplicate);
        self.end.filter(|_| has_arrived)
    }
}

/// Three numbers, since there are many.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.sent, self.end, self.fate as u8).serialize(serializer)
    }
}

/// All messages, by when they were sent.
pub(in crate::report) fn messages(history: &[Entry]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    // A device that starts again counts its requests from the first: an end belongs to the newest message of that name.
    let mut newest: BTreeMap<(Node, Node, MessageId), usize> = BTreeMap::new();
    for (index, entry) in history.iter().enumerate() {
        if let Fact::Sent { to, message_id, .. } = &entry.fact {
            newest.insert((entry.node, *to, *message_id), messages.len());
            messages.push(Message { sent: index, end: None, fate: Fate::UnderWay });
            continue;
        }
        let (key, fate) = if let Fact::Delivered { from, message_id, .. } = &entry.fact {
            ((*from, entry.node, *message_id), Fate::Delivered)
        } else if let Fact::Lost { to, message_id, .. } = &entry.fact {
            ((entry.node, *to, *message_id), Fate::Lost)
        } else {
            continue;
        };
        let Some(&place) = newest.get(&key) else { continue };
        let message = messages[place];
        if message.end.is_none() {
            messages[place] = Message { end: Some(index), fate, ..message };
        } else if fate == Fate::Delivered {
            let fate = Fate::Duplicate;
            messages.push(Message { end: Some(index), fate, ..message });
        }
    }
    messages.sort_by_key(|it| (it.sent, it.end));
    messages
}
