//! The fault `crash`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Effects, Lasts, Names, Need, declare};
use crate::host::Node;

declare! {
    /// A device loses power, after `effects` more effects if that is given, and starts again after `for`.
    Crash { device: DeviceId = "device", effects: Effects = "effects", }
    word: "crash",
    synonyms: &["kill", "restart", "power-off"],
    lasts: Lasts::UntilBack,
}

impl Behaviour for Crash {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is down", names.host(self.device.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Up(self.device.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Crash(self.device.into()))
    }
}
