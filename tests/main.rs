//! Every test of the workspace.

mod conformance;
mod laws;
