//! Judges of what hosts answer to their users: whether it is true, and whether a refusal is justified.

pub(crate) mod outcomes_are_honest;
pub(crate) mod refusals_have_reasons;
