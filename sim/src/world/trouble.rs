//! Trouble: the faults of a plan happen to the owners that they concern.

use engine::id::{DeviceId, Remote};
use engine::time::Span;

use super::World;
use super::action::{Action, Actions};
use super::event::Event;
use super::host::{CrashAfter, Host, Power};
use super::owners::Owners;
use crate::fault;
use crate::history::{Boot, Fact, Lost, Trouble};
use crate::mailbox::Inbound;
use crate::plan::{Effect, Fault, Node, PipeFault, ServerFault, StepId};
use crate::random::Draw;
use crate::remote::Control;

impl World {
    /// A fault begins; false if it cannot happen as things are.
    pub(super) fn begin_fault(&mut self, step: StepId, fault: &Fault) -> bool {
        if !can_happen(fault, self.owners()) {
            return false;
        }
        if let Some((node, crash)) = crash_after(step, fault) {
            self.hosts.get_mut(node).crash_after(crash);
            return true;
        }
        let (node, trouble) = fault::trouble(fault);
        self.recorder.count(fault::name(&trouble));
        self.note(node, Fact::Faulted(trouble.clone()));
        self.faults.leave_damage(fault);
        self.do_at_once(step, fault, trouble);
        if let Some((remote, control)) = fault::control(fault, true) {
            self.tell(remote, control);
        }
        let mut out = Actions::new();
        self.faults.begin(self.queue.now(), (step, fault), &mut out);
        self.hand_on(out);
        true
    }

