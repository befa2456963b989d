//! Faults begin and end: what happens then, and to which owners.

use engine::id::{DeviceId, Remote, UserId};
use harness::time::Span;

use super::action::{Action, Actions};
use super::event::Event;
use super::faults;
use super::host::{CrashAfter, Host};
use super::services::Services;
use super::stage::Stage;
use crate::fault;
use crate::history::{Boot, Fact, Lost, Trouble};
use crate::plan::{Effect, Fault, Node, PipeFault, Plan, ServerFault, StepId};
use crate::remote::Control;

/// What happens when a fault begins, beside what it makes of the environment while it lasts.
pub(super) enum Happening {
    /// A host loses power, and starts again after this long.
    Crash(Node, Span),
    /// A host stands still for this long.
    Pause(Node, Span),
    /// A device is gone for ever.
    Destroy(DeviceId),
    /// A backup of a device's disk is made.
    SaveImage(DeviceId),
    /// A device is set back to its backup, and starts after this long.
    RestoreImage(DeviceId, Span),
    /// A device's disk is copied to another device, which starts.
    CopyDisk(DeviceId, DeviceId),
    /// A wall clock jumps by so many milliseconds.
    JumpClock(Node, i64),
    /// The credential of a user is no longer accepted.
    Revoke(UserId),
    /// An intruder asks a remote for a user's rows.
    Intrude(Remote, UserId),
    /// An intruder asks the sync server for what belongs to a user.
    IntrudeServer(UserId),
    /// The volume is set back by so long, and the workers start after this long.
    RestoreVolume(Span, Span),
}

impl Happening {
    /// What happens when this fault begins.
    pub(super) fn of(fault: &Fault, plan: &Plan) -> Option<Self> {
        Some(match fault {
            Fault::Crash(it, back, _) => Self::Crash(Node::Device(*it), *back),
            Fault::Pause(it, span) => Self::Pause(Node::Device(*it), *span),
            Fault::Destroy(device) => Self::Destroy(*device),
            Fault::SaveImage(device) => Self::SaveImage(*device),
            Fault::RestoreImage(device, back) => Self::RestoreImage(*device, *back),
            Fault::Clone(from, to) => Self::CopyDisk(*from, *to),
            Fault::ClockJump(it, ms) => Self::JumpClock(Node::Device(*it), *ms),
            Fault::ExpireCredential(it) => Self::Revoke(plan.devices[usize::from(it.0)].user),
            Fault::Intrude(remote, user) => Self::Intrude(*remote, *user),
            Fault::Server(fault) => match *fault {
                ServerFault::Crash(it, back, _) => Self::Crash(Node::Worker(it), back),
                ServerFault::Pause(it, span) => Self::Pause(Node::Worker(it), span),
                ServerFault::ClockJump(it, ms) => Self::JumpClock(Node::Worker(it), ms),
                ServerFault::Restore(age, back) => Self::RestoreVolume(age, back),
                ServerFault::Intrude(user) => Self::IntrudeServer(user),
                ServerFault::Volume(..) => return None,
            },
            Fault::Pipe(fault) => match *fault {
                PipeFault::Crash(it, back, _) => Self::Crash(Node::Processor(it), back),
                PipeFault::Pause(it, span) => Self::Pause(Node::Processor(it), span),
                PipeFault::ClockJump(it, ms) => Self::JumpClock(Node::Processor(it), ms),
                PipeFault::SlowStep(..) | PipeFault::FailingStep(_) => return None,
            },
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
            | Fault::SlowCommits(..) => return None,
        })
    }

