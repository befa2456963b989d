//! Trouble: the faults of a plan happen to the world, and leave scars where they cannot be undone.
//!
//! A damaged row can be repaired as long as a device that is served the damage knows the row's tag and
//! reaches the remote. Such a device saves the row again, and a run waits for that. Other devices see
//! nothing to repair.

use std::collections::BTreeSet;

use engine::device::StoreKey;
use engine::id::{DeviceId, Kind, RecordId, Remote, UserId, VaultId};
use engine::remote::{
    Call, CallId, Credential, Cursor, Order as FeedOrder, Policy, Put, Request, Row,
};
use engine::time::{Span, Time};

use super::{Event, State, World};
use crate::desk::Arrival;
use crate::disk::Disk;
use crate::fault::{self, Ongoing, Weather, lasting};
use crate::history::{Boot, Fact};
use crate::keychain::stranger;
use crate::message::Message;
use crate::plan::{Fault, Lasting, Node, StepId};
use crate::remote::Control;

/// What faults leave behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Scars {
    /// Where rows were hidden, damaged or refused for a time: they do not come back into a feed, so
    /// a device has to list everything once more.
    pub(super) unlisted: BTreeSet<(Remote, VaultId)>,
    /// Rows that nobody can put right.
    pub(super) rows: BTreeSet<(Remote, VaultId, RecordId)>,
    /// Rows damaged for good, for all devices or for one. The next save ends the damage, and a device
    /// that is served it and still knows what the row's tag stands for makes that save.
    mendable: BTreeSet<(Remote, VaultId, RecordId)>,
    /// Rows that were damaged, for however long. Somebody who could not open one may have put the
    /// damaged copy back after the remote had lost it.
    damaged: BTreeSet<(Remote, VaultId, RecordId)>,
}

impl World {
    /// A fault begins; false if it cannot happen as things are.
    pub(super) fn begin_fault(&mut self, step: StepId, fault: &Fault) -> bool {
        if !self.can_happen(fault) {
            return false;
        }
        if self.light(step, fault) {
            return true;
        }
        let (node, trouble) = fault::trouble(fault);
        self.cover(fault::name(&trouble));
        self.note(node, Fact::Faulted(trouble.clone()));
        self.leave_scars(fault);
        match fault {
            Fault::Crash(device, back, _) => {
                self.cut_power(*device);
                self.site_mut(*device).troubles.push(trouble);
                self.plan_start(*device, *back);
            }
            Fault::Pause(device, span) => {
                let site = self.site_mut(*device);
                site.paused = true;
                let life = site.incarnation;
                let order = self.draw_for_step("resume", step);
                let at = self.now + Span(span.0.max(1));
                self.file(at, order, Event::Resume(*device, life));
            }
            Fault::Destroy(device) => {
                if self.site(*device).is_up() {
                    self.cut_power(*device);
                }
                let site = self.site_mut(*device);
                site.state = State::Gone;
                site.start += 1;
            }
            Fault::SaveImage(device) => {
                let site = self.site_mut(*device);
                site.image = Some(site.disk.backup());
            }
            Fault::RestoreImage(device, back) => {
                if self.site(*device).is_up() {
                    self.cut_power(*device);
                }
                self.reinstall(*device, Boot::Restored);
                self.site_mut(*device).troubles.push(trouble);
                self.plan_start(*device, *back);
            }
            Fault::Clone(from, to) => {
                let image = self.site(*from).disk.backup();
                self.site_mut(*to).image = Some(image);
                self.reinstall(*to, Boot::Cloned(*from));
                self.plan_start(*to, Span(1));
            }
            Fault::ClockJump(device, ms) => self.site_mut(*device).clock.jump(*ms),
            Fault::ExpireCredential(device) => {
                let user = self.site(*device).user;
                self.tell(Remote::Rows, Control::Revoke(user));
            }
            Fault::Intrude(remote, user) => self.intrude(step, *remote, *user),
            Fault::Server(fault) => self.begin_at_server(step, fault, trouble),
            Fault::Pipe(fault) => self.begin_in_pipeline(step, fault, trouble),
            Fault::Cut(..)
            | Fault::Offline(..)
            | Fault::SlowLink(..)
            | Fault::LoseReplies(..)
            | Fault::LoseHints(..)
            | Fault::DiskFull(..)
            | Fault::DiskSlow(..)
            | Fault::HoldKeys(..)
            | Fault::Outage(..)
            | Fault::Throttle(..)
            | Fault::ExpireCursors(_)
            | Fault::HideRow(..)
            | Fault::CorruptRow(..)
            | Fault::RejectRow(..)
            | Fault::EndZone(..)
            | Fault::DropPolicy(_)
            | Fault::SlowCommits(..) => {}
        }
        if let Some((remote, control)) = fault::control(fault, true) {
            self.tell(remote, control);
        }
        if let Some(lasting) = lasting(fault) {
            self.ongoing.push(Ongoing::new(step, fault.clone()));
            self.weather = Weather::of(&self.ongoing);
            if let Lasting::For(span) = lasting {
                let order = self.draw_for_step("fault ends", step);
                let at = self.now + Span(span.0.max(1));
                self.file(at, order, Event::EndFault(step));
            }
        }
        true
    }

