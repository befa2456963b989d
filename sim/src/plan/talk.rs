//! How services spell the names of conversations, and the labels of messages and of results.
//!
//! A message says the same by whichever path it comes, and its label tells whose it is, of which
//! conversation and in which state. The label of a result is a function of those of all messages.
//! Who plays a plan and who judges a history both read this, so neither has to ask the engine.

use engine::id::{Token, UserId};
use xxhash_rust::xxh3::Xxh3;

use super::TalkId;

/// In place of a device's number, in the labels of messages and results: no device has these.
const MESSAGE: u16 = u16::MAX - 1;
const RESULT: u16 = u16::MAX - 2;

/// So many ways there are to spell a name.
pub(crate) const SPELLINGS: u8 = 4;
/// How the service spells its own in each of them.
const SERVICES: [&str; SPELLINGS as usize] = ["Chatter", "chatter ", "CHATTER", " Chatter"];
/// No conversation has a larger number, or more messages, and no message is changed more often.
pub(crate) const MOST_TALKS: u16 = 0xfff;
pub(crate) const MOST_MESSAGES: u32 = 0xffff;
pub(crate) const MOST_EDITS: u8 = 0xf;

/// A message of a conversation: its place and how often it was changed.
pub(crate) type Message = (TalkId, u32, u32);

/// How a service calls itself and a conversation. Of three conversations one is named by a UUID,
/// and the names of the other two differ in case only.
pub(crate) fn spelled(talk: TalkId, spelling: u8) -> (&'static str, String) {
    let spelling = spelling % SPELLINGS;
    (SERVICES[usize::from(spelling)], name(talk, spelling))
}

fn name(talk: TalkId, spelling: u8) -> String {
    let n = talk.0 / 3;
    match talk.0 % 3 {
        0 => {
            let uuid = format!("{:08x}-1f2e-4d3c-8b4a-0a1b2c3d4e5f", 0xa000_0000 | u32::from(n));
            match spelling {
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
    }
}

/// Which of these conversations a service spells so.
pub(crate) fn talk_of(
    (service, id): (&str, &str),
    mut among: impl Iterator<Item = TalkId>,
) -> Option<TalkId> {
    let spelling = (0..SPELLINGS).find(|how| SERVICES[usize::from(*how)] == service)?;
    among.find(|talk| name(*talk, spelling) == id)
}

/// The label of a message in a state.
pub(crate) fn message_token(canary: [u8; 8], user: UserId, (talk, n, edit): Message) -> Token {
    label(canary, user, MESSAGE, u32::from(talk.0) << 20 | (edit & 0xf) << 16 | n & 0xffff)
}

/// What a label is of; `None` if of no message.
pub(crate) fn message_of(token: Token) -> Option<Message> {
    let kind = u16::from_be_bytes([token.0[10], token.0[11]]);
    let about = u32::from_be_bytes(token.0[12..].try_into().ok()?);
    let talk = TalkId(u16::try_from(about >> 20).ok()?);
    (kind == MESSAGE).then_some((talk, about & 0xffff, about >> 16 & 0xf))
}

/// The label of what comes of the work on messages with these labels.
pub(crate) fn result_token(
    canary: [u8; 8],
    user: UserId,
    messages: impl Iterator<Item = Token>,
) -> Token {
    let mut hasher = Xxh3::new();
    messages.for_each(|token| hasher.update(&token.0[8..]));
    let [.., a, b, c, d] = hasher.digest().to_be_bytes();
    label(canary, user, RESULT, u32::from_be_bytes([a, b, c, d]))
}

fn label(canary: [u8; 8], user: UserId, kind: u16, about: u32) -> Token {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&canary);
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
        let all = |talk| (0..SPELLINGS).map(move |how| spelled(TalkId(talk), how).1);
        let all: Vec<BTreeSet<String>> = (0..30).map(|talk| all(talk).collect()).collect();
        for (n, one) in all.iter().enumerate() {
            assert!(one.len() > 1, "there are several spellings");
            assert!(all[n + 1..].iter().all(|other| one.is_disjoint(other)));
        }
    }

    #[test]
    fn a_spelling_tells_its_conversation() {
        for talk in (0..9).map(TalkId) {
            for how in 0..SPELLINGS {
                let (service, id) = spelled(talk, how);
                assert_eq!(talk_of((service, &id), (0..9).map(TalkId)), Some(talk));
            }
        }
        assert_eq!(talk_of(("Chatter", "stew-1"), (0..9).map(TalkId)), None);
    }

    #[test]
    fn a_label_tells_its_message() {
        let about = (TalkId(77), 1_234, 3);
        let token = message_token(*b"canary!!", UserId(2), about);
        assert_eq!(message_of(token), Some(about));
        let result =
            |messages: &[Token]| result_token(*b"canary!!", UserId(2), messages.iter().copied());
        assert_eq!(message_of(result(&[token])), None);
        assert_ne!(result(&[token]), result(&[]));
    }
}
