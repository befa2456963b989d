//! The fault `outage`.

use engine::id::Remote;

use super::{Behaviour, Control, Hit, Lasts, Longest, Names, Need, declare};
use crate::host::Node;

declare! {
    /// A remote answers nothing but that it is out of order.
    Outage { remote: Remote = "remote", }
    word: "outage",
    lasts: Lasts::Until("heal-outage", Longest::Storm),
}

impl Behaviour for Outage {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is out of order", names.host(self.remote.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        Some((self.remote, Control::Outage(begins)))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::Unavailable(self.remote)
    }
}