    fn do_at_once(&mut self, step: StepId, fault: &Fault, trouble: Trouble) {
        let now = self.queue.now();
        let mut out = Actions::new();
        match fault {
            Fault::Crash(device, back, _) => self.crash(Node::Device(*device), *back, trouble),
            Fault::Pause(device, span) => self.pause(step, Node::Device(*device), *span, trouble),
            Fault::Destroy(device) => self.cut(Node::Device(*device), Host::destroy),
            Fault::SaveImage(device) => self.storage_of(*device).save_image(),
            Fault::RestoreImage(device, back) => {
                let at = self.queue.after(*back);
                self.cut(Node::Device(*device), |host, out| host.restore(at, trouble, out));
            }
            Fault::Clone(from, to) => {
                let (disk, at) = (self.storage_of(*from).backup(), self.queue.after(Span(1)));
                let copy = self.hosts.get_mut(Node::Device(*to));
                copy.start_as_copy(at, Boot::Cloned(*from), disk, &mut out);
            }
            Fault::ClockJump(device, ms) => self.jump(Node::Device(*device), *ms, trouble),
            Fault::ExpireCredential(device) => {
                if let Some(user) = self.hosts.user_of(Node::Device(*device)) {
                    self.tell(Remote::Rows, Control::Revoke(user));
                }
            }
            Fault::Intrude(remote, user) => {
                self.intruder.intrude(now, step, (*remote, *user), &mut out);
            }
            Fault::Server(ServerFault::Crash(it, back, _)) => {
                self.crash(Node::Worker(*it), *back, trouble);
            }
            Fault::Server(ServerFault::Pause(it, span)) => {
                self.pause(step, Node::Worker(*it), *span, trouble);
            }
            Fault::Server(ServerFault::ClockJump(it, ms)) => {
                self.jump(Node::Worker(*it), *ms, trouble);
            }
            Fault::Server(ServerFault::Restore(age, back)) => {
                self.restore_volume(*age, *back, trouble);
            }
            Fault::Server(ServerFault::Intrude(user)) => {
                self.intruder.intrude_server(now, step, *user, &mut out);
            }
            Fault::Pipe(PipeFault::Crash(it, back, _)) => {
                self.crash(Node::Processor(*it), *back, trouble);
            }
            Fault::Pipe(PipeFault::Pause(it, span)) => {
                self.pause(step, Node::Processor(*it), *span, trouble);
            }
            Fault::Pipe(PipeFault::ClockJump(it, ms)) => {
                self.jump(Node::Processor(*it), *ms, trouble);
            }
            Fault::Server(ServerFault::Volume(..))
            | Fault::Pipe(PipeFault::SlowStep(..) | PipeFault::FailingStep(_))
            | Fault::Cut(..)
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
        self.hand_on(out);
    }

    fn storage_of(&mut self, device: DeviceId) -> &mut super::host::Storage {
        let host = self.hosts.get_mut(Node::Device(device));
        host.storage_mut().expect("a device has a disk")
    }

    fn crash(&mut self, node: Node, back: Span, trouble: Trouble) {
        let at = self.queue.after(back);
        self.cut(node, |host, out| host.crash(at, trouble, out));
    }

    fn pause(&mut self, step: StepId, node: Node, span: Span, trouble: Trouble) {
        let host = self.hosts.get_mut(node);
        host.pause(trouble);
        let nature = self.plan.nature;
        let order = match node {
            Node::Worker(_) => Draw::new(nature, "worker resumes"),
            Node::Processor(_) => Draw::new(nature, "processor resumes"),
            Node::World | Node::Device(_) | Node::Remote(_) | Node::Volume | Node::Intruder => {
                Draw::new(nature, "resume")
            }
        };
        let (order, event) =
            (order.and(u64::from(step.0)), Event::Resume(node, host.incarnation()));
        self.queue.schedule(self.queue.after(span), order, event);
    }

    fn jump(&mut self, node: Node, ms: i64, trouble: Trouble) {
        self.hosts.get_mut(node).jump_clock(ms, trouble);
    }

    /// The operator stops all workers, so that nothing of before is under way any more, sets every object of
    /// the volume back to what it was so long ago, and starts the workers again.
    fn restore_volume(&mut self, age: Span, back: Span, trouble: Trouble) {
        let workers: Vec<Node> = self.hosts.workers().map(Host::node).collect();
        for worker in &workers {
            if self.hosts.get(*worker).is_up() {
                self.cut(*worker, Host::cut_power);
            }
        }
        self.end_connections();
        self.server.restore(self.queue.now(), age, &self.accounts);
        let (at, mut trouble) = (self.queue.after(back), Some(trouble));
        let mut out = Actions::new();
        for worker in workers {
            let host = self.hosts.get_mut(worker);
            host.end_with_start(trouble.take());
            host.plan_start(at, &mut out);
        }
        self.hand_on(out);
    }

    /// What is under way between workers and others ends with the workers' connections, also what
    /// has arrived and nobody has looked at.
    fn end_connections(&mut self) {
        let is_out = |inbound: &Inbound| matches!(inbound, Inbound::Message(message) if message.is_of_worker());
        let under_way = self.queue.take_out(Event::is_on_a_connection_of_a_worker);
        let arrived = self.hosts.take_out(is_out);
        let mut out = Actions::new();
        for event in under_way {
            if let Event::Arrive(message) = event {
                out.push(Action::Lose(message, Lost::Dead));
            }
        }
        for inbound in arrived {
            if let Inbound::Message(message) = inbound {
                out.push(Action::Lose(message, Lost::Dead));
            }
        }
        self.hand_on(out);
    }

    /// An effect of a host has reached beyond it; true if the host lost power at it.
    pub(super) fn crashes_after(&mut self, node: Node, effect: Effect) -> bool {
        let Some(host) = self.hosts.find_mut(node) else { return false };
        let Some(CrashAfter { step, back, .. }) = host.count_effect() else { return false };
        self.recorder.count(effect.name());
        let crash = match node {
            Node::Device(device) => Fault::Crash(device, back, 0),
            Node::Worker(worker) => Fault::Server(ServerFault::Crash(worker, back, 0)),
            Node::Processor(processor) => Fault::Pipe(PipeFault::Crash(processor, back, 0)),
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => return false,
        };
        self.begin_fault(step, &crash)
    }

    /// The fault that this step began ends, unless it has ended already.
    pub(super) fn end_fault(&mut self, step: StepId) {
        let Some((fault, control)) = self.faults.end(step) else { return };
        if let Some((remote, control)) = control {
            self.tell(remote, control);
        }
        let (node, trouble) = fault::trouble(&fault);
        self.note(node, Fact::Ended(trouble));
        if let Fault::HoldKeys(device, _) = fault {
            self.send_keys(Node::Device(device));
        }
    }

    /// Tells a remote what happens to it, before it receives anything else in this turn.
    fn tell(&mut self, remote: Remote, control: Control) {
        let control = Inbound::Control(control);
        self.hosts.call(self.queue.now(), Node::Remote(remote), |mailbox| mailbox.put(control));
    }
}

/// The loss of power that waits, if this fault is one.
fn crash_after(step: StepId, fault: &Fault) -> Option<(Node, CrashAfter)> {
    let (node, back, effects) = if let Fault::Crash(device, back, effects) = *fault {
        (Node::Device(device), back, effects)
    } else if let Fault::Server(ServerFault::Crash(worker, back, effects)) = *fault {
        (Node::Worker(worker), back, effects)
    } else if let Fault::Pipe(PipeFault::Crash(processor, back, effects)) = *fault {
        (Node::Processor(processor), back, effects)
    } else {
        return None;
    };
    (effects > 0).then_some((node, CrashAfter { step, effects, back }))
}

fn can_happen(fault: &Fault, owners: Owners<'_>) -> bool {
    let host = |node| owners.hosts.find(node);
    let device = |device: &DeviceId| owners.hosts.get(Node::Device(*device));
    let is_up = |node| host(node).is_some_and(Host::is_up);
    let is_awake = |node| host(node).is_some_and(|host| !host.stands_still());
    let has_disk = |id: &DeviceId| matches!(device(id).power(), Power::Running | Power::Off);
    let has = |remote| owners.remotes.shared(remote).is_some();
    match fault {
        Fault::Crash(id, ..) => is_up(Node::Device(*id)),
        Fault::Pause(id, _) => is_awake(Node::Device(*id)),
        Fault::Destroy(id) => device(id).power() != Power::Gone,
        Fault::SaveImage(id) => has_disk(id),
        Fault::RestoreImage(id, _) => {
            let storage = device(id).storage();
            device(id).power() != Power::Gone && storage.is_some_and(|it| it.has_image())
        }
        Fault::Clone(from, to) => {
            has_disk(from)
                && device(to).power() == Power::New
                && owners.hosts.user_of(Node::Device(*from))
                    == owners.hosts.user_of(Node::Device(*to))
        }
        Fault::Outage(remote, _)
        | Fault::Throttle(remote, ..)
        | Fault::ExpireCursors(remote)
        | Fault::CorruptRow(remote, ..)
        | Fault::RejectRow(remote, ..)
        | Fault::Intrude(remote, _) => has(*remote),
        Fault::ExpireCredential(_)
        | Fault::HideRow(..)
        | Fault::DropPolicy(_)
        | Fault::SlowCommits(..) => has(Remote::Rows),
        Fault::EndZone(..) => has(Remote::Zone),
        Fault::Server(ServerFault::Crash(it, ..) | ServerFault::ClockJump(it, _)) => {
            is_up(Node::Worker(*it))
        }
        Fault::Server(ServerFault::Pause(it, _)) => is_awake(Node::Worker(*it)),
        Fault::Server(
            ServerFault::Volume(..) | ServerFault::Restore(..) | ServerFault::Intrude(_),
        ) => owners.plan.server.is_some(),
        Fault::Pipe(PipeFault::Crash(it, ..) | PipeFault::ClockJump(it, _)) => {
            is_up(Node::Processor(*it))
        }
        Fault::Pipe(PipeFault::Pause(it, _)) => is_awake(Node::Processor(*it)),
        Fault::Pipe(PipeFault::SlowStep(..) | PipeFault::FailingStep(_)) => {
            owners.hosts.processors().next().is_some()
        }
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
