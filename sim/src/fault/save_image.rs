//! The fault `save-image`.

use engine::id::DeviceId;

use super::{Action, Behaviour, FaultKind, Loss, Names, Need, declare};
use crate::host::Node;

declare! {
    /// A backup of a device's disk is made.
    SaveImage { device: DeviceId = "device", }
    word: "save-image",
    drawn_with: Some(FaultKind::RestoreImage),
}

impl Behaviour for SaveImage {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("a backup of {} is made", names.host(self.device.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::HasDisk(self.device)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::SaveImage(self.device))
    }

    fn loss(&self) -> Option<Loss> {
        Some(Loss::Image(self.device, self.device))
    }
}
