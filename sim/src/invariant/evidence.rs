//! What the judges share, gathered from the facts in one pass: the writes, what every device held
//! and holds durably, what every remote stored, and which faults were about.
//!
//! *Provenance* is the set of cells that a copy has been made from: own operations and the rows
//! joined, where a row stands for what its sender's copy was made from when its blob was first
//! sent. It is never reckoned from version vectors, so a bug that inflates those cannot excuse
//! itself. It only grows, but for what the world does to a disk.
//!
//! Moments are indices into the history. What is durable is told by commit, since every prefix of
//! the commits is a state that a crash could leave.

pub(crate) mod account;
pub(crate) mod account_order;
pub(crate) mod answers;
mod builder;
pub(crate) mod cell_set;
pub(crate) mod clocks;
pub(crate) mod epochs;
pub(crate) mod fault_paths;
pub(crate) mod file_answers;
pub(crate) mod file_names;
pub(crate) mod file_refusals;
pub(crate) mod files;
pub(crate) mod keys;
mod memory;
pub(crate) mod naming;
pub(crate) mod server;
pub(crate) mod sign_ins;
pub(crate) mod work;
pub(crate) mod writes;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{DeviceId, Dot, FieldId, NodeId, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::message::FeedCursor;
use engine::remote::{Cursor, Tag};
use engine::time::Time;

use self::account_order::{AccountFault, account_faults};
use self::builder::EvidenceBuilder;
use self::cell_set::Set;
use self::epochs::{Epoch, Epochs};
use self::files::{FileOperation, Published};
use self::server::Server;
use self::sign_ins::SignIns;
use self::work::ConversationWork;
use self::writes::{Write, Writes};
use crate::history::table::Table;
use crate::history::{Boot, Contents, Entry, Fact, NodeSeen, Shown, Trouble};
use crate::invariant::{Incurable, JudgeContext};

/// What was so from a moment on, and what from the next.
#[derive(Clone, Debug)]
pub(crate) struct Timeline<T>(Vec<(usize, T)>);

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Timeline<T> {
    /// What held right after a moment.
    pub(crate) fn at(&self, moment: usize) -> Option<&T> {
        let after = self.0.partition_point(|(from, _)| *from <= moment);
        after.checked_sub(1).map(|at| &self.0[at].1)
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.0.last().map(|(_, value)| value)
    }

    /// Everything that it has been, each with the moment from which it was so.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().map(|(from, value)| (*from, value))
    }

    pub(crate) fn push(&mut self, moment: usize, value: T) {
        self.0.push((moment, value));
    }
}

impl<T> Timeline<Option<T>> {
    /// The moments at which something took the place of what had become so and so by then.
    pub(crate) fn turns(
        &self,
        had_become: impl Fn(usize, &T) -> bool,
    ) -> impl Iterator<Item = usize> {
        self.0.windows(2).filter_map(move |pair| match (&pair[0].1, pair[1].0) {
            (Some(before), at) if had_become(at, before) => Some(at),
            (Some(_) | None, _) => None,
        })
    }
}

/// A device's copy of a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copy {
    pub(crate) contents: Option<Arc<Contents>>,
    /// The cells that it was made from.
    pub(crate) made_from: Arc<Set>,
    /// Is `made_from` known for certain?
    pub(crate) certain: bool,
}

/// What a device has booked about a row of a remote.
pub(crate) type MirrorEntry = Option<(Tag, Option<Arc<Contents>>)>;

/// What a device holds durably, over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) records: Table<RecordId, Timeline<Copy>>,
    pub(crate) mirrors: Table<(Remote, RecordId), Timeline<MirrorEntry>>,
    pub(crate) sealed: Table<(Remote, RecordId), Timeline<Option<Tag>>>,
    /// What it has of the server's files.
    pub(crate) nodes: BTreeMap<NodeId, Timeline<Option<Arc<NodeSeen>>>>,
    /// Its own writes of files that the feed has not shown yet.
    pub(crate) uploads: BTreeMap<Dot, Timeline<Option<(Token, NodeId)>>>,
    /// When an own write of a file was first durable.
    pub(crate) filed: Table<Token, usize>,
    /// How far it has read the feed of files.
    pub(crate) feed: Timeline<Option<FeedCursor>>,
    /// When its store was replaced as a whole: installed, restored, cloned or wiped.
    pub(crate) replaced: Vec<usize>,
}

impl Disk {
    /// When its store was last replaced before a moment.
    pub(crate) fn replaced_before(&self, moment: usize) -> usize {
        let mut earlier = self.replaced.iter().rev().filter(|at| **at < moment);
        earlier.next().copied().unwrap_or(0)
    }

