//! Names of files as the server sees them: a keyed hash of the folded name.
//!
//! Two names that a person or a file system may confuse have one key, so the server keeps names
//! unique among siblings without reading them. The key of the hash never rotates: otherwise old and
//! new names could not be compared. The name itself travels beside the hash, sealed.
//!
//! Source: The Unicode Standard, 3.13, D145 (canonical caseless matching).

use caseless::Caseless;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::flaw::{Flaw, Flaws};
use crate::id::Dot;
use crate::seal::Key;

/// The blind key of a name: it can be compared and not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NameKey([u8; 16]);

/// The longest name in bytes, as most file systems have it.
pub const MOST_BYTES: usize = 255;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BadName {
    /// It is empty.
    Empty,
    /// `.` and `..` are folders in every file system.
    Dots,
    /// It contains a separator or a control character.
    Character(char),
    /// It has this many bytes, which are more than [`MOST_BYTES`].
    TooLong(usize),
}

impl std::fmt::Display for BadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "a name cannot be empty"),
            Self::Dots => write!(f, "`.` and `..` cannot be names"),
            Self::Character(c) => write!(f, "a name cannot contain {c:?}"),
            Self::TooLong(n) => write!(f, "a name has at most {MOST_BYTES} bytes, not {n}"),
        }
    }
}

impl std::error::Error for BadName {}

impl NameKey {
    /// The smallest and the largest key: the ends of a range over all of them.
    pub(crate) const FIRST: Self = Self([0; 16]);
    pub(crate) const LAST: Self = Self([u8::MAX; 16]);

    /// The key of a name, in the vault with this secret.
    pub fn new(secret: &Key, name: &str, flaws: Flaws) -> Result<Self, BadName> {
        let name = check(name)?;
        let folded = if flaws.has(Flaw::Fb08) { name } else { fold(&name) };
        let hash = blake3::keyed_hash(&secret.0, folded.as_bytes());
        assert!(!folded.is_empty(), "a name that is not empty folds to one that is not");
        let (half, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Ok(Self(*half))
    }
}

/// A name without the differences that people and file systems may overlook: case, and how accents
/// are composed.
pub fn fold(name: &str) -> String {
    name.nfd().default_case_fold().nfc().collect()
}

/// The composed form of a name, if it is one.
pub(crate) fn check(name: &str) -> Result<String, BadName> {
    let name: String = name.nfc().collect();
    let bad = |c: &char| *c == '/' || c.is_control();
    match name.as_str() {
        "" => Err(BadName::Empty),
        "." | ".." => Err(BadName::Dots),
        _ if name.len() > MOST_BYTES => Err(BadName::TooLong(name.len())),
        _ => match name.chars().find(bad) {
            Some(c) => Err(BadName::Character(c)),
            None => Ok(name),
        },
    }
}

/// The name of a virtual copy: a head of a file other than the first. It depends on the write that
/// made the head and on nothing else, so that all devices show the same.
pub fn of_copy(name: &str, write: Dot) -> String {
    let mark = format!(" ({:x}-{})", write.replica.0, write.n);
    // What leaves no room for a stem is no extension.
    let fits = |at: &usize| *at > 0 && mark.len() + name.len() - at < MOST_BYTES;
    let at = name.rfind('.').filter(fits).unwrap_or(name.len());
    let (stem, extension) = name.split_at(at);
    assert!(stem.len() + extension.len() == name.len(), "stem and extension make up the name");
    let room = MOST_BYTES - mark.len() - extension.len();
    let end = (0..=room.min(stem.len())).rev().find(|at| stem.is_char_boundary(*at));
    format!("{}{mark}{extension}", &stem[..end.unwrap_or(0)])
}
