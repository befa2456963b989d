//! What surrounds a user's devices besides the remotes: the keychain, which carries keys from device
//! to device, and the sign-in service, which issues credentials. One of each per user, and no node. The
//! sign-in service counts from the start of the run, as the wall clocks of workers do.

use std::collections::BTreeMap;

use engine::Bytes;
use engine::device::open_name;
use engine::id::{NodeId, RecordId, ReplicaId, UserId, VaultId};
use engine::message::Name;
use engine::record::Encoded;
use engine::remote::Credential;
use engine::seal::{Key, KeyName, Keyring, Memo};
use harness::random::Draw;
use harness::time::{Span, Time};

use crate::history::Incarnation;
use crate::plan::SignIn;
use crate::time::ToEngine;

/// All users' keys. The oracle opens with them what no single device may be able to open.
#[derive(Clone, Debug)]
pub(crate) struct Keychain {
    keys: Vec<BTreeMap<KeyName, Key>>,
    rings: Vec<Keyring>,
}

impl Keychain {
    /// Every user has a first key, made before the start.
    pub(crate) fn new(nature: u64, users: usize, memo: &Memo) -> Self {
        let mut keychain = Self {
            keys: vec![BTreeMap::new(); users],
            rings: vec![Keyring::new(BTreeMap::new(), Some(memo.clone())); users],
        };
        for user in 0..users {
            let user = UserId(u16::try_from(user).expect("a plan has few users"));
            let name = KeyName { generation: 1, draw: founder(nature, user).0 };
            let key = Draw::new(nature, "first key").and(u64::from(user.0)).bytes();
            keychain.accept(user, name, Key(key));
        }
        keychain
    }

    /// Takes a key; from now on all devices of the user can get it.
    pub(crate) fn accept(&mut self, user: UserId, name: KeyName, key: Key) {
        let user = usize::from(user.0);
        self.rings[user].add(name, key.clone());
        self.keys[user].insert(name, key);
    }

    /// A user's keys, oldest first.
    pub(crate) fn keys(&self, user: UserId) -> &BTreeMap<KeyName, Key> {
        &self.keys[usize::from(user.0)]
    }

    /// The secret of a user's blind names and keys, which all their devices have for ever.
    pub(crate) fn secret(nature: u64, user: UserId) -> Key {
        Key(Draw::new(nature, "vault secret").and(u64::from(user.0)).bytes())
    }

    /// All keys that a user has.
    pub(crate) fn ring(&self, user: UserId) -> Keyring {
        self.rings[usize::from(user.0)].clone()
    }

    /// Seals a record under a user's current key.
    pub(crate) fn seal(
        &self,
        vault: VaultId,
        id: RecordId,
        record: &Encoded,
        nonce: [u8; 24],
    ) -> Bytes {
        self.rings[usize::from(vault.0)]
            .seal(vault, id, record, nonce)
            .expect("every user has a first key")
    }

    /// Opens a blob with any key that its vault ever had.
    pub(crate) fn open(&self, vault: VaultId, id: RecordId, blob: &Bytes) -> Option<Encoded> {
        self.rings.get(usize::from(vault.0))?.open(vault, id, blob).ok()
    }

    /// Opens the name of a file or folder in the same way.
    pub(crate) fn open_name(&self, vault: VaultId, node: NodeId, name: &Name) -> Option<String> {
        open_name(self.rings.get(usize::from(vault.0))?, vault, node, name).ok()
    }
}

/// Where everybody lives: the zone that their days are of.
pub(crate) const HOME: &str = "Europe/Berlin";

/// The replica that wrote what was there before the start.
pub(crate) fn founder(nature: u64, user: UserId) -> ReplicaId {
    ReplicaId(Draw::new(nature, "founder").and(u64::from(user.0)).value())
}

/// The sign-in service as one machine meets it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SignInDesk {
    asked: u32,
    /// The last answer was of no use, so the next one is right.
    misled: bool,
}

impl SignInDesk {
    /// Issues a credential, now and then an expired or a foreign one first.
    pub(crate) fn issue(
        &mut self,
        (nature, who, life): (u64, u64, Incarnation),
        rules: &SignIn,
        now: Time,
        user: UserId,
        users: usize,
    ) -> (Span, Credential) {
        self.asked += 1;
        let draw = |concern| {
            Draw::new(nature, concern).and(who).and(u64::from(life)).and(u64::from(self.asked))
        };
        let delay = Span(draw("sign-in").span(rules.delay).0.max(1));
        let right = Credential { user, until: (now + delay + rules.valid).to_engine() };
        let wrong = if self.misled {
            None
        } else if draw("foreign credential").happens(rules.foreign_first) {
            Some(Credential { user: stranger(user, users), ..right })
        } else if draw("expired credential").happens(rules.expired_first) {
            Some(Credential { until: now.to_engine(), ..right })
        } else {
            None
        };
        self.misled = wrong.is_some();
        (delay, wrong.unwrap_or(right))
    }
}

/// Another user, or one who is unknown where there is only one.
pub(crate) fn stranger(user: UserId, users: usize) -> UserId {
    let users = u16::try_from(users).expect("a plan has few users").max(2);
    UserId((user.0 + 1) % users)
}

#[cfg(test)]
mod tests {
    use harness::random::Chance;
    use harness::time::SpanRange;

    use super::*;
    use crate::time::ToSimulated;

    const ANNA: UserId = UserId(0);

    fn issue(desk: &mut SignInDesk, expired: u32, foreign: u32) -> Credential {
        let rules = SignIn {
            delay: SpanRange { low: Span(5), high: Span(9) },
            valid: Span(1_000),
            expired_first: Chance(expired),
            foreign_first: Chance(foreign),
        };
        desk.issue((1, 0, 0), &rules, Time(100), ANNA, 2).1
    }

    #[test]
    fn a_useless_credential_is_followed_by_a_good_one() {
        for (expired, foreign) in [(1_000_000, 0), (0, 1_000_000)] {
            let mut desk = SignInDesk::default();
            let first = issue(&mut desk, expired, foreign);
            assert!(first.user != ANNA || first.until.to_simulated() <= Time(100));
            let second = issue(&mut desk, expired, foreign);
            assert!(second.user == ANNA && second.until.to_simulated() > Time(1_000));
        }
    }

    #[test]
    fn the_oracle_opens_what_any_key_of_the_vault_sealed() {
        let memo = Memo::default();
        let mut keychain = Keychain::new(3, 2, &memo);
        let id = RecordId { kind: engine::id::Kind::Meal, key: 1 };
        let record = Encoded::new(engine::record::Record::default());
        let old = keychain.seal(VaultId(0), id, &record, [1; 24]);
        let newer = KeyName { generation: 2, draw: 9 };
        keychain.accept(ANNA, newer, Key([7; 32]));
        let new = keychain.seal(VaultId(0), id, &record, [2; 24]);
        assert_eq!(KeyName::of_blob(&new), Some(newer));
        for blob in [old, new] {
            assert!(keychain.open(VaultId(0), id, &blob).is_some());
            assert!(keychain.open(VaultId(1), id, &blob).is_none());
        }
    }
}