    fn can_happen(&self, fault: &Fault) -> bool {
        match fault {
            Fault::Crash(device, ..) => self.site(*device).is_up(),
            Fault::Pause(device, _) => self.site(*device).is_up() && !self.site(*device).paused,
            Fault::Destroy(device) => self.site(*device).state != State::Gone,
            Fault::SaveImage(device) => {
                matches!(self.site(*device).state, State::Running | State::Off)
            }
            Fault::RestoreImage(device, _) => {
                let site = self.site(*device);
                site.state != State::Gone && site.image.is_some()
            }
            Fault::Clone(from, to) => {
                let (from, to) = (self.site(*from), self.site(*to));
                matches!(from.state, State::Running | State::Off)
                    && to.state == State::New
                    && from.user == to.user
            }
            Fault::Outage(remote, _)
            | Fault::Throttle(remote, ..)
            | Fault::ExpireCursors(remote)
            | Fault::CorruptRow(remote, ..)
            | Fault::RejectRow(remote, ..)
            | Fault::Intrude(remote, _) => self.place(*remote).is_some(),
            Fault::ExpireCredential(_)
            | Fault::HideRow(..)
            | Fault::DropPolicy(_)
            | Fault::SlowCommits(..) => self.place(Remote::Rows).is_some(),
            Fault::EndZone(..) => self.place(Remote::Zone).is_some(),
            Fault::Server(fault) => self.can_begin_at_server(fault),
            Fault::Pipe(fault) => self.can_begin_in_pipeline(fault),
            Fault::Cut(..)
            | Fault::Offline(..)
            | Fault::SlowLink(..)
            | Fault::LoseReplies(..)
            | Fault::LoseHints(..)
            | Fault::ClockJump(..)
            | Fault::DiskFull(..)
            | Fault::DiskSlow(..)
            | Fault::HoldKeys(..) => true,
        }
    }

    /// The fault that this step began ends, unless it has ended already.
    pub(super) fn end_fault(&mut self, step: StepId) {
        let Some(at) = self.ongoing.iter().position(|ongoing| ongoing.step == step) else { return };
        let Ongoing { fault, .. } = self.ongoing.remove(at);
        self.weather = Weather::of(&self.ongoing);
        if let Some((remote, control)) = fault::ending_control(&fault, &self.ongoing) {
            self.tell(remote, control);
        }
        let (node, trouble) = fault::trouble(&fault);
        self.note(node, Fact::Ended(trouble));
        if let Fault::HoldKeys(device, _) = fault {
            self.send_keys(device);
        }
    }

