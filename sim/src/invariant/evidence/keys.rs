//! Which devices and processors can lack a key at which moment.
//!
//! Keys have no names in the facts, so they are counted: how many a device holds, and how many its user can have
//! by then, one from the beginning and one for each rotation. A device that holds as many as there can be lacks
//! none, whatever was kept back from it.

use std::iter;

use engine::id::{DeviceId, UserId};

use super::{Evidence, ObservedOperation};
use crate::history::{Boot, Change, Entry, Fact};
use crate::plan::Node;

/// Has a device any key at a moment?
pub(crate) fn has_a_key(evidence: &Evidence<'_>, device: DeviceId, at: usize) -> bool {
    keys_of(evidence, device).held_at(at) > 0
}

fn keys_of<'e>(evidence: &'e Evidence<'_>, device: DeviceId) -> &'e DeviceKeys {
    let keys = &evidence.on_demand.keys[usize::from(device.0)];
    keys.get_or_init(|| DeviceKeys::of(evidence, device))
}

/// Can a device lack a key of this generation at a moment?
pub(crate) fn may_lack(
    evidence: &Evidence<'_>,
    device: DeviceId,
    generation: u32,
    at: usize,
) -> bool {
    let keys = keys_of(evidence, device);
    // Each generation needs a rotation after the one before.
    generation as usize <= keys.made_by(at) && keys.may_lack_one(at)
}

/// Can a processor of a user lack a key of this generation at a moment? It starts with all keys that there are, and
/// nothing tells when another one has come.
pub(crate) fn processor_may_lack(
    evidence: &Evidence<'_>,
    (processor, user): (Node, UserId),
    generation: u32,
    at: usize,
) -> bool {
    let is_start =
        |entry: &Entry| entry.node == processor && matches!(entry.fact, Fact::Started { .. });
    let started = evidence.history[..at].iter().rposition(is_start).unwrap_or(0);
    let asked = || rotations(evidence, user).filter(|op| op.asked < at);
    generation as usize <= 1 + asked().count()
        && asked().any(|op| op.over(evidence).is_none_or(|over| over >= started))
}

/// The requests of a user for a new key.
fn rotations<'e>(
    evidence: &'e Evidence<'_>,
    user: UserId,
) -> impl Iterator<Item = &'e ObservedOperation> {
    let of_user = move |op: &&ObservedOperation| evidence.user(op.device) == user;
    evidence.operations.iter().filter(of_user).filter(|op| op.rotates(evidence))
}

/// Can a device lack any key at some moment of an interval?
pub(crate) fn may_lack_one_within(
    evidence: &Evidence<'_>,
    device: DeviceId,
    (from, to): (usize, usize),
) -> bool {
    let keys = keys_of(evidence, device);
    let changes = keys.held.iter().map(|(at, _)| *at).chain(keys.rotations.iter().copied());
    let mut moments = iter::once(from).chain(changes.filter(|at| (from..=to).contains(at)));
    moments.any(|at| keys.may_lack_one(at))
}

/// The keys that a device holds over time, and those that its user can have.
#[derive(Clone, Debug)]
pub(super) struct DeviceKeys {
    /// How many it holds from which moment on, and which of its stores that is.
    held: Vec<(usize, Store)>,
    /// When its user asked for new ones.
    rotations: Vec<usize>,
    /// Is the store that it has in the end one to which every key had come that anything is sealed under?
    is_complete: bool,
}

/// What a device's store has at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Store {
    keys: usize,
    /// Counts the stores that a device has had: a sign-out, an installation and a backup each begin one.
    number: usize,
}

impl DeviceKeys {
    fn of(evidence: &Evidence<'_>, device: DeviceId) -> Self {
        let rotations = rotations(evidence, evidence.user(device)).map(|op| op.asked).collect();
        let is_complete = evidence.has_settled() && evidence.is_core(device);
        Self { held: held(evidence, device), rotations, is_complete }
    }

    fn store_at(&self, at: usize) -> Store {
        let after = self.held.partition_point(|(from, _)| *from <= at);
        after.checked_sub(1).map_or_else(Store::default, |place| self.held[place].1)
    }

    fn held_at(&self, at: usize) -> usize {
        self.store_at(at).keys
    }

    /// How many keys can have been made by then?
    fn made_by(&self, at: usize) -> usize {
        1 + self.rotations.iter().filter(|asked| **asked < at).count()
    }

    /// A rotation that a crash has ended may have made a key, or not: if the store gets no other key, it
    /// lacked none.
    fn may_lack_one(&self, at: usize) -> bool {
        let now = self.store_at(at);
        let mut later =
            self.held.iter().skip_while(|(from, _)| *from <= at).map(|(_, store)| store);
        let is_last = later.clone().all(|store| store.number == now.number);
        let gets_one = later.any(|store| store.number == now.number && store.keys > now.keys);
        now.keys == 0 || now.keys < self.made_by(at) && (gets_one || !is_last || !self.is_complete)
    }
}

/// How many keys a device holds, in memory or on its disk, from which moment on.
fn held(evidence: &Evidence<'_>, device: DeviceId) -> Vec<(usize, Store)> {
    let mut held = Vec::new();
    let mut now = Store::default();
    // What each commit of this incarnation made of it: 0 is what it started with.
    let mut commits = vec![(0, now)];
    for &(at, entry) in evidence.off_wire.iter().filter(|it| it.1.node == Node::Device(device)) {
        let before = now;
        if let Fact::Started { boot, holds, .. } = &entry.fact {
            if *boot != Boot::Restart {
                now = Store { keys: count(holds, true), number: now.number + 1 };
            }
            commits = vec![(0, now)];
        } else if let Fact::Persisted { commit, changes, .. } = &entry.fact {
            let gone = count(changes, false);
            now.keys = now.keys.saturating_sub(gone) + count(changes, true);
            now.number += usize::from(gone > 0);
            commits.push((*commit, now));
        } else if let Fact::Killed { keeps, .. } = &entry.fact {
            // What had not become durable goes with the power.
            commits.retain(|(commit, _)| commit <= keeps);
            now = commits.last().map_or(now, |(_, store)| *store);
        }
        if now != before {
            held.push((at, now));
        }
    }
    held
}

/// How many keys are put, or taken away.
fn count(changes: &[Change], is_put: bool) -> usize {
    changes.iter().filter(|it| **it == Change::Key(is_put)).count()
}
