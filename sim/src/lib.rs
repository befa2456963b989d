//! Everything that exists because of simulation: the stage, the plan, the history and its judges.

#[cfg(not(madsim))]
compile_error!(
    "seawall-sim needs `--cfg madsim`, which .cargo/config.toml sets. An environment RUSTFLAGS \
     replaces those flags: unset it, and build from inside the workspace."
);

pub mod capsule;
pub mod cli;
pub mod demand;
pub mod difference;
pub mod explain;
pub mod fault;
pub mod history;
mod host;
pub mod invariant;
mod journal;
mod keychain;
mod mailbox;
mod message;
mod network;
pub mod night;
pub mod outcome;
pub mod plan;
pub mod remote;
pub mod report;
pub mod run;
pub mod scenario;
mod shell;
pub mod shrink;
pub mod signature;
mod store;
pub mod sweep;
pub mod time;
pub mod triage;
pub mod trial;
pub mod verdict;
pub mod volume;
mod workload;
mod world;
pub mod zoo;
