//! Faults begin and end: what happens then, and to which owners.

use engine::id::Remote;
use harness::time::Span;

use super::action::Action;
use super::event::Event;
use super::host::{CrashAfter, Host, Power};
use super::owners::Owners;
use super::planned::Planned;
use super::services::Services;
use super::stage::Stage;
use crate::fault::{self, Age, Control, Fault, Hit, Need};
use crate::history::{Boot, Fact, Lost};
use crate::plan::{Effect, Node, StepId};

/// Does to the owners whom it concerns what a fault does when it begins or ends.
fn act((stage, services): (&mut Stage, &mut Services), planned: Planned, does: fault::Action) {
    let Planned { step, fault, lasting } = planned;
    let now = stage.now();
    let soon = now + Span(1);
    let after_it = now + Span(lasting.span().0.max(1));
    let server = &mut services.server;
    match does {
        fault::Action::Crash(host) => {
            stage.cut(server, host, |host, out| host.crash(after_it, fault, out));
        }
        fault::Action::Restart(device) => {
            if stage.hosts.get(device.into()).is_up() {
                stage.cut(server, device.into(), |host, out| {
                    host.cut_power(out);
                    host.plan_start(soon, out);
                });
            }
        }
        fault::Action::Pause(host) => {
            stage.hosts.get_mut(host).pause(after_it, step, fault, &mut stage.out);
        }
        fault::Action::Destroy(device) => stage.cut(server, device.into(), Host::destroy),
        fault::Action::SaveImage(device) => stage.hosts.storage_mut(device).save_image(),
        fault::Action::RestoreImage(device) => {
            stage.cut(server, device.into(), |host, out| host.restore(after_it, fault, out));
        }
        fault::Action::CopyDisk(from, to) => {
            let disk = stage.hosts.storage_mut(from).backup();
            let copy = stage.hosts.get_mut(to.into());
            copy.start_as_copy(soon, Boot::Cloned(from), disk, &mut stage.out);
        }
        fault::Action::JumpClock(host, ms) => stage.hosts.get_mut(host).jump_clock(ms, fault),
        fault::Action::Revoke(device) => {
            let user = stage.plan.devices[usize::from(device.0)].user;
            stage.hosts.tell(now, Remote::Rows, Control::Revoke(user));
        }
        fault::Action::SendKeys(device) => stage.send_keys(&services.accounts, device.into()),
        fault::Action::Intrude(remote, user) => {
            services.intruder.intrude(now, step, (remote, user), &mut stage.out);
        }
        fault::Action::IntrudeServer(user) => {
            services.intruder.intrude_server(now, step, user, &mut stage.out);
        }
        fault::Action::RestoreVolume(age) => {
            restore_volume((stage, services), age);
            stage.hosts.start_workers(after_it, fault, &mut stage.out);
        }
    }
    stage.hand_on();
}

/// A step of the plan has a fault begin, now or after some effects of its host. The error is what the fault
/// needs and is not so.
pub(super) fn begin(
    (stage, services): (&mut Stage, &mut Services),
    planned: Planned,
) -> Result<(), Need> {
    let effects = planned.fault.effects();
    if effects == 0 {
        return begin_now((stage, services), planned);
    }
    has_needs(&planned.fault, stage.owners(services))?;
    let host = stage.hosts.get_mut(planned.fault.host());
    host.crashes_mut().add(CrashAfter { planned, effects });
    Ok(())
}

/// A fault begins.
fn begin_now((stage, services): (&mut Stage, &mut Services), planned: Planned) -> Result<(), Need> {
    let Planned { step, fault, .. } = planned;
    has_needs(&fault, stage.owners(services))?;
    stage.note(fault.host(), Fact::Faulted(fault));
    stage.faults.await_hit(step, fault);
    stage.strike(Hit::Happened);
    if let Some(does) = fault.action() {
        act((stage, services), planned, does);
    }
    let now = stage.now();
    if let Some((remote, control)) = fault.control(true) {
        stage.hosts.tell(now, remote, control);
    }
    stage.faults.begin(now, planned, &mut stage.out);
    stage.hand_on();
    Ok(())
}

/// The fault that this step began ends, unless it has ended already.
pub(super) fn end((stage, services): (&mut Stage, &mut Services), step: StepId) {
    let Some((planned, control)) = stage.faults.end(step) else { return };
    if let Some((remote, control)) = control {
        stage.hosts.tell(stage.now(), remote, control);
    }
    let Planned { fault, .. } = planned;
    stage.note(fault.host(), Fact::Ended(fault));
    if let Some(does) = fault.after() {
        act((stage, services), planned, does);
    }
}

/// An effect of a host has reached beyond it; true if the host lost power at it.
pub(super) fn count_effect(
    (stage, services): (&mut Stage, &mut Services),
    node: Node,
    effect: Effect,
) -> bool {
    let Some(host) = stage.hosts.find_mut(node) else { return false };
    let Some(CrashAfter { planned, .. }) = host.crashes_mut().count_effect() else {
        return false;
    };
    stage.recorder.count(effect.name());
    begin_now((stage, services), planned).is_ok()
}

/// Can a fault happen as things are? The error is what is not so.
fn has_needs(fault: &Fault, owners: Owners<'_>) -> Result<(), Need> {
    fault.needs().into_iter().find(|need| !is_met(*need, owners)).map_or(Ok(()), Err)
}

fn is_met(need: Need, owners: Owners<'_>) -> bool {
    let hosts = owners.hosts;
    let device = |device| hosts.get(Node::Device(device));
    match need {
        Need::Up(host) => hosts.find(host).is_some_and(Host::is_up),
        Need::Awake(host) => hosts.find(host).is_some_and(|host| !host.stands_still()),
        Need::Exists(id) => device(id).power() != Power::Gone,
        Need::HasDisk(id) => matches!(device(id).power(), Power::Running | Power::Off),
        Need::HasImage(id) => device(id).storage().is_some_and(|storage| storage.has_image()),
        Need::CanBeCopyOf(copy, original) => {
            let user = |id| hosts.user_of(Node::Device(id));
            device(copy).power() == Power::New && user(copy) == user(original)
        }
        Need::Remote(remote) => owners.services.remotes.shared(remote).is_some(),
        Need::Server => owners.plan.server.is_some(),
        Need::Processors => hosts.processors().next().is_some(),
    }
}

/// The operator stops all workers, so that nothing of before is under way any more, and sets every object
/// of the volume back to what it was so long ago. What is under way between workers and others ends with
/// the workers' connections, also what has arrived and nobody has looked at.
fn restore_volume((stage, services): (&mut Stage, &mut Services), age: Age) {
    let workers: Vec<Node> =
        stage.hosts.workers().filter(|it| it.is_up()).map(Host::node).collect();
    for worker in workers {
        stage.cut(&mut services.server, worker, Host::cut_power);
    }
    let under_way = stage.queue.take_out(Event::is_on_a_connection_of_a_worker);
    let under_way = under_way.into_iter().filter_map(Event::into_message);
    let arrived = stage.hosts.take_messages_of_workers();
    let lost = under_way.chain(arrived).map(|message| Action::Lose(message, Lost::Dead));
    stage.out.extend(lost);
    stage.hand_on();
    services.restore_volume(stage.now(), age, &mut stage.out);
    stage.hand_on();
}
