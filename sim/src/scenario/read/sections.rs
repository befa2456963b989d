//! The headings, read in an order in which each finds the names that it refers to.

use std::ops::Range as Bytes;

use engine::id::{FieldId, Kind, Remote, UserId};
use engine::record::Value;
use engine::schema::field_of;
use harness::time::Span;

use super::names::{check_name, check_node, names};
use super::parameters::{parameters, set};
use super::table::{Item, Reader, Table};
use super::values::{FOREVER, user_id};
use super::{capsule, chance, expect, pipeline, server, step};
use crate::plan::{Given, Limits, remote_name};
use crate::scenario::problem::Code;
use crate::scenario::setting::{PLAIN, all_plain};
use crate::scenario::shared::stored;
use crate::scenario::words::{DEVICE_KEYS, REMOTE_KEYS, REMOTE_KINDS, keys};
use crate::scenario::{
    Choice, DeviceSpec, Make, Parameter, Range, RemoteSpec, Scenario, State, Unit,
};

const STATES: &[(&str, State)] =
    &[("prepared", State::Prepared), ("fresh", State::Fresh), ("cloned", State::Cloned)];

/// No file names more people.
const MOST_USERS: usize = 20_000;

/// Every device hears of every other: time and memory grow with the square of their number.
const MOST_DEVICES: usize = 500;

/// Reads every heading that there is.
pub(super) fn read(reader: &mut Reader<'_>, root: &mut Table<'_>, scenario: &mut Scenario) {
    let place_of_mix = root.key_span("mix").unwrap_or(0..0);
    let mut heading = |reader: &mut Reader<'_>, name: &str| {
        root.take(name).and_then(|item| reader.table(item, &format!("[{name}]")))
    };
    let mut provenance = heading(reader, "capsule");
    if let Some(item) = provenance.as_mut().and_then(|table| table.take("settings")) {
        let plain = reader.word(item, &[(PLAIN, ())], Code::UnknownWord);
        scenario.settings = plain.map_or_else(|| scenario.settings.clone(), |()| all_plain());
    }
    let mut lasts = None;
    if let Some(table) = heading(reader, "scenario") {
        lasts = about(reader, table, scenario);
    }
    match heading(reader, "remotes") {
        Some(table) => remotes(reader, table, scenario),
        None => missing(reader, "remotes", "cloudkit = { kind = \"cloudkit\" }"),
    }
    let mut deserted = None;
    match heading(reader, "devices") {
        Some(table) => deserted = devices(reader, table, scenario),
        None => missing(reader, "devices", "phone = { user = \"anna\" }"),
    }
    if let Some(table) = heading(reader, "server") {
        server::read(reader, table, scenario);
    }
    if let Some(table) = heading(reader, "processors") {
        pipeline::processors(reader, table, scenario);
    }
    for name in ["network", "disk", "timing", "pipeline", "keychain", "sign-in"] {
        if let Some(table) = heading(reader, name) {
            settings(reader, name, table, scenario);
        }
    }
    if let Some(table) = heading(reader, "given") {
        given(reader, table, scenario);
    }
    if let Some(table) = heading(reader, "mix") {
        scenario.mix = chance::mix(reader, table, scenario);
    }
    if let Some(table) = heading(reader, "trouble") {
        chance::trouble(reader, table, scenario);
    }
    let script = heading(reader, "script");
    let mix_lasts = scenario.mix.as_ref().map_or(Span::ZERO, |mix| mix.lasts);
    step::read(reader, script, scenario, lasts, (mix_lasts, place_of_mix));
    if let Some(table) = heading(reader, "expect") {
        expect::read(reader, table, scenario);
    }
    if let Some(table) = heading(reader, "limits") {
        scenario.limits = limits(reader, table);
    }
    if let Some(table) = provenance {
        capsule::read(reader, table, scenario);
    }
    // The smallest plan that shows a bug of the server may have none left.
    if let Some(span) = deserted.filter(|_| scenario.fixed.is_none()) {
        let help = "add phone = { user = \"anna\" }";
        reader.tell(Code::Missing, span, "there is no device", "nothing here", help);
    }
}

