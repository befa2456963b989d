//! The trace event format: facts as slices of a host's track, messages as arrows between them, faults beside them.
//!
//! Simulated time counts milliseconds and a trace microseconds: the n-th fact of a host in a millisecond lasts its
//! n-th microsecond, so that no two slices of a track overlap and their order stays.

use serde_json::{Value, json};

use crate::history::Fact;
use crate::invariant::Violation;
use crate::report::Story;
use crate::report::html::bands::bands;
use crate::report::html::events::Lanes;
use crate::report::html::messages::messages;
use crate::report::story::Scene;

/// The last microsecond of a millisecond.
const LAST: u64 = 999;

pub(super) fn render(story: &Story<'_>, violation: Option<&Violation>) -> String {
    let (plan, history) = (story.plan, &story.outcome.history[..]);
    let scene = Scene::new(plan, history);
    let lanes = Lanes::of(plan, history);
    let proof = violation.map_or_else(Vec::new, |it| scene.proof(it));
    let mut path: Vec<usize> =
        violation.map_or_else(Vec::new, |it| scene.path(it).iter().map(|stop| stop.fact).collect());
    path.extend(&proof);
    let mut events = tracks(&lanes);
    let place = |fact: usize| lanes.place(history[fact].node).expect("each host has a lane");
    let moments = moments(history.iter().enumerate().map(|(it, entry)| (place(it), entry.at.0)));
    let at = |fact: usize| {
        let place = place(fact);
        json!({"pid": group(&lanes, place), "tid": place + 1, "ts": moments[fact]})
    };
    for (fact, entry) in history.iter().enumerate() {
        let stops = path.contains(&fact).then(|| proof.contains(&fact));
        let category = match stops {
            Some(true) => "proof",
            Some(false) => "path",
            None => "fact",
        };
        let slice = json!({"ph": "X", "dur": 1, "cat": category, "name": scene.tell(entry, None)});
        events.push(merged(at(fact), slice));
        if let Fact::Killed { .. } = entry.fact {
            let crash = json!({"ph": "i", "s": "t", "cat": "fault", "name": "loses power"});
            events.push(merged(at(fact), crash));
        }
    }
    for (id, message) in messages(history).iter().enumerate() {
        let Some(arrived) = message.arrived() else { continue };
        let flow = |ph: &str| json!({"ph": ph, "id": id, "cat": "message", "name": "message"});
        events.push(merged(at(message.sent), flow("s")));
        events.push(merged(merged(at(arrived), flow("f")), json!({"bp": "e"})));
    }
    let last = moments.iter().max().copied().unwrap_or_default();
    for (id, band) in bands(&scene, history, &lanes).iter().enumerate() {
        let name = |ph: &str| json!({"ph": ph, "id": id, "cat": "fault", "name": band.word});
        let end = band.end.map_or(last, |end| moments[end]);
        events.push(merged(at(band.begin), name("b")));
        events.push(merged(at(band.begin), merged(name("e"), json!({"ts": end}))));
    }
    if let Some(it) = violation {
        let fact = proof.last().copied().unwrap_or_default();
        let name = format!("{} is violated: {}", it.invariant.name(), it.message);
        let mark = json!({"ph": "i", "s": "g", "cat": "violation", "name": name});
        events.push(merged(at(fact), mark));
    }
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    format!("{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n{}\n]}}\n", lines.join(",\n"))
}

/// The names of tracks, a process for each group of hosts.
fn tracks(lanes: &Lanes) -> Vec<Value> {
    let mut named = Vec::new();
    for (place, lane) in lanes.lanes.iter().enumerate() {
        let pid = group(lanes, place);
        let name = |what: &str, name: &str| json!({"ph": "M", "pid": pid, "tid": place + 1, "name": what, "args": {"name": name}});
        named.push(name("process_name", &lane.group));
        named.push(name("thread_name", &lane.name));
    }
    named
}

/// The number of a host's group, from 1.
fn group(lanes: &Lanes, place: usize) -> usize {
    let group = &lanes.lanes[place].group;
    let first = lanes.lanes.iter().position(|it| it.group == *group);
    first.map_or(1, |first| first + 1)
}

/// When each fact is, in microseconds: by its track and millisecond.
fn moments(facts: impl Iterator<Item = (usize, u64)>) -> Vec<u64> {
    let mut latest: Vec<Option<u64>> = Vec::new();
    facts
        .map(|(lane, ms)| {
            if latest.len() <= lane {
                latest.resize(lane + 1, None);
            }
            let begin = ms * 1_000;
            let next = latest[lane].map_or(begin, |it| begin.max(it + 1)).min(begin + LAST);
            latest[lane] = Some(next);
            next
        })
        .collect()
}

/// An object with the members of both; the second one decides.
fn merged(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}
