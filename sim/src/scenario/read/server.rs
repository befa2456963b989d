//! `[server]`: how many workers there are or which, how their clocks go, and whatever else needs a
//! server.

use super::names::check_node;
use super::parameters::parameters;
use super::table::{Item, Reader, Table};
use super::values::FOREVER;
use crate::scenario::problem::Code;
use crate::scenario::setting::answers_in_time;
use crate::scenario::words::{WORKER_KEYS, keys};
use crate::scenario::{Choice, Parameter, Range, Scenario, ServerSpec, Unit, WorkerSpec};
use toml::de::DeValue;

/// No server has more workers.
const MOST_WORKERS: i64 = 64;
/// How many there are where a file does not say.
const USUAL_WORKERS: i64 = 4;
const USUAL_CLOCK: Range = Range { low: -2_000, high: 2_000 };
const USUAL_DRIFT: Range = Range { low: -50, high: 50 };

pub(super) fn read(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    let clocks = Clocks::read(reader, &mut table, &Clocks::usual());
    let place = table.key_span("workers").unwrap_or(table.span.clone());
    let server = match table.take("workers") {
        Some(item) if matches!(item.get_ref(), DeValue::Table(_)) => {
            named(reader, scenario, item, &clocks)
        }
        Some(item) => reader
            .bounded(Unit::Count, item, 1, MOST_WORKERS)
            .map(|count| numbered(reader, scenario, place, count, &clocks)),
        None => {
            let count = Choice::only(USUAL_WORKERS);
            Some(numbered(reader, scenario, place, count, &clocks))
        }
    };
    parameters(reader, "server", &mut table, scenario);
    if let Some(item) = table.take("volume")
        && let Some(mut volume) = reader.table(item, "`volume`")
    {
        let known = parameters(reader, "server.volume", &mut volume, scenario);
        volume.finish(reader, &known);
    }
    is_in_time(reader, &table, scenario);
    table.finish(reader, keys("server"));
    // A server whose workers cannot be read has its own problem already.
    let usual = || ServerSpec { count: Choice::only(1), workers: vec![clocks.worker("worker-1")] };
    scenario.server = Some(server.unwrap_or_else(usual));
}

/// A volume that is never as fast as the workers are patient would never be of use.
fn is_in_time(reader: &mut Reader<'_>, table: &Table<'_>, scenario: &Scenario) {
    let delay = scenario.setting(Parameter::VolumeDelay).low();
    let patience = scenario.setting(Parameter::VolumeTimeout).high();
    if !answers_in_time(delay, patience) {
        let place = table.key_span("volume").unwrap_or(table.span.clone());
        reader.tell(
            Code::Contradiction,
            place,
            "no answer of the volume comes before the workers have given it up",
            format!("there and back takes {} at the least", Unit::Span.show(2 * delay)),
            "make `delay` of `volume` shorter, or `timeout` of [server] longer",
        );
    }
}

/// What the clocks of workers are drawn from.
#[derive(Clone)]
struct Clocks {
    clock: Choice,
    drift: Choice,
}

impl Clocks {
    fn usual() -> Self {
        Self { clock: Choice(vec![USUAL_CLOCK]), drift: Choice(vec![USUAL_DRIFT]) }
    }

    fn read(reader: &mut Reader<'_>, table: &mut Table<'_>, usual: &Self) -> Self {
        let mut part = |key: &str, unit: Unit, most: i64, usual: &Choice| {
            let found = table.take(key).and_then(|item| reader.bounded(unit, item, -most, most));
            found.unwrap_or_else(|| usual.clone())
        };
        Self {
            clock: part("clock", Unit::Shift, FOREVER, &usual.clock),
            drift: part("drift", Unit::Drift, 500_000, &usual.drift),
        }
    }

    fn worker(&self, name: &str) -> WorkerSpec {
        let Self { clock, drift } = self.clone();
        WorkerSpec { name: name.to_owned(), clock, drift }
    }
}

/// `workers = 4`: worker-1 to worker-4.
fn numbered(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    place: std::ops::Range<usize>,
    count: Choice,
    clocks: &Clocks,
) -> ServerSpec {
    let worker = |n: i64| clocks.worker(&format!("worker-{n}"));
    let workers: Vec<WorkerSpec> = (1..=count.high()).map(worker).collect();
    for worker in &workers {
        check_node(reader, scenario, &worker.name, place.clone(), "worker");
    }
    ServerSpec { count, workers }
}

/// `workers = { north = { clock = "3s" } }`: each by its name, with a clock of its own.
fn named(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    item: Item<'_>,
    clocks: &Clocks,
) -> Option<ServerSpec> {
    let mut table = reader.table(item, "`workers`")?;
    let mut workers = Vec::new();
    for (name, place, item) in table.rest() {
        let named = check_node(reader, scenario, name, place, "worker");
        let Some(mut table) = reader.table(item, &format!("the worker `{name}`")) else { continue };
        let own = Clocks::read(reader, &mut table, clocks);
        table.finish(reader, WORKER_KEYS);
        if named {
            workers.push(own.worker(name));
        }
    }
    let count = i64::try_from(workers.len()).unwrap_or(i64::MAX);
    if !(1..=MOST_WORKERS).contains(&count) {
        reader.out_of_bounds(item.span(), &format!("1 and {MOST_WORKERS} workers"));
        return None;
    }
    Some(ServerSpec { count: Choice::only(count), workers })
}
