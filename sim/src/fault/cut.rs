//! The fault `cut`.

use super::{Behaviour, Conditions, Fault, Hit, Lasts, Longest, Lot, Names, Reach, declare};
use crate::host::Node;

declare! {
    /// Messages from one to the other vanish.
    Cut { from: Node = "from", to: Node = "to", }
    word: "cut",
    synonyms: &["partition", "split"],
    lasts: Lasts::Until("heal-cut", Longest::Ever),
    draw: draw,
}

impl Behaviour for Cut {
    fn host(&self) -> Node {
        self.from
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("link cut: {} → {}", names.host(self.from), names.host(self.to))
    }

    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        (self.from == self.to).then_some(("to", "from and to are the same"))
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.cut(self.from, self.to);
    }

    fn reach(&self) -> Reach {
        Reach::Link(self.from, self.to)
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::MessageLost(self.from, self.to)
    }

    fn excuse(&self) -> Option<&'static str> {
        Some("cut-off device")
    }
}

/// One direction of a link, or the other.
fn draw(lot: &mut dyn Lot) -> Option<Fault> {
    let (device, remote) = (lot.device().into(), lot.remote().into());
    let (from, to) = if lot.flip() { (device, remote) } else { (remote, device) };
    Some(Cut { from, to }.into())
}
