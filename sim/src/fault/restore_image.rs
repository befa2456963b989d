//! The fault `restore-image`.

use engine::id::DeviceId;

use super::{Action, Behaviour, Fault, Lasts, Lot, Names, Need, SaveImage, declare};
use crate::host::Node;

declare! {
    /// A device is set back to its last backup and starts again after a while.
    RestoreImage { device: DeviceId = "device", }
    word: "restore-image",
    lasts: Lasts::UntilBack,
    draw: draw,
}

impl Behaviour for RestoreImage {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is set back to its backup", names.host(self.device.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Exists(self.device), Need::HasImage(self.device)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::RestoreImage(self.device))
    }

    fn is_interval(&self, _lasts: Lasts) -> bool {
        false
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("restored device")
    }
}

/// The backup is made some time before.
fn draw(lot: &mut dyn Lot) -> Option<Fault> {
    let device = lot.device();
    lot.precede(SaveImage { device }.into());
    Some(RestoreImage { device }.into())
}
