//! Conditions: what the active faults make of links and disks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::observation::HostId;

/// Why a message does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Lost {
    /// By chance.
    Chance,
    /// The link is cut.
    Cut,
    /// One of its ends is offline.
    Offline,
    /// Its receiver was not running when it arrived.
    Down,
}

impl Lost {
    /// Why, in words.
    pub const fn because(self) -> &'static str {
        match self {
            Self::Chance => "by chance",
            Self::Cut => "the link is cut",
            Self::Offline => "a host is offline",
            Self::Down => "the receiver is not running",
        }
    }
}

/// What the active faults make of links and disks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    pub(crate) cut: BTreeSet<(HostId, HostId)>,
    pub(crate) offline: BTreeSet<HostId>,
    pub(crate) slow_links: BTreeMap<(HostId, HostId), u64>,
    pub(crate) slow_disks: BTreeMap<HostId, u64>,
}

impl Conditions {
    /// Why a message between these hosts cannot arrive.
    pub fn stop(&self, from: HostId, to: HostId) -> Option<Lost> {
        if self.offline.contains(&from) || self.offline.contains(&to) {
            return Some(Lost::Offline);
        }
        self.cut.contains(&(from, to)).then_some(Lost::Cut)
    }

    /// How many times as long a message between these hosts takes.
    pub fn slowness(&self, from: HostId, to: HostId) -> u64 {
        self.slow_links.get(&(from, to)).copied().unwrap_or(1)
    }

    /// How many times as long a commit of this host takes.
    pub fn disk_slowness(&self, host: HostId) -> u64 {
        self.slow_disks.get(&host).copied().unwrap_or(1)
    }
}
