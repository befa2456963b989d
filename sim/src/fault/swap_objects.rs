//! The fault `swap-objects`: an object is genuine and stands in the wrong place. The seal binds what it
//! encrypts to a record, so a device has to notice.

use engine::id::{RecordId, Remote, UserId};

use super::{Behaviour, Control, Hit, Lasts, Longest, Names, Near, Need, Reach, SOON, declare};
use crate::host::Node;

declare! {
    /// A remote serves the sealed object of another row in the place of a row's own.
    SwapObjects { remote: Remote = "remote", row: RecordId = "row", with: RecordId = "with", user: UserId = "user", }
    word: "swap-objects",
    synonyms: &["swap-rows"],
    lasts: Lasts::Until("heal-objects", Longest::Storm),
    near: Near::AfterRow(SOON),
    draw: |lot| {
        let swap = Self::draw(lot)?;
        (swap.row != swap.with).then(|| swap.into())
    },
}

impl Behaviour for SwapObjects {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        let (user, remote) = (names.user(self.user), names.host(self.remote.into()));
        format!("{remote} serves {} of {user} in the place of {}", self.with, self.row)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        (self.row == self.with).then_some(("with", "a row cannot stand in its own place"))
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        let control = Control::Swap(self.user.into(), self.row, self.with, begins);
        Some((self.remote, control))
    }

    fn reach(&self) -> Reach {
        Reach::User(self.user)
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::RowDamaged(self.remote, self.user.into(), self.row)
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("damaged row")
    }
}
