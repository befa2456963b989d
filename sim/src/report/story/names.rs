//! How a story calls hosts, users, writes and files, and what each operation of a history was.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{DeviceId, Dot, NodeId, OpId, ReplicaId, Token, UserId};
use harness::time::Time;

use super::words::list;
use crate::fault::{Fault, Hit, Names as _};
use crate::history::file::Head;
use crate::history::{Answered, Asked, Change, Done, Entry, Fact, FileDone, Incarnation, Said};
use crate::plan::{Act, Node, Plan, ProcessorCommand, ProcessorId, StepId, UserOperation};

/// A plan with its history, who wrote what, and what everything is called.
#[derive(Debug)]
pub(super) struct Names<'a> {
    plan: &'a Plan,
    history: &'a [Entry],
    writes: BTreeMap<Token, Written>,
    asked: BTreeMap<(Node, Incarnation, OpId), usize>,
    /// Who asks the sync server under which replica.
    clients: BTreeMap<ReplicaId, Node>,
    files: Files,
    /// The steps whose faults hit something after they began.
    struck: BTreeSet<StepId>,
}

/// What nodes are called, and which label a write of a file has.
#[derive(Debug, Default)]
struct Files {
    nodes: BTreeMap<NodeId, String>,
    labels: BTreeMap<Dot, Token>,
}

/// A write as the history knows it.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The count of the run's writes up to this one, from 1.
    pub number: usize,
    /// The fact that asks for it.
    pub index: usize,
    /// When the device answered that it is saved, or that the server has it.
    pub saved: Option<Time>,
}

impl<'a> Names<'a> {
    /// Reads a history.
    pub(super) fn new(plan: &'a Plan, history: &'a [Entry]) -> Self {
        let (writes, asked, clients) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let files = Files::default();
        let struck = BTreeSet::new();
        let mut names = Self { plan, history, writes, asked, clients, files, struck };
        for (index, entry) in history.iter().enumerate() {
            names.files.learn(&entry.fact);
            if let Some((op, asked)) = entry.fact.asked() {
                names.asked.insert((entry.node, entry.incarnation, op), index);
                if let Some(token) = asked.token() {
                    let number = names.writes.len() + 1;
                    names.writes.insert(token, Written { number, index, saved: None });
                }
            } else if let Some((
                op,
                Answered::Saved
                | Answered::Done(Done::Patched)
                | Answered::File(FileDone::Published(_)),
            )) = entry.fact.answered()
            {
                names.note_saved(entry, op);
            } else if let Fact::Sent { server: Some(said), .. } = &entry.fact
                && let Said::Asks { client, .. } = **said
            {
                names.clients.entry(client.replica).or_insert(entry.node);
            } else if let Fact::Struck(step) = entry.fact {
                names.struck.insert(step);
            }
        }
        names
    }

    /// Did a fault do something to something?
    pub(super) fn struck(&self, fault: &Fault) -> bool {
        let mut steps = self.struck.iter().filter_map(|step| self.plan.place_of(*step));
        fault.strikes(Hit::Happened)
            || steps.any(|at| matches!(&self.plan.steps[at].act, Act::Fault(it, _) if it == fault))
    }

    fn note_saved(&mut self, entry: &Entry, op: OpId) {
        if let Some(token) = self.token_of(entry, op)
            && let Some(write) = self.writes.get_mut(&token)
        {
            write.saved = Some(entry.at);
        }
    }

