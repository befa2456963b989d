//! The fault `crash-processor`.

use super::{Action, Behaviour, Effects, Lasts, Names, Need, declare};
use crate::host::{Node, ProcessorId};

declare! {
    /// The same of a processor.
    CrashProcessor { processor: ProcessorId = "processor", effects: Effects = "effects", }
    word: "crash-processor",
    lasts: Lasts::UntilBack,
    needs_server: true,
}

impl Behaviour for CrashProcessor {
    fn host(&self) -> Node {
        self.processor.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is down", names.host(self.processor.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Up(self.processor.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Crash(self.processor.into()))
    }
}
