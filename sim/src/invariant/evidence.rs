//! What the judges share, gathered from the facts in one pass: the writes, what every device held
//! and holds durably, what every remote stored, and which faults were about.
//!
//! *Provenance* is the set of cells that a copy has been made from: own operations and the rows
//! joined, where a row stands for what its sender's copy was made from when its blob was first
//! sent. It is never reckoned from version vectors, so a bug that inflates those cannot excuse
//! itself. It only grows, but for what the world does to a disk.
//!
//! Moments are indices into the history. What is durable is known by commit, since every prefix of
//! the commits is a state that a crash could leave.

pub(crate) mod account;
pub(crate) mod account_order;
pub(crate) mod answers;
mod builder;
pub(crate) mod causes;
pub(crate) mod cell_set;
pub(crate) mod clocks;
mod disk;
pub(crate) mod epochs;
pub(crate) mod fault_paths;
pub(crate) mod file_answers;
pub(crate) mod file_names;
pub(crate) mod file_refusals;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod lineage;
mod memory;
pub(crate) mod naming;
mod over;
mod remote;
mod served;
pub(crate) mod server;
pub(crate) mod server_request;
pub(crate) mod sign_ins;
mod timeline;
pub(crate) mod work;
pub(crate) mod writes;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{DeviceId, FieldId, OpId, RecordId, Remote, Token, UserId, VaultId};
use engine::remote::{Cursor, Tag};
use harness::time::Time;

pub(crate) use self::disk::{Copy, CopyChange, Disk, MirrorEntry};
pub(crate) use self::remote::{FoundRow, RemoteRow, RemoteRows, RowState};
pub(crate) use self::timeline::Timeline;

use self::account_order::{AccountFault, account_faults};
use self::builder::EvidenceBuilder;
use self::epochs::{Epoch, Epochs};
use self::files::{ObservedFileOperation, Published};
use self::keys::DeviceKeys;
use self::lineage::Lineage;
use self::server::Server;
use self::sign_ins::SignIns;
use self::work::ConversationWork;
use self::writes::{Write, Writes};
use crate::history::table::Table;
use crate::history::{Boot, Entry, Fact, Fault, Shown};
use crate::invariant::{Incurable, JudgeContext};

/// A durable cursor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CursorAdvance {
    pub(crate) at: usize,
    pub(crate) device: DeviceId,
    pub(crate) remote: Remote,
    pub(crate) cursor: Option<Cursor>,
}

/// One request of a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObservedOperation {
    pub(crate) device: DeviceId,
    pub(crate) asked: usize,
    pub(crate) answered: Option<usize>,
}

/// Every request of every user to a device, in order.
#[derive(Debug, Default)]
pub(crate) struct UserOperations {
    all: Vec<ObservedOperation>,
    by_name: Table<(DeviceId, OpId), usize>,
}

impl UserOperations {
    fn ask(&mut self, device: DeviceId, op: OpId, asked: usize) {
        self.by_name.insert((device, op), self.all.len());
        self.all.push(ObservedOperation { device, asked, answered: None });
    }

    /// Notes an answer, of which the first one counts.
    fn answer(&mut self, device: DeviceId, op: OpId, at: usize) -> Option<&ObservedOperation> {
        let op = &mut self.all[*self.by_name.get((device, op))?];
        op.answered.get_or_insert(at);
        Some(op)
    }

    /// The request that an answer names.
    pub(crate) fn named(&self, device: DeviceId, op: OpId) -> Option<&ObservedOperation> {
        self.by_name.get((device, op)).map(|number| &self.all[*number])
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, ObservedOperation> {
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
    pub(crate) kind: Fault,
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
    on_demand: OnDemand,
}

/// What few histories need: it is read when it is first asked for.
#[derive(Debug, Default)]
struct OnDemand {
    account_faults: OnceCell<Vec<AccountFault>>,
    /// The number of each write, by token: only messages need it.
    write_numbers: OnceCell<Table<Token, usize>>,
    lineage: OnceCell<Lineage>,
    /// By device.
    keys: Vec<OnceCell<DeviceKeys>>,
}

impl<'a> Evidence<'a> {
    /// What each write of a file was built on.
    pub(crate) fn lineage(&self) -> &Lineage {
        self.on_demand.lineage.get_or_init(|| Lineage::of(self))
    }

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

    /// When a write of a file went with a volume that was set back: it is not in what came after, and none
    /// of `owing`, the disks of those who would have to publish it again, has had it since.
    pub(crate) fn went_with_the_volume(
        &self,
        by: usize,
        owing: &[Disk],
        token: Token,
    ) -> Option<usize> {
        // A device that is set back later on may publish it once more, in the same life.
        let had = |epoch: &Epoch<'_>| epoch.archive.published(token).any(|it| it.at <= by);
        let lost = self.epochs.lost(by, had)?;
        (!owing.iter().any(|disk| disk.has_upload_since(token, (lost, by)))).then_some(lost)
    }

    /// Was a remote set back to a backup between these two facts?
    pub(crate) fn is_set_back(&self, remote: Remote, from: usize, to: usize) -> bool {
        self.faults.iter().any(|fault| {
            matches!(fault.kind, Fault::RestoreRemote(it) if it.remote == remote)
                && (from..=to).contains(&fault.from)
        })
    }

    /// Did a device run the previous build at some moment between these two facts?
    pub(crate) fn ran_previous_build(&self, device: DeviceId, from: usize, to: usize) -> bool {
        self.faults.iter().any(|fault| {
            matches!(fault.kind, Fault::OldBuild(it) if it.device == device)
                && fault.overlaps(from, to)
        })
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
        self.on_demand.account_faults.get_or_init(|| account_faults(self))
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
    ) -> impl Iterator<Item = (&ObservedFileOperation<'a>, Published<'a>, Published<'a>)> {
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

/// Does a device hold a row?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Joined or sealed.
    Yes,
    /// It knows of no such state.
    NotMirrored,
    /// It has recorded the row, but its copy lacks this cell.
    NotJoined(u32),
}
