//! Every test of the workspace.

mod capsules;
mod cli;
mod conformance;
mod determinism;
mod digests;
mod endings;
mod excused;
mod expectations;
mod explaining;
mod faults;
mod incidents;
mod laws;
mod linearizability;
mod lives;
mod logging;
mod mutations;
mod named;
mod observations;
mod paths;
mod points;
mod regressions;
mod removal;
mod scenarios;
mod server;
mod shrinking;
mod tidy;
