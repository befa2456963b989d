//! What a device holds durably, over time, and how its copies of records change.
//!
//! A restored device answers for what its image has and for what it saved since. The restore destroys all
//! else that its store had, and no later sign-out or crash is held to that. A clone answers for what its
//! image has of the device that it was made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{Dot, NodeId, RecordId, Remote, Token};
use engine::message::FeedCursor;
use engine::remote::Tag;

use super::cell_set::Set;
use super::timeline::Timeline;
use super::writes::Write;
use crate::history::table::Table;
use crate::history::{Contents, NodeSeen};

/// A device's copy of a record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Copy {
    pub(crate) contents: Option<Arc<Contents>>,
    /// The cells that it was made from.
    pub(crate) made_from: Arc<Set>,
    /// Is `made_from` known for certain?
    pub(crate) certain: bool,
}

/// What a device has recorded about a row of a remote.
pub(crate) type MirrorEntry = Option<(Tag, Option<Arc<Contents>>)>;

/// What a device holds durably, over time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) records: Table<RecordId, Timeline<Copy>>,
    pub(crate) mirrors: Table<(Remote, RecordId), Timeline<MirrorEntry>>,
    pub(crate) sealed: Table<(Remote, RecordId), Timeline<Option<Tag>>>,
    /// What it has of the server's files.
    pub(crate) nodes: BTreeMap<NodeId, Timeline<Option<Arc<NodeSeen>>>>,
    /// Its own writes of files that the feed has not shown yet.
    pub(crate) uploads: BTreeMap<Dot, Timeline<Option<(Token, NodeId)>>>,
    /// When an own write of a file was first durable.
    pub(crate) filed: Table<Token, usize>,
    /// How far it has read the feed of files.
    pub(crate) feed: Timeline<Option<FeedCursor>>,
    /// When its store was replaced as a whole: installed, restored, cloned or wiped.
    pub(crate) replaced: Vec<usize>,
}

impl Disk {
    /// When its store was last replaced before a moment.
    pub(crate) fn replaced_before(&self, moment: usize) -> usize {
        let mut earlier = self.replaced.iter().rev().filter(|at| **at < moment);
        earlier.next().copied().unwrap_or(0)
    }

    /// Was its own copy of a record made from this write, at a moment?
    pub(crate) fn has(&self, id: RecordId, write: &Write, moment: usize) -> bool {
        let copy = self.records.get(id).and_then(|line| line.at(moment));
        copy.is_some_and(|copy| write.cells.iter().all(|(_, cell)| copy.made_from.has(*cell)))
    }

    /// Did it hold this own write of a file at a moment, and was that not in the feed yet?
    pub(crate) fn has_upload(&self, token: Token, moment: usize) -> bool {
        self.has_upload_since(token, (moment, moment))
    }

    /// The same of some moment of an interval.
    pub(crate) fn has_upload_since(&self, token: Token, (from, to): (usize, usize)) -> bool {
        let is_it = |own: &Option<(Token, NodeId)>| own.is_some_and(|own| own.0 == token);
        self.uploads.values().any(|line| {
            let mut later = line.iter().filter(|(at, _)| (from..=to).contains(at));
            line.at(from).is_some_and(is_it) || later.any(|(_, own)| is_it(own))
        })
    }
}

/// One change of a device's copy of a record, as handed to its disk.
#[derive(Clone, Debug)]
pub(crate) struct CopyChange {
    pub(crate) at: usize,
    pub(crate) record_key: usize,
    pub(crate) before: Option<Arc<Contents>>,
    pub(crate) copy: Copy,
    /// Is it part of a sign-out?
    pub(crate) wipe: bool,
}
