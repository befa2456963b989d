//! The fault `restore-volume`.

use super::{Action, Age, Behaviour, Hit, Lasts, Names, Need, declare};
use crate::host::Node;

declare! {
    /// All workers stop, every object becomes what it was `by` earlier, and the workers start after `for`.
    RestoreVolume { by: Age = "by", }
    word: "restore-volume",
    lasts: Lasts::UntilBack,
    needs_server: true,
}

impl Behaviour for RestoreVolume {
    fn host(&self) -> Node {
        Node::Volume
    }

    fn tell(&self, _names: &dyn Names) -> String {
        format!("the volume is set back to what it was {} ago", self.by.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Server]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::RestoreVolume(self.by))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::VolumeSetBack
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("restored volume")
    }
}
