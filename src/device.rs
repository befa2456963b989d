//! The device: one user's replica, as a state machine.
//!
//! Contract: give it one [`Input`], then drain [`Device::poll_output`] to `None` before the next.
//! `now.mono` never goes backwards. Wake it no earlier than [`Device::poll_wakeup`]. Handling an
//! input cannot fail: hostile or stale messages are inputs like any other.
//!
//! **Outputs take effect in the order emitted, and nothing after an [`Output::Persist`] with
//! `sync` takes effect before that batch is durable.** While such a batch is under way the machine
//! gets no other input; then comes [`Input::Persisted`]. So a read shows only durable state and no
//! dot is ever used twice.

mod ask;
mod conversation;
mod edit;
mod errand;
mod file;
mod keys;
mod lane;
mod login;
mod pull;
mod push;
mod server;
mod store;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

pub use self::ask::{
    Answer, Ask, FieldReading, FileAnswer, FileTarget, Head, Listed, Presence, Reading, Reason,
    Relocation, Status, Unfinished,
};
pub use self::file::{OwnWrite, open_name};
use self::keys::Rotation;
use self::lane::Lane;
use self::login::Login;
use self::server::Server;
use self::store::{Meta, Mirror, Session, Store};
use crate::Bytes;
use crate::date::Calendar;
use crate::entropy::Entropy;
use crate::flaw::{Flaw, Flaws};
use crate::id::{DeviceId, Dot, NodeId, OpId, RecordId, Remote, ReplicaId, UserId};
#[cfg(doc)]
use crate::message::Shown;
use crate::message::{Request, Response};
use crate::point::Point;
use crate::record::Encoded;
use crate::remote::{Call, Credential, Cursor, Return, Tag};
use crate::seal::{Key, KeyName, Memo};
use crate::time::{Hlc, Now, Span, Time};
use crate::view::Registry;

/// What a device is told when it starts.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Which device this is.
    pub device: DeviceId,
    /// Whose account the device is set up with (the account of the *zone*).
    pub user: UserId,
    /// Drawn anew for every install and for every restored or cloned image.
    pub install: u64,
    /// Fresh in every incarnation.
    pub entropy: [u8; 32],
    /// Which remotes there are.
    pub remotes: Vec<Remote>,
    /// Is there a sync server?
    pub server: bool,
    /// The secret of the vault's blind names and keys: the same on all devices of a user, for ever.
    pub secret: Key,
    /// Days in the home zone of the vault.
    pub calendar: Calendar,
    /// How many bytes of a file are uploaded at once.
    pub piece: usize,
    /// How patient it is.
    pub timing: Timing,
    /// Known bugs that are switched on.
    pub flaws: Flaws,
    /// A memory of opened blobs, lent by a simulation.
    pub memo: Option<Memo>,
}

/// Spans and sizes of a device's conversation with the remotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// A remote is pulled this long after the last pull, less up to a quarter.
    pub pull_every: Span,
    /// A remote is listed from the start this long after the last listing, less up to a quarter.
    pub relist_every: Span,
    /// The sync server is asked for what has changed in files this long after the last time, less up
    /// to a quarter. What is published here is asked for at once.
    pub feed_every: Span,
    /// A login opens its gate after this long even if one remote is silent.
    pub login_patience: Span,
    /// A request without an answer is given up after this long.
    pub timeout: Span,
    /// The wait after the first failure is between half of this and all of it, doubled with each.
    pub retry_base: Span,
    /// No wait is longer than this, unless a remote asks for it.
    pub retry_cap: Span,
    /// Rows asked for in one page.
    pub page: u16,
    /// Rows saved in one batch.
    pub batch: u16,
}

/// What a device durably holds, by key. The order of the keys is the order of their bytes' digest.
pub type Snapshot = BTreeMap<StoreKey, Stored>;

