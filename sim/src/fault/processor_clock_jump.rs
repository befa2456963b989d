//! The fault `processor-clock-jump`.

use super::{Action, Behaviour, Names, Need, Shift, declare};
use crate::host::{Node, ProcessorId};

declare! {
    /// A processor's wall clock jumps.
    ProcessorClockJump { processor: ProcessorId = "processor", by: Shift = "by", }
    word: "processor-clock-jump",
    needs_server: true,
}

impl Behaviour for ProcessorClockJump {
    fn host(&self) -> Node {
        self.processor.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("clock of {} jumps by {}", names.host(self.processor.into()), self.by)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Up(self.processor.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::JumpClock(self.processor.into(), self.by.0))
    }
}
