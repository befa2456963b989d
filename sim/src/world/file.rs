//! Files, as far as the world has to know of them: how far the feed of each space goes, and how
//! much there may be to bring and to read.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Bytes;
use engine::device::StoreKey;
use engine::id::{NodeId, UserId};
use engine::log::{Doc, Entry, EntryId, FileDoc, FileKey, Key, Position};
use engine::message::FeedCursor;
use harness::time::Span;

use super::phases::answer_bound;
use super::{Site, World};
use crate::plan::{Act, Deed, FileDeed, Plan};

/// The last change of each space's files.
pub(super) type Heads = BTreeMap<UserId, (u64, NodeId)>;

/// The name of each entry of each space's log.
pub(super) type Entries = BTreeMap<(UserId, u64), EntryId>;

/// The name of each node as it was last sealed.
pub(super) type Names = BTreeMap<(UserId, NodeId), Bytes>;

/// The most bytes that sealing adds to a content.
const SEAL: u64 = 256;

/// Requests that one deed needs beside the pieces: folders, a beginning, an end, and again after a
/// clash.
const ASKS: u64 = 10;

impl World {
    /// Notes an entry of a log: what it is called, how far it takes the feed of files, and which long
    /// batches have begun or ended with it.
    pub(super) fn note_files(&mut self, space: UserId, entry: &Entry) {
        self.entries.insert((space, entry.seq), entry.id);
        let mut last = None;
        for (key, doc) in entry.ops.iter().flat_map(|op| &op.puts) {
            match (key, doc) {
                (Key::File(FileKey::Changed(seq, node)), Some(_)) => {
                    last = last.max(Some((*seq, *node)));
                }
                (Key::File(FileKey::Unfinished(job)), Some(_)) => {
                    self.jobs.insert((space, *job));
                }
                (Key::File(FileKey::Unfinished(job)), None) => {
                    self.jobs.remove(&(space, *job));
                }
                (Key::File(_) | Key::Session(_) | Key::Receipt(_) | Key::Account(_), _)
                | (Key::Was(..) | Key::Work(_), _) => {}
            }
        }
        if let Some(last) = last {
            self.files.insert(space, last);
        }
    }

    /// The names that an entry gives to nodes, opened by the oracle.
    pub(super) fn names_in(
        &mut self,
        space: UserId,
        entry: &Entry,
    ) -> BTreeMap<NodeId, Option<Arc<str>>> {
        let mut names = BTreeMap::new();
        for (key, doc) in entry.ops.iter().flat_map(|op| &op.puts) {
            let (Key::File(FileKey::Node(id)), Some(Doc::File(FileDoc::Node(node)))) = (key, doc)
            else {
                continue;
            };
            let sealed = node.place.name.sealed.clone();
            let was = self.names.insert((space, *id), sealed);
            if was.as_ref() != Some(&node.place.name.sealed) {
                let name = self.keychain.open_name(space.into(), *id, &node.place.name);
                names.insert(*id, name.map(Arc::from));
            }
        }
        names
    }

    /// Does a device durably have all that its server has to tell of files?
    pub(super) fn has_read_files(&self, site: &Site) -> bool {
        let cursor = site.disk.image().get(&StoreKey::Feed);
        let cursor = cursor.and_then(|it| postcard::from_bytes::<FeedCursor>(&it.bytes).ok());
        let last = self.files.get(&site.user).copied();
        cursor.map_or(last.is_none(), |cursor| {
            Some(cursor.upto) >= last && self.is_of_this_log(site.user, &cursor)
        })
    }

    /// Is a cursor of the log that there is now?
    fn is_of_this_log(&self, space: UserId, cursor: &FeedCursor) -> bool {
        let Position { seq, entry } = cursor.at;
        seq == 0 || self.entries.get(&(space, seq)) == Some(&entry)
    }
}

/// The most requests about files that a plan leads to.
pub(super) fn asks(plan: &Plan) -> u64 {
    let piece = plan.server.as_ref().map_or(1, |server| u64::from(server.piece.max(1)));
    let asks = |step: &crate::plan::Step| match &step.act {
        Act::User(_, Deed::File(FileDeed::Write(_, content))) => {
            let size = u64::from(content.size).max(content.text.len() as u64) + SEAL;
            ASKS + 2 * size.div_ceil(piece)
        }
        Act::User(_, Deed::File(_)) => ASKS,
        Act::User(..) | Act::Order(..) | Act::Fault(..) | Act::Wait => 0,
    };
    plan.steps.iter().map(asks).sum()
}

/// How long it may take to read all contents at the end.
pub(super) fn last_look(plan: &Plan) -> Span {
    let exchange = 2 * (plan.network.p99.0 + plan.network.grain.0);
    let answer = plan.server.as_ref().map_or(0, answer_bound);
    Span(asks(plan).saturating_mul(exchange + answer))
}
