//! Lines that fit: long ones are folded between words, below where their text began.
//!
//! What is folded may hold colours, which take no room. A line with a command to copy is never
//! folded: half a command is worse than a long line.

/// What stands before a command that is there to be copied.
const COMMAND: &str = "seawall ";

/// Folds the lines that are wider than this.
pub(super) fn fold(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if shown(line) <= width || line.contains(COMMAND) {
            out.push_str(line);
        } else {
            fold_line(&mut out, line, width);
        }
        out.push('\n');
    }
    out
}

fn fold_line(out: &mut String, line: &str, width: usize) {
    let hang = hang(line, width);
    let mut column = 0;
    for piece in line.split_inclusive(' ') {
        let wide = shown(piece.trim_end());
        if column > hang && column + wide > width {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', hang));
            column = hang;
            if piece.trim().is_empty() {
                continue;
            }
        }
        out.push_str(piece);
        column += shown(piece);
    }
}

/// Where the text of a line begins: after its last gap, if that is not too far right.
fn hang(line: &str, width: usize) -> usize {
    let (mut column, mut spaces, mut hang) = (0, 0, 0);
    for c in plain(line) {
        if column * 5 > width * 2 {
            break;
        }
        if c == ' ' {
            spaces += 1;
        } else {
            if spaces > 1 || (spaces == column && column > 0) {
                hang = column;
            }
            spaces = 0;
        }
        column += 1;
    }
    hang
}

/// How wide a text is without its colours.
fn shown(text: &str) -> usize {
    plain(text).count()
}

/// The characters of a text that are not part of a colour.
fn plain(text: &str) -> impl Iterator<Item = char> + '_ {
    let mut in_color = false;
    text.chars().filter(move |&c| {
        let was = in_color;
        in_color = c == '\x1b' || (in_color && c != 'm');
        !was && c != '\x1b'
    })
}

/// The words of a cell in lines of this width; a word that is wider is cut.
pub(super) fn words(cell: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in cell.split(' ') {
        let wide = word.chars().count();
        let space = usize::from(room < width);
        if wide + space > room && room < width {
            lines.push(String::new());
            room = width;
        }
        let line = lines.last_mut().expect("there is always a line");
        if room < width {
            line.push(' ');
            room -= 1;
        }
        line.push_str(word);
        room = room.saturating_sub(wide.max(1));
    }
    lines
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
        let line = "  again:   seawall replay everyday --seed 7 --flaw DEEP-SYNC-003";
        assert_eq!(fold(line, 40), format!("{line}\n"));
    }

    #[test]
    fn colours_take_no_room() {
        assert_eq!(shown("\x1b[1mbold\x1b[0m word"), 9);
        let line = "\x1b[1mfour\x1b[0m four";
        assert_eq!(fold(line, 9), format!("{line}\n"));
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
