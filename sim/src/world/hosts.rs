//! All hosts of a run: devices in order, then remotes, then workers, then processors; and which of them
//! have something to do in a turn.

use std::sync::Arc;

use engine::device::Snapshot;
use engine::id::{DeviceId, Remote, UserId, VaultId};
use harness::clock::Clock;
use harness::random::Draw;
use harness::time::{Span, Time};

use super::action::{Action, Actions};
use super::event::Event;
use super::host::{Host, HostClock, Power};
use super::storage::Storage;
use crate::fault::Fault;
use crate::history::recorder::Recorder as Facts;
use crate::history::{Fact, Incarnation, Lost, Skip};
use crate::mailbox::{Effect, Inbound, Mailbox};
use crate::message::{Body, Message};
use crate::plan::{Node, Plan, ProcessorId, Start, WorkerId};
use crate::remote::Control;

/// What the driver has to do with the task of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Drop the machine.
    Kill(usize),
    /// Make room for a new one.
    Start(usize),
}

/// All hosts of a run.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    plan: Arc<Plan>,
    hosts: Vec<Host>,
    /// The hosts that were called in this turn.
    ready: Vec<usize>,
    orders: Vec<Order>,
    /// How many messages were received.
    received: u64,
}

impl Hosts {
    /// The hosts of a plan; `images` are what is on devices' disks before their first start, each with the
    /// name of the install.
    pub(super) fn of(plan: &Arc<Plan>, images: Vec<(u64, Snapshot)>) -> Self {
        let mut hosts = Vec::new();
        for ((n, device), (install, image)) in plan.devices.iter().enumerate().zip(images) {
            let node = Node::Device(DeviceId(number(n)));
            let clock = Clock::new(device.clock_offset_ms, device.clock_drift_ppm);
            let storage = Storage::new(image, plan.disk, install);
            let clock = HostClock::of_device(clock);
            hosts.push(Host::new(node, plan.nature, clock, Some(storage)));
        }
        let mut add = |node, offset_ms, drift_ppm| {
            let clock = HostClock::of_run(Clock::new(offset_ms, drift_ppm));
            hosts.push(Host::new(node, plan.nature, clock, None));
        };
        for remote in &plan.remotes {
            add(Node::Remote(remote.kind), 0, 0);
        }
        for (n, it) in plan.server.iter().flat_map(|server| &server.workers).enumerate() {
            add(Node::Worker(WorkerId(number(n))), it.clock_offset_ms, it.clock_drift_ppm);
        }
        for (n, it) in plan.processors().iter().enumerate() {
            add(Node::Processor(ProcessorId(number(n))), it.clock_offset_ms, it.clock_drift_ppm);
        }
        Self { plan: plan.clone(), hosts, ready: Vec::new(), orders: Vec::new(), received: 0 }
    }

    /// Plans the first starts.
    pub(super) fn plan_first_starts(&mut self, out: &mut Actions) {
        let plan = self.plan.clone();
        for (n, device) in plan.devices.iter().enumerate() {
            let at = match device.start {
                Start::Prepared(at) | Start::Fresh(at) => at,
                Start::Cloned => continue,
            };
            let order = Draw::new(plan.nature, "first start").and(n as u64);
            out.push(Action::Schedule(at, order, Event::Start(self.hosts[n].node(), 0)));
        }
        for host in &mut self.hosts {
            if matches!(host.node(), Node::Worker(_) | Node::Processor(_)) {
                host.plan_start(Time(0), out);
            }
        }
    }

