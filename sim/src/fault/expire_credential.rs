//! The fault `expire-credential`.

use engine::id::{DeviceId, Remote};

use super::{Action, Behaviour, Hit, Names, Need, declare};
use crate::host::Node;

declare! {
    /// The credential that a device has is not accepted any more.
    ExpireCredential { device: DeviceId = "device", }
    word: "expire-credential",
}

impl Behaviour for ExpireCredential {
    fn host(&self) -> Node {
        self.device.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("credential of {} is revoked", names.host(self.device.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(Remote::Rows)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Revoke(self.device))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::CredentialRefused(self.device)
    }
}
