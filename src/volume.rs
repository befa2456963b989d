//! The contract of the volume: the storage that all workers of a server share.
//!
//! It offers no more than a conditional-put object store does (S3, or the crate `object_store` on a
//! local folder): create if absent, put, get by exact key, list by prefix, delete. What it confirmed
//! is durable; a list may be late; of what failed nobody knows whether it took effect.

use crate::Bytes;

/// The exact name of an object. There is no access by a part of it but [`Request::List`].
pub type Key = smol_str::SmolStr;

/// A part of a name.
pub(crate) enum Part<'p> {
    Text(&'p str),
    /// In decimal digits.
    Number(u64),
    /// The same, twelve digits at the least: they keep the order of names, and a name short.
    Ordered(u64),
    /// A hash, in hexadecimal digits.
    Hex(&'p [u8]),
}

/// Makes a name of its parts. Names are made for whatever the volume is asked, and to format one
/// costs more than to look it up.
pub(crate) fn name(parts: &[Part<'_>]) -> Key {
    /// No name is longer.
    const MOST: usize = 128;
    /// What stands before a number of few digits that keeps the order of names.
    const ZEROS: &[u8; 12] = b"000000000000";
    let (mut name, mut length) = ([0; MOST], 0);
    let mut put = |text: &[u8]| {
        name[length..length + text.len()].copy_from_slice(text);
        length += text.len();
    };
    for part in parts {
        match *part {
            Part::Text(text) => put(text.as_bytes()),
            Part::Number(number) => put(itoa::Buffer::new().format(number).as_bytes()),
            Part::Ordered(number) => {
                let mut buffer = itoa::Buffer::new();
                let digits = buffer.format(number).as_bytes();
                put(&ZEROS[digits.len().min(ZEROS.len())..]);
                put(digits);
            }
            Part::Hex(bytes) => {
                let mut buffer = [0; MOST / 2];
                let digits = &mut buffer[..2 * bytes.len()];
                hex::encode_to_slice(bytes, digits).expect("a byte has two digits");
                put(digits);
            }
        }
    }
    std::str::from_utf8(&name[..length]).expect("parts are texts, and digits ASCII").into()
}

/// What a worker asks of the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Creates an object unless there is one of that name.
    Create(Key, Bytes),
    /// Creates or replaces an object.
    Put(Key, Bytes),
    /// Reads an object.
    Get(Key),
    /// The names that begin so, in order. Objects created lately may be missing.
    List(Key),
    /// Removes an object. Removing what is not there succeeds.
    Delete(Key),
}

/// What the volume answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::Create`], [`Request::Put`] and [`Request::Delete`]: it is durable.
    Done,
    /// To [`Request::Create`]: there is an object of that name. It is left as it is.
    Exists,
    /// To [`Request::Get`].
    Found(Bytes),
    /// To [`Request::Get`]: there is no object of that name.
    NotFound,
    /// To [`Request::List`].
    Listed(Vec<Key>),
    /// It may have happened, or not.
    Failed,
}

/// Names a request of one life of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A request on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which request.
    pub id: CallId,
    /// What is asked.
    pub request: Request,
}

/// An answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// To which request.
    pub id: CallId,
    /// What is answered.
    pub reply: Reply,
}

#[cfg(test)]
mod tests {
    use super::Part::{Hex, Number, Ordered, Text};
    use super::name;

    #[test]
    fn a_name_reads_like_its_parts() {
        assert_eq!(name(&[Text("log/"), Number(0), Text("/"), Ordered(0)]), "log/0/000000000000");
        assert_eq!(name(&[Number(10), Text("-"), Hex(&[0, 0xaf])]), "10-00af");
        assert_eq!(name(&[Ordered(999_999_999_999)]), "999999999999");
        assert_eq!(name(&[Ordered(1_000_000_000_000)]), "1000000000000");
        assert_eq!(name(&[Ordered(u64::MAX)]), u64::MAX.to_string());
        assert_eq!(name(&[Hex(&[0x5c; 32]), Text("/"), Number(u64::MAX)]).len(), 85);
    }
}
