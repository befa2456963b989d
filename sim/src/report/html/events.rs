//! The facts of a history as columns, and the lanes in which they are drawn.

use std::collections::BTreeMap;

use engine::id::RecordId;
use serde::Serialize;

use crate::history::{Entry, Fact};
use crate::plan::{Node, Plan};
use crate::report::story::Scene;

/// The hosts of a run that did something, in the order of their lanes: users with their devices, then what
/// they share.
#[derive(Serialize)]
#[serde(transparent)]
pub(in crate::report) struct Lanes {
    pub(in crate::report) lanes: Vec<Lane>,
    #[serde(skip)]
    places: BTreeMap<Node, usize>,
}

/// A lane.
#[derive(Serialize)]
pub(in crate::report) struct Lane {
    pub(in crate::report) name: String,
    /// What stands beside the lanes of one group: a user, or what the hosts are.
    pub(in crate::report) group: String,
}

impl Lanes {
    pub(in crate::report) fn of(plan: &Plan, history: &[Entry]) -> Self {
        let mut found: Vec<(u8, u16, Node)> = Vec::new();
        let mut places: BTreeMap<Node, usize> = BTreeMap::new();
        for entry in history {
            if places.insert(entry.node, 0).is_none() {
                let device = entry.node.device();
                let user = device.map_or(0, |it| plan.devices[usize::from(it.0)].user.0);
                found.push((rank(entry.node), user, entry.node));
            }
        }
        found.sort_unstable();
        let lanes = found.iter().map(|(_, user, node)| Lane {
            name: plan.name(*node).to_owned(),
            group: group(*node)
                .map_or_else(|| plan.users[usize::from(*user)].clone(), str::to_owned),
        });
        let lanes = lanes.collect();
        places.extend(found.iter().enumerate().map(|(place, (.., node))| (*node, place)));
        Self { lanes, places }
    }

    /// The lane of a host.
    pub(in crate::report) fn place(&self, node: Node) -> Option<usize> {
        self.places.get(&node).copied()
    }
}

const fn rank(node: Node) -> u8 {
    match node {
        Node::World => 0,
        Node::Device(_) => 1,
        Node::Remote(_) => 2,
        Node::Worker(_) => 3,
        Node::Volume => 4,
        Node::Processor(_) => 5,
        Node::Intruder => 6,
    }
}

/// What the hosts of a kind are together; none of devices, which belong to users.
const fn group(node: Node) -> Option<&'static str> {
    match node {
        Node::Device(_) => None,
        Node::World => Some("the run"),
        Node::Remote(_) => Some("remotes"),
        Node::Worker(_) | Node::Volume => Some("sync server"),
        Node::Processor(_) => Some("processors"),
        Node::Intruder => Some("outside"),
    }
}

/// What sentences are about: facts of the core tell only of the record, as at the command line.
pub(super) struct About<'a> {
    pub(super) record: Option<RecordId>,
    pub(super) core: &'a [usize],
}

/// All facts, a column for each property.
#[derive(Default, Serialize)]
pub(super) struct Events {
    at: Vec<u64>,
    lane: Vec<usize>,
    /// Into `kinds`.
    kind: Vec<usize>,
    /// Into `texts`.
    text: Vec<usize>,
    /// Into `names`: the records that it is about.
    records: Vec<Vec<usize>>,
    kinds: Vec<String>,
    texts: Vec<String>,
    names: Vec<String>,
}

impl Events {
    pub(super) fn of(
        scene: &Scene<'_>,
        history: &[Entry],
        lanes: &Lanes,
        about: &About<'_>,
    ) -> Self {
        let mut events = Self::default();
        let (mut kinds, mut texts, mut names) =
            (Words::default(), Words::default(), Words::default());
        for (index, entry) in history.iter().enumerate() {
            let mut records = scene.records_of(entry);
            records.dedup();
            let is_told_of_record = about.core.binary_search(&index).is_ok()
                || about.record.is_some_and(|record| records.contains(&record));
            let of = about.record.filter(|_| is_told_of_record);
            events.at.push(entry.at.0);
            events.lane.push(lanes.place(entry.node).expect("each host of a history has a lane"));
            events.kind.push(kinds.place(kind(&entry.fact).to_owned()));
            events.text.push(texts.place(scene.tell(entry, of)));
            events.records.push(records.iter().map(|id| names.place(id.to_string())).collect());
        }
        let [kinds, texts, names] = [kinds, texts, names].map(|words| words.all);
        Self { kinds, texts, names, ..events }
    }
}

/// Texts, each once.
#[derive(Default)]
struct Words {
    all: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Words {
    fn place(&mut self, word: String) -> usize {
        if let Some(place) = self.places.get(&word) {
            return *place;
        }
        self.all.push(word.clone());
        self.places.insert(word, self.all.len() - 1);
        self.all.len() - 1
    }
}

/// What a reader filters facts by.
fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Asked(..) => "request",
        Fact::Answered(..) => "answer",
        Fact::Skipped(..) => "skipped step",
        Fact::Persisted { .. } => "commit",
        Fact::Durable(_) => "durable",
        Fact::Started { .. } => "start",
        Fact::Sent { message_id, .. }
        | Fact::Delivered { message_id, .. }
        | Fact::Lost { message_id, .. } => message_id.message_kind.word(),
        Fact::Committed { .. } | Fact::Removed { .. } => "row stored",
        Fact::Served(_) => "page served",
        Fact::Declined(..) => "refusal",
        Fact::Logged { .. } => "server commit",
        Fact::Filed { .. } | Fact::Named { .. } | Fact::Kept { .. } => "volume",
        Fact::StepBegan(..) | Fact::StepEnded(..) => "processing",
        Fact::Faulted(_) | Fact::Struck(_) | Fact::Ended(_) => "fault",
        Fact::FaultsEnded | Fact::Settled { .. } | Fact::CutOff { .. } => "phase",
        Fact::PersistFailed(_) | Fact::Killed { .. } => "crash",
        Fact::Panicked(_) | Fact::ErrorLogged(_) => "error",
        Fact::Found { .. } | Fact::Looked { .. } => "row found",
    }
}
