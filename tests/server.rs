//! The sync server by itself, without a stage: its commit log under every order of events, the work
//! on conversations, and the volume against the real stores that it stands for.

mod every_order;
mod lab;
mod pipeline;
mod plant;
mod volume;
