//! The fault `throttle`.

use engine::id::Remote;

use super::{Behaviour, Control, Hit, Lasts, Longest, Names, Need, Wait, declare};
use crate::host::Node;

declare! {
    /// A remote refuses everything and asks to wait.
    Throttle { remote: Remote = "remote", wait: Wait = "wait", }
    word: "throttle",
    synonyms: &["rate-limit"],
    lasts: Lasts::Until("heal-throttle", Longest::Storm),
}

impl Behaviour for Throttle {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} asks everyone to wait {}", names.host(self.remote.into()), self.wait.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        Some((self.remote, Control::Throttle(begins.then_some(self.wait.0))))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::Throttled(self.remote)
    }
}
