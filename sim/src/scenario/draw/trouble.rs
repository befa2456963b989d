//! `[trouble]`: what goes wrong by chance. Each family of faults draws from its own stream and is
//! in a seed or out of it; if all are out, one is taken in.
//!
//! Faults are more likely shortly after an operation: between an edit and its durable commit, between a
//! request and its reply. Rows are damaged, hidden and refused where users work.

use engine::id::{DeviceId, RecordId, Remote, UserId};
use harness::random::{Stream, Streams};
use harness::time::{Span, Time};

use super::timing::{Timed, active, shortly_after, shortly_before};
use super::to_span;
use crate::fault::{Argument, ArgumentKind, Effects, Lot, Near, Need, Spare, Value};
use crate::plan::file::FileOperation;
use crate::plan::operation::{Operation, record_in};
use crate::plan::{
    Act, Fault, Lasting, Plan, ProcessorId, ProcessorPlan, Start, UserOperation, WorkerId,
    WorkerPlan,
};
use crate::scenario::FaultFamily;

/// A fault falls shortly after an operation with this chance, and anywhere otherwise.
const NEAR: u32 = 650_000;
/// The longest time after a user's operation, in milliseconds.
const SOON: i64 = 1_500;
/// A family that fewer seeds have is never taken in for lack of others.
const RARE: u32 = 100_000;
/// No family has more faults in one plan.
const MOST: u64 = 2_000;

