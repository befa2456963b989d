//! The fault `pause`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Hit, Lasts, Names, Need, declare};
use crate::host::Node;

declare! {
    /// A device stands still and goes on after a while.
    Pause { device: DeviceId = "device", }
    word: "pause",
    lasts: Lasts::UntilBack,
}

impl Behaviour for Pause {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} stands still", names.host(self.device.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Awake(self.device.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Pause(self.device.into()))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::Stalled(self.device.into())
    }
}
