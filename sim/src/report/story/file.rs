//! What a story says of files: what was asked and answered, what a device keeps, and what commits of the
//! server do.

use engine::log::{FileDoc, FileKey, NodeKind};

use super::names::Names;
use super::words::{count, list};
use crate::history::Change;
use crate::history::file::{FileAsked, FileDone, Goal, Listed};
use crate::plan::{FileOperation, UserOperation};

/// Is this answer worth a line in a story of everything?
pub(super) fn is_news(done: &FileDone) -> bool {
    match done {
        FileDone::Done
        | FileDone::Created(_)
        | FileDone::Moved
        | FileDone::Accepted(_)
        | FileDone::Published(_) => true,
        FileDone::Content(_) | FileDone::Versions(_) | FileDone::Job(..) => false,
    }
}

/// What was asked.
pub(super) fn asked(names: &Names<'_>, ask: &FileAsked, path: &str, last: bool) -> String {
    let end = if last { " at the end" } else { "" };
    let operation = |operation: FileOperation| names.operation(UserOperation::File(operation));
    let of_path = |make: fn(String) -> FileOperation| operation(make(path.to_owned()));
    match ask {
        FileAsked::List => format!("{}{end}", operation(FileOperation::List)),
        FileAsked::Write { goal, content, exposed } => {
            let what = match goal {
                Goal::New(..) => "writes the new file".to_owned(),
                Goal::Version(_) => format!("writes, over {},", names.heads(exposed)),
            };
            format!("{what} {path}, {} bytes   ({})", content.size, names.label(content.token))
        }
        FileAsked::Read(_) => format!("{}{end}", of_path(FileOperation::Read)),
        FileAsked::Versions(_) => format!("{}{end}", of_path(FileOperation::Versions)),
        FileAsked::MakeFolder(_, name) => {
            format!("{} (`{name}`)", of_path(FileOperation::MakeFolder))
        }
        FileAsked::Move(moves) => match moves.as_slice() {
            [(_, None, Some(name))] => {
                operation(FileOperation::Rename(path.to_owned(), name.clone()))
            }
            [(_, Some(folder), None)] => {
                format!("moves {path} to {}", names.node(*folder))
            }
            _ => format!("moves {} at once, {path} first", count(moves.len(), "file")),
        },
        FileAsked::Delete { exposed, .. } => {
            let deletes = of_path(FileOperation::Delete);
            if exposed.is_empty() {
                return deletes;
            }
            format!("{deletes}, having seen {}", names.heads(exposed))
        }
        FileAsked::Undelete(_) => of_path(FileOperation::Undelete),
        FileAsked::Restore { version, token, .. } => {
            let restores = operation(FileOperation::Restore(path.to_owned(), *version));
            format!("{restores}   ({})", names.label(*token))
        }
        FileAsked::Job(_) => format!("asks how far a long batch is{end}"),
    }
}

/// A list of files.
pub(super) fn listed(names: &Names<'_>, files: &[Listed]) -> String {
    let live = files.iter().filter(|file| !file.deleted);
    let told: Vec<String> = live
        .map(|file| {
            let name = if file.sealed { "a sealed name" } else { &file.name };
            if file.is_folder {
                return format!("{name}/");
            }
            let conflict: Vec<String> =
                file.copies.iter().map(|copy| format!(", also {copy}")).collect();
            format!("{name} = {}{}", names.heads(&file.heads), conflict.concat())
        })
        .collect();
    if told.is_empty() { "sees no files".to_owned() } else { format!("sees {}", list(&told)) }
}