    /// The facts, in order.
    pub(super) const fn history(&self) -> &'a [Entry] {
        self.history
    }

    /// The plan.
    pub(super) const fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// What a user asked for, in the sentence of its declaration.
    pub(super) fn operation(&self, operation: UserOperation) -> String {
        // The sentence leaves its subject out, so anyone will do.
        Act::User(DeviceId(0), operation).tell(self.plan)
    }

    /// What a processor was commanded, in the sentence of its declaration.
    pub(super) fn command(&self, command: ProcessorCommand) -> String {
        Act::Processor(ProcessorId(0), command).tell(self.plan)
    }

    /// What people call a host.
    pub(super) fn host(&self, node: Node) -> &'a str {
        self.plan.name(node)
    }

    /// What a user is called.
    pub(super) fn user_name(&self, user: UserId) -> &'a str {
        self.plan.user(user)
    }

    /// Who asks the sync server under this replica.
    pub(super) fn client(&self, replica: ReplicaId) -> &'a str {
        self.clients.get(&replica).map_or("an unknown user", |node| self.host(*node))
    }

    /// The place of the fact that asks for an operation.
    pub(super) fn asked(&self, entry: &Entry, op: OpId) -> Option<usize> {
        self.asked.get(&(entry.node, entry.incarnation, op)).copied()
    }

    /// What was asked of the host that answers.
    pub(super) fn request(&self, entry: &Entry, op: OpId) -> Option<&'a Asked> {
        let asked = self.asked(entry, op)?;
        self.history[asked].fact.asked().map(|(_, asked)| asked)
    }

    /// Which write this answer belongs to, if to one.
    pub(super) fn token_of(&self, entry: &Entry, op: OpId) -> Option<Token> {
        let asked = self.asked(entry, op)?;
        if let Fact::Asked(_, asked) = &self.history[asked].fact { asked.token() } else { None }
    }

    /// The write of this label, if a user made it in this run.
    pub(super) fn write(&self, token: Token) -> Option<Written> {
        self.writes.get(&token).copied()
    }

    /// What a write is called.
    pub(super) fn label(&self, token: Token) -> String {
        match self.writes.get(&token) {
            Some(write) => format!("w{}", write.number),
            None if token == Token::NONE => "a purge".to_owned(),
            None => "given".to_owned(),
        }
    }

    /// What each write is called, by the operation that asked for it: it has the same number in every plan that
    /// is left of this one.
    pub(super) fn labels(&self) -> BTreeMap<OpId, String> {
        let asked = |write: &Written| self.history[write.index].fact.asked().map(|(op, _)| op);
        let label = |write: &Written| Some((asked(write)?, format!("w{}", write.number)));
        self.writes.values().filter_map(label).collect()
    }

    /// What the user of a device is called.
    pub(super) fn owner(&self, device: DeviceId) -> &'a str {
        self.user(device).map_or("an unknown user", |user| self.user_name(user))
    }

    /// Whose device it is.
    pub(super) fn user(&self, device: DeviceId) -> Option<UserId> {
        self.plan.devices.get(usize::from(device.0)).map(|device| device.user)
    }

    /// Is this an answer to one of the last reads?
    pub(super) fn is_last(&self, entry: &Entry, op: OpId) -> bool {
        self.asked(entry, op).is_some_and(|index| {
            matches!(
                self.history[index].fact.asked(),
                Some((
                    _,
                    Asked::Read { last: true, .. }
                        | Asked::Errand { last: true, .. }
                        | Asked::Work { last: true, .. }
                        | Asked::File { last: true, .. }
                ))
            )
        })
    }

    /// A file or a folder, as a user was shown it, and as `file 1a2b` before that.
    pub(super) fn node(&self, node: NodeId) -> String {
        match self.files.nodes.get(&node) {
            _ if node == NodeId::ROOT => "the root".to_owned(),
            Some(name) => format!("`{name}`"),
            None => format!("file {:04x}", node.0 >> 48),
        }
    }

    /// The write of a file that bears this label.
    pub(super) fn dot_of(&self, token: Token) -> Option<Dot> {
        self.files.labels.iter().find(|(_, it)| **it == token).map(|(dot, _)| *dot)
    }

    /// The write of a file that was uploaded.
    pub(super) fn upload(&self, write: Dot) -> String {
        self.files
            .labels
            .get(&write)
            .map_or_else(|| "an unknown write".to_owned(), |it| self.label(*it))
    }

    /// A version of a file, or one that is not sent yet.
    pub(super) fn head(&self, head: &Head) -> String {
        let label = match head.token {
            Some(token) => self.label(token),
            None => format!("{}, sealed", self.upload(head.write)),
        };
        match head.version {
            Some(version) => format!("version {version} ({label})"),
            None => format!("unsent ({label})"),
        }
    }

    /// All that a file holds at once.
    pub(super) fn heads(&self, heads: &[Head]) -> String {
        let heads: Vec<String> = heads.iter().map(|head| self.head(head)).collect();
        if heads.is_empty() { "nothing".to_owned() } else { list(&heads) }
    }
}

impl Files {
    /// Learns from a fact.
    fn learn(&mut self, fact: &Fact) {
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
