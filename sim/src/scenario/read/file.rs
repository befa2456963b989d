//! What a scenario says of files: the deeds of a step, whose paths may stand for many, and what the
//! mix does with them.

use super::table::{Item, Reader, Table};
use super::weights::weights_of;
use crate::plan::file::{Content, FileDeed, parted};
use crate::scenario::problem::Code;
use crate::scenario::shared::OF_A_PATH;
use crate::scenario::words::FILE_KEYS;
use crate::scenario::{Choice, FileMix, Unit, Verb};

/// No content is larger.
const MOST_BYTES: i64 = 16 << 20;

/// No range of a path stands for more.
const MOST_PATHS: u32 = 1_000;

/// How often the mix does what with files, where a file does not say.
const USUAL_WEIGHTS: &[(Verb, u32)] = &[
    (Verb::WriteFile, 30),
    (Verb::ReadFile, 4),
    (Verb::MakeFolder, 3),
    (Verb::MoveFiles, 7),
    (Verb::RenameFile, 7),
    (Verb::DeleteFile, 8),
    (Verb::UndeleteFile, 5),
    (Verb::RestoreVersion, 6),
    (Verb::ListFiles, 1),
    (Verb::ReadVersions, 2),
];

/// What a line about files says, once for each path where each is a deed of its own.
pub(super) fn deeds(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    verb: Verb,
) -> Option<Vec<FileDeed>> {
    if verb == Verb::ListFiles {
        return Some(vec![FileDeed::List]);
    }
    if verb == Verb::MoveFiles {
        let item = table.need(reader, "files", "[\"may.txt\", \"inbox/*\"]");
        let files = item.and_then(|item| paths(reader, item));
        let to = table.need(reader, "to", "\"plans\"").and_then(|item| reader.text(item));
        return Some(vec![FileDeed::Move(files?, to?.to_owned())]);
    }
    let paths =
        table.need(reader, "path", "\"plans/may.txt\"").and_then(|item| paths(reader, item));
    let deed = deed(reader, table, verb);
    Some(paths?.into_iter().map(deed?).collect())
}

type OfPath = Box<dyn Fn(String) -> FileDeed>;

/// What is done with each path.
fn deed(reader: &mut Reader<'_>, table: &mut Table<'_>, verb: Verb) -> Option<OfPath> {
    if let Some((_, make)) = OF_A_PATH.iter().find(|(of, _)| *of == verb) {
        return Some(Box::new(make));
    }
    if verb == Verb::RenameFile {
        let name = table.need(reader, "name", "\"june.txt\"");
        let name = name.and_then(|item| reader.text(item))?.to_owned();
        return Some(Box::new(move |path| FileDeed::Rename(path, name.clone())));
    }
    if verb == Verb::RestoreVersion {
        let version = table.need(reader, "version", "1");
        let version = version.and_then(|item| reader.number(item, 1, u64::from(u32::MAX)))?;
        let version = u32::try_from(version).expect("the reader limits it");
        return Some(Box::new(move |path| FileDeed::Restore(path, version)));
    }
    let text = match table.take("text") {
        Some(item) => Some(reader.text(item)?.to_owned()),
        None => None,
    };
    let size = match table.take("size") {
        Some(item) => size(reader, item)?,
        None => 0,
    };
    Some(Box::new(move |path| {
        // An author who does not care what they say can still tell the files apart.
        let text = text.clone().unwrap_or_else(|| path.clone());
        FileDeed::Write(path, Content { text, size })
    }))
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
fn paths(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Vec<String>> {
    let mut paths = Vec::new();
    let mut whole = true;
    for item in reader.one_or_many(item) {
        let Some(text) = reader.text(item) else {
            whole = false;
            continue;
        };
        match spread(text) {
            Some(spread) if parted(text).is_some() => paths.extend(spread),
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

/// `files = { every = "5s" }` of the mix.
pub(super) fn mix(reader: &mut Reader<'_>, item: Item<'_>) -> Option<FileMix> {
    let mut table = reader.table(item, "`files`")?;
    let every = table.need(reader, "every", "\"5s\"").and_then(|item| reader.span(item, 1));
    let names: Vec<&str> = Verb::of_files().map(Verb::name).collect();
    let of_name = |name: &str| Verb::of_files().find(|verb| verb.name() == name);
    let weights = match table.take("weights") {
        Some(item) => weights_of(reader, item, &names, of_name),
        None => USUAL_WEIGHTS.to_vec(),
    };
    let mut part = |reader: &mut Reader<'_>, key: &str, unit: Unit, high: i64, usual: &str| {
        let found = table.take(key).and_then(|item| reader.bounded(unit, item, 0, high));
        found.unwrap_or_else(|| Choice(vec![unit.parse(usual).expect("well written below")]))
    };
    let paths = part(reader, "paths", Unit::Count, 10_000, "2..6");
    let size = part(reader, "size", Unit::Size, 1 << 20, "1B..2KB");
    let bursts = part(reader, "bursts", Unit::Chance, 1_000_000, "40%");
    table.finish(reader, FILE_KEYS);
    Some(FileMix { every: every?, weights, paths, size, bursts })
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
