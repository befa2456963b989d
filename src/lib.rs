//! The sync system: pure state machines without I/O, clock or randomness of their own.
//!
//! A machine is given one input, then its outputs are drained until there are none; what takes
//! time comes back as another input. So a transition is atomic by construction, a crash can only
//! fall between two outputs, and the same inputs always give the same outputs.
//!
//! Read in this order: [`record`] (the only merge), [`view`], [`seal`], [`remote`], [`device`]; of
//! the sync server [`log`] (its only commit), [`message`] and [`worker`]; of files [`name`] and
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
pub mod processor;
pub mod record;
pub mod remote;
pub mod schema;
pub mod seal;
pub mod time;
pub mod view;
pub mod volume;
pub mod worker;

pub use self::bytes::Bytes;
