//! The fault `late-lists`.

use super::{Age, Behaviour, Conditions, Hit, Lasts, Longest, Names, Need, declare};
use crate::host::Node;

declare! {
    /// Lists of the volume lack what was created within this time.
    LateLists { by: Age = "by", }
    word: "late-lists",
    lasts: Lasts::Until("heal-lists", Longest::Storm),
    needs_server: true,
}

impl Behaviour for LateLists {
    fn host(&self) -> Node {
        Node::Volume
    }

    fn tell(&self, _names: &dyn Names) -> String {
        format!("lists of the volume are late by {}", self.by.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Server]
    }

    fn shape(&self, conditions: &mut Conditions) {
        let lag = &mut conditions.volume.list_lag;
        *lag = (*lag).max(self.by.0);
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::ListLagged
    }
}
