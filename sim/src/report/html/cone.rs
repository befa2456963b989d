//! The causal cone of a violation: what happened before its proof and touches what it is about, with the messages of
//! both up to their arrival.
//!
//! A fact happened before another on the same host, and a message was sent before it arrived (Lamport, *Time,
//! Clocks, and the Ordering of Events in a Distributed System*, 1978). The workers count as one host, since they
//! share a volume.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{OpId, RecordId, UserId, VaultId};
use engine::message::Client;

use super::messages::Message;
use crate::history::{Boot, Entry, Fact, Fault, Incarnation, Said, Wants};
use crate::plan::{Node, WorkerId};
use crate::report::story::Scene;

/// A record of a user.
pub(super) type Object = (UserId, RecordId);

/// The cone of a core of facts, in order. It has what touches the object; without one, the core's own requests
/// with their messages.
pub(super) fn events(
    scene: &Scene<'_>,
    history: &[Entry],
    (object, core): (Option<Object>, &[usize]),
    messages: &[Message],
) -> Vec<usize> {
    let past = past(history, core, messages);
    let mut cone: BTreeSet<usize> = core.iter().copied().collect();
    match object {
        Some((user, record)) => {
            let touches = |index: &usize| {
                let entry = &history[*index];
                past[*index] && scene.is_about(entry, record) && is_of(scene, entry, user)
            };
            cone.extend((0..past.len()).filter(touches));
        }
        // Their answers come after the proof.
        None => cone.extend(exchanges(history, core, messages)),
    }
    for message in messages {
        let ends = || [Some(message.sent), message.end].into_iter().flatten();
        if ends().any(|index| cone.contains(&index)) {
            cone.extend(ends());
        }
    }
    let hosts: BTreeSet<Node> = cone.iter().map(|&index| history[index].node).collect();
    let explains = |index: &usize| {
        let entry = &history[*index];
        let is_trouble = match fault(&entry.fact) {
            Some(fault) => scene.has_struck(fault),
            None => is_of_life(&entry.fact),
        };
        is_trouble && hosts.contains(&entry.node)
    };
    let last = cone.last().map_or(0, |last| last + 1);
    cone.extend((0..last).filter(explains));
    cone.into_iter().collect()
}

/// Does it happen to this user's copies? Records of several users may have one name.
fn is_of(scene: &Scene<'_>, entry: &Entry, user: UserId) -> bool {
    let has = |node: Node| node.device().and_then(|device| scene.user_of(device)) == Some(user);
    let vault = match &entry.fact {
        Fact::Committed { vault, .. }
        | Fact::Removed { vault, .. }
        | Fact::Found { vault, .. }
        | Fact::Looked { vault, .. } => *vault,
        Fact::Served(page) => page.vault,
        Fact::Sent { to, .. } => return has(entry.node) || has(*to),
        Fact::Delivered { from, .. } => return has(entry.node) || has(*from),
        Fact::Faulted(_) | Fact::Ended(_) => return true,
        Fact::Asked(..)
        | Fact::Answered(..)
        | Fact::Skipped(..)
        | Fact::Persisted { .. }
        | Fact::Durable(_)
        | Fact::PersistFailed(_)
        | Fact::Started { .. }
        | Fact::Lost { .. }
        | Fact::Declined(..)
        | Fact::Logged { .. }
        | Fact::Struck(_)
        | Fact::FaultsEnded
        | Fact::Settled { .. }
        | Fact::Killed { .. }
        | Fact::Panicked(_)
        | Fact::Filed { .. }
        | Fact::StepBegan(..)
        | Fact::StepEnded(..)
        | Fact::Named { .. }
        | Fact::Kept { .. }
        | Fact::ErrorLogged(_)
        | Fact::CutOff { .. } => return has(entry.node),
    };
    vault == VaultId::from(user)
}

/// The fault that begins or ends.
fn fault(fact: &Fact) -> Option<&Fault> {
    if let Fact::Faulted(fault) | Fact::Ended(fault) = fact { Some(fault) } else { None }
}

/// Does a host start or stop?
fn is_of_life(fact: &Fact) -> bool {
    matches!(fact, Fact::Killed { .. } | Fact::PersistFailed(_) | Fact::Started { .. })
}

