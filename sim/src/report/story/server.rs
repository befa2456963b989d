//! What is told of the sync server: errands, commits of its logs, and what became of
//! a write of an account.

use engine::blob::Address;
use engine::id::{AccountField, NodeId, Token, UserId};
use engine::job::{Job, Stored};
use engine::log::{Doc, Entry as Commit, Key, Op};

use super::{Scene, words};
use crate::history::{Answered, Asked, Done, Entry, Fact};
use crate::plan::{Errand, Node};
use words::{account, list};

impl Scene<'_> {
    pub(super) fn tell_commit(&self, space: UserId, commit: &Commit) -> String {
        let whose = self.user_name(space);
        // The tries of one request may share a commit, and say the same.
        let mut told: Vec<String> =
            commit.ops.iter().filter_map(|op| self.tell_op(op, commit.seq)).collect();
        told.dedup();
        let told = if told.is_empty() { "bookkeeping".to_owned() } else { told.join("; ") };
        format!("commits no. {} of {whose}: {told}", commit.seq)
    }

    /// What one request did. Fields as they were are left out: their new values say it.
    fn tell_op(&self, op: &Op, seq: u64) -> Option<String> {
        let mut told = Vec::new();
        for (key, doc) in &op.puts {
            match (key, doc) {
                (Key::Account(field), Some(Doc::Field(_, payload))) => {
                    let value = words::value(&payload.value);
                    let label = self.label(payload.token);
                    told.push(format!("{} = {value} ({label})", field.name()));
                }
                (Key::Account(field), None) => told.push(format!("no {} any more", field.name())),
                (Key::Session(_), Some(Doc::Session(session))) => {
                    let owner = self.clients.get(&session.client.replica);
                    let owner = owner.map_or("somebody", |node| self.plan.name(*node));
                    let fence = session.fence.0.seq;
                    let verb = if fence == seq { "begins" } else { "goes on" };
                    told.push(format!("session {fence} of {owner} {verb}"));
                }
                (Key::Session(_), None) => told.push("a session ends".to_owned()),
                (Key::Work(_), Some(Doc::Work(stored))) => told.extend(work(stored)),
                (Key::File(key), Some(Doc::File(doc))) => {
                    told.extend(self.tell_file_put(*key, Some(doc)));
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

    fn user_name(&self, user: UserId) -> &str {
        self.plan.users.get(usize::from(user.0)).map_or("somebody", String::as_str)
    }

    pub(super) fn tell_errand(&self, errand: &Errand, token: Option<Token>, last: bool) -> String {
        let end = if last { " at the end" } else { "" };
        match errand {
            Errand::Patch(set) => {
                let label = token.map_or(String::new(), |token| self.label(token));
                format!("sets {} of the account   ({label})", account(set))
            }
            Errand::ReadAccount => format!("reads the account{end}"),
            Errand::SessionStatus => "asks whose the session is".to_owned(),
        }
    }

    pub(super) fn tell_done(&self, done: &Done, subject: Option<&str>) -> String {
        match done {
            Done::Patched => format!("{} is committed", subject.unwrap_or("it")),
            Done::Account(fields) => {
                let shown: Vec<String> = fields
                    .iter()
                    .filter_map(|(field, versions)| {
                        let (token, value) = versions.last()?;
                        let label = self.label(*token);
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

    /// The fields of an account that a write sets, and whose account it is.
    pub fn account_write(&self, token: Token) -> Option<(UserId, Vec<AccountField>)> {
        let entry = &self.history[self.write(token)?.index];
        if let (Node::Device(device), Some((_, Asked::Errand { errand, .. }))) =
            (entry.node, entry.fact.asked())
            && let Errand::Patch(set) = errand
        {
            return Some((self.user(device)?, set.iter().map(|(field, _)| *field).collect()));
        }
        None
    }

    /// The facts that tell what became of a write of an account: that it was asked for and answered,
    /// its commit, and the next one of its fields.
    pub fn fate(&self, token: Token) -> Vec<usize> {
        let Some((user, fields)) = self.account_write(token) else { return Vec::new() };
        let begin = self.write(token).map_or(0, |write| write.index);
        let is_answer = |entry: &Entry| matches!(&entry.fact, Fact::Answered(op, _) if self.token_of(entry, *op) == Some(token));
        let is_commit = |entry: &Entry, of: &dyn Fn(&Commit) -> bool| matches!(&entry.fact, Fact::Logged { space, entry } if *space == user && of(entry));
        let after = |from: usize| (from..self.history.len()).map(|at| (at, &self.history[at]));
        let mut told = vec![begin];
        told.extend(after(begin).filter(|(_, entry)| is_answer(entry)).map(|(at, _)| at));
        let own = |commit: &Commit| holds(commit, token);
        if let Some((own, _)) = after(begin).find(|(_, entry)| is_commit(entry, &own)) {
            let other = |commit: &Commit| touches(commit, &fields);
            let next = after(own + 1).find(|(_, entry)| is_commit(entry, &other));
            told.extend([own].into_iter().chain(next.map(|(at, _)| at)));
        }
        told.sort_unstable();
        told
    }

    /// What the devices of a user were shown of these fields of the account at the end, by place.
    pub fn accounts(&self, user: UserId, of: &[AccountField]) -> Vec<(String, String)> {
        let shown = self.history.iter().filter_map(|entry| {
            let Node::Device(device) = entry.node else { return None };
            let Some((op, Answered::Done(Done::Account(fields)))) = entry.fact.answered() else {
                return None;
            };
            if self.user(device) != Some(user) || !self.is_last(entry, op) {
                return None;
            }
            let now = of.iter().map(|field| {
                let known = fields.iter().find(|(known, _)| known == field);
                let current = known.and_then(|(_, versions)| versions.last());
                let value = current.map_or("nothing".to_owned(), |(_, it)| words::value(it));
                format!("{} = {value}", field.name())
            });
            let now: Vec<String> = now.collect();
            Some((self.plan.name(entry.node).to_owned(), now.join(", ")))
        });
        shown.collect()
    }
}

/// What a node is called, as the keys of the keychain open it.
pub(super) fn tell_name(node: NodeId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("node {:x} is named {name:?}", node.0),
        None => format!("node {:x} has a name that no key opens", node.0),
    }
}

/// What became of an object of the volume.
pub(super) fn tell_object(key: &str, hash: Option<Address>) -> String {
    match hash {
        Some(hash) => format!("keeps {hash:?} as {key}"),
        None => format!("deletes {key}"),
    }
}

/// Does a commit bring this write?
fn holds(commit: &Commit, token: Token) -> bool {
    let mut puts = commit.ops.iter().flat_map(|op| &op.puts);
    puts.any(|(_, doc)| matches!(doc, Some(Doc::Field(_, payload)) if payload.token == token))
}

/// Does a commit set one of these fields?
fn touches(commit: &Commit, fields: &[AccountField]) -> bool {
    let mut puts = commit.ops.iter().flat_map(|op| &op.puts);
    puts.any(|(key, _)| matches!(key, Key::Account(field) if fields.contains(field)))
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
