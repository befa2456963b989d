//! Judges of conversations and of the work on them.

pub(crate) mod dates_round_trip;
pub(crate) mod dedup_keys_are_stable;
pub(crate) mod reads_are_exact;
pub(crate) mod statuses_are_legal;
pub(crate) mod summaries_match;
