//! Sealing: a blob opens for its row under its key, and for nothing else.
//!
//! Every failure here is a real authentication failure of the cipher; nothing is simulated.

use std::collections::BTreeMap;

use engine::Bytes;
use engine::id::{Dot, FieldId, Kind, RecordId, ReplicaId, Token, VaultId};
use engine::record::{Encoded, Handle, Payload, Record, Value};
use engine::seal::{Key, KeyName, Keyring, Memo, OpenError};
use engine::time::Hlc;
use proptest::prelude::*;

use crate::laws::drawn;

const VAULT: VaultId = VaultId(3);
const ROW: RecordId = RecordId { kind: Kind::Meal, key: 42 };
const FIRST: KeyName = KeyName { generation: 1, draw: 7 };
const SECOND: KeyName = KeyName { generation: 2, draw: 5 };

fn key(byte: u8) -> Key {
    Key([byte; 32])
}

fn ring(keys: &[(KeyName, Key)], memo: Option<&Memo>) -> Keyring {
    Keyring::new(keys.iter().cloned().collect(), memo.cloned())
}

fn record(text: &str) -> Encoded {
    let mut record = Record::default();
    let payload = Payload { token: Token([9; 16]), value: Value::Text(text.to_owned()) };
    let dot = Dot { replica: ReplicaId(7), n: 1 };
    record.write(&Handle::blind(), dot, Hlc { wall: 1, count: 0 }, [(FieldId(0), payload)]);
    Encoded::new(record)
}

/// A blob of this row under the first key, and a ring that opens it.
fn sealed() -> (Keyring, Bytes) {
    let ring = ring(&[(FIRST, key(1))], None);
    let blob = ring.seal(VAULT, ROW, &record("soup"), [5; 24]).expect("there is a key");
    (ring, blob)
}

#[test]
fn every_flipped_bit_and_every_cut_fails_to_open() {
    let (_, blob) = sealed();
    let ring = ring(&[(FIRST, key(1)), (SECOND, key(1))], None);
    for at in 0..blob.len() {
        for bit in 0..8 {
            let mut bytes = blob.to_vec();
            bytes[at] ^= 1 << bit;
            assert!(ring.open(VAULT, ROW, &bytes.into()).is_err(), "byte {at}, bit {bit}");
        }
        let cut = ring.open(VAULT, ROW, &blob[..at].into());
        assert!(cut.is_err(), "cut to {at} bytes");
    }
    let longer = [&blob[..], &[0]].concat();
    assert_eq!(ring.open(VAULT, ROW, &longer.into()), Err(OpenError::Corrupt));
}

#[test]
fn a_blob_under_another_known_key_name_fails_even_if_the_key_is_the_same() {
    let (_, blob) = sealed();
    let ring = ring(&[(FIRST, key(1)), (SECOND, key(1))], None);
    let renamed = [&SECOND.generation.to_be_bytes()[..], &SECOND.draw.to_be_bytes()].concat();
    let moved: Bytes = [&renamed[..], &blob[renamed.len()..]].concat().into();
    assert_eq!(KeyName::of_blob(&moved), Some(SECOND));
    assert_eq!(ring.open(VAULT, ROW, &moved), Err(OpenError::Corrupt));
}

#[test]
fn a_blob_moved_to_another_row_kind_or_vault_does_not_open() {
    let (ring, blob) = sealed();
    assert_eq!(ring.open(VAULT, ROW, &blob), Ok(record("soup")));
    let rows = [RecordId { key: 43, ..ROW }, RecordId { kind: Kind::Goals, ..ROW }];
    for row in rows {
        assert_eq!(ring.open(VAULT, row, &blob), Err(OpenError::Corrupt), "{row}");
    }
    assert_eq!(ring.open(VaultId(4), ROW, &blob), Err(OpenError::Corrupt));
}

#[test]
fn another_key_of_the_same_name_does_not_open() {
    let (_, blob) = sealed();
    let other = ring(&[(FIRST, key(2))], None);
    assert_eq!(other.open(VAULT, ROW, &blob), Err(OpenError::Corrupt));
}

#[test]
fn a_missing_key_is_told_apart_from_damage_by_its_name() {
    let (_, blob) = sealed();
    let mut late = ring(&[(SECOND, key(2))], None);
    assert_eq!(late.open(VAULT, ROW, &blob), Err(OpenError::NoKey(FIRST)));
    assert!(late.add(FIRST, key(1)), "it was not there");
    assert_eq!(late.open(VAULT, ROW, &blob), Ok(record("soup")));
    late.clear();
    assert_eq!(late.open(VAULT, ROW, &blob), Err(OpenError::NoKey(FIRST)));
    assert_eq!(late.seal(VAULT, ROW, &record("soup"), [5; 24]), None);
}

