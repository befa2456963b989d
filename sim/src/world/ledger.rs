//! What the logs of the sync server say, as far as the world has to know it: how far the feed of each
//! space goes, what its nodes are called, and what work is left to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::Bytes;
use engine::dedup::DedupKey;
use engine::device::StoreKey;
use engine::id::{Dot, NodeId, OpId, UserId};
use engine::job::{Job, MOST_TRIES, Place, Stored};
use engine::log::{Doc, Entry, EntryId, FileDoc, FileKey, Key, Position};
use engine::message::{FeedCursor, JobId};
use engine::seal::KeyName;

use super::storage::Storage;
use crate::history::{Asked, Fact, FileAsked};
use crate::keychain::Keychain;
use crate::plan::Node;

/// What the logs say.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The last change of each space's files.
    heads: BTreeMap<UserId, (u64, NodeId)>,
    /// The name of each entry of each space's log.
    entries: BTreeMap<(UserId, u64), EntryId>,
    /// The writes of files that became versions.
    published: BTreeSet<(UserId, Dot)>,
    /// The keys under which names and contents of files are sealed.
    keys: BTreeMap<UserId, BTreeSet<KeyName>>,
    /// The name of each node as it was last sealed.
    names: BTreeMap<(UserId, NodeId), Bytes>,
    /// The conversations on which there is work left to be done.
    open: BTreeSet<(UserId, DedupKey)>,
    /// Moves of several files that have not been answered.
    moves: BTreeSet<(Node, OpId)>,
    /// Those that were too long for one commit, and are not done with.
    long_moves: BTreeSet<(UserId, JobId)>,
}

impl Ledger {
    /// Forgets what followed from the logs: they are others now.
    pub(super) fn clear(&mut self) {
        *self = Self { moves: std::mem::take(&mut self.moves), ..Self::default() };
    }

    /// Takes an entry of a log.
    pub(super) fn take(&mut self, space: UserId, entry: &Entry) {
        self.entries.insert((space, entry.seq), entry.id);
        let mut last = None;
        for (key, doc) in entry.ops.iter().flat_map(|op| &op.puts) {
            match (key, doc) {
                (Key::File(FileKey::Changed(seq, node)), Some(_)) => {
                    last = last.max(Some((*seq, *node)));
                }
                (Key::File(FileKey::Unfinished(job)), Some(_)) => {
                    self.long_moves.insert((space, *job));
                }
                (Key::File(FileKey::Unfinished(job)), None) => {
                    self.long_moves.remove(&(space, *job));
                }
                (Key::File(FileKey::Version(..)), Some(Doc::File(FileDoc::Version(version)))) => {
                    self.published.insert((space, version.write));
                    self.take_key(space, &version.sealed);
                }
                (Key::File(FileKey::Node(_)), Some(Doc::File(FileDoc::Node(node)))) => {
                    self.take_key(space, &node.place.name.sealed);
                }
                (Key::Work(Place::Item(key)), doc) => self.take_work((space, *key), doc.as_ref()),
                (Key::File(_) | Key::Session(_) | Key::Receipt(_) | Key::Account(_), _)
                | (Key::Was(..) | Key::Work(_), _) => {}
            }
        }
        self.heads.extend(last.map(|last| (space, last)));
    }

    fn take_key(&mut self, space: UserId, sealed: &Bytes) {
        self.keys.entry(space).or_default().extend(KeyName::of_blob(sealed));
    }

    fn take_work(&mut self, about: (UserId, DedupKey), doc: Option<&Doc>) {
        let is_done = match doc {
            Some(Doc::Work(Stored::Item(item))) => match item.job {
                Job::Success { .. } => true,
                Job::Failed { tries, .. } => tries >= MOST_TRIES,
                Job::Pending { .. } | Job::Processing { .. } => false,
            },
            Some(Doc::Work(Stored::Old(_))) => false,
            Some(_) | None => true,
        };
        if is_done {
            self.open.remove(&about);
        } else {
            self.open.insert(about);
        }
    }

    /// The names that an entry gives to nodes, opened by the oracle.
    pub(super) fn names_in(
        &mut self,
        (space, entry): (UserId, &Entry),
        keychain: &Keychain,
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
                let name = keychain.open_name(space.into(), *id, &node.place.name);
                names.insert(*id, name.map(Arc::from));
            }
        }
        names
    }

    /// Does a device have all keys under which names and contents of files are sealed?
    pub(super) fn can_open_files(&self, user: UserId, storage: &Storage) -> bool {
        self.keys.get(&user).is_none_or(|keys| keys.iter().all(|key| storage.has_key(*key)))
    }

    /// Did this write of a file become a version?
    pub(super) fn is_published(&self, user: UserId, write: Dot) -> bool {
        self.published.contains(&(user, write))
    }

    /// How many conversations have work left to be done.
    pub(super) fn open_conversations(&self) -> usize {
        self.open.len()
    }

    /// Does a device durably have all that the server has to tell its user of files?
    pub(super) fn has_read_files(&self, user: UserId, storage: &Storage) -> bool {
        let cursor = storage.contents().get(&StoreKey::Feed);
        let cursor = cursor.and_then(|it| postcard::from_bytes::<FeedCursor>(&it.bytes).ok());
        let last = self.heads.get(&user).copied();
        cursor.map_or(last.is_none(), |cursor| {
            Some(cursor.upto) >= last && self.is_of_this_log(user, &cursor)
        })
    }

    /// Is a cursor of the log that there is now?
    fn is_of_this_log(&self, space: UserId, cursor: &FeedCursor) -> bool {
        let Position { seq, entry } = cursor.at;
        seq == 0 || self.entries.get(&(space, seq)) == Some(&entry)
    }

    /// Takes note of moves of several files that a user asked for, and of their answers.
    pub(super) fn observe(&mut self, node: Node, fact: &Fact) {
        if let Some((op, Asked::File { ask: FileAsked::Move(items), .. })) = fact.asked()
            && items.len() > 1
        {
            self.moves.insert((node, op));
        } else if let Fact::Answered(op, _) = fact {
            self.moves.remove(&(node, *op));
        }
    }

    /// Are several files being moved?
    pub(super) fn is_moving(&self) -> bool {
        !self.moves.is_empty() || !self.long_moves.is_empty()
    }

    /// A device lost power, and with it what it had been asked; true if it was moving several files.
    pub(super) fn forget_moves_of(&mut self, node: Node) -> bool {
        let before = self.moves.len();
        self.moves.retain(|(of, _)| *of != node);
        self.moves.len() < before
    }
}
