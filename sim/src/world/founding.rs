//! The founding of a world: what is there before the first turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use engine::device::{Snapshot, prepared};
use engine::id::{Dot, FieldId, RecordId, Remote, UserId, VaultId};
use engine::record::{Encoded, Handle, Payload, Record, Value};
use engine::remote::{Cursor, Row, Tag};
use engine::schema::{Holds, field_of};
use engine::seal::Memo;
use engine::time::{Hlc, Time};

use super::phases::Phase;
use super::process::Process;
use super::processor::Pipeline;
use super::script::Script;
use super::server::Bench;
use super::trouble::Scars;
use super::{Event, Site, State, Station, World, vaults};
use crate::agenda::Agenda;
use crate::clock::{Clock, EPOCH_MS};
use crate::desk::Desk;
use crate::disk::Disk;
use crate::fault::Weather;
use crate::history::Boot;
use crate::history::recorder::Recorder;
use crate::keychain::{Keychain, SignInDesk, founder};
use crate::network::Network;
use crate::plan::{Act, DevicePlan, Fault, Given, Plan, RemotePlan, ServerFault, Start, Step};
use crate::random::Draw;
use crate::remote::{Double, rows::Rows, zone::Zone};
use crate::shell::report;
use crate::volume::Volume;
use crate::workload::token;

/// Nobody's device: it wrote what is given.
const NO_DEVICE: engine::id::DeviceId = engine::id::DeviceId(u16::MAX);

/// A given record with its tags, by user.
type Rooted = BTreeMap<UserId, Vec<(RecordId, Encoded, [Option<Tag>; 2])>>;

impl World {
    /// The world of a plan, before anything has happened.
    pub(crate) fn new(shared: Arc<Plan>) -> Self {
        let plan = &*shared;
        let memo = Memo::default();
        let needle = Draw::new(plan.nature, "needle").bytes();
        let keychain = Keychain::new(plan.nature, plan.users.len(), &memo);
        let mut doubles: Vec<_> = plan.remotes.iter().map(|remote| double(plan, remote)).collect();
        let rooted = give(plan, needle, &keychain, &mut doubles);
        let devices = plan.devices.iter().enumerate().map(|(index, device)| {
            let id = engine::id::DeviceId(u16::try_from(index).expect("devices are few"));
            let install = Draw::new(plan.nature, "install").and(u64::from(id.0)).and(0).value();
            let image = image(device, install, &keychain, &rooted, &doubles);
            site(id, device, install, image)
        });
        let devices: Vec<_> = devices.collect();
        let workers = Bench::of(plan.server.as_ref());
        let pipeline = Pipeline::of(plan);
        let nodes = devices.len() + doubles.len() + workers.len() + pipeline.seats.len();
        let station = || Station { desk: Desk::new(), called: false, deadline: 0 };
        let machines = devices.len() + pipeline.seats.len();
        let mut world = Self {
            plan: shared.clone(),
            now: Time(0),
            agenda: Agenda::new(),
            network: Network::new(plan.nature, plan.network),
            keychain,
            ongoing: Vec::new(),
            weather: Weather::default(),
            fuses: Vec::new(),
            batches: BTreeSet::new(),
            jobs: BTreeSet::new(),
            script: Script::new(plan),
            phase: Phase::Storm,
            holdup: None,
            scars: Scars::default(),
            devices,
            doubles: Vec::new(),
            workers,
            processes: Process::of(plan),
            pipeline,
            volume: if restores(plan) { Volume::with_backups() } else { Volume::default() },
            files: super::file::Heads::new(),
            names: super::file::Names::new(),
            entries: super::file::Entries::new(),
            intruder: BTreeMap::new(),
            stations: std::iter::repeat_with(station).take(nodes).collect(),
            ready: Vec::new(),
            orders: Vec::new(),
            own_ops: BTreeMap::new(),
            hints: BTreeMap::new(),
            memo,
            needle,
            recorder: Recorder::new(needle, plan.devices.len()),
            log: Vec::new(),
            coverage: BTreeMap::new(),
            reached: BTreeMap::new(),
            events: 0,
            most_events: super::most_events(plan, machines),
            messages: 0,
            spare: Vec::new(),
            scratch: Vec::new(),
        };
        world.note_given(&mut doubles);
        world.doubles = doubles.into_iter().map(|double| Arc::new(Mutex::new(double))).collect();
        world.file_starts();
        world.give_conversations();
        world.plan_process_starts();
        world.file_script();
        world.file_phases();
        if world.script.needs_quiet {
            world.watch();
        }
        world
    }

