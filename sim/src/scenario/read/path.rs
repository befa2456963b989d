//! Paths of files, of which one may stand for many, and contents.

use super::table::{Item, Reader, Table};
use crate::plan::file::{Content, split_path};
use crate::scenario::Unit;
use crate::scenario::problem::Code;

/// No content is larger.
const MOST_BYTES: i64 = 16 << 20;

/// No range of a path stands for more.
const MOST_PATHS: u32 = 1_000;

/// What is written to each of these paths.
pub(super) fn contents(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    paths: &[String],
) -> Option<Vec<Content>> {
    let text = match table.take("text") {
        Some(item) => Some(reader.text(item)?),
        None => None,
    };
    let size = match table.take("size") {
        Some(item) => size(reader, item)?,
        None => 0,
    };
    // An author who does not care what they say can still tell the files apart.
    let content = |path: &String| Content { text: text.unwrap_or(path).to_owned(), size };
    Some(paths.iter().map(content).collect())
}

fn size(reader: &mut Reader<'_>, item: Item<'_>) -> Option<u32> {
    let size = reader.exact(Unit::Size, item)?;
    if !(0..=MOST_BYTES).contains(&size) {
        reader.out_of_bounds(item.span(), "0B and 16MB");
        return None;
    }
    u32::try_from(size).ok()
}

/// One or more paths; `photo-{1..3}.jpg` stands for three.
pub(super) fn paths(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Vec<String>> {
    let mut paths = Vec::new();
    let mut whole = true;
    for item in reader.one_or_many(item) {
        let Some(text) = reader.text(item) else {
            whole = false;
            continue;
        };
        match spread(text) {
            Some(spread) if split_path(text).is_some() => paths.extend(spread),
            Some(_) => {
                whole = false;
                let message = "this path has no name in it";
                let help = "write names with `/` between them, as \"plans/may.txt\"";
                reader.tell(Code::Missing, item.span(), message, "no file or folder", help);
            }
            None => {
                whole = false;
                let message = "this path stands for no files, or for too many";
                let help = "write a range from the smaller number up, of at most 1000";
                reader.tell(Code::OutOfBounds, item.span(), message, "a range of names", help);
            }
        }
    }
    if whole && paths.is_empty() {
        let help = "write a path";
        reader.tell(Code::Missing, item.span(), "no file is named", "an empty list", help);
        return None;
    }
    whole.then_some(paths)
}

/// The paths that a path stands for; none if its range makes no sense.
fn spread(text: &str) -> Option<Vec<String>> {
    let range = text.split_once('{').and_then(|(before, rest)| {
        let (range, after) = rest.split_once('}')?;
        let (low, high) = range.split_once("..")?;
        Some((before, low.trim().parse::<u32>().ok()?, high.trim().parse::<u32>().ok()?, after))
    });
    let Some((before, low, high, after)) = range else { return Some(vec![text.to_owned()]) };
    let sane = low <= high && high - low < MOST_PATHS;
    sane.then(|| (low..=high).map(|n| format!("{before}{n}{after}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_in_a_path_stands_for_each_of_its_numbers() {
        assert_eq!(spread("a/{1..3}.txt").unwrap(), ["a/1.txt", "a/2.txt", "a/3.txt"]);
        assert_eq!(spread("a/{b}.txt").unwrap(), ["a/{b}.txt"]);
        assert_eq!((spread("{3..1}"), spread("{1..9999}")), (None, None));
    }
}
