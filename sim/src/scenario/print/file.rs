//! What is done with files, as a line of a script.

use harness::quantity::Unit;

use super::{list, quote};
use crate::plan::FileDeed;
use crate::scenario::Verb;

/// The verb of a deed, and its keys.
pub(super) fn spell(deed: &FileDeed) -> (Verb, Vec<(&'static str, String)>) {
    let at = |path: &str| vec![("path", quote(path))];
    match deed {
        FileDeed::Write(path, content) => {
            let mut keys = at(path);
            keys.push(("text", quote(&content.text)));
            if content.size > 0 {
                keys.push(("size", quote(&Unit::Size.show(i64::from(content.size)))));
            }
            (Verb::WriteFile, keys)
        }
        FileDeed::Read(path) => (Verb::ReadFile, at(path)),
        FileDeed::MakeFolder(path) => (Verb::MakeFolder, at(path)),
        FileDeed::Move(paths, to) => {
            let files = list(paths.iter().map(|path| quote(path)));
            (Verb::MoveFiles, vec![("files", files), ("to", quote(to))])
        }
        FileDeed::Rename(path, name) => {
            (Verb::RenameFile, [at(path), vec![("name", quote(name))]].concat())
        }
        FileDeed::Delete(path) => (Verb::DeleteFile, at(path)),
        FileDeed::Undelete(path) => (Verb::UndeleteFile, at(path)),
        FileDeed::Restore(path, version) => {
            (Verb::RestoreVersion, [at(path), vec![("version", version.to_string())]].concat())
        }
        FileDeed::List => (Verb::ListFiles, Vec::new()),
        FileDeed::Versions(path) => (Verb::ReadVersions, at(path)),
    }
}
