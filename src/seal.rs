//! Sealing: encryption of what leaves a device.
//!
//! A blob is `key name (12 bytes) | nonce (24) | ciphertext and tag (16)`, under XChaCha20-Poly1305
//! (IETF draft-irtf-cfrg-xchacha). The additional data binds vault, record and kind, so that a blob
//! that is moved to another row does not open. A failure to open is a real failure of authentication. Old
//! keys are kept for ever, since old blobs stay sealed under them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::id::{RecordId, VaultId};
use crate::record::{DecodeError, Encoded};

/// The name of a key epoch. Two concurrent rotations make two keys; the one with the larger name is
/// current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyName {
    /// One more than the highest that the rotating device knew.
    pub generation: u32,
    /// Drawn for each rotation, so that no two keys ever share a name.
    pub draw: u64,
}

const NAME_LEN: usize = 12;
const NONCE_LEN: usize = 24;
/// The length of the authentication tag that the cipher appends.
const TAG_LEN: usize = 16;

const _: () = assert!(NAME_LEN == size_of::<u32>() + size_of::<u64>(), "a name is two numbers");

impl KeyName {
    fn to_bytes(self) -> [u8; NAME_LEN] {
        let mut bytes = [0; NAME_LEN];
        bytes[..4].copy_from_slice(&self.generation.to_be_bytes());
        bytes[4..].copy_from_slice(&self.draw.to_be_bytes());
        bytes
    }

    /// The name that a blob carries, if it is long enough.
    pub fn of_blob(blob: &[u8]) -> Option<Self> {
        let (generation, rest) = blob.split_first_chunk::<4>()?;
        let (draw, _) = rest.split_first_chunk::<8>()?;
        Some(Self { generation: u32::from_be_bytes(*generation), draw: u64::from_be_bytes(*draw) })
    }
}

/// A vault key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Why a blob did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OpenError {
    /// Its key is not in the keyring (yet).
    NoKey(KeyName),
    /// Its key is known, and the blob is not what that key sealed for this row.
    Corrupt,
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKey(name) => write!(f, "key {} is not here", name.generation),
            Self::Corrupt => f.write_str("authentication failed"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The additional data of a row.
fn binding(vault: VaultId, id: RecordId) -> [u8; 7] {
    let mut bytes = [0; 7];
    bytes[..2].copy_from_slice(&vault.0.to_be_bytes());
    bytes[2] = id.kind as u8;
    bytes[3..].copy_from_slice(&id.key.to_be_bytes());
    bytes
}

/// A memory of blobs that were opened before, shared by many devices in one process. Production
/// uses none. Rows are keyed by the blob object itself: a damaged blob is another object, and is
/// really opened.
#[derive(Clone, Debug, Default)]
pub struct Memo(Arc<Mutex<Memory>>);

#[derive(Clone, Debug, Default)]
struct Memory {
    opened: BTreeMap<usize, Opened>,
    /// The decoded states by their bytes: both remotes hold the same ones.
    states: BTreeMap<Bytes, Encoded>,
    /// What blobs without a record hold, by their bytes: each reader of an entry of the log has other objects.
    plains: BTreeMap<Bytes, Plain>,
}

/// A blob that was opened. It holds the blob, so that no other object gets its address.
#[derive(Clone, Debug)]
struct Opened {
    blob: Bytes,
    key: Key,
    binding: [u8; 7],
    record: Encoded,
}

/// A blob without a record that was opened.
#[derive(Clone, Debug)]
struct Plain {
    key: Key,
    binding: Box<[u8]>,
    bytes: Bytes,
}

impl Memo {
    /// The number of blobs that were really opened.
    pub fn opened(&self) -> u64 {
        self.memory().opened.len() as u64
    }

    fn find(&self, blob: &Bytes, key: &Key, binding: [u8; 7]) -> Option<Encoded> {
        let memory = self.memory();
        let entry = memory.opened.get(&(blob.as_ptr() as usize))?;
        assert_eq!(entry.blob.len(), blob.len(), "a blob that is held keeps its address to itself");
        (entry.key == *key && entry.binding == binding).then(|| entry.record.clone())
    }

    fn keep(&self, blob: &Bytes, key: &Key, binding: [u8; 7], record: &Encoded) {
        let entry =
            Opened { blob: blob.clone(), key: key.clone(), binding, record: record.clone() };
        self.memory().opened.insert(blob.as_ptr() as usize, entry);
    }

    fn find_plain(&self, blob: &Bytes, key: &Key, binding: &[u8]) -> Option<Bytes> {
        let memory = self.memory();
        let entry = memory.plains.get(blob)?;
        (entry.key == *key && *entry.binding == *binding).then(|| entry.bytes.clone())
    }

    fn keep_plain(&self, blob: &Bytes, key: &Key, binding: &[u8], bytes: &Bytes) {
        let (key, binding, bytes) = (key.clone(), binding.into(), bytes.clone());
        self.memory().plains.insert(blob.clone(), Plain { key, binding, bytes });
    }

    /// Decodes a state, or finds it by its bytes.
    ///
    /// # Errors
    ///
    /// If the bytes are not those of a record.
    pub fn decode<B: AsRef<[u8]> + Into<Bytes>>(&self, bytes: B) -> Result<Encoded, DecodeError> {
        let mut memory = self.memory();
        if let Some(known) = memory.states.get(bytes.as_ref()) {
            return Ok(known.clone());
        }
        let record = Encoded::from_bytes(&bytes.into())?;
        memory.states.insert(record.bytes().clone(), record.clone());
        Ok(record)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().expect("no panic while it is held")
    }
}

/// The keys that a device has. Old keys are never deleted.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: BTreeMap<KeyName, Key>,
    memo: Option<Memo>,
}