    /// Ends what can end.
    pub(super) fn end_faults(&mut self) {
        let ends = |ongoing: &&Ongoing| !ongoing.outlasts_the_storm();
        let steps: Vec<_> = self.ongoing.iter().filter(ends).map(|ongoing| ongoing.step).collect();
        steps.into_iter().for_each(|step| self.end_fault(step));
    }

    /// Tells a remote what happens to it, before it hears anything else in this turn.
    fn tell(&mut self, remote: Remote, control: Control) {
        if let Some(station) = self.station_of(remote) {
            self.call(station, |desk| desk.arrivals.push_back(Arrival::Control(control)));
        }
    }

    /// A device gets another disk and so another install.
    fn reinstall(&mut self, device: DeviceId, boot: Boot) {
        let site = self.site_mut(device);
        site.installs += 1;
        let installs = site.installs;
        site.disk = Disk::new(site.image.clone().expect("it was looked for before"));
        (site.kept, site.boot) = (0, boot);
        let install = self.draw("install").and(u64::from(device.0)).and(installs).value();
        self.site_mut(device).install = install;
    }

    fn leave_scars(&mut self, fault: &Fault) {
        let forever = lasting(fault) == Some(Lasting::Forever);
        let (remote, vault, id) = match fault::control(fault, true) {
            Some((remote, Control::Hide(vault, id, _) | Control::Reject(vault, id, _))) => {
                (remote, vault, id)
            }
            Some((remote, Control::Corrupt(vault, id, ..))) => {
                self.scars.damaged.insert((remote, vault, id));
                (remote, vault, id)
            }
            Some(_) | None => return,
        };
        self.scars.unlisted.insert((remote, vault));
        if !forever {
            return;
        }
        let mendable = matches!(fault, Fault::CorruptRow(..));
        let rows = if mendable { &mut self.scars.mendable } else { &mut self.scars.rows };
        rows.insert((remote, vault, id));
    }

    /// Is there a device among these that puts back what it knows a remote's tag of a record to stand
    /// for, once it is served damaged bytes under that tag? One that never reaches the remote does not.
    fn is_mended_by(
        &self,
        devices: &[DeviceId],
        (remote, vault, id): (Remote, VaultId, RecordId),
    ) -> bool {
        let Some(place) = self.place(remote) else { return false };
        let double = self.doubles[place].lock().expect("no double has panicked");
        let stored = double.stored();
        let Some(row) = stored.iter().find(|row| row.row.vault == vault && row.row.id == id) else {
            return false;
        };
        devices.iter().any(|device| {
            let mirror = self.site(*device).disk.image().get(&StoreKey::Mirror(remote, id));
            mirror.is_some_and(|held| held.tag == row.tag.0)
                && !self.weather.isolates(*device, remote)
        })
    }

    /// The devices of a vault that are not gone for ever.
    fn devices_left(&self, vault: VaultId) -> Vec<DeviceId> {
        let mut devices = self.devices_of(vault);
        devices.retain(|device| self.site(*device).state != State::Gone);
        devices
    }

