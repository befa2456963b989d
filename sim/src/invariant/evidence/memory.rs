//! What a device holds at a moment, durable or not: what its disk held when it last started, and every
//! commit since. Answers go by this. A commit that the power cut later took back counted until then,
//! while a [`Disk`] has only what became durable.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{DeviceId, Dot, RecordId, Remote};
use engine::remote::Tag;

use super::{Disk, Evidence};
use crate::history::{Change, Contents, Fact};
use crate::plan::Node;

/// What a device holds at a moment.
#[derive(Debug, Default)]
pub(crate) struct Memory<'e> {
    pub(crate) records: BTreeMap<RecordId, &'e Contents>,
    /// What each remote is recorded to hold, where that is known.
    pub(crate) mirrors: BTreeMap<(Remote, RecordId), &'e Contents>,
    /// The rows that cannot be opened, with their tags.
    pub(crate) sealed: BTreeMap<(Remote, RecordId), Tag>,
    /// Its own writes of files that the feed has not shown yet.
    pub(crate) uploads: BTreeSet<Dot>,
}

impl<'e> Memory<'e> {
    fn of(disk: &'e Disk, moment: usize) -> Self {
        let mut memory = Self::default();
        for (id, line) in disk.records.sorted() {
            let held = line.at(moment).and_then(|copy| copy.contents.as_deref());
            put(&mut memory.records, id, held);
        }
        for (key, line) in disk.mirrors.sorted() {
            let mirrored = line.at(moment).and_then(Option::as_ref);
            put(&mut memory.mirrors, key, mirrored.and_then(|(_, held)| held.as_deref()));
        }
        for (key, line) in disk.sealed.sorted() {
            put(&mut memory.sealed, key, line.at(moment).copied().flatten());
        }
        for (dot, line) in &disk.uploads {
            if line.at(moment).is_some_and(Option::is_some) {
                memory.uploads.insert(*dot);
            }
        }
        memory
    }

    fn take(&mut self, change: &'e Change) {
        match change {
            Change::Record(id, held) => put(&mut self.records, *id, held.as_deref()),
            Change::Mirror(remote, id, mirrored) => {
                let held = mirrored.as_ref().and_then(|(_, held)| held.as_deref());
                put(&mut self.mirrors, (*remote, *id), held);
            }
            Change::Sealed(remote, id, row) => {
                put(&mut self.sealed, (*remote, *id), row.map(|(tag, _)| tag));
            }
            Change::Upload(dot, Some(_)) => {
                self.uploads.insert(*dot);
            }
            Change::Upload(dot, None) => {
                self.uploads.remove(dot);
            }
            Change::Parked(..)
            | Change::Cursor(..)
            | Change::Key(_)
            | Change::Meta
            | Change::Node(..)
            | Change::Feed(_) => {}
        }
    }
}

impl Evidence<'_> {
    /// What a device held at a moment.
    pub(crate) fn in_memory(&self, device: DeviceId, moment: usize) -> Memory<'_> {
        let upto = self.off_wire.partition_point(|(at, _)| *at <= moment);
        let own =
            self.off_wire[..upto].iter().filter(|(_, entry)| entry.node == Node::Device(device));
        let started = own.clone().rfind(|(_, entry)| matches!(entry.fact, Fact::Started { .. }));
        let started = started.map_or(0, |(at, _)| *at);
        let mut memory = Memory::of(self.disk(device), started);
        for (_, entry) in own.filter(|(at, _)| *at > started) {
            if let Fact::Persisted { changes, .. } = &entry.fact {
                changes.iter().for_each(|change| memory.take(change));
            }
        }
        memory
    }
}

fn put<K: Ord, V>(held: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => held.insert(key, value),
        None => held.remove(&key),
    };
}