/// A place in a device's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StoreKey {
    /// Replica, counters, session.
    Meta,
    /// A key of the keyring.
    Key(KeyName),
    /// The local state of a record.
    Record(RecordId),
    /// What a remote was last seen to hold of a record, and under which tag.
    Mirror(Remote, RecordId),
    /// A remote's row that cannot be opened yet: its blob, and its tag.
    Sealed(Remote, RecordId),
    /// A row that a remote refuses for good: the state that it refused.
    Parked(Remote, RecordId),
    /// How far a remote's feed has been taken.
    Cursor(Remote),
    /// What the sync server was last seen to hold of a file or folder: a [`Shown`].
    Node(NodeId),
    /// An own write of a file that the feed has not shown yet: an [`OwnWrite`].
    Upload(Dot),
    /// How far the sync server's feed has been taken.
    Feed,
}

/// What is stored at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The tag of a [`StoreKey::Mirror`] or [`StoreKey::Sealed`]; 0 elsewhere.
    pub tag: u64,
    /// Records as [`Encoded`](crate::record::Encoded) has them, sealed blobs as received, the rest
    /// in postcard. A mirror whose content is unknown (a damaged row) is empty.
    pub bytes: Bytes,
}

/// One atomic commit of a device's store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What is put or removed, each key at most once.
    pub puts: Vec<(StoreKey, Option<Stored>)>,
    /// Must it be durable before anything else happens? Commits are ordered: a later synced one
    /// makes earlier ones durable too.
    pub sync: bool,
}

/// What happens to a device.
#[derive(Clone, Debug)]
pub enum Input {
    /// The user asks for something. Answered by exactly one [`Output::Answer`], unless the device
    /// dies first.
    User {
        /// Names the request.
        op: OpId,
        /// What is asked.
        ask: Ask,
    },
    /// A remote answers.
    Returned {
        /// Which remote.
        from: Remote,
        /// Its answer.
        answer: Return,
    },
    /// The sync server answers.
    Responded(Response),
    /// A remote has something new, perhaps.
    Hint(Remote),
    /// A key of the user's keychain arrives.
    KeyArrived(KeyName, Key),
    /// The keychain has durably accepted the key of [`Output::StoreKey`].
    KeyStored(KeyName),
    /// The sign-in service issued a credential, possibly an old or foreign one.
    Credential(Credential),
    /// The synced batch is durable.
    Persisted,
    /// The time of [`Device::poll_wakeup`] has come.
    Wakeup,
}

/// What a device does.
#[derive(Clone, Debug)]
pub enum Output {
    /// Commits a batch.
    Persist(Batch),
    /// Asks a remote.
    Send(Remote, Call),
    /// Asks the sync server, whichever worker.
    Request(Box<Request>),
    /// Answers the user.
    Answer(OpId, Answer),
    /// Hands a new key to the user's keychain, which shares it with the user's other devices.
    StoreKey(KeyName, Key),
    /// Asks the sign-in service for a credential.
    NeedCredential,
    /// Came by a coverage point.
    Reached(Point),
}

/// One user's replica.
#[derive(Debug)]
pub struct Device {
    boot: Boot,
    store: Store,
    registry: Registry,
    entropy: Entropy,
    lanes: Vec<Lane>,
    server: Server,
    next_call: u32,
    credential: Option<Credential>,
    /// When to ask the sign-in service again, while it has been asked.
    credential_asked: Option<Time>,
    login: Option<Login>,
    rotation: Option<Rotation>,
    /// How often a sealed row was tried in vain (the flaw DEEP-SYNC-002c).
    sealed_tries: BTreeMap<(Remote, RecordId), u32>,
    /// What was sealed for one remote and not for the other yet.
    sealings: BTreeMap<RecordId, push::Sealing>,
    /// A row refused for good that is tried before all others (the flaw FB-12).
    blocker: Option<RecordId>,
    /// What the user asked for while the login gate was closed.
    waiting: VecDeque<(OpId, Ask)>,
    outputs: VecDeque<Output>,
    /// Has this transition put out a synced commit, which holds back all that follows?
    holds_back: bool,
    /// Outputs of this transition that follow its commit.
    following: Vec<Output>,
}

