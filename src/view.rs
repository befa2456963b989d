//! The view: what a user is shown of a field's siblings. It is computed on read and never written
//! back.
//!
//! A strategy is a pure function of siblings sorted by dot. The application may register its own at
//! any time, also between a conflict and its resolution. If that panics, the field is shown as
//! [`Shipped::KeepBoth`] would show it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
#[cfg(feature = "flaws")]
use std::sync::OnceLock;

use crate::flaw::{Flaw, Flaws};
#[cfg(feature = "flaws")]
use crate::id::ReplicaId;
use crate::id::{Dot, FieldId, Kind};
use crate::record::{Cell, Payload, Value};
pub use crate::schema::Shipped;
use crate::schema::field_of;
use crate::time::Hlc;

/// One of several values that a field holds at once.
#[derive(Clone, Copy, Debug)]
pub struct Sibling<'a> {
    /// The write's id.
    pub dot: Dot,
    /// The author's clock reading.
    pub hlc: Hlc,
    /// The value that was written.
    pub value: &'a Value,
}

/// The decision of a strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The value to show.
    pub value: Value,
    /// Indices of the siblings that this value accounts for, in order; the others are conflicts.
    pub of: Vec<usize>,
}

/// How siblings become one value.
pub trait Strategy: Debug + Send + Sync {
    /// Decides. `siblings` has at least two entries, sorted by dot. The result must depend on them
    /// alone, and every list of siblings must have one.
    fn show(&self, siblings: &[Sibling<'_>]) -> Shown;
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
    /// Whether a strategy of the application panicked.
    pub panicked: bool,
}

/// Which strategy shows which field.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The strategies that the application has registered.
    custom: BTreeMap<(Kind, FieldId), Arc<dyn Strategy>>,
    flaws: Flaws,
    /// CV-NILMAP-STRATEGY: set when a conflict is first shown.
    #[cfg(feature = "flaws")]
    shown: OnceLock<()>,
}

impl Registry {
    /// The shipped strategies of the schema.
    pub fn new(flaws: Flaws) -> Self {
        Self {
            custom: BTreeMap::new(),
            flaws,
            #[cfg(feature = "flaws")]
            shown: OnceLock::new(),
        }
    }

    /// From now on shows this field with this strategy.
    pub fn register(&mut self, kind: Kind, field: FieldId, strategy: Arc<dyn Strategy>) {
        tracing::debug!(?kind, ?field, "registers a strategy");
        #[cfg(feature = "flaws")]
        if self.flaws.has(Flaw::CvNilmapStrategy) {
            self.shown.get().expect("made with the registry");
        }
        self.custom.insert((kind, field), strategy);
    }

    /// Shows a field. `cells` has at least one entry, in any order. Nothing depends on the replica that
    /// shows them.
    ///
    /// # Panics
    ///
    /// If there are no cells.
    pub fn view(&self, kind: Kind, field: FieldId, cells: &[Cell]) -> View {
        if let [cell] = cells {
            return View {
                value: cell.payload.value.clone(),
                contributors: vec![cell.payload.clone()],
                conflicts: Vec::new(),
                panicked: false,
            };
        }
        assert!(!cells.is_empty(), "a field that is shown has a cell");
        let mut cells: Vec<&Cell> = cells.iter().collect();
        cells.sort_by_key(|cell| cell.dot);
        let siblings: Vec<Sibling<'_>> = cells.iter().map(|cell| Sibling::from(*cell)).collect();
        #[cfg(feature = "flaws")]
        self.shown.get_or_init(|| ());
        let custom = self.custom.get(&(kind, field));
        tracing::debug!(?kind, ?field, custom = custom.is_some(), "chooses a strategy");
        match custom {
            None => View::of(shipped(kind, field).show(&siblings), &cells, false),
            Some(strategy) => match self.guarded(strategy.as_ref(), &siblings) {
                Some(shown) => View::of(shown, &cells, false),
                None => View::of(Shipped::KeepBoth.show(&siblings), &cells, true),
            },
        }
    }

