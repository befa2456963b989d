//! The command line as people meet it: exit codes, complaints about wrong input, and what results
//! look like. Renderings are of a run made by hand, never of a live one.

mod account;
mod codes;
mod commands;
mod complaints;
mod documents;
mod example;
mod excused;
mod export;
pub(crate) mod fields;
mod folder;
mod hostile;
mod log;
mod night;
mod page;
mod panics;
mod renderings;
