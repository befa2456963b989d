//! The sync system: pure state machines without I/O, clock or randomness of their own. A machine is given
//! one input, then its outputs are drained until there are none; what takes time comes back as another input.
//!
//! Promises: a *saved* write survives a crash of its device; a *synced* one is at both remotes, and one of
//! them suffices to survive the loss of the device; a delete removes only what its author had observed; what
//! cannot be decrypted is kept and blocks nothing. No order across records is promised.
//!
//! Read in this order: [`record`] (the only merge), [`view`], [`seal`], [`remote`], [`device`]; of
//! the sync server [`position`], [`log`] (its only commit), [`message`] and [`worker`]; of files [`name`], [`tree`] and
//! [`blob`]; of conversations [`dedup`], [`date`], [`job`], [`ingest`] and [`processor`].

pub mod blob;
mod bytes;
pub mod date;
pub mod dedup;
pub mod device;
pub mod entropy;
mod exchange;
pub mod flaw;
pub mod id;
pub mod ingest;
pub mod job;
pub mod log;
pub mod message;
pub mod name;
pub mod point;
pub mod position;
pub mod processor;
pub mod record;
pub mod remote;
pub mod schema;
pub mod seal;
pub mod time;
pub mod tree;
pub mod view;
pub mod volume;
pub mod worker;

pub use self::bytes::Bytes;
