//! The fault `intrude-server`.

use engine::id::UserId;

use super::{Action, Behaviour, Names, Need, declare};
use crate::host::Node;

declare! {
    /// Another user asks for a user's account, and with a forged cursor for their files.
    IntrudeServer { user: UserId = "user", }
    word: "intrude-server",
    needs_server: true,
}

impl Behaviour for IntrudeServer {
    fn host(&self) -> Node {
        Node::Intruder
    }

    fn tell(&self, names: &dyn Names) -> String {
        let whose = names.user(self.user);
        format!("an intruder asks the sync server for the account and the files of {whose}")
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Server]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::IntrudeServer(self.user))
    }
}
