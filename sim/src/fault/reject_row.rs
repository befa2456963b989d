//! The fault `reject-row`.

use engine::id::{RecordId, Remote, UserId};

use super::{Behaviour, Control, Hit, Lasts, Longest, Names, Near, Need, Reach, SOON, declare};
use crate::host::Node;

declare! {
    /// Saves of a row are refused.
    RejectRow { remote: Remote = "remote", row: RecordId = "row", user: UserId = "user", }
    word: "reject-row",
    lasts: Lasts::Until("accept-row", Longest::Incurable),
    near: Near::BeforeRow(SOON),
}

impl Behaviour for RejectRow {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!(
            "{} refuses {} of {} for good",
            names.host(self.remote.into()),
            self.row,
            names.user(self.user)
        )
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        Some((self.remote, Control::Reject(self.user.into(), self.row, begins)))
    }

    fn reach(&self) -> Reach {
        Reach::User(self.user)
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::RowRefused(self.remote, self.user.into(), self.row)
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("refused row")
    }
}
