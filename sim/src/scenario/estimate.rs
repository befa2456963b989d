//! How much a scenario asks for, as far as that can be said before it is drawn: what cannot be run is refused
//! with its numbers, and with the line to change.
//!
//! The estimate is rough: it counts the facts that operations and pulls make in a usual seed.

use std::ops::Range as Bytes;

use harness::time::Span;
use toml::de::{DeTable, DeValue};

use super::problem::{Code, Problem};
use super::{Choice, Mix, Parameter, Scenario, Unit};
use crate::plan::{MOST_FACTS, grouped};

/// The most rows, over all devices that have them.
const MOST_COPIES: u64 = 5_000_000;

/// Facts of a user operation where it is done, and at each other device that hears of it.
const PER_OPERATION: u64 = 30;
const PER_DEVICE: u64 = 2;

/// Facts of a request that comes by itself.
const PER_REQUEST: u64 = 6;

/// What cannot be run, or makes no sense to run.
pub(super) fn check(scenario: &Scenario, text: &str) -> Vec<Problem> {
    let (facts, of, heading, key) = largest(scenario);
    let most = scenario.limits.facts.unwrap_or(MOST_FACTS).max(MOST_FACTS);
    let mut problems = Vec::new();
    let mut refuse = |message: String, (heading, key): (&str, &str), help: &str| {
        let span = place(text, heading, key);
        problems
            .push(Problem::new(Code::TooMuch, text, span, message).label(of_what(key)).help(help));
    };
    if facts > most {
        let message = format!(
            "{of}: about {} facts, and a run has {} at most",
            grouped(facts),
            grouped(most)
        );
        refuse(message, (heading, key), "change this number, or raise `facts` under [limits]");
    }
    let rows = rows(scenario);
    let copies = rows.saturating_mul(devices_of_a_user(scenario));
    if copies > MOST_COPIES {
        let message = format!(
            "{} rows at each of {} devices are {} copies, and a run has {} at most",
            grouped(rows),
            grouped(devices_of_a_user(scenario)),
            grouped(copies),
            grouped(MOST_COPIES)
        );
        refuse(message, ("given", "make"), "take fewer rows, or fewer devices for each user");
    }
    problems.extend(too_late(scenario, text));
    problems
}

/// What the caret says of a key.
fn of_what(key: &str) -> &'static str {
    match key {
        "make" => "so many rows",
        "lasts" => "so long",
        _ => "so often",
    }
}

/// What makes the most facts: how many, how that comes about, and the line that says so.
fn largest(scenario: &Scenario) -> (u64, String, &'static str, &'static str) {
    let devices = scenario.devices.len() as u64;
    let remotes = scenario.remotes.len() as u64;
    let each = PER_OPERATION + PER_DEVICE * devices_of_a_user(scenario);
    let operations = |lasts: Span, every: Span| devices.saturating_mul(lasts.0 / every.0.max(1));
    let told = |n: u64, every: Span| {
        let (devices, n, every) = (grouped(devices), grouped(n), shown(every));
        format!("an operation every {every} on each of {devices} devices is {n} operations")
    };
    let of_mix = |mix: &Mix| {
        let n = operations(mix.lasts, mix.every);
        let in_bursts = n.saturating_mul(usual(&mix.burst_share)) / 1_000_000;
        let n = n.saturating_add(in_bursts.saturating_mul(usual(&mix.burst_devices)));
        (n.saturating_mul(each), told(n, mix.every), "mix", "every")
    };
    let of_files = |mix: &Mix| {
        let every = mix.files.as_ref()?.every;
        let n = operations(mix.lasts, every);
        Some((n.saturating_mul(each), told(n, every), "mix", "files"))
    };
    let by_itself = [Parameter::PullEvery, Parameter::RelistEvery, Parameter::FeedEvery];
    let by_itself =
        by_itself.into_iter().filter(|it| *it != Parameter::FeedEvery || scenario.server.is_some());
    let by_itself = by_itself.map(|parameter| {
        let every = Span(scenario.setting(parameter).high().unsigned_abs().max(1));
        let asked = if parameter == Parameter::FeedEvery { 1 } else { remotes };
        let pages = if parameter == Parameter::RelistEvery { pages(scenario) } else { 1 };
        let n = devices.saturating_mul(asked).saturating_mul(scenario.lasts.0 / every.0 + 1);
        let n = n.saturating_mul(pages);
        let (heading, key) = parameter.place();
        let (all, every, lasts) = (grouped(n), shown(every), shown(scenario.lasts));
        let of = format!("{devices} devices with {key} = {every} for {lasts} make {all} requests");
        (n.saturating_mul(PER_REQUEST), of, heading, key)
    });
    let mix = scenario.mix.iter();
    let all = mix.clone().map(of_mix).chain(mix.filter_map(of_files)).chain(by_itself);
    all.max_by_key(|(facts, ..)| *facts).expect("devices pull")
}

