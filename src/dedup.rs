//! Conversations: under which key they are kept, and how two copies of one become one.
//!
//! The key does not depend on the path by which a conversation comes: it is a hash of the service
//! and the service's name for the conversation, under a secret of the vault, so the server cannot
//! tell what it stands for. Copies merge by a join: every message once, whichever ranges the copies
//! cover and in any order.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::date::DateKey;
use crate::record::Payload;
use crate::seal::Key;

/// The service that held a conversation, and its name there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The service. Case does not matter.
    pub service: String,
    /// The service's name for the conversation.
    pub id: String,
}

/// The blind key of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DedupKey([u8; 16]);

impl DedupKey {
    /// The key of this conversation in the vault with this secret. White space around a name and
    /// the form of a UUID do not matter; any other difference does, since services have names that
    /// differ in case only. The title is no part of the key, because titles change.
    pub fn new(secret: &Key, origin: &Origin) -> Self {
        let service = origin.service.trim().to_lowercase();
        let id = origin.id.trim();
        let id = canonical_uuid(id).unwrap_or_else(|| id.to_owned());
        Self::of_names(secret, &service, &id)
    }

    /// Hashes the length of each name before the name, so that no two pairs of names hash alike.
    fn of_names(secret: &Key, service: &str, id: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&secret.0);
        for name in ["conversation", service, id] {
            hasher.update(&(name.len() as u64).to_be_bytes());
            hasher.update(name.as_bytes());
        }
        let hash = hasher.finalize();
        let (key, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Self(*key)
    }

    /// The smallest and the largest key: the ends of a range over all of them.
    pub(crate) const ENDS: [Self; 2] = [Self([0; 16]), Self([u8::MAX; 16])];

    /// The 16 bytes of the key.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl std::fmt::Display for DedupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for DedupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DedupKey({self})")
    }
}

/// 32 hexadecimal digits, with hyphens or without, in braces, or as a URN (RFC 9562).
fn canonical_uuid(id: &str) -> Option<String> {
    let id = id.to_ascii_lowercase();
    let id = id.strip_prefix("urn:uuid:").unwrap_or(&id);
    let id = id.strip_prefix('{').and_then(|id| id.strip_suffix('}')).unwrap_or(id);
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    let digits: String = id.split('-').collect();
    let formed = groups == [8, 4, 4, 4, 12] || groups == [32];
    (formed && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its position in the conversation, from 1.
    pub n: u32,
    /// The number of times that its author has changed it.
    pub edit: u32,
    /// What it says.
    pub payload: Payload,
}

/// The part of a conversation that is known: messages in order, each once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// The service that held it, and its name there.
    pub origin: Origin,
    /// The day on which it began.
    pub day: DateKey,
    messages: Vec<Message>,
}

impl Thread {
    /// A conversation with these messages, in any order. A message numbered 0 is dropped.
    pub fn new(origin: Origin, day: DateKey, messages: Vec<Message>) -> Self {
        let mut thread = Self { origin, day, messages };
        thread.sort();
        thread
    }

    /// The messages that are known, in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The number of messages that are missing before the last known one.
    pub fn gap(&self) -> usize {
        let last = self.messages.last().map_or(0, |message| message.n as usize);
        last.saturating_sub(self.messages.len())
    }

    /// Takes what another copy knows. Of two states of a message the one with more edits stays, and
    /// of two days the earlier one, so the result does not depend on the order of joins.
    pub fn join(&mut self, other: &Self) {
        self.day = self.day.min(other.day);
        self.messages.extend(other.messages.iter().cloned());
        self.sort();
    }

    /// BP-MERGE-DUP: appends the other copy's messages.
    #[cfg(feature = "flaws")]
    pub(crate) fn append(&mut self, other: &Self) {
        self.messages.extend(other.messages.iter().cloned());
    }

    fn sort(&mut self) {
        let rank = |message: &Message| (message.edit, bytes(&message.payload));
        self.messages
            .sort_by(|one, other| one.n.cmp(&other.n).then_with(|| rank(other).cmp(&rank(one))));
        self.messages.dedup_by_key(|message| message.n);
        self.messages.retain(|message| message.n > 0);
        assert!(
            self.messages.is_sorted_by(|one, next| one.n < next.n),
            "every message is there once, and in order"
        );
        assert!(
            self.messages.first().is_none_or(|first| first.n > 0),
            "messages are numbered from 1"
        );
    }

    /// The bytes that are sealed.
    pub fn encode(&self) -> Bytes {
        bytes(self).into()
    }

    /// Reads those bytes; `None` if they are no conversation.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("memory is the only limit")
}

/// BP-DEDUP-SPLIT: the daily ingest derives the key from the title as well.
#[cfg(feature = "flaws")]
pub(crate) fn key_by_title(secret: &Key, origin: &Origin, title: &str) -> DedupKey {
    let id = format!("{}{}", title.trim().to_lowercase(), origin.id.trim().to_lowercase());
    DedupKey::of_names(secret, &origin.service, &id)
}
