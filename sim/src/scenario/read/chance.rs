//! `[mix]` and `[trouble]`: what users do, and what goes wrong, by chance.

use engine::id::Kind;
use harness::random::Chance;

use super::table::{Item, Reader, Table};
use super::values::{FOREVER, kind_names};
use super::weights::weights_of;
use crate::fault::{Argument, ArgumentKind, FaultKind, Lasts, Longest};
use crate::scenario::problem::{Code, suggest};
use crate::scenario::words::{ENDINGS, keys};
use crate::scenario::{Choice, FaultFamily, Ingredient, Mix, Scenario, Unit};

pub(super) fn mix(
    reader: &mut Reader<'_>,
    mut table: Table<'_>,
    scenario: &Scenario,
) -> Option<Mix> {
    let lasts = table.need(reader, "for", "\"60s\"").and_then(|item| reader.span(item, 1));
    let every = table.need(reader, "every", "\"2s\"").and_then(|item| reader.span(item, 1));
    let weights = table.need(reader, "weights", "{ edit = 6, read = 2, delete = 1 }");
    let weights = weights.map(|item| ingredients(reader, item, scenario));
    let kinds = match table.take("kinds") {
        Some(item) => weights_of(reader, item, &kind_names(), |name| {
            Kind::ALL.into_iter().find(|kind| kind.name() == name)
        }),
        None => Kind::ALL.into_iter().map(|kind| (kind, 1)).collect(),
    };
    let rows = part(reader, &mut table, ("rows", Unit::Count, 1_000_000, "4..12"));
    let size = part(reader, &mut table, ("size", Unit::Size, 100_000, "1B..64B"));
    let pause = part(reader, &mut table, ("pause", Unit::Span, FOREVER, "100ms..3s"));
    let hot = [("share", Unit::Chance, 1_000_000, "60%"), ("of-rows", Unit::Count, 1_000, "1..4")];
    let [hot_share, hot_rows] = parts(reader, &mut table, "hot-rows", hot);
    let bursts = [
        ("share", Unit::Chance, 1_000_000, "20%"),
        ("of-devices", Unit::Count, 1_000, "2..3"),
        ("within", Unit::Span, FOREVER, "20ms..500ms"),
    ];
    let [burst_share, burst_devices, burst_within] = parts(reader, &mut table, "bursts", bursts);
    let files = match table.take("files") {
        Some(item) if reader.need_server(scenario, item, "files") => {
            Some(super::file::mix(reader, item)?)
        }
        Some(_) | None => None,
    };
    table.finish(reader, keys("mix"));
    Some(Mix {
        lasts: lasts?,
        every: every?,
        weights: weights?,
        kinds,
        rows,
        hot_share,
        hot_rows,
        size,
        burst_share,
        burst_devices,
        burst_within,
        pause,
        files,
    })
}

/// A quantity of the mix: its key, its unit, the most that it can be, and what it usually is.
type Part = (&'static str, Unit, i64, &'static str);

fn part(reader: &mut Reader<'_>, table: &mut Table<'_>, (key, unit, most, usual): Part) -> Choice {
    let found = table.take(key).and_then(|item| reader.bounded(unit, item, 0, most));
    found.unwrap_or_else(|| Choice(vec![unit.parse(usual).expect("well written above")]))
}

/// Quantities that stand in a table of their own.
fn parts<const N: usize>(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    key: &str,
    of: [Part; N],
) -> [Choice; N] {
    let inner = table.take(key).and_then(|item| reader.table(item, &format!("`{key}`")));
    let Some(mut inner) = inner else {
        return of.map(|(_, unit, _, usual)| {
            Choice(vec![unit.parse(usual).expect("well written above")])
        });
    };
    let found = of.map(|one| part(reader, &mut inner, one));
    inner.finish(reader, &of.map(|(key, ..)| key));
    found
}

