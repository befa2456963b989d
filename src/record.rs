//! The record: a join-semilattice of cells, and the only merge in the product.
//!
//! A field holds a set of sibling cells, each named by its dot. A write replaces exactly the cells
//! that its handle covers; what was written meanwhile stays beside it. Since [`Record::join`] is
//! commutative, associative and idempotent, the order in which copies arrive cannot matter, and
//! "whichever pull finishes last wins" cannot be expressed.
//!
//! Sources: Shapiro et al., *Conflict-free Replicated Data Types*, 2011; Preguiça et al., *Dotted
//! Version Vectors*, 2010.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::id::{Dot, FieldId, ReplicaId, Token};
use crate::time::Hlc;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Value {
    /// A number.
    Int(i64),
    /// A text that is replaced as a whole.
    Text(String),
    /// A set of words.
    Set(BTreeSet<String>),
    /// A text together with the text it was edited from, so that two edits can be merged.
    Draft {
        /// The text that the author started from.
        base: String,
        /// The text that the author left.
        text: String,
    },
}

/// What the application stores in a cell: opaque to the merge and sealed as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Payload {
    /// The application's label of the write.
    pub token: Token,
    /// The value that was written. Strategies see this and nothing else of the payload.
    pub value: Value,
}

/// One write's value in one field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// The write's id. One write may set several fields under one dot.
    pub dot: Dot,
    /// The author's clock reading.
    pub hlc: Hlc,
    /// The label and the value.
    pub payload: Payload,
}

/// A version vector: for each replica the highest write that is covered.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vv(Vec<(ReplicaId, u64)>);

impl Vv {
    /// Is this write covered?
    pub fn covers(&self, dot: Dot) -> bool {
        self.0
            .binary_search_by_key(&dot.replica, |entry| entry.0)
            .is_ok_and(|at| dot.n <= self.0[at].1)
    }

    /// Covers this write and all earlier ones of its replica.
    pub fn add(&mut self, dot: Dot) {
        assert!(dot.n > 0, "a replica counts its writes from 1");
        match self.0.binary_search_by_key(&dot.replica, |entry| entry.0) {
            Ok(at) => self.0[at].1 = self.0[at].1.max(dot.n),
            Err(at) => {
                self.0.insert(at, (dot.replica, dot.n));
                let next = self.0.get(at + 1);
                assert!(next.is_none_or(|next| dot.replica < next.0), "replicas are in order");
            }
        }
    }

    /// The pointwise maximum.
    pub fn join(&mut self, other: &Self) {
        for &(replica, n) in &other.0 {
            self.add(Dot { replica, n });
        }
    }

    /// Does this cover all that `other` covers?
    pub fn includes(&self, other: &Self) -> bool {
        other.0.iter().all(|&(replica, n)| self.covers(Dot { replica, n }))
    }

    /// The highest covered write of a replica, 0 for none.
    pub fn count_of(&self, replica: ReplicaId) -> u64 {
        self.0.binary_search_by_key(&replica, |entry| entry.0).map_or(0, |at| self.0[at].1)
    }

    /// Is every replica named once, in order, with a write that exists?
    fn is_sound(&self) -> bool {
        self.0.is_sorted_by(|one, next| one.0 < next.0) && self.0.iter().all(|entry| entry.1 > 0)
    }

    /// The entries, by replica.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, u64)> {
        self.0.iter().copied()
    }
}

/// What a read has shown. The write that builds on it names it.
///
/// A write replaces exactly the cells that its handle covers. A handle that was taken before a
/// record existed covers nothing, and a write with it is a blind write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handle {
    pub(crate) ctx: Vv,
    pub(crate) dead: bool,
}

impl Handle {
    /// A handle that covers nothing.
    pub fn blind() -> Self {
        Self::default()
    }
}

/// A record of a vault: its cells, what has been seen of it, and what has been deleted of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    ctx: Vv,
    tomb: Vv,
    /// Sorted by field; each field's cells sorted by dot, never empty.
    fields: Vec<(FieldId, Vec<Cell>)>,
}

impl Record {
    /// Is there a cell that no delete covers? A live record shows all its cells.
    pub fn is_live(&self) -> bool {
        self.cells().any(|(field, cell)| field != FieldId::HEADSTONE && !self.tomb.covers(cell.dot))
    }

    /// Has nothing ever been written here?
    pub fn is_empty(&self) -> bool {
        self.ctx == Vv::default()
    }

    /// The fields with their cells, headstone included, by field and then by dot.
    pub fn fields(&self) -> impl Iterator<Item = (FieldId, &[Cell])> {
        self.fields.iter().map(|(field, cells)| (*field, cells.as_slice()))
    }

