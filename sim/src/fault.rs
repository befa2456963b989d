//! Faults: how each kind appears in the history, what the weather is while some last, and what a
//! remote is told. The weather is a pure function of the faults under way, so that overlapping ones
//! need no book-keeping.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{DeviceId, Remote, VaultId};
use harness::time::Span;

use crate::history::{Lost, PipeTrouble, ServerTrouble, Trouble};
use crate::message::{Body, Message};
use crate::plan::{Fault, Lasting, Node, PipeFault, ServerFault, StepId, VolumeFault};
use crate::remote::Control;

/// A fault that lasts.
#[derive(Clone, Debug)]
pub(crate) struct Ongoing {
    /// The step that began it.
    pub(crate) step: StepId,
    pub(crate) fault: Fault,
}

impl Ongoing {
    pub(crate) fn new(step: StepId, fault: Fault) -> Self {
        Self { step, fault }
    }

    /// Does it go on after the storm? What happens to a whole remote never does.
    pub(crate) fn outlasts_the_storm(&self) -> bool {
        let whole_remote = matches!(
            self.fault,
            Fault::Outage(..)
                | Fault::Throttle(..)
                | Fault::LoseReplies(..)
                | Fault::DiskFull(..)
                | Fault::Server(_)
                | Fault::Pipe(_)
        );
        lasting(&self.fault) == Some(Lasting::Forever) && !whole_remote
    }
}

/// What the lasting faults make of links, disks and keychains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    cuts: BTreeSet<(Node, Node)>,
    offline: BTreeSet<DeviceId>,
    slow_links: BTreeMap<(DeviceId, Remote), u16>,
    lose_replies: BTreeSet<Remote>,
    lose_hints: BTreeSet<Remote>,
    full_disks: BTreeSet<DeviceId>,
    slow_disks: BTreeMap<DeviceId, u16>,
    held_keys: BTreeSet<DeviceId>,
    /// How the volume fares.
    pub(crate) volume: VolumeWeather,
    /// How the step of processors fares.
    pub(crate) step: StepWeather,
}

/// How the step of processors fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepWeather {
    /// How many times as long it takes; 0 for once.
    pub(crate) times: u16,
    pub(crate) fails: bool,
}

/// How a volume fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VolumeWeather {
    pub(crate) is_out: bool,
    pub(crate) loses_replies: bool,
    /// How many times as long a request takes; 0 for once.
    pub(crate) times: u16,
    pub(crate) list_lag: Span,
}

impl Weather {
    /// The weather while these faults last.
    pub(crate) fn of(ongoing: &[Ongoing]) -> Self {
        let mut weather = Self::default();
        for Ongoing { fault, .. } in ongoing {
            weather.suffer(fault);
        }
        weather
    }

    fn suffer(&mut self, fault: &Fault) {
        match fault {
            Fault::Cut(from, to, _) => drop(self.cuts.insert((*from, *to))),
            Fault::Offline(device, _) => drop(self.offline.insert(*device)),
            Fault::SlowLink(device, remote, times, _) => {
                let slow = self.slow_links.entry((*device, *remote)).or_default();
                *slow = (*slow).max(*times);
            }
            Fault::LoseReplies(remote, _) => drop(self.lose_replies.insert(*remote)),
            Fault::LoseHints(remote, _) => drop(self.lose_hints.insert(*remote)),
            Fault::DiskFull(device, _) => drop(self.full_disks.insert(*device)),
            Fault::DiskSlow(device, times, _) => {
                let slow = self.slow_disks.entry(*device).or_default();
                *slow = (*slow).max(*times);
            }
            Fault::HoldKeys(device, _) => drop(self.held_keys.insert(*device)),
            Fault::Crash(..)
            | Fault::Pause(..)
            | Fault::Destroy(..)
            | Fault::SaveImage(..)
            | Fault::RestoreImage(..)
            | Fault::Clone(..)
            | Fault::ClockJump(..)
            | Fault::ExpireCredential(..)
            | Fault::Outage(..)
            | Fault::Throttle(..)
            | Fault::ExpireCursors(..)
            | Fault::HideRow(..)
            | Fault::CorruptRow(..)
            | Fault::RejectRow(..)
            | Fault::EndZone(..)
            | Fault::DropPolicy(..)
            | Fault::SlowCommits(..)
            | Fault::Server(
                ServerFault::Crash(..)
                | ServerFault::Pause(..)
                | ServerFault::ClockJump(..)
                | ServerFault::Restore(..)
                | ServerFault::Intrude(_),
            )
            | Fault::Pipe(PipeFault::Crash(..) | PipeFault::Pause(..) | PipeFault::ClockJump(..))
            | Fault::Intrude(..) => {}
            Fault::Pipe(PipeFault::SlowStep(times, _)) => {
                self.step.times = self.step.times.max(*times);
            }
            Fault::Pipe(PipeFault::FailingStep(_)) => self.step.fails = true,
            Fault::Server(ServerFault::Volume(fault, _)) => {
                let volume = &mut self.volume;
                match fault {
                    VolumeFault::Outage => volume.is_out = true,
                    VolumeFault::Slow(times) => volume.times = volume.times.max(*times),
                    VolumeFault::LoseReplies => volume.loses_replies = true,
                    VolumeFault::LateList(lag) => volume.list_lag = volume.list_lag.max(*lag),
                }
            }
        }
    }

