//! The path of a write: where it was asked for, which places came to hold it, and which ceased to.

use std::collections::BTreeMap;

use engine::id::{Dot, RecordId, Token, VaultId};

use super::Scene;
use crate::history::{Asked, Boot, Change, Contents, Entry, Fact, Page};
use crate::invariant::Violation;
use crate::plan::Node;

/// A fact on the path of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stop {
    /// The fact, as an index into the history.
    pub fact: usize,
    /// What became of the write there.
    pub what: Station,
}

/// What became of a write at a stop of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Station {
    /// A user asked for it.
    Asked,
    /// It was acknowledged.
    Acknowledged,
    /// This place holds it from now on.
    Held,
    /// A remote that holds it serves it to a device for the first time.
    Served,
    /// This place held it, and does no longer.
    Dropped,
    /// Part of what proves the violation, and none of the above.
    Proof,
}

impl Station {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Acknowledged => "acknowledged",
            Self::Held => "held",
            Self::Served => "served",
            Self::Dropped => "dropped",
            Self::Proof => "proof",
        }
    }
}

/// The path of the write that a violation is about, and what proves the violation; in order.
pub(super) fn path(scene: &Scene<'_>, violation: &Violation) -> Vec<Stop> {
    let mut stops = BTreeMap::new();
    if let Some(token) = violation.token {
        walk(scene, token, violation, &mut stops);
    }
    let facts = scene.names.history().len();
    for &fact in violation.evidence.iter().filter(|&&fact| fact < facts) {
        stops.entry(fact).or_insert(Station::Proof);
    }
    stops.into_iter().map(|(fact, what)| Stop { fact, what }).collect()
}

/// The dropped stop that a violation speaks of: the last one that is not after it.
pub fn loss<'p>(path: &'p [Stop], history: &[Entry], violation: &Violation) -> Option<&'p Stop> {
    let before = |stop: &&Stop| history[stop.fact].at <= violation.at;
    path.iter().filter(before).rfind(|stop| stop.what == Station::Dropped)
}

fn walk(
    scene: &Scene<'_>,
    token: Token,
    violation: &Violation,
    stops: &mut BTreeMap<usize, Station>,
) {
    let names = &scene.names;
    let history = names.history();
    let Some(write) = names.write(token) else { return };
    stops.insert(write.index, Station::Asked);
    let answered = |entry: &Entry| {
        entry.fact.answered().is_some_and(|(op, _)| names.token_of(entry, op) == Some(token))
    };
    let acknowledged = (write.index..history.len()).find(|&at| answered(&history[at]));
    stops.extend(acknowledged.map(|at| (at, Station::Acknowledged)));
    stops.extend(scene.evidence().fate(token).into_iter().map(|at| (at, Station::Held)).skip(1));
    let record = violation.record.or_else(|| match history[write.index].fact.asked() {
        Some((_, Asked::Write { id, .. })) => Some(*id),
        Some(_) | None => None,
    });
    let mut holders = Holders {
        token,
        dot: names.dot_of(token),
        vault: scene.evidence().user_of(Some(token), violation.node).map(VaultId::from),
        record,
        holding: BTreeMap::new(),
        served: Vec::new(),
    };
    for (at, entry) in history.iter().enumerate().skip(write.index) {
        if let Some(station) = holders.observe(entry) {
            stops.entry(at).or_insert(station);
        }
    }
}

/// Who holds a write.
struct Holders {
    token: Token,
    /// The write of a file.
    dot: Option<Dot>,
    vault: Option<VaultId>,
    record: Option<RecordId>,
    holding: BTreeMap<Node, bool>,
    /// The devices that were served it, each with the remote.
    served: Vec<(Node, Node)>,
}

impl Holders {
    /// What a fact makes of it.
    fn observe(&mut self, entry: &Entry) -> Option<Station> {
        let Entry { node, fact, .. } = entry;
        if let Fact::Served(page) = fact {
            return self.serve(*node, page);
        }
        let holds = if let Fact::Persisted { changes, .. } = fact {
            changes.iter().rev().find_map(|it| self.holds(it))
        } else if let Fact::Started { boot: Boot::Restored | Boot::Cloned(_), holds, .. } = fact {
            Some(holds.iter().any(|it| self.holds(it) == Some(true)))
        } else if let Fact::Committed { vault, id, contents: Some(contents), .. } = fact {
            self.is_of(*vault, *id).then(|| self.is_in(contents))
        } else if let Fact::Removed { vault, id, .. } = fact {
            self.is_of(*vault, *id).then_some(false)
        } else {
            None
        };
        let held = self.holding.insert(*node, holds?).unwrap_or_default();
        match (held, holds?) {
            (false, true) => Some(Station::Held),
            (true, false) => Some(Station::Dropped),
            (false, false) | (true, true) => None,
        }
    }

    /// A page is served.
    fn serve(&mut self, remote: Node, page: &Page) -> Option<Station> {
        let holds = self.holding.get(&remote).copied().unwrap_or_default();
        let shows = page.rows.iter().any(|(vault, id, ..)| self.is_of(*vault, *id));
        let is_first = holds && shows && !self.served.contains(&(remote, page.to));
        is_first.then(|| {
            self.served.push((remote, page.to));
            Station::Served
        })
    }

    /// Does a store hold it after this change? `None` if the change says nothing of it.
    fn holds(&self, change: &Change) -> Option<bool> {
        if let Change::Record(id, contents) = change {
            let is_it = Some(*id) == self.record;
            return is_it.then(|| contents.as_ref().is_some_and(|it| self.is_in(it)));
        }
        let dot = self.dot?;
        let holds = if let Change::Node(_, Some(seen)) = change {
            seen.heads.iter().any(|(_, head)| *head == dot)
        } else {
            matches!(change, Change::Upload(own, Some(_)) if *own == dot)
        };
        holds.then_some(true)
    }

    fn is_in(&self, contents: &Contents) -> bool {
        contents.cells.iter().any(|(_, token)| *token == self.token)
    }

    fn is_of(&self, vault: VaultId, id: RecordId) -> bool {
        Some(vault) == self.vault && Some(id) == self.record
    }
}
