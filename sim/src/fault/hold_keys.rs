//! The fault `hold-keys`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Conditions, Hit, Lasts, Longest, Names, Near, declare};
use crate::host::Node;

declare! {
    /// Keys of the keychain do not reach a device.
    HoldKeys { device: DeviceId = "device", }
    word: "hold-keys",
    lasts: Lasts::Until("release-keys", Longest::Incurable),
    near: Near::Rotation,
}

impl Behaviour for HoldKeys {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("keys do not reach {}", names.host(self.device.into()))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.hold_keys(self.device);
    }

    fn after(&self) -> Option<Action> {
        Some(Action::SendKeys(self.device))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::KeyHeld(self.device)
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("withheld key")
    }
}