/// What was answered.
pub(super) fn done(names: &Names<'_>, done: &FileDone) -> String {
    match done {
        FileDone::Done => "it is done".to_owned(),
        FileDone::Created(node) => format!("the folder is there: {}", names.node(*node)),
        FileDone::Moved => "all of it is moved".to_owned(),
        FileDone::Accepted(job) => format!("it will be moved in parts: job {}", job.n),
        FileDone::Published(version) => format!("it is version {version}"),
        FileDone::Content(heads) => {
            let told: Vec<String> = heads
                .iter()
                .map(|(head, print)| {
                    let what = print.map_or("unreadable".to_owned(), |it| {
                        format!("{} bytes of {}", it.size, names.label(it.token))
                    });
                    format!("{} = {what}", names.head(head))
                })
                .collect();
            format!("sees {}", list(&told))
        }
        FileDone::Versions(heads) => format!("sees {}", names.heads(heads)),
        FileDone::Job(items, total) => {
            let failed = items.iter().filter(|item| item.is_err()).count();
            format!("{} of {total} are dealt with, {failed} of them refused", items.len())
        }
    }
}

/// What a change of a device's store says of files.
pub(super) fn change(names: &Names<'_>, change: &Change) -> Option<String> {
    Some(match change {
        Change::Node(node, None) => format!("{} is forgotten", names.node(*node)),
        Change::Node(node, Some(state)) => {
            let name = names.node(*node);
            let deleted = if state.deleted { ", deleted" } else { "" };
            let heads: Vec<String> = state
                .heads
                .iter()
                .map(|(version, write)| format!("{version} ({})", names.upload(*write)))
                .collect();
            format!("{name} in {}{}{deleted}", names.node(state.parent), versions(&heads))
        }
        Change::Upload(_, Some((token, node))) => {
            format!("{} of {} is to be sent", names.label(*token), names.node(*node))
        }
        Change::Upload(write, None) => format!("{} is done with", names.upload(*write)),
        Change::Feed(Some(cursor)) => format!("the feed is read up to {}", cursor.upto.0),
        Change::Feed(None) => "the feed is read from the start".to_owned(),
        Change::Record(..)
        | Change::Mirror(..)
        | Change::Sealed(..)
        | Change::Parked(..)
        | Change::Cursor(..)
        | Change::Key(_)
        | Change::Meta => return None,
    })
}

/// What a file holds; nothing, before its first version.
fn versions(heads: &[String]) -> String {
    if heads.is_empty() { String::new() } else { format!(" = version {}", list(heads)) }
}

/// What a commit of the server does to files.
pub(super) fn put(names: &Names<'_>, key: FileKey, doc: Option<&FileDoc>) -> Option<String> {
    Some(match (key, doc) {
        (FileKey::Node(node), Some(FileDoc::Node(state))) => {
            let name = names.node(node);
            let place = names.node(state.place.parent);
            let deleted = if state.deleted { ", deleted" } else { "" };
            match &state.kind {
                NodeKind::Folder => format!("folder {name} in {place}{deleted}"),
                NodeKind::File { heads, .. } => {
                    let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
                    format!("{name} in {place}{}{deleted}", versions(&heads))
                }
            }
        }
        (FileKey::Version(node, n), Some(FileDoc::Version(version))) => {
            let name = names.node(node);
            format!("version {n} of {name} is {}", names.upload(version.write))
        }
        (FileKey::Upload(blob), Some(FileDoc::Upload(upload))) => {
            let write = names.upload(upload.intent.write);
            format!("upload {blob:?} of {write} is registered")
        }
        (FileKey::Doomed(blob, _), Some(_)) => format!("blob {blob:?} is to be swept"),
        (FileKey::Job(job), Some(FileDoc::Job(state))) => {
            format!("job {} is at {} of {}", job.n, state.done, state.total)
        }
        (
            FileKey::Node(_)
            | FileKey::Named(..)
            | FileKey::Changed(..)
            | FileKey::Version(..)
            | FileKey::Upload(_)
            | FileKey::Blob(_)
            | FileKey::Doomed(..)
            | FileKey::Job(_)
            | FileKey::Item(..)
            | FileKey::Unfinished(_),
            _,
        ) => return None,
    })
}