/// Draws all faults.
pub(super) fn draw(
    families: &[FaultFamily],
    plan: &Plan,
    operations: &[Timed],
    streams: Streams,
) -> Vec<Timed> {
    let scene = Scene::new(plan, operations);
    let mut out = Vec::new();
    let mut left_out = Vec::new();
    for family in families {
        let mut stream = streams.stream(&format!("faults/{}", family.kind.word()));
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
    operations: Vec<(Time, DeviceId, Option<RecordId>)>,
    rotations: Vec<Time>,
    /// When a user wants something of the sync server.
    errands: Vec<Time>,
}

impl<'p> Scene<'p> {
    fn new(plan: &'p Plan, operations: &[Timed]) -> Self {
        let devices: Vec<_> = active(plan).collect();
        let mut users: Vec<UserId> = devices.iter().map(|(_, user, _)| *user).collect();
        users.sort();
        users.dedup();
        let spares = (0..).map(DeviceId).zip(&plan.devices);
        let spares = spares.filter(|(_, device)| device.start == Start::Cloned);
        let spares = spares.map(|(id, _)| id).collect();
        let mut done = Vec::new();
        let (mut rotations, mut errands) = (Vec::new(), Vec::new());
        for (at, act) in operations {
            let Some((operation, values)) = Operation::of(act) else { continue };
            if operation.declaration().needs_server() {
                errands.push(*at);
            }
            if let Act::User(device, operation) = act {
                done.push((*at, *device, record_in(&values)));
                // Few things are as long as a batch, and few are done less often.
                if matches!(operation, UserOperation::File(FileOperation::Move(..))) {
                    errands.extend([*at; 20]);
                }
                if *operation == UserOperation::RotateKey {
                    rotations.push(*at);
                }
            }
        }
        Self { plan, devices, users, spares, operations: done, rotations, errands }
    }

    /// All faults of a family.
    fn family(&self, family: &FaultFamily, stream: &mut Stream, out: &mut Vec<Timed>) {
        let declaration = family.kind.declaration();
        let targets = match declaration.target().map(|target| target.kind) {
            Some(ArgumentKind::Device) => self.devices.len(),
            Some(ArgumentKind::Remote) => self.plan.remotes.len(),
            Some(ArgumentKind::Worker) => self.workers().len(),
            Some(ArgumentKind::Processor) => self.plan.processors().len(),
            Some(ArgumentKind::User) => self.users.len(),
            _ => 1,
        };
        let expected = self.plan.storm.0.saturating_mul(targets as u64) / family.every.0.max(1);
        let most = declaration.most.unwrap_or(MOST);
        let spares = self.spares.len() as u64;
        let most = if declaration.has(ArgumentKind::Spare) { spares } else { most };
        // Between half and one and a half times as many as expected, but at least one.
        let count = (expected / 2 + stream.below(expected + 1)).clamp(1, MOST).min(most);
        for n in 0..count {
            let nth = usize::try_from(n).unwrap_or(usize::MAX);
            let _ = if declaration.needs_server {
                self.server_fault(family, stream, out)
            } else {
                self.fault(family, nth, stream, out)
            };
        }
    }

    /// One fault; `None` if nothing is there to be harmed by it.
    fn fault(
        &self,
        family: &FaultFamily,
        nth: usize,
        stream: &mut Stream,
        out: &mut Vec<Timed>,
    ) -> Option<()> {
        let declaration = family.kind.declaration();
        let (device, user, start) = *pick(stream, &self.devices)?;
        let remote = pick(stream, &self.plan.remotes)?.kind;
        let strength = strength(family, stream);
        let at = self.moment(declaration.near, device, start, stream);
        let target = Target { device, start, user, remote, ..Target::NONE };
        let mut draw = FaultDraw { scene: self, family, nth, strength, stream, out, at, target };
        let fault = (declaration.draw)(&mut draw)?;
        let at = Time(draw.at.0.min(self.plan.storm.0));
        let lasting = set_end(family, stream);
        if self.exists(&fault) {
            out.push((at, Act::Fault(fault, lasting)));
        }
        Some(())
    }

    /// One fault of the sync server, rather while a request to it is open.
    fn server_fault(
        &self,
        family: &FaultFamily,
        stream: &mut Stream,
        out: &mut Vec<Timed>,
    ) -> Option<()> {
        let worker = Some(pick_worker(stream, self.workers())?);
        let processor = pick_processor(stream, self.plan.processors());
        let user = *pick(stream, &self.users)?;
        let strength = strength(family, stream);
        let target = Target { user, worker, processor, ..Target::NONE };
        let (nth, at) = (0, Time(0));
        let mut draw = FaultDraw { scene: self, family, nth, strength, stream, out, at, target };
        let fault = (family.kind.declaration().draw)(&mut draw)?;
        let mut lasting = Lasting::usual(family.kind);
        lasting.set(to_span(family.lasts.value(stream)));
        let anywhere = between(stream, Time(0), Time(self.plan.storm.0));
        let near = stream.chance(NEAR).then(|| pick(stream, &self.errands)).flatten();
        let at = near.map_or(anywhere, |at| shortly_after(stream, *at, SOON));
        out.push((Time(at.0.min(self.plan.storm.0)), Act::Fault(fault, lasting)));
        Some(())
    }

    fn workers(&self) -> &[WorkerPlan] {
        self.plan.server.as_ref().map_or(&[], |server| &server.workers)
    }

    /// Faults of one remote's own kind need that remote.
    fn exists(&self, fault: &Fault) -> bool {
        let has = |kind| self.plan.remotes.iter().any(|remote| remote.kind == kind);
        fault.needs().into_iter().all(|need| match need {
            Need::Remote(remote) => has(remote),
            Need::Up(_)
            | Need::Awake(_)
            | Need::Exists(_)
            | Need::HasDisk(_)
            | Need::HasImage(_)
            | Need::CanBeCopyOf(..)
            | Need::Server
            | Need::Processors => true,
        })
    }

    fn owner(&self, device: DeviceId) -> Option<UserId> {
        self.devices.iter().find(|(other, _, _)| *other == device).map(|(_, user, _)| *user)
    }

    /// When a fault of a device begins.
    fn moment(&self, near: Near, device: DeviceId, start: Time, stream: &mut Stream) -> Time {
        let anywhere = between(stream, start, Time(self.plan.storm.0));
        if !stream.chance(NEAR) {
            return anywhere;
        }
        if near == Near::Rotation
            && let Some(at) = pick(stream, &self.rotations)
        {
            return shortly_before(stream, *at, SOON);
        }
        let own: Vec<Time> = self
            .operations
            .iter()
            .filter(|(_, other, _)| *other == device)
            .map(|(at, _, _)| *at)
            .collect();
        match pick(stream, &own) {
            Some(at) => shortly_after(stream, *at, SOON),
            None => anywhere,
        }
    }

    /// A record, whose it is, and when a user does something with it.
    fn row(&self, stream: &mut Stream, user: UserId) -> Option<(Time, UserId, RecordId)> {
        let touched: Vec<(Time, DeviceId, RecordId)> = self
            .operations
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
fn strength(family: &FaultFamily, stream: &mut Stream) -> i64 {
    let range = family.strength.range(stream);
    if family.kind.declaration().has(ArgumentKind::Shift) {
        stream.magnitude(range.low, range.high)
    } else {
        range.draw(stream)
    }
}

/// Every second machine that loses power does so in the middle of something.
fn fuse(stream: &mut Stream) -> u16 {
    const MOST: u64 = 12;
    if stream.chance(500_000) { 1 + u16::try_from(stream.below(MOST)).unwrap_or(0) } else { 0 }
}

/// Decides how long a fault lasts: for ever, or as long as its family says.
fn set_end(family: &FaultFamily, stream: &mut Stream) -> Lasting {
    let mut lasting = Lasting::usual(family.kind);
    if !stream.chance(family.forever.0) {
        lasting.set(to_span(family.lasts.value(stream)));
    } else if lasting == Lasting::Storm {
        lasting = Lasting::Forever;
    }
    lasting
}

/// Whom one fault happens to, as it was drawn.
#[derive(Clone, Copy)]
struct Target {
    device: DeviceId,
    /// When the device starts.
    start: Time,
    user: UserId,
    remote: Remote,
    worker: Option<WorkerId>,
    processor: Option<ProcessorId>,
}

impl Target {
    const NONE: Self = Self {
        device: DeviceId(0),
        start: Time(0),
        user: UserId(0),
        remote: Remote::Zone,
        worker: None,
        processor: None,
    };
}

/// What the arguments of one fault are drawn from.
struct FaultDraw<'d, 'p> {
    scene: &'d Scene<'p>,
    family: &'d FaultFamily,
    nth: usize,
    strength: i64,
    stream: &'d mut Stream,
    out: &'d mut Vec<Timed>,
    at: Time,
    target: Target,
}

impl FaultDraw<'_, '_> {
    /// A row where its user works, and the moment of the fault near that.
    fn row(&mut self) -> Option<RecordId> {
        let (when, _, id) = self.scene.row(self.stream, self.target.user)?;
        let most = |span: Span| i64::try_from(span.0).unwrap_or(i64::MAX);
        match self.family.kind.declaration().near {
            Near::AfterRow(soon) => self.at = shortly_after(self.stream, when, most(soon)),
            Near::BeforeRow(soon) => self.at = shortly_before(self.stream, when, most(soon)),
            Near::Operation | Near::Rotation => {}
        }
        Some(id)
    }

    /// In half of the cases only the device that was drawn notices, if it is the user's.
    fn seen_by(&mut self) -> Option<DeviceId> {
        let Target { device, user, .. } = self.target;
        let seen_by = self.stream.chance(500_000).then_some(device);
        seen_by.filter(|_| self.scene.owner(device) == Some(user))
    }
}

impl Lot for FaultDraw<'_, '_> {
    fn value(&mut self, argument: &Argument) -> Option<Value> {
        let target = self.target;
        Some(match argument.kind {
            ArgumentKind::Device => Value::Device(target.device),
            ArgumentKind::Remote => Value::Remote(target.remote),
            ArgumentKind::Worker => Value::Worker(target.worker?),
            ArgumentKind::Processor => Value::Processor(target.processor?),
            ArgumentKind::User => Value::User(target.user),
            ArgumentKind::Host => Value::Host(target.device.into()),
            ArgumentKind::Row => Value::Row(self.row()?),
            ArgumentKind::SeenBy => Value::SeenBy(self.seen_by()),
            ArgumentKind::Spare => Value::Spare(Spare(*self.scene.spares.get(self.nth)?)),
            ArgumentKind::Ending => Value::Ending(*pick(self.stream, &self.family.how)?),
            ArgumentKind::Times | ArgumentKind::Wait | ArgumentKind::Age | ArgumentKind::Shift => {
                argument.kind.of_strength(self.strength)?
            }
            ArgumentKind::Effects => Value::Effects(Effects(fuse(self.stream))),
        })
    }

    fn device(&self) -> DeviceId {
        self.target.device
    }

    fn remote(&self) -> Remote {
        self.target.remote
    }

    fn flip(&mut self) -> bool {
        self.stream.chance(500_000)
    }

    fn has_others(&self) -> bool {
        let own = self.scene.devices.iter().filter(|(_, user, _)| *user == self.target.user);
        own.count() > 1
    }

    fn has_users(&self) -> bool {
        self.scene.users.len() > 1
    }

    fn precede(&mut self, first: Fault) {
        let saved = between(self.stream, self.target.start, self.at);
        self.at = Time(self.at.0.max(saved.0 + 1));
        self.out.push((saved, Act::Fault(first, Lasting::AtOnce)));
    }
}