impl Device {
    /// Starts a device, or starts it again after a crash, from what its disk holds.
    pub fn recover(boot: Boot, snapshot: Snapshot, now: Now) -> Self {
        let mut entropy = Entropy::new(boot.entropy);
        let fresh = Meta {
            install: boot.install,
            replica: ReplicaId(entropy.next_u64()),
            next_n: 1,
            hlc: Hlc::default(),
            session: None,
            device: boot.install,
            life: 0,
        };
        let store = Store::load(&snapshot, fresh, boot.memo.clone());
        let mut device = Self {
            registry: Registry::new(boot.flaws),
            lanes: boot.remotes.iter().map(|remote| Lane::new(*remote)).collect(),
            server: Server::resume(store.newest_publication()),
            store,
            entropy,
            next_call: 0,
            credential: None,
            credential_asked: None,
            login: None,
            rotation: None,
            sealed_tries: BTreeMap::new(),
            sealings: BTreeMap::new(),
            blocker: None,
            waiting: VecDeque::new(),
            outputs: VecDeque::new(),
            holds_back: false,
            following: Vec::new(),
            boot,
        };
        device.adopt_image();
        device.resume(now);
        device
    }

    /// Handles one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.holds_back = false;
        match input {
            Input::User { op, ask } => self.handle_ask(now, op, ask),
            Input::Returned { from, answer } => self.handle_return(now, from, answer),
            Input::Responded(response) => self.handle_response(now, response),
            Input::Hint(remote) => self.handle_hint(now, remote),
            Input::KeyArrived(name, key) => self.handle_key(now, name, key),
            Input::KeyStored(name) => self.handle_key_stored(now, name),
            Input::Credential(credential) => self.handle_credential(now, credential),
            Input::Persisted => self.start_deadlines(now),
            Input::Wakeup => self.handle_wakeup(now),
        }
        self.proceed(now);
        self.flush();
    }

    /// What the device does; drain to `None` before the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to wake it, and why.
    pub fn poll_wakeup(&self) -> Option<(Time, &'static str)> {
        let lanes = self.lanes.iter().filter_map(|lane| self.lane_wakeup(lane));
        let login = self.login.as_ref().map(|login| (login.patience_ends, "login patience"));
        let credential = self.credential_asked.map(|at| (at, "credential"));
        let server = self.store.session().and_then(|_| self.server_wakeup());
        lanes.chain(login).chain(credential).chain(server).min()
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        let mut status = Status::default();
        if let Some(session) = self.store.session() {
            status.open = session.open;
            status.partial = session.open && self.lanes.iter().any(|l| !session.merged[l.at()]);
        }
        for lane in &self.lanes {
            let side = self.store.side(lane.remote);
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            status.unsent[lane.at()] = count(self.store.unsent(lane.remote).len());
            status.sealed[lane.at()] = count(side.sealed.len());
            status.parked[lane.at()] = count(side.parked.len());
        }
        status
    }

    /// The records with which this device and a remote are not done, and why.
    pub fn unfinished(&self, remote: Remote) -> impl Iterator<Item = (RecordId, Unfinished)> {
        let side = self.store.side(remote);
        let unsent = self.store.unsent(remote).iter().map(|id| (*id, Unfinished::Unsent));
        let sealed = side.sealed.keys().map(|id| (*id, Unfinished::Sealed));
        let parked = side.parked.keys().map(|id| (*id, Unfinished::Parked));
        unsent.chain(sealed).chain(parked)
    }

    /// How far a remote's feed has been taken.
    pub fn cursor(&self, remote: Remote) -> Option<Cursor> {
        self.store.side(remote).cursor
    }

    /// When the last listing of a remote that has ended began.
    pub fn listed_at(&self, remote: Remote) -> Option<Time> {
        self.lanes.iter().find(|lane| lane.remote == remote)?.listed_at
    }

    /// How many own writes of files the sync server does not have.
    pub fn files_unsent(&self) -> usize {
        self.store.uploads().values().filter(|write| write.published.is_none()).count()
    }

    /// How many files and folders have a name or a version whose key is not here.
    pub fn files_sealed(&self) -> usize {
        let ring = self.store.keyring();
        let sealed = |blob: &Bytes| !KeyName::of_blob(blob).is_some_and(|key| ring.has(key));
        let is_sealed = |shown: &&crate::message::Shown| {
            sealed(&shown.node.place.name.sealed)
                || shown.heads.iter().any(|(_, version)| sealed(&version.sealed))
        };
        self.store.nodes().values().filter(is_sealed).count()
    }

    /// When the last pull of the sync server's feed that reached the head was asked for.
    pub fn fed_at(&self) -> Option<Time> {
        self.server.fed_at()
    }

    /// Is nothing going on between it and the sync server, but for looking what is new?
    pub fn is_done_with_server(&self) -> bool {
        self.server.is_idle() && self.is_done_with_files()
    }

    /// Is somebody signed in?
    pub fn signed_in(&self) -> bool {
        self.store.session().is_some()
    }

    /// A restored or cloned image must not go on counting under its original's name: the two would
    /// give one dot to two writes.
    fn adopt_image(&mut self) {
        if self.store.meta().install == self.boot.install || self.boot.flaws.has(Flaw::Fb24) {
            return;
        }
        let (install, replica) = (self.boot.install, ReplicaId(self.entropy.next_u64()));
        self.store.change_meta(|meta| {
            meta.install = install;
            meta.replica = replica;
            meta.next_n = 1;
        });
        self.reach(Point::ImageReplaced);
        self.flush();
    }

    /// Ends a transition, or a part of one that must be durable by itself: what is staged becomes one
    /// commit, and all else follows it.
    fn flush(&mut self) {
        if let Some(batch) = self.store.take_batch() {
            self.persist(batch);
        }
        let held = self.holds_back;
        self.lanes.iter_mut().for_each(|lane| lane.settle_deadline(held));
        self.server.settle_deadline(held);
        self.outputs.extend(self.following.drain(..));
    }

    fn persist(&mut self, batch: Batch) {
        self.holds_back |= batch.sync;
        self.outputs.push_back(Output::Persist(batch));
    }

    fn answer(&mut self, op: OpId, answer: Answer) {
        self.following.push(Output::Answer(op, answer));
    }

    fn reach(&mut self, point: Point) {
        self.following.push(Output::Reached(point));
    }

    /// The lane of a remote, if the device has that remote.
    fn lane(&mut self, remote: Remote) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.remote == remote)
    }
}

