//! The digest of a history: what two runs have in common if nothing differs between them.

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// How many bytes are digested at once: many small updates cost more than the digest itself.
const DIGEST_AT: usize = 16 * 1_024;

/// Fills a buffer with what is serialized.
struct Fill<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

impl Fill<'_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) -> postcard::Result<()> {
        let free = self.buffer.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut());
        *free.ok_or(postcard::Error::SerializeBufferFull)? = bytes;
        self.at += N;
        Ok(())
    }
}

impl postcard::ser_flavors::Flavor for Fill<'_> {
    type Output = usize;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.put([byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // Most are numbers of few bytes, or hashes: less work than to copy a block.
        match *bytes {
            [a] => return self.put([a]),
            [a, b] => return self.put([a, b]),
            [a, b, c] => return self.put([a, b, c]),
            [a, b, c, d] => return self.put([a, b, c, d]),
            _ => {}
        }
        let end = self.at + bytes.len();
        let free = self.buffer.get_mut(self.at..end);
        free.ok_or(postcard::Error::SerializeBufferFull)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.at)
    }
}

/// The digest of a history and its length in bytes: xxh3-128 over each entry's canonical bytes.
pub fn digest<T: Serialize>(history: &[T]) -> (u128, u64) {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; DIGEST_AT];
    let (mut filled, mut length) = (0, 0);
    for entry in history {
        filled = loop {
            let rest = Fill { buffer: &mut buffer, at: filled };
            match postcard::serialize_with_flavor(entry, rest) {
                Ok(filled) => break filled,
                Err(error) => assert_eq!(error, postcard::Error::SerializeBufferFull),
            }
            if filled == 0 {
                buffer.resize(buffer.len() * 2, 0); // One fact may tell of a whole store.
            }
            hasher.update(&buffer[..filled]);
            length += filled as u64;
            filled = 0;
        };
    }
    hasher.update(&buffer[..filled]);
    (hasher.digest128(), length + filled as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_all_entries_in_one_piece_however_large_they_are() {
        let lengths = [0, 3, DIGEST_AT - 40, 100, 5 * DIGEST_AT, 7, DIGEST_AT, 2];
        let history = lengths.map(|length| (length as u64, "x".repeat(length)));
        let whole = history
            .iter()
            .flat_map(|entry| postcard::to_allocvec(entry).expect("memory is the only limit"));
        let whole: Vec<u8> = whole.collect();
        assert_eq!(digest(&history), (xxhash_rust::xxh3::xxh3_128(&whole), whole.len() as u64));
    }
}
