//! Bytes as people and object names write them. Names of objects are made all the time, and a digit
//! that is formatted by itself costs more than the hash that it is of.

use std::fmt;

/// Writes bytes in hexadecimal digits.
pub(crate) struct Hex<'b>(pub(crate) &'b [u8]);

/// So many bytes are turned into digits at once.
pub(crate) const CHUNK: usize = 32;

/// The digits of these bytes, [`CHUNK`] at the most, and then zeros.
pub(crate) fn digits(bytes: &[u8]) -> [u8; 2 * CHUNK] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut text = [0; 2 * CHUNK];
    for (two, byte) in text.chunks_exact_mut(2).zip(bytes) {
        two[0] = DIGITS[usize::from(byte >> 4)];
        two[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for bytes in self.0.chunks(CHUNK) {
            let text = &digits(bytes)[..2 * bytes.len()];
            f.write_str(std::str::from_utf8(text).expect("digits are ASCII"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Hex;

    #[test]
    fn every_byte_has_two_digits() {
        assert_eq!(Hex(&[0x00, 0x09, 0xaf, 0xff]).to_string(), "0009afff");
        assert_eq!(Hex(&[0x5c; 33]).to_string(), "5c".repeat(33));
        assert_eq!(Hex(&[]).to_string(), "");
    }
}
