//! Judges of what one device holds and shows, across pulls, crashes and logins.

pub(crate) mod crashes_lose_nothing;
pub(crate) mod cursors_are_safe;
pub(crate) mod logins_are_whole;
pub(crate) mod reads_never_go_back;
