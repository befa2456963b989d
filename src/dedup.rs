//! Conversations: under which key they are kept, and how two copies of one become one.
//!
//! The key is the same by whichever path a conversation comes: a hash of where it was held and how
//! it is called there, under a secret of the vault, so the server cannot tell what it stands for.
//! Copies merge by a join: every message once, whichever ranges they cover and in any order.

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::date::DateKey;
use crate::hex::Hex;
use crate::record::Payload;
use crate::seal::Key;

/// Where a conversation was held, and how it is called there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The service: letters in any case.
    pub service: String,
    /// Its name for the conversation.
    pub id: String,
}

/// The blind key of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DedupKey([u8; 16]);

impl DedupKey {
    /// The key of this conversation in the vault with this secret. Space around a name does not
    /// count, nor how a UUID is written; any other difference does: services have names that differ
    /// in case only. A title is no part of it: titles change.
    pub fn new(secret: &Key, origin: &Origin) -> Self {
        let service = origin.service.trim().to_lowercase();
        let id = origin.id.trim();
        let id = canonical_uuid(id).unwrap_or_else(|| id.to_owned());
        Self::of_names(secret, &service, &id)
    }

    /// Lengths come first, so that no two pairs of names read alike.
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

    /// The first and the last key, in order.
    pub(crate) const ENDS: [Self; 2] = [Self([0; 16]), Self([u8::MAX; 16])];

    /// The bytes of it.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl std::fmt::Display for DedupKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&Hex(&self.0), f)
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
    /// Its place, from 1.
    pub n: u32,
    /// How often its author has changed it.
    pub edit: u32,
    /// What it says.
    pub payload: Payload,
}

/// A conversation as far as it is known: messages in order, each once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Where it was held.
    pub origin: Origin,
    /// When it began.
    pub day: DateKey,
    messages: Vec<Message>,
}

impl Thread {
    /// A conversation of which these messages are known, in any order.
    pub fn new(origin: Origin, day: DateKey, messages: Vec<Message>) -> Self {
        let mut thread = Self { origin, day, messages };
        thread.sort();
        thread
    }

    /// What is known of it.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// How many messages are missing before the last that is known.
    pub fn gap(&self) -> usize {
        let last = self.messages.last().map_or(0, |message| message.n as usize);
        last.saturating_sub(self.messages.len())
    }

    /// Takes what another copy knows. Of two states of a message the one changed more often stays,
    /// and of two days the earlier one: what a copy knows never depends on who came first.
    pub fn join(&mut self, other: &Self) {
        self.day = self.day.min(other.day);
        self.messages.extend(other.messages.iter().cloned());
        self.sort();
    }

    /// The flaw BP-MERGE-DUP: what is new is put at the end.
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

    /// Its bytes, to be sealed.
    pub fn encode(&self) -> Bytes {
        bytes(self).into()
    }

    /// Reads its bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("memory is the only limit")
}

/// BP-DEDUP-SPLIT: the path of the daily ingest has its own idea of a conversation's name.
#[cfg(feature = "flaws")]
pub(crate) fn key_by_title(secret: &Key, origin: &Origin, title: &str) -> DedupKey {
    let id = format!("{}{}", title.trim().to_lowercase(), origin.id.trim().to_lowercase());
    DedupKey::of_names(secret, &origin.service, &id)
}
