//! The fault `expire-cursors`.

use engine::id::Remote;

use super::{Behaviour, Control, Hit, Names, Need, declare};
use crate::host::Node;

declare! {
    /// All cursors that were handed out become invalid.
    ExpireCursors { remote: Remote = "remote", }
    word: "expire-cursors",
}

impl Behaviour for ExpireCursors {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("all cursors of {} expire", names.host(self.remote.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        begins.then_some((self.remote, Control::ExpireCursors))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::CursorRefused(self.remote)
    }
}