/// What a seed usually picks.
fn usual(choice: &Choice) -> u64 {
    choice.low().midpoint(choice.high()).unsigned_abs()
}

/// A span as it is written in a file.
fn shown(span: Span) -> String {
    Unit::Span.show(i64::try_from(span.0).unwrap_or(i64::MAX))
}

/// Devices of the user who has the most, if they are spread evenly.
fn devices_of_a_user(scenario: &Scenario) -> u64 {
    let users = scenario.users.len().max(1) as u64;
    (scenario.devices.len() as u64).div_ceil(users)
}

/// Rows that each user has from the start.
fn rows(scenario: &Scenario) -> u64 {
    let made = scenario.make.iter().map(|make| u64::from(make.high - make.low) + 1);
    let given = scenario.given.len() as u64 / scenario.users.len().max(1) as u64;
    made.sum::<u64>() + given
}

/// Pages of a listing.
fn pages(scenario: &Scenario) -> u64 {
    let remotes = scenario.remotes.iter().map(|remote| remote.page.high());
    let page = remotes.chain([scenario.setting(Parameter::Page).high()]).min().unwrap_or(1);
    rows(scenario) / page.unsigned_abs().max(1) + 1
}

/// Half of all answers come later than they are waited for, in every seed: how long those of a device take, and
/// those of the volume.
fn too_late(scenario: &Scenario, text: &str) -> impl Iterator<Item = Problem> {
    let of = |parameter| scenario.setting(parameter);
    let (latency, delay) = (of(Parameter::Typical), of(Parameter::VolumeDelay));
    let volume = scenario.server.is_some().then_some((
        delay.low().saturating_add(delay.high()),
        Parameter::VolumeDelay,
        Parameter::VolumeTimeout,
    ));
    let network = (latency.low().saturating_mul(2), Parameter::Typical, Parameter::Timeout);
    let late = move |&(takes, _, timeout): &(i64, _, _)| takes > of(timeout).high();
    [Some(network), volume].into_iter().flatten().filter(late).map(move |(takes, slow, timeout)| {
        let ((heading, key), (over, until)) = (slow.place(), timeout.place());
        let takes = Unit::Span.show(takes);
        let waits = Unit::Span.show(of(timeout).high());
        let message = format!(
            "a request and its answer take {takes}, and the sender waits {waits}: most answers come too late"
        );
        let help = format!("shorten {key} under [{heading}], or lengthen {until} under [{over}]");
        let place = place(text, heading, key);
        Problem::new(Code::TooLate, text, place, message).label("so slow").help(help)
    })
}

/// Where a key stands under a heading; the heading, or the beginning, where it does not.
fn place(text: &str, heading: &str, key: &str) -> Bytes<usize> {
    let Ok(document) = DeTable::parse(text) else { return 0..0 };
    let Some(table) = document.get_ref().get(heading) else { return 0..0 };
    let DeValue::Table(entries) = table.get_ref() else { return table.span() };
    let key = key.split('.').next().unwrap_or(key);
    entries.get(key).map_or_else(|| table.span(), |value| value.span())
}
