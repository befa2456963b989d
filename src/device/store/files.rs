//! What is known of files: the mirror of the server's tree, as its feed tells it, and own writes that
//! the feed has not shown yet. What is unsent follows from these two.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::io::StoreKey;
use super::staged::{Staged, encode};
use crate::Bytes;
use crate::id::{Dot, NodeId, ReplicaId};
use crate::log::Position;
use crate::message::{FeedCursor, Shown};
use crate::record::{Payload, Vv};

/// An own write of a file, kept until the feed shows a version of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnWrite {
    /// Its place among own writes: they are sent in this order.
    pub order: u64,
    /// The file that is written; the id of a new file was drawn here.
    pub node: NodeId,
    /// Where it is put, if it is the first of its file, as far as that is known by now.
    pub place: Option<(NodeId, String)>,
    /// The writes that it was built on. They are kept for as long as it is, whatever the log has of them.
    pub seen: Vv,
    /// The content.
    pub content: Payload,
    /// The content, sealed: once an upload has begun it is this blob that is uploaded.
    pub blob: Option<Bytes>,
    /// The version that it has become.
    pub published: Option<Published>,
}

/// An own write that is a version on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The number of the version.
    pub version: u32,
    /// A commit of a log that has it.
    pub at: Position,
}

/// The tables of files.
#[derive(Clone, Debug, Default)]
pub(in crate::device) struct FileTables {
    nodes: BTreeMap<NodeId, Shown>,
    writes: BTreeMap<Dot, OwnWrite>,
    feed: Option<FeedCursor>,
    author: Option<ReplicaId>,
}

impl FileTables {
    /// What the sync server was last seen to hold of files.
    pub(in crate::device) fn nodes(&self) -> &BTreeMap<NodeId, Shown> {
        &self.nodes
    }

    /// What it was last seen to hold of this one.
    pub(in crate::device) fn node(&self, id: NodeId) -> Option<&Shown> {
        self.nodes.get(&id)
    }

    /// The own writes that the feed has not shown yet.
    pub(in crate::device) fn writes(&self) -> &BTreeMap<Dot, OwnWrite> {
        &self.writes
    }

    /// One of them.
    pub(in crate::device) fn write(&self, dot: Dot) -> Option<&OwnWrite> {
        self.writes.get(&dot)
    }

    /// The same, oldest first.
    pub(in crate::device) fn writes_in_order(&self) -> impl Iterator<Item = (Dot, &OwnWrite)> {
        let mut own: Vec<_> = self.writes.iter().map(|(dot, write)| (*dot, write)).collect();
        own.sort_unstable_by_key(|(dot, write)| (write.order, *dot));
        own.into_iter()
    }

    /// The own writes that the server lacks, oldest first.
    pub(in crate::device) fn unsent(&self) -> impl Iterator<Item = (Dot, &OwnWrite)> {
        self.writes_in_order().filter(|(_, write)| write.published.is_none())
    }

    /// The newest commit at which an own write is known to be published. All of these are of one log.
    pub(in crate::device) fn newest_publication(&self) -> Position {
        let published = self.writes.values().filter_map(|write| write.published);
        published.map(|published| published.at).max().unwrap_or(Position::START)
    }

    /// How far the sync server's feed was read.
    pub(in crate::device) fn feed(&self) -> Option<FeedCursor> {
        self.feed
    }

    /// Under which name files are written, if it is not that of the replica: in each file it has built each
    /// write on all before it.
    pub(in crate::device) fn author(&self) -> Option<ReplicaId> {
        self.author
    }

    pub(super) fn load_node(&mut self, id: NodeId, shown: Shown) {
        self.nodes.insert(id, shown);
    }

    pub(super) fn load_write(&mut self, dot: Dot, write: OwnWrite) {
        self.writes.insert(dot, write);
    }

    pub(super) fn load_feed(&mut self, cursor: Option<FeedCursor>) {
        self.feed = cursor;
    }

    pub(super) fn load_author(&mut self, author: Option<ReplicaId>) {
        self.author = author;
    }
}

/// The tables of files, to be changed. Every change is staged for the next commit.
#[derive(Debug)]
pub(in crate::device) struct FilesMut<'s> {
    pub(super) tables: &'s mut FileTables,
    pub(super) staged: &'s mut Staged,
}

impl FilesMut<'_> {
    /// Notes what the server has of a node.
    pub(in crate::device) fn set_node(&mut self, shown: Shown) {
        if self.tables.nodes.get(&shown.id) != Some(&shown) {
            self.staged.put(StoreKey::Node(shown.id), encode(&shown));
            self.staged.require_sync();
            self.tables.nodes.insert(shown.id, shown);
        }
    }

    /// Forgets a node that the server does not have.
    pub(in crate::device) fn drop_node(&mut self, id: NodeId) {
        if self.tables.nodes.remove(&id).is_some() {
            self.staged.remove(StoreKey::Node(id));
            self.staged.require_sync();
        }
    }

    /// Keeps what is known of an own write.
    pub(in crate::device) fn set_write(&mut self, dot: Dot, write: OwnWrite) {
        if self.tables.writes.get(&dot) != Some(&write) {
            self.staged.put(StoreKey::Upload(dot), encode(&write));
            self.staged.require_sync();
            self.tables.writes.insert(dot, write);
        }
    }

    /// Forgets an own write that the feed has shown.
    pub(in crate::device) fn drop_write(&mut self, dot: Dot) {
        if self.tables.writes.remove(&dot).is_some() {
            self.staged.remove(StoreKey::Upload(dot));
        }
    }

    /// Sets how far the feed was read; `None` to read it from the start.
    pub(in crate::device) fn set_feed(&mut self, cursor: Option<FeedCursor>) {
        if self.tables.feed != cursor {
            match &cursor {
                Some(cursor) => self.staged.put(StoreKey::Feed, encode(cursor)),
                None => self.staged.remove(StoreKey::Feed),
            }
            self.tables.feed = cursor;
        }
    }

    /// Sets under which name files are written; `None` for that of the replica.
    pub(in crate::device) fn set_author(&mut self, author: Option<ReplicaId>) {
        if self.tables.author != author {
            match &author {
                Some(author) => self.staged.put(StoreKey::Author, encode(author)),
                None => self.staged.remove(StoreKey::Author),
            }
            self.staged.require_sync();
            self.tables.author = author;
        }
    }

    /// Forgets all of it.
    pub(super) fn wipe(&mut self) {
        for id in std::mem::take(&mut self.tables.nodes).into_keys() {
            self.staged.remove(StoreKey::Node(id));
        }
        for dot in std::mem::take(&mut self.tables.writes).into_keys() {
            self.staged.remove(StoreKey::Upload(dot));
        }
        self.set_feed(None);
        self.set_author(None);
    }
}
