//! Hand-made histories for the judges' tests, told as stories.
//!
//! A case has a phone and a tablet of one user, a laptop of another and both remotes. Its own tiny
//! `model` keeps what is told consistent, so that a story is right until it tells a lie on purpose:
//! [`Case::holds`] makes a copy hold anything. Here are the users and the end; `deeds` has what
//! devices and remotes do, `server` what the sync server does, `files` what becomes of files.

mod deeds;
pub(crate) mod files;
pub(crate) mod filing;
mod model;
mod server;
pub(crate) mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::device::{Presence, Timing};
use engine::id::{DeviceId, FieldId, Kind, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::record::Value;
use harness::time::{Span, Time};

use self::files::ToldFiles;
use self::model::{Copy, Image, StoredRow, Told};
use self::server::Spaces;
use self::work::Talks;
use crate::history::{Answered, Asked, Boot, Change, Entry, Fact, Incarnation, Shown, WriteKind};
use crate::invariant::{HostNames, Invariant, JudgeContext, Violation, judge};
use crate::plan::{Node, remote_name};
use crate::time::ToEngine;

pub(crate) const PHONE: DeviceId = DeviceId(0);
pub(crate) const TABLET: DeviceId = DeviceId(1);
pub(crate) const LAPTOP: DeviceId = DeviceId(2);
pub(crate) const MEAL: RecordId = RecordId { kind: Kind::Meal, key: 1 };
pub(crate) const GOALS: RecordId = RecordId { kind: Kind::Goals, key: 1 };
pub(crate) const KCAL: FieldId = FieldId(1);
pub(crate) const PHOTO: FieldId = FieldId(5);
pub(crate) const VAULT: VaultId = VaultId(0);

/// Numbers a write of a case.
pub(crate) type W = usize;

/// A history in the making.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) context: JudgeContext,
    pub(crate) history: Vec<Entry>,
    now: u64,
    told: Vec<Told>,
    copies: BTreeMap<(DeviceId, RecordId), Copy>,
    rows: BTreeMap<(Remote, VaultId, RecordId), StoredRow>,
    cursors: BTreeMap<(DeviceId, Remote), u64>,
    commits: BTreeMap<DeviceId, u32>,
    incarnations: BTreeMap<DeviceId, Incarnation>,
    counter: u32,
    images: BTreeMap<DeviceId, Image>,
    spaces: Spaces,
    talks: Talks,
    told_files: ToldFiles,
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
                healed_at: Time(0),
                names: HostNames {
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
            told_files: ToldFiles::default(),
            restores: 0,
        };
        for device in [PHONE, TABLET, LAPTOP] {
            case.starts(device, Boot::First, 0, vec![Change::Key(true), Change::Meta]);
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

    // Users.

    pub(crate) fn asks(&mut self, device: DeviceId, asked: Asked) -> OpId {
        let op = OpId(self.fresh());
        self.fact(device, Fact::Asked(op, asked.into()));
        op
    }

    pub(crate) fn answers(&mut self, device: DeviceId, op: OpId, answer: Answered) {
        self.fact(device, Fact::Answered(op, answer.into()));
    }

    /// A device is asked for a record and shows its copy.
    pub(crate) fn reads(&mut self, device: DeviceId, id: RecordId) -> Arc<Shown> {
        let shown = Arc::new(self.shown(device, id));
        self.shows(device, shown.clone(), false);
        shown
    }

    pub(crate) fn shows(&mut self, device: DeviceId, shown: Arc<Shown>, last: bool) {
        let op = self.asks(device, Asked::Read { id: shown.id, last });
        self.answers(device, op, Answered::Read(shown));
    }

    pub(crate) fn shown(&self, device: DeviceId, id: RecordId) -> Shown {
        let copy = self.copies.get(&(device, id)).cloned().unwrap_or_default();
        let contents = self.contents(&copy);
        let mut fields: BTreeMap<FieldId, Vec<Token>> = BTreeMap::new();
        for &(field, token) in &contents.cells {
            if field != FieldId::HEADSTONE {
                fields.entry(field).or_default().push(token);
            }
        }
        let presence = match (contents.live, contents.cells.is_empty()) {
            (true, _) => Presence::Live,
            (false, true) => Presence::Absent,
            (false, false) => Presence::Deleted,
        };
        let fields = fields
            .into_iter()
            .map(|(field, mut of)| {
                let beside = of.split_off(1);
                (field, Value::Int(1), of, beside)
            })
            .collect();
        Shown { id, presence, fields, sealed: false, partial: false }
    }

    /// A user reads and writes; the device saves it durably and says so.
    pub(crate) fn edits(&mut self, device: DeviceId, id: RecordId, fields: &[FieldId]) -> W {
        let shown = self.reads(device, id);
        self.writes(device, id, fields, crate::invariant::evidence::tokens(&shown).collect())
    }

    /// A write without any reading, which wrongly replaces all that the copy holds.
    pub(crate) fn overwrites(&mut self, device: DeviceId, id: RecordId, fields: &[FieldId]) -> W {
        let (op, write) = self.asks_to_write(device, id, fields, Vec::new());
        let lie = self.holds(device, id, &[write]);
        self.persists(device, vec![lie]);
        self.answers(device, op, Answered::Saved);
        write
    }

    pub(crate) fn deletes(&mut self, device: DeviceId, id: RecordId) -> W {
        self.edits(device, id, &[])
    }

    fn writes(
        &mut self,
        device: DeviceId,
        id: RecordId,
        fields: &[FieldId],
        seen: Vec<(FieldId, Token)>,
    ) -> W {
        let (op, write) = self.asks_to_write(device, id, fields, seen);
        self.makes(device, id, write);
        self.answers(device, op, Answered::Saved);
        write
    }

    pub(crate) fn asks_to_write(
        &mut self,
        device: DeviceId,
        id: RecordId,
        fields: &[FieldId],
        seen: Vec<(FieldId, Token)>,
    ) -> (OpId, W) {
        let op = self.fresh() + 1;
        let token = self.label(device, op);
        let kind = if fields.is_empty() { WriteKind::Delete } else { WriteKind::Set };
        let set = fields.iter().map(|&field| (field, Value::Int(1))).collect();
        let saw_deleted = kind == WriteKind::Set
            && self.copies.get(&(device, id)).is_some_and(|copy| {
                let held = self.contents(copy);
                !held.live && !held.cells.is_empty() && !seen.is_empty()
            });
        let asked = Asked::Write { id, token, set, kind, exposed: seen.clone(), saw_deleted };
        let op = self.asks(device, asked);
        let delete = kind == WriteKind::Delete;
        let fields = if delete { vec![FieldId::HEADSTONE] } else { fields.to_vec() };
        self.told.push(Told { token, fields, seen, clears: saw_deleted });
        (op, self.told.len() - 1)
    }

    fn label(&self, device: DeviceId, op: u32) -> Token {
        let user = self.context.devices[usize::from(device.0)];
        let mut token = [b'#'; 16];
        token[8..10].copy_from_slice(&user.0.to_be_bytes());
        token[10..12].copy_from_slice(&device.0.to_be_bytes());
        token[12..].copy_from_slice(&op.to_be_bytes());
        Token(token)
    }

    // The end.

    /// Everything settles; every device shows every record and the remotes are opened.
    pub(crate) fn ends(mut self) -> Self {
        self.fact(Node::World, Fact::Healed);
        self.fact(Node::World, Fact::Settled { pending: Vec::new() });
        self.is_read_at_the_end();
        self
    }

    pub(crate) fn is_read_at_the_end(&mut self) {
        let gone: Vec<_> = self.context.incurable.clone();
        let keys: BTreeSet<_> = self.copies.keys().copied().collect();
        for (device, id) in keys {
            if !gone.contains(&crate::invariant::Incurable::Device(device)) {
                let shown = Arc::new(self.shown(device, id));
                self.shows(device, shown, true);
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

    // Judgement.

    pub(crate) fn violations(&self) -> Vec<Violation> {
        judge(&self.context, &self.history)
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

impl From<DeviceId> for Node {
    fn from(device: DeviceId) -> Self {
        Self::Device(device)
    }
}

impl From<Remote> for Node {
    fn from(remote: Remote) -> Self {
        Self::Remote(remote)
    }
}