    fn note_given(&mut self, doubles: &mut [Box<dyn Double>]) {
        let mut emitted = Vec::new();
        for (place, double) in doubles.iter_mut().enumerate() {
            report(double.as_mut(), &mut emitted);
            self.carry_out(self.devices.len() + place, &mut emitted);
        }
    }

    fn file_starts(&mut self) {
        let plan = self.plan.clone();
        for (index, device) in plan.devices.iter().enumerate() {
            let id = self.devices[index].id;
            let at = match device.start {
                Start::Prepared(at) | Start::Fresh(at) => at,
                Start::Cloned => continue,
            };
            let order = self.draw("first start").and(u64::from(id.0));
            self.file(at, order, Event::Start(id, 0));
        }
    }
}

fn double(plan: &Plan, remote: &RemotePlan) -> Box<dyn Double> {
    match remote.kind {
        Remote::Zone => Box::new(Zone::new(remote, plan.nature, &vaults(plan))),
        Remote::Rows => Box::new(Rows::new(remote, plan.nature, &vaults(plan))),
    }
}

/// Stores all given rows on all remotes.
fn give(
    plan: &Plan,
    needle: [u8; 8],
    keychain: &Keychain,
    doubles: &mut [Box<dyn Double>],
) -> Rooted {
    let mut rooted = Rooted::new();
    for (index, given) in plan.given.iter().enumerate() {
        let rows = rooted.entry(given.user).or_default();
        let n = rows.len() as u64 + 1;
        let record = record(plan, needle, given, n);
        let vault = VaultId::from(given.user);
        let nonce = Draw::new(plan.nature, "given nonce").and(index as u64).bytes();
        let blob = keychain.seal(vault, given.id, &record, nonce);
        let mut tags = [None; 2];
        for double in doubles.iter_mut() {
            let row = Row { id: given.id, vault, blob: blob.clone() };
            tags[double.remote().index()] = Some(double.give(Time(0), row));
        }
        rows.push((given.id, record, tags));
    }
    rooted
}

/// A given record: the `n`-th write of its vault's founder.
fn record(plan: &Plan, needle: [u8; 8], given: &Given, n: u64) -> Encoded {
    let dot = Dot { replica: founder(plan.nature, given.user), n };
    let token = token(needle, given.user, NO_DEVICE, u32::try_from(n).expect("rows are few"));
    let value = |field: FieldId, value: &Value| match (field_of(given.id.kind, field), value) {
        (Some(known), Value::Text(text)) if known.holds == Holds::Draft => {
            Value::Draft { base: String::new(), text: text.clone() }
        }
        (Some(_) | None, value) => value.clone(),
    };
    let cells = given
        .set
        .iter()
        .map(|(field, given)| (*field, Payload { token, value: value(*field, given) }));
    let mut record = Record::default();
    record.write(&Handle::blind(), dot, Hlc { wall: EPOCH_MS, count: 0 }, cells);
    Encoded::new(record)
}

/// What is on a device's disk before its first start.
fn image(
    device: &DevicePlan,
    install: u64,
    keychain: &Keychain,
    rooted: &Rooted,
    doubles: &[Box<dyn Double>],
) -> Snapshot {
    match device.start {
        Start::Fresh(_) | Start::Cloned => Snapshot::new(),
        Start::Prepared(_) => {
            let rows = rooted.get(&device.user).map_or(&[][..], Vec::as_slice);
            let mut cursors: [Option<Cursor>; 2] = [None; 2];
            for double in doubles {
                let head = double.head(VaultId::from(device.user));
                cursors[double.remote().index()] = Some(head);
            }
            prepared(device.user, install, keychain.keys(device.user), rows, cursors)
        }
    }
}

/// Is the volume set back to what it was?
fn restores(plan: &Plan) -> bool {
    let restores =
        |step: &Step| matches!(step.act, Act::Fault(Fault::Server(ServerFault::Restore(..))));
    plan.steps.iter().any(restores)
}

fn site(id: engine::id::DeviceId, device: &DevicePlan, install: u64, image: Snapshot) -> Site {
    Site {
        id,
        user: device.user,
        state: State::New,
        incarnation: 0,
        disk: Disk::new(image),
        clock: Clock::new(device.clock_offset_ms, device.clock_drift_ppm),
        boot: Boot::First,
        kept: 0,
        install,
        installs: 0,
        paused: false,
        start: 0,
        troubles: Vec::new(),
        image: None,
        sign_in: SignInDesk::default(),
    }
}
