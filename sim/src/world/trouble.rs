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
use harness::disk::Disk;
use harness::time::{Span, Time};

use super::fuse::Fuse;
use super::{Event, State, World};
use crate::desk::Arrival;
use crate::fault::{self, Action, Conditions, Control, Fault, Lasts, Need};
use crate::history::{Boot, Fact};
use crate::keychain::stranger;
use crate::plan::{Lasting, Node, StepId};
use crate::post::Mail;
use crate::time::ToEngine;

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

/// A fault that goes on.
#[derive(Clone, Debug)]
pub(super) struct Active {
    /// The step that began it.
    step: StepId,
    fault: Fault,
    lasting: Lasting,
}

impl Active {
    /// Does it go on when the faults of the plan end?
    fn stays(&self) -> bool {
        self.lasting == Lasting::Forever && self.fault.kind().can_stay()
    }
}

impl World {
    /// A step of the plan has a fault begin, now or after some effects of its host; false if it cannot
    /// happen as things are.
    pub(super) fn begin_fault(&mut self, step: StepId, fault: &Fault, lasting: Lasting) -> bool {
        if fault.effects() == 0 {
            return self.strike(step, fault, lasting);
        }
        let can_happen = self.can_happen(fault);
        if can_happen {
            self.fuses.push(Fuse::new(step, *fault, lasting));
        }
        can_happen
    }

    /// A fault begins; false if it cannot happen as things are.
    pub(super) fn strike(&mut self, step: StepId, fault: &Fault, lasting: Lasting) -> bool {
        if !self.can_happen(fault) {
            return false;
        }
        self.cover(fault.word());
        self.note(fault.host(), Fact::Faulted(*fault));
        self.leave_scars(fault, lasting);
        if let Some(action) = fault.action() {
            self.act(step, fault, lasting.span(), action);
        }
        if let Some((remote, control)) = fault.control(true) {
            self.tell(remote, control);
        }
        if matches!(fault.kind().lasts(), Lasts::Until(..)) {
            self.active.push(Active { step, fault: *fault, lasting });
            self.update_conditions();
            if let Lasting::For(span) = lasting {
                let order = self.draw_for_step("fault ends", step);
                let at = self.now + Span(span.0.max(1));
                self.file(at, order, Event::EndFault(step));
            }
        }
        true
    }

    fn update_conditions(&mut self) {
        self.conditions = Conditions::of(self.active.iter().map(|active| &active.fault));
    }

    fn can_happen(&self, fault: &Fault) -> bool {
        fault.needs().into_iter().all(|need| self.is_met(need))
    }

    fn is_met(&self, need: Need) -> bool {
        match need {
            Need::Up(host) => self.is_up(host),
            Need::Awake(host) => self.is_up(host) && !self.is_paused(host),
            Need::Exists(device) => self.site(device).state != State::Gone,
            Need::HasDisk(device) => {
                matches!(self.site(device).state, State::Running | State::Off)
            }
            Need::HasImage(device) => self.site(device).image.is_some(),
            Need::CanBeCopyOf(copy, device) => {
                let (from, to) = (self.site(device), self.site(copy));
                to.state == State::New && from.user == to.user
            }
            Need::Remote(remote) => self.place(remote).is_some(),
            Need::Server => self.plan.server.is_some(),
            Need::Processors => !self.pipeline.seats.is_empty(),
        }
    }

    /// Does this host run? One that is not in the plan does not.
    fn is_up(&self, host: Node) -> bool {
        match host {
            Node::Device(device) => self.site(device).is_up(),
            Node::Worker(worker) => {
                usize::from(worker.0) < self.workers.len() && self.process(worker).is_up()
            }
            Node::Processor(it) => {
                usize::from(it.0) < self.pipeline.seats.len() && self.process(it).is_up()
            }
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => true,
        }
    }

    fn is_paused(&self, host: Node) -> bool {
        match host {
            Node::Device(device) => self.site(device).paused,
            Node::Worker(worker) => self.process(worker).stands_still(),
            Node::Processor(processor) => self.process(processor).stands_still(),
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => false,
        }
    }

