//! `[script]`: one line, one step.

use std::ops::Range;

use harness::time::Span;

use super::arguments::Args;
use super::fault::faults;
use super::heal::heal;
use super::operation::operations;
use super::table::{Item, Reader, Table};
use super::targets::{Targets, targets};
use super::when::moment;
use crate::plan::{Act, StepId, Trigger};
use crate::scenario::nominal;
use crate::scenario::problem::{Code, suggest};
use crate::scenario::setting::MOST_PULLS;
use crate::scenario::words::{STEP_KEYS, Verb, keys};
use crate::scenario::{Choice, Lasts, Line, Moment, Parameter, Scenario, Unit};

/// Leaves room for what is drawn after the script.
const MOST_ID: u32 = StepId::END / 2;

/// Reads the steps, and settles how long the storm lasts.
pub(super) fn read(
    reader: &mut Reader<'_>,
    script: Option<Table<'_>>,
    scenario: &mut Scenario,
    lasts: Option<Span>,
    (mix_lasts, place_of_mix): (Span, Range<usize>),
) {
    let mut places = Vec::new();
    if let Some(mut table) = script {
        if let Some(item) = table.take("steps") {
            for item in reader.list(item) {
                step(reader, scenario, item);
                places.resize(scenario.script.len(), item.span());
            }
        }
        table.finish(reader, keys("script"));
    }
    let needed = nominal::latest(scenario).max(mix_lasts.max(Span::from_secs(1)));
    scenario.lasts = lasts.unwrap_or(needed);
    too_long(reader, scenario);
    let end = i64::try_from(scenario.lasts.0).unwrap_or(i64::MAX);
    if mix_lasts > scenario.lasts {
        reader.tell(
            Code::AfterTheEnd,
            place_of_mix,
            "the mix goes on after the end of the storm",
            "it is longer than `lasts`",
            "make `lasts` of [scenario] longer, or `for` of [mix] shorter",
        );
    }
    for (line, place) in scenario.script.iter().zip(places) {
        if let Moment::At(at) = &line.when
            && at.high() > end
        {
            reader.tell(
                Code::AfterTheEnd,
                place,
                "this step comes after the end of the storm",
                format!("the storm ends at {}", Unit::Span.show(end)),
                "make `lasts` of [scenario] longer, or the step earlier",
            );
        }
    }
}

/// A quiet century is no harder to write than a quiet minute, but each pull of it is run.
fn too_long(reader: &mut Reader<'_>, scenario: &Scenario) {
    let every = u64::try_from(scenario.setting(Parameter::PullEvery).low()).unwrap_or(1).max(1);
    let pulls = scenario.lasts.0 / every;
    if pulls > MOST_PULLS {
        let span = reader.text.find("lasts").map_or(0..0, |at| at..at + "lasts".len());
        reader.tell(
            Code::OutOfBounds,
            span,
            format!("until its end each device would pull {pulls} times"),
            "too long to be run",
            format!(
                "make `lasts` of [scenario] shorter, or `pull-every` of [timing] longer: \
                 {MOST_PULLS} pulls at most"
            ),
        );
    }
}

fn step(reader: &mut Reader<'_>, scenario: &mut Scenario, item: Item<'_>) {
    let before = reader.problems.len();
    let Some(mut table) = reader.table(item, "a step") else { return };
    let line = reader.line(&item.span());
    let quiet = table.take("at-most");
    let optional = table.take("optional").and_then(|item| reader.flag(item)).unwrap_or(false);
    let id = id(reader, scenario, &mut table);
    let named = table.need(reader, "do", "\"edit\"");
    let verb = named.and_then(|item| verb(reader, item));
    let when = moment(reader, scenario, &mut table, quiet, verb);
    let Some(verb) = verb else { return };
    if let Some(item) = named.filter(|_| verb.needs_server()) {
        reader.need_server(scenario, item, verb.name());
    }
    let acts = acts(reader, scenario, &mut table, verb);
    let mut known = STEP_KEYS.to_vec();
    known.extend(verb.who().key());
    known.extend(verb.needs().into_iter().chain(verb.takes()));
    table.finish(reader, &known);
    let (Some(when), Some(acts)) = (when, acts) else { return };
    let acts = match verb.ends() {
        Some(_) if reader.problems.len() == before => {
            heal(reader, scenario, item, verb, &acts);
            vec![(Act::Wait, Lasts::AsWritten)]
        }
        Some(_) => vec![(Act::Wait, Lasts::AsWritten)],
        None => acts,
    };
    if verb != Verb::WaitUntilQuiet {
        scenario.script.push(Line { id, when, acts, optional, line });
        return;
    }
    let wait = || vec![(Act::Wait, Lasts::AsWritten)];
    let mut id = id;
    if when != Moment::After(Choice::only(0)) {
        scenario.script.push(Line { id, when, acts: wait(), optional, line });
        id += 1;
    }
    let limit = quiet.and_then(|item| reader.exact(Unit::Span, item));
    if let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()) {
        let when = Moment::On(Trigger::Quiet(Span(limit)), Choice::only(0));
        scenario.script.push(Line { id, when, acts: wait(), optional, line });
    }
}

/// The id of a line's first step: as it says, or the one after those of the line before.
fn id(reader: &mut Reader<'_>, scenario: &Scenario, table: &mut Table<'_>) -> u32 {
    let next = scenario.script.last().map_or(0, Line::next_id);
    let Some(item) = table.take("id") else { return next };
    let Some(said) = reader.exact(Unit::Count, item) else { return next };
    match u32::try_from(said) {
        Ok(said) if (next..=MOST_ID).contains(&said) => said,
        _ => {
            reader.tell(
                Code::OutOfBounds,
                item.span(),
                "the ids of steps rise",
                format!("here from {next} to {MOST_ID}"),
                "leave `id` out, or give each step a higher one than the step before",
            );
            next
        }
    }
}

fn verb(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Verb> {
    let text = reader.text(item)?;
    let found = Verb::of_name(text);
    if found.is_none() {
        let help = match Verb::of_synonym(text) {
            Some(verb) => format!("did you mean \"{}\"?", verb.name()),
            None => suggest(text, Verb::all().map(Verb::name)),
        };
        let shown: String = text.chars().take(40).collect();
        let message = format!("there is no verb `{shown}`");
        reader.tell(Code::UnknownVerb, item.span(), message, "unknown verb", help);
    }
    found
}

/// What a line does, once for each that it names, and how long each lasts.
fn acts(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    table: &mut Table<'_>,
    verb: Verb,
) -> Option<Vec<(Act, Lasts)>> {
    let before = reader.problems.len();
    let targets = targets(reader, scenario, table, verb.who());
    let mut args = Args { reader, scenario, table, verb };
    let (lasts, lasting) = args.lasts();
    // Without targets the remaining keys are read for their problems alone.
    let to = targets.unwrap_or_else(Targets::any);
    let acts = match verb {
        Verb::Do(operation) => operations(&mut args, operation, &to),
        Verb::WaitUntilQuiet => {
            // Read by the step: it is part of its moment.
            if args.table.key_span("at-most").is_none() {
                args.need("at-most");
            }
            Some(vec![Act::Wait])
        }
        Verb::Begin(kind) | Verb::End(kind) => faults(&mut args, kind, &to, lasting),
    }?;
    (reader.problems.len() == before)
        .then(|| acts.into_iter().map(|act| (act, lasts.clone())).collect())
}
