//! The doubles held against what is known of the real services, one test for each thing known, and
//! for each trap a naive client that falls into it: a double that no naive client fails against
//! would be too kind to find anything.
//!
//! Rows of the same tables that describe a client's own state are the engine's, and tested there:
//! state and changes persisted together, pending changes collapsed in order, an acknowledgement
//! that leaves a later edit pending, unsent edits at a sign-out, last-edit-wins by field.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an answer that is not expected fails the test"
)]

mod both;
mod client;
mod rows;
mod zone;
