//! Hears the facts one by one and writes down what they are evidence of: what users asked and were
//! shown, what remotes stored, and what went wrong. What devices store is in `store`.

mod damage;
mod store;

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::id::{DeviceId, FieldId, OpId, RecordId, Remote, Token, VaultId};
use engine::remote::{CallId, Cursor, Ending, Tag};

use super::epochs::Epochs;
use super::server::Server;
use super::{
    Copy, Disk, Evidence, FaultInterval, FoundRow, MirrorEntry, Observation, OnDemand, RemoteRows,
    RowState, Timeline, UserOperations, tokens,
};
use crate::fault::Fault;
use crate::history::table::{Key, Table};
use crate::history::{
    Answered, Asked, BlobId, Change, Contents, Entry, Fact, Refused, Shown, WriteKind,
};
use crate::invariant::JudgeContext;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::sign_ins::SignIns;
use crate::invariant::evidence::writes::{Draft, Writes};
use crate::plan::Node;

/// A commit handed to a disk and not known to be durable.
#[derive(Clone, Debug, Default)]
struct Commit {
    number: u32,
    at: usize,
    records: Vec<(RecordId, Copy)>,
    mirrors: Vec<((Remote, RecordId), MirrorEntry)>,
    sealed: Vec<((Remote, RecordId), Option<Tag>)>,
    cursors: Vec<(Remote, Option<Cursor>)>,
    /// What it says of files.
    files: Vec<Change>,
    /// The device's own writes in it.
    wrote: Vec<usize>,
    wipe: bool,
}

/// What a device holds, durable or not.
#[derive(Clone, Debug, Default)]
struct DeviceState {
    records: Table<RecordId, Copy>,
    mirrors: Table<(Remote, RecordId), MirrorEntry>,
    pending: VecDeque<Commit>,
    /// The durable copies of the image that this device can be set back to.
    image: Table<RecordId, Copy>,
    /// How the zone ended, as this device learned.
    zone_ended: Option<Ending>,
    /// Its last request to the zone.
    asked_zone: Option<CallId>,
    signing_out: bool,
}

/// Gathers the evidence.
pub(crate) struct EvidenceBuilder<'a> {
    pub(crate) evidence: Evidence<'a>,
    states: Vec<DeviceState>,
    /// Has any write been destroyed?
    has_destroyed: bool,
    /// What the sender of a blob had made it from.
    sent: Table<BlobId, Copy>,
}

impl<'a> EvidenceBuilder<'a> {
    pub(crate) fn new(context: &'a JudgeContext, history: &'a [Entry]) -> Self {
        let mut off_wire = Vec::with_capacity(history.len());
        let all = history.iter().enumerate();
        off_wire.extend(all.filter(|(_, entry)| !entry.fact.is_of_message()));
        let sign_ins = SignIns::of(context.devices.len(), &off_wire);
        Self {
            evidence: Evidence {
                context,
                history,
                off_wire,
                writes: Writes::default(),
                copy_changes: Vec::new(),
                advances: Vec::new(),
                observations: Vec::new(),
                operations: UserOperations::default(),
                disks: vec![Disk::default(); context.devices.len()],
                remotes: [RemoteRows::default(), RemoteRows::default()],
                faults: Vec::new(),
                server: Server::default(),
                epochs: Epochs::default(),
                work: Default::default(),
                sign_ins,
                found: [BTreeMap::new(), BTreeMap::new()],
                settled: None,
                on_demand: OnDemand {
                    keys: vec![OnceCell::new(); context.devices.len()],
                    ..OnDemand::default()
                },
            },
            states: vec![DeviceState::default(); context.devices.len()],
            has_destroyed: false,
            sent: Table::default(),
        }
    }

    /// Given rows are on prepared devices before any remote is heard of.
    pub(crate) fn note_given(&mut self) {
        let given = self.evidence.off_wire.iter().filter_map(|(at, entry)| {
            let Fact::Committed { vault, id, by: Node::World, contents, .. } = &entry.fact else {
                return None;
            };
            Some((*at, *vault, *id, contents.as_deref()?))
        });
        for (at, vault, id, contents) in given.collect::<Vec<_>>() {
            self.note_given_row(at, vault, id, contents);
        }
    }

    fn note_given_row(&mut self, at: usize, vault: VaultId, id: RecordId, contents: &Contents) {
        for &(_, token) in &contents.cells {
            if token == Token::NONE || self.evidence.writes.find(token).is_some() {
                continue;
            }
            let fields: Vec<_> =
                contents.cells.iter().filter(|cell| cell.1 == token).map(|cell| cell.0).collect();
            let kind =
                if fields == [FieldId::HEADSTONE] { WriteKind::Delete } else { WriteKind::Set };
            let device = None;
            let (seen, clears) = (&[][..], false);
            let draft =
                Draft { token, asked: at, device, vault, id, kind, fields: &fields, seen, clears };
            self.evidence.writes.register(&draft);
        }
    }

