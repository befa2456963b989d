//! Hand-made histories for the judges' tests, told as stories.
//!
//! A case has a phone and a tablet of one user, a laptop of another and both remotes. Its methods name who
//! acts, and about what, and theirs what is done: `case.phone().session().opens()`. Its own tiny `model`
//! keeps a history consistent, so it is right until it contains a bug on purpose:
//! [`Device::holds`] makes a copy hold anything, and [`Device::wrongly`] has what no device may do.

mod account;
mod device;
pub(crate) mod files;
mod lies;
mod log;
mod model;
mod remote;
mod session;
pub(crate) mod talks;
pub(crate) mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::device::Timing;
use engine::id::{DeviceId, FieldId, Kind, RecordId, Remote, ReplicaId, UserId, VaultId};
use engine::message::{Client, DeviceKey};
use engine::seal::OpenError;
use harness::time::{Span, Time};

use self::device::Device;
use self::log::{Log, Spaces};
use self::model::{Image, RecordCopy, StoredRow, ToldWrite};
use self::talks::{Actor, READER, SCHOLAR, Talks};
use self::tree::ToldFiles;
use crate::history::{BlobId, Boot, Change, Entry, Fact, Incarnation};
use crate::invariant::{HostNames, Invariant, JudgeContext, Violation, judge};
use crate::plan::{Node, WorkerId, remote_name};
use crate::time::ToEngine;

pub(crate) const PHONE: DeviceId = DeviceId(0);
pub(crate) const TABLET: DeviceId = DeviceId(1);
pub(crate) const LAPTOP: DeviceId = DeviceId(2);
pub(crate) const MEAL: RecordId = RecordId { kind: Kind::Meal, key: 1 };
pub(crate) const GOALS: RecordId = RecordId { kind: Kind::Goals, key: 1 };
pub(crate) const KCAL: FieldId = FieldId(1);
pub(crate) const PHOTO: FieldId = FieldId(5);
pub(crate) const WORKER: Node = Node::Worker(WorkerId(0));
pub(crate) const VAULT: VaultId = VaultId(0);
pub(crate) const OWNER: UserId = UserId(0);

/// Numbers a write of a case.
pub(crate) type W = usize;

/// What a host says that lacks a key of this generation.
pub(crate) fn no_key(generation: u32) -> OpenError {
    let bytes = postcard::to_allocvec(&(0_u32, generation, 7_u64));
    let bytes = bytes.expect("memory is the only limit");
    postcard::from_bytes(&bytes).expect("that is how it is written down")
}

/// A history in the making.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) context: JudgeContext,
    pub(crate) history: Vec<Entry>,
    now: u64,
    told: Vec<ToldWrite>,
    copies: BTreeMap<(DeviceId, RecordId), RecordCopy>,
    rows: BTreeMap<(Remote, VaultId, RecordId), StoredRow>,
    cursors: BTreeMap<(DeviceId, Remote), u64>,
    commits: BTreeMap<DeviceId, u32>,
    incarnations: BTreeMap<DeviceId, Incarnation>,
    counter: u32,
    images: BTreeMap<DeviceId, Image>,
    spaces: Spaces,
    pub(crate) talks: Talks,
    pub(crate) files: ToldFiles,
    /// How often the volume was restored.
    restores: u64,
}

impl Case {
    pub(crate) fn new() -> Self {
        let mut case = Self {
            context: JudgeContext {
                devices: vec![UserId(0), UserId(0), UserId(1)],
                remotes: Remote::ALL.to_vec(),
                server: None,
                timing: Timing {
                    pull_every: Span::from_secs(60).to_engine(),
                    relist_every: Span::from_secs(600).to_engine(),
                    feed_every: Span::from_secs(60).to_engine(),
                    login_patience: Span::from_secs(10).to_engine(),
                    timeout: Span::from_secs(5).to_engine(),
                    retry_base: Span::from_secs(1).to_engine(),
                    retry_cap: Span::from_secs(60).to_engine(),
                    page: 10,
                    batch: 10,
                },
                incurable: Vec::new(),
                at_end: Vec::new(),
                texts: BTreeMap::new(),
                healed_at: Time(0),
                names: HostNames {
                    scenario: "case".to_owned(),
                    users: ["anna", "ben"].map(str::to_owned).to_vec(),
                    devices: ["phone", "tablet", "laptop"].map(str::to_owned).to_vec(),
                    remotes: Remote::ALL
                        .map(|remote| (remote, remote_name(remote).to_owned()))
                        .to_vec(),
                },
            },
            history: Vec::new(),
            now: 0,
            told: Vec::new(),
            copies: BTreeMap::new(),
            rows: BTreeMap::new(),
            cursors: BTreeMap::new(),
            commits: BTreeMap::new(),
            incarnations: BTreeMap::new(),
            counter: 0,
            images: BTreeMap::new(),
            spaces: Spaces::default(),
            talks: Talks::default(),
            files: ToldFiles::default(),
            restores: 0,
        };
        for device in [PHONE, TABLET, LAPTOP] {
            case.device(device).starts(Boot::First, 0, vec![Change::Key(true), Change::Meta]);
        }
        case
    }

