//! Quiescence: what keeps a run from being settled, and what a plan made incurable.
//!
//! Reading the feed of files keeps no device busy: each device reads it again and again, and among many
//! there is always one that does. Whether all have read all is decided by when each last reached the head.

use std::fmt;

use engine::device::{StoreKey, Unfinished};
use engine::id::{DeviceId, RecordId, Remote, VaultId};
use harness::time::Time;

use super::host::{Host, Power};
use super::owners::Owners;
use super::storage::Storage;
use crate::invariant::Incurable;
use crate::mailbox::Standing;
use crate::plan::{Node, Plan};

/// What keeps a run from being settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Away(Node),
    Unheard(DeviceId),
    Owes(Node, usize),
    AtServer(DeviceId),
    FilesUnsent(DeviceId, usize),
    FilesUnread(DeviceId),
    FilesSealed(DeviceId, usize),
    Unworked(usize),
    GateClosed(DeviceId),
    Partial(DeviceId),
    Unfinished(DeviceId, Remote, RecordId, Unfinished),
    Unpersisted(DeviceId),
    Behind(DeviceId, Remote),
    Unlisted(DeviceId, Remote),
}

/// A look at the owners of a run, to find out whether anything is pending. As long as there are faults,
/// what is down may stay so.
#[derive(Clone, Copy)]
pub(super) struct Quiescence<'w> {
    pub(super) owners: Owners<'w>,
    pub(super) has_faults: bool,
}

impl Quiescence<'_> {
    /// What is pending, a line each.
    pub(super) fn pending(self) -> Vec<String> {
        let mut lines = Vec::new();
        self.report(&mut |pending| {
            lines.push(named(pending, self.owners.plan));
            false
        });
        lines
    }

    /// Is nothing pending? The device that kept the run from being settled when this was last asked is
    /// looked at first: mostly it still does.
    pub(super) fn is_reached(self, last: &mut Option<usize>) -> bool {
        if last.is_some_and(|place| self.is_pending_at(place)) {
            return false;
        }
        let devices = 0..self.owners.hosts.devices().len();
        *last = devices.into_iter().find(|place| self.is_pending_at(*place));
        last.is_none() && self.report(&mut |_| true)
    }

    fn is_pending_at(self, place: usize) -> bool {
        let host = self.owners.hosts.at(place);
        !self.is_left_out(host)
            && (self.inside(host, &mut |_| true) || self.outside(host, &mut |_| true))
    }

    /// Hands over what keeps the run from being settled until `enough`; true if nothing does.
    fn report(self, enough: &mut dyn FnMut(Pending) -> bool) -> bool {
        let mut is_reached = true;
        let mut report = |pending| {
            is_reached = false;
            enough(pending)
        };
        if self.at_work(&mut report) {
            return is_reached;
        }
        let looked_at =
            || self.owners.hosts.devices().iter().filter(|host| !self.is_left_out(host));
        // What costs little to look at first.
        if looked_at().any(|host| self.inside(host, &mut report)) {
            return is_reached;
        }
        looked_at().any(|host| self.outside(host, &mut report));
        is_reached
    }

    /// What is left to be done by workers and on conversations. True if enough was reported.
    fn at_work(self, report: &mut dyn FnMut(Pending) -> bool) -> bool {
        let hosts = self.owners.hosts;
        for host in hosts.workers().filter(|host| !self.has_faults && !host.is_up()) {
            if report(Pending::Away(host.node())) {
                return true;
            }
        }
        for host in hosts.processors() {
            if !host.is_up() && !self.has_faults && report(Pending::Away(host.node())) {
                return true;
            }
            let owed = host.unanswered();
            if owed > 0 && report(Pending::Owes(host.node(), owed)) {
                return true;
            }
        }
        let open = self.owners.services.server.ledger().open_conversations();
        open > 0 && hosts.processors().next().is_some() && report(Pending::Unworked(open))
    }

    /// Does the run not wait for this device?
    fn is_left_out(self, host: &Host) -> bool {
        match host.power() {
            Power::New | Power::Gone => true,
            Power::Off => self.has_faults,
            Power::Running => host.node().device().is_some_and(|it| self.owners.is_isolated(it)),
        }
    }

    /// What a device knows of itself. True if enough was reported.
    fn inside(self, host: &Host, report: &mut dyn FnMut(Pending) -> bool) -> bool {
        let Node::Device(device) = host.node() else { return false };
        let Some(storage) = host.storage() else { return false };
        if !host.is_up() {
            return report(Pending::Away(host.node()));
        }
        let Some(standing) = &host.mailbox().standing else {
            return report(Pending::Unheard(device));
        };
        if standing.owed > 0 && report(Pending::Owes(host.node(), standing.owed)) {
            return true;
        }
        let with_server = !standing.done_with_server && standing.signed_in;
        if with_server && report(Pending::AtServer(device)) {
            return true;
        }
        if storage.is_busy() && report(Pending::Unpersisted(device)) {
            return true;
        }
        if !standing.signed_in {
            return false;
        }
        if !standing.status.open && report(Pending::GateClosed(device)) {
            return true;
        }
        if standing.status.partial && report(Pending::Partial(device)) {
            return true;
        }
        self.unfinished((device, standing, storage), report)
    }

    /// What a device, on which a user is signed in, has not finished. True if enough was reported.
    fn unfinished(
        self,
        (device, standing, storage): (DeviceId, &Standing, &Storage),
        report: &mut dyn FnMut(Pending) -> bool,
    ) -> bool {
        let Owners { plan, services, faults, .. } = self.owners;
        // What a device has no key for stays sealed; what it has to send does not wait for that.
        // Without any key at all there is nothing that it can send.
        let keyless = faults.conditions().holds_keys(device);
        let mute = keyless && !storage.contents().keys().any(|key| matches!(key, StoreKey::Key(_)));
        let unsent = standing.files_unsent;
        if unsent > 0 && !mute && report(Pending::FilesUnsent(device, unsent)) {
            return true;
        }
        let sealed = standing.files_sealed;
        if sealed > 0 && !keyless && report(Pending::FilesSealed(device, sealed)) {
            return true;
        }
        let user = plan.devices[usize::from(device.0)].user;
        let has_read_files = services.server.ledger().has_read_files(user, storage);
        if !has_read_files && report(Pending::FilesUnread(device)) {
            return true;
        }
        for remote in plan.remotes.iter().map(|remote| remote.kind) {
            for &(id, why) in &standing.unfinished[remote.index()] {
                let pending = Pending::Unfinished(device, remote, id, why);
                let row = (remote, user.into(), id);
                let spared = mute
                    || keyless && why == Unfinished::Sealed
                    || super::incurable::contains(row, self.owners);
                if !spared && report(pending) {
                    return true;
                }
            }
        }
        false
    }

    /// How a device stands to the remotes. True if enough was reported.
    fn outside(self, host: &Host, report: &mut dyn FnMut(Pending) -> bool) -> bool {
        let Owners { plan, hosts, services, faults } = self.owners;
        let standing = host.mailbox().standing.as_ref().filter(|standing| standing.signed_in);
        let (Some(standing), Node::Device(device)) = (standing, host.node()) else { return false };
        let Some(vault) = hosts.user_of(host.node()).map(VaultId::from) else { return false };
        let faults_ended = Time(plan.storm.0);
        for remote in plan.remotes.iter().map(|remote| remote.kind) {
            let at_head = services.remotes.find(remote).is_some_and(|double| {
                match standing.cursors[remote.index()] {
                    Some(cursor) => double.is_at_head(vault, cursor),
                    None => !double.stored().iter().any(|row| row.row.vault == vault),
                }
            });
            if !at_head && report(Pending::Behind(device, remote)) {
                return true;
            }
            let listed = standing.listed_at[remote.index()].is_some_and(|at| at >= faults_ended);
            let must_list = !self.has_faults && faults.damage().is_unlisted(remote, vault);
            if must_list && !listed && report(Pending::Unlisted(device, remote)) {
                return true;
            }
        }
        false
    }
}