/// Which facts, up to the last of the core, happened before one of the core.
fn past(history: &[Entry], core: &[usize], messages: &[Message]) -> Vec<bool> {
    let last = core.last().map_or(0, |last| last + 1);
    let sent: BTreeMap<usize, usize> =
        messages.iter().filter_map(|it| Some((it.arrived()?, it.sent))).collect();
    // The latest fact of each host that is in the past.
    let mut reach: BTreeMap<Node, usize> = BTreeMap::new();
    let extend = |node: Node, index: usize, reach: &mut BTreeMap<Node, usize>| {
        let latest = reach.entry(host(node)).or_insert(index);
        *latest = index.max(*latest);
    };
    core.iter().for_each(|&index| extend(history[index].node, index, &mut reach));
    let mut past = vec![false; last];
    for index in (0..last).rev() {
        let entry = &history[index];
        past[index] = reach.get(&host(entry.node)).is_some_and(|latest| index <= *latest);
        if !past[index] {
            continue;
        }
        if let Some(&sent) = sent.get(&index) {
            extend(history[sent].node, sent, &mut reach);
        }
        if let Fact::Started { boot: Boot::Cloned(from), .. } = entry.fact {
            extend(Node::Device(from), index, &mut reach);
        }
    }
    past
}

/// Workers are one host.
fn host(node: Node) -> Node {
    if matches!(node, Node::Worker(_)) { Node::Worker(WorkerId(0)) } else { node }
}

/// The messages to and from the sync server while what the core asks for was being answered, or what its commits
/// did was being asked for; and what the workers did in between.
fn exchanges(
    history: &[Entry],
    core: &[usize],
    messages: &[Message],
) -> impl Iterator<Item = usize> {
    let mut ops: BTreeSet<Op> = core.iter().filter_map(|&index| op(&history[index])).collect();
    ops.extend(ops_of_commits(history, core));
    let mut open: BTreeSet<Op> = BTreeSet::new();
    let mut found: BTreeSet<usize> = BTreeSet::new();
    for (index, entry) in history.iter().enumerate() {
        if let Some(op) = op(entry).filter(|op| ops.contains(op)) {
            found.insert(index);
            let is_answered = entry.fact.answered().is_some();
            if is_answered {
                open.remove(&op)
            } else {
                open.insert(op)
            };
        }
        let waits = open.iter().any(|(node, ..)| *node == entry.node);
        if waits && matches!(entry.fact, Fact::Sent { server: Some(_), .. }) {
            found.insert(index);
        }
    }
    let arrivals = messages.iter().filter(|it| found.contains(&it.sent));
    let arrivals: Vec<usize> = arrivals.filter_map(Message::arrived).collect();
    for arrival in arrivals {
        found.extend(work(history, arrival));
    }
    found.into_iter()
}

/// Names what was asked of a host.
type Op = (Node, Incarnation, OpId);

/// What users were waiting for when they sent the requests that these commits carry out.
fn ops_of_commits(history: &[Entry], core: &[usize]) -> BTreeSet<Op> {
    let commits = core.iter().filter_map(|&index| {
        if let Fact::Logged { entry, .. } = &history[index].fact { Some(entry) } else { None }
    });
    let receipts = commits.flat_map(|commit| commit.ops.iter().filter_map(|op| op.receipt));
    let receipts: Vec<(Client, u32)> = receipts.collect();
    let (mut open, mut found): (BTreeSet<Op>, BTreeSet<Op>) = (BTreeSet::new(), BTreeSet::new());
    for entry in history {
        if let Some(op) = op(entry) {
            let is_answered = entry.fact.answered().is_some();
            if is_answered {
                open.remove(&op)
            } else {
                open.insert(op)
            };
        }
        let asks = |receipt: &(Client, u32)| {
            matches!(&entry.fact, Fact::Sent { server: Some(said), .. }
                if matches!(**said, Said::Asks { client, wants: Wants::Act(_, number), .. }
                    if (client, number) == *receipt))
        };
        if receipts.iter().any(asks) {
            found.extend(open.iter().filter(|(node, ..)| *node == entry.node));
        }
    }
    found
}

/// What a user asked or was answered.
fn op(entry: &Entry) -> Option<Op> {
    let op = entry.fact.asked().map(|(op, _)| op).or(entry.fact.answered().map(|(op, _)| op))?;
    Some((entry.node, entry.incarnation, op))
}

/// What a worker did between the arrival of a request and its answer.
fn work(history: &[Entry], arrival: usize) -> Vec<usize> {
    let Entry { node, fact: Fact::Delivered { from, message_id, .. }, .. } = &history[arrival]
    else {
        return Vec::new();
    };
    let of_worker = (arrival..history.len()).filter(|&index| history[index].node == *node);
    let mut done = Vec::new();
    for index in of_worker {
        let fact = &history[index].fact;
        let is_answer = matches!(fact, Fact::Sent { to, message_id: answer, .. }
            if to == from && answer.call == message_id.call);
        if is_answer || matches!(fact, Fact::Logged { .. } | Fact::Filed { .. }) {
            done.push(index);
        }
        if is_answer {
            break;
        }
    }
    done
}
