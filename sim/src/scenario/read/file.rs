//! What the mix does with files.

use super::table::{Item, Reader};
use super::weights::weights_of;
use crate::plan::Operation;
use crate::scenario::words::FILE_KEYS;
use crate::scenario::{Choice, FileMix, Unit};

/// How often the mix does what with files, where a file does not say.
const USUAL_WEIGHTS: &[(Operation, u32)] = &[
    (Operation::WriteFile, 30),
    (Operation::ReadFile, 4),
    (Operation::MakeFolder, 3),
    (Operation::MoveFiles, 7),
    (Operation::RenameFile, 7),
    (Operation::DeleteFile, 8),
    (Operation::UndeleteFile, 5),
    (Operation::RestoreVersion, 6),
    (Operation::ListFiles, 1),
    (Operation::ReadVersions, 2),
];

/// `files = { every = "5s" }` of the mix.
pub(super) fn mix(reader: &mut Reader<'_>, item: Item<'_>) -> Option<FileMix> {
    let mut table = reader.table(item, "`files`")?;
    let every = table.need(reader, "every", "\"5s\"").and_then(|item| reader.span(item, 1));
    let names: Vec<&str> = Operation::of_files().map(Operation::word).collect();
    let of_name = |name: &str| Operation::of_files().find(|it| it.word() == name);
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
