//! What users do with files on devices in a case: what they ask, save and are shown, and what a device
//! then keeps.

use std::sync::Arc;

use engine::blob::Address;
use engine::id::{DeviceId, Dot, NodeId, OpId, Token};
use engine::message::{FeedCursor, Target};

use super::Case;
use super::files::{ROOT, name};
use crate::history::file::{FileAsked, FileDone, Goal, Head, Listed, NodeSeen, Print};
use crate::history::{Answered, Asked, Change};

/// A write of a file as a case tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filing {
    pub(crate) op: OpId,
    pub(crate) token: Token,
    pub(crate) dot: Dot,
    pub(crate) node: NodeId,
}

impl Case {
    /// A user asks something about files.
    pub(crate) fn asks_of_files(&mut self, device: DeviceId, ask: FileAsked) -> OpId {
        self.asks(device, Asked::File { ask, path: String::new(), last: false })
    }

    /// A user asks, and is told at once.
    pub(crate) fn is_told(&mut self, device: DeviceId, ask: FileAsked, done: FileDone) {
        let op = self.asks_of_files(device, ask);
        self.answers(device, op, Answered::File(done));
    }

    /// A user asks for some words to be saved, having been shown these heads.
    pub(crate) fn asks_to_file(
        &mut self,
        device: DeviceId,
        (node, goal): (NodeId, Goal),
        words: &str,
        exposed: Vec<Head>,
    ) -> Filing {
        let token = self.label(device, self.counter + 1);
        let content = print(token, words);
        let op = self.asks_of_files(device, FileAsked::Write { goal, content, exposed });
        let dot = Dot { replica: self.client(device).replica, n: u64::from(op.0) };
        Filing { op, token, dot, node }
    }

    /// A device keeps a write of a file, durably.
    pub(crate) fn keeps_filing(&mut self, device: DeviceId, filing: Filing) {
        let own = Some((filing.token, filing.node));
        self.persists(device, vec![Change::Upload(filing.dot, own)]);
    }

    /// A user saves some words as a new file in the root.
    pub(crate) fn files(
        &mut self,
        device: DeviceId,
        (node, of): (NodeId, &str),
        words: &str,
    ) -> Filing {
        let goal = Goal::New(ROOT, of.to_owned());
        let filing = self.asks_to_file(device, (node, goal), words, Vec::new());
        self.keeps_filing(device, filing);
        self.answers(device, filing.op, Answered::Saved);
        filing
    }

    /// A device uploads a new file that it kept; it is published.
    pub(crate) fn uploads(
        &mut self,
        device: DeviceId,
        filing: Filing,
        (of, words): (&str, &str),
    ) -> Address {
        let place = engine::message::Place { parent: ROOT, name: name(of) };
        self.write_as(filing.dot);
        let blob = self.begins(device, Target::New(filing.node, place), words);
        self.keeps(device, blob);
        self.write_as(filing.dot);
        self.publishes_new(device, (filing.node, ROOT, of), blob);
        blob
    }

    /// A device uploads words that it kept as the next version, which replaces these.
    pub(crate) fn uploads_next(
        &mut self,
        device: DeviceId,
        filing: Filing,
        (n, replaces, heads): (u32, &[u32], &[u32]),
        words: &str,
    ) {
        let target = Target::Version(filing.node, Vec::new());
        self.write_as(filing.dot);
        let blob = self.begins(device, target, words);
        self.keeps(device, blob);
        self.write_as(filing.dot);
        let mut puts = self.versions(device, (filing.node, n), blob, replaces, None);
        puts.extend(self.counts(filing.node, n, heads));
        let reply = engine::message::FileReply::Published(n);
        self.does(device, puts, engine::message::Reply::File(reply));
    }

    /// A device reads the feed to its end, and keeps what it tells of these nodes.
    pub(crate) fn reads_feed(&mut self, device: DeviceId, nodes: &[NodeId]) {
        let mut changes: Vec<Change> = nodes.iter().map(|id| self.mirrors_node(*id)).collect();
        changes.push(Change::Feed(Some(self.feed_cursor(device))));
        self.persists(device, changes);
    }

    pub(crate) fn mirrors_node(&self, id: NodeId) -> Change {
        let (node, heads) = self.node_as_told(id);
        let seen = NodeSeen {
            parent: node.place.parent,
            is_folder: heads.is_empty(),
            deleted: node.deleted,
            changed: node.changed,
            heads,
        };
        Change::Node(id, Some(Arc::new(seen)))
    }

    pub(crate) fn feed_cursor(&self, device: DeviceId) -> FeedCursor {
        let seq = self.next_seq(self.user(device)) - 1;
        FeedCursor {
            space: self.user(device),
            at: self.position(self.user(device)),
            upto: (seq, NodeId(u64::MAX)),
        }
    }

    /// A list of these files, as the log has them, with the labels of these writes.
    pub(crate) fn list_of(&self, nodes: &[NodeId], filings: &[Filing]) -> Vec<Listed> {
        let list = nodes.iter().map(|id| {
            let (node, heads) = self.node_as_told(*id);
            let token = |dot: Dot| filings.iter().find(|it| it.dot == dot).map(|it| it.token);
            let head =
                |(n, dot): (u32, Dot)| Head { version: Some(n), write: dot, token: token(dot) };
            Listed {
                node: *id,
                parent: node.place.parent,
                name: self.name_as_told(*id),
                is_folder: heads.is_empty(),
                deleted: node.deleted,
                latest: heads.iter().map(|head| head.0).max().unwrap_or(0),
                heads: heads.into_iter().map(head).collect(),
                copies: Vec::new(),
                sealed: false,
            }
        });
        list.collect()
    }

    /// A device lists files.
    pub(crate) fn lists(&mut self, device: DeviceId, list: Vec<Listed>, last: bool) {
        let asked = Asked::File { ask: FileAsked::List, path: String::new(), last };
        let op = self.asks(device, asked);
        self.answers(device, op, Answered::Files(Arc::new(list)));
    }
}

/// Some words under a label.
pub(crate) fn print(token: Token, words: &str) -> Print {
    let hash = words.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31) ^ u64::from(byte));
    Print { token, hash, size: u32::try_from(words.len()).expect("a case is small") }
}

/// The head that a write is once it has this number.
pub(crate) fn head(filing: Filing, version: Option<u32>) -> Head {
    Head { version, write: filing.dot, token: Some(filing.token) }
}
