//! What each remote stored, row by row, over time.

use std::sync::Arc;

use engine::id::{FieldId, RecordId, Remote, VaultId};
use engine::record::Value;
use engine::remote::Tag;

use super::cell_set::Set;
use crate::history::Contents;
use crate::history::table::Table;

/// A state of a row on a remote, until the next of that row.
#[derive(Clone, Debug)]
pub(crate) struct RowState {
    pub(crate) at: usize,
    pub(crate) pos: u64,
    /// None once the row is gone.
    pub(crate) tag: Option<Tag>,
    pub(crate) contents: Option<Arc<Contents>>,
    pub(crate) made_from: Arc<Set>,
    pub(crate) certain: bool,
    /// Did the remote itself put it there again, when it was set back to a backup?
    pub(crate) set_back: bool,
}

/// All states of all rows of a remote.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteRows {
    pub(crate) rows: Table<(VaultId, RecordId), Vec<RowState>>,
    /// Every commit by position: whose row, and when.
    pub(crate) log: Vec<(u64, VaultId, RecordId)>,
}

impl RemoteRows {
    pub(crate) fn versions(&self, vault: VaultId, id: RecordId) -> &[RowState] {
        self.rows.get((vault, id)).map_or(&[], Vec::as_slice)
    }

    /// The row as it stood right after a moment.
    pub(crate) fn row(&self, vault: VaultId, id: RecordId, moment: usize) -> Option<&RowState> {
        let versions = self.versions(vault, id);
        let after = versions.partition_point(|version| version.at <= moment);
        after.checked_sub(1).map(|at| &versions[at]).filter(|version| version.tag.is_some())
    }

    /// Was the row there all the time between two moments, whatever its state, and never set back to one
    /// that lacks what it had at first?
    pub(crate) fn stood(&self, vault: VaultId, id: RecordId, from: usize, to: usize) -> bool {
        let Some(first) = self.row(vault, id, from) else { return false };
        let has_it =
            |version: &RowState| first.made_from.beyond(&version.made_from).next().is_none();
        let mut between =
            self.versions(vault, id).iter().filter(|version| (from..=to).contains(&version.at));
        between.all(|version| version.tag.is_some() && (!version.set_back || has_it(version)))
    }

    /// The latest state under a tag.
    pub(crate) fn tagged(&self, vault: VaultId, id: RecordId, tag: Tag) -> Option<&RowState> {
        self.versions(vault, id).iter().rev().find(|version| version.tag == Some(tag))
    }
}

/// A row found on a remote at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundRow<'a> {
    pub(crate) at: usize,
    pub(crate) contents: Option<&'a Contents>,
    pub(crate) values: &'a [(FieldId, Value)],
}

/// A row of a remote as it stood at some moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteRow<'a> {
    pub(crate) remote: Remote,
    pub(crate) vault: VaultId,
    pub(crate) id: RecordId,
    pub(crate) version: &'a RowState,
}
