//! The fault `clock-jump`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Names, Need, Shift, declare};
use crate::host::Node;

declare! {
    /// A device's wall clock jumps.
    ClockJump { device: DeviceId = "device", by: Shift = "by", }
    word: "clock-jump",
}

impl Behaviour for ClockJump {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("clock of {} jumps by {}", names.host(self.device.into()), self.by)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Exists(self.device)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::JumpClock(self.device.into(), self.by.0))
    }
}
