//! Every test of the workspace.

mod cli;
mod conformance;
mod determinism;
mod digests;
mod laws;
mod linearizability;
<<<<<<< HEAD
mod paths;
=======
mod points;
>>>>>>> main
mod regressions;
mod scenarios;
mod server;
mod shrinking;
mod tidy;
