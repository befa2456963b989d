//! `[mix]` and `[trouble]`: what users do, and what goes wrong, by chance.

use engine::id::Kind;
use harness::random::Chance;

use super::sections::{FOREVER, keys, span};
use super::table::{Item, Reader, Table};
use super::values::kind_names;
use crate::scenario::problem::{Code, suggest};
use crate::scenario::words::{ENDINGS, INGREDIENTS};
use crate::scenario::{Choice, Ingredient, Mix, Scenario, Trouble, Unit, Verb};

pub(super) fn mix(
    reader: &mut Reader<'_>,
    mut table: Table<'_>,
    scenario: &Scenario,
) -> Option<Mix> {
    let lasts = table.need(reader, "for", "\"60s\"").and_then(|item| span(reader, item, 1));
    let every = table.need(reader, "every", "\"2s\"").and_then(|item| span(reader, item, 1));
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
    let names: Vec<&str> = INGREDIENTS.iter().map(|(name, _)| *name).collect();
    let weights = weights_of(reader, item, &names, |name| {
        INGREDIENTS.iter().find(|(word, _)| *word == name).map(|(_, value)| *value)
    });
    for (name, of) in INGREDIENTS.iter().filter(|(_, of)| of.needs_server()) {
        if weights.iter().any(|(one, weight)| one == of && *weight > 0)
            && !reader.need_server(scenario, item, name)
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

/// Weights by word: whole numbers, not all zero.
pub(super) fn weights_of<T>(
    reader: &mut Reader<'_>,
    item: Item<'_>,
    names: &[&str],
    of_name: impl Fn(&str) -> Option<T>,
) -> Vec<(T, u32)> {
    let Some(mut table) = reader.table(item, "`weights`") else { return Vec::new() };
    let mut weights = Vec::new();
    let mut bad = false;
    for (name, key, item) in table.rest() {
        let weight = match reader.integer(item) {
            Some(weight) => u32::try_from(weight).ok().filter(|weight| *weight <= 1_000_000),
            None => {
                bad = true;
                continue;
            }
        };
        match (of_name(name), weight) {
            (Some(value), Some(weight)) => weights.push((value, weight)),
            (None, _) => {
                bad = true;
                reader.tell(
                    Code::UnknownWord,
                    key,
                    format!("`{name}` is not known here"),
                    "unknown",
                    suggest(name, names.iter().copied()),
                );
            }
            (Some(_), None) => {
                bad = true;
                reader.tell(
                    Code::BadWeights,
                    item.span(),
                    "this cannot be a weight",
                    "below zero or too large",
                    "write a whole number between 0 and 1000000",
                );
            }
        }
    }
    if !bad && weights.iter().all(|(_, weight)| *weight == 0) {
        reader.tell(
            Code::BadWeights,
            item.span(),
            "all weights are zero",
            "nothing would ever be chosen",
            "give at least one a weight of 1",
        );
    }
    weights
}

pub(super) fn trouble(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    let families: Vec<&str> = families().map(Verb::name).collect();
    for (name, key, item) in table.rest() {
        let Some(verb) = Verb::of_name(name).filter(|verb| families.contains(&verb.name())) else {
            reader.tell(
                Code::UnknownVerb,
                key,
                format!("there is no trouble called `{name}`"),
                "unknown",
                suggest(name, families.iter().copied()),
            );
            continue;
        };
        if verb.needs_server() {
            reader.need_server_at(scenario, key, name);
        }
        let what = format!("the trouble `{name}`");
        let Some(mut table) = reader.table(item, &what) else { continue };
        let every = table.need(reader, "every", "\"20s\"").and_then(|item| span(reader, item, 1));
        let chance = table.take("chance").and_then(|item| chance_of(reader, item));
        let mut known = vec!["every", "chance"];
        let takes = |key| verb.needs().contains(&key) || verb.takes().contains(&key);
        let mut lasts = Choice::only(0);
        let mut forever = Chance(0);
        if takes("for") {
            known.push("for");
            lasts = table
                .need(reader, "for", "\"1s..10s\"")
                .and_then(|item| reader.bounded(Unit::Span, item, 1, FOREVER))
                .unwrap_or(lasts);
        }
        if can_last_forever(verb) {
            known.push("forever");
            forever =
                table.take("forever").and_then(|item| chance_of(reader, item)).unwrap_or(forever);
        }
        let mut strength = Choice::only(0);
        if let Some((key, unit, low, high)) = strength_of(verb) {
            known.push(key);
            strength = table
                .need(reader, key, unit.example())
                .and_then(|item| reader.bounded(unit, item, low, high))
                .unwrap_or(strength);
        }
        let mut how = Vec::new();
        if verb == Verb::EndZone {
            known.push("how");
            if let Some(item) = table.need(reader, "how", "[\"deleted\", \"purged\"]") {
                for item in reader.one_or_many(item) {
                    how.extend(reader.word(item, ENDINGS, Code::UnknownWord));
                }
            }
        }
        table.finish(reader, &known);
        if let Some(every) = every {
            let chance = chance.unwrap_or(Chance(500_000));
            scenario.trouble.push(Trouble { verb, chance, every, lasts, forever, strength, how });
        }
    }
}

/// One chance.
fn chance_of(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Chance> {
    let ppm = reader.exact(Unit::Chance, item)?;
    u32::try_from(ppm).ok().map(Chance)
}

/// The faults that can be drawn: all, but that an image is restored includes that it was saved.
pub(super) fn families() -> impl Iterator<Item = Verb> {
    Verb::ALL.iter().copied().filter(|verb| verb.is_fault() && *verb != Verb::SaveImage)
}

/// Can this fault make something incurable?
pub(super) fn can_last_forever(verb: Verb) -> bool {
    matches!(verb, Verb::HoldKeys | Verb::BreakDecryption | Verb::RejectRow)
}

/// The key, the unit and the bounds of a verb's strength.
pub(super) fn strength_of(verb: Verb) -> Option<(&'static str, Unit, i64, i64)> {
    let needs = |key| verb.needs().contains(&key);
    if needs("times") {
        Some(("times", Unit::Count, 1, 10_000))
    } else if needs("wait") {
        Some(("wait", Unit::Span, 1, 86_400_000))
    } else if needs("taking") {
        Some(("taking", Unit::Span, 1, 86_400_000))
    } else if matches!(verb, Verb::LateLists | Verb::RestoreVolume) {
        Some(("by", Unit::Span, 1, 31_622_400_000))
    } else if matches!(verb, Verb::ClockJump | Verb::WorkerClockJump | Verb::ProcessorClockJump) {
        Some(("by", Unit::Shift, -FOREVER, FOREVER))
    } else {
        None
    }
}