    /// Every cell with its field.
    pub fn cells(&self) -> impl Iterator<Item = (FieldId, &Cell)> {
        self.fields.iter().flat_map(|(field, cells)| cells.iter().map(|cell| (*field, cell)))
    }

    /// The cells of one field.
    pub fn field(&self, field: FieldId) -> &[Cell] {
        self.fields
            .binary_search_by_key(&field, |entry| entry.0)
            .map_or(&[], |at| self.fields[at].1.as_slice())
    }

    /// All writes that this copy has seen.
    pub fn context(&self) -> &Vv {
        &self.ctx
    }

    /// A handle on what this copy shows.
    pub fn handle(&self) -> Handle {
        Handle { ctx: self.ctx.clone(), dead: !self.is_live() && !self.is_empty() }
    }

    /// Does this copy include all that `other` knows?
    pub fn includes(&self, other: &Self) -> bool {
        self.ctx.includes(&other.ctx) && self.tomb.includes(&other.tomb)
    }

    /// Replaces, in each field named, exactly the cells that the handle covers.
    ///
    /// If the handle saw the record dead, the write first drops the cells that its tombstone
    /// covers: what was deleted does not come back when a writer starts again under the same name.
    pub fn write(
        &mut self,
        handle: &Handle,
        dot: Dot,
        hlc: Hlc,
        changes: impl IntoIterator<Item = (FieldId, Payload)>,
    ) {
        self.bury(handle);
        for (field, payload) in changes {
            self.replace(field, Cell { dot, hlc, payload }, |cell| handle.ctx.covers(cell.dot));
        }
        self.ctx.add(dot);
        assert!(self.ctx.covers(dot), "a record has seen what was written to it");
    }

    /// Replaces only the writer's own cells of one field: the write of a counter, which must not
    /// absorb what others counted. `count` makes the new payload of the writer's last one, which is
    /// gone if the handle saw the record dead.
    pub fn write_own(
        &mut self,
        handle: &Handle,
        dot: Dot,
        hlc: Hlc,
        field: FieldId,
        count: impl FnOnce(Option<&Payload>) -> Payload,
    ) {
        self.bury(handle);
        let own = self.field(field).iter().rfind(|cell| cell.dot.replica == dot.replica);
        let payload = count(own.map(|cell| &cell.payload));
        self.replace(field, Cell { dot, hlc, payload }, |cell| cell.dot.replica == dot.replica);
        self.ctx.add(dot);
        assert!(self.ctx.covers(dot), "a record has seen what was written to it");
    }

    /// Deletes what the handle covers and nothing else: a concurrent edit keeps the record alive.
    /// The cells stay, so that an edit which never saw the delete finds the record whole.
    pub fn delete(&mut self, handle: &Handle, dot: Dot, hlc: Hlc, token: Token) {
        self.tomb.join(&handle.ctx);
        let payload = Payload { token, value: Value::Text(String::new()) };
        self.replace(FieldId::HEADSTONE, Cell { dot, hlc, payload }, |cell| {
            handle.ctx.covers(cell.dot)
        });
        self.ctx.add(dot);
        assert!(self.ctx.covers(dot), "a record has seen its delete");
    }

    /// The least record that includes both: a cell stays if both have it, or if one has it and the
    /// other never saw its write.
    pub fn join(&mut self, other: &Self) {
        if self == other {
            return;
        }
        let mut fields = Vec::with_capacity(self.fields.len().max(other.fields.len()));
        let (mut ours, mut theirs) =
            (self.fields.iter().peekable(), other.fields.iter().peekable());
        loop {
            let next = match (ours.peek(), theirs.peek()) {
                (None, None) => break,
                (Some(our), Some(their)) if our.0 == their.0 => our.0,
                (Some(our), Some(their)) => our.0.min(their.0),
                (Some(one), None) | (None, Some(one)) => one.0,
            };
            let mine = ours.next_if(|entry| entry.0 == next).map_or(&[][..], |entry| &entry.1);
            let yours = theirs.next_if(|entry| entry.0 == next).map_or(&[][..], |entry| &entry.1);
            let cells = join_cells(mine, &self.ctx, yours, &other.ctx);
            if !cells.is_empty() {
                fields.push((next, cells));
            }
        }
        self.fields = fields;
        self.ctx.join(&other.ctx);
        self.tomb.join(&other.tomb);
        assert!(
            self.ctx.0.len() >= other.ctx.0.len() && self.tomb.0.len() >= other.tomb.0.len(),
            "a join has seen every replica that either side has seen"
        );
    }

