//! The fault `lose-hints`.

use engine::id::Remote;

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, declare};
use crate::host::Node;

declare! {
    /// A remote's hints are lost.
    LoseHints { remote: Remote = "remote", }
    word: "lose-hints",
    lasts: Lasts::Until("heal-hints", Longest::Ever),
}

impl Behaviour for LoseHints {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("hints of {} are lost", names.host(self.remote.into()))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.lose_hints(self.remote);
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::HintLost(self.remote)
    }
}
