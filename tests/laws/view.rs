//! The view: every strategy is total, deterministic and blind to the order and the place of reading,
//! shows what it promises, and loses no sibling.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use engine::flaw::{Flaw, Flaws};
use engine::id::{Dot, FieldId, Kind, ReplicaId, Token};
use engine::record::{Cell, Payload, Value};
use engine::schema::fields;
use engine::time::Hlc;
use engine::view::{Registry, Shipped, Shown, Sibling, Strategy, View, first_to_arrive};
use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Draw;

use crate::laws::choices::{Choices, permutations};
use crate::laws::drawn;

const STRATEGIES: [Shipped; 7] = [
    Shipped::KeepBoth,
    Shipped::Latest,
    Shipped::Max,
    Shipped::Min,
    Shipped::SetUnion,
    Shipped::Counter,
    Shipped::TextMerge3,
];
/// A replica that wrote none of the siblings.
const BASE: &str = "one\ntwo\nthree\nfour\nfive\n";

/// A field that the schema shows by this strategy.
fn place(strategy: Shipped) -> (Kind, FieldId) {
    let all = Kind::ALL.into_iter().flat_map(|kind| fields(kind).iter().map(move |it| (kind, it)));
    let mut of_strategy = all.filter(|(_, field)| field.strategy == strategy);
    of_strategy.next().map(|(kind, field)| (kind, field.id)).expect("the schema uses every one")
}

fn show(strategy: Shipped, cells: &[Cell]) -> View {
    let (kind, field) = place(strategy);
    Registry::new(Flaws::NONE).view(kind, field, cells)
}

fn cell(replica: u64, n: u64, wall: u64, value: Value) -> Cell {
    let token = Token((u128::from(replica) << 64 | u128::from(n)).to_be_bytes());
    let dot = Dot { replica: ReplicaId(replica), n };
    Cell { dot, hlc: Hlc { wall, count: 0 }, payload: Payload { token, value } }
}

fn set(words: &[&str]) -> Value {
    Value::Set(words.iter().map(|word| (*word).to_owned()).collect())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn draft(base: &str, text: &str) -> Value {
    Value::Draft { base: base.to_owned(), text: text.to_owned() }
}

/// What holds of every view of these cells, whatever the strategy.
fn is_whole(view: &View, cells: &[Cell]) {
    let mut given: Vec<_> = cells.iter().map(|cell| cell.payload.clone()).collect();
    let mut found = [&view.contributors[..], &view.conflicts].concat();
    given.sort();
    found.sort();
    assert_eq!(found, given, "each sibling is a contributor or a conflict, once");
    let dissents = view.conflicts.iter().all(|conflict| conflict.value != view.value);
    assert!(dissents, "what says the same is no conflict: {view:?}");
}

/// What each strategy promises, said without its code. Cells are sorted by dot.
fn keeps_its_promise(strategy: Shipped, view: &View, cells: &[Cell]) {
    let values = || cells.iter().map(|cell| &cell.payload.value);
    let keeps_both = || {
        assert_eq!(view.value, cells[0].payload.value, "the first by dot is shown");
        assert!(view.contributors.iter().all(|it| it.value == view.value), "and nothing else");
    };
    let numbers = |shown: &dyn Fn(i64, &[i64]) -> bool| {
        let all: Option<Vec<i64>> = values().map(number).collect();
        match (all, &view.value) {
            (Some(all), Value::Int(value)) => {
                assert!(shown(*value, &all), "{strategy:?} of {all:?} is {value}");
                assert_eq!(view.conflicts, []);
            }
            (None, _) => keeps_both(),
            (Some(all), other) => panic!("{strategy:?} made {other:?} of {all:?}"),
        }
    };
    match strategy {
        Shipped::KeepBoth => keeps_both(),
        Shipped::Latest => {
            let shown = cells.iter().filter(|cell| cell.payload.value == view.value);
            let latest = shown.map(|cell| (cell.hlc, cell.dot)).max();
            assert_eq!(latest, cells.iter().map(|cell| (cell.hlc, cell.dot)).max());
            assert!(view.contributors.iter().all(|it| it.value == view.value));
        }
        Shipped::Max => numbers(&|it, all| all.contains(&it) && all.iter().all(|n| *n <= it)),
        Shipped::Min => numbers(&|it, all| all.contains(&it) && all.iter().all(|n| *n >= it)),
        Shipped::Counter => numbers(&|it, _| i128::from(it) == counted(cells)),
        Shipped::SetUnion => {
            let all: Option<Vec<_>> = values().map(words).collect();
            match (all, words(&view.value)) {
                (Some(all), Some(shown)) => {
                    assert!(all.iter().flat_map(|set| set.iter()).all(|it| shown.contains(it)));
                    assert!(shown.iter().all(|it| all.iter().any(|set| set.contains(it))));
                    assert_eq!(view.conflicts, []);
                }
                (None, _) => keeps_both(),
                (Some(_), None) => panic!("a union of sets is a set"),
            }
        }
        Shipped::TextMerge3 => match drafted(&view.value) {
            Some((base, shown)) => holds_every_edit(base, shown, view),
            None => keeps_both(),
        },
    }
}

fn number(value: &Value) -> Option<i64> {
    if let Value::Int(n) = value { Some(*n) } else { None }
}

fn words(value: &Value) -> Option<&BTreeSet<String>> {
    if let Value::Set(words) = value { Some(words) } else { None }
}

fn drafted(value: &Value) -> Option<(&str, &str)> {
    if let Value::Draft { base, text } = value { Some((base, text)) } else { None }
}

/// What each replica counted last, summed up, within the numbers that there are.
fn counted(cells: &[Cell]) -> i128 {
    let mut last = BTreeMap::new();
    for cell in cells {
        let latest = cells.iter().filter(|it| it.dot.replica == cell.dot.replica);
        let latest = latest.max_by_key(|it| it.dot.n).expect("at least the cell itself");
        last.insert(cell.dot.replica, number(&latest.payload.value).expect("checked before"));
    }
    let sum: i128 = last.values().map(|n| i128::from(*n)).sum();
    sum.clamp(i64::MIN.into(), i64::MAX.into())
}

/// A merged text has what any contributor added, and of the base what all of them kept. Lines are
/// unique in these tests, so sets of lines say it all.
fn holds_every_edit(base: &str, shown: &str, view: &View) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (base, shown) = (lines(base), lines(shown));
    let texts = view.contributors.iter().filter_map(|it| drafted(&it.value));
    let texts: Vec<_> = texts.map(|(_, text)| lines(text)).collect();
    let kept = base.iter().filter(|line| texts.iter().all(|text| text.contains(*line)));
    let added = texts.iter().flatten().filter(|line| !base.contains(*line));
    assert_eq!(shown, kept.chain(added).cloned().collect(), "{view:?}");
}