fn missing(reader: &mut Reader<'_>, heading: &str, example: &str) {
    reader.tell(
        Code::Missing,
        0..0,
        format!("there is no heading [{heading}]"),
        "this file needs it",
        format!("add [{heading}] with a line as {example}"),
    );
}

fn about(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) -> Option<Span> {
    let texts = |reader: &mut Reader<'_>, table: &mut Table<'_>, key: &str| {
        table.take(key).and_then(|item| reader.text(item)).map(str::to_owned)
    };
    scenario.about.title = texts(reader, &mut table, "title").unwrap_or_default();
    scenario.about.story = texts(reader, &mut table, "story").unwrap_or_default();
    scenario.about.ticket = texts(reader, &mut table, "ticket");
    if let Some(item) = table.take("tags") {
        scenario.about.tags = names(reader, item, "tag");
    }
    if let Some(item) = table.take("users") {
        scenario.users = names(reader, item, "user");
    }
    if let Some(item) = table.take("seeds") {
        scenario.seeds = reader.number(item, 1, 1_000_000_000).unwrap_or(20);
    }
    if let Some(item) = table.take("format") {
        reader.number(item, 1, 1);
    }
    let lasts = table.take("lasts").and_then(|item| reader.span(item, 1));
    table.finish(reader, keys("scenario"));
    lasts
}

fn remotes(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    let span = table.span.clone();
    let entries = table.rest();
    let none = entries.is_empty();
    for (name, key, item) in entries {
        let named = check_node(reader, scenario, name, key.clone(), "remote");
        let Some(mut table) = reader.table(item, &format!("the remote `{name}`")) else {
            continue;
        };
        let kind = table
            .need(reader, "kind", "\"cloudkit\"")
            .and_then(|item| reader.word(item, REMOTE_KINDS, Code::UnknownWord));
        let mut number = |reader: &mut Reader<'_>, key: &str, usual: i64| {
            let found =
                table.take(key).and_then(|item| reader.bounded(Unit::Count, item, 1, 10_000));
            found.unwrap_or_else(|| Choice::only(usual))
        };
        let page = number(reader, "page", 200);
        let batch = number(reader, "batch", 200);
        let commit = table
            .take("commit")
            .and_then(|item| reader.bounded(Unit::Span, item, 0, 86_400_000))
            .unwrap_or_else(|| Choice(vec![Range { low: 1, high: 20 }]));
        table.finish(reader, REMOTE_KEYS);
        let Some(kind) = kind else { continue };
        if let Some(other) = scenario.remotes.iter().find(|remote| remote.kind == kind) {
            let message = format!("`{}` and `{name}` are of the same kind", other.name);
            reader.tell(
                Code::Duplicate,
                key,
                message,
                "the second one",
                "there is at most one zone (cloudkit) and one rows (supabase)",
            );
        } else if named {
            let spec = RemoteSpec { name: name.to_owned(), kind, page, batch, commit };
            scenario.remotes.push(spec);
        }
    }
    // A plan lists its remotes in the order of their kinds.
    scenario.remotes.sort_by_key(|remote| remote.kind);
    if none {
        reader.tell(
            Code::Missing,
            span,
            "there is no remote",
            "nothing here",
            format!("add cloudkit = {{ kind = \"{}\" }}", remote_name(Remote::Zone)),
        );
    }
}

