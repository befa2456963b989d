//! What is shown beside a violation: the write concerned, what copies held at the end, and which facts
//! tell what became of it.

use std::collections::BTreeSet;

use engine::id::{AccountField, FieldId, RecordId, Token, UserId, VaultId};
use engine::log::{Doc, Entry as Commit, Key};

use super::names::{Names, Written};
use super::words::{self, fields, is_among, shown_fields, time};
use crate::history::{Answered, Asked, Change, Done, Entry, Fact};
use crate::plan::{Errand, Node};

/// The evidence of a history, told.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    names: &'a Names<'a>,
}

impl<'a> Evidence<'a> {
    pub(super) const fn of(names: &'a Names<'a>) -> Self {
        Self { names }
    }

    /// The write of this label, if a user made it in this run.
    pub fn write(&self, token: Token) -> Option<Written> {
        self.names.write(token)
    }

    /// The fields that a write sets.
    pub fn fields_of(&self, token: Option<Token>) -> Vec<FieldId> {
        let write = token.and_then(|token| self.write(token));
        let asked = write.and_then(|write| self.names.history()[write.index].fact.asked());
        if let Some((_, Asked::Write { set, .. })) = asked {
            return set.iter().map(|(field, _)| *field).collect();
        }
        Vec::new()
    }

    /// What a write sets a field of a record to, if a user made it in this run.
    pub fn value_of(&self, token: Token, of: FieldId) -> Option<String> {
        let asked = self.names.history()[self.write(token)?.index].fact.asked();
        let Some((_, Asked::Write { set, .. })) = asked else { return None };
        set.iter().find(|(field, _)| *field == of).map(|(_, it)| words::value(it))
    }

    /// A write in a sentence: who wrote what, when, and when it was acknowledged.
    pub fn tell_write(&self, token: Token) -> Option<String> {
        let write = self.write(token)?;
        let entry = &self.names.history()[write.index];
        let owner = match entry.node {
            Node::Device(device) => self.names.owner(device),
            Node::Processor(_) => self.names.host(entry.node),
            Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => {
                "nobody"
            }
        };
        let saved = write.saved.map_or("never answered".to_owned(), |at| {
            format!("acknowledged as saved at {}", time(at))
        });
        let Fact::Asked(_, asked) = &entry.fact else {
            return None;
        };
        Some(format!(
            "w{}: {owner} {} on {} at {}, {saved}.",
            write.number,
            words::write(asked)?,
            self.names.host(entry.node),
            time(entry.at),
        ))
    }

    /// The records that facts are about.
    pub fn records(&self) -> BTreeSet<RecordId> {
        let of = |entry: &Entry| {
            if let Some((_, Asked::Read { id, .. } | Asked::Write { id, .. })) = entry.fact.asked()
            {
                return Some(*id);
            }
            if let Fact::Committed { id, .. } | Fact::Found { id, .. } = &entry.fact {
                return Some(*id);
            }
            None
        };
        self.names.history().iter().filter_map(of).collect()
    }

    /// The page that a commit of this record came from, if it came from one.
    pub fn page_of(&self, commit: usize, id: RecordId) -> Option<usize> {
        let is_of_record = |it: &Change| matches!(it, Change::Record(changed, _) if *changed == id);
        let fact = &self.names.history()[commit].fact;
        let changes =
            matches!(fact, Fact::Persisted { changes, .. } if changes.iter().any(is_of_record));
        if changes { self.page_before(commit, id) } else { None }
    }

    /// The page that a commit has what it believes of a remote's row from, if it says anything of that.
    pub fn page_before(&self, commit: usize, id: RecordId) -> Option<usize> {
        let Entry { node, fact: Fact::Persisted { changes, .. }, .. } =
            &self.names.history()[commit]
        else {
            return None;
        };
        let from = changes.iter().find_map(|it| {
            let Change::Mirror(from, changed, _) = it else { return None };
            (*changed == id).then_some(Node::Remote(*from))
        })?;
        (0..commit).rev().find(|&index| {
            let entry = &self.names.history()[index];
            entry.node == from
                && matches!(&entry.fact, Fact::Served(page)
                    if page.to == *node && page.rows.iter().any(|row| row.1 == id))
        })
    }