#[test]
fn up_to_three_siblings_of_any_values_are_shown_as_promised() {
    let values = [
        Value::Int(1),
        Value::Int(i64::MAX),
        text("a"),
        set(&["a"]),
        set(&["b", "c"]),
        draft(BASE, "one\nTWO\nthree\nfour\nfive\n"),
        draft(BASE, "one\ntwo\nthree\nfour\nfive\nsix\n"),
        draft(BASE, "one\nzwei\nthree\nfour\nfive\n"),
        draft("", "other\n"),
    ];
    let orders: Vec<_> = (0..=3).map(|n| permutations(&(0..n).collect::<Vec<_>>())).collect();
    Choices::each(|choices| {
        let length = 1 + choices.below(3);
        let writers = choices.one_of(&[[(1, 1), (2, 1), (3, 1)], [(1, 1), (1, 2), (3, 1)]]);
        let walls = choices.one_of(&[[1, 1, 1], [3, 2, 1], [1, 3, 2]]);
        let cells: Vec<Cell> = (0..length)
            .map(|at| {
                cell(writers[at].0, writers[at].1, walls[at], choices.one_of(&values).clone())
            })
            .collect();
        let strategy = *choices.one_of(&STRATEGIES);
        let view = show(strategy, &cells);
        is_whole(&view, &cells);
        if length > 1 {
            keeps_its_promise(strategy, &view, &cells);
        }
        for order in &orders[length][1..] {
            let arrived: Vec<Cell> = order.iter().map(|at| cells[*at].clone()).collect();
            assert_eq!(show(strategy, &arrived), view, "{strategy:?} of {arrived:?}");
        }
    });
}

fn value() -> impl Draw<Value = Value> {
    let words = prop::collection::btree_set("[a-e]", 0..4);
    prop_oneof![
        any::<i64>().prop_map(Value::Int),
        (-3..3i64).prop_map(Value::Int),
        "[ab]{0,2}".prop_map(Value::Text),
        words.prop_map(Value::Set),
        ("[ab\n]{0,6}", "[ab\n]{0,6}").prop_map(|(base, text)| Value::Draft { base, text }),
    ]
}

