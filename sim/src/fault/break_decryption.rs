//! The fault `break-decryption`.

use engine::id::{DeviceId, RecordId, Remote, UserId};
use harness::time::Span;

use super::{Behaviour, Control, Hit, Lasts, Longest, Names, Near, Need, Reach, SOON, declare};
use crate::host::Node;

declare! {
    /// The stored bytes of a row are damaged, for all or as one device is served them.
    BreakDecryption { remote: Remote = "remote", row: RecordId = "row", user: UserId = "user", seen_by: Option<DeviceId> = "seen-by", }
    word: "break-decryption",
    synonyms: &["corrupt-row", "corrupt"],
    lasts: Lasts::Until("heal-decryption", Longest::Incurable),
    near: Near::AfterRow(Span(2 * SOON.0)),
}

impl Behaviour for BreakDecryption {
    fn host(&self) -> Node {
        self.remote.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        let by = self.seen_by.map(|by| format!(" as {} sees it", names.host(by.into())));
        let (row, user, remote) = (self.row, names.user(self.user), names.host(self.remote.into()));
        format!("{row} of {user} on {remote} is damaged{}", by.unwrap_or_default())
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(self.remote)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        let (vault, seen_by) = (self.user.into(), self.seen_by);
        Some((self.remote, Control::Corrupt(vault, self.row, seen_by, begins)))
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