    /// It happens to those whom it concerns.
    pub(super) fn apply(
        self,
        (stage, services): (&mut Stage, &mut Services),
        step: StepId,
        trouble: Trouble,
    ) {
        let now = stage.now();
        let at = |span: Span| now + Span(span.0.max(1));
        let mut out = Actions::new();
        let server = &mut services.server;
        match self {
            Self::Crash(node, back) => {
                stage.cut(server, node, |host, out| host.crash(at(back), trouble, out));
            }
            Self::Pause(node, span) => {
                stage.hosts.get_mut(node).pause(at(span), step, trouble, &mut out);
            }
            Self::Destroy(device) => stage.cut(server, Node::Device(device), Host::destroy),
            Self::SaveImage(device) => stage.hosts.storage_mut(device).save_image(),
            Self::RestoreImage(device, back) => {
                let node = Node::Device(device);
                stage.cut(server, node, |host, out| host.restore(at(back), trouble, out));
            }
            Self::CopyDisk(from, to) => {
                let disk = stage.hosts.storage_mut(from).backup();
                let copy = stage.hosts.get_mut(Node::Device(to));
                copy.start_as_copy(at(Span(1)), Boot::Cloned(from), disk, &mut out);
            }
            Self::JumpClock(node, ms) => stage.hosts.get_mut(node).jump_clock(ms, trouble),
            Self::Revoke(user) => stage.hosts.tell(now, Remote::Rows, Control::Revoke(user)),
            Self::Intrude(remote, user) => {
                services.intruder.intrude(now, step, (remote, user), &mut out);
            }
            Self::IntrudeServer(user) => {
                services.intruder.intrude_server(now, step, user, &mut out);
            }
            Self::RestoreVolume(age, back) => {
                restore_volume((stage, services), age);
                stage.hosts.start_workers(at(back), trouble, &mut out);
            }
        }
        stage.hand_on(out);
    }
}

/// A fault begins; false if it cannot happen as things are.
pub(super) fn begin(
    (stage, services): (&mut Stage, &mut Services),
    step: StepId,
    fault: &Fault,
) -> bool {
    if !faults::can_happen(fault, stage.owners(services)) {
        return false;
    }
    if let Some((node, crash)) = faults::crash_after(step, fault) {
        stage.hosts.get_mut(node).crashes_mut().add(crash);
        return true;
    }
    let (node, trouble) = fault::trouble(fault);
    stage.recorder.count(fault::name(&trouble));
    stage.note(node, Fact::Faulted(trouble.clone()));
    if let Some(happening) = Happening::of(fault, &stage.plan) {
        happening.apply((stage, services), step, trouble);
    }
    let now = stage.now();
    if let Some((remote, control)) = fault::control(fault, true) {
        stage.hosts.tell(now, remote, control);
    }
    let mut out = Actions::new();
    stage.faults.begin(now, (step, fault), &mut out);
    stage.hand_on(out);
    true
}

/// The fault that this step began ends, unless it has ended already.
pub(super) fn end((stage, services): (&mut Stage, &Services), step: StepId) {
    let Some((fault, control)) = stage.faults.end(step) else { return };
    if let Some((remote, control)) = control {
        stage.hosts.tell(stage.now(), remote, control);
    }
    let (node, trouble) = fault::trouble(&fault);
    stage.note(node, Fact::Ended(trouble));
    if let Fault::HoldKeys(device, _) = fault {
        stage.send_keys(&services.accounts, Node::Device(device));
    }
}

/// An effect of a host has reached beyond it; true if the host lost power at it.
pub(super) fn count_effect(
    (stage, services): (&mut Stage, &mut Services),
    node: Node,
    effect: Effect,
) -> bool {
    let Some(host) = stage.hosts.find_mut(node) else { return false };
    let Some(CrashAfter { step, back, .. }) = host.crashes_mut().count_effect() else {
        return false;
    };
    stage.recorder.count(effect.name());
    let crash = faults::crash_now(node, back);
    crash.is_some_and(|crash| begin((stage, services), step, &crash))
}

/// The operator stops all workers, so that nothing of before is under way any more, and sets every object
/// of the volume back to what it was so long ago. What is under way between workers and others ends with
/// the workers' connections, also what has arrived and nobody has looked at.
fn restore_volume((stage, services): (&mut Stage, &mut Services), age: Span) {
    let workers: Vec<Node> =
        stage.hosts.workers().filter(|it| it.is_up()).map(Host::node).collect();
    for worker in workers {
        stage.cut(&mut services.server, worker, Host::cut_power);
    }
    let under_way = stage.queue.take_out(Event::is_on_a_connection_of_a_worker);
    let under_way = under_way.into_iter().filter_map(Event::into_message);
    let arrived = stage.hosts.take_messages_of_workers();
    let lost = under_way.chain(arrived).map(|message| Action::Lose(message, Lost::Dead));
    let lost = lost.collect();
    stage.hand_on(lost);
    services.restore_volume(stage.now(), age);
}
