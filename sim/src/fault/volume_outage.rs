//! The fault `volume-outage`.

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Need, declare};
use crate::host::Node;

declare! {
    /// The volume answers nothing but that it failed.
    VolumeOutage { }
    word: "volume-outage",
    lasts: Lasts::Until("heal-volume", Longest::Storm),
    needs_server: true,
}

impl Behaviour for VolumeOutage {
    fn host(&self) -> Node {
        Node::Volume
    }

    fn tell(&self, _names: &dyn Names) -> String {
        "the volume is out of order".to_owned()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Server]
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.volume.is_out = true;
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::VolumeFailed
    }
}