    /// Why a message does not get through, if it does not.
    pub(crate) fn stops(&self, message: &Message) -> Option<Lost> {
        let cut = self.cuts.contains(&(message.from, message.to));
        if cut || message.device().is_some_and(|device| self.offline.contains(&device)) {
            return Some(Lost::Cut);
        }
        let taken = message.remote().is_some_and(|remote| match message.body {
            Body::Call(_) | Body::Request(_) | Body::Response(_) => false,
            Body::Return(_) => self.lose_replies.contains(&remote),
            Body::Hint => self.lose_hints.contains(&remote),
        });
        taken.then_some(Lost::Fault)
    }

    /// How many times as long a message takes.
    pub(crate) fn slowness(&self, message: &Message) -> u16 {
        message
            .device()
            .zip(message.remote())
            .and_then(|link| self.slow_links.get(&link))
            .map_or(1, |times| (*times).max(1))
    }

    /// How many times as long a commit takes.
    pub(crate) fn disk_slowness(&self, device: DeviceId) -> u16 {
        self.slow_disks.get(&device).map_or(1, |times| (*times).max(1))
    }

    pub(crate) fn disk_is_full(&self, device: DeviceId) -> bool {
        self.full_disks.contains(&device)
    }

    pub(crate) fn holds_keys(&self, device: DeviceId) -> bool {
        self.held_keys.contains(&device)
    }

    /// Is this device cut off from a remote, at least one way?
    pub(crate) fn isolates(&self, device: DeviceId, remote: Remote) -> bool {
        let (device_node, remote) = (Node::Device(device), Node::Remote(remote));
        self.offline.contains(&device)
            || self.cuts.contains(&(device_node, remote))
            || self.cuts.contains(&(remote, device_node))
    }
}

/// How long a fault lasts; `None` for one that is over at once or ends by a restart.
pub(crate) fn lasting(fault: &Fault) -> Option<Lasting> {
    match fault {
        Fault::Cut(.., lasting)
        | Fault::Offline(_, lasting)
        | Fault::SlowLink(.., lasting)
        | Fault::LoseReplies(_, lasting)
        | Fault::LoseHints(_, lasting)
        | Fault::DiskFull(_, lasting)
        | Fault::DiskSlow(.., lasting)
        | Fault::HoldKeys(_, lasting)
        | Fault::Outage(_, lasting)
        | Fault::Throttle(.., lasting)
        | Fault::HideRow(.., lasting)
        | Fault::CorruptRow(.., lasting)
        | Fault::RejectRow(.., lasting)
        | Fault::DropPolicy(lasting)
        | Fault::SlowCommits(_, lasting)
        | Fault::Server(ServerFault::Volume(_, lasting))
        | Fault::Pipe(PipeFault::SlowStep(_, lasting) | PipeFault::FailingStep(lasting)) => {
            Some(*lasting)
        }
        Fault::Crash(..)
        | Fault::Pause(..)
        | Fault::Destroy(..)
        | Fault::SaveImage(..)
        | Fault::RestoreImage(..)
        | Fault::Clone(..)
        | Fault::ClockJump(..)
        | Fault::ExpireCredential(..)
        | Fault::ExpireCursors(..)
        | Fault::EndZone(..)
        | Fault::Server(
            ServerFault::Crash(..)
            | ServerFault::Pause(..)
            | ServerFault::ClockJump(..)
            | ServerFault::Restore(..)
            | ServerFault::Intrude(_),
        )
        | Fault::Pipe(PipeFault::Crash(..) | PipeFault::Pause(..) | PipeFault::ClockJump(..))
        | Fault::Intrude(..) => None,
    }
}

