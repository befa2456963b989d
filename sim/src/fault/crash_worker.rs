//! The fault `crash-worker`.

use super::{Action, Behaviour, Effects, Lasts, Names, Need, declare};
use crate::host::{Node, WorkerId};

declare! {
    /// The same of a worker.
    CrashWorker { worker: WorkerId = "worker", effects: Effects = "effects", }
    word: "crash-worker",
    synonyms: &["kill-worker", "restart-worker"],
    lasts: Lasts::UntilBack,
    needs_server: true,
}

impl Behaviour for CrashWorker {
    fn host(&self) -> Node {
        self.worker.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} is down", names.host(self.worker.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Up(self.worker.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Crash(self.worker.into()))
    }
}
