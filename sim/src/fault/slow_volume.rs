//! The fault `slow-volume`.

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Need, Times, declare};
use crate::host::Node;

declare! {
    /// The volume takes `times` as long.
    SlowVolume { times: Times = "times", }
    word: "slow-volume",
    lasts: Lasts::Until("heal-slow-volume", Longest::Storm),
    needs_server: true,
}

impl Behaviour for SlowVolume {
    fn host(&self) -> Node {
        Node::Volume
    }

    fn tell(&self, _names: &dyn Names) -> String {
        "the volume is slow".to_owned()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Server]
    }

    fn shape(&self, conditions: &mut Conditions) {
        let times = &mut conditions.volume.times;
        *times = (*times).max(self.times.0);
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::VolumeSlowed
    }
}
