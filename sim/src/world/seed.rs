//! Seed data: what is stored before the first turn, on remotes, disks and the volume.

use std::collections::{BTreeMap, BTreeSet};

use engine::device::{Snapshot, prepared};
use engine::flaw::Flaws;
use engine::id::{DeviceId, Dot, FieldId, RecordId, Remote, UserId, VaultId};
use engine::ingest::{self, Ingest};
use engine::job::{BlobHash, BlobName, Content, Place, Stored};
use engine::log::{self, Doc, Entry, EntryId, Key, Op};
use engine::message::{Reply, WorkAction, WorkReply};
use engine::record::{Encoded, Handle, Payload, Record, Value};
use engine::remote::{Cursor, Row, Tag};
use engine::schema::{Holds, field_of};
use engine::time::Hlc;
use engine::{Bytes, volume};
use harness::clock::EPOCH_MS;
use harness::random::Draw;
use harness::time::Time;

use super::accounts::Accounts;
use crate::fault::Fault;
use crate::keychain::{Keychain, founder};
use crate::mailbox::Effect;
use crate::plan::{Act, DevicePlan, Given, GivenTalk, Node, Plan, RemotePlan, Start, Step};
use crate::remote::{Double, rows::Rows, zone::Zone};
use crate::shell::report;
use crate::workload::talk::conversation;
use crate::workload::token;

/// Nobody's device: it wrote the seed data.
const NO_DEVICE: DeviceId = DeviceId(u16::MAX);

/// A record of the seed data with its tags, by user.
type Rooted = BTreeMap<UserId, Vec<(RecordId, Encoded, [Option<Tag>; 2])>>;

/// What is stored before the first turn.
pub(super) struct Seeds {
    pub(super) doubles: Vec<Box<dyn Double>>,
    /// What remotes did to store it.
    pub(super) stored: Vec<(Node, Effect)>,
    /// What is on the disk of each device, and the name of its install.
    pub(super) images: Vec<(u64, Snapshot)>,
}

impl Seeds {
    pub(super) fn of(plan: &Plan, accounts: &Accounts) -> Self {
        let keychain = accounts.keychain();
        let mut doubles: Vec<_> = plan.remotes.iter().map(|it| double(plan, it)).collect();
        let rooted = give(plan, accounts.canary(), keychain, &mut doubles);
        let images = plan.devices.iter().enumerate().map(|(n, device)| {
            let install = Draw::new(plan.nature, "install").and(n as u64).and(0).value();
            (install, image(device, install, keychain, &rooted, &doubles))
        });
        let images = images.collect();
        let stored = doubles.iter_mut().flat_map(|double| {
            let (from, mut effects) = (Node::Remote(double.remote()), Vec::new());
            report(double.as_mut(), &mut effects);
            effects.into_iter().map(move |effect| (from, effect))
        });
        let stored = stored.collect();
        Self { doubles, stored, images }
    }
}

/// The double of a remote.
fn double(plan: &Plan, remote: &RemotePlan) -> Box<dyn Double> {
    let restores = |step: &Step| matches!(step.act, Act::Fault(Fault::RestoreRemote(it), _) if it.remote == remote.kind);
    let (vaults, backups) = (vaults(plan), plan.steps.iter().any(restores));
    match remote.kind {
        Remote::Zone => Box::new(Zone::new(remote, plan.nature, &vaults, backups)),
        Remote::Rows => Box::new(Rows::new(remote, plan.nature, &vaults, backups)),
    }
}

/// Stores the seed data on all remotes.
fn give(
    plan: &Plan,
    canary: [u8; 8],
    keychain: &Keychain,
    doubles: &mut [Box<dyn Double>],
) -> Rooted {
    let mut rooted = Rooted::new();
    for (index, given) in plan.given.iter().enumerate() {
        let rows = rooted.entry(given.user).or_default();
        let n = rows.len() as u64 + 1;
        let record = record(plan, canary, given, n);
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

/// A record of the seed data: the `n`-th write of its vault's founder.
fn record(plan: &Plan, canary: [u8; 8], given: &Given, n: u64) -> Encoded {
    let dot = Dot { replica: founder(plan.nature, given.user), n };
    let token = token(canary, given.user, NO_DEVICE, u32::try_from(n).expect("rows are few"));
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

/// A conversation that is there before the start: its object, and its entry in the log of its space.
pub(super) struct Conversation {
    pub(super) space: UserId,
    /// The objects on the volume: the conversation's, and that of the entry.
    pub(super) objects: [(volume::Key, Bytes); 2],
    pub(super) entry: Entry,
}

/// The conversations that are there before the start, in the format from before there were statuses.
pub(super) fn conversations(plan: &Plan, accounts: &Accounts) -> Vec<Conversation> {
    let given = plan.server.as_ref().map_or(&[][..], |server| &server.pipeline.given);
    let mut seqs = vec![0; plan.users.len()];
    let stored = given.iter().enumerate().map(|(n, given)| {
        let seq = &mut seqs[usize::from(given.user.0)];
        *seq += 1;
        let nonce = Draw::new(plan.nature, "given conversation").and(n as u64).bytes();
        stored(accounts, given, *seq, nonce)
    });
    stored.collect()
}

fn stored(accounts: &Accounts, given: &GivenTalk, seq: u64, nonce: [u8; 24]) -> Conversation {
    let GivenTalk { user, excerpt } = given;
    let vault = accounts.vault_of(*user, Flaws::NONE);
    let comes = conversation(accounts.canary(), *user, excerpt);
    let ingest = Ingest::new(&vault, ingest::Path::Upload, comes);
    let ingest = ingest.expect("the reader lets no other date be given");
    let save = ingest.take(&vault, Ok(WorkReply::Item(None)), nonce);
    let Ok(ingest::Step::Ask(WorkAction::Save { key, day, messages, blob, .. })) = save else {
        unreachable!("what is not there yet is saved")
    };
    let hash = BlobHash::of(&blob);
    let name = BlobName { key, version: 1, hash };
    let content = Content { version: 1, since: seq, day, messages, blob: hash };
    let puts = vec![(Key::Work(Place::Item(key)), Some(Doc::Work(Stored::Old(content))))];
    let ops = vec![Op { receipt: None, puts, reply: Reply::Work(WorkReply::Saved(1)) }];
    let entry = Entry { seq, id: EntryId(seq), ops };
    let logged = (log::entry_key(*user, seq), log::encode(&entry));
    Conversation { space: *user, objects: [(name.object(*user), blob), logged], entry }
}

/// The vaults of a plan.
fn vaults(plan: &Plan) -> Vec<VaultId> {
    let users = BTreeSet::from_iter(plan.devices.iter().map(|device| device.user));
    users.into_iter().map(VaultId::from).collect()
}
