//! Every test of the workspace.

mod determinism;
mod laws;
mod tidy;
