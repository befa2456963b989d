//! The content of a file as the server keeps it: ciphertext under the name of its hash, in pieces.
//!
//! Each sealing draws a fresh nonce, so equal contents have different addresses: the server cannot
//! tell that a plaintext was stored before, or by another user.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Bytes;

/// The hash of a ciphertext, or of a piece of one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address([u8; 32]);

impl Address {
    /// The smallest and the largest address: the ends of a range over all of them.
    pub(crate) const FIRST: Self = Self([0; 32]);
    pub(crate) const LAST: Self = Self([u8::MAX; 32]);

    /// The address of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The address of all pieces in a row.
    pub fn of_pieces<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        pieces.for_each(|piece| {
            hasher.update(piece);
        });
        Self(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes of the hash.
    pub(crate) const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

/// The pieces of a blob, so that each piece can be checked by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The hash of the whole blob.
    pub address: Address,
    /// The size of the whole blob in bytes.
    pub size: u64,
    /// The hashes of the pieces, in order; at least one.
    pub pieces: Vec<Address>,
}

impl Manifest {
    /// The manifest of these bytes, in pieces of `piece` bytes. A `piece` of 0 counts as 1.
    pub fn of(bytes: &[u8], piece: usize) -> Self {
        let pieces: Vec<Address> = cut(bytes, piece).into_iter().map(Address::of).collect();
        assert!(!pieces.is_empty(), "an empty blob has one empty piece");
        Self { address: Address::of(bytes), size: bytes.len() as u64, pieces }
    }

    /// Do these pieces, in order, make up the whole blob?
    pub(crate) fn is(&self, pieces: &[&Bytes]) -> bool {
        let size: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        let whole = Address::of_pieces(pieces.iter().map(|piece| &***piece));
        (size, whole) == (self.size, self.address)
    }
}

/// Cuts bytes into pieces of `piece` bytes; the last one may be shorter. Empty bytes are one empty
/// piece.
pub fn cut(bytes: &[u8], piece: usize) -> Vec<&[u8]> {
    if bytes.is_empty() {
        return vec![bytes];
    }
    let pieces: Vec<&[u8]> = bytes.chunks(piece.max(1)).collect();
    assert_eq!(pieces.len(), bytes.len().div_ceil(piece.max(1)), "only the last piece is shorter");
    pieces
}
