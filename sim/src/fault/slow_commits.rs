//! The fault `slow-commits`.

use engine::id::Remote;

use super::{Behaviour, Control, Hit, Lasts, Longest, Names, Need, Wait, declare};
use crate::host::Node;

declare! {
    /// Some transactions take this long from start to commit.
    SlowCommits { taking: Wait = "taking", }
    word: "slow-commits",
    lasts: Lasts::Until("heal-commits", Longest::Ever),
}

impl Behaviour for SlowCommits {
    fn host(&self) -> Node {
        Remote::Rows.into()
    }

    fn tell(&self, _names: &dyn Names) -> String {
        "some transactions are slow".to_owned()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Remote(Remote::Rows)]
    }

    fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        Some((Remote::Rows, Control::SlowCommits(begins.then_some(self.taking.0))))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::TransactionSlowed
    }
}
