//! `[expect]`: invariants, what must be shown, what must happen, and verdicts.

use harness::random::Chance;
use harness::time::Span;

use super::expectation;
use super::table::{Item, Reader, Table};
use super::values::invariant;
use crate::invariant::Invariant;
use crate::scenario::problem::{Code, suggest};
use crate::scenario::words::keys;
use crate::scenario::{Bound, Expect, Occurrence, Scenario, Unit, events};

pub(super) fn read(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    if let Some(item) = table.take("always") {
        for item in reader.list(item) {
            let Some(found) = invariant(reader, item) else { continue };
            if scenario.expected.always.contains(&found) {
                let message = format!("`{}` is there twice", found.name());
                reader.tell(Code::Duplicate, item.span(), message, "the second one", "remove it");
            } else {
                scenario.expected.always.push(found);
            }
        }
    }
    if let Some(item) = table.take("settle-within") {
        let millis = reader.exact(Unit::Span, item);
        scenario.expected.settle_within =
            millis.and_then(|millis| u64::try_from(millis).ok()).map(Span);
    }
    if let Some(item) = table.take("must-happen") {
        for item in reader.list(item) {
            scenario.expected.occurrences.extend(must_happen(reader, item));
        }
    }
    if let Some(item) = table.take("must-not-happen") {
        for item in reader.list(item) {
            scenario.expected.occurrences.extend(must_not_happen(reader, item));
        }
    }
    if let Some(item) = table.take("at-end") {
        expectation::read_all(reader, scenario, item);
    }
    if let Some(item) = table.take("verdict")
        && let Some(table) = reader.table(item, "[expect.verdict]")
    {
        verdicts(reader, table, scenario);
    }
    table.finish(reader, keys("expect"));
}

fn must_happen(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Occurrence> {
    let mut table = reader.table(item, "a line of `must-happen`")?;
    let line = reader.line(&item.span());
    let what = event(reader, &mut table);
    let often = match table.take("at-least") {
        Some(item) => how_often(reader, item, 1),
        None => Some(Often::Times(1)),
    };
    let each_seed = table.take("each-seed").and_then(|item| reader.flag(item)).unwrap_or(false);
    if each_seed && matches!(often, Some(Often::Share(_))) {
        reader.tell(
            Code::Contradiction,
            item.span(),
            "a share of seeds cannot be asked of each seed",
            "both are here",
            "remove each-seed, or write at-least = 1",
        );
    }
    table.finish(reader, &["what", "at-least", "each-seed"]);
    let bound = match often? {
        Often::Times(times) if each_seed => Bound::AtLeastInEach(times),
        Often::Times(times) => Bound::AtLeast(times),
        Often::Share(share) => Bound::AtLeastInShare(share),
    };
    Some(Occurrence { what: what?, bound, line })
}

fn must_not_happen(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Occurrence> {
    let mut table = reader.table(item, "a line of `must-not-happen`")?;
    let line = reader.line(&item.span());
    let what = event(reader, &mut table);
    let often = match table.take("at-most") {
        Some(item) => how_often(reader, item, 0),
        None => Some(Often::Times(0)),
    };
    table.finish(reader, &["what", "at-most"]);
    let bound = match often? {
        Often::Times(times) => Bound::AtMostInEach(times),
        Often::Share(share) => Bound::AtMostInShare(share),
    };
    Some(Occurrence { what: what?, bound, line })
}

/// `what`: an event, by its name.
fn event(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<String> {
    let item = table.need(reader, "what", "\"conflict\"")?;
    let text = reader.text(item)?;
    if !events().any(|event| event == text) {
        reader.unknown(Code::UnknownEvent, item, text, events());
        return None;
    }
    Some(text.to_owned())
}

/// How often something happens.
enum Often {
    Times(u64),
    Share(Chance),
}

/// `50`, or `"20% of seeds"`.
fn how_often(reader: &mut Reader<'_>, item: Item<'_>, least: u64) -> Option<Often> {
    let Some(text) = item.get_ref().as_str() else {
        return reader.number(item, least, u64::MAX >> 1).map(Often::Times);
    };
    let share = text.strip_suffix("of seeds").map(|share| Unit::Chance.parse(share));
    if let Some(Ok(range)) = share
        && range.low == range.high
        && let Ok(ppm) = u32::try_from(range.low)
    {
        return Some(Often::Share(Chance(ppm)));
    }
    reader.tell(
        Code::NotAQuantity,
        item.span(),
        "this is neither a number of times nor a share of seeds",
        "cannot be read",
        "write 50 or \"20% of seeds\"",
    );
    None
}

fn verdicts(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    for (key, span, item) in table.rest() {
        let expect = expectation(reader, item);
        if key == "product" {
            scenario.expected.verdicts.product = expect;
            continue;
        }
        let Some(id) = key.strip_prefix("with ") else {
            reader.tell(
                Code::UnknownKey,
                span,
                format!("`{key}` is neither the product nor a flaw"),
                "unknown",
                "write product = \"pass\" or \"with DEEP-SYNC-001\" = \"violates no-lost-writes\"",
            );
            continue;
        };
        let Ok(flaw) = id.trim().parse::<engine::flaw::Flaw>() else {
            reader.tell(
                Code::UnknownFlaw,
                span,
                format!("there is no flaw `{id}`"),
                "unknown flaw",
                suggest(id, engine::flaw::Flaw::ALL.iter().map(|flaw| flaw.id())),
            );
            continue;
        };
        if scenario.expected.verdicts.with.iter().any(|(other, _, _)| *other == flaw) {
            let message = format!("there are two verdicts with {}", flaw.id());
            reader.tell(Code::Duplicate, span, message, "the second one", "remove one of them");
        } else if let Some(expect) = expect {
            let line = reader.line(&span);
            scenario.expected.verdicts.with.push((flaw, expect, line));
        }
    }
}

/// `pass`, `violates X` or `violates X within 50`.
fn expectation(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Expect> {
    let text = reader.text(item)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let (name, within) = match words.as_slice() {
        ["pass"] => return Some(Expect::Pass),
        ["violates", name] => (*name, Some(20)),
        ["violates", name, "within", seeds] => {
            (*name, seeds.parse().ok().filter(|seeds| (1..=1_000_000).contains(seeds)))
        }
        _ => {
            reader.tell(
                Code::UnknownWord,
                item.span(),
                "a verdict is `pass` or `violates` with an invariant",
                "cannot be read",
                "write \"pass\", \"violates no-lost-writes\" or \
                 \"violates no-lost-writes within 50\"",
            );
            return None;
        }
    };
    let invariant = Invariant::ALL.iter().copied().find(|invariant| invariant.name() == name);
    if invariant.is_none() {
        let names = Invariant::ALL.iter().map(|invariant| invariant.name());
        reader.unknown(Code::UnknownInvariant, item, name, names);
    }
    if within.is_none() {
        reader.out_of_bounds(item.span(), "1 and 1000000 seeds");
    }
    Some(Expect::Violates { invariant: invariant?, within: within? })
}
