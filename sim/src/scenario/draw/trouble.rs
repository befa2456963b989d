//! `[trouble]`: what goes wrong by chance. Each family of faults draws from its own stream and is
//! in a seed or out of it; if all are out, one is taken in.
//!
//! Faults are more likely shortly after a deed: between an edit and its durable commit, between a
//! request and its reply. Rows are damaged, hidden and refused where users work.

use engine::id::{DeviceId, RecordId, Remote, UserId};
use harness::random::{Stream, Streams};
use harness::time::{Span, Time};

use super::mix::{Timed, active, shortly_after, shortly_before};
use super::{to_span, to_u16};
use crate::plan::file::FileDeed;
use crate::plan::{
    Act, Deed, Fault, Lasting, Node, PipeFault, Plan, ProcessorId, ProcessorPlan, ServerFault,
    Start, VolumeFault, WorkerId, WorkerPlan,
};
use crate::scenario::words::{last_for, lasting};
use crate::scenario::{Trouble, Verb, Who};

/// A fault falls shortly after a deed with this chance, and anywhere otherwise.
const NEAR: u32 = 650_000;
/// The longest time after a user's operation, in milliseconds.
const SOON: i64 = 1_500;
/// A family that fewer seeds have is never taken in for lack of others.
const RARE: u32 = 100_000;
/// No family has more faults in one plan.
const MOST: u64 = 2_000;

/// Draws all faults.
pub(super) fn draw(
    families: &[Trouble],
    plan: &Plan,
    deeds: &[Timed],
    streams: Streams,
) -> Vec<Timed> {
    let scene = Scene::new(plan, deeds);
    let mut out = Vec::new();
    let mut left_out = Vec::new();
    for family in families {
        let mut stream = streams.stream(&format!("faults/{}", family.verb.name()));
        let taken = stream.chance(family.chance.0);
        if taken {
            scene.family(family, &mut stream, &mut out);
        } else {
            left_out.push((family, stream));
        }
    }
    // At least one family is on: the first, in a random order, that finds something to harm.
    left_out.retain(|(family, _)| family.chance.0 >= RARE);
    streams.stream("faults/at-least-one").shuffle(&mut left_out);
    for (family, mut stream) in left_out {
        if !out.is_empty() {
            break;
        }
        scene.family(family, &mut stream, &mut out);
    }
    out
}

/// Who and what there is to be harmed.
struct Scene<'p> {
    plan: &'p Plan,
    devices: Vec<(DeviceId, UserId, Time)>,
    users: Vec<UserId>,
    spares: Vec<DeviceId>,
    /// When a user did something, where, and to which record.
    deeds: Vec<(Time, DeviceId, Option<RecordId>)>,
    rotations: Vec<Time>,
    /// When a user wants something of the sync server.
    errands: Vec<Time>,
}

impl<'p> Scene<'p> {
    fn new(plan: &'p Plan, deeds: &[Timed]) -> Self {
        let devices: Vec<_> = active(plan).collect();
        let mut users: Vec<UserId> = devices.iter().map(|(_, user, _)| *user).collect();
        users.sort();
        users.dedup();
        let spares = (0..).map(DeviceId).zip(&plan.devices);
        let spares = spares.filter(|(_, device)| device.start == Start::Cloned);
        let spares = spares.map(|(id, _)| id).collect();
        let mut done = Vec::new();
        let (mut rotations, mut errands) = (Vec::new(), Vec::new());
        for (at, act) in deeds {
            if let Act::Order(..) = act {
                errands.push(*at);
            }
            if let Act::User(device, deed) = act {
                done.push((*at, *device, record_of(deed)));
                if matches!(deed, Deed::Errand(_) | Deed::Upload(_) | Deed::File(_)) {
                    errands.push(*at);
                }
                // Few things are as long as a batch, and few are done less often.
                if matches!(deed, Deed::File(FileDeed::Move(..))) {
                    errands.extend([*at; 20]);
                }
                if *deed == Deed::RotateKey {
                    rotations.push(*at);
                }
            }
        }
        Self { plan, devices, users, spares, deeds: done, rotations, errands }
    }

