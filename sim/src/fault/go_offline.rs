//! The fault `go-offline`.

use engine::id::DeviceId;

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Reach, declare};
use crate::host::Node;

declare! {
    /// A device is cut off from everything.
    GoOffline { device: DeviceId = "device", }
    word: "go-offline",
    synonyms: &["offline", "airplane-mode"],
    lasts: Lasts::Until("go-online", Longest::Ever),
}

impl Behaviour for GoOffline {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is offline", names.host(self.device.into()))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.take_offline(self.device);
    }

    fn reach(&self) -> Reach {
        Reach::Link(self.device.into(), self.device.into())
    }

    fn strikes(&self, hit: Hit) -> bool {
        matches!(hit, Hit::MessageLost(from, to) if [from, to].contains(&self.device.into()))
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("cut-off device")
    }
}
