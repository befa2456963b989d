//! The fields of each kind of record: their names, the values they hold, and how siblings are shown
//! by default.

use crate::id::{Build, FieldId, Kind};
use crate::record::Value;

/// The kind of value that a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// [`Value::Int`](crate::record::Value::Int), replaced by a write.
    Int,
    /// [`Value::Int`](crate::record::Value::Int), raised by increments.
    Count,
    /// [`Value::Text`](crate::record::Value::Text).
    Text,
    /// [`Value::Set`](crate::record::Value::Set).
    Set,
    /// [`Value::Draft`](crate::record::Value::Draft).
    Draft,
}

/// The strategies that come with the engine; [`view`](crate::view) has what they do.
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

impl Build {
    /// The field of this number, if this build knows it. A build merges, keeps and shows fields that it does
    /// not know; it does not write them.
    pub fn field_of(self, kind: Kind, id: FieldId) -> Option<&'static Field> {
        field_of(kind, id).filter(|field| field.since <= self)
    }
}

/// One field of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its number within the kind.
    pub id: FieldId,
    /// The name people write.
    pub name: &'static str,
    /// The kind of value that it holds.
    pub holds: Holds,
    /// How its siblings are shown unless a strategy is registered.
    pub strategy: Shipped,
    /// The first build that knows it.
    pub since: Build,
}

impl Field {
    /// May this value be written into the field? Counters are raised by increments alone.
    pub const fn takes(&self, value: &Value) -> bool {
        matches!(
            (self.holds, value),
            (Holds::Int, Value::Int(_))
                | (Holds::Text, Value::Text(_))
                | (Holds::Set, Value::Set(_))
                | (Holds::Draft, Value::Draft { .. })
        )
    }
}

const fn field(id: u8, name: &'static str, holds: Holds, strategy: Shipped) -> Field {
    Field { id: FieldId(id), name, holds, strategy, since: Build::Previous }
}

const GOALS: [Field; 4] = [
    field(0, "kcal", Holds::Int, Shipped::Latest),
    field(1, "weight", Holds::Int, Shipped::Min),
    field(2, "steps", Holds::Int, Shipped::Max),
    field(3, "motto", Holds::Text, Shipped::KeepBoth),
];
const DAILY_LOG: [Field; 4] = [
    field(0, "water", Holds::Count, Shipped::Counter),
    field(1, "mood", Holds::Text, Shipped::Latest),
    field(2, "notes", Holds::Draft, Shipped::TextMerge3),
    field(3, "tags", Holds::Set, Shipped::SetUnion),
];
const WEEKLY_SNAPSHOT: [Field; 3] = [
    field(0, "best", Holds::Int, Shipped::Max),
    field(1, "lowest", Holds::Int, Shipped::Min),
    field(2, "summary", Holds::Text, Shipped::KeepBoth),
];
const MEAL: [Field; 6] = [
    field(0, "name", Holds::Text, Shipped::KeepBoth),
    field(1, "kcal", Holds::Int, Shipped::Latest),
    field(2, "tags", Holds::Set, Shipped::SetUnion),
    field(3, "portions", Holds::Count, Shipped::Counter),
    field(4, "note", Holds::Draft, Shipped::TextMerge3),
    Field { since: Build::Current, ..field(5, "photo", Holds::Text, Shipped::KeepBoth) },
];

/// [`Registry`](crate::view::Registry) and the stores look fields up by number.
const _: () = {
    let mut kind = 0;
    while kind < Kind::ALL.len() {
        let fields = fields(Kind::ALL[kind]);
        let mut at = 0;
        while at < fields.len() {
            let Field { id, holds, strategy, since, .. } = fields[at];
            assert!(id.0 as usize == at, "a field's number is its place in the table");
            assert!(id.0 != FieldId::HEADSTONE.0, "no field of a schema is the headstone");
            assert!(
                matches!(holds, Holds::Count) == matches!(strategy, Shipped::Counter),
                "counters, and nothing else, are summed up"
            );
            assert!(
                matches!(holds, Holds::Set) == matches!(strategy, Shipped::SetUnion),
                "sets, and nothing else, are united"
            );
            assert!(
                matches!(since, Build::Previous) || matches!(strategy, Shipped::KeepBoth),
                "an older build shows a field that it does not know as it shows all such fields"
            );
            at += 1;
        }
        kind += 1;
    }
};

/// The fields of a kind, by number.
pub const fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Goals => &GOALS,
        Kind::DailyLog => &DAILY_LOG,
        Kind::WeeklySnapshot => &WEEKLY_SNAPSHOT,
        Kind::Meal => &MEAL,
    }
}

/// The field of this number, if there is one.
pub fn field_of(kind: Kind, id: FieldId) -> Option<&'static Field> {
    fields(kind).iter().find(|field| field.id == id)
}