    /// All faults of a family.
    fn family(&self, family: &Trouble, stream: &mut Stream, out: &mut Vec<Timed>) {
        let targets = match family.verb.who() {
            Who::Device => self.devices.len(),
            Who::Remote => self.plan.remotes.len(),
            Who::Worker => self.workers().len(),
            Who::Processor => self.plan.processors().len(),
            Who::User => self.users.len(),
            Who::Nobody => 1,
        };
        let expected = self.plan.storm.0.saturating_mul(targets as u64) / family.every.0.max(1);
        let most = if family.verb == Verb::Destroy {
            1
        } else if family.verb == Verb::Clone {
            self.spares.len() as u64
        } else {
            MOST
        };
        // Between half and one and a half times as many as expected, but at least one.
        let count = (expected / 2 + stream.below(expected + 1)).clamp(1, MOST).min(most);
        for n in 0..count {
            let at = usize::try_from(n).unwrap_or(usize::MAX);
            let _ = self.fault(family, at, stream, out);
        }
    }

    /// One fault; `None` if nothing is there to be harmed by it.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the reader takes only the verbs of faults for a family"
    )]
    fn fault(
        &self,
        family: &Trouble,
        nth: usize,
        stream: &mut Stream,
        out: &mut Vec<Timed>,
    ) -> Option<()> {
        if family.verb.needs_server() {
            return self.server_fault(family, stream, out);
        }
        let held = Lasting::Storm;
        let (device, user, start) = *pick(stream, &self.devices)?;
        let remote = pick(stream, &self.plan.remotes)?.kind;
        let strength = strength(family, stream);
        let span = to_span(strength);
        let times = to_u16(strength);
        let mut at = self.moment(family.verb, device, start, stream);
        let mut fault = match family.verb {
            Verb::Cut => cut(Node::Device(device), Node::Remote(remote), stream),
            Verb::GoOffline => Fault::Offline(device, held),
            Verb::SlowLink => Fault::SlowLink(device, remote, times, held),
            Verb::LoseReplies => Fault::LoseReplies(remote, held),
            Verb::LoseHints => Fault::LoseHints(remote, held),
            Verb::Crash => Fault::Crash(device, Span::ZERO, fuse(stream)),
            Verb::Pause => Fault::Pause(device, Span::ZERO),
            Verb::Destroy => {
                let others = self.devices.iter().filter(|(_, other, _)| *other == user);
                if others.count() < 2 {
                    return None;
                }
                Fault::Destroy(device)
            }
            Verb::RestoreImage => {
                let saved = between(stream, start, at);
                at = Time(at.0.max(saved.0 + 1));
                out.push((saved, Act::Fault(Fault::SaveImage(device))));
                Fault::RestoreImage(device, Span::ZERO)
            }
            Verb::Clone => Fault::Clone(device, *self.spares.get(nth)?),
            Verb::ClockJump => Fault::ClockJump(device, strength),
            Verb::FillDisk => Fault::DiskFull(device, held),
            Verb::SlowDisk => Fault::DiskSlow(device, times, held),
            Verb::HoldKeys => Fault::HoldKeys(device, held),
            Verb::ExpireCredential => Fault::ExpireCredential(device),
            Verb::Outage => Fault::Outage(remote, held),
            Verb::Throttle => Fault::Throttle(remote, span, held),
            Verb::ExpireCursors => Fault::ExpireCursors(remote),
            Verb::HideRow | Verb::BreakDecryption | Verb::RejectRow => {
                let (moment, fault) =
                    self.row_fault(family.verb, (device, user, remote), stream)?;
                at = moment;
                fault
            }
            Verb::EndZone => Fault::EndZone(user, *pick(stream, &family.how)?),
            Verb::DropPolicy => Fault::DropPolicy(held),
            Verb::SlowCommits => Fault::SlowCommits(span, held),
            Verb::Intrude => Fault::Intrude(remote, user),
            _ => unreachable!("the reader takes no other verb for a family"),
        };
        set_end(family, &mut fault, stream);
        at = Time(at.0.min(self.plan.storm.0));
        if self.exists(&fault) {
            out.push((at, Act::Fault(fault)));
        }
        Some(())
    }

    /// One fault of a row, about when that row is written.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only the verbs of rows come here")]
    fn row_fault(
        &self,
        verb: Verb,
        (device, user, remote): (DeviceId, UserId, Remote),
        stream: &mut Stream,
    ) -> Option<(Time, Fault)> {
        let held = Lasting::Storm;
        let (when, user, id) = self.row(stream, user)?;
        Some(match verb {
            Verb::HideRow => (shortly_after(stream, when, SOON), Fault::HideRow(user, id, held)),
            Verb::BreakDecryption => {
                let at = shortly_after(stream, when, 2 * SOON);
                let seen_by = stream.chance(500_000).then_some(device);
                let seen_by = seen_by.filter(|_| self.owner(device) == Some(user));
                (at, Fault::CorruptRow(remote, user, id, seen_by, held))
            }
            // The refusal has to be there when the row arrives.
            Verb::RejectRow => {
                (shortly_before(stream, when, SOON), Fault::RejectRow(remote, user, id, held))
            }
            _ => unreachable!("these are the faults of rows"),
        })
    }

    /// One fault of the sync server, rather while somebody wants something of it.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only the verbs of the server's faults come here"
    )]
    fn server_fault(
        &self,
        family: &Trouble,
        stream: &mut Stream,
        out: &mut Vec<Timed>,
    ) -> Option<()> {
        let worker = pick_worker(stream, self.workers())?;
        let processor = pick_processor(stream, self.plan.processors());
        let user = *pick(stream, &self.users)?;
        let strength = strength(family, stream);
        let volume = |fault| Ok(ServerFault::Volume(fault, Lasting::Storm));
        let server = match family.verb {
            Verb::CrashProcessor => Err(PipeFault::Crash(processor?, Span::ZERO, fuse(stream))),
            Verb::PauseProcessor => Err(PipeFault::Pause(processor?, Span::ZERO)),
            Verb::ProcessorClockJump => Err(PipeFault::ClockJump(processor?, strength)),
            Verb::SlowAi => Err(PipeFault::SlowStep(to_u16(strength), Lasting::Storm)),
            Verb::FailingAi => Err(PipeFault::FailingStep(Lasting::Storm)),
            Verb::CrashWorker => Ok(ServerFault::Crash(worker, Span::ZERO, fuse(stream))),
            Verb::PauseWorker => Ok(ServerFault::Pause(worker, Span::ZERO)),
            Verb::WorkerClockJump => Ok(ServerFault::ClockJump(worker, strength)),
            Verb::VolumeOutage => volume(VolumeFault::Outage),
            Verb::SlowVolume => volume(VolumeFault::Slow(to_u16(strength))),
            Verb::LoseVolumeReplies => volume(VolumeFault::LoseReplies),
            Verb::LateLists => volume(VolumeFault::LateList(to_span(strength))),
            Verb::RestoreVolume => Ok(ServerFault::Restore(to_span(strength), Span::ZERO)),
            Verb::IntrudeServer => Ok(ServerFault::Intrude(user)),
            _ => unreachable!("no other verb needs a server and is a fault"),
        };
        let mut fault = server.map_or_else(Fault::Pipe, Fault::Server);
        last_for(&mut fault, to_span(family.lasts.value(stream)));
        let anywhere = between(stream, Time(0), Time(self.plan.storm.0));
        let near = stream.chance(NEAR).then(|| pick(stream, &self.errands)).flatten();
        let at = near.map_or(anywhere, |at| shortly_after(stream, *at, SOON));
        out.push((Time(at.0.min(self.plan.storm.0)), Act::Fault(fault)));
        Some(())
    }

    fn workers(&self) -> &[WorkerPlan] {
        self.plan.server.as_ref().map_or(&[], |server| &server.workers)
    }

    /// Faults of one remote's own kind need that remote, and a policy something to protect.
    fn exists(&self, fault: &Fault) -> bool {
        let has = |kind| self.plan.remotes.iter().any(|remote| remote.kind == kind);
        if matches!(fault, Fault::EndZone(..)) {
            has(Remote::Zone)
        } else if matches!(fault, Fault::DropPolicy(_)) {
            has(Remote::Rows) && self.users.len() > 1
        } else if matches!(fault, Fault::SlowCommits(..) | Fault::HideRow(..)) {
            has(Remote::Rows)
        } else {
            true
        }
    }

    fn owner(&self, device: DeviceId) -> Option<UserId> {
        self.devices.iter().find(|(other, _, _)| *other == device).map(|(_, user, _)| *user)
    }

    /// When a fault of a device begins.
    fn moment(&self, verb: Verb, device: DeviceId, start: Time, stream: &mut Stream) -> Time {
        let anywhere = between(stream, start, Time(self.plan.storm.0));
        if !stream.chance(NEAR) {
            return anywhere;
        }
        if verb == Verb::HoldKeys
            && let Some(at) = pick(stream, &self.rotations)
        {
            return shortly_before(stream, *at, SOON);
        }
        let own: Vec<Time> = self
            .deeds
            .iter()
            .filter(|(_, other, _)| *other == device)
            .map(|(at, _, _)| *at)
            .collect();
        match pick(stream, &own) {
            Some(at) => shortly_after(stream, *at, SOON),
            None => anywhere,
        }
    }

    /// A record, whose it is, and when somebody does something with it.
    fn row(&self, stream: &mut Stream, user: UserId) -> Option<(Time, UserId, RecordId)> {
        let touched: Vec<(Time, DeviceId, RecordId)> = self
            .deeds
            .iter()
            .filter_map(|(at, device, row)| row.map(|row| (*at, *device, row)))
            .filter(|(_, device, _)| self.owner(*device) == Some(user))
            .collect();
        if let Some((at, _, id)) = pick(stream, &touched) {
            return Some((*at, user, *id));
        }
        let given = self.plan.given.iter().filter(|given| given.user == user);
        let given: Vec<RecordId> = given.map(|given| given.id).collect();
        let id = *pick(stream, &given)?;
        Some((between(stream, Time(0), Time(self.plan.storm.0)), user, id))
    }
}

