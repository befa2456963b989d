//! Conversations as services hand them out, and what the step makes of one.

use engine::dedup::{Message, Origin};
use engine::id::UserId;
use engine::ingest::Conversation;
use engine::record::{Payload, Value};

use crate::history::Talk;
use crate::plan::talk::{message_token, result_token, spelled};
use crate::plan::{Excerpt, TalkId};

/// The name of a conversation.
pub(crate) fn origin(talk: TalkId, spelling: u8) -> Origin {
    let (service, id) = spelled(talk, spelling);
    Origin { service: service.to_owned(), id }
}

/// A conversation as it comes.
pub(crate) fn conversation(canary: [u8; 8], user: UserId, excerpt: &Excerpt) -> Conversation {
    let Excerpt { talk, spelling, began, first, last, edit } = excerpt;
    let message = |n: u32| {
        let edit = u32::from(*edit);
        let token = message_token(canary, user, (*talk, n, edit));
        let value = Value::Text(format!("message {n} of conversation {}, state {edit}", talk.0));
        Message { n, edit, payload: Payload { token, value } }
    };
    Conversation {
        origin: origin(*talk, *spelling),
        // Titles change.
        title: if spelling.is_multiple_of(2) { "Soup for four" } else { "Soup" }.to_owned(),
        began: began.written.clone(),
        messages: (*first..=*last).map(message).collect(),
    }
}

/// What the step makes of a conversation.
pub(crate) fn result(canary: [u8; 8], user: UserId, talk: &Talk) -> Payload {
    let token = result_token(canary, user, talk.messages.iter().map(|message| message.2));
    let value = Value::Text(format!("a summary of {} messages", talk.messages.len()));
    Payload { token, value }
}
