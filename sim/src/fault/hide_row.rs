//! The fault `hide-row`.

use engine::id::{RecordId, Remote, UserId};

use super::{Behaviour, Control, Hit, Lasts, Longest, Names, Near, Need, Reach, SOON, declare};
use crate::host::Node;

declare! {
    /// A row is hidden from its user.
    HideRow { user: UserId = "user", row: RecordId = "row", }
    word: "hide-row",
    lasts: Lasts::Until("show-row", Longest::Ever),
    near: Near::AfterRow(SOON),
}

impl Behaviour for HideRow {
    fn host(&self) -> Node {
        Remote::Rows.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is hidden from {}", self.row, names.user(self.user))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(Remote::Rows)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        Some((Remote::Rows, Control::Hide(self.user.into(), self.row, begins)))
    }

    fn reach(&self) -> Reach {
        Reach::User(self.user)
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::RowHidden(self.user.into(), self.row)
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("hidden row")
    }
}
