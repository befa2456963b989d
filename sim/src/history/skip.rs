//! Why a step could not be done.

use serde::{Deserialize, Serialize};

use crate::fault::Need;

/// Why a step could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Skip {
    /// What it waited for had not come when the faults ended.
    NotDue,
    /// Its host was not running.
    Off,
    /// Its host lost power just then.
    Interrupted,
    /// The user was not shown what it is about, or the machine cannot do that now.
    Nothing,
    /// The fault needs this.
    Needs(Need),
}
