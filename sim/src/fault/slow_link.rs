//! The fault `slow-link`.

use engine::id::{DeviceId, Remote};

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Reach, Times, declare};
use crate::host::Node;

declare! {
    /// Messages to and from a remote take `times` as long.
    SlowLink { device: DeviceId = "device", to: Remote = "to", times: Times = "times", }
    word: "slow-link",
    lasts: Lasts::Until("heal-link", Longest::Ever),
}

impl Behaviour for SlowLink {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("slow link: {} ↔ {}", names.host(self.device.into()), names.host(self.to.into()))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.slow_link(self.device, self.to, self.times);
    }

    fn reach(&self) -> Reach {
        Reach::Link(self.device.into(), self.device.into())
    }

    fn strikes(&self, hit: Hit) -> bool {
        let link = [self.device.into(), self.to.into()];
        matches!(hit, Hit::MessageSent(from, to) if from != to && link.contains(&from) && link.contains(&to))
    }
}
