//! The fault `restore-remote`: a provider sets the whole database back to a backup, and tells no device.

use engine::id::Remote;

use super::{Age, Behaviour, Control, Hit, Names, Need, declare};
use crate::host::Node;

declare! {
    /// All rows of a remote, of every user, become what they were `by` earlier, and its cursors expire.
    RestoreRemote { remote: Remote = "remote", by: Age = "by", }
    word: "restore-remote",
}

impl Behaviour for RestoreRemote {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is set back to what it was {} ago", names.host(self.host()), self.by.0)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        begins.then_some((self.remote, Control::Restore(self.by)))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::RemoteSetBack(self.remote)
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("restored remote")
    }
}
