//! The feed: what has changed on the server, page by page, each in one commit with its cursor.

use super::super::errand::{Errand, Next, Then};
use super::super::{Batch, Device};
use crate::flaw::Flaw;
use crate::id::Dot;
use crate::message::{FeedCursor, FileAction, FileRefusal, FileReply, Refusal, Reply, Shown};
use crate::time::{Now, Time};

impl Device {
    /// The feed is read as soon as may be.
    pub(in crate::device) fn pull_feed_soon(&mut self, now: Now) {
        if self.boot.server {
            self.server.pull_feed(now.mono);
        }
    }

    /// Asks for what is new, if it is time to.
    pub(in crate::device) fn next_pull(&self, now: Now) -> Option<Errand> {
        let due = self.server.feed_due().is_some_and(|due| due <= now.mono);
        due.then(|| self.ask_feed(now.mono))
    }

    fn ask_feed(&self, asked_at: Time) -> Errand {
        let action = FileAction::Feed(self.store.feed(), self.boot.timing.page);
        Errand::file(action, Then::Feed(asked_at))
    }

    /// Takes a page.
    pub(in crate::device) fn take_feed(
        &mut self,
        now: Now,
        asked_at: Time,
        answer: Result<Reply, Refusal>,
    ) -> Next {
        match answer {
            Ok(Reply::File(FileReply::Page { changed, next, more })) => {
                self.take_changes(now, changed, next);
                if more {
                    return Next::Ask(self.ask_feed(asked_at));
                }
                self.server.succeed();
                let every = self.boot.timing.feed_every;
                let due = now.mono + self.somewhat_less(every);
                self.server.end_pull(asked_at, due);
                Next::End
            }
            // The log is not the one that was read: what was sent into that one is sent again.
            Err(Refusal::File(FileRefusal::CursorExpired)) => {
                self.store.set_feed(None);
                let own: Vec<_> = self.own_writes().map(|(dot, it)| (dot, it.clone())).collect();
                for (dot, write) in own {
                    self.keep_write(dot, super::OwnWrite { published: None, ..write });
                }
                Next::Ask(self.ask_feed(asked_at))
            }
            Ok(_) | Err(_) => self.rest(now),
        }
    }

    fn take_changes(&mut self, now: Now, changed: Vec<Shown>, next: FeedCursor) {
        // What brings nothing moves nothing: a device at rest writes nothing.
        if changed.is_empty() {
            return;
        }
        if self.boot.flaws.has(Flaw::VfStateTwoFiles) {
            self.store.set_feed(Some(next));
            if let Some(batch) = self.store.take_batch() {
                self.persist(Batch { sync: true, ..batch });
            }
        }
        for shown in changed {
            self.take_node(now, shown);
        }
        self.store.set_feed(Some(next));
    }

    /// Takes what the server has of a node. Own writes that are in it are done with.
    fn take_node(&mut self, now: Now, shown: Shown) {
        if self.boot.flaws.has(Flaw::Fb09) {
            self.note_conflict(&shown);
        }
        let node = shown.id;
        let version = |dot: Dot| shown.heads.iter().find(|(_, it)| it.write == dot).map(|it| it.0);
        let own = self.own_writes().filter(|(_, write)| write.node == node);
        let shown_now: Vec<(Dot, u32)> =
            own.filter_map(|(dot, write)| Some((dot, version(dot).or(write.published)?))).collect();
        self.store.set_node(shown);
        for (dot, n) in shown_now {
            if self.is_fed(node, n) {
                self.note_published(now, dot, n);
            }
        }
    }
}