/// Reads the devices. If the heading has none, the place to say so.
fn devices(
    reader: &mut Reader<'_>,
    mut table: Table<'_>,
    scenario: &mut Scenario,
) -> Option<Bytes<usize>> {
    let span = table.span.clone();
    let listed = !scenario.users.is_empty();
    let entries = table.rest();
    let none = entries.is_empty();
    let mut wanted = 0;
    for (name, key, item) in entries {
        let named = check_node(reader, scenario, name, key, "device");
        let Some(mut table) = reader.table(item, &format!("the device `{name}`")) else {
            continue;
        };
        let crowd = table.take("count").and_then(|item| reader.number(item, 1, 100_000));
        let users = owners(reader, &mut table, scenario, (name, crowd.is_some(), listed));
        if let Some(item) = table.take("syncs-with") {
            syncs_with(reader, scenario, item);
        }
        let states = states(reader, &mut table);
        let mut part = |reader: &mut Reader<'_>, key: &str, unit: Unit, low: i64, high: i64| {
            let found = table.take(key).and_then(|item| reader.bounded(unit, item, low, high));
            found.unwrap_or_else(|| Choice::only(0))
        };
        let start = part(reader, "start", Unit::Span, 0, FOREVER);
        let clock = part(reader, "clock", Unit::Shift, -FOREVER, FOREVER);
        let drift = part(reader, "drift", Unit::Drift, -500_000, 500_000);
        table.finish(reader, DEVICE_KEYS);
        let spec = DeviceSpec { name: name.to_owned(), users, states, start, clock, drift };
        wanted += crowd.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX));
        if named && wanted <= MOST_DEVICES {
            // A device without a readable user has its own problem already.
            match crowd {
                Some(count) => scenario.devices.extend(crowd_of(&spec, count as usize)),
                None => scenario.devices.push(spec),
            }
        }
    }
    if wanted > MOST_DEVICES {
        reader.tell(
            Code::OutOfBounds,
            span.clone(),
            format!("there are {wanted} devices"),
            "too many for one process",
            format!("keep {MOST_DEVICES} of them"),
        );
    }
    none.then_some(span)
}

/// Whose a device may be. Of a crowd it may be said how many people it has; where [scenario] lists no
/// users, each name here is that of a user.
fn owners(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    scenario: &mut Scenario,
    (device, is_crowd, listed): (&str, bool, bool),
) -> Vec<UserId> {
    let mut users = Vec::new();
    if let (true, Some(item)) = (is_crowd, table.take("users")) {
        let most = MOST_DEVICES as u64;
        let wanted = reader.number(item, 1, most).unwrap_or_default();
        if scenario.users.len() as u64 + wanted > MOST_USERS as u64 {
            reader.out_of_bounds(
                item.span(),
                &format!("1 and {MOST_USERS}, together with all others"),
            );
            return users;
        }
        for n in 1..=wanted {
            users.push(user_id(scenario.users.len()));
            scenario.users.push(format!("{device}-user-{n:03}"));
        }
        return users;
    }
    let Some(item) = table.need(reader, "user", "\"anna\"") else { return users };
    for item in reader.one_or_many(item) {
        if let (false, Some(user)) = (listed, reader.text(item))
            && check_name(reader, user, item.span(), "user")
            && !scenario.users.iter().any(|other| other == user)
        {
            scenario.users.push(user.to_owned());
        }
        if let Some(text) = item.get_ref().as_str()
            && let Some(at) = scenario.users.iter().position(|user| user == text)
        {
            users.push(user_id(at));
        } else if listed {
            reader.user(scenario, item);
        }
    }
    users
}

