//! Judges of the commit logs of the sync server and of the workers that read them.

pub(crate) mod caches_are_coherent;
pub(crate) mod effects_happen_once;
pub(crate) mod server_is_linearizable;
