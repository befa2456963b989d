//! The fault `fill-disk`.

use engine::id::DeviceId;

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, declare};
use crate::host::Node;

declare! {
    /// Commits of a device fail.
    FillDisk { device: DeviceId = "device", }
    word: "fill-disk",
    synonyms: &["disk-full"],
    lasts: Lasts::Until("heal-full-disk", Longest::Storm),
}

impl Behaviour for FillDisk {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("disk of {} is full", names.host(self.device.into()))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.fill_disk(self.device);
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::CommitFailed(self.device)
    }
}
