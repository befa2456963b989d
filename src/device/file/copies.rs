//! The flaw FB-09: a conflict is made into real files, by every device that sees it.

use super::super::errand::Errand;
use super::super::{Answer, Device, FileAnswer, FileTarget};
use crate::message::Shown;
use crate::time::Now;

impl Device {
    /// Notes a conflict that was not there before.
    pub(super) fn note_conflict(&mut self, shown: &Shown) {
        let before = self.store.nodes().get(&shown.id).map_or(0, |before| before.heads.len());
        if shown.heads.len() > before.max(1) {
            self.server.to_copy.insert(shown.id);
        }
    }

    /// Reads a file in conflict.
    pub(in crate::device) fn next_copy(&mut self) -> Option<Errand> {
        let node = self.server.to_copy.first().copied()?;
        let errand = self.read_file(node).ok();
        if errand.is_none() {
            self.server.to_copy.remove(&node);
        }
        errand
    }

    /// Makes a file of every head but the first, named from this device and its clock.
    pub(in crate::device) fn copy_losers(&mut self, now: Now, answer: Answer) {
        let Some(node) = self.server.to_copy.pop_first() else { return };
        let Answer::File(FileAnswer::Content(heads)) = answer else { return };
        let (parent, name) = self.last_place(node);
        for content in heads.into_iter().skip(1).filter_map(|(_, content)| content.ok()) {
            let name = format!("{name} (conflict {}-{})", self.boot.device.0, now.wall.0);
            let target = FileTarget::New { parent, name };
            if let Ok((new, target)) = self.aim(target) {
                self.save_write(now, new, target, content);
            }
        }
    }
}