/// The states that a device may begin in.
fn states(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Vec<State> {
    let mut states = Vec::new();
    if let Some(item) = table.take("state") {
        for item in reader.one_or_many(item) {
            states.extend(reader.word(item, STATES, Code::UnknownWord));
        }
    }
    if states.is_empty() {
        states.push(State::Prepared);
    }
    states
}

/// Devices that are alike but for their names. Its people own as many each.
fn crowd_of(spec: &DeviceSpec, count: usize) -> impl Iterator<Item = DeviceSpec> {
    (0..count).map(|n| {
        let name = format!("{}-{:03}", spec.name, n + 1);
        let owner = spec.users.get(n % spec.users.len().max(1)).copied();
        DeviceSpec { name, users: owner.into_iter().collect(), ..spec.clone() }
    })
}

fn syncs_with(reader: &mut Reader<'_>, scenario: &Scenario, item: Item<'_>) {
    let mut found = Vec::new();
    for item in reader.one_or_many(item) {
        found.extend(reader.remote(scenario, item));
    }
    let lacking: Vec<&str> = scenario
        .remotes
        .iter()
        .filter(|remote| !found.contains(&remote.kind))
        .map(|remote| remote.name.as_str())
        .collect();
    if !lacking.is_empty() {
        let all: Vec<String> =
            scenario.remotes.iter().map(|remote| format!("\"{}\"", remote.name)).collect();
        reader.tell(
            Code::Contradiction,
            item.span(),
            format!("this leaves out {}", lacking.join(", ")),
            "a device syncs with all remotes of the scenario",
            format!("write [{}], or remove the line", all.join(", ")),
        );
    }
}

fn settings(reader: &mut Reader<'_>, heading: &str, mut table: Table<'_>, scenario: &mut Scenario) {
    parameters(reader, heading, &mut table, scenario);
    if let Some(item) = table.take("latency") {
        if item.get_ref().is_str() {
            if let Some(choice) = reader.bounded(Unit::Span, item, 1, 86_400_000) {
                let Range { low, high } = choice.0[0];
                scenario.settings[Parameter::Typical as usize] = Choice::only(middle(low, high));
                scenario.settings[Parameter::P99 as usize] = Choice::only(high);
            }
        } else if let Some(mut latency) = reader.table(item, "`latency`") {
            for (key, parameter) in [("typical", Parameter::Typical), ("p99", Parameter::P99)] {
                if let Some(item) = latency.need(reader, key, "\"60ms\"") {
                    set(reader, parameter, item, scenario);
                }
            }
            latency.finish(reader, &["typical", "p99"]);
        }
    }
    table.finish(reader, keys(heading));
}

/// The geometric middle: half of all messages are faster if delays are spread by magnitude.
fn middle(low: i64, high: i64) -> i64 {
    let square = u64::try_from(low.max(1)).unwrap_or(1).saturating_mul(high.max(1).unsigned_abs());
    i64::try_from(square.isqrt()).unwrap_or(high).clamp(low, high)
}

fn given(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    if let Some(item) = table.take("rows") {
        for item in reader.list(item) {
            let Some(mut table) = reader.table(item, "a given row") else { continue };
            let id = table.need(reader, "row", "\"meal/42\"").and_then(|item| reader.row(item));
            let user = reader.owner(scenario, &mut table, "owner");
            let set = table.need(reader, "everywhere", "{ name = \"Oatmeal\" }");
            let set = set.zip(id).and_then(|(item, id)| reader.fields(id.kind, item));
            table.finish(reader, &["row", "owner", "everywhere"]);
            let (Some(id), Some(user), Some(set)) = (id, user, set) else { continue };
            if scenario.given.iter().any(|other| other.user == user && other.id == id) {
                reader.tell(
                    Code::Duplicate,
                    item.span(),
                    format!("{id} is given twice"),
                    "the second one",
                    "remove one of them",
                );
            } else {
                let set = set
                    .into_iter()
                    .map(|(field, value)| (field, given_value(id.kind, field, value)));
                let set = set.collect();
                scenario.given.push(Given { user, id, set });
            }
        }
    }
    if let Some(item) = table.take("conversations") {
        pipeline::given(reader, scenario, item);
    }
    if let Some(item) = table.take("make") {
        for item in reader.list(item) {
            let Some(mut table) = reader.table(item, "a line of `make`") else { continue };
            let rows = table.need(reader, "rows", "\"meal/1..20\"");
            if let Some((kind, low, high)) = rows.and_then(|item| reader.rows(item)) {
                scenario.make.push(Make { kind, low, high });
            }
            table.finish(reader, &["rows"]);
        }
    }
    table.finish(reader, keys("given"));
}

fn given_value(kind: Kind, field: FieldId, value: Value) -> Value {
    let field = field_of(kind, field).expect("the reader names fields of the schema only");
    stored(field, value)
}

/// How much a run may take. No run is as large as the most that can be written.
fn limits(reader: &mut Reader<'_>, mut table: Table<'_>) -> Limits {
    const MOST: u64 = 1_000_000_000_000;
    let mut count = |reader: &mut Reader<'_>, key: &str| {
        table.take(key).and_then(|item| reader.number(item, 1, MOST))
    };
    let (events, facts) = (count(reader, "events"), count(reader, "facts"));
    let bytes = table.take("bytes").and_then(|item| reader.exact(Unit::Size, item));
    let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok());
    let simulated = table.take("simulated").and_then(|item| reader.span(item, 1));
    table.finish(reader, keys("limits"));
    Limits { events, facts, bytes, simulated }
}
