//! The causal cone of a violation: what happened before its proof, and touches what it is about.
//!
//! A fact happened before another on the same host, and a message was sent before it arrived (Lamport, *Time,
//! Clocks, and the Ordering of Events in a Distributed System*, 1978). The workers count as one host, since they
//! share a volume.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{OpId, RecordId};

use super::messages::Message;
use crate::history::{Boot, Entry, Fact, Fault};
use crate::plan::{Node, WorkerId};
use crate::report::story::Scene;

/// The cone of a core of facts, in order. What touches the record is told; without one, the core's own requests
/// with their messages.
pub(super) fn events(
    scene: &Scene<'_>,
    history: &[Entry],
    (record, core): (Option<RecordId>, &[usize]),
    messages: &[Message],
) -> Vec<usize> {
    let past = past(history, core, messages);
    let mut cone: BTreeSet<usize> = core.iter().copied().collect();
    match record {
        Some(record) => {
            let touches = |index: &usize| past[*index] && scene.is_about(&history[*index], record);
            cone.extend((0..past.len()).filter(touches));
        }
        None => cone.extend(exchanges(history, core, messages).filter(|index| past[*index])),
    }
    for message in messages {
        let ends = || [Some(message.sent), message.end].into_iter().flatten();
        if ends().any(|index| cone.contains(&index)) {
            cone.extend(ends().filter(|index| *index < past.len()));
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
    cone.extend((0..past.len()).filter(explains));
    cone.into_iter().collect()
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

/// The messages to and from the sync server while what the core asks for was being answered, and what the
/// workers did in between.
fn exchanges(
    history: &[Entry],
    core: &[usize],
    messages: &[Message],
) -> impl Iterator<Item = usize> {
    let ops: BTreeSet<(Node, u32, OpId)> =
        core.iter().filter_map(|&index| op(&history[index])).collect();
    let mut open: BTreeSet<(Node, u32, OpId)> = BTreeSet::new();
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
        if waits && matches!(entry.fact, Fact::Sent { server: Some(_), .. } | Fact::Lost { .. }) {
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

/// What a user asked or was answered.
fn op(entry: &Entry) -> Option<(Node, u32, OpId)> {
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
