//! `[capsule]`: where a printed plan comes from, and what was found under it.

use super::table::{Item, Reader, Table};
use super::values::{flaw, invariant};
use crate::scenario::problem::Code;
use crate::scenario::words::keys;
use crate::scenario::{CapsuleHead, Fixed, Origin, Scenario};

/// What a printed plan fixes, and where a capsule came from.
pub(super) fn read(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    let seed = table.need(reader, "seed", "42").and_then(|item| reader.wide(item));
    let nature = table.need(reader, "nature", "\"0x2a\"").and_then(|item| reader.wide(item));
    let source = table.need(reader, "scenario", "\"everyday\"").and_then(|item| reader.text(item));
    let mut flaws = Vec::new();
    if let Some(item) = table.take("flaws") {
        for item in reader.list(item) {
            flaws.extend(flaw(reader, item));
        }
    }
    if let (Some(seed), Some(nature), Some(source)) = (seed, nature, source) {
        scenario.fixed = Some(Fixed { scenario: source.to_owned(), seed, nature });
    }
    let found = ["invariant", "build", "site", "digest"];
    if found.iter().any(|key| table.key_span(key).is_some()) {
        let invariant = table
            .need(reader, "invariant", "\"no-lost-writes\"")
            .and_then(|item| invariant(reader, item));
        let mut text = |reader: &mut Reader<'_>, key: &str| {
            table.need(reader, key, "\"…\"").and_then(|item| reader.text(item)).map(str::to_owned)
        };
        let build = text(reader, "build");
        let site = text(reader, "site");
        let digest = text(reader, "digest");
        let record_kind = table.take("record-kind").and_then(|item| reader.kind(item));
        let mut maybe = |reader: &mut Reader<'_>, key: &str| {
            table.take(key).and_then(|item| reader.text(item)).map(str::to_owned)
        };
        let (lost, machine) = (maybe(reader, "lost"), maybe(reader, "machine"));
        let origin = table.take("shrunk-from").and_then(|item| origin(reader, item, &mut table));
        if let (Some(fixed), Some(invariant), Some(build), Some(site), Some(digest)) =
            (&scenario.fixed, invariant, build, site, digest)
        {
            scenario.capsule = Some(CapsuleHead {
                seed: fixed.seed,
                nature: fixed.nature,
                flaws,
                build,
                machine,
                invariant,
                site,
                record_kind,
                lost,
                digest,
                origin,
                scenario: fixed.scenario.clone(),
            });
        }
    }
    if (scenario.mix.is_some() || !scenario.trouble.is_empty())
        && let Some(span) = table.key_span("seed")
    {
        reader.tell(
            Code::Contradiction,
            span,
            "a file with [capsule] leaves nothing to draw, but there is a [mix] or [trouble]",
            "this fixes the seed",
            "remove [capsule], or [mix] and [trouble]",
        );
    }
    table.finish(reader, keys("capsule"));
}

/// What the plan was before it was shrunk, and what its writes were called.
fn origin(reader: &mut Reader<'_>, item: Item<'_>, table: &mut Table<'_>) -> Option<Origin> {
    let mut from = reader.table(item, "`shrunk-from`")?;
    let digest = from.need(reader, "digest", "\"…\"").and_then(|item| reader.text(item));
    let mut count =
        |key: &str| from.need(reader, key, "1").and_then(|item| reader.number(item, 0, u64::MAX));
    let (steps, faults, messages) = (count("steps"), count("faults"), count("messages"));
    from.finish(reader, &["digest", "steps", "faults", "messages"]);
    let mut writes = Vec::new();
    if let Some(item) = table.take("writes") {
        for (now, _, before) in reader.table(item, "`writes`")?.rest() {
            writes.push((now.to_owned(), reader.text(before)?.to_owned()));
        }
    }
    Some(Origin {
        digest: digest?.to_owned(),
        steps: usize::try_from(steps?).ok()?,
        faults: usize::try_from(faults?).ok()?,
        messages: messages?,
        writes,
    })
}