/// Values of one type, as a field holds them unless an application goes wrong.
fn values() -> impl Draw<Value = Vec<Value>> {
    let words = prop::collection::btree_set("[a-e]", 0..4).prop_map(Value::Set);
    prop_oneof![
        prop::collection::vec(value(), 1..7),
        prop::collection::vec(any::<i64>().prop_map(Value::Int), 1..7),
        prop::collection::vec(words, 1..7),
        edits(),
    ]
}

/// Drafts of one text. Every line that is put in is another one.
fn edits() -> impl Draw<Value = Vec<Value>> {
    let edit = prop::collection::vec((0..6usize, 0..3u8), 0..4);
    prop::collection::vec(edit, 1..7).prop_map(|drafts| {
        let edited = |(who, edits): (usize, Vec<(usize, u8)>)| {
            let mut lines: Vec<String> = BASE.lines().map(str::to_owned).collect();
            for (nth, (at, how)) in edits.into_iter().enumerate() {
                let at = at.min(lines.len());
                let new = format!("{who}.{nth}");
                match how {
                    0 => lines.insert(at, new),
                    1 if at < lines.len() => lines[at] = new,
                    _ if at < lines.len() => drop(lines.remove(at)),
                    _ => {}
                }
            }
            draft(BASE, &lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        };
        drafts.into_iter().enumerate().map(edited).collect()
    })
}

/// Siblings under distinct dots, sorted by them.
fn cells() -> impl Draw<Value = Vec<Cell>> {
    (values(), prop::collection::btree_set((0..4u64, 1..4u64), 7), prop::array::uniform7(0..4u64))
        .prop_map(|(values, dots, walls)| {
            let writes = dots.into_iter().zip(walls).zip(values);
            writes.map(|(((replica, n), wall), value)| cell(replica, n, wall, value)).collect()
        })
}

proptest! {
    #![proptest_config(drawn(512))]

    #[test]
    fn siblings_of_any_values_are_shown_as_promised_in_every_order(
        (cells, shuffled) in cells().prop_flat_map(|cells| (Just(cells.clone()), Just(cells).prop_shuffle())),
        strategy in prop::sample::select(&STRATEGIES[..]),
    ) {
        let view = show(strategy, &cells);
        is_whole(&view, &cells);
        prop_assert!(!view.panicked);
        prop_assert_eq!(&view, &show(strategy, &shuffled));
        // Line sets tell nothing where lines repeat, as they do in random drafts.
        let unique = |cell: &Cell| drafted(&cell.payload.value).is_none_or(|it| it.0 == BASE);
        if cells.len() > 1 && cells.iter().all(unique) {
            keeps_its_promise(strategy, &view, &cells);
        }
    }
}

#[test]
fn edits_of_different_lines_merge_and_edits_of_one_line_conflict() {
    let edit = |from: &str, to: &str| draft(BASE, &BASE.replace(from, to));
    let apart = [cell(1, 1, 0, edit("one", "1")), cell(2, 1, 0, edit("five", "5"))];
    let view = show(Shipped::TextMerge3, &apart);
    assert_eq!(view.value, draft(BASE, "1\ntwo\nthree\nfour\n5\n"));
    assert_eq!(view.conflicts, []);

    let clash = [cell(1, 1, 0, edit("one", "1")), cell(2, 1, 0, edit("one", "uno"))];
    let view = show(Shipped::TextMerge3, &clash);
    assert_eq!(view.value, clash[0].payload.value);
    assert_eq!(view.conflicts, [clash[1].payload.clone()]);
}

#[test]
fn drafts_with_different_bases_conflict_unless_they_say_the_same() {
    let pair = |text| [cell(1, 1, 0, draft("a\n", "b\n")), cell(2, 1, 0, draft("c\n", text))];
    // The last went back to what the first started from, which is no reason to forget either.
    for other in ["d\n", "c\n", "a\n"] {
        assert_eq!(show(Shipped::TextMerge3, &pair(other)).conflicts.len(), 1, "{other}");
    }
    assert_eq!(show(Shipped::TextMerge3, &pair("b\n")).conflicts, []);
}

#[test]
fn two_devices_that_count_the_same_count_twice() {
    let cells = [cell(1, 4, 0, Value::Int(5)), cell(2, 1, 0, Value::Int(5))];
    assert_eq!(show(Shipped::Counter, &cells).value, Value::Int(10));
}

#[test]
fn a_field_that_this_build_does_not_know_keeps_both() {
    let cells = [cell(1, 1, 9, Value::Int(1)), cell(2, 1, 0, Value::Int(2))];
    let view = Registry::new(Flaws::NONE).view(Kind::Goals, FieldId(200), &cells);
    assert_eq!(view.value, Value::Int(1));
    assert_eq!(view.conflicts, [cells[1].payload.clone()]);
}

/// Strategies as applications write them.
#[derive(Debug)]
enum Custom {
    Last,
    Panics,
    /// Names siblings that there are not.
    Miscounts,
}

impl Strategy for Custom {
    fn show(&self, siblings: &[Sibling<'_>]) -> Shown {
        let last = siblings.len() - 1;
        let of = match self {
            Self::Last => vec![last],
            Self::Panics => panic!("the bug of an application"),
            Self::Miscounts => vec![7, last, last],
        };
        Shown { value: siblings[last].value.clone(), of }
    }
}

const MOTTO: (Kind, FieldId) = (Kind::Goals, FieldId(3));

fn mottos() -> [Cell; 2] {
    [cell(1, 1, 0, text("slow")), cell(2, 1, 0, text("steady"))]
}

fn view_motto(registry: &Registry) -> View {
    registry.view(MOTTO.0, MOTTO.1, &mottos())
}

fn with(flaws: Flaws, custom: Custom) -> Registry {
    let mut registry = Registry::new(flaws);
    registry.register(MOTTO.0, MOTTO.1, Arc::new(custom));
    registry
}

#[test]
fn a_strategy_may_be_registered_before_amid_and_after_a_conflict() {
    let mut registry = with(Flaws::NONE, Custom::Last);
    assert_eq!(view_motto(&registry).value, text("steady"));
    registry.register(MOTTO.0, MOTTO.1, Arc::new(Shipped::KeepBoth));
    assert_eq!(view_motto(&registry).value, text("slow"));
    registry.register(MOTTO.0, MOTTO.1, Arc::new(Custom::Last));
    assert_eq!(view_motto(&registry).value, text("steady"));
    let elsewhere = registry.view(Kind::WeeklySnapshot, FieldId(2), &mottos());
    assert_eq!(elsewhere.value, text("slow"), "other fields are shown as before");
}

#[test]
fn a_strategy_that_panics_shows_the_field_as_keep_both_would() {
    let view = view_motto(&with(Flaws::NONE, Custom::Panics));
    assert_eq!(view, View { panicked: true, ..show(Shipped::KeepBoth, &mottos()) });
}

#[test]
fn a_strategy_that_miscounts_hides_nothing() {
    let view = view_motto(&with(Flaws::NONE, Custom::Miscounts));
    is_whole(&view, &mottos());
    assert_eq!(view.value, text("steady"));
}

#[test]
fn a_value_without_siblings_is_shown_as_it_is() {
    let registry = with(Flaws::NONE, Custom::Panics);
    let view = registry.view(MOTTO.0, MOTTO.1, &mottos()[..1]);
    assert_eq!((view.value, view.panicked), (text("slow"), false));
}

#[test]
fn the_flaw_of_the_missing_registry_bites_until_a_conflict_was_shown() {
    let flaws = Flaws::only(Flaw::CvNilmapStrategy);
    assert!(catch_unwind(|| with(flaws, Custom::Last)).is_err());
    let mut registry = Registry::new(flaws);
    view_motto(&registry);
    registry.register(MOTTO.0, MOTTO.1, Arc::new(Custom::Last));
    assert_eq!(view_motto(&registry).value, text("steady"));
}

#[test]
fn the_flaw_of_the_missing_guard_lets_a_panic_through() {
    let registry = with(Flaws::only(Flaw::CvStrategyPanic), Custom::Panics);
    assert!(catch_unwind(AssertUnwindSafe(|| view_motto(&registry))).is_err());
}

#[test]
fn the_flaw_of_the_order_shows_each_writer_their_own() {
    let [one, other] = [1, 2].map(|replica| first_to_arrive(ReplicaId(replica), &mottos()));
    assert_eq!((one.value, other.value), (text("slow"), text("steady")));
    assert_eq!(one.conflicts, []);
}
