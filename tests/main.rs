//! Every test of the workspace.
