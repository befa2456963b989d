//! Keys of the vault: those that arrive, and those that this device makes.

use super::{Answer, Device, Output};
use crate::id::OpId;
use crate::point::Point;
use crate::seal::{Key, KeyName};
use crate::time::{Now, Time};

/// A rotation on its way.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) ops: Vec<OpId>,
    asked_at: Time,
    waited: bool,
    /// Handed to the keychain, not yet accepted.
    made: Option<(KeyName, Key)>,
}

impl Device {
    /// A key of the keychain: what was sealed under it can be opened now.
    pub(super) fn handle_key(&mut self, now: Now, name: KeyName, key: Key) {
        if self.store.session().is_none() || !self.store.add_key(name, key) {
            return;
        }
        for remote in self.boot.remotes.clone() {
            if !self.store.side(remote).sealed.is_empty() {
                self.reach(Point::KeyLate);
                self.retry_sealed(now, remote);
            }
        }
    }

    pub(super) fn ask_rotation(&mut self, now: Now, op: OpId) {
        match &mut self.rotation {
            Some(rotation) => rotation.ops.push(op),
            None => {
                self.rotation =
                    Some(Rotation { ops: vec![op], asked_at: now.mono, waited: false, made: None });
            }
        }
    }

    /// Makes a key once nothing is sealed and both feeds were taken to their heads: a device that
    /// lacks rows or keys would rotate away from what it has not seen.
    pub(super) fn rotate(&mut self, _now: Now) {
        let sealed = self.lanes.iter().any(|lane| !self.store.side(lane.remote).sealed.is_empty());
        let Some(rotation) = self.rotation.as_mut().filter(|rotation| rotation.made.is_none())
        else {
            return;
        };
        let at_head = self.lanes.iter().all(|lane| lane.head_at >= Some(rotation.asked_at));
        if sealed || !at_head {
            if !rotation.waited {
                rotation.waited = true;
                self.following.push(Output::Reached(Point::RotationWaited));
                for lane in &mut self.lanes {
                    lane.pull_due = Some(rotation.asked_at);
                }
            }
            return;
        }
        let generation = self.store.keyring().current().map_or(0, |name| name.generation) + 1;
        // A crash may forget a key that the keychain has, and the next one must not go by its name.
        let name = KeyName { generation, draw: self.entropy.next_u64() };
        let key = Key(self.entropy.bytes());
        rotation.made = Some((name, key.clone()));
        self.following.push(Output::StoreKey(name, key));
    }

    /// The keychain has the new key: from now on rows are sealed under it.
    pub(super) fn handle_key_stored(&mut self, now: Now, stored: KeyName) {
        let made = |rotation: &mut Rotation| rotation.made.as_ref().is_some_and(|m| m.0 == stored);
        let Some(rotation) = self.rotation.take_if(made) else { return };
        let Some((name, key)) = rotation.made else { return };
        self.handle_key(now, name, key);
        self.reach(Point::KeyRotated);
        for op in rotation.ops {
            self.answer(op, Answer::Rotated(name));
        }
    }
}
