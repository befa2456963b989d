//! Everything that exists because of simulation: the stage, the plan, the history and its judges.

#[cfg(not(madsim))]
compile_error!(
    "seawall-sim needs `--cfg madsim`, which .cargo/config.toml sets. An environment RUSTFLAGS \
     replaces those flags: unset it, and build from inside the workspace."
);

pub mod history;
pub mod invariant;
pub mod plan;
pub mod random;
pub mod remote;
pub mod run;
pub mod scenario;
