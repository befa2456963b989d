//! The intervals of a history in which something was wrong with a host.

use std::collections::BTreeMap;

use serde::Serialize;

use super::events::Lanes;
use crate::history::{Entry, Fact};
use crate::plan::{Fault, Node};
use crate::report::story::Scene;

/// An interval, or a moment, in which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::report) struct Band {
    /// Of which host.
    pub(in crate::report) lane: usize,
    /// The fact that begins it.
    pub(in crate::report) begin: usize,
    /// The fact that ends it; none if it lasts to the end.
    pub(in crate::report) end: Option<usize>,
    /// The fault's word, or `down` of a host that does not run.
    pub(in crate::report) word: &'static str,
    /// Does it last?
    lasts: bool,
}

/// All of them, in the order of their beginnings.
pub(in crate::report) fn bands(scene: &Scene<'_>, history: &[Entry], lanes: &Lanes) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut active: Vec<(Fault, usize)> = Vec::new();
    let mut down: BTreeMap<Node, usize> = BTreeMap::new();
    for (index, entry) in history.iter().enumerate() {
        let lane = lanes.place(entry.node).expect("each host of a history has a lane");
        let band = |word, lasts| Band { lane, begin: index, end: None, word, lasts };
        let ended = if let Fact::Faulted(fault) = &entry.fact
            && scene.has_struck(fault)
        {
            active.push((*fault, bands.len()));
            bands.push(band(fault.word(), fault.is_interval()));
            None
        } else if let Fact::Ended(fault) = &entry.fact {
            let begun = active.iter().position(|(it, _)| it == fault || fault.ends(it));
            begun.map(|place| active.remove(place).1)
        } else if let Fact::Killed { .. } | Fact::PersistFailed(_) = &entry.fact
            && !down.contains_key(&entry.node)
        {
            down.insert(entry.node, bands.len());
            bands.push(band("down", true));
            None
        } else if let Fact::Started { .. } = &entry.fact {
            down.remove(&entry.node)
        } else {
            None
        };
        if let Some(ended) = ended {
            bands[ended].end = Some(index);
        }
    }
    bands
}
