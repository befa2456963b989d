//! The fault `end-zone`.

use engine::id::{Remote, UserId};
use engine::remote::Ending;

use super::{Behaviour, Control, Hit, Loss, Names, Need, Reach, declare};
use crate::host::Node;

declare! {
    /// A user's zone ends: `deleted`, `purged` or `reset`.
    EndZone { user: UserId = "user", how: Ending = "how", }
    word: "end-zone",
}

impl Behaviour for EndZone {
    fn host(&self) -> Node {
        Remote::Zone.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("zone of {} ends: {}", names.user(self.user), ending(self.how))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(Remote::Zone)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        begins.then_some((Remote::Zone, Control::EndZone(self.user.into(), self.how)))
    }

    fn reach(&self) -> Reach {
        Reach::User(self.user)
    }

    fn loss(&self) -> Option<Loss> {
        Some(Loss::Zone(self.user))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::ZoneEnded(self.user.into())
    }

    fn excuse(&self) -> Option<&'static str> {
        Some(match self.how {
            Ending::Deleted => "deleted zone",
            Ending::Purged => "purged zone",
            Ending::EncryptedDataReset => "reset zone",
        })
    }
}

/// How a zone ended, in a sentence.
pub const fn ending(how: Ending) -> &'static str {
    match how {
        Ending::Deleted => "deleted",
        Ending::Purged => "purged by the user",
        Ending::EncryptedDataReset => "its keys were reset",
    }
}
