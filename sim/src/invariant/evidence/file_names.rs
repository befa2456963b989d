//! Names of files as people and file systems may read them, by a table of our own: which texts are names, and
//! which of them are one.
//!
//! A text is a name if ext4, APFS and NTFS can all store it. Two names are one if any of them, or HFS+, or ext4
//! with `casefold`, takes one for the other. Letters are compared by their capitals, which has the same result as
//! folding them, but for two letters that have a capital of another one.
//!
//! Sources: Microsoft, "Naming Files, Paths, and Namespaces"; Apple, TN1150; The Unicode Standard, 4.2 and 5.21.

use unicode_normalization::UnicodeNormalization;

/// The greatest length of a name on common file systems, in their units.
const LONGEST: usize = 255;

/// What the part of a name before its first dot must not be, without a look at case: Windows opens a device.
const DEVICES: &[&str] = &[
    "aux", "con", "conin$", "conout$", "nul", "prn", "com0", "com1", "com2", "com3", "com4",
    "com5", "com6", "com7", "com8", "com9", "com¹", "com²", "com³", "lpt0", "lpt1", "lpt2", "lpt3",
    "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "lpt¹", "lpt²", "lpt³",
];

/// A name as people and file systems may read it: two names that fold to one are one.
pub(crate) fn fold(name: &str) -> String {
    let name: String = name.chars().filter(|c| !shows_nothing(*c)).collect();
    // Windows drops them.
    let name = name.trim_end_matches(['.', ' ']);
    if name.is_ascii() {
        return name.to_ascii_uppercase(); // Of these the tables say no more.
    }
    name.nfd().flat_map(capitals).nfd().collect()
}

/// The capitals of a letter.
fn capitals(letter: char) -> Vec<char> {
    match letter {
        // Its capital is that of `i`, and no file system takes it for one.
        'ı' => vec!['ı'],
        // Capitals of their own, of letters that have others.
        'ẞ' => vec!['S', 'S'],
        'ϴ' => vec!['Θ'],
        _ => letter.to_uppercase().collect(),
    }
}

/// Is a character ignored by a system that ignores those that show nothing?
fn shows_nothing(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x3164 | 0xfeff | 0xffa0
        | 0x180b..=0x180f
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x206f
        | 0xfe00..=0xfe0f
        | 0xfff0..=0xfff8
        | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff)
}

/// Why no file can have this name everywhere, if so.
pub(crate) fn unfit(name: &str) -> Option<&'static str> {
    let shown: String = match name.is_ascii() {
        true => name.to_owned(),
        false => name.chars().filter(|c| !shows_nothing(*c)).nfd().collect(),
    };
    let device =
        shown.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_lowercase();
    let too_long = name.len() > LONGEST
        || !name.is_ascii()
            && (name.nfc().map(char::len_utf8).sum::<usize>() > LONGEST
                || name.nfd().map(char::len_utf16).sum::<usize>() > LONGEST);
    if shown.is_empty() {
        Some("shows nothing")
    } else if shown.chars().all(|c| c == '.') && shown.len() < 3 {
        Some("is a folder of every file system")
    } else if shown.contains(['/', '\\', '<', '>', ':', '"', '|', '?', '*']) {
        Some("has a character of paths")
    } else if shown.contains(char::is_control) {
        Some("has a control character")
    } else if shown.ends_with(['.', ' ']) {
        Some("ends with a dot or a blank, which Windows drops")
    } else if DEVICES.contains(&device.as_str()) {
        Some("is that of a device of Windows")
    } else if too_long {
        Some("is longer than 255 bytes or units of UTF-16")
    } else {
        None
    }
}

/// A name as it is composed.
pub(crate) fn composed(name: &str) -> String {
    if name.is_ascii() { name.to_owned() } else { name.nfc().collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use caseless::Caseless;

    use super::*;

    #[test]
    fn a_name_fits_on_every_file_system() {
        for (name, fits) in [
            ("draft.txt", true),
            (".profile", true),
            ("a.b.c", true),
            (" draft", true),
            ("auxiliary.txt", true),
            ("com10", true),
            ("com", true),
            ("", false),
            ("\u{200d}", false),
            (".", false),
            ("..", false),
            ("...", false),
            ("draft.", false),
            ("draft ", false),
            ("draft. .", false),
            ("draft.\u{200b}", false),
            ("a/b", false),
            ("a\\b", false),
            ("a:b", false),
            ("a?", false),
            ("a\nb", false),
            ("a\u{7f}", false),
            ("aux", false),
            ("Aux.tar.gz", false),
            ("NUL .txt", false),
            ("com¹.txt", false),
            ("LPT9", false),
            ("conin$", false),
        ] {
            assert_eq!(unfit(name).is_none(), fits, "{name:?}: {:?}", unfit(name));
        }
        assert_eq!(unfit(&"m".repeat(255)), None);
        assert!(unfit(&"m".repeat(256)).is_some());
        // 170 bytes, and 255 units where it is decomposed.
        assert_eq!(unfit(&"ΐ".repeat(85)), None);
        assert!(unfit(&"ΐ".repeat(86)).is_some());
    }

    /// Capitals and Unicode's folding were written down apart from each other. That they agree is no proof, and
    /// that they differ would be a fault of one.
    #[test]
    fn capitals_tell_apart_what_folding_tells_apart() {
        let mut ours: BTreeMap<String, Vec<char>> = BTreeMap::new();
        let mut theirs: BTreeMap<String, Vec<char>> = BTreeMap::new();
        let all = '\0'..=char::MAX;
        for c in all.filter(|c| !matches!(c, '.' | ' ') && !shows_nothing(*c)) {
            let folded: String = [c].into_iter().nfd().default_case_fold().nfc().collect();
            ours.entry(fold(&c.to_string())).or_default().push(c);
            theirs.entry(folded).or_default().push(c);
        }
        let theirs: BTreeSet<Vec<char>> = theirs.into_values().collect();
        // Letters of Unicode 17, of which only one of the tables knows.
        let newer = |c: &char| matches!(c, '\u{a7ce}'..='\u{a7d5}' | '\u{16ea0}'..='\u{16ed3}');
        let odd = ours.into_values().filter(|class| !theirs.contains(class));
        let odd: Vec<_> = odd.filter(|class| !class.iter().all(newer)).collect();
        assert!(odd.is_empty(), "{odd:?}");
    }
}
