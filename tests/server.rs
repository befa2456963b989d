//! The sync server by itself, without a stage: its commit log under every order of events, and the
//! volume against the real stores that it stands for.

mod every_order;
mod lab;
mod volume;
