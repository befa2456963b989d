//! The fault `worker-clock-jump`.

use super::{Action, Behaviour, Names, Need, Shift, declare};
use crate::host::{Node, WorkerId};

declare! {
    /// A worker's wall clock jumps.
    WorkerClockJump { worker: WorkerId = "worker", by: Shift = "by", }
    word: "worker-clock-jump",
    needs_server: true,
}

impl Behaviour for WorkerClockJump {
    fn host(&self) -> Node {
        self.worker.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("clock of {} jumps by {}", names.host(self.worker.into()), self.by)
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Up(self.worker.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::JumpClock(self.worker.into(), self.by.0))
    }
}
