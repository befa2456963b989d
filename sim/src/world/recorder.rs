//! What is kept of a run: its history, and beside it what machines logged and what was counted.

use std::collections::BTreeMap;

use engine::message::Reply;
use engine::point::Point;
use engine::remote::Served;
use harness::alarm::Logged;
use harness::time::Time;
use tracing::Level;

use super::accounts::Accounts;
use crate::history::recorder::Recorder as Facts;
use crate::history::{Entry, Fact, Incarnation, Lost};
use crate::keychain::Keychain;
use crate::message::{self, Body, Message};
use crate::outcome::LogLine;
use crate::plan::{Node, Plan};
use crate::remote::RemoteFact;

/// Everything that is kept of a run.
#[derive(Clone, Debug)]
pub(super) struct Recorder {
    facts: Facts,
    log: Vec<LogLine>,
    counted: BTreeMap<&'static str, u64>,
    reached: BTreeMap<Point, u64>,
    /// The bytes of a message, while they are searched.
    scratch: Vec<u8>,
}

/// What is left of a recorder: the history, the log, and what was counted.
pub(super) type Records = (Vec<Entry>, Vec<LogLine>, BTreeMap<&'static str, u64>);

impl Recorder {
    pub(super) fn new(plan: &Plan, accounts: &Accounts) -> Self {
        let (canary, memo) = (accounts.canary(), accounts.memo());
        Self {
            facts: Facts::new(canary, memo, plan.devices.len()),
            log: Vec::new(),
            counted: BTreeMap::new(),
            reached: BTreeMap::new(),
            scratch: Vec::new(),
        }
    }

    /// What numbers blobs, and decodes what is stored.
    pub(super) fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// The history so far.
    pub(super) fn history(&self) -> &[Entry] {
        &self.facts.entries
    }

    /// About how many bytes the history keeps.
    pub(super) fn bytes(&self) -> u64 {
        self.facts.bytes()
    }

    /// How many different blobs have been seen.
    pub(super) fn blobs(&self) -> u64 {
        self.facts.blobs()
    }

    /// Adds a fact to the history.
    pub(super) fn note(&mut self, at: Time, (node, incarnation): (Node, Incarnation), fact: Fact) {
        self.facts.note(at, node, incarnation, fact);
    }

    /// Counts something rare.
    pub(super) fn count(&mut self, name: &'static str) {
        *self.counted.entry(name).or_default() += 1;
    }

    /// Counts a coverage point of a machine.
    pub(super) fn reach(&mut self, point: Point) {
        *self.reached.entry(point).or_default() += 1;
    }

    /// Keeps what a machine logged beside the history, in which only errors appear.
    pub(super) fn log(&mut self, at: Time, host: (Node, Incarnation), logged: Logged) {
        let (Logged { level, target, line, text }, (node, incarnation)) = (logged, host);
        let after = self.facts.entries.len();
        if level == Level::ERROR {
            self.note(at, host, Fact::ErrorLogged(text.clone()));
        }
        self.log.push(LogLine { after, at, node, incarnation, level, target, line, text });
    }

    /// The fact that a message is sent: its blobs get their numbers, and its bytes are searched.
    #[inline]
    pub(super) fn sent(&mut self, message: &Message) -> Fact {
        let (mut size, mut plaintext) = (32, false);
        let stored = message.rows();
        let mut rows = Vec::with_capacity(stored.len());
        for row in stored {
            let (blob, leaks) = self.facts.blob(&row.blob);
            size += u32::try_from(row.blob.len()).unwrap_or(u32::MAX).saturating_add(8);
            plaintext |= leaks;
            rows.push((row.id, blob));
        }
        let (server, more) = message::said(&message.body);
        plaintext |= message::sealed(&message.body).is_some_and(|blob| self.facts.shows(blob));
        size += more;
        self.scratch.clear();
        self.scratch = message::sealed_bytes(&message.body, std::mem::take(&mut self.scratch));
        size += u32::try_from(self.scratch.len()).unwrap_or(u32::MAX);
        plaintext |= self.facts.shows(&self.scratch);
        let (rows, server) = (rows.into(), server.map(Box::new));
        let (to, message_id) = (message.to, message.message_id);
        Fact::Sent { to, message_id, size, rows, plaintext, server }
    }

    /// What a remote did, as a fact; the oracle opens what it stored.
    pub(super) fn done_by_remote(&mut self, done: RemoteFact, keychain: &Keychain) -> Fact {
        match done {
            RemoteFact::Committed { served, pos, by, policy } => {
                let (vault, id) = (served.row.vault, served.row.id);
                let opened = keychain.open(vault, id, &served.row.blob);
                let contents = opened.map(|record| self.facts.contents(&record));
                let (blob, _) = self.facts.blob(&served.row.blob);
                Fact::Committed { vault, id, pos, tag: served.tag, blob, by, contents, policy }
            }
            RemoteFact::Removed { vault, id, pos, by } => Fact::Removed { vault, id, pos, by },
            RemoteFact::Served(page) => Fact::Served(page),
            RemoteFact::Declined(who, call, refused) => Fact::Declined(who, call, refused),
        }
    }

    /// The fact that a row was found on a remote, at the end or before.
    pub(super) fn found(&mut self, row: &Served, keychain: &Keychain, at_end: bool) -> Fact {
        let (vault, id) = (row.row.vault, row.row.id);
        let opened = keychain.open(vault, id, &row.row.blob);
        let values = opened.iter().flat_map(|record| record.record().cells());
        let values = values.map(|(field, cell)| (field, cell.payload.value.clone())).collect();
        let contents = opened.as_ref().map(|record| self.facts.contents(record));
        if at_end {
            Fact::Found { vault, id, contents, values }
        } else {
            Fact::Looked { vault, id, contents, values }
        }
    }

    /// The fact that a message will not arrive; what is lost with it is counted.
    pub(super) fn lost(&mut self, message: &Message, why: Lost) -> Fact {
        if why == Lost::Cut {
            self.count("partition");
        }
        match &message.body {
            Body::Return(answer) if message::had_effect(&answer.reply) => {
                self.count("reply lost after effect");
            }
            Body::Response(response) if !matches!(response.reply, Reply::Refused(_)) => {
                self.count("answer of the server lost");
            }
            Body::Return(_) | Body::Response(_) | Body::Call(_) | Body::Request(_) | Body::Hint => {
            }
        }
        Fact::Lost { to: message.to, message_id: message.message_id, why }
    }

    /// What is left when the run is over.
    pub(super) fn end(self) -> Records {
        let mut counted = self.counted;
        self.reached.iter().for_each(|(it, n)| *counted.entry(it.name()).or_default() += n);
        (self.facts.entries, self.log, counted)
    }
}