    /// Is it canonical? All copies of one state have the same bytes. Decoded bytes may not be.
    fn is_sound(&self) -> bool {
        self.ctx.is_sound()
            && self.tomb.is_sound()
            && self.fields.is_sorted_by(|one, next| one.0 < next.0)
            && self.fields.iter().all(|(_, cells)| {
                !cells.is_empty()
                    && cells.is_sorted_by(|one, next| one.dot < next.dot)
                    && cells.iter().all(|cell| self.ctx.covers(cell.dot))
            })
    }

    /// Drops the cells that the tombstone covers if the writer saw the record dead: the first half of
    /// a write.
    fn bury(&mut self, handle: &Handle) {
        if handle.dead {
            let tomb = self.tomb.clone();
            self.retain(|field, cell| {
                let deleted = tomb.covers(cell.dot) || field == FieldId::HEADSTONE;
                !(deleted && handle.ctx.covers(cell.dot))
            });
        }
    }

    /// FB-11: deletes all that is there by now; the product never deletes what no handle covers.
    #[cfg(feature = "flaws")]
    pub(crate) fn cover_all(&mut self) {
        let ctx = self.ctx.clone();
        self.tomb.join(&ctx);
    }

    /// FB-25: the product never marks as seen what it did not merge.
    #[cfg(feature = "flaws")]
    pub(crate) fn see(&mut self, other: &Self) {
        self.ctx.join(&other.ctx);
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(FieldId, &Cell) -> bool) {
        for (field, cells) in &mut self.fields {
            cells.retain(|cell| keep(*field, cell));
        }
        self.fields.retain(|(_, cells)| !cells.is_empty());
    }

    fn replace(&mut self, field: FieldId, cell: Cell, covered: impl Fn(&Cell) -> bool) {
        let at = match self.fields.binary_search_by_key(&field, |entry| entry.0) {
            Ok(at) => at,
            Err(at) => {
                self.fields.insert(at, (field, Vec::with_capacity(1)));
                let next = self.fields.get(at + 1);
                assert!(next.is_none_or(|next| field < next.0), "fields are in order, each once");
                at
            }
        };
        let cells = &mut self.fields[at].1;
        cells.retain(|old| !covered(old));
        let place = cells.partition_point(|old| old.dot < cell.dot);
        cells.insert(place, cell);
        assert!(!cells.is_empty(), "a field without a cell is not kept");
    }
}

fn join_cells(ours: &[Cell], our_ctx: &Vv, theirs: &[Cell], their_ctx: &Vv) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(ours.len().max(theirs.len()));
    let (mut left, mut right) = (ours.iter().peekable(), theirs.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return cells,
            (Some(our), Some(their)) if our.dot == their.dot => {
                cells.push((*our).clone());
                left.next();
                right.next();
            }
            (Some(our), their) if their.is_none_or(|their| our.dot < their.dot) => {
                if !their_ctx.covers(our.dot) {
                    cells.push((*our).clone());
                }
                left.next();
            }
            (_, Some(their)) => {
                if !our_ctx.covers(their.dot) {
                    cells.push((*their).clone());
                }
                right.next();
            }
            (Some(_), None) => unreachable!("the arm above takes every left without a right"),
        }
    }
}

/// A record that cannot be read from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError;

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("these bytes are not a record")
    }
}

impl std::error::Error for DecodeError {}

/// A record and its canonical bytes, made once and shared by everything that holds that state:
/// the local table, the mirrors, the store and the seal.
#[derive(Clone, Debug)]
pub struct Encoded(Arc<(Record, Bytes)>);

/// The usual size of an encoded record, in bytes.
const USUAL_LEN: usize = 512;

impl Encoded {
    /// Encodes a record.
    pub fn new(record: Record) -> Self {
        let room = Vec::with_capacity(USUAL_LEN);
        let bytes = postcard::to_extend(&record, room).expect("a record has no unencodable part");
        Self(Arc::new((record, bytes.into())))
    }

    /// Decodes a record. Trailing bytes, and a record that is not canonical, are errors.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (record, rest): (Record, _) =
            postcard::take_from_bytes(bytes).map_err(|_| DecodeError)?;
        if !rest.is_empty() || !record.is_sound() {
            return Err(DecodeError);
        }
        Ok(Self(Arc::new((record, bytes.clone()))))
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.0.0
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0.1
    }
}

impl PartialEq for Encoded {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.1 == other.0.1
    }
}

impl Eq for Encoded {}
