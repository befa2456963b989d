//! Names of files: which there are, which of them are one, and what the server sees of them.
//!
//! A name has to fit on every common file system, and two names that any of them takes for one have one key
//! (`docs/decisions/007-a-file-is-saved-before-it-is-sent.md`). So the server keeps names unique among siblings
//! without reading them. The key is a keyed hash of the folded name, and never rotates: otherwise old and new
//! names could not be compared. The name itself travels beside the hash, sealed.
//!
//! Sources: The Unicode Standard, 3.13, D145, and `Default_Ignorable_Code_Point`; Microsoft, "Naming Files, Paths,
//! and Namespaces"; Apple, TN1150; Linux, Documentation/admin-guide/ext4.rst, "case-insensitive file names".

use std::borrow::Cow;

use caseless::Caseless;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::flaw::{Flaw, Flaws};
use crate::id::{Dot, NodeId};
use crate::seal::Key;

/// The blind key of a name: it can be compared and not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NameKey([u8; 16]);

/// The greatest length of a name: in bytes, and in units of UTF-16.
pub const LONGEST: usize = 255;

/// How many times as many bytes as it is written with a name takes at most, however it is composed.
const GROWTH: usize = 3;

/// The names of devices on Windows, with any extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// The names of those that are numbered by one digit, which may be a superscript one.
const PORTS: [&str; 2] = ["COM", "LPT"];

/// The characters that show nothing, from and to: those of Unicode's `Default_Ignorable_Code_Point`.
const INVISIBLE: [(char, char); 17] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fff8}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BadName {
    /// It is empty, or has only characters that show nothing.
    Empty,
    /// `.` and `..` are folders in every file system.
    Dots,
    /// It contains this character, which means something in paths, or a control character.
    Character(char),
    /// It ends with this one, a dot or a blank.
    Ending(char),
    /// Up to its first dot it is the name of a device.
    Device,
    /// It has this length, which is more than [`LONGEST`].
    TooLong(usize),
}

impl std::fmt::Display for BadName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "a name cannot be empty: write at least one letter"),
            Self::Dots => write!(f, "`.` and `..` cannot be names: write a letter"),
            Self::Character(c) => {
                write!(f, "a name cannot contain {c:?}, which some systems cannot store: write `_`")
            }
            Self::Ending(c) => {
                write!(f, "a name cannot end with {c:?}, which Windows drops: leave it out")
            }
            Self::Device => write!(
                f,
                "a name cannot be that of a device of Windows, as AUX or COM1, with any extension: write \
                 `_` before it"
            ),
            Self::TooLong(n) => {
                write!(f, "a name has a length of {LONGEST} at most, not {n}: shorten it")
            }
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
        // The name itself is for devices alone.
        tracing::debug!(bytes = name.len(), ascii = name.is_ascii(), "checks and folds a name");
        check(name, flaws)?;
        let folded = if flaws.has(Flaw::Fb08) { name.nfc().collect() } else { fold(name) };
        let hash = blake3::keyed_hash(&secret.0, folded.as_bytes());
        assert!(!folded.is_empty(), "a name that is not empty folds to one that is not");
        let (half, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        Ok(Self(*half))
    }
}

/// A name without the differences that people and file systems may overlook: case, how accents are
/// composed, and characters that show nothing.
pub fn fold(name: &str) -> String {
    // Most names are ASCII, of which every character shows something and none is composed.
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    visible(name).nfd().default_case_fold().nfc().collect()
}

fn is_invisible(c: char) -> bool {
    // Most characters come before the first range.
    INVISIBLE.iter().take_while(|(first, _)| *first <= c).any(|(_, last)| c <= *last)
}

/// The characters of a name that show something.
fn visible(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !is_invisible(*c))
}

/// The length of a name where it is longest: as it is written or composed in bytes, or decomposed in units
/// of UTF-16. Composed it is no longer in units than in bytes.
fn length(name: &str) -> usize {
    if name.is_ascii() {
        return name.len();
    }
    let composed = name.nfc().map(char::len_utf8).sum();
    let decomposed = name.nfd().map(char::len_utf16).sum();
    name.len().max(composed).max(decomposed)
}

/// Is a name no longer than it may be? A short one is, however it is composed.
fn fits(name: &str) -> bool {
    name.len() * GROWTH <= LONGEST || length(name) <= LONGEST
}

/// Is this a character that no name has: one that means something in paths, or a control character?
fn is_forbidden(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*') || c.is_control()
}

