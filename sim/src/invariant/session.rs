//! Judges of session leases and their fencing tokens.

pub(crate) mod fences_hold;
pub(crate) mod sessions_are_exclusive;
