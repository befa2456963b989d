//! What a story says of the sync server: commits of its logs, objects of its volume, and answers about
//! accounts and sessions.

use engine::blob::Address;
use engine::id::{NodeId, UserId};
use engine::job::{Job, Stored};
use engine::log::{Doc, Entry as Commit, Key, Op};

use super::file;
use super::names::Names;
use super::words::{self, NOTHING_SHOWN, list};
use crate::history::Done;

/// A commit of a user's log.
pub(super) fn commit(names: &Names<'_>, space: UserId, entry: &Commit) -> String {
    let whose = names.user_name(space);
    // The tries of one request may share a commit, and say the same.
    let mut told: Vec<String> =
        entry.ops.iter().filter_map(|op| operation(names, op, entry.seq)).collect();
    told.dedup();
    let told = if told.is_empty() { NOTHING_SHOWN.to_owned() } else { told.join("; ") };
    format!("commits no. {} of {whose}: {told}", entry.seq)
}

/// What one request did. Fields as they were are left out: their new values say it.
fn operation(names: &Names<'_>, op: &Op, seq: u64) -> Option<String> {
    let mut told = Vec::new();
    for (key, doc) in &op.puts {
        match (key, doc) {
            (Key::Account(field), Some(Doc::Field(_, payload))) => {
                let value = words::value(&payload.value);
                let label = names.label(payload.token);
                told.push(format!("{} = {value} ({label})", field.name()));
            }
            (Key::Account(field), None) => told.push(format!("no {} any more", field.name())),
            (Key::Session(_), Some(Doc::Session(session))) => {
                let owner = names.client(session.client.replica);
                let fence = session.fence.0.seq;
                let verb = if fence == seq { "begins" } else { "goes on" };
                told.push(format!("session {fence} of {owner} {verb}"));
            }
            (Key::Session(_), None) => told.push("a session ends".to_owned()),
            (Key::Work(_), Some(Doc::Work(stored))) => told.extend(work(stored)),
            (Key::File(key), Some(Doc::File(doc))) => {
                told.extend(file::put(names, *key, Some(doc)));
            }
            (
                Key::Account(_)
                | Key::Session(_)
                | Key::Was(..)
                | Key::Receipt(_)
                | Key::Work(_)
                | Key::File(_),
                Some(
                    Doc::Session(_)
                    | Doc::Receipt(_)
                    | Doc::Field(..)
                    | Doc::Version(_)
                    | Doc::Work(_)
                    | Doc::File(_),
                )
                | None,
            ) => {}
        }
    }
    (!told.is_empty()).then(|| list(&told))
}

/// What was answered.
pub(super) fn done(names: &Names<'_>, done: &Done, subject: Option<&str>) -> String {
    match done {
        Done::Patched => format!("{} is committed", subject.unwrap_or("it")),
        Done::Account(fields) => {
            let shown: Vec<String> = fields
                .iter()
                .filter_map(|(field, versions)| {
                    let (token, value) = versions.last()?;
                    let label = names.label(*token);
                    Some(format!("{} = {} ({label})", field.name(), words::value(value)))
                })
                .collect();
            let shown = if shown.is_empty() { "nothing".to_owned() } else { list(&shown) };
            format!("sees the account: {shown}")
        }
        Done::Session(None) => "hears that there is no session".to_owned(),
        Done::Session(Some(true)) => "hears that the session is its own".to_owned(),
        Done::Session(Some(false)) => "hears that another has its session".to_owned(),
    }
}

/// What a node is called, as the keys of the keychain open it.
pub(super) fn named(node: NodeId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("node {:x} is named {name:?}", node.0),
        None => format!("node {:x} has a name that no key opens", node.0),
    }
}

/// What became of an object of the volume.
pub(super) fn object(key: &str, hash: Option<Address>) -> String {
    match hash {
        Some(hash) => format!("keeps {hash:?} as {key}"),
        None => format!("deletes {key}"),
    }
}

/// How far the work on a conversation is. The sum of its day follows from that.
fn work(stored: &Stored) -> Option<String> {
    let Stored::Item(item) = stored else { return None };
    let how = match item.job {
        Job::Pending { .. } => "waits".to_owned(),
        Job::Processing { tries, fence, .. } => {
            format!("is tried under {} (no. {tries})", fence.0.seq)
        }
        Job::Success { .. } => "is done".to_owned(),
        Job::Failed { tries, .. } => format!("has failed {tries} times"),
    };
    Some(format!("version {} of a conversation {how}", item.content.version))
}
