//! What is told of files: what was asked and answered, what a device keeps, and what commits of the
//! server do. Files are called as somebody was shown them, and as `file 1a2b` before that.

use std::collections::BTreeMap;

use engine::id::{Dot, NodeId, Token};
use engine::log::{FileDoc, FileKey, NodeKind};

use super::{Scene, count, list};
use crate::history::file::{FileAsked, FileDone, Goal, Head, Listed};
use crate::history::{Answered, Change, Fact};

/// What nodes are called, and which label a write has.
#[derive(Debug, Default)]
pub(super) struct Names {
    nodes: BTreeMap<NodeId, String>,
    labels: BTreeMap<Dot, Token>,
}

impl Names {
    /// Learns from a fact.
    pub(super) fn learn(&mut self, fact: &Fact) {
        if let Some((_, Answered::Files(files))) = fact.answered() {
            for file in files.iter().filter(|file| !file.sealed) {
                self.nodes.entry(file.node).or_insert_with(|| file.name.clone());
                self.learn_heads(&file.heads);
            }
        } else if let Some((_, Answered::File(FileDone::Versions(heads)))) = fact.answered() {
            self.learn_heads(heads);
        } else if let Fact::Persisted { changes, .. } = fact {
            for change in changes {
                if let Change::Upload(write, Some((token, _))) = change {
                    self.labels.insert(*write, *token);
                }
            }
        }
    }

    fn learn_heads(&mut self, heads: &[Head]) {
        let known = heads.iter().filter_map(|head| Some((head.write, head.token?)));
        self.labels.extend(known);
    }
}

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

