//! The fault `slow-ai`.

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Need, Times, declare};
use crate::host::Node;

declare! {
    /// The step of processors takes `times` as long.
    SlowAi { times: Times = "times", }
    word: "slow-ai",
    lasts: Lasts::Until("heal-slow-ai", Longest::Storm),
    needs_server: true,
}

impl Behaviour for SlowAi {
    fn host(&self) -> Node {
        Node::World
    }

    fn tell(&self, _names: &dyn Names) -> String {
        "the AI step is slow".to_owned()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Processors]
    }

    fn shape(&self, conditions: &mut Conditions) {
        let times = &mut conditions.step.times;
        *times = (*times).max(self.times.0);
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::StepBegan
    }
}
