//! The fault `lose-volume-replies`.

use super::{Behaviour, Conditions, Hit, Lasts, Longest, Names, Need, declare};
use crate::host::Node;

declare! {
    /// Answers of the volume are lost after their requests took effect.
    LoseVolumeReplies { }
    word: "lose-volume-replies",
    lasts: Lasts::Until("heal-volume-replies", Longest::Storm),
    needs_server: true,
}

impl Behaviour for LoseVolumeReplies {
    fn host(&self) -> Node {
        Node::Volume
    }

    fn tell(&self, _names: &dyn Names) -> String {
        "answers of the volume are lost".to_owned()
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Server]
    }

    fn shape(&self, conditions: &mut Conditions) {
        conditions.volume.loses_replies = true;
    }

    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::VolumeAnswerLost
    }
}