fn pick_worker(stream: &mut Stream, of: &[WorkerPlan]) -> Option<WorkerId> {
    let at = stream.below(of.len().max(1) as u64);
    (!of.is_empty()).then(|| WorkerId(u16::try_from(at).expect("workers are few")))
}

fn pick_processor(stream: &mut Stream, of: &[ProcessorPlan]) -> Option<ProcessorId> {
    // Without processors nothing is drawn, so that other faults stay as they are.
    let at = if of.is_empty() { return None } else { stream.below(of.len() as u64) };
    Some(ProcessorId(u16::try_from(at).expect("processors are few")))
}

fn pick<'a, T>(stream: &mut Stream, of: &'a [T]) -> Option<&'a T> {
    (!of.is_empty()).then(|| stream.pick(of))
}

fn between(stream: &mut Stream, low: Time, high: Time) -> Time {
    Time(low.0 + stream.below(high.0.saturating_sub(low.0).max(1)))
}

/// How strong; a jump of a clock is small or large alike.
fn strength(family: &Trouble, stream: &mut Stream) -> i64 {
    let range = family.strength.range(stream);
    if matches!(family.verb, Verb::ClockJump | Verb::WorkerClockJump | Verb::ProcessorClockJump) {
        stream.magnitude(range.low, range.high)
    } else {
        range.draw(stream)
    }
}