    /// The decision of a strategy of the application; nothing if it panics.
    fn guarded(&self, strategy: &dyn Strategy, siblings: &[Sibling<'_>]) -> Option<Shown> {
        if self.flaws.has(Flaw::CvStrategyPanic) {
            return Some(strategy.show(siblings));
        }
        catch_unwind(AssertUnwindSafe(|| strategy.show(siblings))).ok()
    }
}

impl View {
    /// A sibling with the value that is shown is no conflict, whether the strategy counted it or
    /// not.
    fn of(shown: Shown, cells: &[&Cell], panicked: bool) -> Self {
        let (mut contributors, mut conflicts) = (Vec::new(), Vec::new());
        for (at, cell) in cells.iter().enumerate() {
            let settled = shown.of.contains(&at) || cell.payload.value == shown.value;
            let side = if settled { &mut contributors } else { &mut conflicts };
            side.push(cell.payload.clone());
        }
        assert_eq!(
            contributors.len() + conflicts.len(),
            cells.len(),
            "every sibling is a contributor or a conflict"
        );
        Self { value: shown.value, contributors, conflicts, panicked }
    }
}

impl<'a> From<&'a Cell> for Sibling<'a> {
    fn from(cell: &'a Cell) -> Self {
        Self { dot: cell.dot, hlc: cell.hlc, value: &cell.payload.value }
    }
}

/// The strategy of the schema. A field that this build does not know loses nothing.
fn shipped(kind: Kind, field: FieldId) -> Shipped {
    field_of(kind, field).map_or(Shipped::KeepBoth, |field| field.strategy)
}

impl Strategy for Shipped {
    /// A strategy that meets a value of another type than its own keeps both.
    fn show(&self, siblings: &[Sibling<'_>]) -> Shown {
        assert!(siblings.len() >= 2, "a field with one cell is shown without a strategy");
        let all = || (0..siblings.len()).collect();
        let value = match self {
            Self::KeepBoth => None,
            Self::Latest => return latest(siblings),
            Self::TextMerge3 => return merge_texts(siblings),
            Self::Max => numbers(siblings).and_then(|all| all.max()).map(Value::Int),
            Self::Min => numbers(siblings).and_then(|all| all.min()).map(Value::Int),
            Self::SetUnion => union(siblings).map(Value::Set),
            Self::Counter => count(siblings).map(Value::Int),
        };
        match value {
            Some(value) => Shown { value, of: all() },
            None => Shown { value: siblings[0].value.clone(), of: vec![0] },
        }
    }
}

fn latest(siblings: &[Sibling<'_>]) -> Shown {
    let (at, sibling) = siblings
        .iter()
        .enumerate()
        .max_by_key(|(_, sibling)| (sibling.hlc, sibling.dot))
        .expect("a strategy is given at least two siblings");
    Shown { value: sibling.value.clone(), of: vec![at] }
}

/// All values, if they are numbers.
fn numbers(siblings: &[Sibling<'_>]) -> Option<impl Iterator<Item = i64>> {
    let number = |sibling: &Sibling<'_>| match sibling.value {
        Value::Int(n) => Some(*n),
        Value::Text(_) | Value::Set(_) | Value::Draft { .. } => None,
    };
    siblings.iter().map(number).collect::<Option<Vec<_>>>().map(Vec::into_iter)
}

fn union(siblings: &[Sibling<'_>]) -> Option<BTreeSet<String>> {
    siblings.iter().try_fold(BTreeSet::new(), |mut union, sibling| match sibling.value {
        Value::Set(words) => {
            union.extend(words.iter().cloned());
            Some(union)
        }
        Value::Int(_) | Value::Text(_) | Value::Draft { .. } => None,
    })
}

/// Each replica's latest cell is all that it counted. Summed without overflow and clamped at the
/// end, so that the order of the summands cannot matter.
fn count(siblings: &[Sibling<'_>]) -> Option<i64> {
    let replicas = siblings.iter().map(|sibling| sibling.dot.replica);
    let last: BTreeMap<_, _> = replicas.zip(numbers(siblings)?).collect();
    assert!(last.len() <= siblings.len(), "each replica counts once");
    let sum: i128 = last.into_values().map(i128::from).sum();
    Some(sum.clamp(i64::MIN.into(), i64::MAX.into()).try_into().expect("clamped to its range"))
}

/// Merges into the first draft every later one that was edited from the same text and touches
/// other lines; the rest are conflicts.
fn merge_texts(siblings: &[Sibling<'_>]) -> Shown {
    let mut shown = Shown { value: siblings[0].value.clone(), of: vec![0] };
    let Value::Draft { base, text: merged } = &mut shown.value else { return shown };
    for (at, sibling) in siblings.iter().enumerate().skip(1) {
        // Another device may have written a value of another type: it stays a conflict.
        let Value::Draft { base: other, text } = sibling.value else { continue };
        if text == merged {
            shown.of.push(at);
        } else if other == base
            && let Ok(both) = diffy::merge(base, merged, text)
        {
            *merged = both;
            shown.of.push(at);
        }
    }
    assert!(shown.of.is_sorted(), "contributors are listed in the order of siblings");
    shown
}

/// CV-STRATEGY-ORDER: a field as `own` would show it by this bug. The own write was here first, so the first
/// argument of the strategy is `local` and wins; all later ones count as settled.
#[cfg(feature = "flaws")]
pub fn first_to_arrive(own: ReplicaId, cells: &[Cell]) -> View {
    let mut cells: Vec<&Cell> = cells.iter().collect();
    cells.sort_by_key(|cell| cell.dot);
    let first = cells.iter().min_by_key(|cell| (cell.dot.replica != own, cell.dot));
    let value = first.expect("a field that is shown has a cell").payload.value.clone();
    View::of(Shown { value, of: (0..cells.len()).collect() }, &cells, false)
}
