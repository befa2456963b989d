//! The fault `destroy`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Fault, Lasts, Loss, Lot, Names, Need, declare};
use crate::host::Node;

declare! {
    /// A device is gone for ever.
    Destroy { device: DeviceId = "device", }
    word: "destroy",
    most: Some(1),
    draw: draw,
}

impl Behaviour for Destroy {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is gone for ever", names.host(self.device.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Exists(self.device)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Destroy(self.device))
    }

    fn is_interval(&self, _lasts: Lasts) -> bool {
        true
    }

    fn loss(&self) -> Option<Loss> {
        Some(Loss::Device(self.device))
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("destroyed device")
    }
}

/// A user keeps one device at least.
fn draw(lot: &mut dyn Lot) -> Option<Fault> {
    lot.has_others().then(|| Destroy { device: lot.device() }.into())
}