/// What the plan made incurable, as the run ended.
pub(super) fn incurable(owners: Owners<'_>) -> Vec<Incurable> {
    let mut incurable = Vec::new();
    for host in owners.hosts.devices() {
        let Node::Device(device) = host.node() else { continue };
        let standing = &host.mailbox().standing;
        let signed_in = standing.as_ref().is_some_and(|standing| standing.signed_in);
        if !host.is_up() || !signed_in || owners.is_isolated(device) {
            incurable.push(Incurable::Device(device));
        }
        if owners.faults.conditions().holds_keys(device) {
            incurable.push(Incurable::Keyless(device));
        }
    }
    let rows = super::incurable::rows(owners).into_iter();
    incurable.extend(rows.map(|(remote, vault, id)| Incurable::Row(remote, vault, id)));
    incurable.sort_unstable();
    incurable
}

fn named(pending: Pending, plan: &Plan) -> String {
    Named { pending, plan }.to_string()
}

/// A pending thing with the names that people use.
struct Named<'a> {
    pending: Pending,
    plan: &'a Plan,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |device: DeviceId| self.plan.name(Node::Device(device));
        let of = |remote: Remote| self.plan.name(Node::Remote(remote));
        match self.pending {
            Pending::Away(host) if matches!(host, Node::Worker(_)) => {
                write!(f, "{} is down", self.plan.name(host))
            }
            Pending::Away(host) => write!(f, "{} has not come back", self.plan.name(host)),
            Pending::Unheard(d) => write!(f, "{} has not said how it stands", name(d)),
            Pending::Owes(host, n) => {
                let user = if host.device().is_some() { "its user " } else { "" };
                write!(f, "{} owes {user}{n} answers", self.plan.name(host))
            }
            Pending::AtServer(d) => write!(f, "{} is not done with the sync server", name(d)),
            Pending::FilesUnsent(d, n) => write!(f, "{} has {n} contents to upload", name(d)),
            Pending::FilesSealed(d, n) => write!(f, "{} cannot open {n} files", name(d)),
            Pending::FilesUnread(d) => write!(f, "{} is behind the feed of files", name(d)),
            Pending::Unworked(n) => write!(f, "work is left to be done on {n} conversations"),
            Pending::GateClosed(d) => write!(f, "{}: the login gate is closed", name(d)),
            Pending::Partial(d) => {
                write!(f, "{}: one remote is not merged since the login", name(d))
            }
            Pending::Unfinished(d, r, id, Unfinished::Unsent) => {
                write!(f, "{} has not sent {id} to {}", name(d), of(r))
            }
            Pending::Unfinished(d, r, id, Unfinished::Sealed) => {
                write!(f, "{} cannot open {id} of {}", name(d), of(r))
            }
            Pending::Unfinished(d, r, id, Unfinished::Parked) => {
                write!(f, "{} has parked {id} for {}", name(d), of(r))
            }
            Pending::Unpersisted(d) => write!(f, "{} waits for its disk", name(d)),
            Pending::Behind(d, r) => write!(f, "{} is behind the head of {}", name(d), of(r)),
            Pending::Unlisted(d, r) => {
                write!(f, "{} has not listed {} since the faults ended", name(d), of(r))
            }
        }
    }
}
