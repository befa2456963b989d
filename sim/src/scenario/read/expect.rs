//! `[expect]`: invariants, values at the end, what must happen, and verdicts.

use engine::id::UserId;
use engine::schema::field_of;
use harness::random::Chance;
use harness::time::Span;

use super::table::{Item, Reader, Table};
use super::values::invariant;
use crate::invariant::Invariant;
use crate::plan::{AtEnd, Node};
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
        for item in reader.list(item) {
            if let Some(found) = at_end(reader, scenario, item) {
                scenario.expected.at_end.push(found);
            }
        }
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

fn at_end(reader: &mut Reader<'_>, scenario: &Scenario, item: Item<'_>) -> Option<AtEnd> {
    const KEYS: &[&str] = &["on", "user", "row", "field", "is", "empty", "gone", "line"];
    let mut table = reader.table(item, "a line of `at-end`")?;
    let mut on = Vec::new();
    if let Some(item) = table.need(reader, "on", "[\"phone\"]") {
        for item in reader.one_or_many(item) {
            match reader.node(scenario, item) {
                Some(Node::Worker(_) | Node::Processor(_)) => reader.tell(
                    Code::Contradiction,
                    item.span(),
                    "workers and processors hold no rows",
                    "rows are on devices and remotes",
                    "name a device or a remote",
                ),
                found => on.extend(found),
            }
        }
        if on.is_empty() && reader.problems.is_empty() {
            reader.tell(Code::Missing, item.span(), "on what?", "empty", "write [\"phone\"]");
        }
    }
    let id = table.need(reader, "row", "\"meal/42\"").and_then(|item| reader.row(item));
    let user = whose(reader, scenario, &mut table, &on);
    let line = match table.take("line") {
        Some(item) => {
            reader.number(item, 0, u64::from(u32::MAX)).and_then(|line| u32::try_from(line).ok())
        }
        None => Some(reader.line(&item.span())),
    };
    let mut flag = |reader: &mut Reader<'_>, key: &str| {
        table.take(key).and_then(|item| reader.flag(item)).unwrap_or(false)
    };
    let gone = flag(reader, "gone");
    let empty = flag(reader, "empty");
    let (mut field, mut is) = (None, None);
    let mut whole = true;
    if !gone {
        let item = table.need(reader, "field", "\"kcal\"");
        field = item.zip(id).and_then(|(item, id)| reader.field(id.kind, item));
        whole = field.is_some();
        if !empty {
            let item = table.need(reader, "is", "350");
            let holds = id.zip(field).and_then(|(id, field)| field_of(id.kind, field));
            is = item.zip(holds).and_then(|(item, field)| reader.value(field.holds, item));
            whole &= is.is_some();
        }
    }
    table.finish(reader, KEYS);
    whole.then_some(())?;
    Some(AtEnd { on, user: user?, id: id?, field, is, line: line? })
}

/// Whose row: as it says, the only user's, or that of the devices it is looked up on.
fn whose(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    table: &mut Table<'_>,
    on: &[Node],
) -> Option<UserId> {
    let mut owners = on.iter().filter_map(|node| match node {
        Node::Device(device) => scenario.devices[usize::from(device.0)].users.first().copied(),
        Node::Remote(_)
        | Node::World
        | Node::Worker(_)
        | Node::Processor(_)
        | Node::Volume
        | Node::Intruder => None,
    });
    let first = owners.next();
    match (table.key_span("user"), first) {
        (None, Some(user)) if owners.all(|other| other == user) => Some(user),
        _ => reader.owner(scenario, table, "user"),
    }
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
