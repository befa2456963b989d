//! Judges of the whole system: that it comes to an end, settles, stays up, stays small and keeps users apart.

pub(crate) mod growth_is_bounded;
pub(crate) mod no_plaintext_leaves;
pub(crate) mod nothing_panics;
pub(crate) mod run_ends;
pub(crate) mod system_settles;
pub(crate) mod users_are_isolated;
