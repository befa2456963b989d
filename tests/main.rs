//! Every test of the workspace.

mod laws;
