//! The fault `clock-jump`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Names, Shift, declare};
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

    fn action(&self) -> Option<Action> {
        Some(Action::JumpClock(self.device.into(), self.by.0))
    }
}
