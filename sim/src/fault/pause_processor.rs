//! The fault `pause-processor`.

use super::{Action, Behaviour, Hit, Lasts, Names, Need, declare};
use crate::host::{Node, ProcessorId};

declare! {
    /// A processor stands still and goes on after a while.
    PauseProcessor { processor: ProcessorId = "processor", }
    word: "pause-processor",
    lasts: Lasts::UntilBack,
    needs_server: true,
}

impl Behaviour for PauseProcessor {
    fn host(&self) -> Node {
        self.processor.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} stands still", names.host(self.processor.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Awake(self.processor.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Pause(self.processor.into()))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::Stalled(self.processor.into())
    }
}