    /// Somebody asks for a user's rows with all that can be forged.
    fn intrude(&mut self, step: StepId, remote: Remote, user: UserId) {
        let vault = VaultId::from(user);
        let other = stranger(user, self.plan.users.len());
        let far = Time(self.now.0.saturating_add(1 << 40));
        let credentials = [
            None,
            Some(Credential { user, until: Time(0) }),
            Some(Credential { user: other, until: far }),
            Some(Credential { user, until: far }),
        ];
        let draw = self.draw_for_step("intruder", step);
        let target = self.plan.given.iter().find(|given| given.user == user);
        let id = target.map_or(RecordId { kind: Kind::Meal, key: 1 }, |given| given.id);
        let cursors = [
            None,
            Some(Cursor::Token(draw.value())),
            Some(Cursor::After { epoch: 0, stamp: 0, id: None }),
        ];
        let order = match remote {
            Remote::Zone => FeedOrder::Token,
            Remote::Rows => FeedOrder::CommitSeq,
        };
        let blob = draw.bytes::<96>().as_slice().into();
        let put = Put { row: Row { id, vault, blob }, expect: None };
        let mut requests = vec![
            Request::Fetch { vault, ids: vec![id] },
            Request::Save { vault, policy: Policy::Overwrite, puts: vec![put] },
            Request::Remove { vault, ids: vec![id] },
        ];
        requests.extend(cursors.map(|since| Request::Changes { vault, since, order, limit: 100 }));
        // Each forgery with each credential; numbered within the step that it belongs to.
        let mut number = step.0 << 5;
        for credential in credentials {
            for request in &requests {
                self.forge(remote, CallId(number), credential, request.clone());
                number += 1;
            }
        }
    }

    fn forge(
        &mut self,
        remote: Remote,
        call: CallId,
        credential: Option<Credential>,
        request: Request,
    ) {
        let call = Call { id: call, attempt: 0, credential, request };
        self.dispatch(Message::call((Node::Intruder, 0), remote, call.into()));
    }

    /// Devices that will never be heard of again, or that lack something for ever, and why.
    pub(super) fn isolated(&self, device: DeviceId) -> bool {
        self.plan.remotes.iter().any(|remote| self.weather.isolates(device, remote.kind))
    }

    /// Starts what may return, soon.
    pub(super) fn bring_back(&mut self) {
        for index in 0..self.devices.len() {
            let (id, state, life) = {
                let site = &self.devices[index];
                (site.id, site.state, site.incarnation)
            };
            match state {
                State::Off => {
                    let after = self.draw_for("return", id).below(100);
                    self.plan_start(id, Span(after));
                }
                State::Running => {
                    self.resume(id, life);
                    self.send_keys(id);
                }
                State::New | State::Gone => {}
            }
        }
    }

    /// The rows that nobody can put right.
    pub(super) fn incurable_rows(&self) -> BTreeSet<(Remote, VaultId, RecordId)> {
        let scars = [&self.scars.rows, &self.scars.damaged, &self.scars.mendable];
        scars.into_iter().flatten().copied().filter(|row| self.is_incurable(*row)).collect()
    }

    /// Is this a row that nobody can put right?
    pub(super) fn is_incurable(&self, row: (Remote, VaultId, RecordId)) -> bool {
        self.scars.rows.contains(&row)
            || self.scars.damaged.contains(&row) && self.is_spoilt(row)
            || self.scars.mendable.contains(&row) && self.stays_damaged(row)
    }

    /// Are there devices that are served damaged bytes of this row, and none of them mends it? Those
    /// that are served intact bytes have no reason to save the row.
    fn stays_damaged(&self, (remote, vault, id): (Remote, VaultId, RecordId)) -> bool {
        let Some(place) = self.place(remote) else { return false };
        let mut served = self.devices_left(vault);
        {
            let double = self.doubles[place].lock().expect("no double has panicked");
            served.retain(|device| double.is_damaged_for(vault, id, *device));
        }
        !served.is_empty() && !self.is_mended_by(&served, (remote, vault, id))
    }

    /// Is what is stored here damaged itself, and under a tag that nobody can put right?
    fn is_spoilt(&self, (remote, vault, id): (Remote, VaultId, RecordId)) -> bool {
        let Some(place) = self.place(remote) else { return false };
        let double = self.doubles[place].lock().expect("no double has panicked");
        let stored = double.stored();
        drop(double);
        let row = stored.iter().find(|row| row.row.vault == vault && row.row.id == id);
        row.is_some_and(|row| self.keychain.open(vault, id, &row.row.blob).is_none())
            && !self.is_mended_by(&self.devices_left(vault), (remote, vault, id))
    }
}
