//! The lint: what a scenario says is well written but makes little sense.
//!
//! All of these are warnings. The author of the file may know better.

use std::collections::BTreeSet;

use super::problem::{Code, MOST_TOLD, Problem, line_span, suggest};
use super::words::{events, is_of_server};
use super::{Bound, Lasts, Line, Moment, Occurrence, Rows, Scenario};
use super::{estimate, idle};
use crate::fault::FaultKind;
use crate::plan::{Act, UserOperation};

/// Looks for what makes little sense.
pub(super) fn check(scenario: &Scenario, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if scenario.fixed.is_some() {
        // A printed plan was cut by a machine; it owes no explanation.
        return problems;
    }
    not_given(scenario, text, &mut problems);
    cannot_happen(scenario, text, &mut problems);
    estimated(scenario, text, &mut problems);
    problems.extend(estimate::check(scenario, text));
    problems.extend(idle::check(scenario, text).into_iter().take(MOST_TOLD));
    let whole =
        |code, message: &str, help: &str| Problem::new(code, text, 0..0, message).help(help);
    if scenario.about.title.is_empty() || scenario.about.story.is_empty() {
        let message = "the scenario has no title or no story";
        problems.push(whole(Code::NoStory, message, "say under [scenario] what it is about"));
    }
    if scenario.expected.always.is_empty() {
        let message = "the scenario does not say what it is about";
        let help = "add always = [\"no-lost-writes\"] under [expect]; all invariants are judged \
                    anyway";
        problems.push(whole(Code::NothingClaimed, message, help));
    }
    if scenario.script.is_empty() && scenario.mix.is_none() && scenario.trouble.is_empty() {
        let message = "nobody does anything and nothing goes wrong";
        problems.push(whole(Code::NothingHappens, message, "add a [script] or a [mix]"));
    }
    problems
}

fn not_given(scenario: &Scenario, text: &str, problems: &mut Vec<Problem>) {
    if scenario.mix.is_some() {
        return;
    }
    let mut known: Rows = scenario.given.iter().map(|given| given.id).collect();
    for make in &scenario.make {
        let keys = make.low..=make.high;
        known.extend(keys.map(|key| engine::id::RecordId { kind: make.kind, key }));
    }
    let mut told = BTreeSet::new();
    for line in &scenario.script {
        for (act, _) in &line.acts {
            let Some(id) = act.record().filter(|_| !looks(act)) else { continue };
            // A blind write is how a script makes a record.
            let makes = matches!(act, Act::User(_, UserOperation::Overwrite(..)));
            if !known.contains(&id) && !makes && told.len() < MOST_TOLD && told.insert(id) {
                let message = format!("{id} is not there when this happens");
                problems.push(
                    Problem::new(Code::NotGiven, text, line_span(text, line.line), message)
                        .label("nobody has made it before")
                        .help(format!(
                            "add {{ row = \"{id}\", everywhere = … }} under [given], or make it with \
                             `overwrite`"
                        )),
                );
            }
            if makes {
                known.insert(id);
            }
        }
    }
}

/// Does it only look at a record, whether that is there or not?
fn looks(act: &Act) -> bool {
    matches!(act, Act::User(_, UserOperation::Read(_)))
}

fn cannot_happen(scenario: &Scenario, text: &str, problems: &mut Vec<Problem>) {
    let scripted = scenario.script.iter().flat_map(|line| &line.acts).filter_map(|(act, _)| {
        if let Act::Fault(fault, _) = act { Some(fault.kind()) } else { None }
    });
    let drawn = scenario.trouble.iter().map(|family| family.kind);
    let mut possible: BTreeSet<FaultKind> = scripted.chain(drawn).collect();
    let comes_along = |kind: &&FaultKind| {
        kind.declaration().drawn_with.is_some_and(|other| possible.contains(&other))
    };
    let along: Vec<FaultKind> = FaultKind::ALL.iter().filter(comes_along).copied().collect();
    possible.extend(along);
    let demanded =
        |it: &&Occurrence| !matches!(it.bound, Bound::AtMostInEach(_) | Bound::AtMostInShare(_));
    for must in scenario.expected.occurrences.iter().filter(demanded).take(MOST_TOLD) {
        if scenario.server.is_none() && is_of_server(&must.what) {
            let message = format!("`{}` never happens without a sync server", must.what);
            problems.push(
                Problem::new(Code::CannotHappen, text, line_span(text, must.line), message)
                    .label("there is no heading [server]")
                    .help("add the heading [server] with the line workers = 4"),
            );
            continue;
        }
        let Some(kind) = FaultKind::of_word(&must.what) else { continue };
        if !possible.contains(&kind) {
            let message = format!("`{}` never happens in this scenario", must.what);
            problems.push(
                Problem::new(Code::CannotHappen, text, line_span(text, must.line), message)
                    .label("neither [trouble] nor [script] has it")
                    .help(suggest(
                        &must.what,
                        events().filter(|event| {
                            FaultKind::of_word(event).is_some_and(|kind| possible.contains(&kind))
                        }),
                    )),
            );
        }
    }
}

/// A fault that is healed across an event has no known length.
fn estimated(scenario: &Scenario, text: &str, problems: &mut Vec<Problem>) {
    let mut era = 0;
    let eras: Vec<u32> = scenario
        .script
        .iter()
        .zip(1..)
        .map(|(line, n)| {
            match line.when {
                Moment::At(_) => era = 0,
                Moment::On(..) => era = n,
                Moment::After(_) => {}
            }
            era
        })
        .collect();
    for (at, line) in scenario.script.iter().enumerate() {
        for (_, lasts) in &line.acts {
            let Lasts::Until(end) = lasts else { continue };
            if eras[at] != eras[*end] && problems.len() < MOST_TOLD {
                let end: &Line = &scenario.script[*end];
                problems.push(
                    Problem::new(
                        Code::Estimated,
                        text,
                        line_span(text, end.line),
                        "when this happens is estimated, since a step before it waits for an event",
                    )
                    .label("this ends a fault that began on the clock")
                    .help("give the fault a length with `for`, or this step a moment with `at`"),
                );
            }
        }
    }
}