    /// From now on everything about hosts is drawn from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.hosts.iter_mut().for_each(|host| host.redraw(nature));
    }

    /// The disk of a device.
    pub(super) fn storage_mut(&mut self, device: DeviceId) -> &mut Storage {
        let host = self.get_mut(Node::Device(device));
        host.storage_mut().expect("a device has a disk")
    }

    /// The running devices of a vault, but for one.
    pub(super) fn others_of(&self, vault: VaultId, one: Node) -> Vec<DeviceId> {
        let mut others = self.devices_of(vault);
        others.retain(|device| {
            let node = Node::Device(*device);
            node != one && self.get(node).is_up()
        });
        others
    }

    /// The place of a host, if there is such a host.
    pub(super) fn place(&self, node: Node) -> Option<usize> {
        let (devices, remotes) = (self.plan.devices.len(), self.plan.remotes.len());
        let workers = self.plan.server.as_ref().map_or(0, |server| server.workers.len());
        let (place, end) = match node {
            Node::Device(device) => (usize::from(device.0), devices),
            Node::Remote(remote) => {
                let place = self.plan.remotes.iter().position(|it| it.kind == remote)?;
                (devices + place, devices + remotes)
            }
            Node::Worker(it) => {
                (devices + remotes + usize::from(it.0), devices + remotes + workers)
            }
            Node::Processor(it) => {
                (devices + remotes + workers + usize::from(it.0), self.hosts.len())
            }
            Node::World | Node::Volume | Node::Intruder => return None,
        };
        (place < end).then_some(place)
    }

    /// A host, if there is such a host.
    pub(super) fn find(&self, node: Node) -> Option<&Host> {
        self.place(node).map(|place| &self.hosts[place])
    }

    /// A host, if there is such a host.
    pub(super) fn find_mut(&mut self, node: Node) -> Option<&mut Host> {
        self.place(node).map(|place| &mut self.hosts[place])
    }

    /// A host of the plan.
    pub(super) fn get(&self, node: Node) -> &Host {
        self.find(node).expect("it is a host of the plan")
    }

    /// A host of the plan.
    pub(super) fn get_mut(&mut self, node: Node) -> &mut Host {
        self.find_mut(node).expect("it is a host of the plan")
    }

    /// The mailbox of the host at a place.
    pub(super) fn mailbox(&mut self, place: usize) -> &mut Mailbox {
        self.hosts[place].mailbox_mut()
    }

    /// The host at a place, and what it has been given and not taken yet, a line each.
    pub(super) fn given_to(&mut self, place: usize) -> (Node, Vec<String>) {
        let Self { plan, hosts, .. } = self;
        let host = &mut hosts[place];
        (host.node(), host.mailbox_mut().tell(|node| plan.name(node).to_owned()))
    }

    /// All hosts, in order.
    pub(super) fn all(&self) -> &[Host] {
        &self.hosts
    }

    /// All devices, in order.
    pub(super) fn devices(&self) -> &[Host] {
        &self.hosts[..self.plan.devices.len()]
    }

    /// All workers, in order.
    pub(super) fn workers(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| matches!(host.node(), Node::Worker(_)))
    }

    /// All processors, in order.
    pub(super) fn processors(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| matches!(host.node(), Node::Processor(_)))
    }

    /// The devices of a vault.
    pub(super) fn devices_of(&self, vault: VaultId) -> Vec<DeviceId> {
        let of_vault = |host: &&Host| self.user_of(host.node()).map(VaultId::from) == Some(vault);
        self.devices().iter().filter(of_vault).filter_map(|host| host.node().device()).collect()
    }

    /// Whose a device or a processor is.
    pub(super) fn user_of(&self, node: Node) -> Option<UserId> {
        match node {
            Node::Device(device) => Some(self.plan.devices[usize::from(device.0)].user),
            Node::Processor(it) => Some(self.plan.processors()[usize::from(it.0)].user),
            Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => None,
        }
    }

    /// The incarnation of a host; the world and its like have one.
    pub(super) fn incarnation(&self, node: Node) -> Incarnation {
        self.find(node).map_or(0, Host::incarnation)
    }

    /// Puts something into the mailbox of a host, and calls the host unless it stands still.
    pub(super) fn call(&mut self, now: Time, node: Node, put: impl FnOnce(&mut Mailbox)) {
        let Some(place) = self.place(node) else { return };
        self.call_at(now, place, put);
    }

    fn call_at(&mut self, now: Time, place: usize, put: impl FnOnce(&mut Mailbox)) {
        if self.hosts[place].call(now, put) {
            self.ready.push(place);
        }
    }

    /// Wakes the host at a place.
    pub(super) fn wake(&mut self, now: Time, place: usize) {
        self.call_at(now, place, Mailbox::tell_time);
    }

    /// Gives a host something, if it runs, and in this incarnation, if it has to be a certain one.
    pub(super) fn give(
        &mut self,
        (now, to): (Time, Node),
        incarnation: Option<Incarnation>,
        inbound: Inbound,
        out: &mut Actions,
    ) {
        if self.get(to).lives(incarnation) {
            if let Some((step, token)) = inbound.ended_step() {
                out.push(Action::Note(to, Fact::StepEnded(step, token)));
            }
            self.call(now, to, |mailbox| mailbox.put(inbound));
        } else if let Some(step) = inbound.step() {
            out.push(Action::Note(to, Fact::Skipped(step, Skip::Off)));
        }
    }

    /// A message reaches its receiver; true if that is there to take it.
    pub(super) fn receive(&mut self, now: Time, message: Message, out: &mut Actions) -> bool {
        // A reply is for the incarnation that asked; a hint, and a question, for any.
        let is_reply = matches!(message.body, Body::Return(_) | Body::Response(_));
        let incarnation = is_reply.then_some(message.incarnation);
        let takes = self.find(message.to).is_some_and(|host| host.lives(incarnation));
        if takes {
            self.received += 1;
            self.call(now, message.to, |mailbox| mailbox.put(Inbound::Message(message)));
        } else {
            out.push(Action::Lose(message, Lost::Dead));
        }
        takes
    }

    /// A host begins an incarnation; true if it is the first one.
    pub(super) fn start(&mut self, node: Node, facts: &mut Facts, out: &mut Actions) -> bool {
        self.orders.extend(self.place(node).map(Order::Start));
        self.get_mut(node).start(facts, out)
    }

    /// Does something to a host that may cost it its power, and with it its machine.
    pub(super) fn change<T>(&mut self, node: Node, change: impl FnOnce(&mut Host) -> T) -> T {
        let host = self.get_mut(node);
        let was_up = host.is_up();
        let changed = change(host);
        if was_up && !host.is_up() {
            self.orders.extend(self.place(node).map(Order::Kill));
        }
        changed
    }

    /// A host that stood still goes on, if it is the same incarnation.
    pub(super) fn resume(
        &mut self,
        (now, node): (Time, Node),
        incarnation: Incarnation,
        out: &mut Actions,
    ) {
        if self.get_mut(node).resume(incarnation, out) {
            self.call(now, node, |_| {});
        }
    }

    /// The faults have ended: starts a host that is off, soon, and lets one that stands still go on. Servers
    /// keep time as soon as nothing disturbs them. True if the host runs.
    pub(super) fn bring_back(&mut self, (now, node): (Time, Node), out: &mut Actions) -> bool {
        let host = self.get_mut(node);
        host.crashes_mut().clear();
        if matches!(node, Node::Worker(_)) {
            host.set_clock_right(out);
        }
        if host.power() == Power::Off {
            let after = if node.device().is_some() { host.draw("return").below(100) } else { 1 };
            host.plan_start(now + Span(after.max(1)), out);
        }
        let (is_up, incarnation) = (host.is_up(), host.incarnation());
        if is_up {
            self.resume((now, node), incarnation, out);
        }
        is_up
    }

    /// Takes all messages from and to workers out of all mailboxes.
    pub(super) fn take_messages_of_workers(&mut self) -> Vec<Message> {
        let is_of_worker = |inbound: &Inbound| matches!(inbound, Inbound::Message(message) if message.is_of_worker());
        let hosts = self.hosts.iter_mut();
        let taken = hosts.flat_map(|host| host.mailbox_mut().take_out(is_of_worker));
        taken.filter_map(Inbound::into_message).collect()
    }

    /// All workers start at this time; the fault ends with the start of the first.
    pub(super) fn start_workers(&mut self, at: Time, fault: Fault, out: &mut Actions) {
        let mut fault = Some(fault);
        for host in &mut self.hosts {
            if matches!(host.node(), Node::Worker(_)) {
                host.end_with_start(fault.take());
                host.plan_start(at, out);
            }
        }
    }

    /// Tells a remote what happens to it, before it receives anything else in this turn.
    pub(super) fn tell(&mut self, now: Time, remote: Remote, control: Control) {
        let control = Inbound::Control(control);
        self.call(now, Node::Remote(remote), |mailbox| mailbox.put(control));
    }

    /// What the driver has to do before the hosts of a turn work, in order.
    pub(super) fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    /// All events of a turn have happened. A host may have lost power after it was called.
    pub(super) fn gather(&mut self) {
        let hosts = &self.hosts;
        self.ready.retain(|place| hosts[*place].is_called());
        self.ready.sort_unstable();
    }

    /// The hosts that have something to do in this turn, in order.
    pub(super) fn ready(&self) -> &[usize] {
        &self.ready
    }

    /// Takes the hosts that have worked in this turn, in order.
    pub(super) fn take_ready(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.ready)
    }

    /// Takes what a host that has worked put out; `spare` is left in its place.
    pub(super) fn take_effects(&mut self, place: usize, spare: &mut Vec<Effect>) -> Node {
        let host = &mut self.hosts[place];
        host.has_worked();
        std::mem::swap(spare, host.mailbox_mut().effects_mut());
        host.node()
    }

    /// The turn is over; what its hosts were listed in serves again.
    pub(super) fn end_turn(&mut self, mut worked: Vec<usize>) {
        worked.clear();
        worked.append(&mut self.ready);
        self.ready = worked;
    }

    /// How many messages were received.
    pub(super) fn received(&self) -> u64 {
        self.received
    }
}

fn number(n: usize) -> u16 {
    u16::try_from(n).expect("a plan has few hosts")
}
