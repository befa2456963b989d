//! The fault `failing-ai`.

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Need, declare};
use crate::host::Node;

declare! {
    /// The step of processors ends without a result.
    FailingAi { }
    word: "failing-ai",
    lasts: Lasts::Until("heal-failing-ai", Longest::Storm),
    needs_server: true,
}

impl Behaviour for FailingAi {
    fn host(&self) -> Node {
        Node::World
    }

    fn tell(&self, _names: &dyn Names) -> String {
        "the AI step fails".to_owned()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Processors]
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.step.fails = true;
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::StepFailed
    }
}