/// What a fault tells a remote when it begins or ends.
pub(crate) fn control(fault: &Fault, on: bool) -> Option<(Remote, Control)> {
    let span = |span: Span| on.then_some(span);
    Some(match fault {
        Fault::Outage(remote, _) => (*remote, Control::Outage(on)),
        Fault::Throttle(remote, wait, _) => (*remote, Control::Throttle(span(*wait))),
        Fault::ExpireCursors(remote) => (*remote, Control::ExpireCursors),
        Fault::HideRow(user, id, _) => (Remote::Rows, Control::Hide(VaultId::from(*user), *id, on)),
        Fault::CorruptRow(remote, user, id, seen_by, _) => {
            (*remote, Control::Corrupt(VaultId::from(*user), *id, *seen_by, on))
        }
        Fault::RejectRow(remote, user, id, _) => {
            (*remote, Control::Reject(VaultId::from(*user), *id, on))
        }
        Fault::EndZone(user, ending) => {
            (Remote::Zone, Control::EndZone(VaultId::from(*user), *ending))
        }
        Fault::DropPolicy(_) => (Remote::Rows, Control::DropPolicy(on)),
        Fault::SlowCommits(wait, _) => (Remote::Rows, Control::SlowCommits(span(*wait))),
        Fault::Cut(..)
        | Fault::Offline(..)
        | Fault::SlowLink(..)
        | Fault::LoseReplies(..)
        | Fault::LoseHints(..)
        | Fault::Crash(..)
        | Fault::Pause(..)
        | Fault::Destroy(..)
        | Fault::SaveImage(..)
        | Fault::RestoreImage(..)
        | Fault::Clone(..)
        | Fault::ClockJump(..)
        | Fault::DiskFull(..)
        | Fault::DiskSlow(..)
        | Fault::HoldKeys(..)
        | Fault::ExpireCredential(..)
        | Fault::Server(_)
        | Fault::Pipe(_)
        | Fault::Intrude(..) => return None,
    })
}

/// What to tell a remote when a fault ends: that of another one of its kind that lasts, else the
/// end.
pub(crate) fn ending_control(ended: &Fault, others: &[Ongoing]) -> Option<(Remote, Control)> {
    let off = control(ended, false)?;
    let goes_on = others.iter().find(|other| control(&other.fault, false).as_ref() == Some(&off));
    match goes_on {
        None => Some(off),
        // Damage is done once, when it begins: a row that was stored again meanwhile stays mended.
        Some(other) if matches!(other.fault, Fault::CorruptRow(..)) => None,
        Some(other) => control(&other.fault, true),
    }
}

