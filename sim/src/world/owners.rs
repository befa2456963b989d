//! All owners at once, to look at: what has settled, what can happen, and what is incurable are
//! questions about several of them.

use engine::id::{DeviceId, VaultId};

use super::faults::Faults;
use super::host::Power;
use super::hosts::Hosts;
use super::readings::Readings;
use super::services::Services;
use crate::plan::{Node, Plan};

/// The owners of a run, to look at.
#[derive(Clone, Copy)]
pub(super) struct Owners<'w> {
    pub(super) plan: &'w Plan,
    pub(super) hosts: &'w Hosts,
    pub(super) services: &'w Services,
    pub(super) faults: &'w Faults,
    pub(super) readings: &'w Readings,
}

impl Owners<'_> {
    /// Is a device cut off from a remote, at least one way?
    pub(super) fn is_isolated(self, device: DeviceId) -> bool {
        let active = self.faults.conditions();
        self.plan.remotes.iter().any(|remote| active.isolates(device, remote.kind))
    }

    /// The devices of a vault that are not gone for ever.
    pub(super) fn devices_left(self, vault: VaultId) -> Vec<DeviceId> {
        let mut devices = self.hosts.devices_of(vault);
        devices.retain(|device| self.hosts.get(Node::Device(*device)).power() != Power::Gone);
        devices
    }
}