impl Keyring {
    /// A keyring with these keys.
    pub fn new(keys: BTreeMap<KeyName, Key>, memo: Option<Memo>) -> Self {
        Self { keys, memo }
    }

    /// Adds a key; true if it was not there.
    pub fn add(&mut self, name: KeyName, key: Key) -> bool {
        self.keys.insert(name, key).is_none()
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// Is this key here?
    pub fn has(&self, name: KeyName) -> bool {
        self.keys.contains_key(&name)
    }

    /// The names of the keys that are here.
    pub fn names(&self) -> impl Iterator<Item = KeyName> {
        self.keys.keys().copied()
    }

    /// The key that new rows are sealed under.
    pub fn current(&self) -> Option<KeyName> {
        self.keys.last_key_value().map(|(name, _)| *name)
    }

    /// Seals a record under the current key; `None` without a key.
    pub fn seal(
        &self,
        vault: VaultId,
        id: RecordId,
        record: &Encoded,
        nonce: [u8; NONCE_LEN],
    ) -> Option<Bytes> {
        self.seal_bytes(&binding(vault, id), record.bytes(), nonce)
    }

    /// Seals bytes with this binding under the current key; `None` without a key.
    pub fn seal_bytes(
        &self,
        binding: &[u8],
        plain: &[u8],
        nonce: [u8; NONCE_LEN],
    ) -> Option<Bytes> {
        let (name, key) = self.keys.last_key_value()?;
        let aad = [binding, &name.to_bytes()].concat();
        let sealed = XChaCha20Poly1305::new(&key.0.into())
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &aad })
            .expect("what is sealed is far below the cipher's limit of 256 GiB");
        assert_eq!(sealed.len(), plain.len() + TAG_LEN, "the cipher adds its tag and nothing else");
        let blob: Bytes = [&name.to_bytes()[..], &nonce, &sealed].concat().into();
        assert_eq!(KeyName::of_blob(&blob), Some(*name), "a blob bears the name of its key");
        Some(blob)
    }

    /// Reads a record that is stored in the clear.
    pub(crate) fn read(&self, bytes: &Bytes) -> Result<Encoded, DecodeError> {
        match &self.memo {
            Some(memo) => memo.decode(bytes.clone()),
            None => Encoded::from_bytes(bytes),
        }
    }

    /// Opens a blob that claims to be this row.
    pub fn open(&self, vault: VaultId, id: RecordId, blob: &Bytes) -> Result<Encoded, OpenError> {
        let name = KeyName::of_blob(blob).ok_or(OpenError::Corrupt)?;
        let key = self.keys.get(&name).ok_or(OpenError::NoKey(name))?;
        let binding = binding(vault, id);
        if let Some(record) = self.memo.as_ref().and_then(|memo| memo.find(blob, key, binding)) {
            return Ok(record);
        }
        let plain = self.open_bytes(&binding, blob)?;
        let record = match &self.memo {
            Some(memo) => memo.decode(plain),
            None => Encoded::from_bytes(&plain.into()),
        }
        .map_err(|_| OpenError::Corrupt)?;
        if let Some(memo) = &self.memo {
            memo.keep(blob, key, binding, &record);
        }
        Ok(record)
    }

    /// Opens a blob that claims to have this binding, and is likely to be opened again.
    pub fn open_again(&self, binding: &[u8], blob: &Bytes) -> Result<Bytes, OpenError> {
        let name = KeyName::of_blob(blob).ok_or(OpenError::Corrupt)?;
        let key = self.keys.get(&name).ok_or(OpenError::NoKey(name))?;
        if let Some(plain) = self.memo.as_ref().and_then(|it| it.find_plain(blob, key, binding)) {
            return Ok(plain);
        }
        let plain: Bytes = self.open_bytes(binding, blob)?.into();
        if let Some(memo) = &self.memo {
            memo.keep_plain(blob, key, binding, &plain);
        }
        Ok(plain)
    }

    /// Opens a blob that claims to have this binding.
    pub fn open_bytes(&self, binding: &[u8], blob: &[u8]) -> Result<Vec<u8>, OpenError> {
        let name = KeyName::of_blob(blob).ok_or(OpenError::Corrupt)?;
        let key = self.keys.get(&name).ok_or(OpenError::NoKey(name))?;
        assert!(blob.len() >= NAME_LEN, "a shorter blob bears no name");
        let rest = &blob[NAME_LEN..];
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Corrupt)?;
        let aad = [binding, &name.to_bytes()].concat();
        let plain = XChaCha20Poly1305::new(&key.0.into())
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map_err(|_| OpenError::Corrupt)?;
        assert_eq!(plain.len() + TAG_LEN, sealed.len(), "the cipher takes off its tag and no more");
        Ok(plain)
    }
}
