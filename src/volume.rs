//! The contract of the volume: the storage that all workers of a server share.
//!
//! It offers no more than a conditional-put object store does (S3, or the crate `object_store` on a
//! local folder): create if absent, put, get by exact key, list by prefix, delete. What it confirmed
//! is durable; a list may be late; of what failed nobody knows whether it took effect.

use crate::Bytes;

/// The exact name of an object. There is no access by a part of it but [`Request::List`].
pub type Key = smol_str::SmolStr;

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