    /// Does to the world what a fault does.
    fn act(&mut self, step: StepId, fault: &Fault, span: Span, action: Action) {
        match action {
            Action::Crash(host) => self.crash(host, span, *fault),
            Action::Pause(host) => self.pause(host, span, step),
            Action::Destroy(device) => {
                if self.site(device).is_up() {
                    self.cut_power(device);
                }
                let site = self.site_mut(device);
                site.state = State::Gone;
                site.start += 1;
            }
            Action::SaveImage(device) => {
                let site = self.site_mut(device);
                site.image = Some(site.disk.backup());
            }
            Action::RestoreImage(device) => {
                if self.site(device).is_up() {
                    self.cut_power(device);
                }
                self.reinstall(device, Boot::Restored);
                self.site_mut(device).faults.push(*fault);
                self.plan_start(device, span);
            }
            Action::CopyDisk(from, to) => {
                let image = self.site(from).disk.backup();
                self.site_mut(to).image = Some(image);
                self.reinstall(to, Boot::Cloned(from));
                self.plan_start(to, Span(1));
            }
            Action::JumpClock(host, ms) => self.jump_clock(host, ms),
            Action::Revoke(device) => {
                let user = self.site(device).user;
                self.tell(Remote::Rows, Control::Revoke(user));
            }
            Action::SendKeys(device) => self.send_keys(device),
            Action::Intrude(remote, user) => self.intrude(step, remote, user),
            Action::IntrudeServer(user) => self.intrude_server(step, user),
            Action::RestoreVolume(age) => self.restore_volume(age, span, *fault),
        }
    }

    fn crash(&mut self, host: Node, back: Span, fault: Fault) {
        match host {
            Node::Device(device) => {
                self.cut_power(device);
                self.site_mut(device).faults.push(fault);
                self.plan_start(device, back);
            }
            Node::Worker(worker) => self.crash_process(worker, back, fault),
            Node::Processor(processor) => self.crash_process(processor, back, fault),
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => {
                unreachable!("only devices and processes lose power")
            }
        }
    }

    fn pause(&mut self, host: Node, span: Span, step: StepId) {
        match host {
            Node::Device(device) => {
                let site = self.site_mut(device);
                site.paused = true;
                let life = site.incarnation;
                let order = self.draw_for_step("resume", step);
                let at = self.now + Span(span.0.max(1));
                self.file(at, order, Event::Resume(device, life));
            }
            Node::Worker(worker) => self.pause_process(worker, span, step),
            Node::Processor(processor) => self.pause_process(processor, span, step),
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => {
                unreachable!("only devices and processes stand still")
            }
        }
    }

    fn jump_clock(&mut self, host: Node, ms: i64) {
        match host {
            Node::Device(device) => self.site_mut(device).clock.jump(ms),
            Node::Worker(worker) => self.set_clock_wrong(worker, ms),
            Node::Processor(processor) => self.process_mut(processor).clock.jump(ms),
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => {
                unreachable!("only devices and processes have a clock that jumps")
            }
        }
    }

    /// The fault that this step began ends, unless it has ended already.
    pub(super) fn end_fault(&mut self, step: StepId) {
        let Some(at) = self.active.iter().position(|active| active.step == step) else { return };
        let Active { fault, .. } = self.active.remove(at);
        self.update_conditions();
        let others: Vec<&Fault> = self.active.iter().map(|active| &active.fault).collect();
        if let Some((remote, control)) = fault::control_at_end(&fault, &others) {
            self.tell(remote, control);
        }
        self.note(fault.host(), Fact::Ended(fault));
        if let Some(action) = fault.after() {
            self.act(step, &fault, Span::ZERO, action);
        }
    }

    /// Ends what can end.
    pub(super) fn end_faults(&mut self) {
        let ends = |active: &&Active| !active.stays();
        let steps: Vec<_> = self.active.iter().filter(ends).map(|active| active.step).collect();
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

    fn leave_scars(&mut self, fault: &Fault, lasting: Lasting) {
        let (remote, vault, id, mendable) = match fault.control(true) {
            Some((remote, Control::Hide(vault, id, _) | Control::Reject(vault, id, _))) => {
                (remote, vault, id, false)
            }
            Some((remote, Control::Corrupt(vault, id, ..) | Control::Swap(vault, id, ..))) => {
                self.scars.damaged.insert((remote, vault, id));
                (remote, vault, id, true)
            }
            Some(_) | None => return,
        };
        self.scars.unlisted.insert((remote, vault));
        if lasting != Lasting::Forever {
            return;
        }
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
                && !self.conditions.isolates(*device, remote)
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
        let far = Time(self.now.0.saturating_add(1 << 40)).to_engine();
        let credentials = [
            None,
            Some(Credential { user, until: Time(0).to_engine() }),
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
        self.dispatch(Mail::call((Node::Intruder, 0), remote, call.into()));
    }

    /// Devices that will never be heard of again, or that lack something for ever, and why.
    pub(super) fn isolated(&self, device: DeviceId) -> bool {
        self.plan.remotes.iter().any(|remote| self.conditions.isolates(device, remote.kind))
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
