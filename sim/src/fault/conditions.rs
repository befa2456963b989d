//! What the active faults make of links, disks, keychains, the volume and the AI step. It is a pure
//! function of the active faults, so that overlapping ones need no accounts.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{Build, DeviceId, Remote};
use harness::time::Span;

use super::Times;
use crate::host::Node;

/// What the active faults make of links, disks, keychains, the volume and the AI step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    cuts: BTreeSet<(Node, Node)>,
    offline: BTreeSet<DeviceId>,
    slow_links: BTreeMap<(DeviceId, Remote), Times>,
    lost_replies: BTreeSet<Remote>,
    lost_hints: BTreeSet<Remote>,
    full_disks: BTreeSet<DeviceId>,
    slow_disks: BTreeMap<DeviceId, Times>,
    held_keys: BTreeSet<DeviceId>,
    old_builds: BTreeSet<DeviceId>,
    /// Those of the volume.
    pub volume: VolumeConditions,
    /// Those of the AI step.
    pub step: StepConditions,
}

/// The state of the AI step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepConditions {
    /// How many times as long it takes; 0 for once.
    pub times: u16,
    /// Does it end without a result?
    pub fails: bool,
}

/// The state of the volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeConditions {
    /// Does it answer nothing but that it failed?
    pub is_out: bool,
    /// Are its answers lost?
    pub loses_replies: bool,
    /// How many times as long a request takes; 0 for once.
    pub times: u16,
    /// For how long a list lacks what was created.
    pub list_lag: Span,
}

impl Conditions {
    /// Messages from one host to another are lost.
    pub fn cut(&mut self, from: Node, to: Node) {
        self.cuts.insert((from, to));
    }

    /// All messages from and to a device are lost.
    pub fn take_offline(&mut self, device: DeviceId) {
        self.offline.insert(device);
    }

    /// Messages between a device and a remote take longer; of two faults the stronger counts.
    pub fn slow_link(&mut self, device: DeviceId, remote: Remote, times: Times) {
        let slow = self.slow_links.entry((device, remote)).or_insert(times);
        *slow = (*slow).max(times);
    }

    /// A remote's answers are lost.
    pub fn lose_replies(&mut self, remote: Remote) {
        self.lost_replies.insert(remote);
    }

    /// A remote's hints are lost.
    pub fn lose_hints(&mut self, remote: Remote) {
        self.lost_hints.insert(remote);
    }

    /// Commits of a device fail.
    pub fn fill_disk(&mut self, device: DeviceId) {
        self.full_disks.insert(device);
    }

    /// Commits of a device take longer; of two faults the stronger counts.
    pub fn slow_disk(&mut self, device: DeviceId, times: Times) {
        let slow = self.slow_disks.entry(device).or_insert(times);
        *slow = (*slow).max(times);
    }

    /// Keys do not reach a device.
    pub fn hold_keys(&mut self, device: DeviceId) {
        self.held_keys.insert(device);
    }

    /// The previous build is installed on a device.
    pub fn install_previous(&mut self, device: DeviceId) {
        self.old_builds.insert(device);
    }

    /// The build that a device starts with.
    pub(crate) fn build_of(&self, device: DeviceId) -> Build {
        if self.old_builds.contains(&device) { Build::Previous } else { Build::Current }
    }

    /// Is this direction of a link cut?
    pub(crate) fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cuts.contains(&(from, to))
    }

    pub(crate) fn is_offline(&self, device: DeviceId) -> bool {
        self.offline.contains(&device)
    }

    pub(crate) fn loses_replies(&self, remote: Remote) -> bool {
        self.lost_replies.contains(&remote)
    }

    pub(crate) fn loses_hints(&self, remote: Remote) -> bool {
        self.lost_hints.contains(&remote)
    }

    /// How many times as long a message between them takes.
    pub(crate) fn link_slowness(&self, device: DeviceId, remote: Remote) -> u16 {
        self.slow_links.get(&(device, remote)).map_or(1, |times| times.0.max(1))
    }

    /// How many times as long a commit takes.
    pub(crate) fn disk_slowness(&self, device: DeviceId) -> u16 {
        self.slow_disks.get(&device).map_or(1, |times| times.0.max(1))
    }

    pub(crate) fn disk_is_full(&self, device: DeviceId) -> bool {
        self.full_disks.contains(&device)
    }

    pub(crate) fn holds_keys(&self, device: DeviceId) -> bool {
        self.held_keys.contains(&device)
    }

    /// Is this device cut off from a remote, at least in one direction?
    pub(crate) fn isolates(&self, device: DeviceId, remote: Remote) -> bool {
        let ends = [Node::Device(device), Node::Remote(remote)];
        let is_between = |(from, to): &(Node, Node)| ends.contains(from) && ends.contains(to);
        self.is_offline(device) || self.cuts.iter().any(is_between)
    }
}
