//! Everything that exists because of simulation: the stage, the plan, the history and its judges.

#[cfg(not(madsim))]
compile_error!(
    "seawall-sim needs `--cfg madsim`, which .cargo/config.toml sets. An environment RUSTFLAGS \
     replaces those flags: unset it, and build from inside the workspace."
);

mod agenda;
mod clock;
mod disk;
mod fault;
pub mod history;
mod inbox;
pub mod invariant;
mod keychain;
pub mod plan;
mod post;
pub mod random;
pub mod remote;
pub mod run;
mod shell;
mod workload;
mod world;