#[test]
fn old_keys_open_and_the_latest_seals() {
    let (mut ring, blob) = sealed();
    ring.add(SECOND, key(2));
    assert_eq!(ring.current(), Some(SECOND));
    let newer = ring.seal(VAULT, ROW, &record("stew"), [6; 24]).expect("there is a key");
    assert_eq!(KeyName::of_blob(&newer), Some(SECOND));
    assert_eq!(ring.open(VAULT, ROW, &blob), Ok(record("soup")));
    assert_eq!(ring.open(VAULT, ROW, &newer), Ok(record("stew")));
}

#[test]
fn nothing_of_a_record_shows_in_its_blob() {
    let text = "a text that is long enough not to be there by chance";
    let ring = ring(&[(FIRST, key(1))], None);
    let blob = ring.seal(VAULT, ROW, &record(text), [5; 24]).expect("there is a key");
    let token = [9; 16];
    assert!(blob.windows(8).all(|window| !text.as_bytes().windows(8).any(|it| it == window)));
    assert!(blob.windows(8).all(|window| window != &token[..8]));
}

/// What a thief, a broken disk or a confused remote does to a blob on its way.
#[derive(Clone, Debug)]
enum Meddling {
    Nothing,
    /// The same bytes in another object.
    Copy,
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Key(u8),
    Row(Kind, u32),
    Vault(u16),
}

fn meddling() -> impl Strategy<Value = Meddling> {
    prop_oneof![
        Just(Meddling::Nothing),
        Just(Meddling::Copy),
        (any::<prop::sample::Index>(), 1u8..).prop_map(|(at, by)| Meddling::Flip(at, by)),
        any::<prop::sample::Index>().prop_map(Meddling::Cut),
        (1u8..4).prop_map(Meddling::Key),
        (prop::sample::select(&Kind::ALL[..]), 41u32..44).prop_map(|(k, n)| Meddling::Row(k, n)),
        (2u16..5).prop_map(Meddling::Vault),
    ]
}

proptest! {
    #![proptest_config(drawn(256))]

    #[test]
    fn what_is_sealed_opens(text in ".{0,200}", nonce: [u8; 24], keys in 1u8..4) {
        let names = (0..keys).map(|n| (KeyName { generation: n.into(), ..FIRST }, key(n)));
        let ring = Keyring::new(names.collect::<BTreeMap<_, _>>(), None);
        let blob = ring.seal(VAULT, ROW, &record(&text), nonce).expect("there is a key");
        prop_assert_eq!(ring.open(VAULT, ROW, &blob), Ok(record(&text)));
    }

    /// The memo sees every attempt, in any order, on two blobs; a fresh ring without one decides
    /// what the answer must be.
    #[test]
    fn a_memo_answers_as_the_cipher_would(
        attempts in prop::collection::vec((any::<bool>(), meddling()), 1..24),
    ) {
        let memo = Memo::default();
        let sealer = ring(&[(FIRST, key(1))], None);
        let seal = |text, nonce| sealer.seal(VAULT, ROW, &record(text), nonce);
        let blobs = [seal("soup", [5; 24]), seal("stew", [6; 24])]
            .map(|blob| blob.expect("there is a key"));
        for (which, meddling) in attempts {
            let mut blob = blobs[usize::from(which)].clone();
            let (mut row, mut vault, mut with) = (ROW, VAULT, 1);
            match meddling {
                Meddling::Nothing => {}
                Meddling::Copy => blob = blob.to_vec().into(),
                Meddling::Flip(at, by) => {
                    let mut bytes = blob.to_vec();
                    *at.get_mut(&mut bytes) ^= by;
                    blob = bytes.into();
                }
                Meddling::Cut(at) => blob = blob[..at.index(blob.len())].into(),
                Meddling::Key(byte) => with = byte,
                Meddling::Row(kind, key) => row = RecordId { kind, key },
                Meddling::Vault(other) => vault = VaultId(other),
            }
            let keys = [(FIRST, key(with))];
            let expected = ring(&keys, None).open(vault, row, &blob);
            prop_assert_eq!(ring(&keys, Some(&memo)).open(vault, row, &blob), expected);
        }
    }
}
