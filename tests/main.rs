//! Every test of the workspace.

mod conformance;
mod determinism;
mod laws;
mod scenarios;
mod tidy;