    /// Was its own copy of a record made from this write, at a moment?
    fn has(&self, id: RecordId, write: &Write, moment: usize) -> bool {
        let copy = self.records.get(id).and_then(|line| line.at(moment));
        copy.is_some_and(|copy| write.cells.iter().all(|(_, cell)| copy.made_from.has(*cell)))
    }

    /// Did it hold this own write of a file at a moment, and was that not in the feed yet?
    pub(crate) fn has_upload(&self, token: Token, moment: usize) -> bool {
        let mut lines = self.uploads.values();
        lines.any(|line| line.at(moment).copied().flatten().is_some_and(|own| own.0 == token))
    }
}

/// One change of a device's copy of a record, as handed to its disk.
#[derive(Clone, Debug)]
pub(crate) struct CopyChange {
    pub(crate) at: usize,
    pub(crate) record_key: usize,
    pub(crate) before: Option<Arc<Contents>>,
    pub(crate) copy: Copy,
    /// Is it part of a sign-out?
    pub(crate) wipe: bool,
}

/// A durable cursor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CursorAdvance {
    pub(crate) at: usize,
    pub(crate) device: DeviceId,
    pub(crate) remote: Remote,
    pub(crate) cursor: Option<Cursor>,
}

/// A state of a row on a remote, until the next of that row.
#[derive(Clone, Debug)]
pub(crate) struct RowState {
    pub(crate) at: usize,
    pub(crate) pos: u64,
    /// None once the row is gone.
    pub(crate) tag: Option<Tag>,
    pub(crate) contents: Option<Arc<Contents>>,
    pub(crate) made_from: Arc<Set>,
    certain: bool,
}

/// All states of all rows of a remote.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteRows {
    pub(crate) rows: Table<(VaultId, RecordId), Vec<RowState>>,
    /// Every commit by position: whose row, and when.
    pub(crate) log: Vec<(u64, VaultId, RecordId)>,
}

impl RemoteRows {
    pub(crate) fn versions(&self, vault: VaultId, id: RecordId) -> &[RowState] {
        self.rows.get((vault, id)).map_or(&[], Vec::as_slice)
    }

    /// The row as it stood right after a moment.
    pub(crate) fn row(&self, vault: VaultId, id: RecordId, moment: usize) -> Option<&RowState> {
        let versions = self.versions(vault, id);
        let after = versions.partition_point(|version| version.at <= moment);
        after.checked_sub(1).map(|at| &versions[at]).filter(|version| version.tag.is_some())
    }

    /// Was the row there all the time between two moments, whatever its state?
    pub(crate) fn stood(&self, vault: VaultId, id: RecordId, from: usize, to: usize) -> bool {
        self.row(vault, id, from).is_some()
            && self
                .versions(vault, id)
                .iter()
                .all(|version| version.tag.is_some() || !(from..=to).contains(&version.at))
    }

    /// The latest state under a tag.
    pub(crate) fn tagged(&self, vault: VaultId, id: RecordId, tag: Tag) -> Option<&RowState> {
        self.versions(vault, id).iter().rev().find(|version| version.tag == Some(tag))
    }
}

/// One request of a user.
#[derive(Clone, Debug)]
pub(crate) struct UserOperation {
    pub(crate) device: DeviceId,
    pub(crate) asked: usize,
    pub(crate) answered: Option<usize>,
}

/// Every request of every user to a device, in order.
#[derive(Debug, Default)]
pub(crate) struct UserOperations {
    all: Vec<UserOperation>,
    by_name: Table<(DeviceId, OpId), usize>,
}

impl UserOperations {
    fn ask(&mut self, device: DeviceId, op: OpId, asked: usize) {
        self.by_name.insert((device, op), self.all.len());
        self.all.push(UserOperation { device, asked, answered: None });
    }

    /// Notes an answer, of which the first one counts.
    fn answer(&mut self, device: DeviceId, op: OpId, at: usize) -> Option<&UserOperation> {
        let op = &mut self.all[*self.by_name.get((device, op))?];
        op.answered.get_or_insert(at);
        Some(op)
    }

    /// The request that an answer names.
    pub(crate) fn named(&self, device: DeviceId, op: OpId) -> Option<&UserOperation> {
        self.by_name.get((device, op)).map(|number| &self.all[*number])
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, UserOperation> {
        self.all.iter()
    }
}

/// A record as a user was shown it.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    pub(crate) at: usize,
    pub(crate) device: DeviceId,
    pub(crate) record_key: usize,
    pub(crate) shown: Arc<Shown>,
    pub(crate) last: bool,
}

impl Observation {
    /// Every token shown, with its field.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (FieldId, Token)> + '_ {
        tokens(&self.shown)
    }
}

