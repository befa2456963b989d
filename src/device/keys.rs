//! Rotation: a new key of the vault that this device makes.
//!
//! A key's name is a generation and a draw, not a generation and its maker: a device that crashes after
//! the keychain has accepted its key, and before it has stored that key, would make another key of the
//! same name.

use super::core::Core;
use super::io::Output;
use super::lane::Lane;
use super::lanes::Lanes;
use crate::id::OpId;
use crate::point::Point;
use crate::seal::{Key, KeyName};
use crate::time::Time;

/// At most one rotation under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    rotation: Option<Rotation>,
}

/// A rotation under way.
#[derive(Clone, Debug)]
struct Rotation {
    /// The requests that it answers.
    ops: Vec<OpId>,
    asked_at: Time,
    /// Has it found its conditions unfulfilled before?
    waited: bool,
    /// Handed to the keychain, not yet accepted.
    made: Option<(KeyName, Key)>,
}

impl Keys {
    /// Asks for a new key. All that ask while one is made get the same.
    pub(super) fn ask(&mut self, now: Time, op: OpId) {
        let new = || Rotation { ops: Vec::new(), asked_at: now, waited: false, made: None };
        self.rotation.get_or_insert_with(new).ops.push(op);
    }

    /// Makes a key once nothing is sealed and both feeds were read to their heads: a device that
    /// lacks rows or keys would rotate away from what it has not seen.
    pub(super) fn proceed(&mut self, core: &mut Core, lanes: &mut Lanes) {
        let Some(rotation) = self.rotation.as_mut().filter(|rotation| rotation.made.is_none())
        else {
            // Nobody asked for one, or the keychain has not accepted it yet.
            return;
        };
        let is_sealed = |lane: &Lane| !core.store.side(lane.remote()).sealed().is_empty();
        let sealed = lanes.iter().any(is_sealed);
        let at_head = lanes.were_at_head(rotation.asked_at);
        if sealed || !at_head {
            if !rotation.waited {
                tracing::debug!(sealed, at_head, "a rotation waits");
                rotation.waited = true;
                core.reach(Point::RotationWaited);
                lanes.pull_at(rotation.asked_at);
            }
            return;
        }
        let current = core.store.keyring().current();
        let generation = current.map_or(0, |name| name.generation) + 1;
        // A crash may forget a key that the keychain has, and the next one must not go by its name.
        let name = KeyName { generation, draw: core.entropy.next_u64() };
        assert!(Some(name) > current, "the newest key is the one that rows are sealed under");
        let key = Key(core.entropy.bytes());
        tracing::debug!(generation, "a key is made");
        rotation.made = Some((name, key.clone()));
        core.out.send(Output::StoreKey(name, key));
    }

    /// The keychain has durably accepted a key. Returns it and the requests that asked for it, unless
    /// the key is of a rotation that a sign-out has ended.
    pub(super) fn take_stored(&mut self, stored: KeyName) -> Option<(Key, Vec<OpId>)> {
        let made = |it: &mut Rotation| it.made.as_ref().is_some_and(|(name, _)| *name == stored);
        let rotation = self.rotation.take_if(made)?;
        let (_, key) = rotation.made.expect("it was compared a moment ago");
        Some((key, rotation.ops))
    }

    /// Gives up, with the account. Returns the requests that asked for a key.
    pub(super) fn abandon(&mut self) -> Vec<OpId> {
        self.rotation.take().map_or_else(Vec::new, |rotation| rotation.ops)
    }

    /// Asserts what must hold between two inputs.
    pub(super) fn check(&self, core: &Core) {
        if let Some(rotation) = &self.rotation {
            assert!(!rotation.ops.is_empty(), "a key is made only for those that asked");
            assert!(core.store.session().is_some(), "a sign-out gives a rotation up");
            assert!(
                rotation.asked_at <= core.now.mono,
                "a rotation is not asked for in the future"
            );
        }
    }
}