impl Scene<'_> {
    fn node_name(&self, node: NodeId) -> String {
        match self.files.nodes.get(&node) {
            _ if node == NodeId::ROOT => "the root".to_owned(),
            Some(name) => format!("`{name}`"),
            None => format!("file {:04x}", node.0 >> 48),
        }
    }

    fn write_name(&self, write: Dot) -> String {
        self.files.labels.get(&write).map_or_else(|| "somebody's".to_owned(), |it| self.label(*it))
    }

    fn head(&self, head: &Head) -> String {
        let label = match head.token {
            Some(token) => self.label(token),
            None => format!("{}, sealed", self.write_name(head.write)),
        };
        match head.version {
            Some(version) => format!("version {version} ({label})"),
            None => format!("unsent ({label})"),
        }
    }

    fn heads(&self, heads: &[Head]) -> String {
        let heads: Vec<String> = heads.iter().map(|head| self.head(head)).collect();
        if heads.is_empty() { "nothing".to_owned() } else { list(&heads) }
    }

    pub(super) fn tell_file_ask(&self, ask: &FileAsked, path: &str, last: bool) -> String {
        let end = if last { " at the end" } else { "" };
        match ask {
            FileAsked::List => format!("lists all files{end}"),
            FileAsked::Write { goal, content, exposed } => {
                let what = match goal {
                    Goal::New(..) => "writes the new file".to_owned(),
                    Goal::Version(_) => format!("writes, over {},", self.heads(exposed)),
                };
                format!("{what} {path}, {} bytes   ({})", content.size, self.label(content.token))
            }
            FileAsked::Read(_) => format!("reads {path}{end}"),
            FileAsked::Versions(_) => format!("lists the versions of {path}{end}"),
            FileAsked::MakeFolder(_, name) => format!("makes the folder {path} (`{name}`)"),
            FileAsked::Move(moves) => match moves.as_slice() {
                [(_, None, Some(name))] => format!("renames {path} to `{name}`"),
                [(_, Some(folder), None)] => {
                    format!("moves {path} to {}", self.node_name(*folder))
                }
                _ => format!("moves {} at once, {path} first", count(moves.len(), "file")),
            },
            FileAsked::Delete { exposed, .. } if exposed.is_empty() => format!("deletes {path}"),
            FileAsked::Delete { exposed, .. } => {
                format!("deletes {path}, having seen {}", self.heads(exposed))
            }
            FileAsked::Undelete(_) => format!("undeletes {path}"),
            FileAsked::Restore { version, token, .. } => {
                format!("restores version {version} of {path}   ({})", self.label(*token))
            }
            FileAsked::Job(_) => format!("asks how far a long batch is{end}"),
        }
    }

    pub(super) fn tell_files(&self, files: &[Listed]) -> String {
        let live = files.iter().filter(|file| !file.deleted);
        let told: Vec<String> = live
            .map(|file| {
                let name = if file.sealed { "a sealed name" } else { &file.name };
                if file.is_folder {
                    return format!("{name}/");
                }
                let conflict: Vec<String> =
                    file.copies.iter().map(|copy| format!(", also {copy}")).collect();
                format!("{name} = {}{}", self.heads(&file.heads), conflict.concat())
            })
            .collect();
        if told.is_empty() { "sees no files".to_owned() } else { format!("sees {}", list(&told)) }
    }

    pub(super) fn tell_file_done(&self, done: &FileDone) -> String {
        match done {
            FileDone::Done => "it is done".to_owned(),
            FileDone::Created(node) => format!("the folder is there: {}", self.node_name(*node)),
            FileDone::Moved => "all of it is moved".to_owned(),
            FileDone::Accepted(job) => format!("it will be moved in parts: job {}", job.n),
            FileDone::Published(version) => format!("it is version {version}"),
            FileDone::Content(heads) => {
                let told: Vec<String> = heads
                    .iter()
                    .map(|(head, print)| {
                        let what = print.map_or("unreadable".to_owned(), |it| {
                            format!("{} bytes of {}", it.size, self.label(it.token))
                        });
                        format!("{} = {what}", self.head(head))
                    })
                    .collect();
                format!("sees {}", list(&told))
            }
            FileDone::Versions(heads) => format!("sees {}", self.heads(heads)),
            FileDone::Job(items, total) => {
                let failed = items.iter().filter(|item| item.is_err()).count();
                format!("{} of {total} are dealt with, {failed} of them refused", items.len())
            }
        }
    }

    /// What a change of a device's store says of files.
    pub(super) fn tell_file_change(&self, change: &Change) -> Option<String> {
        Some(match change {
            Change::Node(node, None) => format!("{} is forgotten", self.node_name(*node)),
            Change::Node(node, Some(state)) => {
                let name = self.node_name(*node);
                let deleted = if state.deleted { ", deleted" } else { "" };
                let heads: Vec<String> = state
                    .heads
                    .iter()
                    .map(|(version, write)| format!("{version} ({})", self.write_name(*write)))
                    .collect();
                let heads = if heads.is_empty() {
                    String::new()
                } else {
                    format!(" = version {}", list(&heads))
                };
                format!("{name} in {}{heads}{deleted}", self.node_name(state.parent))
            }
            Change::Upload(_, Some((token, node))) => {
                format!("{} of {} is to be sent", self.label(*token), self.node_name(*node))
            }
            Change::Upload(write, None) => format!("{} is done with", self.write_name(*write)),
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

    /// What a commit of the server does to files.
    pub(super) fn tell_file_put(&self, key: FileKey, doc: Option<&FileDoc>) -> Option<String> {
        Some(match (key, doc) {
            (FileKey::Node(node), Some(FileDoc::Node(state))) => {
                let name = self.node_name(node);
                let place = self.node_name(state.place.parent);
                let deleted = if state.deleted { ", deleted" } else { "" };
                match &state.kind {
                    NodeKind::Folder => format!("folder {name} in {place}{deleted}"),
                    NodeKind::File { heads, .. } => {
                        let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
                        format!("{name} in {place} = version {}{deleted}", list(&heads))
                    }
                }
            }
            (FileKey::Version(node, n), Some(FileDoc::Version(version))) => {
                let name = self.node_name(node);
                format!("version {n} of {name} is {}", self.write_name(version.write))
            }
            (FileKey::Upload(blob), Some(FileDoc::Upload(upload))) => {
                let write = self.write_name(upload.intent.write);
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
}