    /// What the copies of a user's record held at the end in these fields, by place; without
    /// fields, in all.
    pub fn copies(&self, user: UserId, id: RecordId, of: &[FieldId]) -> Vec<(String, String)> {
        let told = self.names.history().iter().filter_map(|entry| {
            let told = match entry.node {
                Node::Device(device) if self.names.user(device) == Some(user) => {
                    self.last_read(entry, id, of)
                }
                Node::Remote(_) => found(&entry.fact, (VaultId::from(user), id), of),
                Node::Device(_)
                | Node::World
                | Node::Worker(_)
                | Node::Processor(_)
                | Node::Volume
                | Node::Intruder => None,
            };
            Some((self.names.host(entry.node).to_owned(), told?))
        });
        told.collect()
    }

    /// Whose record a violation is about: its writer's, or of where it was found.
    pub fn user_of(&self, token: Option<Token>, node: Node) -> Option<UserId> {
        let write = token.and_then(|token| self.write(token));
        match write.map_or(node, |write| self.names.history()[write.index].node) {
            Node::Device(device) => self.names.user(device),
            Node::World
            | Node::Remote(_)
            | Node::Worker(_)
            | Node::Processor(_)
            | Node::Volume
            | Node::Intruder => None,
        }
    }

    fn last_read(&self, entry: &Entry, id: RecordId, of: &[FieldId]) -> Option<String> {
        if let Some((op, Answered::Read(shown))) = entry.fact.answered()
            && shown.id == id
            && self.names.is_last(entry, op)
        {
            return Some(shown_fields(shown, of, |_| String::new()));
        }
        None
    }

    /// The fields of an account that a write sets, and whose account it is.
    pub fn account_write(&self, token: Token) -> Option<(UserId, Vec<AccountField>)> {
        let entry = &self.names.history()[self.write(token)?.index];
        if let (Node::Device(device), Some((_, Asked::Errand { errand, .. }))) =
            (entry.node, entry.fact.asked())
            && let Errand::Patch(set) = errand
        {
            return Some((self.names.user(device)?, set.iter().map(|(field, _)| *field).collect()));
        }
        None
    }

    /// The facts that tell what became of a write of an account: that it was asked for and answered,
    /// its commit, and the next one of its fields.
    pub fn fate(&self, token: Token) -> Vec<usize> {
        let Some((user, fields)) = self.account_write(token) else { return Vec::new() };
        let begin = self.write(token).map_or(0, |write| write.index);
        let is_answer = |entry: &Entry| matches!(&entry.fact, Fact::Answered(op, _) if self.names.token_of(entry, *op) == Some(token));
        let is_commit = |entry: &Entry, of: &dyn Fn(&Commit) -> bool| matches!(&entry.fact, Fact::Logged { space, entry } if *space == user && of(entry));
        let after = |from: usize| {
            (from..self.names.history().len()).map(|at| (at, &self.names.history()[at]))
        };
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
        let shown = self.names.history().iter().filter_map(|entry| {
            let Node::Device(device) = entry.node else { return None };
            let Some((op, Answered::Done(Done::Account(fields)))) = entry.fact.answered() else {
                return None;
            };
            if self.names.user(device) != Some(user) || !self.names.is_last(entry, op) {
                return None;
            }
            let now = of.iter().map(|field| {
                let known = fields.iter().find(|(known, _)| known == field);
                let current = known.and_then(|(_, versions)| versions.last());
                let value = current.map_or("nothing".to_owned(), |(_, it)| words::value(it));
                format!("{} = {value}", field.name())
            });
            let now: Vec<String> = now.collect();
            Some((self.names.host(entry.node).to_owned(), now.join(", ")))
        });
        shown.collect()
    }
}

/// What a remote's row held at the end.
fn found(fact: &Fact, which: (VaultId, RecordId), of: &[FieldId]) -> Option<String> {
    if let Fact::Found { vault, id, contents, values } = fact
        && (*vault, *id) == which
    {
        return Some(match contents {
            None => "sealed".to_owned(),
            Some(contents) if !contents.live => "deleted".to_owned(),
            Some(_) => {
                let named = values.iter().filter(|(field, _)| is_among(of, *field));
                fields(*id, &named.cloned().collect::<Vec<_>>())
            }
        });
    }
    None
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
