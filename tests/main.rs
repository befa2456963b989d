//! Every test of the workspace.

mod cli;
mod laws;
