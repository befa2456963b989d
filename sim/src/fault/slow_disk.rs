//! The fault `slow-disk`.

use engine::id::DeviceId;

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Times, declare};
use crate::host::Node;

declare! {
    /// Commits of a device take `times` as long.
    SlowDisk { device: DeviceId = "device", times: Times = "times", }
    word: "slow-disk",
    lasts: Lasts::Until("heal-slow-disk", Longest::Ever),
}

impl Behaviour for SlowDisk {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("disk of {} is slow", names.host(self.device.into()))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.slow_disk(self.device, self.times);
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::CommitMade(self.device)
    }
}