    pub(crate) fn take(&mut self, at: usize, entry: &'a Entry) {
        match (&entry.fact, entry.node) {
            (fact, Node::Device(device)) => self.take_of_device(at, device, fact),
            (Fact::Committed { vault, id, tag, by: Node::Remote(_), .. }, Node::Remote(remote)) => {
                self.restored(at, remote, (*vault, *id), *tag);
            }
            (Fact::Committed { vault, id, pos, tag, blob, contents, .. }, Node::Remote(remote)) => {
                let version = self.version(at, *pos, *tag, *blob, *vault, *id, contents.as_ref());
                self.committed(remote, *vault, *id, version);
            }
            (Fact::Removed { vault, id, pos, by }, Node::Remote(remote)) => {
                let by_device = matches!(by, Node::Device(_));
                self.remove_row(at, remote, *vault, *id, Some(*pos), by_device);
            }
            (Fact::Found { vault, id, contents, values }, Node::Remote(remote)) => {
                let row = FoundRow { at, contents: contents.as_deref(), values };
                self.evidence.found[remote.index()].insert((*vault, *id), row);
            }
            // Facts of workers, processors and the volume are taken by others.
            (
                _,
                Node::World
                | Node::Remote(_)
                | Node::Worker(_)
                | Node::Processor(_)
                | Node::Volume
                | Node::Intruder,
            ) => {}
        }
        match &entry.fact {
            Fact::Faulted(trouble) => self.faulted(at, trouble),
            Fact::Ended(trouble) => {
                let faults = &mut self.evidence.faults;
                let open =
                    |fault: &&mut FaultInterval| fault.to.is_none() && fault.kind == *trouble;
                if let Some(fault) = faults.iter_mut().find(open) {
                    fault.to = Some(at);
                }
            }
            Fact::Settled { .. } => self.evidence.settled = Some(at),
            Fact::Asked(..)
            | Fact::Answered(..)
            | Fact::Struck(_)
            | Fact::Skipped(..)
            | Fact::Persisted { .. }
            | Fact::Durable(_)
            | Fact::PersistFailed(_)
            | Fact::Started { .. }
            | Fact::Killed { .. }
            | Fact::Sent { .. }
            | Fact::Delivered { .. }
            | Fact::Lost { .. }
            | Fact::Committed { .. }
            | Fact::Removed { .. }
            | Fact::Served(_)
            | Fact::Declined(..)
            | Fact::Logged { .. }
            | Fact::Filed { .. }
            | Fact::StepBegan(..)
            | Fact::StepEnded(..)
            | Fact::Named { .. }
            | Fact::Kept { .. }
            | Fact::FaultsEnded
            | Fact::Panicked(_)
            | Fact::ErrorLogged(_)
            | Fact::CutOff { .. }
            | Fact::Found { .. }
            | Fact::Looked { .. } => {}
        }
    }

    /// Takes what a device was asked, answered, stored, sent and received.
    fn take_of_device(&mut self, at: usize, device: DeviceId, fact: &'a Fact) {
        match fact {
            Fact::Asked(op, asked) => self.asked(at, device, *op, asked),
            Fact::Answered(op, answer) => self.answered(at, device, *op, answer),
            Fact::Persisted { commit, changes, .. } => self.persisted(at, device, *commit, changes),
            Fact::Durable(commit) => self.durable(at, device, *commit),
            Fact::PersistFailed(commit) => {
                self.state(device).pending.retain(|pending| pending.number < *commit);
            }
            Fact::Started { boot, commit, holds, .. } => {
                self.started(at, device, *boot, *commit, holds);
            }
            Fact::Killed { keeps, .. } => self.cut(at, device, *keeps),
            Fact::Sent { rows, to, message_id, .. } => {
                if *to == Node::Remote(Remote::Zone) {
                    self.state(device).asked_zone = Some(message_id.call);
                }
                self.sent(device, rows);
            }
            // An answer to a request that the device has given up is no answer.
            Fact::Delivered { refused, from: Node::Remote(Remote::Zone), message_id, .. }
                if self.state(device).asked_zone == Some(message_id.call) =>
            {
                self.state(device).zone_ended = match refused.as_deref() {
                    Some(Refused::ZoneNotFound(ending)) => Some(*ending),
                    Some(_) | None => None,
                };
            }
            Fact::Delivered { .. }
            | Fact::Skipped(..)
            | Fact::Lost { .. }
            | Fact::Committed { .. }
            | Fact::Removed { .. }
            | Fact::Served(_)
            | Fact::Declined(..)
            | Fact::Logged { .. }
            | Fact::Filed { .. }
            | Fact::StepBegan(..)
            | Fact::StepEnded(..)
            | Fact::Named { .. }
            | Fact::Kept { .. }
            | Fact::Faulted(_)
            | Fact::Struck(_)
            | Fact::Ended(_)
            | Fact::FaultsEnded
            | Fact::Settled { .. }
            | Fact::Panicked(_)
            | Fact::ErrorLogged(_)
            | Fact::CutOff { .. }
            | Fact::Found { .. }
            | Fact::Looked { .. } => {}
        }
    }