/// Every token of a reading, with its field.
pub(crate) fn tokens(shown: &Shown) -> impl Iterator<Item = (FieldId, Token)> + '_ {
    shown.fields.iter().flat_map(|(field, _, of, beside)| {
        of.iter().chain(beside).map(move |&token| (*field, token))
    })
}

/// A fault and how long it was about.
#[derive(Clone, Debug)]
pub(crate) struct FaultInterval {
    pub(crate) kind: Trouble,
    pub(crate) from: usize,
    pub(crate) to: Option<usize>,
}

impl FaultInterval {
    /// Was it about at some moment of this interval?
    pub(crate) fn overlaps(&self, from: usize, to: usize) -> bool {
        self.from <= to && self.to.is_none_or(|end| end >= from)
    }
}

/// All that the judges share.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) context: &'a JudgeContext,
    pub(crate) history: &'a [Entry],
    /// The facts that are not of messages, by their moments: a third of all.
    pub(crate) off_wire: Vec<(usize, &'a Entry)>,
    pub(crate) writes: Writes,
    pub(crate) copy_changes: Vec<CopyChange>,
    pub(crate) advances: Vec<CursorAdvance>,
    pub(crate) observations: Vec<Observation>,
    pub(crate) operations: UserOperations,
    pub(crate) disks: Vec<Disk>,
    pub(crate) remotes: [RemoteRows; 2],
    pub(crate) faults: Vec<FaultInterval>,
    pub(crate) server: Server<'a>,
    /// What the volume held.
    pub(crate) epochs: Epochs<'a>,
    pub(crate) work: ConversationWork<'a>,
    pub(crate) sign_ins: SignIns,
    found: [BTreeMap<(VaultId, RecordId), FoundRow<'a>>; 2],
    /// When everything had settled, or was given up.
    pub(crate) settled: Option<usize>,
    account_faults: OnceCell<Vec<AccountFault>>,
    /// The number of each write, by token: only messages need it.
    write_numbers: OnceCell<Table<Token, usize>>,
}

impl<'a> Evidence<'a> {
    /// Hears the whole history.
    pub(crate) fn gather(context: &'a JudgeContext, history: &'a [Entry]) -> Self {
        let mut builder = EvidenceBuilder::new(context, history);
        builder.note_given();
        for (at, entry) in history.iter().enumerate() {
            builder.take(at, entry);
        }
        builder.evidence.server = Server::gather(&builder.evidence);
        builder.evidence.epochs = Epochs::of(&builder.evidence);
        builder.evidence.work = ConversationWork::gather(&builder.evidence);
        builder.evidence
    }

    /// Did a write of a file go with a volume that was set back: is it not in what came after, nor did
    /// one of `owing`, the disks of those who would have to publish it again, still have it?
    pub(crate) fn went_with_the_volume(&self, by: usize, owing: &[Disk], token: Token) -> bool {
        // A device that is set back later on may publish it once more, in the same life.
        let had = |epoch: &Epoch<'_>| epoch.archive.published(token).any(|it| it.at <= by);
        let lost = self.epochs.lost(by, had);
        lost.is_some_and(|lost| !owing.iter().any(|disk| disk.has_upload(token, lost)))
    }

    /// Does a device answer for a saved write, whose store was last replaced at `since`? It does if
    /// it saved the write after that, or if the write is in what took the place of its store, by any
    /// device. What a replacement destroyed is not in either.
    pub(crate) fn answers_for(&self, device: DeviceId, write: &Write, since: usize) -> bool {
        let record_key = &self.writes.records[write.record_key];
        let own = write.device == Some(device) && write.saved.is_some_and(|saved| saved > since);
        own || self.vault(device) == record_key.vault
            && self.disk(device).has(record_key.id, write, since)
    }

    /// What is wrong about the order of the changes and readings of accounts.
    pub(crate) fn account_faults(&self) -> &[AccountFault] {
        self.account_faults.get_or_init(|| account_faults(self))
    }

    /// Did everything come to rest? If not, what is still open is a matter of INV-21.
    pub(crate) fn has_settled(&self) -> bool {
        self.settled.is_some_and(
            |at| matches!(&self.history[at].fact, Fact::Settled { pending } if pending.is_empty()),
        )
    }

    /// When the store of a device became another's, or an earlier one of its own.
    pub(crate) fn images(&self, device: DeviceId) -> impl Iterator<Item = usize> {
        self.disk(device).replaced.iter().copied().filter(|at| {
            matches!(self.history[*at].fact, Fact::Started { boot, .. } if boot != Boot::Restart)
        })
    }

    /// The writes of files that became more than one version in one log: each with the first version
    /// and one of the others.
    pub(crate) fn repeated_versions(
        &self,
    ) -> impl Iterator<Item = (&FileOperation<'a>, Published<'a>, Published<'a>)> {
        self.server.file_operations.iter().flat_map(|operation| {
            self.epochs.iter().flat_map(move |epoch| {
                let token = operation.ask.token();
                let mut all = token.into_iter().flat_map(|token| epoch.archive.published(token));
                let first = all.next();
                all.filter_map(move |other| Some((operation, *first?, *other)))
            })
        })
    }

    pub(crate) fn user(&self, device: DeviceId) -> UserId {
        self.context.devices[usize::from(device.0)]
    }

    pub(crate) fn vault(&self, device: DeviceId) -> VaultId {
        self.user(device).into()
    }

    pub(crate) fn time(&self, at: usize) -> Time {
        self.history[at].at
    }

    pub(crate) fn stored_on(&self, remote: Remote) -> &RemoteRows {
        &self.remotes[remote.index()]
    }

    pub(crate) fn disk(&self, device: DeviceId) -> &Disk {
        &self.disks[usize::from(device.0)]
    }

    /// Must this device agree with the others at the end?
    pub(crate) fn is_core(&self, device: DeviceId) -> bool {
        !self.context.incurable.iter().any(|incurable| {
            matches!(incurable, Incurable::Device(gone) | Incurable::Keyless(gone) if *gone == device)
        })
    }

    /// Is this row of any remote, or of this one, beyond cure?
    pub(crate) fn is_incurable(
        &self,
        remote: Option<Remote>,
        vault: VaultId,
        id: RecordId,
    ) -> bool {
        self.context.incurable.iter().any(|incurable| {
            matches!(incurable, Incurable::Row(at, whose, which)
                if *whose == vault && *which == id && remote.is_none_or(|remote| remote == *at))
        })
    }

    /// The final reads of devices that must agree.
    pub(crate) fn final_observations(&self) -> impl Iterator<Item = &Observation> {
        self.observations
            .iter()
            .filter(|observation| observation.last && self.is_core(observation.device))
    }

    /// What was found on a remote at the end, by vault and record.
    pub(crate) fn found(&self, remote: Remote) -> &BTreeMap<(VaultId, RecordId), FoundRow<'a>> {
        &self.found[remote.index()]
    }

    /// Does a device durably hold a row as it stood, or a later state of it: joined, or sealed?
    pub(crate) fn holds(&self, device: DeviceId, row: &RemoteRow<'_>, moment: usize) -> Held {
        let disk = self.disk(device);
        let key = (row.remote, row.id);
        let reaches = |tag: Tag| {
            let stored = self.stored_on(row.remote);
            stored.tagged(row.vault, row.id, tag).is_some_and(|seen| seen.at >= row.version.at)
        };
        let sealed = disk.sealed.get(key).and_then(|line| line.at(moment));
        if sealed.is_some_and(|entry| entry.is_some_and(reaches)) {
            return Held::Yes;
        }
        let mirror = disk.mirrors.get(key).and_then(|line| line.at(moment));
        match mirror {
            Some(Some((tag, contents))) if reaches(*tag) => {
                if contents.is_none() {
                    Held::Yes
                } else {
                    self.joined(device, row, moment)
                }
            }
            _ => Held::NotMirrored,
        }
    }

    /// Does a device's durable copy show a row's cells, or newer ones in their place?
    pub(crate) fn joined(&self, device: DeviceId, row: &RemoteRow<'_>, moment: usize) -> Held {
        let (Some(record_key), Some(contents)) =
            (self.writes.record_key(row.vault, row.id), &row.version.contents)
        else {
            return Held::Yes;
        };
        let copy = self.disk(device).records.get(row.id).and_then(|line| line.at(moment));
        let held = copy.and_then(|copy| copy.contents.as_ref());
        if held == Some(contents) {
            return Held::Yes;
        }
        let held = self.writes.held(record_key, held.map(|held| &**held));
        let missing = self.writes.cells(record_key, contents).find(|&cell| {
            // A purge's own headstone has no token to be found by.
            let purged = |copy: &Copy| self.writes.deleted_in(record_key, cell, &copy.made_from);
            !self.writes.lives_on(record_key, cell, &held) && !copy.is_some_and(purged)
        });
        missing.map_or(Held::Yes, Held::NotJoined)
    }
}

/// A row found on a remote at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundRow<'a> {
    pub(crate) at: usize,
    pub(crate) contents: Option<&'a Contents>,
    pub(crate) values: &'a [(FieldId, engine::record::Value)],
}

/// A row of a remote as it stood at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteRow<'a> {
    pub(crate) remote: Remote,
    pub(crate) vault: VaultId,
    pub(crate) id: RecordId,
    pub(crate) version: &'a RowState,
}

/// Does a device hold a row?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Joined or sealed.
    Yes,
    /// It knows of no such state.
    NotMirrored,
    /// It has booked the row, but its copy lacks this cell.
    NotJoined(u32),
}
