//! Names of files as people and file systems may read them.
//!
//! Source: The Unicode Standard, 3.13, D145 (canonical caseless matching).

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// A name as people and file systems may read it.
pub(crate) fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase(); // Of these the tables say no more.
    }
    name.nfd().default_case_fold().nfd().collect()
}

/// A name as it is composed.
pub(crate) fn composed(name: &str) -> String {
    if name.is_ascii() { name.to_owned() } else { name.nfc().collect() }
}
