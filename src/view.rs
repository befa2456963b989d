//! The view: what a user is shown of a field's siblings. Computed on read, never written back.
//!
//! A strategy is a pure function of siblings sorted by dot. A custom one may be registered at any
//! moment, also between a conflict and its resolution, and may panic: the field is then shown as
//! [`Shipped::KeepBoth`] would show it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use crate::flaw::Flaws;
use crate::id::{Dot, FieldId, Kind};
use crate::record::{Cell, Payload, Value};
use crate::time::Hlc;

/// One of several values that a field holds at once.
#[derive(Clone, Copy, Debug)]
pub struct Sibling<'a> {
    /// The write.
    pub dot: Dot,
    /// When its author believes to have written it.
    pub hlc: Hlc,
    /// What it wrote.
    pub value: &'a Value,
}

/// What a strategy makes of siblings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The value to show.
    pub value: Value,
    /// Indices of the siblings that this value accounts for, in order; the others are conflicts.
    pub of: Vec<usize>,
}

/// How siblings become one value.
pub trait Strategy: Debug + Send + Sync {
    /// Decides. `siblings` has at least two entries, sorted by dot. Must be total and
    /// deterministic, and must not depend on anything else.
    fn show(&self, siblings: &[Sibling<'_>]) -> Shown;
}

/// The strategies that come with the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shipped {
    /// The first by dot is shown, all others are conflicts.
    KeepBoth,
    /// The latest by clock, then dot; the others are conflicts.
    Latest,
    /// The largest number.
    Max,
    /// The smallest number.
    Min,
    /// The union of sets.
    SetUnion,
    /// The sum over replicas of what each counted.
    Counter,
    /// A three-way merge of two texts edited from the same one.
    TextMerge3,
}

/// A field as shown: every sibling is either a contributor or a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The value shown.
    pub value: Value,
    /// The cells that it accounts for.
    pub contributors: Vec<Payload>,
    /// The cells that it does not account for.
    pub conflicts: Vec<Payload>,
    /// Did a custom strategy panic on the way?
    pub panicked: bool,
}

/// Which strategy shows which field.
#[derive(Clone, Debug)]
pub struct Registry {
    custom: BTreeMap<(Kind, FieldId), Arc<dyn Strategy>>,
    flaws: Flaws,
}

impl Registry {
    /// The shipped strategies of the schema.
    pub fn new(flaws: Flaws) -> Self {
        Self { custom: BTreeMap::new(), flaws }
    }

    /// From now on shows this field so. Cannot fail.
    pub fn register(&mut self, kind: Kind, field: FieldId, strategy: Arc<dyn Strategy>) {
        self.custom.insert((kind, field), strategy);
    }

    /// Shows the cells of a field (at least one, sorted by dot).
    pub fn view(&self, kind: Kind, field: FieldId, cells: &[Cell]) -> View {
        let _ = (kind, field, self.flaws);
        View {
            value: cells[0].payload.value.clone(),
            contributors: vec![cells[0].payload.clone()],
            conflicts: cells[1..].iter().map(|cell| cell.payload.clone()).collect(),
            panicked: false,
        }
    }
}