/// A fault as the history has it, and the node that it happens to.
pub(crate) fn trouble(fault: &Fault) -> (Node, Trouble) {
    let device = |device: &DeviceId| Node::Device(*device);
    match fault {
        Fault::Cut(from, to, _) => (*from, Trouble::Cut(*from, *to)),
        Fault::Offline(d, _) => (device(d), Trouble::Offline(*d)),
        Fault::SlowLink(d, remote, ..) => (device(d), Trouble::SlowLink(*d, *remote)),
        Fault::LoseReplies(remote, _) => (Node::Remote(*remote), Trouble::LoseReplies(*remote)),
        Fault::LoseHints(remote, _) => (Node::Remote(*remote), Trouble::LoseHints(*remote)),
        Fault::Crash(d, ..) => (device(d), Trouble::Crash(*d)),
        Fault::Pause(d, _) => (device(d), Trouble::Pause(*d)),
        Fault::Destroy(d) => (device(d), Trouble::Destroy(*d)),
        Fault::SaveImage(d) => (device(d), Trouble::SaveImage(*d)),
        Fault::RestoreImage(d, _) => (device(d), Trouble::RestoreImage(*d)),
        Fault::Clone(from, to) => (device(from), Trouble::Clone(*from, *to)),
        Fault::ClockJump(d, ms) => (device(d), Trouble::ClockJump(*d, *ms)),
        Fault::DiskFull(d, _) => (device(d), Trouble::DiskFull(*d)),
        Fault::DiskSlow(d, ..) => (device(d), Trouble::DiskSlow(*d)),
        Fault::HoldKeys(d, _) => (device(d), Trouble::HoldKeys(*d)),
        Fault::ExpireCredential(d) => (device(d), Trouble::ExpireCredential(*d)),
        Fault::Outage(remote, _) => (Node::Remote(*remote), Trouble::Outage(*remote)),
        Fault::Throttle(remote, wait, _) => {
            (Node::Remote(*remote), Trouble::Throttle(*remote, *wait))
        }
        Fault::ExpireCursors(remote) => (Node::Remote(*remote), Trouble::ExpireCursors(*remote)),
        Fault::HideRow(user, id, _) => {
            (Node::Remote(Remote::Rows), Trouble::HideRow(VaultId::from(*user), *id))
        }
        Fault::CorruptRow(remote, user, id, seen_by, _) => (
            Node::Remote(*remote),
            Trouble::CorruptRow(*remote, VaultId::from(*user), *id, *seen_by),
        ),
        Fault::RejectRow(remote, user, id, _) => {
            (Node::Remote(*remote), Trouble::RejectRow(*remote, VaultId::from(*user), *id))
        }
        Fault::EndZone(user, ending) => {
            (Node::Remote(Remote::Zone), Trouble::EndZone(VaultId::from(*user), *ending))
        }
        Fault::DropPolicy(_) => (Node::Remote(Remote::Rows), Trouble::DropPolicy),
        Fault::SlowCommits(..) => (Node::Remote(Remote::Rows), Trouble::SlowCommits),
        Fault::Intrude(remote, user) => (Node::Remote(*remote), Trouble::Intrude(*remote, *user)),
        Fault::Server(fault) => {
            let (node, trouble) = match *fault {
                ServerFault::Crash(worker, ..) => {
                    (Node::Worker(worker), ServerTrouble::Crash(worker))
                }
                ServerFault::Pause(worker, _) => {
                    (Node::Worker(worker), ServerTrouble::Pause(worker))
                }
                ServerFault::ClockJump(worker, ms) => {
                    (Node::Worker(worker), ServerTrouble::ClockJump(worker, ms))
                }
                ServerFault::Volume(fault, _) => (Node::Volume, ServerTrouble::Volume(fault)),
                ServerFault::Restore(age, _) => (Node::Volume, ServerTrouble::Restore(age)),
                ServerFault::Intrude(user) => (Node::Intruder, ServerTrouble::Intrude(user)),
            };
            (node, Trouble::Server(trouble))
        }
        Fault::Pipe(fault) => {
            let (node, trouble) = match *fault {
                PipeFault::Crash(id, ..) => (Node::Processor(id), PipeTrouble::Crash(id)),
                PipeFault::Pause(id, _) => (Node::Processor(id), PipeTrouble::Pause(id)),
                PipeFault::ClockJump(id, ms) => {
                    (Node::Processor(id), PipeTrouble::ClockJump(id, ms))
                }
                PipeFault::SlowStep(..) => (Node::World, PipeTrouble::SlowStep),
                PipeFault::FailingStep(_) => (Node::World, PipeTrouble::FailingStep),
            };
            (node, Trouble::Pipe(trouble))
        }
    }
}