    fn state(&mut self, device: DeviceId) -> &mut DeviceState {
        &mut self.states[usize::from(device.0)]
    }

    fn asked(&mut self, at: usize, device: DeviceId, op: OpId, asked: &Asked) {
        self.evidence.operations.ask(device, op, at);
        match asked {
            Asked::Write { id, token, set, kind, exposed, saw_deleted } => {
                let draft =
                    Asking { id: *id, token: *token, kind: *kind, exposed, saw: *saw_deleted };
                self.wrote(at, device, &draft, set.iter().map(|(field, _)| *field).collect());
            }
            Asked::SignOut => self.state(device).signing_out = true,
            Asked::Read { .. }
            | Asked::List
            | Asked::SignIn
            | Asked::RotateKey
            | Asked::Work { .. }
            | Asked::Register(..)
            | Asked::Errand { .. }
            | Asked::File { .. }
            | Asked::Sync
            | Asked::Status => {}
        }
    }

    fn wrote(&mut self, at: usize, device: DeviceId, ask: &Asking<'_>, mut fields: Vec<FieldId>) {
        let vault = self.evidence.vault(device);
        let record_key = self.evidence.writes.ensure_key(vault, ask.id);
        let writes = &self.evidence.writes;
        let mut seen: Vec<u32> = ask
            .exposed
            .iter()
            .filter_map(|&(field, token)| writes.cell(record_key, field, token))
            .collect();
        let clears = ask.saw || ask.kind == WriteKind::Delete;
        seen.sort_unstable();
        seen.dedup();
        if ask.kind == WriteKind::Delete {
            fields = vec![FieldId::HEADSTONE];
        }
        let (token, id, kind, device) = (ask.token, ask.id, ask.kind, Some(device));
        let draft = Draft {
            token,
            asked: at,
            device,
            vault,
            id,
            kind,
            fields: &fields,
            seen: &seen,
            clears,
        };
        self.evidence.writes.register(&draft);
    }

    fn answered(&mut self, at: usize, device: DeviceId, op: OpId, answer: &Answered) {
        let Some(op) = self.evidence.operations.answer(device, op, at) else { return };
        let Some((_, asked)) = self.evidence.history[op.asked].fact.asked() else { return };
        match (asked, answer) {
            (Asked::Write { token, .. }, Answered::Saved) => {
                if let Some(write) = self.evidence.writes.find(*token) {
                    self.evidence.writes.all[write].saved.get_or_insert(at);
                }
            }
            (Asked::Write { token, .. }, Answered::Refused(_)) => {
                if let Some(write) = self.evidence.writes.find(*token) {
                    self.evidence.writes.all[write].refused.get_or_insert(at);
                }
            }
            (Asked::Read { last, .. }, Answered::Read(shown)) => {
                self.observed(at, device, shown, *last);
            }
            (Asked::SignOut, answer) => {
                let asked = op.asked;
                self.state(device).signing_out = false;
                if *answer == Answered::SignedOut {
                    self.evidence.disks[usize::from(device.0)].wiped(asked, at);
                }
            }
            _ => {}
        }
    }

    fn observed(&mut self, at: usize, device: DeviceId, shown: &Arc<Shown>, last: bool) {
        let vault = self.evidence.vault(device);
        let writes = &mut self.evidence.writes;
        let record_key = writes.ensure_key(vault, shown.id);
        for (_, token) in tokens(shown) {
            if let Some(write) = writes.find(token) {
                writes.all[write].shown.get_or_insert(at);
            }
        }
        self.evidence.observations.push(Observation {
            at,
            device,
            record_key,
            shown: shown.clone(),
            last,
        });
    }