fn record_of(deed: &Deed) -> Option<RecordId> {
    match deed {
        Deed::Edit(id, _)
        | Deed::Open(id)
        | Deed::Save(id, _)
        | Deed::Overwrite(id, _)
        | Deed::Increment(id, _, _)
        | Deed::Delete(id)
        | Deed::Undelete(id)
        | Deed::Read(id) => Some(*id),
        Deed::Sync
        | Deed::SignIn
        | Deed::SignOut
        | Deed::RotateKey
        | Deed::Register(..)
        | Deed::Upload(_)
        | Deed::Errand(_)
        | Deed::File(_) => None,
    }
}

/// Every second machine that loses power does so in the middle of something.
fn fuse(stream: &mut Stream) -> u16 {
    const MOST: u64 = 12;
    if stream.chance(500_000) { 1 + u16::try_from(stream.below(MOST)).unwrap_or(0) } else { 0 }
}

/// A cut of one direction or the other.
fn cut(one: Node, other: Node, stream: &mut Stream) -> Fault {
    let (from, to) = if stream.chance(500_000) { (one, other) } else { (other, one) };
    Fault::Cut(from, to, Lasting::Storm)
}

/// Decides how long a fault lasts: for ever, or as long as its family says.
fn set_end(family: &Trouble, fault: &mut Fault, stream: &mut Stream) {
    if stream.chance(family.forever.0) {
        if let Some(lasting) = lasting(fault) {
            *lasting = Lasting::Forever;
        }
    } else {
        last_for(fault, to_span(family.lasts.value(stream)));
    }
}
