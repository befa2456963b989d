//! Judges of files and folders as the log has them.

pub(crate) mod batches_are_atomic;
pub(crate) mod names_are_sane;
pub(crate) mod uploads_are_atomic;
pub(crate) mod versions_are_immutable;
