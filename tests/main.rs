//! Every test of the workspace.

mod scenarios;
