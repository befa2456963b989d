//! The feed: what has changed on the server, page by page, each in one commit with its cursor.

use std::collections::BTreeSet;

use super::super::errand::{Errand, Next, Then};
use super::super::{Batch, Device, FileTarget};
use crate::flaw::Flaw;
use crate::id::{Dot, NodeId};
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

    pub(super) fn ask_feed(&self, asked_at: Time) -> Errand {
        let action = FileAction::Feed(self.store.feed(), self.boot.timing.page);
        Errand::file(action, Then::Feed(Pull { asked_at, anew: None }))
    }

    /// Asks for everything, or for what comes after that.
    fn ask_feed_anew(
        &self,
        asked_at: Time,
        (since, read): (Option<FeedCursor>, Vec<Shown>),
    ) -> Errand {
        let action = FileAction::Feed(since, self.boot.timing.page);
        Errand::file(action, Then::Feed(Pull { asked_at, anew: Some(read) }))
    }

    /// Takes a page.
    pub(in crate::device) fn take_feed(
        &mut self,
        now: Now,
        pull: Pull,
        answer: Result<Reply, Refusal>,
    ) -> Next {
        let Pull { asked_at, anew } = pull;
        match (answer, anew) {
            (Ok(Reply::File(FileReply::Page { changed, next, more })), None) => {
                self.take_changes(changed, next);
                if more { Next::Ask(self.ask_feed(asked_at)) } else { self.end_feed(now, asked_at) }
            }
            (Ok(Reply::File(FileReply::Page { changed, next, more })), Some(mut read)) => {
                read.extend(changed);
                if more {
                    return Next::Ask(self.ask_feed_anew(asked_at, (Some(next), read)));
                }
                self.replace_nodes(read, next);
                self.end_feed(now, asked_at)
            }
            (Err(Refusal::File(FileRefusal::CursorExpired)), _) => {
                Next::Ask(self.ask_feed_anew(asked_at, (None, Vec::new())))
            }
            (Ok(_) | Err(_), _) => self.rest(now),
        }
    }

    /// The feed has been read to its head, of a log that has all that was heard of. So an own write that
    /// was published before is in the mirror, as a head or under what replaced it, and is done with.
    fn end_feed(&mut self, now: Now, asked_at: Time) -> Next {
        let published = self.own_writes().filter(|(_, write)| write.published.is_some());
        let published: Vec<Dot> = published.map(|(dot, _)| dot).collect();
        published.into_iter().for_each(|dot| self.store.drop_upload(dot));
        self.server.succeed();
        let every = self.boot.timing.feed_every;
        let due = now.mono + self.somewhat_less(every);
        self.server.end_pull(asked_at, due);
        Next::End
    }

    /// The log is not the one that was heard of. It may lack what that one had published.
    pub(in crate::device) fn send_published_again(&mut self) {
        let published = self.own_writes().filter(|(_, write)| write.published.is_some());
        let published: Vec<_> = published.map(|(dot, write)| (dot, write.clone())).collect();
        for (dot, write) in published {
            self.keep_write(dot, super::OwnWrite { published: None, ..write });
        }
    }

    /// The log is not the one that was read. What this one has takes the place of all that was known, in
    /// one commit: until then the cursor is of the old one, and a crash begins anew.
    fn replace_nodes(&mut self, all: Vec<Shown>, next: FeedCursor) {
        let there: BTreeSet<NodeId> = all.iter().map(|shown| shown.id).collect();
        self.found_anew(&there);
        let gone: Vec<_> =
            self.store.nodes().keys().copied().filter(|id| !there.contains(id)).collect();
        gone.into_iter().for_each(|id| self.store.drop_node(id));
        all.into_iter().for_each(|shown| self.take_node(shown));
        self.store.set_feed(Some(next));
    }

    fn take_changes(&mut self, changed: Vec<Shown>, next: FeedCursor) {
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
            self.take_node(shown);
        }
        self.store.set_feed(Some(next));
    }

    /// A file that is no more is made anew of the first own write to it, where it was.
    fn found_anew(&mut self, there: &BTreeSet<NodeId>) {
        let mut made = BTreeSet::new();
        let own: Vec<_> = self.own_writes().map(|(dot, write)| (dot, write.clone())).collect();
        for (dot, write) in own {
            let node = write.node;
            let is_first = made.insert(node);
            if is_first && !there.contains(&node) {
                let (parent, name) = self.last_place(node);
                let target = FileTarget::New { parent, name };
                self.keep_write(dot, super::OwnWrite { target, ..write });
            }
        }
    }

    /// Takes what the server has of a node. Own writes that are heads of it are done with.
    fn take_node(&mut self, shown: Shown) {
        if self.boot.flaws.has(Flaw::Fb09) {
            self.note_conflict(&shown);
        }
        let own = self.own_writes().filter(|(_, write)| write.node == shown.id);
        let is_head = |dot: &Dot| shown.heads.iter().any(|(_, it)| it.write == *dot);
        let done: Vec<Dot> = own.map(|(dot, _)| dot).filter(is_head).collect();
        self.store.set_node(shown);
        for dot in done {
            self.server.succeed();
            self.store.drop_upload(dot);
        }
    }
}

/// A pull of the feed under way.
#[derive(Clone, Debug)]
pub(in crate::device) struct Pull {
    /// When it was asked for.
    asked_at: Time,
    /// Where everything is read anew: what has been read so far.
    anew: Option<Vec<Shown>>,
}
