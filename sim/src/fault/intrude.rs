//! The fault `intrude`.

use engine::id::{Remote, UserId};

use super::{Action, Behaviour, Names, Need, Reach, declare};
use crate::host::Node;

declare! {
    /// An intruder asks for a user's rows with forged ids, cursors and credentials.
    Intrude { remote: Remote = "remote", user: UserId = "user", }
    word: "intrude",
}

impl Behaviour for Intrude {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!(
            "an intruder asks {} for rows of {}",
            names.host(self.remote.into()),
            names.user(self.user)
        )
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Intrude(self.remote, self.user))
    }

    fn reach(&self) -> Reach {
        Reach::Nobody
    }
}
