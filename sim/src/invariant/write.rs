//! Judges of what users write, as it is merged and copied: records, accounts, conversations and files.

pub(crate) mod copies_converge;
pub(crate) mod no_lost_writes;
pub(crate) mod no_phantom_values;
pub(crate) mod no_resurrected_deletes;
pub(crate) mod remotes_agree;
pub(crate) mod unsent_edits_survive;
pub(crate) mod values_are_as_expected;
