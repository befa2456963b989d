//! The lives of the volume: one, and another one from each moment at which it was restored from a
//! backup.
//!
//! What an epoch holds follows from the facts that the backup had, and after them from its own. So each is
//! a log from its beginning, and who follows a log need know nothing of backups. What two lives
//! begin with is judged with each, and what is found of it twice is reported once.

use std::collections::BTreeMap;

use engine::id::{Dot, Token, UserId};
use engine::job::Claim;
use engine::log::{Doc, Entry as Commit, Key, Position};
use engine::message::{Client, Reply, WorkReply};

use super::Evidence;
use super::files::{Archive, Files};
use super::server::{AccountEffect, LogEffect, Space};
use super::server_request::ServerRequest;
use super::work::Conversations;
use crate::history::{Fact, Fault};

/// Every life, in order; there is one at least.
#[derive(Debug)]
pub(crate) struct Epochs<'a>(Vec<Epoch<'a>>);

/// What the volume held over one of its lives.
#[derive(Debug, Default)]
pub(crate) struct Epoch<'a> {
    /// Since when; the facts before it are those that the backup had.
    pub(crate) from: usize,
    /// The facts that tell of it.
    facts: Vec<usize>,
    pub(crate) spaces: BTreeMap<UserId, Space>,
    /// The files of each space.
    pub(crate) files: BTreeMap<UserId, Files<'a>>,
    /// The conversations of each space.
    pub(crate) conversations: BTreeMap<UserId, Conversations<'a>>,
    /// Where each token was put into an account: whose, and by which effect, in order.
    places: BTreeMap<Token, Vec<AccountEffect>>,
    /// The claims that each client was granted, in order.
    pub(crate) claims: BTreeMap<Client, Vec<(usize, Claim)>>,
    /// The versions of files.
    pub(crate) archive: Archive<'a>,
}

impl Default for Epochs<'_> {
    fn default() -> Self {
        Self(vec![Epoch::default()])
    }
}

impl<'a> Epochs<'a> {
    pub(crate) fn of(evidence: &Evidence<'a>) -> Self {
        let mut epochs: Vec<Epoch<'a>> = divided(evidence);
        for epoch in &mut epochs {
            for at in std::mem::take(&mut epoch.facts) {
                epoch.take(at, &evidence.history[at].fact);
            }
            epoch.archive = Archive::of(&epoch.files, &evidence.disks);
        }
        Self(epochs)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Epoch<'a>> {
        self.0.iter()
    }

    /// Every write of a file that a device kept durably, with its label.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (Dot, Token)> + '_ {
        self.0.iter().flat_map(|epoch| epoch.archive.labels())
    }

    /// The label of a write of a file, if a device kept it durably.
    pub(crate) fn label(&self, write: Dot) -> Option<Token> {
        self.0.iter().find_map(|epoch| epoch.archive.label(write))
    }

    /// The epoch at the end.
    pub(crate) fn last(&self) -> &Epoch<'a> {
        self.0.last().expect("there is one at least")
    }

    /// The life that there was right after a moment.
    pub(crate) fn at(&self, moment: usize) -> &Epoch<'a> {
        let after = self.0.partition_point(|epoch| epoch.from <= moment);
        &self.0[after.saturating_sub(1)]
    }

    /// When the volume was restored.
    pub(crate) fn restores(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.0.iter().skip(1).map(|epoch| epoch.from)
    }

    /// The lives that there were at some moment of an interval: what was answered may be of any.
    pub(crate) fn between(
        &self,
        from: usize,
        to: usize,
    ) -> impl DoubleEndedIterator<Item = &Epoch<'a>> {
        let first = self.at(from).from;
        self.0.iter().filter(move |epoch| epoch.from >= first && epoch.from <= to)
    }

    /// When the volume lost what it had had, unless the life that there was by then has it.
    pub(crate) fn lost(&self, by: usize, had: impl Fn(&Epoch<'a>) -> bool) -> Option<usize> {
        let epochs = &self.0[..self.0.partition_point(|epoch| epoch.from <= by).max(1)];
        let last = epochs.iter().rposition(had)?;
        epochs.get(last + 1).map(|epoch| epoch.from)
    }

    /// The spaces of all lives.
    pub(crate) fn spaces(&self) -> impl Iterator<Item = (&UserId, &Space)> {
        self.0.iter().flat_map(|epoch| &epoch.spaces)
    }

    /// The files of all lives.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&UserId, &Files<'a>)> {
        self.0.iter().flat_map(|epoch| &epoch.files)
    }

    /// The conversations of all lives.
    pub(crate) fn conversations(&self) -> impl Iterator<Item = (&UserId, &Conversations<'a>)> {
        self.0.iter().flat_map(|epoch| &epoch.conversations)
    }

    /// Where a patch is, or was, in a log.
    pub(crate) fn places(
        &self,
        request: &ServerRequest<'_>,
    ) -> impl Iterator<Item = &AccountEffect> {
        self.0.iter().flat_map(|epoch| epoch.places(request))
    }
}

