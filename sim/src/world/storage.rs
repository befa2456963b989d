//! What a device keeps over a loss of power.

use engine::Bytes;
use engine::device::{Batch, Snapshot, StoreKey, signed_in};
use engine::id::{Dot, Kind, RecordId, Remote, ReplicaId, UserId};
use engine::remote::Cursor;
use engine::seal::KeyName;
use harness::disk::{Disk, Wreck};
use harness::random::Draw;
use harness::time::Span;

use crate::history::recorder::Recorder as Facts;
use crate::history::{Boot, Fact};
use crate::plan;
use crate::store::Store;

/// The record whose id is before all others.
const FIRST: RecordId = RecordId { kind: Kind::ALL[0], key: 0 };

/// What a device keeps over a loss of power, and how it starts next.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    disk: Disk<Store>,
    timing: plan::Disk,
    /// Who is signed in, as the disk says. That is asked in every turn, and changes rarely.
    user: Option<UserId>,
    /// How it starts next.
    boot: Boot,
    /// The last commit that survived the last crash.
    kept: u32,
    /// Names this install; another disk makes another one.
    install: u64,
    installs: u64,
    /// The last backup, or another device's disk.
    image: Option<Snapshot>,
}

impl Storage {
    /// A disk before its device's first start.
    pub(super) fn new(image: Snapshot, timing: plan::Disk, install: u64) -> Self {
        let (boot, disk) = (Boot::First, Disk::new(image));
        let user = signed_in(disk.image());
        Self { disk, timing, user, boot, kept: 0, install, installs: 0, image: None }
    }

    /// Names this install.
    pub(super) fn install(&self) -> u64 {
        self.install
    }

    /// Everything that is stored, as the device sees it now.
    pub(super) fn contents(&self) -> &Snapshot {
        self.disk.image()
    }

    /// Who is signed in.
    pub(super) fn signed_in(&self) -> Option<UserId> {
        self.user
    }

    /// How far a remote's feed was read.
    pub(super) fn cursor(&self, remote: Remote) -> Option<Cursor> {
        postcard::from_bytes(&self.disk.image().get(&StoreKey::Cursor(remote))?.bytes).ok()
    }

    /// The local state of a record.
    pub(super) fn record(&self, id: RecordId) -> Option<&Bytes> {
        self.disk.image().get(&StoreKey::Record(id)).map(|stored| &stored.bytes)
    }

    /// The records that have a local state, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = RecordId> {
        let places = StoreKey::Record(FIRST)..StoreKey::Mirror(Remote::Zone, FIRST);
        let keys = self.disk.image().range(places).map(|(key, _)| key);
        keys.filter_map(|key| if let StoreKey::Record(id) = key { Some(*id) } else { None })
    }

    /// The records of which a remote's row is kept sealed, in order.
    pub(super) fn sealed(&self, remote: Remote) -> impl Iterator<Item = RecordId> {
        let of_remote = move |key: &StoreKey| {
            if let StoreKey::Sealed(of, id) = key { (*of == remote).then_some(*id) } else { None }
        };
        let keys = self.disk.image().range(StoreKey::Sealed(remote, FIRST)..);
        keys.map_while(move |(key, _)| of_remote(key))
    }

    /// The own writes of files that the feed has not shown yet.
    pub(super) fn uploads(&self) -> impl Iterator<Item = Dot> {
        let first = StoreKey::Upload(Dot { replica: ReplicaId(0), n: 0 });
        let keys = self.disk.image().range(first..StoreKey::Feed).map(|(key, _)| key);
        keys.filter_map(|key| if let StoreKey::Upload(dot) = key { Some(*dot) } else { None })
    }

    /// Is this key there?
    pub(super) fn has_key(&self, name: KeyName) -> bool {
        self.disk.image().contains_key(&StoreKey::Key(name))
    }

    /// Is any key there?
    pub(super) fn has_any_key(&self) -> bool {
        let first = StoreKey::Key(KeyName { generation: 0, draw: 0 });
        self.disk.image().range(first..StoreKey::Record(FIRST)).next().is_some()
    }

    /// Is a synced commit under way?
    pub(super) fn is_busy(&self) -> bool {
        self.disk.is_busy()
    }

    /// Was a backup made?
    pub(super) fn has_image(&self) -> bool {
        self.image.is_some()
    }

    /// Makes a backup of what is durable.
    pub(super) fn save_image(&mut self) {
        self.image = Some(self.disk.backup());
    }

    /// A copy of what is durable.
    pub(super) fn backup(&self) -> Snapshot {
        self.disk.backup()
    }

    /// The fact of a start, from this disk.
    pub(super) fn start(&mut self, facts: &mut Facts) -> Fact {
        let boot = std::mem::replace(&mut self.boot, Boot::Restart);
        let (hash, commit) = (self.disk.hash(), std::mem::take(&mut self.kept));
        let holds = match boot {
            Boot::Restart => Vec::new(),
            Boot::First | Boot::Restored | Boot::Cloned(_) => {
                let entries = self.disk.image().iter();
                entries.map(|(key, stored)| facts.change(key, Some(stored))).collect()
            }
        };
        Fact::Started { boot, hash, commit, holds }
    }

    /// Power is lost: of the commits that are not durable, a drawn number of the oldest survive.
    pub(super) fn crash(&mut self, draw: Draw) -> Wreck {
        let wreck = self.disk.crash(draw);
        (self.kept, self.user) = (wreck.keeps, signed_in(self.disk.image()));
        wreck
    }

    /// The disk is another one: a copy of the image.
    pub(super) fn reinstall(&mut self, root: Draw, boot: Boot) {
        self.installs += 1;
        self.disk = Disk::new(self.image.clone().expect("it was looked for before"));
        (self.kept, self.boot) = (0, boot);
        self.user = signed_in(self.disk.image());
        self.install = root.and(self.installs).value();
    }

    /// The next start is from a copy of another device's disk.
    pub(super) fn set_image(&mut self, image: Snapshot) {
        self.image = Some(image);
    }

    /// The fact that the disk is full: the commit that comes next failed.
    pub(super) fn refuse(&self) -> Fact {
        Fact::PersistFailed(self.disk.next_commit())
    }

    /// Takes a commit. Returns its number and the fact.
    pub(super) fn commit(&mut self, batch: &Batch, facts: &mut Facts) -> (u32, Fact) {
        let changes = batch.puts.iter().map(|(key, put)| facts.change(key, put.as_ref()));
        let changes = changes.collect();
        let (commit, sync) = (self.disk.commit(&batch.puts, batch.sync), batch.sync);
        if batch.puts.iter().any(|(key, _)| *key == StoreKey::Meta) {
            self.user = signed_in(self.disk.image());
        }
        (commit, Fact::Persisted { commit, sync, hash: self.disk.hash(), changes })
    }

    /// How long a commit takes to become durable.
    pub(super) fn commit_takes(&self, draw: Draw, times: u16) -> Span {
        Span(draw.span(self.timing.commit).0.saturating_mul(u64::from(times)).max(1))
    }

    /// How long after that the device learns of it.
    pub(super) fn answer_takes(&self, draw: Draw) -> Span {
        Span(draw.span(self.timing.answer).0.max(1))
    }

    /// This commit and all earlier ones are durable.
    pub(super) fn make_durable(&mut self, commit: u32) {
        self.disk.make_durable(commit);
    }

    /// The device has been told that this commit is durable.
    pub(super) fn answer(&mut self, commit: u32) {
        self.disk.answer(commit);
    }
}
