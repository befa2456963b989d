//! Files on a device: a write is saved here first, and then sent until the server has it, whatever
//! stands in its way. The tree itself is changed by requests, and changes here when the feed says so.
//!
//! What is known of files is in the store: the mirror of the server's tree, and own writes that its
//! feed has not shown yet.

mod download;
mod feed;
mod listing;
mod sealed;
mod tree;
mod upload;
mod write;

use self::download::{Download, Purpose};
use self::feed::FeedPull;
pub(super) use self::listing::list;
pub use self::sealed::open_name;
pub(super) use self::tree::{
    create_folder, delete_file, move_files, read_file, read_job, read_version, read_versions,
    restore_version, undelete_file, waits_for,
};
use self::upload::Upload;
pub(super) use self::write::write_file;
#[cfg(feature = "flaws")]
pub(super) use self::{
    listing::last_place,
    write::{aim, save},
};
use super::ask::Answer;
use super::core::Core;
use super::next::Next;
use crate::id::{Dot, NodeId};
use crate::log::Position;
use crate::message::{FileAction, FileReply, Refusal, Reply};
use crate::time::Time;

/// A request about files.
#[derive(Clone, Debug)]
pub(super) struct FileErrand {
    /// What is asked now.
    pub(super) action: FileAction,
    /// What the answer is for.
    pub(super) task: FileTask,
}

/// What an answer about files is for.
#[derive(Clone, Debug)]
pub(super) enum FileTask {
    /// The user is shown it.
    Tell,
    /// The tree has changed; this is the folder that was made.
    Tree(Option<NodeId>),
    /// A node is deleted. These own writes of it had been shown and were not sent.
    Deleted(Vec<Dot>),
    /// The versions of this file are listed.
    Versions(NodeId, Purpose),
    /// A piece is read.
    Download(Download),
    /// A write is on its way.
    Upload(Upload),
    /// A page of the feed has come.
    Feed(FeedPull),
}

/// When the feed is read, and how the device's own tasks fare.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    /// When the feed is read next; `None` without a sync server, and before the gate has opened.
    feed_due: Option<Time>,
    /// How often in a row a task of the device's own failed inside.
    failures: u16,
}

impl Files {
    /// When to be woken, and why.
    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        self.feed_due.map(|due| (due, "feed"))
    }

    /// The feed is read as soon as it can be, if there is a sync server.
    pub(super) fn pull_soon(&mut self, core: &Core) {
        if core.boot.server {
            let now = core.now.mono;
            self.feed_due = Some(self.feed_due.map_or(now, |due| due.min(now)));
        }
    }

    /// What the device wants of its own accord: to upload the own write that the user waits for, else
    /// the oldest; or to read the feed.
    pub(super) fn next_task(
        &mut self,
        core: &mut Core,
        waited_for: Option<Dot>,
    ) -> Option<FileErrand> {
        if !core.boot.server || core.is_at_login() {
            return None;
        }
        let upload = upload::next(core, waited_for);
        #[cfg(feature = "flaws")]
        let upload = upload.or_else(|| core.next_copy());
        upload.or_else(|| feed::next(core, self.feed_due))
    }

    /// Goes on with a task after an answer. `heard` is the newest commit of the log that answered.
    pub(super) fn take(
        &mut self,
        core: &mut Core,
        heard: Position,
        task: FileTask,
        answer: Result<Reply, Refusal>,
    ) -> Next<FileErrand> {
        match task {
            FileTask::Tell => Next::Answer(Answer::told(answer)),
            FileTask::Tree(made) => self.end_tree(core, made, answer),
            FileTask::Deleted(_) => self.end_tree(core, None, answer),
            FileTask::Versions(node, purpose) => purpose.take(core, node, answer),
            FileTask::Download(download) => download.take(core, answer),
            FileTask::Upload(upload) => upload.take(self, core, heard, answer),
            FileTask::Feed(pull) => self.take_feed(core, pull, answer),
        }
    }

    /// A task of the device's own failed inside. It is taken up again after a while, longer with each
    /// failure.
    fn rest(&mut self, core: &mut Core, then: Option<FileErrand>) -> Next<FileErrand> {
        let until = core.now.mono + core.wait_after(self.failures, None);
        self.failures = self.failures.saturating_add(1);
        tracing::debug!(%until, failures = self.failures, "a task failed at the server and rests");
        Next::Rest(until, then)
    }

    /// A task of the device's own has got somewhere.
    fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Asserts what must hold between two inputs.
    pub(super) fn check(&self, core: &Core) {
        assert!(
            self.feed_due.is_none() || core.boot.server,
            "the feed is read only where there is a sync server"
        );
    }
}

/// An answer about files; `None` for one to another question, or a refusal.
fn file_reply(answer: Result<Reply, Refusal>) -> Result<FileReply, Answer> {
    match answer {
        Ok(Reply::File(reply)) => Ok(reply),
        // Hostile, or broken: an answer to another question.
        Ok(_) => Err(Answer::told(Err(Refusal::Internal))),
        Err(refusal) => Err(Answer::told(Err(refusal))),
    }
}