/// The name under which a fault is counted: the word for it in scenarios.
pub(crate) const fn name(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Cut(..) => "cut",
        Trouble::Offline(_) => "go-offline",
        Trouble::SlowLink(..) => "slow-link",
        Trouble::LoseReplies(_) => "lose-replies",
        Trouble::LoseHints(_) => "lose-hints",
        Trouble::Crash(_) => "crash",
        Trouble::Pause(_) => "pause",
        Trouble::Destroy(_) => "destroy",
        Trouble::SaveImage(_) => "save-image",
        Trouble::RestoreImage(_) => "restore-image",
        Trouble::Clone(..) => "clone",
        Trouble::ClockJump(..) => "clock-jump",
        Trouble::DiskFull(_) => "fill-disk",
        Trouble::DiskSlow(_) => "slow-disk",
        Trouble::HoldKeys(_) => "hold-keys",
        Trouble::ExpireCredential(_) => "expire-credential",
        Trouble::Outage(_) => "outage",
        Trouble::Throttle(..) => "throttle",
        Trouble::ExpireCursors(_) => "expire-cursors",
        Trouble::HideRow(..) => "hide-row",
        Trouble::CorruptRow(..) => "break-decryption",
        Trouble::RejectRow(..) => "reject-row",
        Trouble::EndZone(..) => "end-zone",
        Trouble::DropPolicy => "drop-policy",
        Trouble::SlowCommits => "slow-commits",
        Trouble::Intrude(..) => "intrude",
        Trouble::Server(trouble) => match trouble {
            ServerTrouble::Crash(_) => "crash-worker",
            ServerTrouble::Pause(_) => "pause-worker",
            ServerTrouble::ClockJump(..) => "worker-clock-jump",
            ServerTrouble::Volume(VolumeFault::Outage) => "volume-outage",
            ServerTrouble::Volume(VolumeFault::Slow(_)) => "slow-volume",
            ServerTrouble::Volume(VolumeFault::LoseReplies) => "lose-volume-replies",
            ServerTrouble::Volume(VolumeFault::LateList(_)) => "late-lists",
            ServerTrouble::Restore(_) => "restore-volume",
            ServerTrouble::Intrude(_) => "intrude-server",
        },
        Trouble::Pipe(trouble) => match trouble {
            PipeTrouble::Crash(_) => "crash-processor",
            PipeTrouble::Pause(_) => "pause-processor",
            PipeTrouble::ClockJump(..) => "processor-clock-jump",
            PipeTrouble::SlowStep => "slow-ai",
            PipeTrouble::FailingStep => "failing-ai",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasts(fault: Fault) -> Ongoing {
        Ongoing::new(StepId(0), fault)
    }

    #[test]
    fn of_two_outages_that_overlap_the_first_end_does_not_end_the_other() {
        let outage = Fault::Outage(Remote::Zone, Lasting::Storm);
        let other = [lasts(outage.clone())];
        assert_eq!(ending_control(&outage, &other), Some((Remote::Zone, Control::Outage(true))));
        assert_eq!(ending_control(&outage, &[]), Some((Remote::Zone, Control::Outage(false))));
    }

    #[test]
    fn the_slower_of_two_slow_links_counts() {
        let slow = |times| lasts(Fault::SlowLink(DeviceId(1), Remote::Rows, times, Lasting::Storm));
        let weather = Weather::of(&[slow(3), slow(9), slow(2)]);
        assert_eq!(weather.slow_links[&(DeviceId(1), Remote::Rows)], 9);
    }

    #[test]
    fn what_happens_to_a_whole_remote_ends_with_the_storm() {
        assert!(!lasts(Fault::Outage(Remote::Rows, Lasting::Forever)).outlasts_the_storm());
        assert!(lasts(Fault::HoldKeys(DeviceId(0), Lasting::Forever)).outlasts_the_storm());
        assert!(!lasts(Fault::HoldKeys(DeviceId(0), Lasting::Storm)).outlasts_the_storm());
    }
}
