//! The fault `old-build`: users update their devices one after the other, so that several builds work on
//! the same records. An older build must keep what only newer ones know, and the server must answer it in a form
//! that it can read.

use engine::id::DeviceId;

use super::{Action, Behaviour, Conditions, Lasts, Longest, Names, Need, declare};
use crate::host::Node;

declare! {
    /// A device runs the build before this one, which lacks the newest field and the server's newest refusals.
    OldBuild { device: DeviceId = "device", }
    word: "old-build",
    lasts: Lasts::Until("upgrade", Longest::Storm),
}

impl Behaviour for OldBuild {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} runs an older build", names.host(self.host()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Exists(self.device)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Restart(self.device))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.install_previous(self.device);
    }

    fn after(&self) -> Option<Action> {
        Some(Action::Restart(self.device))
    }
}
