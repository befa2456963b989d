//! The fault `drop-policy`.

use engine::id::Remote;

use super::{Behaviour, Control, Fault, Hit, Lasts, Longest, Lot, Names, Need, declare};
use crate::host::Node;

declare! {
    /// Row-level security is off: every vault is served to every user.
    DropPolicy { }
    word: "drop-policy",
    lasts: Lasts::Until("restore-policy", Longest::Ever),
    draw: draw,
}

impl Behaviour for DropPolicy {
    fn host(&self) -> Node {
        Remote::Rows.into()
    }

    fn tell(&self, _names: &dyn Names) -> String {
        "row-level security is off".to_owned()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(Remote::Rows)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        Some((Remote::Rows, Control::DropPolicy(begins)))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::PolicyMissed
    }
}

/// A policy has something to protect where there are several users.
fn draw(lot: &mut dyn Lot) -> Option<Fault> {
    lot.has_users().then(|| DropPolicy {}.into())
}