/// Is it the name of a device on Windows, which drops blanks before an extension?
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is_one_of =
        |words: &[&str], text: &str| words.iter().any(|it| it.eq_ignore_ascii_case(text));
    let port = stem.split_at_checked(3).filter(|(word, _)| is_one_of(&PORTS, word));
    let mut number = port.map_or("", |(_, number)| number).chars();
    let digits = (number.next(), number.next());
    is_one_of(&DEVICES, stem)
        || matches!(digits, (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None))
}

/// Is it a name?
pub(crate) fn check(name: &str, flaws: Flaws) -> Result<(), BadName> {
    let shown = if name.is_ascii() {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(visible(name).nfd().collect())
    };
    let last = shown.chars().next_back();
    let dropped = last.filter(|c| [' ', '.'].contains(c) && !flaws.has(Flaw::Fb30));
    let forbidden = shown.chars().find(|c| is_forbidden(*c));
    match (&*shown, forbidden, dropped) {
        ("", _, _) => Err(BadName::Empty),
        ("." | "..", _, _) => Err(BadName::Dots),
        (_, Some(c), _) => Err(BadName::Character(c)),
        (_, None, Some(c)) => Err(BadName::Ending(c)),
        (_, None, None) if is_device(&shown) => Err(BadName::Device),
        (_, None, None) if !fits(name) => Err(BadName::TooLong(length(name))),
        (_, None, None) => Ok(()),
    }
}

/// A name that is close to a text that is none; the text itself if it is one.
pub fn instead(text: &str) -> Cow<'_, str> {
    if check(text, Flaws::NONE).is_ok() {
        return Cow::Borrowed(text);
    }
    let stored = |c: char| if is_forbidden(c) { '_' } else { c };
    let name: String = visible(text).nfd().map(stored).nfc().collect();
    let name = name.trim_end_matches([' ', '.']);
    let before = if name.is_empty() || is_device(name) { "_" } else { "" };
    // What was cut may end with a dot, or be the name of a device.
    Cow::Owned(instead(&marked(name, before, "")).into_owned())
}

/// The name of a virtual copy: a head of a file other than the first. It depends on the write that
/// made the head and on nothing else, so that all devices show the same.
pub fn of_copy(name: &str, write: Dot) -> String {
    marked(name, "", &format!(" ({:x}-{})", write.replica.0, write.n))
}

/// The name under which a file is shown. One that is no name was given by another build: its file is shown
/// under one that is, and that no other file has. All devices show the same.
pub(crate) fn shown(name: String, node: NodeId, flaws: Flaws) -> String {
    match check(&name, flaws) {
        Ok(()) => name,
        Err(_) => marked(&instead(&name), "", &format!(" ({:x})", node.0)),
    }
}

/// A name with something before it and a mark before its extension. Its stem is cut where it is too long.
fn marked(name: &str, before: &str, mark: &str) -> String {
    // What leaves no room for a stem is no extension.
    let has_room = |at: &usize| *at > 0 && mark.len() + length(&name[*at..]) < LONGEST;
    let at = name.rfind('.').filter(has_room).unwrap_or(name.len());
    let (stem, extension) = name.split_at(at);
    let mut stem = format!("{before}{stem}");
    loop {
        let whole = format!("{stem}{mark}{extension}");
        if fits(&whole) || stem.pop().is_none() {
            return whole;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_grows_by_more_than_is_said() {
        for c in '\0'..=char::MAX {
            let decomposed: usize = [c].into_iter().nfd().map(char::len_utf8).sum();
            assert!(decomposed <= GROWTH * c.len_utf8(), "{c:?}");
        }
    }

    #[test]
    fn a_file_of_another_build_is_shown_under_a_name_of_its_own() {
        let shown = |name: &str, node| shown(name.to_owned(), NodeId(node), Flaws::NONE);
        assert_eq!(shown("plan.txt", 0x2f), "plan.txt");
        assert_eq!(shown("plan.txt.", 0x2f), "plan (2f).txt");
        assert_eq!(shown("plan.txt ", 0x30), "plan (30).txt");
        assert_eq!(shown("a:b", 0x2f), "a_b (2f)");
        for name in ["", "aux", "aux.txt", "...", &"x:".repeat(200), &"ΐ".repeat(86)] {
            assert_eq!(check(&shown(name, u64::MAX), Flaws::NONE), Ok(()), "{name:?}");
        }
    }
}