/// The lives, and the facts that tell of each.
fn divided<'a>(evidence: &Evidence<'_>) -> Vec<Epoch<'a>> {
    let mut epochs = vec![Epoch::default()];
    for &(at, entry) in &evidence.off_wire {
        if matches!(
            entry.fact,
            Fact::Logged { .. } | Fact::Named { .. } | Fact::Kept { .. } | Fact::Filed { .. }
        ) {
            epochs.last_mut().expect("there is one").facts.push(at);
        } else if let Fact::Faulted(Fault::RestoreVolume(it)) = &entry.fact {
            let then = it.by.before(entry.at);
            let upto = evidence.history.partition_point(|entry| entry.at <= then);
            let epoch = epochs.iter().rfind(|epoch| epoch.from < upto).unwrap_or(&epochs[0]);
            let facts = epoch.facts.iter().copied().filter(|fact| *fact < upto).collect();
            epochs.push(Epoch { from: at, facts, ..Epoch::default() });
        }
    }
    epochs
}

impl<'a> Epoch<'a> {
    fn take(&mut self, at: usize, fact: &'a Fact) {
        if let Fact::Logged { space, entry } = fact {
            self.logged(at, *space, entry);
            self.files.entry(*space).or_default().logged(at, entry);
            self.worked(at, *space, entry);
        } else if let Fact::Named { space, node, name } = fact {
            let files = self.files.entry(*space).or_default();
            files.named(*node, name.as_deref());
        } else if let Fact::Kept { space, key, hash } = fact {
            self.files.entry(*space).or_default().kept(at, key, hash.as_deref().copied());
        } else if let Fact::Filed { space, name, holds } = fact {
            let conversations = self.conversations.entry(*space).or_default();
            conversations.objects.insert(name.hash, (at, name.key, holds.as_deref()));
        }
    }

    /// Is a commit part of this log?
    pub(crate) fn has(&self, user: UserId, at: Position) -> bool {
        let named = self.spaces.get(&user).and_then(|space| space.names.get(&at.seq));
        at == Position::START || named == Some(&at.entry)
    }

    /// Where a patch is in the log of this life.
    pub(crate) fn places(&self, request: &ServerRequest<'_>) -> &[AccountEffect] {
        let places = request.token.and_then(|token| self.places.get(&token));
        places.map_or(&[], Vec::as_slice)
    }

    fn worked(&mut self, at: usize, space: UserId, entry: &'a Commit) {
        for (n, op) in entry.ops.iter().enumerate() {
            self.conversations.entry(space).or_default().take((at, n), op);
            if let (Some((client, _)), Reply::Work(WorkReply::Claimed(Some(claim)))) =
                (op.receipt, &op.reply)
            {
                self.claims.entry(client).or_default().push((at, *claim));
            }
        }
    }

    fn logged(&mut self, at: usize, whose: UserId, commit: &Commit) {
        let space = self.spaces.entry(whose).or_default();
        space.entries.push((at, commit.seq));
        space.names.insert(commit.seq, commit.id);
        for op in &commit.ops {
            for (key, doc) in &op.puts {
                if let Key::Session(key) = *key {
                    let session = match doc {
                        Some(Doc::Session(session)) => Some(*session),
                        Some(
                            Doc::Receipt(_)
                            | Doc::Field(..)
                            | Doc::Version(_)
                            | Doc::Work(_)
                            | Doc::File(_),
                        )
                        | None => None,
                    };
                    space.sessions.entry(key).or_default().push(at, session);
                    space.effects.push(LogEffect::Session { at, key, session });
                }
            }
            let other = |key: &Key| matches!(key, Key::File(_) | Key::Work(_));
            if let Some((client, n)) = op.receipt
                && op.puts.iter().any(|(key, _)| other(key))
            {
                space.effects.push(LogEffect::Action { at, client, n });
            }
            for (field, token) in space.apply(at, op) {
                let effect = space.states.len() - 1;
                let place = AccountEffect { space: whose, effect, field, at };
                self.places.entry(token).or_default().push(place);
            }
        }
    }
}
