//! What the history says of conversations and of the work on them, beside the commits of the log.

use std::sync::Arc;

use engine::dedup::{DedupKey, Thread};
use engine::id::Token;
use engine::job::{Item, Summary};
use engine::processor::{Answer, Reason};
use engine::record::Payload;
use serde::Serialize;

use crate::plan::Day;

/// A conversation as one copy has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Talk {
    /// Its service.
    pub service: String,
    /// What it is called there.
    pub id: String,
    /// The day it belongs to.
    pub day: Day,
    /// Its messages in their order: place, how often changed, and label.
    pub messages: Vec<(u32, u32, Token)>,
}

impl Talk {
    /// What a thread says.
    pub fn of(thread: &Thread) -> Self {
        let message = |it: &engine::dedup::Message| (it.n, it.edit, it.payload.token);
        Self {
            service: thread.origin.service.clone(),
            id: thread.origin.id.clone(),
            day: Day::of_iso(&thread.day.to_string()).expect("days are written so"),
            messages: thread.messages().iter().map(message).collect(),
        }
    }
}

/// What an object of a conversation holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Filed {
    /// A version of it.
    Thread(Talk),
    /// What came of the work on a version.
    Result(Token),
}

/// What came of something about conversations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Worked {
    /// All of it is in this version.
    Saved(DedupKey, u32),
    /// Nothing of what was asked for is left to be done.
    Processed,
    /// It can be tried again.
    WasReset,
    /// There is no such thing.
    Nothing,
    /// What it says, and how far it is.
    Thread(Item, Arc<Talk>),
    /// The label of what came of the work.
    Result(Item, Token),
    /// A day.
    Day(Summary, Vec<(DedupKey, Item)>),
    /// No effect.
    Refused(Reason),
}

impl Worked {
    /// What a processor answered; nothing to what it is never told here.
    pub fn of(answer: &Answer) -> Option<Self> {
        Some(match answer {
            Answer::Saved(key, version) => Self::Saved(*key, *version),
            Answer::Processed => Self::Processed,
            Answer::WasReset => Self::WasReset,
            Answer::Nothing => Self::Nothing,
            Answer::Thread(item, thread) => Self::Thread(*item, Arc::new(Talk::of(thread))),
            Answer::Result(item, Payload { token, .. }) => Self::Result(*item, *token),
            Answer::Day(summary, items) => Self::Day(*summary, items.clone()),
            Answer::Refused(reason) => Self::Refused(*reason),
            Answer::Stopped => return None,
        })
    }
}