/// What users do, and how often; all of it must be possible.
fn ingredients(
    reader: &mut Reader<'_>,
    item: Item<'_>,
    scenario: &Scenario,
) -> Vec<(Ingredient, u32)> {
    let all = Ingredient::ALL.iter().copied();
    let names: Vec<&str> = all.clone().map(Ingredient::name).collect();
    let weights = weights_of(reader, item, &names, |name| all.clone().find(|it| it.name() == name));
    for of in all.filter(|of| of.needs_server()) {
        if weights.iter().any(|(one, weight)| *one == of && *weight > 0)
            && !reader.need_server(scenario, item, of.name())
        {
            break;
        }
    }
    if weights.iter().any(|(one, weight)| one.needs_processors() && *weight > 0)
        && scenario.processors.is_empty()
    {
        reader.tell(
            Code::Missing,
            item.span(),
            "conversations need processors, and this scenario has none",
            "nobody would ever work on them",
            "add the heading [processors] with a line as reader = { user = \"anna\" }",
        );
    }
    weights
}

pub(super) fn trouble(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    let words: Vec<&str> = families().map(FaultKind::word).collect();
    for (name, key, item) in table.rest() {
        let Some(kind) = families().find(|kind| kind.word() == name) else {
            reader.tell(
                Code::UnknownVerb,
                key,
                format!("there is no trouble called `{name}`"),
                "unknown",
                suggest(name, words.iter().copied()),
            );
            continue;
        };
        if kind.declaration().needs_server {
            reader.need_server_at(scenario, key, name);
        }
        if let Some(table) = reader.table(item, &format!("the trouble `{name}`")) {
            scenario.trouble.extend(family(reader, table, kind));
        }
    }
}

/// How often a fault is drawn, for how long and how strong.
fn family(reader: &mut Reader<'_>, mut table: Table<'_>, kind: FaultKind) -> Option<FaultFamily> {
    let every = table.need(reader, "every", "\"20s\"").and_then(|item| reader.span(item, 1));
    let chance = table.take("chance").and_then(|item| chance_of(reader, item));
    let mut known = vec!["every", "chance"];
    let mut lasts = Choice::only(0);
    let mut forever = Chance(0);
    if kind.lasts() != Lasts::AtOnce {
        known.push("for");
        lasts = table
            .need(reader, "for", "\"1s..10s\"")
            .and_then(|item| reader.bounded(Unit::Span, item, 1, FOREVER))
            .unwrap_or(lasts);
    }
    if matches!(kind.lasts(), Lasts::Until(_, Longest::Incurable)) {
        known.push("forever");
        forever = table.take("forever").and_then(|item| chance_of(reader, item)).unwrap_or(forever);
    }
    let mut strength = Choice::only(0);
    if let Some(Argument { key, kind }) = kind.declaration().strength()
        && let (Some(unit), Some((low, high))) = (kind.unit(), kind.strength())
    {
        known.push(key);
        strength = table
            .need(reader, key, unit.example())
            .and_then(|item| reader.bounded(unit, item, low, high))
            .unwrap_or(strength);
    }
    let mut how = Vec::new();
    if kind.declaration().has(ArgumentKind::Ending) {
        known.push("how");
        if let Some(item) = table.need(reader, "how", "[\"deleted\", \"purged\"]") {
            for item in reader.one_or_many(item) {
                how.extend(reader.word(item, ENDINGS, Code::UnknownWord));
            }
        }
    }
    table.finish(reader, &known);
    let chance = chance.unwrap_or(Chance(500_000));
    every.map(|every| FaultFamily { kind, chance, every, lasts, forever, strength, how })
}

/// One chance.
fn chance_of(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Chance> {
    let ppm = reader.exact(Unit::Chance, item)?;
    u32::try_from(ppm).ok().map(Chance)
}

/// The faults that can be drawn by themselves.
fn families() -> impl Iterator<Item = FaultKind> {
    FaultKind::ALL.iter().copied().filter(|kind| kind.declaration().drawn_with.is_none())
}
