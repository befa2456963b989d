//! The rows of one vault as Postgres has them, with an index for each order of the feed.
//!
//! An index holds each row once, at its latest stamp: a row that is stored again moves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use engine::Bytes;
use engine::id::{Kind, RecordId};
use engine::remote::{Order, Row, Served, Tag};

use super::super::Key;

/// The rows of one vault, and an index for each order.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<RecordId, Version>,
    pub(super) by_seq: BTreeSet<(u64, RecordId)>,
    by_start: BTreeSet<(u64, RecordId)>,
}

/// What is stored of a row.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) blob: Bytes,
    /// The position in the commit order, which is also the value of the version column.
    pub(super) pos: u64,
    pub(super) commit_seq: u64,
    pub(super) updated_at: u64,
}

/// Where a page starts: at the beginning, or after a stamp and perhaps an id.
pub(super) type After = Option<(u64, Option<RecordId>)>;

impl Version {
    /// The row as it is stored, which may not be as it is served.
    pub(super) fn stored_as(&self, (vault, id): Key) -> Served {
        let row = Row { id, vault, blob: self.blob.clone() };
        Served { row, tag: Tag(self.pos), stamp: self.commit_seq }
    }

    pub(super) const fn stamp(&self, order: Order) -> u64 {
        match order {
            Order::UpdatedAt => self.updated_at,
            Order::CommitSeq | Order::Token => self.commit_seq,
        }
    }
}

impl Table {
    /// Stores a row, and returns what had been stored of it.
    pub(super) fn insert(&mut self, id: RecordId, version: Version) -> Option<Version> {
        let before = self.remove(id);
        self.by_seq.insert((version.commit_seq, id));
        self.by_start.insert((version.updated_at, id));
        self.rows.insert(id, version);
        before
    }

    pub(super) fn remove(&mut self, id: RecordId) -> Option<Version> {
        let version = self.rows.remove(&id)?;
        self.by_seq.remove(&(version.commit_seq, id));
        self.by_start.remove(&(version.updated_at, id));
        Some(version)
    }

    /// `WHERE (stamp, id) > after ORDER BY stamp, id`, or `WHERE stamp > after` without an id.
    pub(super) fn after(
        &self,
        order: Order,
        after: After,
    ) -> impl Iterator<Item = (RecordId, &Version)> {
        const FIRST: RecordId = RecordId { kind: Kind::ALL[0], key: 0 };
        let index = match order {
            Order::UpdatedAt => &self.by_start,
            Order::CommitSeq | Order::Token => &self.by_seq,
        };
        let start = match after {
            None => Bound::Unbounded,
            Some((stamp, Some(id))) => Bound::Excluded((stamp, id)),
            Some((stamp, None)) => Bound::Included((stamp.saturating_add(1), FIRST)),
        };
        index.range((start, Bound::Unbounded)).map(|&(_, id)| (id, &self.rows[&id]))
    }
}
