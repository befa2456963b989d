//! Who wrote what, having seen what: the writes of a history and which of them replaced which.
//!
//! A write puts one *cell* into each field that it sets (a delete puts its headstone). Cells are
//! numbered within their record in the order in which they were asked for, so what a write had
//! seen always has smaller numbers, and the transitive closure is built as the writes come.
//!
//! What a write replaces is what its author was *shown*, never what the product's version vectors
//! say. An increment replaces only what its own device counted before.

use engine::id::{DeviceId, FieldId, RecordId, Token, UserId, VaultId};

use crate::history::table::Table;
use crate::history::{Contents, WriteKind};
use crate::invariant::evidence::cell_set::Set;

/// One write, with what became of it. Moments are indices into the history.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) token: Token,
    /// Where it was asked for; a given row: where a remote first had it.
    pub(crate) asked: usize,
    /// Who wrote; none for a given row.
    pub(crate) device: Option<DeviceId>,
    pub(crate) record_key: usize,
    pub(crate) kind: WriteKind,
    /// The cells that it put, by field.
    pub(crate) cells: Vec<(FieldId, u32)>,
    pub(crate) saved: Option<usize>,
    pub(crate) refused: Option<usize>,
    /// When it was first handed to any disk or remote.
    pub(crate) stored: Option<usize>,
    /// When it was first durable on its own device.
    pub(crate) durable: Option<usize>,
    /// When each remote first took it.
    pub(crate) accepted: [Option<usize>; 2],
    /// When it was first shown to a user.
    pub(crate) shown: Option<usize>,
    /// The fault by which the last place that held it lost it, if none has had it since.
    pub(crate) destroyed: Option<usize>,
}

impl Write {
    /// Did it happen, so that others could see it?
    pub(crate) fn took_effect(&self) -> bool {
        self.refused.is_none()
            && (self.saved.or(self.durable).or(self.shown).is_some() || self.is_accepted())
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.accepted.iter().any(Option::is_some)
    }

    /// Must it be there at the end? No longer once a fault has destroyed the last place that held it.
    pub(crate) fn is_owed(&self) -> bool {
        self.counts() && self.destroyed.is_none()
    }

    /// Did a user have reason to rely on it? A write whose end is unknown counts from when a user or a
    /// remote has had it.
    pub(crate) fn counts(&self) -> bool {
        self.refused.is_none() && (self.saved.or(self.shown).is_some() || self.is_accepted())
    }

    /// When a user first had reason to rely on it.
    pub(crate) fn relied_on(&self) -> Option<usize> {
        [self.saved, self.accepted[0], self.accepted[1], self.shown].into_iter().flatten().min()
    }
}

/// One cell of a record.
#[derive(Clone, Debug)]
pub(crate) struct CellOf {
    pub(crate) write: usize,
    pub(crate) field: FieldId,
    /// All cells that it replaced, and those that they did.
    pub(crate) older: Set,
    /// The cells that replaced it at first hand.
    pub(crate) newer: Vec<u32>,
}

/// All that was ever written to one record of one vault.
#[derive(Clone, Debug)]
pub(crate) struct RecordWrites {
    pub(crate) vault: VaultId,
    pub(crate) id: RecordId,
    pub(crate) cells: Vec<CellOf>,
    /// The cells that are headstones.
    pub(crate) deletes: Set,
}

/// A write about to be registered.
pub(crate) struct Draft<'a> {
    pub(crate) token: Token,
    pub(crate) asked: usize,
    pub(crate) device: Option<DeviceId>,
    pub(crate) vault: VaultId,
    pub(crate) id: RecordId,
    pub(crate) kind: WriteKind,
    pub(crate) fields: &'a [FieldId],
    /// What its author was shown, as cells of the same record.
    pub(crate) seen: &'a [u32],
    /// Does it replace all that was seen, whatever the field?
    pub(crate) clears: bool,
}

/// All writes of a history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes {
    pub(crate) all: Vec<Write>,
    pub(crate) records: Vec<RecordWrites>,
    by_token: Table<Token, usize>,
    by_record: Table<(VaultId, RecordId), usize>,
}

impl Writes {
    pub(crate) fn record_key(&self, vault: VaultId, id: RecordId) -> Option<usize> {
        self.by_record.get((vault, id)).copied()
    }

    pub(crate) fn ensure_key(&mut self, vault: VaultId, id: RecordId) -> usize {
        *self.by_record.or_insert_with((vault, id), || {
            self.records.push(RecordWrites {
                vault,
                id,
                cells: Vec::new(),
                deletes: Set::default(),
            });
            self.records.len() - 1
        })
    }

