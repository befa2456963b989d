//! The fault `pause-worker`.

use super::{Action, Behaviour, Hit, Lasts, Names, Need, declare};
use crate::host::{Node, WorkerId};

declare! {
    /// A worker stands still and goes on as if nothing had happened.
    PauseWorker { worker: WorkerId = "worker", }
    word: "pause-worker",
    synonyms: &["freeze-worker"],
    lasts: Lasts::UntilBack,
    needs_server: true,
}

impl Behaviour for PauseWorker {
    fn host(&self) -> Node {
        self.worker.into()
    }

    fn tell(&self, names: &dyn Names) -> String {
        format!("{} stands still", names.host(self.worker.into()))
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Awake(self.worker.into())]
    }

    fn action(&self) -> Option<Action> {
        Some(Action::Pause(self.worker.into()))
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::Stalled(self.worker.into())
    }
}
