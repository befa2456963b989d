//! Conversations as services hand them out: how a service spells their names, what their messages
//! say, and which conversation it is that somebody has.
//!
//! A message says the same by whichever path it comes, and bears a label that tells whose it is, of
//! which conversation and in which state. What comes of the work is a function of all labels.

use engine::dedup::{Message, Origin};
use engine::id::{Token, UserId};
use engine::ingest::Conversation;
use engine::record::{Payload, Value};
use xxhash_rust::xxh3::Xxh3;

use crate::history::Talk;
use crate::plan::{Excerpt, TalkId};

/// In place of a device's number, in the labels of messages and results: no device has these.
const MESSAGE: u16 = u16::MAX - 1;
const RESULT: u16 = u16::MAX - 2;

/// So many ways there are to spell a name.
pub(crate) const SPELLINGS: u8 = 4;
/// No conversation has a larger number, or more messages, and no message is changed more often.
pub(crate) const MOST_TALKS: u16 = 0xfff;
pub(crate) const MOST_MESSAGES: u32 = 0xffff;
pub(crate) const MOST_EDITS: u8 = 0xf;

/// How a service spells a conversation's name. Of three conversations one is named by a UUID, and
/// the names of the other two differ in case only.
fn origin(talk: TalkId, spelling: u8) -> Origin {
    let service = ["Chatter", "chatter ", "CHATTER", " Chatter"][usize::from(spelling % SPELLINGS)];
    let n = talk.0 / 3;
    let id = match talk.0 % 3 {
        0 => {
            let uuid = format!("{:08x}-1f2e-4d3c-8b4a-0a1b2c3d4e5f", 0xa000_0000 | u32::from(n));
            match spelling % SPELLINGS {
                0 => uuid,
                1 => uuid.to_uppercase(),
                2 => format!("{{{uuid}}}"),
                _ => format!(" {} ", uuid.replace('-', "")),
            }
        }
        kind => {
            let name = if kind == 1 { format!("soup-{n}") } else { format!("Soup-{n}") };
            if spelling.is_multiple_of(2) { name } else { format!(" {name}  ") }
        }
    };
    Origin { service: service.to_owned(), id }
}

/// Which conversation it is that somebody has, by how services spell names.
pub(crate) fn talk_of(talk: &Talk, among: impl Iterator<Item = TalkId>) -> Option<TalkId> {
    let spelled = |id: TalkId, spelling: u8| {
        let origin = origin(id, spelling);
        origin.service == talk.service && origin.id == talk.id
    };
    let mut among = among;
    among.find(|id| (0..SPELLINGS).any(|spelling| spelled(*id, spelling)))
}

/// The name of a conversation as it is spelled first.
pub(crate) fn plain_origin(talk: TalkId) -> Origin {
    origin(talk, 0)
}

/// A conversation as it comes.
pub(crate) fn conversation(needle: [u8; 8], user: UserId, excerpt: &Excerpt) -> Conversation {
    let Excerpt { talk, spelling, began, first, last, edit } = excerpt;
    let message = |n: u32| {
        let token = message_token(needle, user, (*talk, n, (*edit).into()));
        let value = Value::Text(format!("message {n} of conversation {}, state {edit}", talk.0));
        Message { n, edit: (*edit).into(), payload: Payload { token, value } }
    };
    Conversation {
        origin: origin(*talk, *spelling),
        // Titles change.
        title: if spelling.is_multiple_of(2) { "Soup for four" } else { "Soup" }.to_owned(),
        began: began.written.clone(),
        messages: (*first..=*last).map(message).collect(),
    }
}

/// The label of a message in a state.
pub(crate) fn message_token(
    needle: [u8; 8],
    user: UserId,
    (talk, n, edit): (TalkId, u32, u32),
) -> Token {
    let about = u32::from(talk.0) << 20 | (edit & 0xf) << 16 | n & 0xffff;
    label(needle, user, MESSAGE, about)
}

/// Of which conversation, which message and in which state a label is; `None` if of no message.
pub(crate) fn message_of(token: Token) -> Option<(TalkId, u32, u32)> {
    let (kind, about) = (u16::from_be_bytes([token.0[10], token.0[11]]), &token.0[12..]);
    let about = u32::from_be_bytes(about.try_into().ok()?);
    let talk = TalkId(u16::try_from(about >> 20).ok()?);
    (kind == MESSAGE).then_some((talk, about & 0xffff, about >> 16 & 0xf))
}

/// The label of what comes of the work on a conversation: another for every state of it.
pub(crate) fn result_token(needle: [u8; 8], user: UserId, talk: &Talk) -> Token {
    let mut hasher = Xxh3::new();
    for (n, edit, token) in &talk.messages {
        hasher.update(&n.to_be_bytes());
        hasher.update(&edit.to_be_bytes());
        hasher.update(&token.0[8..]);
    }
    let [.., a, b, c, d] = hasher.digest().to_be_bytes();
    label(needle, user, RESULT, u32::from_be_bytes([a, b, c, d]))
}

/// What the step makes of a conversation.
pub(crate) fn result(needle: [u8; 8], user: UserId, talk: &Talk) -> Payload {
    let count = talk.messages.len();
    let value = Value::Text(format!("a summary of {count} messages"));
    Payload { token: result_token(needle, user, talk), value }
}

fn label(needle: [u8; 8], user: UserId, kind: u16, about: u32) -> Token {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&needle);
    bytes[8..10].copy_from_slice(&user.0.to_be_bytes());
    bytes[10..12].copy_from_slice(&kind.to_be_bytes());
    bytes[12..].copy_from_slice(&about.to_be_bytes());
    Token(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_conversations_are_spelled_alike() {
        let spelled = |talk| (0..SPELLINGS).map(move |spelling| origin(TalkId(talk), spelling).id);
        let all: Vec<BTreeSet<String>> = (0..30).map(|talk| spelled(talk).collect()).collect();
        for (n, one) in all.iter().enumerate() {
            assert!(one.len() > 1, "there are several spellings");
            assert!(all[n + 1..].iter().all(|other| one.is_disjoint(other)));
        }
    }

    #[test]
    fn a_label_tells_its_message() {
        let about = (TalkId(77), 1_234, 3);
        let token = message_token(*b"needle!!", UserId(2), about);
        assert_eq!(message_of(token), Some(about));
        let talk = Talk {
            service: String::new(),
            id: String::new(),
            day: engine::date::Calendar::new("UTC").unwrap().day("2024-04-03").unwrap(),
            messages: vec![(1_234, 3, token)],
        };
        let result = result_token(*b"needle!!", UserId(2), &talk);
        assert_eq!(message_of(result), None);
        let other = Talk { messages: Vec::new(), ..talk };
        assert_ne!(result, result_token(*b"needle!!", UserId(2), &other));
    }
}
