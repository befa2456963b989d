//! How devices keep things on their disks: the engine's keys and values.

use engine::device::{StoreKey, Stored};
use harness::disk::Layout;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The layout of a device's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Store;

impl Layout for Store {
    type Key = StoreKey;
    type Value = Stored;

    fn digest(key: &StoreKey, stored: &Stored) -> u64 {
        let mut buffer = [0; 32];
        let key = postcard::to_slice(key, &mut buffer).expect("the largest key takes 19 bytes");
        let place = xxh3_64_with_seed(key, stored.tag);
        xxh3_64_with_seed(&stored.bytes, place)
    }
}

#[cfg(test)]
mod tests {
    use engine::id::{Kind, RecordId, Remote};

    use super::*;

    #[test]
    fn the_same_bytes_elsewhere_or_under_another_tag_have_another_digest() {
        let id = RecordId { kind: Kind::Meal, key: 1 };
        let stored = |tag| Stored { tag, bytes: b"a".as_slice().into() };
        let there = Store::digest(&StoreKey::Record(id), &stored(0));
        assert_eq!(there, Store::digest(&StoreKey::Record(id), &stored(0)));
        assert_ne!(there, Store::digest(&StoreKey::Mirror(Remote::Zone, id), &stored(0)));
        assert_ne!(there, Store::digest(&StoreKey::Record(id), &stored(1)));
    }
}
