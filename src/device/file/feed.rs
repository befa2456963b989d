//! The feed: what has changed on the server, page by page, each in one commit with its cursor.
//!
//! A page without a change moves no cursor: sessions and claims are commits too, so a log grows where no
//! file changes, and every device would write at each look.
//!
//! If the log is another one, because the volume was restored, all of it is read before any of it counts,
//! and taken in one commit. Nodes that it lacks are dropped: of those only names were here. An own write is
//! kept until a feed, read to its end, comes from a log that has the commit of its publication; until then a
//! sign-out is refused.

use std::collections::BTreeSet;

use super::super::core::Core;
use super::super::next::Next;
use super::super::store::OwnWrite;
use super::listing::last_place;
use super::write::{change_author, keep};
use super::{FileErrand, FileTask, Files};
use crate::id::{Dot, NodeId};
use crate::message::{FeedCursor, FileAction, FileRefusal, FileReply, Refusal, Reply, Shown};
use crate::time::Time;

/// A pull of the feed under way.
#[derive(Clone, Debug)]
pub(in crate::device) struct FeedPull {
    /// Where everything is read again, from another log: what has been read of that so far.
    again: Option<Vec<Shown>>,
}

/// Asks for what is new, if it is time to.
pub(super) fn next(core: &Core, due: Option<Time>) -> Option<FileErrand> {
    due.is_some_and(|due| due <= core.now.mono).then(|| ask(core))
}

/// Asks for what is new.
pub(super) fn ask(core: &Core) -> FileErrand {
    ask_since(core, core.store.files().feed(), FeedPull { again: None })
}

fn ask_since(core: &Core, since: Option<FeedCursor>, pull: FeedPull) -> FileErrand {
    let action = FileAction::Feed(since, core.boot.timing.page);
    FileErrand { action, task: FileTask::Feed(pull) }
}

impl Files {
    /// Takes a page of the feed.
    pub(super) fn take_feed(
        &mut self,
        core: &mut Core,
        FeedPull { again }: FeedPull,
        answer: Result<Reply, Refusal>,
    ) -> Next<FileErrand> {
        let (changed, next, more) = match answer {
            Ok(Reply::File(FileReply::Page { changed, next, more })) => (changed, next, more),
            Err(Refusal::File(FileRefusal::CursorExpired)) => {
                tracing::debug!("the feed is of another log, and read from its start");
                let pull = FeedPull { again: Some(Vec::new()) };
                return Next::Ask(ask_since(core, None, pull));
            }
            // It failed inside. Hostile, or broken: an answer to another question.
            Ok(_) | Err(_) => return self.rest(core, None),
        };
        let _span = tracing::debug_span!("feed", changed = changed.len(), more).entered();
        match again {
            None => {
                self.take_changes(core, changed, next);
                if more {
                    return Next::Ask(ask(core));
                }
            }
            Some(mut read) => {
                read.extend(changed);
                if more {
                    let pull = FeedPull { again: Some(read) };
                    return Next::Ask(ask_since(core, Some(next), pull));
                }
                self.replace_nodes(core, read, next);
            }
        }
        self.end_feed(core);
        Next::End
    }

    /// The feed has been read to its head, of a log that has all that was heard of. So an own write that
    /// was published before is in the mirror, as a head or under what replaced it, and is done with.
    fn end_feed(&mut self, core: &mut Core) {
        published(core).into_iter().for_each(|(dot, _)| core.store.files_mut().drop_write(dot));
        self.succeed();
        let every = core.boot.timing.feed_every;
        self.feed_due = Some(core.now.mono + core.shortened(every));
    }

    /// The log is not the one that was heard of. It may lack what that one had published, which is sent
    /// again; and the feed tells what it has.
    pub(in crate::device) fn take_another_log(&mut self, core: &mut Core) {
        tracing::warn!("the server's log is another one: the volume was restored");
        for (dot, write) in published(core) {
            keep(core, dot, OwnWrite { published: None, ..write });
        }
        self.pull_soon(core);
    }

    /// The log is not the one that was read. What this one has takes the place of all that was known, in
    /// one commit: until then the cursor is of the old one, and a crash begins again.
    fn replace_nodes(&mut self, core: &mut Core, all: Vec<Shown>, next: FeedCursor) {
        let there: BTreeSet<NodeId> = all.iter().map(|shown| shown.id).collect();
        aim_at_new_files(core, &there);
        let known = core.store.files().nodes().keys().copied();
        let gone: Vec<_> = known.filter(|id| !there.contains(id)).collect();
        gone.into_iter().for_each(|id| core.store.files_mut().drop_node(id));
        all.into_iter().for_each(|shown| self.take_node(core, shown));
        core.store.files_mut().set_feed(Some(next));
        // What was written here may be gone, so that nothing tells what a later write was not built on.
        change_author(core);
        assert_eq!(core.store.files().nodes().len(), there.len(), "the mirror is what was read");
    }

    fn take_changes(&mut self, core: &mut Core, changed: Vec<Shown>, next: FeedCursor) {
        // A page that brings nothing moves no cursor: a device at rest writes nothing.
        if changed.is_empty() {
            return;
        }
        tracing::debug!(seq = next.at.seq, "moves the cursor of the feed");
        #[cfg(feature = "flaws")]
        if core.has(crate::flaw::Flaw::VfStateTwoFiles) {
            core.store.files_mut().set_feed(Some(next));
            core.commit_early();
        }
        for shown in changed {
            self.take_node(core, shown);
        }
        core.store.files_mut().set_feed(Some(next));
    }

    /// Takes what the server has of a node. Own writes that are heads of it are done with.
    fn take_node(&mut self, core: &mut Core, shown: Shown) {
        tracing::debug!(node = shown.id.0, heads = shown.heads.len(), "takes a node");
        #[cfg(feature = "flaws")]
        core.note_conflict(&shown);
        let own = core.store.files().writes_in_order();
        let is_head = |dot: &Dot| shown.heads.iter().any(|(_, it)| it.write == *dot);
        let own = own.filter(|(_, write)| write.node == shown.id).map(|(dot, _)| dot);
        let done: Vec<Dot> = own.filter(is_head).collect();
        let mut files = core.store.files_mut();
        files.set_node(shown);
        for dot in done {
            self.succeed();
            files.drop_write(dot);
        }
    }
}

/// The own writes that the server is known to have, oldest first.
fn published(core: &Core) -> Vec<(Dot, OwnWrite)> {
    let own = core.store.files().writes_in_order();
    let published = own.filter(|(_, write)| write.published.is_some());
    published.map(|(dot, write)| (dot, write.clone())).collect()
}

/// A file that the log does not have is made again of the first own write to it, where it was.
fn aim_at_new_files(core: &mut Core, there: &BTreeSet<NodeId>) {
    let mut made = BTreeSet::new();
    let own = core.store.files().writes_in_order();
    let own: Vec<_> = own.map(|(dot, write)| (dot, write.clone())).collect();
    for (dot, write) in own {
        let node = write.node;
        let is_first = made.insert(node);
        if is_first && !there.contains(&node) {
            let place = Some(last_place(core, node));
            keep(core, dot, OwnWrite { place, ..write });
        }
    }
}
