//! What a case keeps of the world: a copy is the set of writes that it was made from, and holds
//! those of their cells that none of them replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::id::{FieldId, RecordId, Remote, Token};
use engine::remote::Tag;

use super::{Case, W};
use crate::history::Contents;

/// A write that a user asked for.
#[derive(Clone, Debug)]
pub(crate) struct ToldWrite {
    pub(crate) token: Token,
    pub(crate) fields: Vec<FieldId>,
    pub(crate) seen: Vec<(FieldId, Token)>,
    pub(crate) clears: bool,
}

/// A copy: what it was made from, and what it holds if that is a lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordCopy {
    pub(crate) made: BTreeSet<W>,
    pub(crate) lie: Option<Arc<Contents>>,
}

/// A row of a remote.
#[derive(Clone, Debug)]
pub(crate) struct StoredRow {
    pub(crate) pos: u64,
    pub(crate) tag: Tag,
    pub(crate) copy: RecordCopy,
}

/// A device's disk, as far as a case keeps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) copies: BTreeMap<RecordId, RecordCopy>,
    pub(crate) cursors: BTreeMap<Remote, u64>,
}

impl Case {
    /// What a copy holds, by the rules: cells that no write in it replaced.
    pub(crate) fn contents(&self, copy: &RecordCopy) -> Contents {
        if let Some(lie) = &copy.lie {
            return Contents::clone(lie);
        }
        let mut cells = Vec::new();
        let mut live = false;
        for &write in &copy.made {
            let told = &self.told[write];
            for &field in &told.fields {
                let covers = |other: &&W| self.told[**other].seen.contains(&(field, told.token));
                let by: Vec<_> = copy.made.iter().filter(covers).collect();
                let is_delete = |other: &&W| self.told[**other].fields == [FieldId::HEADSTONE];
                let replaced = by.iter().any(|other| {
                    !is_delete(other)
                        && (self.told[**other].clears || self.told[**other].fields.contains(&field))
                });
                if !replaced {
                    cells.push((field, told.token));
                    live |= field != FieldId::HEADSTONE && !by.iter().any(is_delete);
                }
            }
        }
        cells.sort_unstable();
        Contents { live, cells }
    }
}
