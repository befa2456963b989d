//! The sync server by itself, without a stage: its commit log under every order of events, files on
//! devices before it, the work on conversations, and the volume against the real stores that it
//! stands for.

mod desk;
mod devices;
mod every_order;
mod feed;
mod files;
mod heard;
mod home;
mod lab;
mod namespace;
mod pipeline;
mod plant;
mod readings;
mod restores;
mod uploads;
mod volume;