    fn sent(&mut self, device: DeviceId, rows: &[(RecordId, BlobId)]) {
        let state = &self.states[usize::from(device.0)];
        for (id, blob) in rows {
            if let Some(copy) = state.records.get(*id) {
                self.sent.or_insert_with(*blob, || copy.clone());
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "these are the fields of one fact")]
    fn version(
        &self,
        at: usize,
        pos: u64,
        tag: Tag,
        blob: BlobId,
        vault: VaultId,
        id: RecordId,
        contents: Option<&Arc<Contents>>,
    ) -> RowState {
        let writes = &self.evidence.writes;
        let sender = self.sent.get(blob).filter(|copy| copy.contents.as_ref() == contents);
        let given =
            matches!(&self.evidence.history[at].fact, Fact::Committed { by: Node::World, .. });
        let certain = sender.map_or(given, |copy| copy.certain);
        let made_from = sender.map(|copy| copy.made_from.clone()).unwrap_or_else(|| {
            let mut shown = Set::default();
            if let (Some(record_key), Some(contents)) = (writes.record_key(vault, id), contents) {
                writes.whole(record_key, writes.cells(record_key, contents), &mut shown);
            }
            Arc::new(shown)
        });
        RowState {
            at,
            pos,
            tag: Some(tag),
            contents: contents.cloned(),
            made_from,
            certain,
            set_back: false,
        }
    }

    fn committed(&mut self, remote: Remote, vault: VaultId, id: RecordId, version: RowState) {
        let record_key = self.evidence.writes.ensure_key(vault, id);
        let stored = &mut self.evidence.remotes[remote.index()];
        let before =
            stored.versions(vault, id).last().map(|old| old.made_from.clone()).unwrap_or_default();
        let writes = &mut self.evidence.writes;
        for cell in version.made_from.beyond(&before) {
            let write = writes.records[record_key].cells[cell as usize].write;
            writes.all[write].accepted[remote.index()].get_or_insert(version.at);
            writes.all[write].stored.get_or_insert(version.at);
        }
        self.is_there(record_key, &version.made_from);
        let stored = &mut self.evidence.remotes[remote.index()];
        let (place, entry) =
            (stored.log.partition_point(|it| it.0 < version.pos), (version.pos, vault, id));
        if stored.log.get(place) != Some(&entry) {
            stored.log.insert(place, entry);
        }
        stored.rows.or_default((vault, id)).push(version);
    }

    /// A remote was set back: a row is there again as it was under this tag, and what had been stored
    /// since is gone from there.
    fn restored(&mut self, at: usize, remote: Remote, (vault, id): (VaultId, RecordId), tag: Tag) {
        if self.has_ended_since(remote, vault) {
            return;
        }
        let stored = &self.evidence.remotes[remote.index()];
        let Some(state) = stored.tagged(vault, id, tag).cloned() else { return };
        let last = stored.versions(vault, id).last().map(|last| last.made_from.clone());
        self.committed(remote, vault, id, RowState { at, set_back: true, ..state });
        self.destroy(at, vault, id, &last.unwrap_or_default());
    }

    /// Did the zone end after the remote was set back? Both may happen in one millisecond, and the fault is
    /// recorded before the remote tells which rows it has put back.
    fn has_ended_since(&self, remote: Remote, vault: VaultId) -> bool {
        let faults = self.evidence.faults.iter().rev().map(|fault| &fault.kind);
        let is_restore =
            |kind: &&Fault| matches!(kind, Fault::RestoreRemote(it) if it.remote == remote);
        let ends =
            |kind: &Fault| matches!(kind, Fault::EndZone(it) if VaultId::from(it.user) == vault);
        remote == Remote::Zone && faults.take_while(|kind| !is_restore(kind)).any(ends)
    }

    fn remove_row(
        &mut self,
        at: usize,
        remote: Remote,
        vault: VaultId,
        id: RecordId,
        pos: Option<u64>,
        by_device: bool,
    ) {
        let stored = &mut self.evidence.remotes[remote.index()];
        let last = stored.versions(vault, id).last().filter(|last| last.tag.is_some());
        let Some(last) = last.cloned() else { return };
        let pos = pos.unwrap_or(last.pos);
        let made_from = if by_device { last.made_from.clone() } else { Arc::default() };
        let gone = RowState {
            at,
            pos,
            tag: None,
            contents: None,
            made_from,
            certain: true,
            set_back: false,
        };
        stored.rows.or_default((vault, id)).push(gone);
        if !by_device {
            self.destroy(at, vault, id, &last.made_from);
        }
    }
}

/// A write as asked for.
struct Asking<'a> {
    id: RecordId,
    token: Token,
    kind: WriteKind,
    exposed: &'a [(FieldId, Token)],
    saw: bool,
}

fn current<K: Key, T: Clone>(lines: &Table<K, Timeline<T>>) -> Table<K, T> {
    lines.sorted().filter_map(|(key, line)| Some((key, line.last()?.clone()))).collect()
}