    /// The write that bears this token.
    pub(crate) fn find(&self, token: Token) -> Option<usize> {
        self.by_token.get(token).copied()
    }

    /// The cell of a record that shows as this token in this field.
    pub(crate) fn cell(&self, record_key: usize, field: FieldId, token: Token) -> Option<u32> {
        let write = &self.all[self.find(token)?];
        let (_, cell) = write.cells.iter().find(|(own, _)| *own == field)?;
        (write.record_key == record_key).then_some(*cell)
    }

    /// The cells of what a place holds; tokens without an author are left out.
    pub(crate) fn cells<'a>(
        &'a self,
        record_key: usize,
        contents: &'a Contents,
    ) -> impl Iterator<Item = u32> + 'a {
        contents.cells.iter().filter_map(move |&(field, token)| self.cell(record_key, field, token))
    }

    /// The write that put a cell.
    pub(crate) fn author(&self, record_key: usize, cell: u32) -> &Write {
        &self.all[self.records[record_key].cells[cell as usize].write]
    }

    /// Did `newer` replace `older`, or one that did?
    pub(crate) fn replaced(&self, record_key: usize, older: u32, newer: u32) -> bool {
        self.records[record_key].cells[newer as usize].older.has(older)
    }

    /// Is a cell among those held, or a cell that replaced it?
    pub(crate) fn lives_on(&self, record_key: usize, cell: u32, held: &[u32]) -> bool {
        held.contains(&cell) || held.iter().any(|&newer| self.replaced(record_key, cell, newer))
    }

    /// The cells of a copy, if it holds anything.
    pub(crate) fn held(&self, record_key: usize, contents: Option<&Contents>) -> Vec<u32> {
        contents.map_or_else(Vec::new, |contents| self.cells(record_key, contents).collect())
    }

    /// Did a delete of this set see the cell, or one that replaced it?
    pub(crate) fn deleted_in(&self, record_key: usize, cell: u32, known: &Set) -> bool {
        let record_key = &self.records[record_key];
        record_key
            .deletes
            .iter()
            .any(|d| known.has(d) && record_key.cells[d as usize].older.has(cell))
    }

    /// Adds all cells of the writes that put these cells.
    pub(crate) fn whole(
        &self,
        record_key: usize,
        cells: impl Iterator<Item = u32>,
        into: &mut Set,
    ) {
        for cell in cells {
            if !into.has(cell) {
                for &(_, sister) in &self.author(record_key, cell).cells {
                    into.insert(sister);
                }
            }
        }
    }

    /// Registers a write; the first with a token counts.
    pub(crate) fn register(&mut self, draft: &Draft<'_>) -> usize {
        if let Some(known) = self.find(draft.token) {
            return known;
        }
        let record_key = self.ensure_key(draft.vault, draft.id);
        let write = self.all.len();
        let mut cells = Vec::with_capacity(draft.fields.len());
        for &field in draft.fields {
            cells.push((field, self.add_cell(record_key, write, field, draft)));
        }
        if draft.token != Token::NONE {
            self.by_token.insert(draft.token, write);
        }
        self.all.push(Write {
            token: draft.token,
            asked: draft.asked,
            device: draft.device,
            record_key,
            kind: draft.kind,
            cells,
            saved: None,
            refused: None,
            stored: None,
            durable: None,
            accepted: [None; 2],
            shown: None,
            destroyed: None,
        });
        write
    }

    fn add_cell(
        &mut self,
        record_key: usize,
        write: usize,
        field: FieldId,
        draft: &Draft<'_>,
    ) -> u32 {
        let cells = &mut self.records[record_key].cells;
        let new = u32::try_from(cells.len()).expect("a record has far fewer than 2^32 writes");
        let mut older = Set::default();
        for &seen in draft.seen {
            let replaced = &mut cells[seen as usize];
            if draft.clears || replaced.field == field {
                replaced.newer.push(new);
                older.insert(seen);
                older.union(&replaced.older);
            }
        }
        cells.push(CellOf { write, field, older, newer: Vec::new() });
        if field == FieldId::HEADSTONE {
            self.records[record_key].deletes.insert(new);
        }
        new
    }
}

/// The user in whose name a token was made.
pub(crate) fn owner(token: Token) -> UserId {
    UserId(u16::from_be_bytes([token.0[8], token.0[9]]))
}