    /// Adds a fact, ten milliseconds after the last.
    pub(crate) fn fact(&mut self, node: impl Into<Node>, fact: Fact) -> usize {
        let node = node.into();
        self.now += 10;
        let incarnation = match node {
            Node::Device(device) => self.incarnations.get(&device).copied().unwrap_or_default(),
            Node::World
            | Node::Remote(_)
            | Node::Worker(_)
            | Node::Processor(_)
            | Node::Volume
            | Node::Intruder => 0,
        };
        self.history.push(Entry { at: Time(self.now), node, incarnation, fact });
        self.history.len() - 1
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.now += millis;
    }

    pub(crate) fn fresh(&mut self) -> u32 {
        self.counter += 1;
        self.counter
    }

    // Who acts.

    pub(crate) fn phone(&mut self) -> Device<'_> {
        self.device(PHONE)
    }

    pub(crate) fn tablet(&mut self) -> Device<'_> {
        self.device(TABLET)
    }

    pub(crate) fn laptop(&mut self) -> Device<'_> {
        self.device(LAPTOP)
    }

    pub(crate) fn device(&mut self, id: DeviceId) -> Device<'_> {
        Device { case: self, id }
    }

    pub(crate) fn reader(&mut self) -> Actor<'_> {
        self.actor(READER)
    }

    pub(crate) fn scholar(&mut self) -> Actor<'_> {
        self.actor(SCHOLAR)
    }

    pub(crate) fn actor(&mut self, who: impl Into<Node>) -> Actor<'_> {
        Actor { case: self, who: who.into() }
    }

    /// The log of a user's space.
    pub(crate) fn log(&mut self, space: UserId) -> Log<'_> {
        Log { case: self, space }
    }

    fn user(&self, device: DeviceId) -> UserId {
        self.context.devices[usize::from(device.0)]
    }

    fn key(&self, device: DeviceId) -> DeviceKey {
        DeviceKey(self.spaces.copies.get(&device).unwrap_or(&device).0.into())
    }

    fn client(&self, device: DeviceId) -> Client {
        let life = self.incarnations.get(&device).copied().unwrap_or_default() + 1;
        Client { replica: ReplicaId(u64::from(device.0) + 100), life }
    }

    /// The blob that was saved last.
    pub(crate) fn last_blob(&self) -> BlobId {
        let mut blob = None;
        for entry in &self.history {
            if let Fact::Committed { blob: saved, .. } = &entry.fact {
                blob = Some(*saved);
            }
        }
        blob.expect("something was saved")
    }

    // The end.

    /// Everything settles; every device shows every record and the remotes are opened.
    pub(crate) fn ends(mut self) -> Self {
        self.fact(Node::World, Fact::FaultsEnded);
        self.fact(Node::World, Fact::Settled { pending: Vec::new() });
        self.is_read_at_the_end();
        self
    }

    pub(crate) fn is_read_at_the_end(&mut self) {
        let gone: Vec<_> = self.context.incurable.clone();
        let keys: BTreeSet<_> = self.copies.keys().copied().collect();
        for (device, id) in keys {
            if !gone.contains(&crate::invariant::Incurable::Device(device)) {
                let mut device = self.device(device);
                let shown = Arc::new(device.shown(id));
                device.shows(shown, true);
            }
        }
        if self.context.server.is_some() {
            self.shows_accounts_at_the_end();
        }
        for ((remote, vault, id), row) in self.rows.clone() {
            let contents = Some(Arc::new(self.contents(&row.copy)));
            self.fact(remote, Fact::Found { vault, id, contents, values: Vec::new() });
        }
    }

    /// Every device that is there shows the account.
    fn shows_accounts_at_the_end(&mut self) {
        for n in 0..self.context.devices.len() {
            let device = DeviceId(u16::try_from(n).expect("a case is small"));
            if !self.context.incurable.contains(&crate::invariant::Incurable::Device(device)) {
                let mut account = self.device(device);
                let mut account = account.account();
                let shown = account.contents();
                account.shows(shown, true);
            }
        }
    }

    // Judgement.

    pub(crate) fn violations(&self) -> Vec<Violation> {
        judge(&self.context, &self.history).violations
    }

    /// What is excused, as in `w3 of meal/1: destroyed device`.
    pub(crate) fn excused(&self) -> Vec<String> {
        let excused = judge(&self.context, &self.history).excused;
        let told =
            excused.iter().map(|it| format!("{} of {}: {}", it.write, it.object, it.cause()));
        told.collect()
    }

    /// The invariants that reject this history, each once.
    pub(crate) fn broken(&self) -> Vec<Invariant> {
        let broken: BTreeSet<_> =
            self.violations().iter().map(|violation| violation.invariant).collect();
        broken.into_iter().collect()
    }

    /// Some judge reports this site.
    #[track_caller]
    pub(crate) fn rejects(&self, site: &str) {
        let violations = self.violations();
        assert!(violations.iter().any(|violation| violation.site == site), "{violations:#?}");
    }

    /// The judge of this invariant reports this site.
    #[track_caller]
    pub(crate) fn breaks(&self, invariant: Invariant, site: &str) {
        let violations = self.violations();
        let found = violations.iter().any(|it| it.invariant == invariant && it.site == site);
        assert!(found, "{violations:#?}");
    }

    #[track_caller]
    pub(crate) fn passes(&self) {
        assert_eq!(self.violations(), [], "of {} facts", self.history.len());
    }
}
