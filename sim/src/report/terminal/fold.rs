//! Lines that fit: long ones are folded between words, below where their text began.
//!
//! Widths are those of a terminal: colours take no room, and some characters take two columns. A line
//! with a command to copy is never folded: half a command is worse than a long line.

use anstream::adapter::strip_str;
use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// What stands before a command that is there to be copied.
const COMMAND: &str = "seawall ";

/// Folds the lines that are wider than this.
pub(super) fn fold(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if display_width(line) <= width || line.contains(COMMAND) {
            out.push_str(line);
        } else {
            let indent = " ".repeat(hang(line, width));
            out.push_str(&textwrap::fill(line, between_words(width).subsequent_indent(&indent)));
        }
        out.push('\n');
    }
    out
}

/// Lines are broken at spaces; a word that is too wide is left whole.
fn between_words<'a>(width: usize) -> Options<'a> {
    Options::new(width)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .break_words(false)
}

/// Where the text of a line begins: after its last gap, if that is not too far right.
fn hang(line: &str, width: usize) -> usize {
    let plain = strip_str(line).to_string();
    let (mut column, mut hang) = (0, 0);
    for words in plain.split_inclusive("  ") {
        // What follows is text only if it is not more of the gap.
        let text = words.trim_start_matches(' ');
        let begins = column + words.len() - text.len();
        if begins * 5 > width * 2 {
            break;
        }
        if !text.is_empty() {
            hang = begins;
        }
        column += display_width(words);
    }
    hang
}

/// The words of a cell in lines of this width; a word that is wider is left whole.
pub(super) fn words(cell: &str, width: usize) -> Vec<String> {
    textwrap::wrap(cell, between_words(width)).into_iter().map(Into::into).collect()
}

/// A text with spaces after it, so that it takes this width.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(display_width(text))))
}

/// Takes from the widest columns until all fit. None becomes narrower than its least.
pub(super) fn narrow(widths: &mut [usize], least: &[usize], all: usize) {
    while widths.iter().sum::<usize>() > all {
        let columns = widths.iter_mut().zip(least).filter(|(width, least)| **width > **least);
        let Some((widest, _)) = columns.max_by_key(|(width, _)| **width) else {
            return;
        };
        *widest -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_text() {
        let line = "1.0s  phone  edits meal/1 and more and more of it";
        assert_eq!(
            fold(line, 40),
            "1.0s  phone  edits meal/1 and more and\n             more of it\n"
        );
        assert_eq!(fold("short", 40), "short\n");
    }

    #[test]
    fn a_command_stays_in_one_line() {
        let line = "  reproduce: seawall replay everyday --seed 7 --flaw DEEP-SYNC-003";
        assert_eq!(fold(line, 40), format!("{line}\n"));
    }

    #[test]
    fn colours_take_no_room() {
        let line = "\x1b[1mfour\x1b[0m four";
        assert_eq!(fold(line, 9), format!("{line}\n"));
    }

    #[test]
    fn a_wide_character_takes_two_columns() {
        assert_eq!(fold("ああ ああ", 9), "ああ ああ\n");
        assert_eq!(fold("ああ ああ", 8), "ああ\nああ\n");
        assert_eq!(words("昼食 夕食 x", 9), ["昼食 夕食", "x"]);
        assert_eq!(pad("昼食", 5), "昼食 ");
        assert_eq!(pad("\x1b[1mbold\x1b[0m", 5), "\x1b[1mbold\x1b[0m ");
    }

    #[test]
    fn text_hangs_below_where_it_began() {
        assert_eq!(hang("no gap at all", 40), 0);
        assert_eq!(hang("   begins further right", 40), 3);
        assert_eq!(hang("1.0s  昼食  is edited", 40), 12);
        assert_eq!(hang("far  too far to the right, all of it     is this gap", 40), 5);
    }

    #[test]
    fn columns_give_way_from_the_widest() {
        let mut widths = [6, 40, 30];
        narrow(&mut widths, &[6, 10, 28], 60);
        assert_eq!(widths, [6, 26, 28]);
        narrow(&mut widths, &[6, 10, 28], 10);
        assert_eq!(widths, [6, 10, 28]);
    }

    #[test]
    fn cells_are_folded_between_words() {
        assert_eq!(
            words("violates no-lost-writes at seed 0", 24),
            ["violates no-lost-writes", "at seed 0"]
        );
        assert_eq!(words("", 5), [""]);
        assert_eq!(words("no-lost-writes", 5), ["no-lost-writes"]);
    }
}
