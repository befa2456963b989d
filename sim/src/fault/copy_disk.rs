//! The fault `clone`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Loss, Names, Need, Spare, declare};
use crate::host::Node;

declare! {
    /// A device's disk is copied to another device, which starts.
    CopyDisk { device: DeviceId = "device", to: Spare = "to", }
    word: "clone",
    synonyms: &["clone-device"],
}

impl Behaviour for CopyDisk {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is copied to {}", names.host(self.device.into()), names.host(self.to.0.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::HasDisk(self.device), Need::CanBeCopyOf(self.to.0, self.device)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::CopyDisk(self.device, self.to.0))
    }

    fn loss(&self) -> Option<Loss> {
        Some(Loss::Image(self.device, self.to.0))
    }
}