/// The disk of a device on which `user` is signed in and which holds these records, each as every
/// remote holds it under the tag given.
pub fn prepared(
    user: UserId,
    install: u64,
    keys: &BTreeMap<KeyName, Key>,
    rows: &[(RecordId, Encoded, [Option<Tag>; 2])],
    cursors: [Option<Cursor>; 2],
) -> Snapshot {
    let session = Session { user, open: true, merged: [true; 2] };
    let meta = Meta {
        install,
        replica: ReplicaId(install),
        next_n: 1,
        hlc: Hlc::default(),
        session: None,
        device: install,
        life: 0,
    };
    let mut store = Store::load(&Snapshot::new(), meta, None);
    store.change_meta(|meta| meta.session = Some(session));
    for (name, key) in keys {
        store.add_key(*name, key.clone());
    }
    for (id, record, tags) in rows {
        store.set_record(*id, record.clone());
        for (remote, tag) in Remote::ALL.into_iter().zip(tags) {
            if let Some(tag) = *tag {
                store.set_mirror(remote, *id, Mirror { tag, state: Some(record.clone()) });
            }
        }
    }
    for (remote, cursor) in Remote::ALL.into_iter().zip(cursors) {
        store.set_cursor(remote, cursor);
    }
    let batch = store.take_batch().expect("the session is new");
    batch.puts.into_iter().filter_map(|(key, stored)| Some((key, stored?))).collect()
}
