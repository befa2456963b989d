//! The fault `lose-replies`.

use engine::id::Remote;

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, declare};
use crate::host::Node;

declare! {
    /// A remote's answers are lost after their requests took effect.
    LoseReplies { remote: Remote = "remote", }
    word: "lose-replies",
    lasts: Lasts::Until("heal-replies", Longest::Storm),
}

impl Behaviour for LoseReplies {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("answers of {} are lost", names.host(self.remote.into()))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.lose_replies(self.remote);
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::AnswerLost(self.remote)
    }
}
